"""Private container engines for the tests, beside whatever engine the machine runs.

In: Debian's docker.io, podman and busybox-static. Out: addresses of a Docker and a Podman that
hold the test images. Used by the fixtures of `conftest.py`.
"""
