"""Whether they may: rules over principals, networks and repositories. Pure.

In: an `Access`. Out: `Allow` or `Deny`. Used by `flow` and `mirror explain`.
"""
