"""The composition root: wire the parts, start, reload, drain, stop.

In: a `MirrorConfig`. Out: a process's exit status. Used by `homeport mirror serve`.
"""

from homeport.mirror.app.serve import run

__all__ = ["run"]
