"""Where images are kept: `Blobs` (bytes by digest) and `Metadata` (what may be shown as what).

In: bytes and values. Out: the same, after any crash. `api.py` has the Protocols; every
implementation passes tests/contract/store. Used by `pull`, `push` and `app`.
"""
