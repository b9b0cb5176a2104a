"""Plans whose jobs' own engines are led to a mirror."""

import tomllib
from collections.abc import Mapping
from typing import Any

import pytest

from homeport.pipeline.model.config import Image, Service
from homeport.pipeline.model.plan import JobPlan, Plan, Runs, ScopedVariable
from homeport.pipeline.plan.through_mirror import Mirror, mirror_of, through_mirror
from homeport.settings.model import Settings

PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
TLS = Mirror(url="https://m.corp:5443", certificates=PEM)
PUBLIC = Mirror(url="https://m.corp")
PLAIN = Mirror(url="http://m.corp:5000")


def planned(mirror: Mirror | None = TLS, **values: Any) -> JobPlan:
    given = {"runs": Runs.CONTAINER, "image": Image(name="docker:24"), **values}
    job = JobPlan(name="job", stage="test", **given)
    plan = Plan(stages=("test",), jobs=(job,), root="/r", sha="", ref="", project_path="a/b")
    return through_mirror(plan, mirror).jobs[0]


def service(mirror: Mirror = TLS, name: str = "docker:24-dind", **values: Any) -> Service:
    return planned(mirror, services=(Service(name="web"), Service(name=name, **values))).services[1]


OPTION = "--registry-mirror=https://m.corp:5443"


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ({}, (OPTION,)),
        ({"command": ("--tls=false",)}, ("--tls=false", OPTION)),
        ({"command": ("dockerd", "--debug")}, ("dockerd", "--debug", OPTION)),
        ({"entrypoint": ("dockerd-entrypoint.sh", "--tls=false")}, (OPTION,)),
        (
            {"entrypoint": ("env", "-u", "DOCKER_HOST"), "command": ("dockerd-entrypoint.sh",)},
            ("dockerd-entrypoint.sh", OPTION),
        ),
    ],
)
def test_dind_is_told_by_its_command_and_trusts_by_a_file(
    given: Mapping[str, Any], command: tuple[str, ...]
) -> None:
    made = service(**given)
    assert made.command == command
    assert made.entrypoint == given.get("entrypoint")
    assert made.placed == {"/etc/docker/certs.d/m.corp:5443/ca.crt": PEM}


def test_names_with_variables() -> None:
    job = planned(
        PUBLIC,
        services=(Service(name="$PREFIX/docker:${TAG}"),),
        variables=(ScopedVariable(key="TAG", value="$V-dind"),),
        overrides=(ScopedVariable(key="V", value="27"),),
    )
    assert job.services[0].name == "$PREFIX/docker:${TAG}"
    assert job.services[0].command == ("--registry-mirror=https://m.corp",)
    assert job.notes == ("service $PREFIX/docker:27-dind pulls through https://m.corp (--mirror)",)


def test_no_file_without_an_authority_or_without_tls() -> None:
    assert service(PUBLIC).placed == {}
    plain = service(Mirror(url=PLAIN.url, certificates=PEM))
    assert (plain.command, plain.placed) == (("--registry-mirror=http://m.corp:5000",), {})


@pytest.mark.parametrize(
    "given",
    [
        {"entrypoint": ("sh", "-c"), "command": ("exec dockerd",)},
        {"command": ("sh", "-c", "dockerd &")},
    ],
)
def test_a_command_of_its_own_is_left_and_said(given: Mapping[str, Any]) -> None:
    job = planned(services=(Service(name="docker:dind", **given),))
    assert job.services == (Service(name="docker:dind", **given),)
    assert job.notes[0].startswith("WARNING: service docker:dind has a command of its own")
    assert OPTION in job.notes[0]


def test_a_mirror_that_is_named_already_is_left() -> None:
    dind = Service(name="docker:dind", command=("--registry-mirror", "https://other"))
    job = planned(services=(dind,))
    assert job.services == (dind,)
    assert job.notes == (
        "service docker:dind names a registry mirror itself, which is left as it is",
    )


