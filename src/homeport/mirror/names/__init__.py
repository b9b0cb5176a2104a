"""What a client's path means: one pure resolver for bare names, host paths, `ns`, aliases, virtual
hosts, local namespaces and canaries.

In: the configuration, then (listener, Host header, name, ns) of each request, all of it hostile.
Out: `Target`, or `Refusal` with the reason. Used by `flow` for every request, so it is fast, and by
`config`, which asks it what would be ambiguous.
"""
