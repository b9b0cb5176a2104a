"""The names of staged content. They become file names and object keys, and come from clients."""

import re

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")


def check_key(key: str) -> str:
    """The key itself; raises ValueError where it could mean another place."""
    if _KEY.fullmatch(key) is None:
        raise ValueError("the key of staged content is up to 200 letters, digits and '._:-'")
    return key
