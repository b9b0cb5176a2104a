"""One module per kind of engine: how it is found, configured, reloaded, asked and used.

In: a `Host` and a `Request`. Out: `Engine`s and `EnginePlan`s. Used by `plan`, `apply`, `verify`.
"""
