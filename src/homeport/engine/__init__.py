"""Drive a container engine through its API: Docker's, which Podman speaks too.

In: an address (socket or host). Out: images, containers, archives and streams. Used by the
container executor and, later, by enroll. Never the docker command line.
"""
