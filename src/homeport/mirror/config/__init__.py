"""The mirror's settings: `[mirror]` of a `homeport.toml`, read, checked as a whole, made values.

In: a file (or none), the environment's lookup variables, flags. Out: `MirrorConfig`, or one
`UsageError` with every fault, each with file, line and column. Read by `app`, at the start and on
SIGHUP, and by `homeport mirror check`.
"""

from homeport.mirror.config.advice import advice
from homeport.mirror.config.load import CONFIG_VARIABLE, SYSTEM_FILE, find_config, load_config

__all__ = ["CONFIG_VARIABLE", "SYSTEM_FILE", "advice", "find_config", "load_config"]
