"""Images of a registry that asks for a password: where the login may come from, on real ones."""

import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from homeport.engine.api import Login
from homeport.engine.docker import DockerEngine, connect
from homeport.engine.docker_values import registry_auth
from testbed.hub import hub
from testbed.runs import Repository

pytestmark = pytest.mark.engine
USER, PASSWORD = "robot", "hunter2-very-secret"
BASIC = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
WRONG = b64encode(f"{USER}:wrong-password".encode()).decode()
_NUMBERS = count()

Run = Callable[..., tuple[bool, str]]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with hub(tmp_path_factory.mktemp("private"), users={USER: PASSWORD}) as made:
        yield made.direct


@pytest.fixture
def image(registry: str, docker_address: str) -> Iterator[str]:
    """A private image that can run a job and that the engine does not hold."""
    engine = connect(docker_address)
    name, tag = f"{registry}/group/private", f"t{os.getpid()}-{next(_NUMBERS)}"
    engine._call("POST", "/images/busybox/tag", {"repo": name, "tag": tag}).close()
    login = Login(server=registry, username=USER, password=PASSWORD)
    headers = {"X-Registry-Auth": registry_auth(login)}
    pushed = engine._call("POST", f"/images/{name}/push", {"tag": tag}, headers=headers)
    assert not [line for line in pushed.lines() if "error" in line]
    _forget(engine, f"{name}:{tag}")
    assert engine.image(f"{name}:{tag}") is None
    yield f"{name}:{tag}"
    _forget(engine, f"{name}:{tag}")
    engine.close()


def _forget(engine: DockerEngine, image: str) -> None:
    engine._call("DELETE", f"/images/{image}", allowed=(404, 409)).close()


@pytest.fixture
def run(tmp_path: Path, docker_address: str, image: str) -> Run:
    """Run a job of the image: whether it went well, and all that was said or kept."""

    def run_it(
        *args: str,
        env: Mapping[str, str] = {},
        files: Mapping[str, str] = {},
        programs: Mapping[str, str] = {},
        text: str = f"job: {{image: '{image}', script: [echo ran]}}\n",
    ) -> tuple[bool, str]:
        repository = Repository(tmp_path / "work", text, tmp_path / "home").on(docker_address)
        for name, content in files.items():
            path = repository.home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        tools = tmp_path / "tools"
        tools.mkdir()
        for name, content in programs.items():
            (tools / name).write_text(content)
            (tools / name).chmod(0o755)
        path = {"PATH": f"{tools}:{os.environ['PATH']}"}
        done = repository.run(*args, env={**path, **env})
        kept = [
            each.read_bytes().decode("utf-8", "replace")
            for each in repository.state.rglob("*")
            if each.is_file()
        ]
        return done.status == 0, "\n".join((done.stdout, done.stderr, *kept))

    return run_it


def config(registry: str, auth: str = BASIC) -> str:
    return json.dumps({"auths": {registry: {"auth": auth}}})


HELPER = f"""#!/bin/sh
read server; [ "$1" = get ] || exit 1
case "$server" in 127.0.0.1:*) echo '{{"Username": "{USER}", "Secret": "{PASSWORD}"}}';;
*) echo 'credentials not found in native keychain'; exit 1;; esac
"""


def test_without_a_login_the_job_is_red(run: Run) -> None:
    well, said = run()
    assert not well
    assert "failed to pull image" in said


@pytest.mark.parametrize(
    "place",
    ["job", "environment", "config.json", "key as a URL", "store", "helper", "auth.json"],
)
def test_places_of_a_login(run: Run, registry: str, place: str) -> None:
    store = json.dumps({"auths": {registry: {}}, "credsStore": "testing"})
    helpers = json.dumps({"credHelpers": {registry: "testing"}})
    well, said = {
        "job": lambda: run("--variable", f"DOCKER_AUTH_CONFIG={config(registry)}"),
        "environment": lambda: run(env={"DOCKER_AUTH_CONFIG": config(registry)}),
        "config.json": lambda: run(files={".docker/config.json": config(registry)}),
        "key as a URL": lambda: run(
            files={".docker/config.json": config(f"https://{registry}/v2/")}
        ),
        "store": lambda: run(
            files={".docker/config.json": store},
            programs={"docker-credential-testing": HELPER},
        ),
        "helper": lambda: run(
            files={".docker/config.json": helpers},
            programs={"docker-credential-testing": HELPER},
        ),
        "auth.json": lambda: run(files={".config/containers/auth.json": config(registry)}),
    }[place]()
    assert well, said
    assert BASIC not in said
    assert PASSWORD not in said


def test_the_registry_of_the_pipeline(run: Run, registry: str, image: str) -> None:
    name = image.removeprefix(registry)
    well, said = run(
        *("--variable", f"CI_REGISTRY={registry}", "--variable", f"CI_REGISTRY_USER={USER}"),
        files={
            ".config/homeport/config.toml": "[variables]\n"
            f'CI_REGISTRY_PASSWORD = {{ value = "{PASSWORD}", masked = true }}\n'
        },
        text=f"job: {{image: '$CI_REGISTRY{name}', script: [echo ran]}}\n",
    )
    assert well, said
    assert PASSWORD not in said


def test_the_jobs_own_wins(run: Run, registry: str) -> None:
    well, said = run(
        *("--variable", f"DOCKER_AUTH_CONFIG={config(registry)}"),
        env={"DOCKER_AUTH_CONFIG": config(registry, WRONG)},
        files={".docker/config.json": config(registry, WRONG)},
    )
    assert well, said


def test_the_longest_key_wins(run: Run, registry: str) -> None:
    both = {"auths": {registry: {"auth": WRONG}, f"{registry}/group": {"auth": BASIC}}}
    well, said = run(files={".docker/config.json": json.dumps(both)})
    assert well, said


def test_a_wrong_password_is_red_and_not_told(run: Run, registry: str) -> None:
    well, said = run(files={".docker/config.json": config(registry, WRONG)})
    assert not well
    assert "failed to pull image" in said
    assert "wrong-password" not in said
    assert WRONG not in said


def test_a_broken_file_is_a_warning_and_the_next_place_is_asked(run: Run, registry: str) -> None:
    well, said = run(
        files={
            ".docker/config.json": f'{{"auths": {{"x": {{"auth": "{BASIC}"',
            ".config/containers/auth.json": config(registry),
        }
    )
    assert well, said
    assert "is not a config.json of Docker" in said
    assert BASIC not in said


def test_services_get_a_login_too(run: Run, registry: str, image: str) -> None:
    """The engine of this test has no networks of use; the pull is what counts."""
    _, said = run(
        env={"DOCKER_AUTH_CONFIG": config(registry)},
        text="job:\n  image: busybox\n  services: [{name: '" + image + "', alias: own, "
        "command: [sleep, '5']}]\n  script: [echo ran]\n",
    )
    assert f"Pulling docker image {image} with the login for {registry}" in said
    assert "failed to pull" not in said
