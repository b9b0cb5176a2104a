"""Upstream registries: chains of URLs with health, a breaker, caps, credentials and quotas.

In: repository names and digests. Out: manifests, streams of blobs, or a `RemoteError`. Built on
`homeport.remote`. Used by `pull`.
"""
