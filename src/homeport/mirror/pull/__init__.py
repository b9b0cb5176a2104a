"""Reading: blobs through a shared fill, manifests and tags with freshness, lists, referrers.

In: a resolved and allowed request. Out: a `Reply` or a `RegistryError`. Used by `flow`.
"""
