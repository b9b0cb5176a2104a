"""A client of any OCI registry: HTTP, challenges, tokens, credentials, redirects, proxies.

In: a registry's URL and what is asked for. Out: responses as streams or values, or a `RemoteError`
without secrets. Used by `mirror/upstream`, `mirror/sync` and `enroll`.
"""
