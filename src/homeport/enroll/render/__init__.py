"""Configuration for what other tooling applies: ansible, cloud-init, dind, buildkitd, k3s, …

In: a `Request`. Out: files as text.
"""
