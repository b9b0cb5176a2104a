"""CPU of registries per request and per gigabyte, peers beside (README.md).

`figures.measure` takes a running server and returns its figures; `servers.py` starts the servers.
"""
