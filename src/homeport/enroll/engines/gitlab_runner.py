"""GitLab Runner: images that its host's engine does not get through the mirror by itself.

Its helper image comes from registry.gitlab.com, which Docker's `registry-mirrors` never covers, so
`helper_image` names the mirror. Docker-in-Docker services and machines that it makes have daemons
of their own. The runner reads config.toml again within seconds; nothing is reloaded.
"""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from homeport.enroll.address import docker_address
from homeport.enroll.engines.door import Door, find_doors
from homeport.enroll.engines.gitlab_runner_helper import HELPER, REGISTRY, find_helper
from homeport.enroll.engines.gitlab_runner_nested import nested
from homeport.enroll.engines.rendered import Edit, Rendered, edit_keys, read_key
from homeport.enroll.errors import EnrollError
from homeport.enroll.formats.toml_text import parse
from homeport.enroll.host import Host
from homeport.enroll.model import Effect, Engine, EnginePlan, Finding, Limit, Mode, Request

SYSTEM = "/etc/gitlab-runner/config.toml"
TABLES: Mapping[str, str] = {
    "docker": "docker",
    "docker-windows": "docker",
    "docker+machine": "docker",
    "docker-autoscaler": "docker",
    "kubernetes": "kubernetes",
}
"""The table that has `helper_image`, by the executor."""
_PROCESSES = 4096


class GitlabRunner(Rendered):
    name = "gitlab-runner"

    def detect(self, host: Host) -> Sequence[Engine]:
        running = _running(host)
        paths = [SYSTEM, f"{host.home}/.gitlab-runner/config.toml", *filter(None, running.values())]
        said = host.run("gitlab-runner", "--version", limit=10.0)
        words = said.out.split() if said.status == 0 else []
        version = words[words.index("Version:") + 1] if "Version:" in words[:-1] else ""
        found: dict[str, Engine] = {}
        for path in map(host.real, dict.fromkeys(paths)):
            if path not in found and host.exists(path):
                found[path] = self._engine(host, path, version, running.values())
        return tuple(found.values())

    def _engine(self, host: Host, path: str, version: str, running: "Any") -> Engine:
        findings: list[Finding] = []
        runners: list[dict[str, str]] = []
        try:
            runners = [_shown(runner) for runner in read_runners(host, path)]
        except EnrollError as error:
            place = error.place
            findings.append(Finding("broken-file", error.message, error.hint, place, "error"))
        return Engine(
            kind=self.name,
            id=f"gitlab-runner:{path}",
            title=f"GitLab Runner ({path})",
            version=version,
            config=path,
            running=any(path == (one or SYSTEM) for one in running),
            writable=host.may_write(path),
            facts={"runners": runners},
            findings=tuple(findings),
        )

    def plan(self, host: Host, engine: Engine, request: Request) -> EnginePlan:
        path = str(engine.config)
        runners = read_runners(host, path)
        doors, limits = find_doors(Request(request.mirror, request.mode, (REGISTRY,)), by_name=True)
        door = doors[0] if doors else None
        hub, pathless = _hub(request)
        edits: list[Edit] = []
        findings: list[Finding] = []
        for number, runner in enumerate(runners):
            place = f"{path}:{_line(host, path, number)}:1"
            if door is not None:
                helper = find_helper(runner, _architecture(host), door)
                if helper.value is not None:
                    table = TABLES[str(runner["executor"])]
                    edits.append((("runners", str(number), table, "helper_image"), helper.value))
                findings += [_placed(found, place) for found in helper.findings]
            if hub is not None:
                inner = nested(runner, number, hub, request.mirror.ca is not None)
                edits += inner.edits
                findings += [_placed(found, place) for found in inner.findings]
        if door is not None:
            findings += _trust(door, request)
        if request.mode is Mode.ONLY:
            why = "an image that a job names in full is pulled from where it says"
            hint = "allow what comes from the mirror alone: allowed_images, allowed_services"
            limits = (*limits, Limit("keep jobs to the mirror alone", why, hint))
        changes = edit_keys(host, path, "toml", edits, "its own images come through the mirror")
        return EnginePlan(
            engine,
            changes=changes,
            effect=Effect.NOTHING,
            limits=(*limits, *pathless),
            findings=tuple(findings),
            proven=False,
        )

    def enrolled(self, host: Host, engine: Engine) -> Mapping[str, Sequence[str]]:
        found = []
        for runner in read_runners(host, str(engine.config)):
            table = runner.get(TABLES.get(str(runner.get("executor")), ""))
            image = table.get("helper_image") if isinstance(table, dict) else None
            if isinstance(image, str) and f"/{HELPER}:" in image:
                found.append(image.partition(f"/{HELPER}:")[0])
        return {REGISTRY: tuple(dict.fromkeys(found))} if found else {}


KINDS = (GitlabRunner(),)


def read_runners(host: Host, path: str) -> "list[dict[str, Any]]":
    """Raises BrokenFileError for what GitLab Runner would not read."""
    found = read_key(host, path, "toml", ("runners",))
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _shown(runner: Mapping[str, Any]) -> "dict[str, str]":
    """What may be shown of a runner: never its token."""
    return {key: str(runner.get(key, "")) for key in ("name", "executor")}


def _hub(request: Request) -> "tuple[Optional[str], tuple[Limit, ...]]":
    try:
        return docker_address(request.mirror.hub_url).url, ()
    except EnrollError as error:
        what = "have Docker-in-Docker services use the mirror"
        return None, (Limit(what, error.message, error.hint),)


def _trust(door: Door, request: Request) -> "list[Finding]":
    """The engine pulls the helper image from the mirror's own name, not as from a mirror."""
    if door.plain and not door.host.startswith(("127.", "localhost", "[::1]")):
        words = f"{door.host} has no TLS: engines pull from it by its name only if told so"
        hint = f'docker: "insecure-registries": ["{door.host}"]; or give the mirror TLS'
        return [Finding("insecure-helper", words, hint, severity="warning")]
    if request.mirror.ca is not None:
        words = f"the engine of this runner needs the mirror's CA for {door.host}"
        hint = f"enroll it as well; Docker reads /etc/docker/certs.d/{door.host}/ca.crt"
        return [Finding("helper-ca", words, hint)]
    return []


def _line(host: Host, path: str, number: int) -> int:
    document = parse(host.text(path) or "", path)
    return document.place("runners", number)[0]


def _placed(found: Finding, place: str) -> Finding:
    return Finding(found.code, found.message, found.hint, place, found.severity)


def _architecture(host: Host) -> str:
    return host.run("uname", "-m", limit=5.0).out.strip()


def _running(host: Host) -> "dict[str, Optional[str]]":
    """Processes of GitLab Runner, and the file that each was told, if any."""
    found: dict[str, Optional[str]] = {}
    numbers = [name for name in host.list("/proc") if name.isdecimal()][:_PROCESSES]
    for number in numbers:
        try:
            words = (host.text(f"/proc/{number}/cmdline") or "").split("\0")
        except EnrollError:
            continue
        if posixpath.basename(words[0]) != "gitlab-runner" or "run" not in words[1:]:
            continue
        path = _flag(words)
        folder = host.link(f"/proc/{number}/cwd") or "/"
        found[number] = posixpath.normpath(posixpath.join(folder, path)) if path else None
    return found


def _flag(words: Sequence[str]) -> Optional[str]:
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("--config", "-config", "-c"):
            if equals:
                return value
            return words[at + 1] if at + 1 < len(words) else None
    return None
