"""From (listener, host, path, ns) to a repository of an upstream, or a reason why not. Pure.

In: the settings and what a client said. Out: `Target` or `Refusal`. Used by `flow`.
"""
