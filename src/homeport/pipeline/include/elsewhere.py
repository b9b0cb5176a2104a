"""Includes of other projects and hosts: a `RemoteSource` over git, GitLab's API and HTTPS."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from homeport.errors import MissingError
from homeport.gitlab.rewrite import rewrite
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.include.api import (
    Fetched,
    FileSource,
    ProjectReader,
    UnreachedError,
    Wanted,
)
from homeport.pipeline.include.api_project import unreached
from homeport.pipeline.include.cache import in_words
from homeport.pipeline.include.checkout import Checkout
from homeport.pipeline.include.circuit import Circuit, Memo
from homeport.pipeline.include.commit import CommitFiles
from homeport.pipeline.include.component import Component, parse_component
from homeport.pipeline.include.files import WebFiles
from homeport.pipeline.include.location import LocationError
from homeport.pipeline.include.server import Servers
from homeport.pipeline.include.store import Store
from homeport.pipeline.include.versions import LATEST, choose_tag, is_range, is_sha
from homeport.pipeline.model.trigger import Project

T = TypeVar("T")
_AT_ONCE = 8
_FRESH = 60.0
_PROJECT = re.compile(r"[A-Za-z0-9_][\w.+-]*(/[A-Za-z0-9_][\w.+-]*)+", re.ASCII)
_NO_HOST = "the repository has no remote, so the GitLab server that has it is not known"


class Pinned(Struct, frozen=True, kw_only=True):
    """What a ref was found to be: a commit, the tag that a range chose, and a note if it is old."""

    commit: str
    tag: str = ""
    note: str | None = None


class Here(Struct, frozen=True, kw_only=True):
    """The files that are run, which are those of the own project at its commit `sha`."""

    sha: str
    source: FileSource


class Elsewhere:
    """`own` is the project of this repository, None without a remote; `here` are its files, which
    no server need have yet. `refresh` asks servers anew for what may have changed."""

    def __init__(
        self,
        servers: Servers,
        store: Store,
        *,
        own: Project | None,
        rules: Mapping[str, str],
        limits: Limits,
        refresh: bool = False,
        here: Here | None = None,
    ) -> None:
        self.store = store
        self._here = here
        self._servers = servers
        self._own = own
        self._rules = rules
        self._limits = limits
        self._refresh = refresh
        self._circuit = Circuit()
        self._memo = Memo()
        self._slots = threading.Semaphore(_AT_ONCE)
        self._web = WebFiles(
            servers, store, self._circuit, own=own, rules=rules, limits=limits, refresh=refresh
        )

    def prepare(self, wanted: Sequence[Wanted]) -> None:
        """Begin to fetch in threads, unless one file is all, or nothing may be fetched."""
        if self.store.offline or len(wanted) < 2:
            return
        for each in wanted:
            threading.Thread(target=self._fetch_ahead, args=(each,), daemon=True).start()

    def fetch(self, wanted: Wanted) -> Fetched:
        try:
            return self._memo.get(wanted, lambda: self._read(wanted))
        except MissingError as error:
            raise unreached(error) from None

    def _fetch_ahead(self, wanted: Wanted) -> None:
        # What fails here fails again, with words, when the file's turn comes.
        with self._slots, suppress(Exception):
            self.fetch(wanted)

    def _read(self, wanted: Wanted) -> Fetched:
        if wanted.kind == "project":
            return self._read_project(wanted)
        if wanted.kind == "component":
            return self._read_component(parse_component(wanted.name))
        if wanted.kind == "template":
            return self._web.template(wanted)
        return self._web.remote(wanted)

    def _read_project(self, wanted: Wanted) -> Fetched:
        path, ref = wanted.project or "", wanted.ref or "HEAD"
        if self._own is None and not self._rules:
            raise UnreachedError(_NO_HOST)
        host = self._own.host if self._own else ""
        if not _PROJECT.fullmatch(path) or ".." in path:
            raise LocationError(_denied(path))

        def pin(reader: ProjectReader) -> tuple[str, str]:
            commit = reader.resolve(ref)
            if commit is None:
                raise LocationError(f"Project `{path}` reference `{ref}` does not exist!")
            return commit, ""

        source, note = self._files("project", host, path, ref, pin)
        content = source.read(wanted.name)
        if content is None:
            raise LocationError(f"Project `{path}` file `{wanted.name}` does not exist!")
        prefix = f"{path}:" if ref == "HEAD" else f"{path}@{ref}:"
        return Fetched(
            content=content, name=prefix + wanted.name, prefix=prefix, source=source, note=note
        )

    def _read_component(self, component: Component) -> Fetched:
        if self._own is None:
            raise UnreachedError(_NO_HOST)
        if component.host != self._own.host and not self._servers.knows(component.host):
            # What GitLab says is right for this remote, which may be a mirror of another.
            refusal = component.refuse("the component path is not supported")
            raise UnreachedError(
                f"{refusal}: GitLab reads components of its own host, here {self._own.host}"
            )
        project, version = component.project.lower(), component.version
        if not _PROJECT.fullmatch(project) or ".." in project or "/" in component.name:
            raise component.refuse("content not found")
        source, note = self._files(
            "component", component.host, project, version, lambda it: _pin_version(component, it)
        )
        content = next(
            (found for path in component.paths if (found := source.read(path)) is not None), None
        )
        if content is None:
            raise component.refuse("content not found")
        prefix = f"{component.host}/{project}@{version}:"
        facts = {"name": component.name, "reference": version, "sha": None, "version": None}
        if isinstance(source, CommitFiles):
            facts |= {"sha": source.commit, "version": source.tag or None}
        elif is_sha(version):
            facts["sha"] = version
        return Fetched(
            content=content,
            name=prefix + component.name,
            prefix=prefix,
            source=source,
            component=facts,
            note=note,
        )

    def _files(
        self,
        kind: str,
        host: str,
        path: str,
        ref: str,
        pin: Callable[[ProjectReader], tuple[str, str]],
    ) -> tuple[FileSource, str | None]:
        return self._memo.get(
            (kind, host, path, ref), lambda: self._open(kind, host, path, ref, pin)
        )

    def _open(
        self,
        kind: str,
        host: str,
        path: str,
        ref: str,
        pin: Callable[[ProjectReader], tuple[str, str]],
    ) -> tuple[FileSource, str | None]:
        target = rewrite(f"https://{host}/{path}", self._rules)
        if target.startswith("/"):
            checkout = Checkout(Path(target), self._limits)
            return _Mapped(checkout, pin(checkout)[0]), None
        if self._own is None:
            raise UnreachedError(_NO_HOST)
        own = (host, path.lower()) == (self._own.host, self._own.path.lower())
        if own and self._here is not None and ref == self._here.sha:
            return self._here.source, None
        source = f"{host}/{path}"
        reader = _once(lambda: self._servers.project(host, target))
        channel = self._servers.channel(host, target)
        pinned = self._pin(
            kind, source, ref, lambda: self._circuit.reach(channel, lambda: pin(reader()))
        )
        files = CommitFiles(
            self.store,
            reader,
            lambda ask: self._circuit.reach(channel, ask),
            kind=kind,
            source=source,
            ref=ref,
            commit=pinned.commit,
            tag=pinned.tag,
        )
        return files, pinned.note

    def _pin(self, kind: str, source: str, ref: str, ask: Callable[[], tuple[str, str]]) -> Pinned:
        """The commit of a ref: as locked, as it is, as it was a moment ago, or as it is now."""
        store = self.store
        locked = store.locked_commit(kind, source, ref)
        if locked is not None:
            return Pinned(commit=locked.commit, tag=locked.tag)
        if is_sha(ref):
            return Pinned(commit=ref)
        index = ("ref", kind, source, ref)
        known = store.cache.entry(*index)
        if (
            known is not None
            and known.commit
            and (store.offline or (not self._refresh and known.age < _FRESH))
        ):
            return Pinned(commit=known.commit, tag=known.tag or "")
        store.refuse_offline()
        try:
            commit, tag = ask()
        except UnreachedError as error:
            if known is None or not known.commit or self._refresh:
                raise
            note = f"{source} at {ref} is as it was {in_words(known.age)} ago: {error}"
            return Pinned(commit=known.commit, tag=known.tag or "", note=note)
        store.cache.note(*index, commit=commit, tag=tag or None)
        return Pinned(commit=commit, tag=tag)


class _Mapped:
    """A checkout at one ref as a `FileSource`."""

    def __init__(self, checkout: Checkout, commit: str) -> None:
        self._checkout = checkout
        self._at = commit

    def read(self, path: str) -> bytes | None:
        return self._checkout.read(self._at, path)

    def paths(self) -> tuple[str, ...]:
        return self._checkout.paths(self._at)


def _pin_version(component: Component, reader: ProjectReader) -> tuple[str, str]:
    """The commit of a component's version, and its tag if the version is a release."""
    version = component.version
    if is_range(version):
        tags = reader.versions()
        tag = choose_tag(version, tags)
        if tag is not None:
            return tags[tag], tag
        if version == LATEST:
            raise component.refuse("content not found")
    commit = reader.resolve(version)
    if commit is None:
        raise component.refuse("content not found")
    return commit, version if choose_tag(LATEST, [version]) else ""


def _denied(path: str) -> str:
    return (
        f"Project `{path}` not found or access denied! Make sure any includes in the pipeline "
        "configuration are correctly defined."
    )


def _once(make: Callable[[], T]) -> Callable[[], T]:
    memo = Memo()
    return lambda: memo.get("", make)
