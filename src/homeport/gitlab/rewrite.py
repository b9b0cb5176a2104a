"""`[rewrite]` of the user's settings: addresses that are read from somewhere else."""

from collections.abc import Mapping


def rewrite(address: str, rules: Mapping[str, str]) -> str:
    """`address` with the longest prefix that a rule names replaced; itself where none does.

    A prefix is a URL (`https://gitlab.com/templates`) or, without a scheme, a host with or without
    a path (`gitlab.com/templates`), which stands for http, https and ssh alike. It ends only where
    a part of the address ends: `gitlab.co` is no prefix of `gitlab.com`. The replacement is a URL,
    or a local path that begins with `/`; the rest of the address is appended to it. No `..` in the
    rest leads out of a local path: such an address is left as it is.
    """
    scheme, separator, rest = address.partition("://")
    bare = rest.partition("/")
    bare_address = bare[0].rpartition("@")[2].lower() + bare[1] + bare[2] if separator else ""
    best, found = -1, address
    for prefix, replacement in rules.items():
        whole = address if "://" in prefix else bare_address
        start = prefix.rstrip("/")
        tail = whole[len(start) :]
        if replacement.startswith("/") and ".." in tail.split("/"):
            continue
        if whole.startswith(start) and tail[:1] in ("", "/", "?", "#", ":") and len(start) > best:
            best = len(start) + (len(scheme) if "://" not in prefix else 0)
            found = replacement.rstrip("/") + tail
    return found
