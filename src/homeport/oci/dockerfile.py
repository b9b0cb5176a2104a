"""The images that a Dockerfile takes from registries.

Source: Docker's Dockerfile reference: `FROM [--platform=…] IMAGE [AS NAME]`, `COPY --from=IMAGE`,
`RUN --mount=from=IMAGE`, and `ARG` before the first `FROM`.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_MOUNT = re.compile(r"--mount=\S{0,500}?\bfrom=([^,\s]+)")
_FROM = re.compile(r"--from=(\S+)")
_LINES = 10_000


class BaseImage(Struct, frozen=True):
    """An image, and the line (from 1) that names it."""

    image: str
    line: int


def base_images(text: str) -> tuple[BaseImage, ...]:
    """Each image that is pulled, in order; names of stages, `scratch` and what only a `--build-arg`
    would tell are left out."""
    found: list[BaseImage] = []
    stages: set[str] = set()
    arguments: dict[str, str] = {}
    for number, line in enumerate(text.splitlines()[:_LINES], 1):
        match = _INSTRUCTION.fullmatch(line)
        if match is None:
            continue
        word, rest = match[1].upper(), match[2]
        if word == "ARG" and not stages and not found:
            name, _, value = rest.strip().partition("=")
            arguments[name] = value.strip("\"'")
        elif word == "FROM":
            words = [part for part in rest.split() if not part.startswith("--")]
            found += _images(words[:1], number, arguments, stages)
            if len(words) >= 3 and words[1].lower() == "as":
                stages.add(words[2].lower())
        elif word in ("COPY", "ADD"):
            found += _images(_FROM.findall(rest), number, {}, stages)
        elif word == "RUN":
            found += _images(_MOUNT.findall(rest), number, {}, stages)
    return tuple(found)


def _images(
    names: list[str], line: int, arguments: Mapping[str, str], stages: set[str]
) -> list[BaseImage]:
    made = []
    for name in names:
        image = _VARIABLE.sub(
            lambda found: arguments.get(found[1] or found[3], "") or found[2] or found[0], name
        )
        stage = image.lower() in stages or image.isdecimal() or image == "scratch"
        if not stage and "$" not in image:
            made.append(BaseImage(image, line))
    return made
