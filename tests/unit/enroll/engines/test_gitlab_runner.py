"""GitLab Runner's config.toml: its helper image and nested daemons, by the mirror."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from homeport.enroll.apply import apply
from homeport.enroll.engines.gitlab_runner import KINDS, SYSTEM
from homeport.enroll.engines.gitlab_runner_helper import default_tag
from homeport.enroll.errors import BrokenFileError, CannotPullError
from homeport.enroll.model import (
    Effect,
    EnginePlan,
    EnrollPlan,
    Mirror,
    MirrorKind,
    Mode,
    Request,
)
from homeport.enroll.plain import to_plain
from homeport.enroll.undo import undo
from testbed.machine import Machine

GOLDEN = Path(__file__).parent / "golden"
BEFORE = (GOLDEN / "gitlab-runner-before.toml").read_text()
URL = "https://mirror.corp:5443"
MIRROR = Mirror(URL, f"{URL[:-4]}5444", MirrorKind.HOMEPORT, ca="PEM\n")
DEFAULT = "gitlab-org/gitlab-runner/gitlab-runner-helper"
(KIND,) = KINDS


def machine_of(tmp_path: Path, config: str = BEFORE, architecture: str = "x86_64") -> Machine:
    machine = Machine(tmp_path / "m", uid=0)
    machine.answer("uname", "-m", says=f"{architecture}\n")
    machine.answer("gitlab-runner", "--version", says="Version:      18.7.0\nGit revision: abc\n")
    machine.write(SYSTEM, config, mode=0o600)
    return machine


def plan_of(machine: Machine, mirror: Mirror = MIRROR, mode: Mode = Mode.PREFER) -> EnginePlan:
    (engine,) = KIND.detect(machine.host)
    return KIND.plan(machine.host, engine, Request(mirror, mode))


def helper_of(plan: EnginePlan, table: str = "docker") -> Any:
    """Of the first runner."""
    (change,) = plan.changes
    assert change.after is not None
    return tomllib.loads(change.after.content)["runners"][0][table]["helper_image"]


def runner_of(executor: str, *lines: str, table: str = "docker") -> str:
    inside = "\n".join(lines)
    return f'[[runners]]\nexecutor = "{executor}"\n[runners.{table}]\n{inside}\n'


def test_several_runners(tmp_path: Path) -> None:
    machine = machine_of(tmp_path)
    before = machine.files()
    plan = plan_of(machine)
    (change,) = plan.changes
    assert change.after is not None
    assert change.after.content == (GOLDEN / "gitlab-runner-after.toml").read_text()
    assert change.after.mode == 0o600
    tomllib.loads(change.after.content)
    assert (plan.effect, plan.command, plan.proven) == (Effect.NOTHING, (), False)
    assert plan.engine.version == "18.7.0"
    assert "glrt-secret" not in json.dumps(to_plain((plan.engine, plan.findings, plan.limits)))
    assert sorted({found.code for found in plan.findings}) == [
        "dind-ca",
        "helper-architecture",
        "helper-ca",
        "helper-pull-secrets",
    ]
    places = {found.place for found in plan.findings if found.code == "dind-ca"}
    assert places == {f"{SYSTEM}:5:1"}
    request = Request(MIRROR)
    results = apply(machine.host, EnrollPlan(request, (plan,)), find=lambda _: KIND)
    assert all(result.ok for result in results), results
    again = plan_of(machine)
    assert again.changes == ()
    assert KIND.enrolled(machine.host, again.engine) == {
        "registry.gitlab.com": ("mirror.corp:5443/registry.gitlab.com",)
    }
    undo(machine.host, find=lambda _: KIND)
    assert {path: one for path, one in machine.files().items() if path[:4] != "/var"} == before


def test_undo_keeps_what_a_user_has_done_since(tmp_path: Path) -> None:
    machine = machine_of(tmp_path)
    apply(machine.host, EnrollPlan(Request(MIRROR), (plan_of(machine),)), find=lambda _: KIND)
    text = machine.text(SYSTEM).replace("concurrent = 4", "concurrent = 9")
    machine.write(SYSTEM, text, mode=0o600)
    undo(machine.host, find=lambda _: KIND)
    assert machine.text(SYSTEM) == BEFORE.replace("concurrent = 4", "concurrent = 9")


@pytest.mark.parametrize(
    ("architecture", "flavor", "shell", "tag"),
    [
        ("x86_64", "", "", "x86_64-v${CI_RUNNER_VERSION}"),
        ("x86_64", "alpine", "bash", "x86_64-v${CI_RUNNER_VERSION}"),
        ("arm64", "alpine3.21", "", "alpine3.21-arm64-v${CI_RUNNER_VERSION}"),
        ("x86_64", "ubi-fips", "", "ubi-fips-x86_64-v${CI_RUNNER_VERSION}"),
        ("x86_64", "ubuntu", "pwsh", "ubuntu-x86_64-v${CI_RUNNER_VERSION}-pwsh"),
    ],
)
def test_the_runners_own_tag(architecture: str, flavor: str, shell: str, tag: str) -> None:
    assert default_tag(architecture, flavor, shell) == tag


@pytest.mark.parametrize(
    ("machine", "name"), [("aarch64", "arm64"), ("armv7l", "arm"), ("s390x", "s390x")]
)
def test_the_architecture_of_the_machine(tmp_path: Path, machine: str, name: str) -> None:
    plan = plan_of(machine_of(tmp_path, runner_of("docker"), machine))
    host = "mirror.corp:5443/registry.gitlab.com"
    assert helper_of(plan) == f"{host}/{DEFAULT}:{name}-v${{CI_RUNNER_VERSION}}"


def test_an_architecture_without_a_name(tmp_path: Path) -> None:
    plan = plan_of(machine_of(tmp_path, runner_of("docker"), "loongarch64"))
    assert plan.changes == ()
    assert "helper-architecture" in [found.code for found in plan.findings]


def test_kubernetes_follows_its_selector(tmp_path: Path) -> None:
    lines = ('image_pull_secrets = ["s"]', 'node_selector = { "kubernetes.io/arch" = "arm64" }')
    plan = plan_of(machine_of(tmp_path, runner_of("kubernetes", *lines, table="kubernetes")))
    assert ":arm64-v${CI_RUNNER_VERSION}" in helper_of(plan, "kubernetes")
    assert "helper-pull-secrets" not in [found.code for found in plan.findings]


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("gitlab/gitlab-runner-helper:x86_64-latest", "helper-of-hub"),
        ("registry.corp/helper:1", "helper-of-user"),
        (f"registry.gitlab.com.evil/{DEFAULT}:1", "helper-of-user"),
    ],
)
def test_a_helper_of_the_users_stays(tmp_path: Path, image: str, code: str) -> None:
    config = runner_of("docker", f'helper_image = "{image}"')
    plan = plan_of(machine_of(tmp_path, config))
    assert plan.changes == ()
    assert code in [found.code for found in plan.findings]


def test_a_helper_by_another_mirror_comes_by_this_one(tmp_path: Path) -> None:
    old = f"old:1/registry.gitlab.com/{DEFAULT}@sha256:aa"
    plan = plan_of(machine_of(tmp_path, runner_of("docker", f'helper_image = "{old}"')))
    assert helper_of(plan) == f"mirror.corp:5443/registry.gitlab.com/{DEFAULT}@sha256:aa"


def test_a_foreign_mirror_needs_a_path(tmp_path: Path) -> None:
    harbor = Mirror(URL, URL, MirrorKind.HARBOR)
    machine = machine_of(tmp_path, runner_of("docker"))
    plan = plan_of(machine, harbor)
    assert plan.changes == ()
    assert plan.limits[0].what == "use the mirror for registry.gitlab.com"
    plan = plan_of(
        machine, Mirror(URL, URL, MirrorKind.HARBOR, paths={"registry.gitlab.com": "gl"})
    )
    assert str(helper_of(plan)).startswith(f"mirror.corp:5443/gl/{DEFAULT}:x86_64-")


def test_docker_in_docker_of_jobs_and_of_others(tmp_path: Path) -> None:
    plan = plan_of(machine_of(tmp_path, runner_of("docker", "privileged = true")))
    (found,) = [one for one in plan.findings if one.code == "dind"]
    assert "--registry-mirror=https://mirror.corp:5444" in found.hint
    service = '[[runners.docker.services]]\nname = "docker:dind"\ncommand = ["--registry-mirror=x"]'
    machine = machine_of(tmp_path, runner_of("docker", service))
    codes = [found.code for found in plan_of(machine).findings]
    assert "dind-other-mirror" in codes
    mirror = Mirror("http://127.0.0.1:5000", "http://127.0.0.1:5000/x", MirrorKind.NEXUS)
    plan = plan_of(machine, mirror, Mode.ONLY)
    assert [limit.what for limit in plan.limits][1:] == [
        "keep jobs to the mirror alone",
        "have Docker-in-Docker services use the mirror",
    ]


def test_a_mirror_without_tls(tmp_path: Path) -> None:
    mirror = Mirror("http://mirror.corp:5080", "http://mirror.corp:5080", MirrorKind.HOMEPORT)
    plan = plan_of(machine_of(tmp_path, runner_of("docker")), mirror)
    assert [found.code for found in plan.findings] == ["insecure-helper"]


def test_the_file_of_a_running_process(tmp_path: Path) -> None:
    machine = machine_of(tmp_path)
    machine.write("/srv/runner/config.toml", runner_of("docker"))
    words = ("/usr/bin/gitlab-runner", "run", "--config", "runner/config.toml", "--user", "x")
    machine.write("/proc/77/cmdline", "\0".join(words) + "\0")
    machine.at("/proc/77/cwd").symlink_to("/srv")
    machine.write("/proc/78/cmdline", "gitlab-runner\0exec\0")
    machine.write("/root/.gitlab-runner/config.toml", "[[runners]]\n[[runners\n")
    engines = {str(engine.config): engine for engine in KIND.detect(machine.host)}
    assert list(engines) == [
        SYSTEM,
        "/root/.gitlab-runner/config.toml",
        "/srv/runner/config.toml",
    ]
    assert [engine.running for engine in engines.values()] == [False, False, True]
    broken = engines["/root/.gitlab-runner/config.toml"]
    assert broken.findings[0].place == "/root/.gitlab-runner/config.toml:2:10"
    with pytest.raises(BrokenFileError):
        KIND.plan(machine.host, broken, Request(MIRROR))
    with pytest.raises(CannotPullError):
        KIND.pull(machine.host, broken, "x")


@pytest.mark.parametrize("config", ["", "runners = 1\n", "[[runners]]\n", "runners = [1]\n"])
def test_files_without_anything_to_change(tmp_path: Path, config: str) -> None:
    plan = plan_of(machine_of(tmp_path, config))
    assert plan.changes == ()
    assert KIND.enrolled(machine_of(tmp_path, config).host, plan.engine) == {}


def test_a_file_that_may_not_be_read_is_a_finding(tmp_path: Path) -> None:
    machine = machine_of(tmp_path)
    machine.at(SYSTEM).unlink()
    os.mkfifo(machine.at("/etc/gitlab-runner/other"))
    machine.at(SYSTEM).mkdir()
    (engine,) = KIND.detect(machine.host)
    assert engine.findings[0].severity == "error"
