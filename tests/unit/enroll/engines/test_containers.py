"""registries.conf: which files are read, what of them counts, and what is planned."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.enroll.direct import apply_directly, undo_directly
from homeport.enroll.engines.containers import KINDS, MARK, Containers, render
from homeport.enroll.engines.containers_conf import Configuration, Table, find_layout, read
from homeport.enroll.engines.door import find_doors, upstream_of
from homeport.enroll.errors import BrokenFileError, ConflictError, EngineError, EnrollError
from homeport.enroll.formats.toml_text import write_value
from homeport.enroll.host import Ran
from homeport.enroll.model import Effect, EnginePlan, Mirror, MirrorKind, Mode, Request
from testbed.machine import Machine

GOLDEN = Path(__file__).parent / "golden"
MIRROR = Mirror("https://mirror.corp:5443", "https://mirror.corp", MirrorKind.HOMEPORT, ca="PEM\n")
PODMAN, BUILDAH, SKOPEO, CRIO = KINDS
DROP_IN = "/etc/containers/registries.conf.d/99-homeport.conf"
MAIN = "/etc/containers/registries.conf"
MINE = "/root/.config/containers/registries.conf"
SITE = "/etc/containers/registries.conf.d/50-site.conf"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "m", uid=0)
    made.at("/etc/containers/registries.conf.d").mkdir(parents=True)
    made.answer("podman", "--version", says="podman version 4.3.1\n")
    return made


def request_of(mode: Mode = Mode.PREFER, *registries: str, mirror: Mirror = MIRROR) -> Request:
    return Request(mirror, mode, registries or ("docker.io", "quay.io"))


def plan_of(machine: Machine, kind: Containers = PODMAN, request: Any = None) -> EnginePlan:
    (engine,) = kind.detect(machine.host)
    return kind.plan(machine.host, engine, request or request_of())


def codes(plan: EnginePlan) -> list[str]:
    return [finding.code for finding in plan.findings]


@pytest.mark.parametrize("mode", list(Mode))
def test_the_drop_in(machine: Machine, mode: Mode) -> None:
    machine.write(
        SITE,
        """[[registry]]
