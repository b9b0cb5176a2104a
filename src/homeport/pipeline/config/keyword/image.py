"""`image`: a name, or a mapping with `entrypoint`, `docker`, `kubernetes` and `pull_policy`.

What it shares with a service is here too. Source: GitLab's CI/CD YAML reference, `image`.
"""

from typing import Any

from msgspec import Struct

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.shapes import is_integer, is_strings
from homeport.pipeline.config.status import NO_EFFECT, YES, Keyword
from homeport.pipeline.model.config import Image
from homeport.pipeline.model.document import span_of_value

STATUS = Keyword(
    name="image",
    run=YES,
    parts=(
        Keyword(name="name", run=YES),
        Keyword(name="entrypoint", run=YES),
        Keyword(name="docker:platform", run=YES),
        Keyword(name="docker:user", run=YES),
        Keyword(name="kubernetes:user", run=NO_EFFECT, note="there is no Kubernetes executor"),
        Keyword(name="pull_policy", run=YES),
    ),
)

IMAGE_KEYS = ("name", "entrypoint", "docker", "kubernetes", "pull_policy", "ports")
PULL_POLICIES = ("always", "never", "if-not-present")
_LIMITS = {"platform": 64, "user": 255}


class Imageable(Struct, frozen=True):
    """What an image and a service have in common."""

    name: str
    entrypoint: tuple[str, ...] | None
    user: str | None
    platform: str | None
    pull_policy: tuple[str, ...]


def parse_image(value: Any, entry: Entry) -> Image | None:
    common = parse_imageable(value, entry)
    if isinstance(value, dict):
        entry.keys(value, IMAGE_KEYS)
    if common is None:
        return None
    return Image(
        name=common.name,
        entrypoint=common.entrypoint,
        docker_user=common.user,
        docker_platform=common.platform,
        pull_policy=common.pull_policy,
        span=entry.span,
    )


def parse_imageable(value: Any, entry: Entry) -> Imageable | None:
    """The common part, or None without a usable name; unknown keys are the caller's to check."""
    if isinstance(value, str):
        if is_blank(value):
            entry.say("name can't be blank", "blank")
            return None
        return Imageable(str(value), None, None, None, ())
    if not isinstance(value, dict):
        entry.config("should be a hash or a string", "wrong-type")
        return None
    if "ports" in value:
        entry.config(
            "contains disallowed keys: ports", "not-allowed", span_of_value(value, "ports")
        )
    name = entry.string(value, "name", required=True)
    entrypoint = entry.strings(value, "entrypoint")
    user, platform = _executor_options(value, entry)
    policy = value.get("pull_policy")
    policies: tuple[str, ...] = ()
    if policy is not None:
        policies = _pull_policy(policy, entry.child(value, "pull_policy"))
    if not name:
        return None
    return Imageable(name, entrypoint, user, platform, policies)


def _pull_policy(value: Any, entry: Entry) -> tuple[str, ...]:
    if isinstance(value, str):
        if value not in PULL_POLICIES:
            entry.config("is not included in the list", "not-allowed")
            return ()
        return (str(value),)
    if not is_strings(value):
        entry.config("should be an array of strings or a string", "wrong-type")
        return ()
    unknown = [item for item in value if item not in PULL_POLICIES]
    if unknown:
        entry.config(f"contains unknown values: {', '.join(unknown)}", "not-allowed")
    if not value:
        entry.config("can't be blank", "blank")
    return tuple(value)


def _executor_options(value: Any, entry: Entry) -> tuple[str | None, str | None]:
    """`docker:user` and `docker:platform`; the kubernetes part is only checked."""
    kubernetes = value.get("kubernetes")
    if kubernetes is not None and _is_object(kubernetes, "kubernetes", ("user",), entry):
        user = kubernetes.get("user")
        if "user" in kubernetes and not (isinstance(user, str) or is_integer(user)):
            _complain(entry, "value at `/kubernetes/user` is not one of the types: string, integer")
        elif isinstance(user, str):
            _check_text(user, "/kubernetes/user", _LIMITS["user"], entry)
    docker = value.get("docker")
    if docker is None or not _is_object(docker, "docker", ("platform", "user"), entry):
        return None, None
    for key, limit in _LIMITS.items():
        if key in docker:
            _check_text(docker[key], f"/docker/{key}", limit, entry)
    user, platform = docker.get("user"), docker.get("platform")
    return (
        user if isinstance(user, str) else None,
        platform if isinstance(platform, str) else None,
    )


def _is_object(value: Any, key: str, allowed: tuple[str, ...], entry: Entry) -> bool:
    if not isinstance(value, dict):
        _complain(entry, f"value at `/{key}` is not an object")
        return False
    for unknown in value:
        if unknown not in allowed:
            text = f"object property at `/{key}/{unknown}` is a disallowed additional property"
            _complain(entry, text)
    return True


def _check_text(value: Any, pointer: str, limit: int, entry: Entry) -> None:
    if not isinstance(value, str):
        _complain(entry, f"value at `{pointer}` is not a string")
    elif not value:
        _complain(entry, f"string length at `{pointer}` is less than: 1")
    elif len(value) > limit:
        _complain(entry, f"string length at `{pointer}` is greater than: {limit}")


def _complain(entry: Entry, text: str) -> None:
    entry.say(f"executor opts {text}", "wrong-type")