def test_rootless_gets_the_option_and_its_log_says_what_is_missing() -> None:
    job = planned(services=(Service(name="docker:dind-rootless"),))
    assert job.services[0].command == (OPTION,)
    assert job.services[0].placed == {}
    assert "rootless" in job.notes[0]


def test_kaniko_gets_a_variable_and_an_authority() -> None:
    image = Image(name="gcr.io/kaniko-project/executor:debug")
    job = planned(image=image, variables=(ScopedVariable(key="A", value="b"),))
    assert job.variables[1:] == (
        ScopedVariable(key="KANIKO_REGISTRY_MIRROR", value="m.corp:5443", raw=True),
    )
    assert job.placed == {"/kaniko/ssl/certs/homeport-mirror.crt": PEM}
    assert job.notes == ("kaniko pulls through https://m.corp:5443 (--mirror)",)
    plain = planned(PLAIN, image=image)
    assert "--insecure-registry=m.corp:5000" in plain.notes[1]


@pytest.mark.parametrize(
    "given",
    [
        {"variables": (ScopedVariable(key="KANIKO_REGISTRY_MIRROR", value="x"),)},
        {"overrides": (ScopedVariable(key="KANIKO_REGISTRY_MIRROR", value="x"),)},
        {"script": ("/kaniko/executor --registry-mirror x",)},
    ],
)
def test_what_kaniko_was_told_is_left(given: Mapping[str, Any]) -> None:
    job = planned(image=Image(name="gcr.io/kaniko-project/executor:debug"), **given)
    assert job.variables == given.get("variables", ())
    assert job.placed == {}
    assert "left as it is" in job.notes[0]


def test_buildx_finds_its_default_configuration() -> None:
    job = planned(before_script=("docker buildx create --use",))
    folder = "/root/.docker/buildx"
    assert job.placed == {
        f"{folder}/buildkitd.default.toml": '[registry."docker.io"]\n  mirrors = ["m.corp:5443"]\n'
        f'[registry."m.corp:5443"]\n  ca = ["{folder}/homeport-mirror.crt"]\n',
        f"{folder}/homeport-mirror.crt": PEM,
    }
    plain = planned(PLAIN, script=("docker buildx create",)).placed
    assert plain[f"{folder}/buildkitd.default.toml"].endswith("  http = true\n")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("DOCKER_CONFIG", "/d/", "/d/buildx/buildkitd.default.toml"),
        ("BUILDX_CONFIG", "/b", "/b/buildkitd.default.toml"),
        ("DOCKER_CONFIG", "$CI_PROJECT_DIR/.docker", None),
        ("DOCKER_CONFIG", "relative", None),
        ("BUILDX_CONFIG", "/b/../../etc", None),
    ],
)
def test_where_buildx_looks(key: str, value: str, expected: str | None) -> None:
    job = planned(
        PUBLIC,
        variables=(ScopedVariable(key=key, value=value),),
        script=("docker buildx create",),
    )
    assert list(job.placed) == ([expected] if expected else [])
    assert job.notes[0].startswith("WARNING") is (expected is None)


def test_buildkit_as_a_service() -> None:
    made = service(PUBLIC, "moby/buildkit:v0.20", command=("--addr", "tcp://0.0.0.0:1234"))
    assert list(made.placed) == ["/etc/buildkit/buildkitd.toml"]
    assert made.command == ("--addr", "tcp://0.0.0.0:1234")
    own = planned(services=(Service(name="moby/buildkit", command=("--config", "/x")),))
    assert own.services[0].placed == {}
    assert own.notes[0].startswith("WARNING")


def test_podman_reads_a_drop_in() -> None:
    job = planned(PLAIN, script=("podman pull alpine",))
    assert job.placed == {
        "/etc/containers/registries.conf.d/99-homeport.conf": "[[registry]]\n"
        'prefix = "docker.io"\nlocation = "docker.io"\n'
        '[[registry.mirror]]\nlocation = "m.corp:5000"\ninsecure = true\n'
    }
    assert "/etc/containers/certs.d/m.corp:5443/ca.crt" in planned(script=("podman run a",)).placed