location = "quay.io"
insecure = true
mirror-by-digest-only = true
[[registry.mirror]]
location = "old.corp/quay"
""",
    )
    plan = plan_of(machine, request=request_of(mode))
    content = plan.changes[0].after
    assert content is not None
    assert content.content == (GOLDEN / f"containers-{mode.value}.conf").read_text()
    tomllib.loads(content.content)
    assert [change.path for change in plan.changes] == [
        DROP_IN,
        "/etc/containers/certs.d/mirror.corp/homeport-ca.crt",
        "/etc/containers/certs.d/mirror.corp:5443/homeport-ca.crt",
    ]
    assert plan.effect is Effect.NOTHING
    assert bool(plan.limits) is (mode is Mode.PREFER)


def test_mirrors_for_digests_stay_behind_where_a_client_would_use_them_for_tags(
    machine: Machine,
) -> None:
    machine.answer("skopeo", "--version", says="skopeo version 1.4.1")
    machine.write(
        SITE,
        '[[registry]]\nlocation = "docker.io"\nmirror-by-digest-only = true\n'
        '[[registry.mirror]]\nlocation = "old.corp"\n',
    )
    plan = plan_of(machine)
    after = plan.changes[0].after
    assert after is not None
    assert "old.corp" not in after.content
    assert "no longer used: old.corp" in plan.findings[0].message


def test_it_is_put_in_and_taken_out_to_the_byte(machine: Machine) -> None:
    machine.write(MAIN, "# mine\n")
    before = machine.files()
    plan = plan_of(machine)
    assert apply_directly(machine.host, PODMAN, plan) == ()
    assert plan_of(machine).changes == ()
    undo_directly(machine.host, PODMAN, plan)
    after = {name: file for name, file in machine.files().items() if not name.endswith("/")}
    assert after == {name: file for name, file in before.items() if not name.endswith("/")}


def test_a_file_of_this_name_that_is_not_ours_stays(machine: Machine) -> None:
    machine.write(DROP_IN, "# my own\n")
    with pytest.raises(ConflictError):
        plan_of(machine)


def test_crio_is_reloaded_and_said_not_to_be_proven(machine: Machine) -> None:
    machine.answer("crio", "--version", says="crio version 1.28.1\nCommit: x\n")
    machine.answer("systemctl", "reload", "crio")
    machine.write("/var/run/crio/crio.sock", "")
    plan = plan_of(machine, CRIO)
    assert (plan.effect, plan.proven, plan.engine.version) == (Effect.RELOAD, False, "1.28.1")
    assert codes(plan_of(machine)) == ["shared-file"]
    assert plan_of(machine).changes == ()
    assert apply_directly(machine.host, CRIO, plan) == ()
    assert machine.calls[-1] == ("systemctl", "reload", "crio")
    machine.answer("systemctl", "reload", "crio", says=Ran(1, "", "no unit"))
    with pytest.raises(EngineError):
        CRIO.take_up(machine.host, plan)
    machine.answer("crictl", says="pulled")
    assert CRIO.pull(machine.host, plan.engine, "docker.io/x:1").ok
    CRIO.remove(machine.host, plan.engine, "docker.io/x:1")
    socket = "unix:///var/run/crio/crio.sock"
    assert machine.calls[-1] == ("crictl", "--runtime-endpoint", socket, "rmi", "docker.io/x:1")


def test_what_short_names_lead_to_is_said(machine: Machine) -> None:
    machine.write(
        MAIN,
        'unqualified-search-registries = ["docker.io", "reg.corp"]\n'
        '[aliases]\n"a" = "ghcr.io/x/a"\n"b" = "quay.io/x/b"\n"c" = ""\n',
    )
    messages = {finding.code: finding.message for finding in plan_of(machine).findings}
    assert messages == {
        "short-names": "short names are also looked up at reg.corp, without the mirror",
        "short-name-aliases": "short-name aliases lead to ghcr.io, without the mirror",
    }


def test_a_wildcard_gives_way_and_a_longer_one_does_not(machine: Machine) -> None:
    machine.write(
        SITE,
        '[[registry]]\nprefix = "*.io"\nblocked = true\n[[registry]]\nprefix = "*.io/team"\n'
        '[[registry]]\nlocation = "docker.io.corp"\n',
    )
    plan = plan_of(machine, request=request_of(Mode.PREFER, "docker.io"))
    assert codes(plan) == ["shadowed-table", "more-specific-table"]
    assert plan.findings[1].place == f"{SITE}:4:1"
    after = plan.changes[0].after
    assert after is not None
    assert tomllib.loads(after.content)["registry"][0]["blocked"] is True


def test_logins_that_are_not_sent(machine: Machine) -> None:
    machine.write("/root/.docker/config.json", '{"auths": {"https://index.docker.io/v1/": {}}}')
    assert "own-login" in codes(plan_of(machine))
    machine.write("/root/.config/containers/auth.json", '{"auths": {"mirror.corp": {}}}')
    assert "own-login" not in codes(plan_of(machine))
    machine.write("/root/.config/containers/auth.json", "{broken")
    assert "own-login" in codes(plan_of(machine))


@pytest.mark.parametrize(
    ("env", "own", "kind", "places"),
    [
        ({}, False, "podman", (MAIN, DROP_IN)),
        ({}, True, "podman", (MINE, f"{MINE}.d/99-homeport.conf")),
        ({}, True, "crio", (MAIN, DROP_IN)),
        ({"CONTAINERS_REGISTRIES_CONF": "/x.conf"}, False, "buildah", ("/x.conf", DROP_IN)),
        ({"CONTAINERS_REGISTRIES_CONF": "/x.conf"}, False, "skopeo", (MAIN, DROP_IN)),
        ({"CONTAINERS_REGISTRIES_CONF_DIR": "/d"}, False, "podman", (MAIN, DROP_IN)),
    ],
)
def test_which_files_are_read(
    tmp_path: Path, env: dict[str, str], own: bool, kind: str, places: tuple[str, str]
) -> None:
    machine = Machine(tmp_path / "m", env=env, uid=0)
    if own:
        machine.write(MINE, "")
    layout = find_layout(machine.host, kind)
    assert (layout.main, layout.ours) == places


def test_a_users_drop_in_is_in_his_home(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", env={"HOME": "/home/ann"}, uid=1000)
    machine.answer("podman", "--version", says="podman version 5.2.2")
    machine.write(MAIN, "")
    paths = [change.path for change in plan_of(machine).changes]
    assert paths[0] == "/home/ann/.config/containers/registries.conf.d/99-homeport.conf"
    assert paths[1].startswith("/home/ann/.config/containers/certs.d/mirror.corp")


def test_what_keeps_a_client_away_is_found(machine: Machine) -> None:
    machine.write("/home/ann/.config/containers/registries.conf", "")
    machine.write("/etc/containers/containers.conf", "[engine]\nremote = true\n")
    (engine,) = PODMAN.detect(machine.host)
    assert [finding.code for finding in engine.findings] == ["podman-remote", "own-configuration"]
    assert BUILDAH.detect(machine.host) == ()


def test_tables_that_cannot_stand_in_one_file_are_refused(machine: Machine) -> None:
    """One location, once with TLS and once without: no client reads such a file."""
    table = '[[registry]]\nprefix = "docker.io"\nlocation = "quay.io"\ninsecure = true\n'
    machine.write(SITE, table)
    with pytest.raises(ConflictError, match="cannot stand in one file"):
        plan_of(machine)


def test_a_proxy_between_is_found(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "m", env={"https_proxy": "http://proxy.corp:3128"}, uid=0)
    machine.answer("podman", "--version", says="podman version 4.3.1")
    assert codes(plan_of(machine)).count("proxy") == 2


def test_an_engine_may_be_asked_for_by_its_id(machine: Machine) -> None:
    machine.answer("skopeo", "--version", says="skopeo version 1.9.3")
    request = Request(MIRROR, registries=("docker.io",), engines=("skopeo:system",))
    assert plan_of(machine, SKOPEO, request).changes
    request = Request(MIRROR, registries=("docker.io",), engines=("skopeo:system", "podman"))
    assert not plan_of(machine, SKOPEO, request).changes


def test_old_format_is_refused(machine: Machine) -> None:
    machine.write(MAIN, '[registries.block]\nregistries = ["docker.io"]\n')
    (engine,) = PODMAN.detect(machine.host)
    assert engine.findings[0].place == f"{MAIN}:1:1"
    with pytest.raises(BrokenFileError, match="version 1"):
        PODMAN.plan(machine.host, engine, request_of())


def test_what_has_no_door() -> None:
    harbor = Mirror(
        "https://h.corp", "https://h.corp", MirrorKind.HARBOR, paths={"quay.io": "proxy-quay"}
    )
    asked = Request(harbor, registries=("index.docker.io", "quay.io", "ghcr.io", "*.io", "h.corp"))
    doors, limits = find_doors(asked, by_name=True)
    assert [(door.registry, door.location) for door in doors] == [
        ("docker.io", "h.corp"),
        ("quay.io", "h.corp/proxy-quay"),
    ]
    assert [limit.what.rpartition(" ")[2] for limit in limits] == ["ghcr.io", "*.io", "h.corp"]
    for url in ("ftp://x", "https://u:p@x", "https://x?q", "x:5000", "https://"):
        with pytest.raises(EnrollError, match="not one that engines"):
            find_doors(Request(Mirror(url, url)), by_name=True)
    assert upstream_of("localhost:5000") == "http://localhost:5000"


NAMES = st.sampled_from(["docker.io", "quay.io", "docker.io/team", "*.io", "reg.corp:5000"])
TABLES = st.lists(
    st.fixed_dictionaries(
        {"prefix": NAMES, "location": NAMES.filter(lambda name: "*" not in name)},
        optional={
            "blocked": st.booleans(),
            "insecure": st.booleans(),
            "mirror-by-digest-only": st.booleans(),
            "mirror": st.lists(
                st.fixed_dictionaries(
                    {"location": NAMES.filter(lambda name: "*" not in name)},
                    optional={"insecure": st.booleans()},
                ),
                max_size=2,
            ),
        },
    ),
    max_size=4,
)


@given(TABLES, st.sampled_from(list(Mode)), st.booleans())
def test_ours_is_always_valid_and_first_asked(
    tables: list[dict[str, Any]], mode: Mode, knows: bool
) -> None:
    others = Configuration(
        tuple(Table(table["prefix"], "f", "f:1:1", table) for table in tables), {}, ()
    )
    doors, _ = find_doors(request_of(mode), by_name=True)
    text = render(doors, others, mode, knows)
    assert text.startswith(MARK)
    try:
        ours = read(text, "f").effective()
    except BrokenFileError as error:  # the plan refuses it
        refused = error.message
        ours = {}
    if not ours:
        assert "twice with a different" in refused
        assert mode is Mode.PREFER
        return
    for door in doors:
        assert ours[door.registry].mirrors[0]["location"] == door.location
        if mode is Mode.ONLY:
            assert ours[door.registry].blocked
            assert len(ours[door.registry].mirrors) == 1


ODD = st.recursive(
    st.sampled_from([1, True, "", "/", "x.y", "x.y/z", "*.y", "https://x", "digest-only"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "prefix",
                    "location",
                    "insecure",
                    "blocked",
                    "mirror",
                    "pull-from-mirror",
                    "mirror-by-digest-only",
                    "search",
                    "registries",
                    "a:b",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
TOP = ["registry", "registries", "aliases", "unqualified-search-registries", "short-name-mode"]


@given(st.dictionaries(st.sampled_from(TOP), ODD), st.booleans())
def test_no_file_is_too_odd_to_be_refused(values: dict[str, Any], main: bool) -> None:
    text = "".join(f"{key} = {write_value(value)}\n" for key, value in values.items())
    try:
        found = read(text, "f", main=main)
    except BrokenFileError:
        return
    doors, _ = find_doors(request_of(), by_name=True)
    tomllib.loads(render(doors, found, Mode.PREFER))
    used = found.find("docker.io")
    assert used is None or used.covers("docker.io")
