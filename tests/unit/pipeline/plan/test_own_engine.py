"""What is an engine of a job's own, by names and commands."""

from time import process_time

import pytest

from homeport.pipeline.plan.own_engine import Tool, builds_in, expanded, service_tool, used_in


@pytest.mark.parametrize(
    ("image", "tool"),
    [
        ("docker:dind", Tool.DIND),
        ("docker:24.0.5-dind-rootless", Tool.DIND),
        ("docker:${DOCKER_VERSION}-dind", Tool.DIND),
        ("registry.corp:5000/hub/docker:27-dind", Tool.DIND),
        ("team/docker-dind:1", Tool.DIND),
        ("moby/buildkit:v0.20", Tool.BUILDKIT),
        ("moby/buildkit", Tool.BUILDKIT),
        ("docker:24", None),
        ("dind.example/postgres:16", None),
        ("postgres", None),
    ],
)
def test_services(image: str, tool: Tool | None) -> None:
    assert service_tool(image) is tool


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("docker buildx create --use", ["docker buildx create"]),
        ("docker --context c buildx create --name b", ["docker buildx create"]),
        ("set -e && docker buildx \\\n  create --use", ["docker buildx create"]),
        ("docker buildx create --buildkitd-config f.toml", []),
        ("docker buildx create --driver x --config=f.toml", []),
        ("docker buildx create --use --buildkitd-config-inline '[x]'", []),
        ("docker buildx ls", []),
        ("echo docker buildx create", []),
        ("podman pull alpine", ["podman"]),
        ("if x; then sudo buildah --root /r bud -t x .; fi", ["buildah"]),
        ("skopeo copy docker://a docker://b", ["skopeo"]),
        ("podman ps", []),
        ("echo podman is nice", []),
        ("/kaniko/executor --context .", ["kaniko"]),
        ("/kaniko/executor --registry-mirror m --context .", []),
        ("make", []),
    ],
)
def test_commands(command: str, expected: list[str]) -> None:
    assert [found.words for found in used_in(["true", command])] == expected
    assert all(found.command == 1 for found in used_in(["true", command]))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("docker build .", ["Dockerfile"]),
        ("docker build -t x --build-arg A=B --pull ./app", ["app/Dockerfile"]),
        ('docker build -t "x y" -f ci/Dockerfile .', ["ci/Dockerfile"]),
        ("docker build --file=ci/Dockerfile . && docker push x", ["ci/Dockerfile"]),
        ("docker buildx build --push -f a.Dockerfile \\\n .", ["a.Dockerfile"]),
        ("docker image build app/", ["app/Dockerfile"]),
        ("docker build a && docker build b", ["a/Dockerfile", "b/Dockerfile"]),
        ("docker build -", []),
        ("docker build https://x.example/a.git", []),
        ("docker build -f $FILE .", []),
        ("docker build -f ../../etc/passwd .", []),
        ("docker build -f /etc/passwd .", []),
        ("docker builder prune", []),
    ],
)
def test_builds(command: str, expected: list[str]) -> None:
    assert [found.dockerfile for found in builds_in([command])] == expected


@pytest.mark.parametrize(
    "command",
    ["\n" * 200_000, ";podman " * 60_000, ";docker -a " * 60_000, "-" * 500_000, "\\\n" * 200_000],
)
def test_hostile_scripts_take_no_time(command: str) -> None:
    began = process_time()
    assert list(used_in([command])) == []
    assert list(builds_in([command])) == []
    assert process_time() - began < 2


def test_a_variable_that_grows_ends() -> None:
    values = {"A": "$A$A$A$A$A$A$A$A" * 100}
    assert len(expanded("$A", values)) <= 1000
    assert expanded("$B/${C}:$$", {"B": "$D", "D": "r"}) == "r/${C}:$$"
