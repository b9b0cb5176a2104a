"""Who asks: Basic, Bearer, certificates, id_tokens, LDAP; and the token service.

In: a `Request`. Out: a `Principal`, or a challenge. Used by `flow`.
"""
