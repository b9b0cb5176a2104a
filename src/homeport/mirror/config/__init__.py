"""The mirror's settings: `[mirror]` of a `homeport.toml`, read, checked as a whole, made values.

In: a file (or none), the environment's lookup variables, flags. Out: `MirrorConfig`, or one
`UsageError` with every fault, each with file, line and column. Read by `app`, at the start and on
SIGHUP, and by `homeport mirror check`.
"""
