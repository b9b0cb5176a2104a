"""`[mirror]` of a `homeport.toml` → `MirrorConfig`, or every fault of it with its line.

In: the path of a file. Out: `MirrorConfig`. Used by `app` and the commands.
"""
