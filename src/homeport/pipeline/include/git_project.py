"""A project over git: a bare repository of homeport's own that holds only what was asked for."""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from homeport.errors import HomeportError
from homeport.lib.git import Git, GitError
from homeport.pipeline.include.api import DeadHostError, UnreachedError
from homeport.pipeline.include.versions import is_sha

_DEAD = re.compile(
    r"could not resolve|connect to|connection (refused|timed out|reset|closed)|failed to connect"
    r"|no route|network is unreachable|host key verification|permission denied \("
    r"|certificate|not allowed",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"not found|could not be found|does not (exist|appear)|could not read username|denied"
    r"|authentication failed|forbidden|not exported",
    re.IGNORECASE,
)
_QUIET = ("--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none")


class GitProject:
    """A `ProjectReader` for the repository at `url` (https or ssh; http if the user wrote it).

    `folder` is where its objects are kept; no file of it is ever checked out. `ca` is a PEM file of
    the authorities to trust. `connect` and `whole` are seconds, for the first contact and for each
    call of git; `size` bounds a file.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        env: Mapping[str, str],
        ca: str | None = None,
        connect: float,
        whole: float,
        size: int,
    ) -> None:
        self._url = url
        self._folder = folder
        self._git = Git(folder, trusted=True)
        self._connect = connect
        self._whole = whole
        self._size = size
        self._environ = env
        self._lock = threading.Lock()
        self._ready = False
        self._met = False
        schemes = "https:ssh:http" if url.startswith("http:") else "https:ssh"
        self._env = {
            "GIT_DIR": str(folder),
            "GIT_ALLOW_PROTOCOL": schemes,
            "GIT_PROTOCOL": "version=2",
        }
        if "GIT_SSH_COMMAND" not in env:
            self._env["GIT_SSH_COMMAND"] = f"ssh -oBatchMode=yes -oConnectTimeout={int(connect)}"
        authorities = ca or env.get("SSL_CERT_FILE")
        if authorities and "GIT_SSL_CAINFO" not in env:
            self._env["GIT_SSL_CAINFO"] = authorities

    def resolve(self, ref: str) -> str | None:
        if is_sha(ref):
            return ref
        if ref.startswith("-") or not _is_ref(ref):
            return None
        names = [ref] if ref == "HEAD" or ref.startswith("refs/") else []
        names += [f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}"]
        found = self._remote_refs(*names)
        return next((found[name] for name in names if name in found), None)

    def versions(self) -> dict[str, str]:
        tags: dict[str, str] = {}
        for name, sha in self._remote_refs("refs/tags/*").items():
            tag = name.removeprefix("refs/tags/")
            if tag.endswith("^{}"):
                tags[tag.removesuffix("^{}")] = sha
            else:
                tags.setdefault(tag, sha)
        return tags

    def read(self, commit: str, path: str) -> bytes | None:
        if any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
            return None
        with self._locked():
            self._need_commit(commit)
            listed = self._run("ls-tree", "-z", "--full-tree", commit, "--", path)
            head, _, name = listed.rstrip(b"\0").partition(b"\t")
            words = head.decode().split(" ")
            if len(words) != 3 or words[1] != "blob" or name != os.fsencode(path):
                return None
            blob = words[2]
            if self._size_of(blob) is None:
                self._fetch(blob)
            size = self._size_of(blob)
            if size is None:
                raise UnreachedError(f"the server has not sent {path}")
            if size > self._size:
                return b" " * (self._size + 1)
            return self._run("cat-file", "blob", blob)

    def paths(self, commit: str) -> tuple[str, ...]:
        with self._locked():
            self._need_commit(commit)
            listed = self._run("ls-tree", "-r", "-z", "--full-tree", commit)
        entries = (entry.partition(b"\t") for entry in listed.split(b"\0")[:-1])
        return tuple(os.fsdecode(path) for head, _, path in entries if b" blob " in head)

    def _need_commit(self, commit: str) -> None:
        if self._try("rev-parse", "--quiet", "--verify", f"{commit}^{{tree}}") is None:
            self._fetch(commit, "--depth=1")

    def _fetch(self, name: str, *options: str) -> None:
        self._network("fetch", *_QUIET, *options, "origin", name)

    def _size_of(self, blob: str) -> int | None:
        # Where an object is missing git would ask the server again: no protocol is allowed here.
        out = self._try("cat-file", "-s", blob)
        return None if out is None else int(out)

    def _remote_refs(self, *patterns: str) -> dict[str, str]:
        with self._locked():
            out = self._network("ls-remote", "--quiet", "origin", *patterns)
        lines = (line.partition("\t") for line in out.decode("utf-8", "replace").splitlines())
        return {name: sha for sha, _, name in lines}

    def _run(self, *args: str) -> bytes:
        try:
            env = {**self._env, "GIT_ALLOW_PROTOCOL": "none"}
            return self._git.run(*args, env=env, config=False)
        except GitError as error:
            raise UnreachedError(str(error)) from None

    def _try(self, *args: str) -> bytes | None:
        env = {**self._env, "GIT_ALLOW_PROTOCOL": "none"}
        return self._git.try_run(*args, env=env, config=False)

    def _network(self, *args: str) -> bytes:
        if not self._met:
            self._check_host()
            self._met = True
        try:
            return self._git.run(*args, env=self._env, timeout=self._whole, config=False)
        except GitError as error:
            raise self._failure(error) from None

    def _failure(self, error: GitError) -> UnreachedError:
        if error.problems[0].code == "git-timeout":
            return DeadHostError(f"{self._url}: no answer within {self._whole:g} seconds")
        lines = [line.strip() for line in error.said.splitlines() if line.strip()]
        for line in lines:
            if _DEAD.search(line):
                return DeadHostError(f"{self._url}: {line}")
        for line in lines:
            if _GONE.search(line):
                return UnreachedError(f"{self._url}: {line.removeprefix('remote: ')}")
        return UnreachedError(f"{self._url}: {error}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, in this process and in others."""
        import fcntl

        with self._lock:
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle = os.open(self._folder / "homeport.lock", os.O_WRONLY | os.O_CREAT, 0o600)
            except OSError as error:
                raise UnreachedError(f"{self._folder} cannot be used: {error.strerror}") from None
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                self._prepare()
                yield
            except HomeportError as error:
                raise UnreachedError(str(error)) from None
            finally:
                os.close(handle)

    def _prepare(self) -> None:
        mark = self._folder / "homeport.ready"
        if self._ready or mark.exists():
            return
        self._run("init", "--quiet", "--bare", "--template=", ".")
        values = {
            "gc.auto": "0",
            "remote.origin.url": self._url,
            "remote.origin.promisor": "true",
            "remote.origin.partialclonefilter": "blob:none",
        }
        for key, value in values.items():
            self._run("config", key, value)
        with suppress(OSError):
            mark.touch(mode=0o600)
        self._ready = True

    def _check_host(self) -> None:
        """git has no time limit for a connection by http; where nothing stands between, try one."""
        if self._url.startswith("ssh:") or "://" not in self._url:
            return
        from homeport.gitlab.address import parse_url
        from homeport.gitlab.proxy import choose_proxy

        url = parse_url(self._url)
        config = self._git.config
        detour = any(
            key.endswith((".proxy", ".insteadof")) and key.startswith(("http.", "url."))
            for key in config
        )
        if detour or choose_proxy(url, self._environ) is not None:
            return
        import socket

        try:
            socket.create_connection((url.host, url.port), timeout=self._connect).close()
        except TimeoutError:
            reason = f"no connection within {self._connect:g} seconds"
        except socket.gaierror:
            reason = "the host's name is not known here"
        except OSError as error:
            reason = (error.strerror or "the host cannot be reached").lower()
        else:
            return
        raise DeadHostError(f"{url.authority}: {reason}")


