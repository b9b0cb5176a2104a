"""Files with which an engine does not start, does not read what stands in them, or reads another
one: failures 10 and 12."""

from collections.abc import Iterator

from homeport.enroll.doctor.model import Diagnosis, Patient, Scene
from homeport.enroll.engines.containerd_config import read_config as read_containerd
from homeport.enroll.engines.docker_config import MIRRORS, check_conflicts, read_config, same_mirror
from homeport.enroll.engines.docker_draft import release_of, reload_command
from homeport.enroll.errors import BrokenFileError, ConflictError, EnrollError
from homeport.enroll.model import Finding


def look_at_files(scene: Scene) -> Iterator[Diagnosis]:
    for patient in scene.patients:
        if patient.kind.name == "docker":
            yield from _look_at_daemon(scene, patient)
        for finding in patient.engine.findings:
            yield Diagnosis(patient.engine.title, finding)
        if patient.failed is not None:
            yield Diagnosis(patient.engine.title, patient.failed)
        if patient.kind.name == "containerd":
            yield from _look_at_cri(scene, patient)


def _look_at_daemon(scene: Scene, patient: Patient) -> Iterator[Diagnosis]:
    """daemon.json as the daemon would judge it at its next start, and whether it has read it."""
    engine, path = patient.engine, patient.engine.config
    if path is None or engine.facts.get("remote") or engine.facts.get("elsewhere"):
        return
    try:
        text = scene.host.text(path)
        if text is None:  # deleted: a reload fails, and changes nothing
            yield from _compare(patient, ())
            return
        config = read_config(text, path, release_of(engine))
        source = "the daemon"
        check_conflicts(text, path, engine.facts.get("flags", ()), source)
        files = ", ".join(engine.facts.get("service_files") or ())
        later = f"its service ({files})" if files else "its service"
        check_conflicts(text, path, engine.facts.get("flags_later", ()), later)
    except EnrollError as error:
        yield Diagnosis(engine.title, _refused(error, running=engine.running))
        return
    for finding in config.findings:
        yield Diagnosis(engine.title, finding)
    yield from _compare(patient, config.texts(MIRRORS))


def _refused(error: EnrollError, *, running: bool) -> Finding:
    effect = "it runs, but will not start again" if running else "the daemon does not start"
    code = "flag-conflict" if isinstance(error, ConflictError) else "broken-file"
    if not isinstance(error, (ConflictError, BrokenFileError)):
        return Finding("unreadable-file", error.message, error.hint, error.place, "warning")
    words = f"{error.message}: {effect}" if code == "broken-file" else error.message
    return Finding(code, words, error.hint, error.place, "error")


def _compare(patient: Patient, wanted: "tuple[str, ...]") -> Iterator[Diagnosis]:
    """A key that was taken out stays in force until a restart; a file that is edited is not read
    until a reload."""
    engine = patient.engine
    if not engine.running or "registry-mirror" in engine.facts.get("flags", ()):
        return
    if engine.facts.get("flag_mirrors"):
        return
    held = tuple(engine.facts.get("mirrors") or ())
    if len(held) == len(wanted) and all(map(same_mirror, held, wanted)):
        return
    words = (
        f"the daemon has the mirrors {', '.join(held) or '(none)'}, its file says "
        f"{', '.join(wanted) or '(none)'}"
    )
    if engine.facts.get("wrapper"):
        return  # its file is carried over by somebody else
    hint = " ".join(reload_command(engine))
    if held and not wanted:
        hint = f'write "{MIRRORS}": [] and reload it ({hint}): a key that is gone changes nothing'
    yield Diagnosis(
        engine.title, Finding("not-taken-up", words, hint, engine.config or "", "warning")
    )


def _look_at_cri(scene: Scene, patient: Patient) -> Iterator[Diagnosis]:
    """hosts.toml files that CRI does not read, as nothing leads to their folder."""
    engine = patient.engine
    if not engine.facts.get("cri") or engine.facts.get("config_path") or not patient.mirrors:
        return
    try:
        config = read_containerd(scene.host, _release(engine.version))
    except EnrollError:
        return  # said already
    words = "CRI (Kubernetes) does not read hosts.toml: config_path is not set"
    hint = f'config_path = "{engine.facts.get("folder")}" in [{_table(config.registry)}]; restart'
    finding = Finding("config-path", words, hint, engine.config or "", "warning")
    yield Diagnosis(engine.title, finding)


def _release(version: str) -> "tuple[int, ...]":
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _table(way: "tuple[str, ...]") -> str:
    return ".".join(f'"{part}"' if "." in part else part for part in way)
