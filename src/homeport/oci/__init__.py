"""The vocabulary of the OCI specifications: digests, references, media types, manifests, errors.

In: text and bytes from clients and registries (hostile). Out: small values, or `ValueError` in one
clear sentence. Pure: no files, no sockets, no clock. Used by `remote` and `mirror`.
"""