def _is_ref(name: str) -> bool:
    """As git-check-ref-format(1), as far as a name could mean something else to git."""
    plain = re.fullmatch(r"[^\x00-\x20~^:?*\[\\\x7f]+", name)
    return plain is not None and ".." not in name and "@{" not in name


def sibling(address: str, path: str) -> str | None:
    """The address of the project at `path` on the server of `address` (git-clone(1), "GIT URLS").

    User and password of a web address are left out, the user of an ssh address stays. None for a
    local path, and for a host that could be taken for an option.
    """
    scheme, separator, rest = address.partition("://")
    if separator:
        authority = rest.partition("/")[0]
        if scheme in ("git+ssh", "ssh+git"):
            scheme = "ssh"
        if scheme in ("http", "https"):
            authority = authority.rpartition("@")[2]
        elif scheme != "ssh":
            return None
        host = authority.rpartition("@")[2]
        usable = re.fullmatch(r"[A-Za-z0-9\[][A-Za-z0-9.:\[\]_-]*", host)
        return f"{scheme}://{authority}/{path}.git" if usable else None
    host, colon, rest = address.partition(":")
    # `transport::address` names a program, not a host (gitremote-helpers(7)).
    if not colon or "/" in host or rest.startswith(":"):
        return None
    if not re.fullmatch(r"([\w.-]+@)?[A-Za-z0-9][A-Za-z0-9._-]*", host):
        return None
    return f"{host}:{path}.git"
