"""Settings from their four sources: repository, user's file, environment, flags; later wins."""

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from homeport.errors import Problem, UsageError
from homeport.settings.model import Settings
from homeport.settings.source import REPOSITORY_FILE, Source, read_source

_REGISTRY = "CONTAINER_REGISTRY"
_CERTIFICATES = 1024 * 1024


def load_settings(
    root: Path, env: Mapping[str, str], overrides: Mapping[str, object] | None = None
) -> Settings:
    """The settings in force in the working tree at `root`.

    `overrides` are the command's flags: dotted keys as in the files (`executor`,
    `container.privileged`, and `variables` as a whole map); None means that a flag was not given.
    Raises `UsageError` with every problem of every source at once.
    """
    defaults = Settings(concurrency=len(os.sched_getaffinity(0)))
    problems: list[Problem] = []
    own = user_file(env)
    repository = _read(root / REPOSITORY_FILE, REPOSITORY_FILE, problems, trusted=False)
    user = None if own is None else _read(own, _shown(own, env), problems, trusted=True)
    flags = {key: value for key, value in (overrides or {}).items() if value not in (None, {})}
    ours = {name: value for name, value in env.items() if name.startswith("HOMEPORT_")}
    if env.get(_REGISTRY):
        ours[_REGISTRY] = env[_REGISTRY]
    if not (repository or user or flags or ours or problems):
        return defaults

    from homeport.settings.layers import Layers  # most commands have nothing to lay over anything

    layers = Layers(problems, user_file=str(own or "your own config.toml"))
    if repository is not None:
        layers.add_file(repository, trusted=False)
    if user is not None:
        layers.add_file(user, trusted=True)
    layers.add_environment(ours)
    layers.add_flags(flags)
    settings = layers.over(defaults)
    if settings.mirror_url is not None:
        _check_mirror(settings, settings.mirror_url)
    elif settings.mirror_registries:
        raise UsageError.of(
            f"{settings.origin['mirror_registries']}: mirror_registries, and no mirror_url",
            code="mirror-url",
            hint="name the mirror that has them, by mirror_url or --mirror",
        )
    return settings if settings.mirror_ca is None else _with_authority(settings)


def _check_mirror(settings: Settings, url: str) -> None:
    from homeport.oci.mirror_address import HINT, is_mirror

    if not is_mirror(url):  # and it may hold a password, so it is not shown
        origin = settings.origin["mirror_url"]
        raise UsageError.of(
            f"{origin}: mirror_url is no address of a mirror", code="mirror-url", hint=HINT
        )


def _with_authority(settings: Settings) -> Settings:
    """With the certificates of the mirror: who gets them has no path to read."""
    path = str(settings.mirror_ca)
    try:
        with Path(path).open("rb") as file:
            text = file.read(_CERTIFICATES + 1).decode("ascii")
        wrong = "" if "-----BEGIN CERTIFICATE-----" in text else "it holds no certificate in PEM"
    except (OSError, UnicodeDecodeError) as error:
        wrong = getattr(error, "strerror", None) or "it is no text"
    if not wrong and len(text) > _CERTIFICATES:
        wrong = "it is larger than 1 MiB"
    if not wrong and "PRIVATE KEY-----" in text:
        wrong = "it holds a private key, which no job may see"
    if wrong:
        raise UsageError.of(f"mirror_ca {path}: {wrong}", code="mirror-ca")
    return structs.replace(settings, mirror_certificates=text)


def user_file(env: Mapping[str, str]) -> Path | None:
    """`$XDG_CONFIG_HOME/homeport/config.toml`; a relative value is ignored (XDG base directories).

    None without a home.
    """
    folder = env.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):
        home = env.get("HOME", "")
        folder = f"{home}/.config" if home else ""
    return Path(folder, "homeport", "config.toml") if folder else None


def _read(path: Path, name: str, problems: list[Problem], *, trusted: bool) -> Source | None:
    try:
        return read_source(path, name, trusted=trusted)
    except UsageError as error:
        problems += error.problems
        return None


def _shown(path: Path, env: Mapping[str, str]) -> str:
    home = env.get("HOME", "").rstrip("/")
    text = str(path)
    return f"~{text[len(home) :]}" if home and text.startswith(f"{home}/") else text
