"""Writing to local namespaces: uploads, manifests, deletes.

In: a resolved and allowed request. Out: a `Reply` or a `RegistryError`. Used by `flow`.

`writer` is what `flow` calls; `blobs` and `manifests` are its two halves. `sessions` keeps the
uploads that are under way, `intake` reads a request's body into one, `namespaces` knows quotas and
immutable tags, `location` writes paths as the client asked, `refusal` says no.
"""
