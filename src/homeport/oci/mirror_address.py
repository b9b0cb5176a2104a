"""The address of a mirror as engines take it: `http[s]://HOST[:PORT]`, no path and no login."""

import re

_ADDRESS = re.compile(r"https?://([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?/?")
HINT = "write http://HOST[:PORT] or https://HOST[:PORT], without a path"


def is_mirror(url: str) -> bool:
    return _ADDRESS.fullmatch(url) is not None
