"""Writing to local namespaces: uploads, manifests, deletes.

In: a resolved and allowed request. Out: a `Reply` or a `RegistryError`. Used by `flow`.
"""
