"""gitlab-ci-local's options and files → a request to homeport's own flow."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from homeport.cli.gitlab_ci_local_containers import container_settings
from homeport.cli.gitlab_ci_local_options import (
    ENVIRONMENT_FILE,
    Options,
    add_files,
    read_text,
)
from homeport.errors import Problem, Severity, UsageError
from homeport.pipeline.facts.given import REPOSITORY_FILE
from homeport.pipeline.facts.wanted import Wanted
from homeport.pipeline.flow import Evaluation, Request, evaluate_pipeline
from homeport.settings.load import load_settings
from homeport.settings.model import Settings

OVERLAY_FILE = ".gitlab-ci-local.yml"
INPUTS_FILE = ".gitlab-ci-local-inputs.yml"
IGNORES_FILE = ".gitlab-ci-local-ignores"
_CI_FILE = ".gitlab-ci.yml"
_DEFAULT_IMAGE = "docker.io/ruby:3.1"

_REFUSED: Mapping[str, str] = {
    "registry": "start homeport mirror serve, which is a registry to push to, and name it by "
    "--variable CI_REGISTRY=HOST: your engine must trust its certificate, which is yours to say",
}
"""What homeport cannot do, and the nearest that it can. Said when jobs are to be run."""

_WITHOUT_EFFECT: Mapping[str, str] = {
    "shell-isolation": "every job has a folder of its own",
    "state-dir": "homeport keeps its state outside of the repository, and reads "
    "~/.gitlab-ci-local/variables.yml",
    "wait-image": "services are looked at without an image of ours",
    "helper-image": "there is no helper image",
    "mount-cache": "caches are kept in a store of homeport's",
    "umask": "files keep the modes that they have",
    "cleanup": "containers are always removed; homeport run --shell-on-failure looks into them",
    "json-schema-validation": "the file is checked as GitLab checks it",
    "ignore-schema-paths": "the file is checked as GitLab checks it",
    "ignore-predefined-vars": "there are no such warnings",
    "ignores-file": "jobs get what git tracks or does not ignore; use .gitignore",
}

_SETTINGS: Mapping[str, str] = {
    "pull-policy": "pull_policy",
    "concurrency": "concurrency",
    "maximum-includes": "limits.includes",
    "wait-for-services-timeout": "container.services_timeout",
}
_NUMBERS = frozenset(("concurrency", "maximum-includes", "wait-for-services-timeout"))


class Translation:
    """What a command line of gitlab-ci-local asks for. Raises `UsageError` for what is wrong in it;
    `refuse_for_run` for what homeport cannot do."""

    def __init__(self, options: Options, env: Mapping[str, str]) -> None:
        from homeport.cli.source import find_repository

        self.options = options
        self.env = env
        self.cwd = _folder(options.text("cwd"))
        self.home = options.text("home") or env.get("HOME")
        early = [name for name in ("cwd", "home") if not options.has(name)]
        add_files(options, self.cwd, self.home)
        for name in early:
            if options.has(name):
                hint = f"set it by --{name} or GCL_{_upper(name)}: it says where the files are"
                raise UsageError([_refusal(f"{options.origin[name]} cannot be set there", hint)])
        self.root = find_repository(self.cwd)

    def evaluate(self, *, for_run: bool = False) -> Evaluation:
        """The pipeline; its secrets are hidden from what is printed."""
        from homeport.cli.output import hide
        from homeport.cli.source import secrets_of

        evaluation = evaluate_pipeline(self.request(for_run=for_run))
        hide(secrets_of(evaluation))
        return evaluation

    def request(self, *, for_run: bool = False) -> Request:
        options = self.options
        changes = options.switch("evaluate-rule-changes", default=True)
        return Request(
            root=self.root,
            settings=self._settings(for_run=for_run),
            env=self.env,
            file=self._inside(self._ci_file()),
            # GitLab, too, takes every rules:changes for true in the pipeline of a new branch.
            wanted=Wanted(as_new=not changes, unset=frozenset(options.list("unset-variable"))),
            home=self.home,
            refresh=options.switch("fetch-includes"),
            overlay=self._inside(OVERLAY_FILE),
            offered=self._inputs(),
            variables_file=self._file("variables-file", REPOSITORY_FILE),
            shared_variables=self._shared(),
        )

    def notes(self) -> Iterator[Problem]:
        """What was given and has no effect, each once."""
        options = self.options
        for place, key in options.unknown:
            yield _note(f"{place}: {key} is no option of gitlab-ci-local, and is not read")
        for name, why in _WITHOUT_EFFECT.items():
            if options.has(name) and not (name == "cleanup" and options.switch(name)):
                yield _note(f"{options.origin[name]} has no effect: {why}")
        if not options.has("ignores-file") and os.path.exists(self._path(IGNORES_FILE)):  # noqa: PTH110
            yield _note(f"{IGNORES_FILE} is not read: {_WITHOUT_EFFECT['ignores-file']}")
        if options.has("default-image") and options.switch("shell-executor-no-image", default=True):
            yield _note(
                f"{options.origin['default-image']} has no effect without "
                "--no-shell-executor-no-image: jobs without an image run in the shell"
            )

    def refuse_for_run(self) -> None:
        """Raise `UsageError` for every option that would change a run in a way that we have not."""
        options = self.options
        problems = [
            _refusal(f"{options.origin[name]} is not understood by homeport", hint)
            for name, hint in _REFUSED.items()
            if options.has(name) and options.list(name) not in ((), ("false",), ("",))
        ]
        problems += [
            _refusal(
                f"{ENVIRONMENT_FILE} may not set {name}: it opens your machine to the repository",
                f"if you trust it: --{name} on the command line, GCL_{_upper(name)}, or "
                f"{_upper(name)} in ~/.gitlab-ci-local/.env",
            )
            for name in options.withheld
        ]
        if problems:
            raise UsageError(problems)

    def _settings(self, *, for_run: bool) -> Settings:
        from homeport.cli.source import parse_variables

        options = self.options
        flags: dict[str, object] = {"variables": parse_variables(list(options.list("variable")))}
        if for_run:
            for name, key in _SETTINGS.items():
                flags[key] = options.number(name) if name in _NUMBERS else options.text(name)
            flags |= container_settings(options)
            flags["engine"] = self._engine()
            if options.switch("force-shell-executor"):
                flags["executor"] = "shell"
            elif not options.switch("shell-executor-no-image", default=True):
                flags["default_image"] = options.text("default-image") or _DEFAULT_IMAGE
        else:
            flags["limits.includes"] = options.number("maximum-includes")
        return load_settings(self.root, self.env, flags)

    def _engine(self) -> str | None:
        """The address of Podman where that is asked for; None to look for an engine as always."""
        wanted = self.options.text("container-executable")
        if wanted in (None, "docker"):
            return None
        if wanted != "podman":
            raise UsageError(
                [
                    _refusal(
                        f"{self.options.origin['container-executable']} is {wanted}",
                        "homeport runs no command; it talks to the API of docker or podman",
                    )
                ]
            )
        runtime = self.env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        own = f"{runtime}/podman/podman.sock"
        return f"unix://{own if Path(own).exists() else '/run/podman/podman.sock'}"

    def _ci_file(self) -> str:
        file = self.options.text("file")
        if file is not None:
            return file
        if os.path.exists(self._path(_CI_FILE)):  # noqa: PTH110
            return _CI_FILE
        # gitlab-ci-local, too, falls back to the root of the repository.
        return os.path.relpath(self.root / _CI_FILE, self.cwd)

    def _inputs(self) -> dict[str, dict[str, Any]]:
        path = self._file("inputs-file", INPUTS_FILE)
        offered = _read_inputs(str(self.root / path), path)
        for pair in self.options.list("input"):
            component, key, value = _input(pair)
            offered.setdefault(component, {})[key] = value
        return offered

    def _shared(self) -> tuple[str, bytes] | None:
        text = self.options.text("remote-variables")
        if not text:
            return None
        from homeport.cli.gitlab_ci_local_remote import read_remote

        return read_remote(text, self.env)

    def _file(self, option: str, default: str) -> str:
        """A file of the option, or the usual one, relative to the root where it is inside."""
        text = self.options.text(option) or default
        inside = self._inside(text)
        if inside.startswith(("/", "..")):
            if self.options.origin.get(option, "").startswith(ENVIRONMENT_FILE):
                raise UsageError(
                    [_refusal(f"{ENVIRONMENT_FILE}: {option} names a file outside", None)]
                )
            return os.path.abspath(self._path(text))  # noqa: PTH100
        return inside

    def _path(self, name: str) -> str:
        return os.path.join(self.cwd, name)  # noqa: PTH118

    def _inside(self, name: str) -> str:
        """A path seen from the folder of the command, seen from the root."""
        folder, base = os.path.split(self._path(name))
        path = os.path.join(os.path.realpath(folder), base)  # noqa: PTH118
        return os.path.relpath(path, os.path.realpath(self.root))


def say(problems: Iterable[Problem]) -> None:
    """Print notes on stderr, each once."""
    from homeport.cli.output import print_problems

    print_problems(dict.fromkeys(problems))


def _folder(cwd: str | None) -> str:
    if cwd is None:
        return "."
    if cwd.startswith("/"):
        raise UsageError([_refusal("--cwd: please use a relative path", None)])
    return cwd or "."


def _read_inputs(path: str, name: str) -> dict[str, dict[str, Any]]:
    """Values by component; those under `""` are for every file that has such an input."""
    text = read_text(path, inside=True)
    if text is None:
        return {}
    from homeport.pipeline.document.load import load

    content = load(text.encode(), name).content
    if "_global" in content or any(isinstance(value, dict) for value in content.values()):
        parts = {str(key): value for key, value in content.items() if isinstance(value, dict)}
        return {"" if key == "_global" else key: dict(part) for key, part in parts.items()}
    return {"": dict(content)}


def _input(pair: str) -> tuple[str, str, Any]:
    import json

    found = re.fullmatch(r"(?:([\w\-/]+):)?([\w-]+)=(.*)", pair, re.DOTALL)
    if found is None:
        raise UsageError(
            [_refusal(f"--input {pair.partition('=')[0]}: not of the form KEY=VALUE", None)]
        )
    component, key, text = found.groups()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return component or "", key, value


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")


def _note(message: str) -> Problem:
    return Problem(code="gitlab-ci-local", severity=Severity.NOTE, message=message)


def _refusal(message: str, hint: str | None) -> Problem:
    return Problem(code="gitlab-ci-local", message=message, hint=hint)
