"""What is on this machine, and what would have to be changed on it."""

import re
from collections.abc import Sequence
from typing import Optional

from homeport.enroll.address import parse_address
from homeport.enroll.engines.api import EngineKind
from homeport.enroll.engines.kinds import MODULES, find_kinds
from homeport.enroll.errors import EnrollError
from homeport.enroll.host import Host
from homeport.enroll.model import Engine, EnginePlan, EnrollPlan, Finding, Request

_REGISTRY = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::[0-9]{1,5})?")
_PATH = re.compile(r"[a-z0-9]+(?:[._/-]{1,2}[a-z0-9]+)*")


def detect(
    host: Host, engines: Sequence[str] = (), kinds: Optional[Sequence[EngineKind]] = None
) -> tuple[Engine, ...]:
    """Every engine of these kinds or ids, of all kinds where none is named."""
    return tuple(engine for _, engine in _found(host, engines, kinds))


def make_plan(
    host: Host, request: Request, kinds: Optional[Sequence[EngineKind]] = None
) -> EnrollPlan:
    """The plan of all engines that the request names. One whose file is broken has a finding of
    the severity `error` and no changes; it does not keep the others."""
    check_request(request)
    plans = []
    for kind, engine in _found(host, request.engines, kinds):
        try:
            plans.append(kind.plan(host, engine, request))
        except EnrollError as error:  # noqa: PERF203 - each engine for itself
            plans.append(EnginePlan(engine=engine, findings=(fault(error),)))
    return EnrollPlan(request=request, engines=tuple(plans))


def check_request(request: Request) -> None:
    """Names become names of folders and keys of files: refuse what is no registry or path. Raises
    EnrollError."""
    for url in (request.mirror.url, request.mirror.hub_url):
        parse_address(url)
    if not request.registries:
        raise EnrollError("no registry is named", hint="--registries docker.io")
    for name in (*request.registries, *request.mirror.paths):
        if not _REGISTRY.fullmatch(name):
            raise EnrollError(
                f"{name[:100]} is no registry", hint="write HOST[:PORT], as in docker.io,ghcr.io"
            )
    for path in request.mirror.paths.values():
        if not _PATH.fullmatch(path):
            raise EnrollError(f"{path[:100]} is no path of a registry", hint="ghcr.io=ghcr-proxy")


def fault(error: EnrollError) -> Finding:
    """An error as what a person should know of an engine."""
    said = getattr(error, "said", None)
    message = f"{error.message}: {said.strip()[:500]}" if said else error.message
    return Finding(
        code="failed", message=message, hint=error.hint, place=error.place, severity="error"
    )


def _found(
    host: Host, wanted: Sequence[str], kinds: Optional[Sequence[EngineKind]]
) -> "list[tuple[EngineKind, Engine]]":
    """`wanted` has names of kinds, or ids of engines (`KIND:…`)."""
    if kinds is None:
        kinds = find_kinds({name.partition(":")[0] for name in wanted})
    found = []
    for kind in kinds:
        for engine in kind.detect(host):
            if not wanted or kind.name in wanted or engine.id in wanted:
                found.append((kind, engine))  # noqa: PERF401 - two loops read better
    missing = [name for name in wanted if ":" in name and name not in {e.id for _, e in found}]
    if missing:
        known = ", ".join(engine.id for _, engine in found) or ", ".join(MODULES)
        raise EnrollError(f"there is no engine {missing[0]} here", hint=f"there are: {known}")
    return found
