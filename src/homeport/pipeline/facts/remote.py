"""A git remote's address → the project on its server. Credentials are never kept."""

from collections.abc import Mapping, Sequence

from homeport.pipeline.model.trigger import Project

_WEB = {"http": "http", "https": "https"}
_SSH = frozenset(("ssh", "git+ssh", "ssh+git", "git"))


def choose_remote(config: Mapping[str, Sequence[str]], branch: str | None) -> str | None:
    """`origin`, else the remote that the branch follows, else the first one configured."""
    names = [
        key[len("remote.") : -len(".url")]
        for key in config
        if key.startswith("remote.") and key.endswith(".url")
    ]
    if "origin" in names or not names:
        return "origin" if names else None
    followed = config.get(f"branch.{branch}.remote", ("",))[-1]
    return followed if followed in names else names[0]


def remote_project(config: Mapping[str, Sequence[str]], remote: str) -> Project | None:
    """The project that the remote names, or None for a path or an address of no server."""
    return parse_address(_rewrite(config, config[f"remote.{remote}.url"][0]))


def remote_address(config: Mapping[str, Sequence[str]], branch: str | None) -> str | None:
    """The whole address of the remote that the project is known by; None without a remote."""
    remote = choose_remote(config, branch)
    urls = config.get(f"remote.{remote}.url", ())
    return _rewrite(config, urls[0]) if urls else None


def parse_address(address: str) -> Project | None:
    """`https://…`, `ssh://…` and `user@host:path` (git-clone(1), "GIT URLS").

    A port of an ssh address is no port of the web address, which is then taken to be https.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return _parse_scp(address)
    authority, _, path = rest.partition("/")
    host = authority.rpartition("@")[2].lower()
    if scheme in _WEB:
        default = ":80" if scheme == "http" else ":443"
        return _project(host.removesuffix(default), path, protocol=_WEB[scheme])
    if scheme in _SSH:
        name, port = _split_port(host)
        return _project(name, path, ssh_port=int(port) if port and scheme != "git" else 22)
    return None


def _parse_scp(address: str) -> Project | None:
    """`[user@]host:path`; a colon after the first slash belongs to a local path."""
    if address.startswith("[") or "@[" in address:
        head, closing, path = address.partition("]:")
        host = head.rpartition("[")[2]
        host = f"[{host}]" if ":" in host and host.count(":") > 1 else host
    else:
        head, closing, path = address.partition(":")
        host = head.rpartition("@")[2]
    # `transport::address` names a program, not a host (gitremote-helpers(7)).
    if not closing or "/" in head or path.startswith(":"):
        return None
    return _project(_split_port(host.lower())[0], path)


def _split_port(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    # The colons of a bare IPv6 address are inside its brackets.
    return (name, port) if colon and port.isdecimal() and "]" not in port else (host, "")


def _project(
    host: str, path: str, *, protocol: str = "https", ssh_port: int = 22
) -> Project | None:
    clean = path.strip("/").removesuffix(".git").strip("/")
    parts = clean.split("/")
    if not host or not clean.isprintable() or not host.isprintable():
        return None
    if any(part in ("", ".", "..") for part in parts) or parts[0].startswith("~"):
        return None
    return Project(host=host, path=clean, protocol=protocol, ssh_port=ssh_port)


def _rewrite(config: Mapping[str, Sequence[str]], address: str) -> str:
    """Apply `url.<base>.insteadOf`: the longest prefix wins (git-config(1))."""
    best, base = "", ""
    for key, values in config.items():
        if key.startswith("url.") and key.endswith(".insteadof"):
            for prefix in values:
                if len(prefix) > len(best) and address.startswith(prefix):
                    best, base = prefix, key[len("url.") : -len(".insteadof")]
    return base + address[len(best) :]