MORE = Mirror(url="https://m.corp:5443", registries=("ghcr.io", "r.corp:5000"))


def test_other_registries_of_the_mirror_are_below_their_names() -> None:
    made = service(MORE, "moby/buildkit:v0.20")
    tables = tomllib.loads(made.placed["/etc/buildkit/buildkitd.toml"])["registry"]
    assert tables == {
        "docker.io": {"mirrors": ["m.corp:5443"]},
        "ghcr.io": {"mirrors": ["m.corp:5443/ghcr.io"]},
        "r.corp:5000": {"mirrors": ["m.corp:5443/r.corp_5000"]},
    }
    (text,) = planned(MORE, script=("podman pull alpine",)).placed.values()
    found = tomllib.loads(text)["registry"]
    assert [(one["prefix"], one["mirror"][0]["location"]) for one in found] == [
        (name, tables[name]["mirrors"][0]) for name in tables
    ]
    (default,) = planned(MORE, script=("docker buildx create",)).placed.values()
    assert tomllib.loads(default)["registry"] == tables


KANIKO = Image(name="gcr.io/kaniko-project/executor:debug")


def test_kaniko_has_a_map_of_other_registries() -> None:
    job = planned(MORE, image=KANIKO)
    assert {each.key: each.value for each in job.variables} == {
        "KANIKO_REGISTRY_MIRROR": "m.corp:5443",
        "KANIKO_REGISTRY_MAP": "ghcr.io=m.corp:5443/ghcr.io;r.corp:5000=m.corp:5443/r.corp_5000",
    }
    assert job.notes == (
        "kaniko pulls docker.io, ghcr.io, r.corp:5000 through https://m.corp:5443 (--mirror)",
    )


@pytest.mark.parametrize(
    "given",
    [
        {"variables": (ScopedVariable(key="KANIKO_REGISTRY_MAP", value="x"),)},
        {"script": ("/kaniko/executor --registry-map x",)},
    ],
)
def test_a_map_of_its_own_is_left(given: Mapping[str, Any]) -> None:
    job = planned(MORE, image=KANIKO, **given)
    maps = [each.value for each in job.variables if each.key == "KANIKO_REGISTRY_MAP"]
    assert maps == ["x"] * len(given.get("variables", ()))
    assert "left as it is" in job.notes[0]
    assert job.notes[1] == "kaniko pulls through https://m.corp:5443 (--mirror)"


def test_dockerd_is_said_to_have_a_mirror_of_docker_hub_alone() -> None:
    job = planned(MORE, services=(Service(name="docker:24-dind"),))
    assert job.services[0].command == (OPTION,)
    assert job.notes[1].startswith(
        "WARNING: service docker:24-dind asks ghcr.io, r.corp:5000 directly"
    )


def test_what_the_settings_name_twice_is_there_once() -> None:
    """Docker Hub is there anyway, and a mirror is none of itself."""
    names = ("docker.io", "ghcr.io", "m.corp", "ghcr.io")
    settings = Settings(mirror_url="https://m.corp/", mirror_registries=names)
    assert mirror_of(settings) == Mirror(url="https://m.corp", registries=("ghcr.io",))


def test_a_mirror_on_loopback_is_said_to_be_out_of_reach() -> None:
    job = planned(Mirror(url="http://127.0.0.1:5000"), services=(Service(name="docker:dind"),))
    assert "127.0.0.1:5000 is the container itself" in job.notes[1]


@pytest.mark.parametrize(
    "given",
    [
        {"services": (Service(name="postgres"),), "script": ("make",)},
        {"runs": Runs.SHELL, "script": ("podman pull alpine",)},
        {"runs": Runs.NOWHERE, "services": (Service(name="docker:dind"),)},
    ],
)
def test_other_jobs_stay_as_they_are(given: Mapping[str, Any]) -> None:
    assert planned(**given) == planned(None, **given)
