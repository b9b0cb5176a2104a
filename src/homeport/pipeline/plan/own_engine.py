"""Jobs that bring a container engine of their own: it does not see the host's configuration.

What is recognised, by the names of images and by the commands of scripts. Sources: the entry point
of Docker's own image, GitLab's documentation of Docker-in-Docker, kaniko's and buildx's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from homeport.oci.image_name import HUB, ImageName

# Repetitions are bounded and stay in their line: scripts are whatever somebody wrote.
_START = r"(?:^|[;&|({!]|\b(?:then|do|else|sudo|exec|time|env)\b)[ \t]*"
_DOCKER = rf"{_START}docker[ \t]+(?:--?[a-z-]+(?:[= ][^\s-]\S*)?[ \t]+){{0,8}}"
_CREATE = re.compile(rf"{_DOCKER}buildx[ \t]+create\b([^;&|<>\n]*)", re.MULTILINE)
_CONFIGURED = re.compile(r"--(?:buildkitd-)?config(?:-inline)?\b")
_CONTAINERS = re.compile(
    rf"{_START}(podman|buildah|skopeo)[ \t]+(?:\S+[ \t]+){{0,8}}?"
    r"(?:pull|run|build|bud|from|copy|create)\b",
    re.MULTILINE,
)
_KANIKO = re.compile(r"(?:^|[\s/;&|(])kaniko/executor\b")
_BUILD = re.compile(rf"{_DOCKER}(?:(?:buildx|image)[ \t]+)?build\b([^;&|<>\n]*)", re.MULTILINE)
_FOLDED = re.compile(r"\\\n\s*")


class Tool(StrEnum):
    """What pulls images by itself. CONTAINERS are Podman, Buildah and Skopeo."""

    DIND = "dind"
    BUILDKIT = "buildkit"
    BUILDX = "buildx"
    KANIKO = "kaniko"
    CONTAINERS = "containers"


class Used(Struct, frozen=True, kw_only=True):
    """A command that uses a tool; `command` is the number of the entry of the script, and `words`
    how people know the tool."""

    tool: Tool
    command: int
    words: str


_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_ROUNDS = 4
_LONGEST = 1000


def expanded(text: str, values: Mapping[str, str]) -> str:
    """A name with the variables that are known before the job starts; others stay as written."""
    for _ in range(_ROUNDS):
        if "$" not in text or len(text) > _LONGEST:
            break
        text = _VARIABLE.sub(lambda found: values.get(found[1] or found[2], found[0]), text)
    return text[:_LONGEST]


def service_tool(image: str) -> Tool | None:
    """The engine that a service is: `docker:24-dind`, `registry.corp/docker:dind`, …"""
    last = image.rpartition("/")[2]
    if "dind" in last:
        return Tool.DIND
    if last.partition(":")[0].partition("@")[0] == "buildkit":
        return Tool.BUILDKIT
    return None


def is_rootless(image: str) -> bool:
    return "rootless" in image.rpartition("/")[2]


def is_kaniko(image: str) -> bool:
    """Whether a job's image is kaniko's executor (also a copy of it elsewhere)."""
    path = image.partition("@")[0].lower()
    return "kaniko" in path


def used_in(commands: Sequence[str]) -> Iterator[Used]:
    """The tools that a script uses and that no option in it leads to a mirror yet."""
    for number, command in enumerate(commands):
        text = _FOLDED.sub(" ", command)
        if any(not _CONFIGURED.search(found[1]) for found in _CREATE.finditer(text)):
            yield Used(tool=Tool.BUILDX, command=number, words="docker buildx create")
        if _KANIKO.search(text) and "--registry-m" not in text:
            yield Used(tool=Tool.KANIKO, command=number, words="kaniko")
        if found := _CONTAINERS.search(text):
            yield Used(tool=Tool.CONTAINERS, command=number, words=found[1])


class Build(Struct, frozen=True, kw_only=True):
    """`docker build` of a script: the path of its Dockerfile in the repository."""

    command: int
    dockerfile: str


def builds_in(commands: Sequence[str]) -> Iterator[Build]:
    """The builds of a script whose Dockerfile can be told without running it."""
    for number, command in enumerate(commands):
        for found in _BUILD.finditer(_FOLDED.sub(" ", command)):
            path = _dockerfile(found[1])
            if path is not None:
                yield Build(command=number, dockerfile=path)


_ARGUMENT = re.compile(r"""[^\s"']+|"([^"]*)"|'([^']*)'""")
_FLAGS = frozenset(
    ("--pull", "--no-cache", "--push", "--load", "--rm", "-q", "--quiet", "--squash")
)


def _dockerfile(arguments: str) -> str | None:
    words = [found[1] or found[2] or found[0] for found in _ARGUMENT.finditer(arguments)]
    context, file = "", None
    pending = iter(words)
    for word in pending:
        name, equals, value = word.partition("=")
        if name in ("-f", "--file"):
            file = value if equals else next(pending, "")
        elif word.startswith("-") and word != "-":
            if not equals and name not in _FLAGS:
                next(pending, None)
        else:
            context = word
    if file is None:
        file = f"{context}/Dockerfile"
    if not context or context == "-" or "://" in context or "$" in file:
        return None
    path = "/".join(part for part in file.split("/") if part not in ("", "."))
    return None if ".." in path.split("/") or file.startswith("/") else path


def beside_hub(images: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(image, registry) of those that `registry-mirrors` of a Docker engine would not cover."""
    for image in images:
        name = None if "$" in image else ImageName.parse(image)
        if name is not None and name.registry != HUB:
            yield image, name.registry
