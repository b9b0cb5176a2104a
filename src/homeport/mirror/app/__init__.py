"""The composition root: wire the parts, start, reload, drain, stop.

In: a `MirrorConfig`. Out: a process's exit status. Used by `homeport mirror serve`.
"""
