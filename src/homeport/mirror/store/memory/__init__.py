"""Both stores in memory: the second implementation of the Protocols, and the one of unit tests.

In: bytes and values. Out: the same, until the process ends. It passes tests/contract/store, too.
"""
