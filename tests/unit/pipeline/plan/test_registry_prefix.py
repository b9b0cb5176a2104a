"""Names under which images are pulled, by the user's own registry."""

from pathlib import Path

import pytest

from homeport.engine.api import ImageInfo
from homeport.engine.fake import FakeEngine
from homeport.errors import UsageError
from homeport.pipeline.execute.container_image import Images
from homeport.pipeline.plan.registry_prefix import (
    RegistryPrefixes,
    is_prefix,
    parse_prefixes,
    prefixes_of,
)
from homeport.settings.load import load_settings

HUB = RegistryPrefixes(prefixes={"docker.io": "registry.internal"})
DIGEST = "@sha256:" + "a" * 64

NAMES = {
    "alpine": "registry.internal/alpine",
    "alpine:3.20": "registry.internal/alpine:3.20",
    f"alpine{DIGEST}": f"registry.internal/alpine{DIGEST}",
    f"alpine:3.20{DIGEST}": f"registry.internal/alpine:3.20{DIGEST}",
    "library/alpine": "registry.internal/alpine",
    "docker.io/alpine": "registry.internal/alpine",
    "docker.io/library/alpine:3": "registry.internal/alpine:3",
    "index.docker.io/user/app": "registry.internal/user/app",
    "user/app:1": "registry.internal/user/app:1",
    "library/team/app": "registry.internal/team/app",
    "localhost/app": "localhost/app",
    "localhost:5000/app:1": "localhost:5000/app:1",
    "[::1]:5000/app": "[::1]:5000/app",
    "ghcr.io/a/b:1": "ghcr.io/a/b:1",
    "registry-1.docker.io/library/alpine": "registry-1.docker.io/library/alpine",
    "MYHOST/app": "MYHOST/app",
    "host:5000/app": "host:5000/app",
    "registry.internal/alpine:1": "registry.internal/alpine:1",
    "Registry.Internal/alpine": "Registry.Internal/alpine",
    "sha256:" + "b" * 64: "sha256:" + "b" * 64,
    "c" * 64: "c" * 64,
    "scratch": "scratch",
    "": "",
}


@pytest.mark.parametrize(("image", "pulled"), NAMES.items())
def test_names_of_docker_hub_alone_are_rewritten(image: str, pulled: str) -> None:
    # `library/team/app` is no name that Docker Hub has: what is left is still a name of it.
    assert HUB.pulled_as(image) == pulled
    assert HUB.pulled_as(HUB.pulled_as(image)) == pulled


@pytest.mark.parametrize(
    ("image", "pulled"),
    [
        ("alpine:3", "r.corp:5000/hub/library/alpine:3"),
        ("library/alpine", "r.corp:5000/hub/library/alpine"),
        ("user/app", "r.corp:5000/hub/user/app"),
        ("r.corp:5000/hub/library/alpine", "r.corp:5000/hub/library/alpine"),
        ("QUAY.io/a/b", "r.corp:5000/quay.io/a/b"),
        ("[::1]:5000/app:1", "r.corp:5000/local/app:1"),
        ("ghcr.io/a/b", "ghcr.io/a/b"),
    ],
)
def test_a_map_leads_each_registry_elsewhere(image: str, pulled: str) -> None:
    prefixes = RegistryPrefixes(
        prefixes={
            "docker.io": "r.corp:5000/hub",
            "quay.io": "r.corp:5000/quay.io",
            "[::1]:5000": "r.corp:5000/local",
        },
        library=True,
    )
    assert prefixes.pulled_as(image) == pulled


def test_the_log_says_what_is_pulled_and_what_would_cure_all() -> None:
    assert HUB.note("alpine:3.20") == (
        "image alpine:3.20 is pulled as registry.internal/alpine:3.20 (CONTAINER_REGISTRY); "
        "this cures homeport run alone: `homeport enroll` cures every tool"
    )
    assert HUB.note("ghcr.io/a/b") is None


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("registry.internal", True),
        ("registry:5000/a/b", True),
        ("[::1]:5000", True),
        ("localhost", True),
        ("registry", False),
        ("https://registry.internal", False),
        ("registry.internal/UP", False),
        ("registry.internal:port", False),
        ("user@registry.internal", False),
        ("registry.internal/a b", False),
        ("", False),
    ],
)
def test_what_is_a_registry(text: str, valid: bool) -> None:
    assert is_prefix(text) is valid


def test_options_name_docker_hub_or_a_registry() -> None:
    assert parse_prefixes(["a.b", "Quay.io=a.b/q"]) == ("a.b", {"quay.io": "a.b/q"})
    assert parse_prefixes(["docker.io=a.b"]) == ("a.b", {})
    with pytest.raises(UsageError):
        parse_prefixes(["=a.b"])


def test_settings_make_the_map_and_name_their_origin(tmp_path: Path) -> None:
    own = tmp_path / "xdg/homeport/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[container_registries]\n"ghcr.io" = "r.corp/ghcr.io"\n')
    env = {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "CONTAINER_REGISTRY": "registry.internal"}
    found = prefixes_of(load_settings(tmp_path, env))
    assert found.prefixes == {"docker.io": "registry.internal", "ghcr.io": "r.corp/ghcr.io"}
    assert found.origin.startswith("CONTAINER_REGISTRY, ")
    ours = {**env, "HOMEPORT_CONTAINER_REGISTRY": "other.internal"}
    assert prefixes_of(load_settings(tmp_path, ours)).prefixes["docker.io"] == "other.internal"
    flag = load_settings(tmp_path, ours, {"container_registry": "flag.internal"})
    assert prefixes_of(flag).prefixes["docker.io"] == "flag.internal"
    with pytest.raises(UsageError, match="'https://x' is no registry"):
        prefixes_of(load_settings(tmp_path, {**env, "CONTAINER_REGISTRY": "https://x"}))


def test_the_engine_is_asked_for_the_other_name_and_the_log_tells() -> None:
    image = ImageInfo(id="1", entrypoint=(), command=(), user="", env={}, platform="linux/amd64")
    engine = FakeEngine(remote={"registry.internal/alpine:3": image})
    told: list[str] = []
    images = Images(engine, {}, HUB)
    assert images.ensure("alpine:3", None, ("if-not-present",), told.append).id == "1"
    assert told[:2] == [HUB.note("alpine:3"), "Pulling docker image registry.internal/alpine:3"]
    assert images.name("alpine:3") == "registry.internal/alpine:3"
