"""From arguments to an evaluated pipeline, and from its missing includes to an exit status."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from homeport.errors import ExitCode, Problem, Severity, UsageError

if TYPE_CHECKING:
    from homeport.pipeline.flow import Evaluation, Request
    from homeport.pipeline.include.api import Choose
    from homeport.pipeline.model.pipeline import Pipeline
    from homeport.settings.model import Settings

_FLAGS = ("executor", "concurrency", "default_image", "pull_policy", "variables_from")
"""Flags that stand for a setting of the same name."""


def evaluate_for(args: argparse.Namespace, *, refresh: bool = False) -> "Evaluation":
    """Evaluate the pipeline that the arguments name; raises with every error of the file.
    `refresh` reads includes from elsewhere anew, whatever the lock and the cache say."""
    from homeport.cli.output import hide
    from homeport.pipeline.flow import evaluate_pipeline

    evaluation = evaluate_pipeline(request_for(args, refresh=refresh))
    if args.kind == "web":
        from homeport.cli.web_form import ask_variables, is_asked

        if is_asked(args) and ask_variables(evaluation, args):
            evaluation = evaluate_pipeline(request_for(args, refresh=refresh))
    hide(secrets_of(evaluation))
    if args.lock and not evaluation.pipeline.missing:
        from homeport.cli.update import lock_used

        lock_used(evaluation)
    return evaluation


def request_for(args: argparse.Namespace, *, refresh: bool = False) -> "Request":
    """What the arguments ask to be evaluated."""
    import os

    from homeport.cli.simulation import wanted_of
    from homeport.pipeline.flow import Request

    root = find_repository(args.directory)
    return Request(
        root=root,
        settings=_settings(root, args),
        env=os.environ,
        file=_file_in(root, args),
        wanted=wanted_of(args),
        inputs=_inputs(args),
        home=os.environ.get("HOME"),
        # A shell that completes names must not wait for a network.
        offline=args.offline or getattr(args, "names", False),
        refresh=refresh,
        count_changes=args.command == "run",
    )


def _inputs(args: argparse.Namespace) -> "Choose | None":
    if args.kind != "web" and not args.input:
        return None
    from homeport.cli.web_form import inputs_of

    return inputs_of(args)


def _file_in(root: Path, args: argparse.Namespace) -> str:
    """The CI file relative to `root`: as it was named, or seen from the folder of the command where
    it is a path (`./x`, `/x`), or is only there."""
    import os.path

    file: str = args.file or ".gitlab-ci.yml"
    path = os.path.join(args.directory, file)  # noqa: PTH118
    is_path = file.startswith(("/", "./", "../"))
    if not is_path and (not args.file or (root / file).exists() or not Path(path).exists()):
        return file
    folder, name = os.path.split(path)
    inside = os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath(root))  # noqa: PTH118
    return file if inside.startswith("..") else inside


def secrets_of(evaluation: "Evaluation") -> Iterator[str]:
    """The values that no command may show."""
    trigger = evaluation.trigger
    return (variable.value for variable in trigger.variables if variable.key in trigger.masked)


def find_repository(directory: str) -> Path:
    """The root of the working tree that holds `directory`."""
    from homeport.lib.git import find_root

    start = Path(directory)
    if not start.is_dir():
        raise UsageError.of(f"{directory} is not a folder", code="no-folder")
    root = find_root(start)
    if root is None:
        raise UsageError.of(
            f"{start.resolve()} is not in a git repository",
            code="no-repository",
            hint="run homeport inside a repository, or name one with -C DIR",
        )
    return root


def _settings(root: Path, args: argparse.Namespace) -> "Settings":
    """The settings in force, the command's own flags on top."""
    import os

    from homeport.settings.load import load_settings

    flags: dict[str, object] = {key: getattr(args, key, None) for key in _FLAGS}
    if args.offline:
        # Nothing may touch the network: an image that is not here is missing, not pulled.
        flags["pull_policy"] = flags["pull_policy"] or "never"
    if getattr(args, "checkouts", None) or getattr(args, "needs_artifacts", None):
        from homeport.cli.other_projects import project_flags

        flags |= project_flags(args)
    if getattr(args, "secrets", None) or getattr(args, "id_tokens", None):
        from homeport.cli.given import given_files

        flags |= given_files(args)
    if prefixes := getattr(args, "registry_prefix", None):
        from homeport.pipeline.plan.registry_prefix import parse_prefixes

        flags["container_registry"], flags["container_registries"] = parse_prefixes(prefixes)
    if hasattr(args, "mirror_ca"):
        flags["mirror_url"] = args.mirror
        flags["mirror_registries"] = args.mirror_registries
        flags["mirror_ca"] = args.mirror_ca and os.path.abspath(args.mirror_ca)  # noqa: PTH100
    if hasattr(args, "privileged"):
        from homeport.cli.container_options import container_flags

        flags |= container_flags(args)
    flags["variables"] = parse_variables(args.variable)
    return load_settings(root, os.environ, flags)


def parse_variables(pairs: list[str]) -> dict[str, str]:
    """`--variable KEY=VALUE`, in order."""
    variables = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        named = key.isascii() and key.replace("_", "a").isalnum() and not key[0].isdigit()
        if not equals or not named:
            raise UsageError.of(
                f"--variable {key}: not of the form KEY=VALUE",
                code="bad-variable",
                hint="KEY has letters (a to z), digits and _, and does not start with a digit",
            )
        variables[key] = value
    return variables


def missing_problems(pipeline: "Pipeline", *, strict: bool) -> tuple[Problem, ...]:
    """One problem per include that could not be reached; an error under `strict`."""
    return tuple(
        Problem(
            code="include-unreachable",
            severity=Severity.ERROR if strict else Severity.WARNING,
            message=f"include {describe_missing(missing)} was not read: {missing.reason}",
            span=missing.span,
        )
        for missing in pipeline.missing
    )


def worth_saying(pipeline: "Pipeline", *, strict: bool) -> tuple[Problem, ...]:
    """All problems of a pipeline but GitLab's warnings, which are counted: `lint` shows them."""
    warnings = sum(problem.severity is Severity.WARNING for problem in pipeline.problems)
    said = [problem for problem in pipeline.problems if problem.severity is not Severity.WARNING]
    if warnings:
        words = "1 warning" if warnings == 1 else f"{warnings} warnings"
        said.append(
            Problem(
                code="warnings",
                severity=Severity.NOTE,
                message=f"{words} of GitLab's; homeport lint shows them",
            )
        )
    return (*said, *missing_problems(pipeline, strict=strict))


def describe_missing(missing: object) -> str:
    from homeport.pipeline.model.config import MissingInclude

    assert isinstance(missing, MissingInclude)  # noqa: S101 - narrows the type
    words = f"{missing.kind} {missing.location}"
    if missing.project:
        words += f" of {missing.project}"
    return f"{words} at {missing.ref}" if missing.ref else words


def strictly(status: ExitCode, *, missing: bool, strict: bool) -> ExitCode:
    """The exit status once unreachable includes are taken into account."""
    if not missing:
        return status
    if strict:
        return ExitCode.USAGE
    return ExitCode.ENVIRONMENT if status is ExitCode.OK else status


def finish(evaluation: "Evaluation", args: argparse.Namespace) -> ExitCode:
    """Say on stderr what the reader of the result should know; the command's exit status."""
    from homeport.cli.output import has_errors, print_problems

    print_problems(worth_saying(evaluation.pipeline, strict=args.strict))
    status = ExitCode.USAGE if has_errors(evaluation.pipeline.problems) else ExitCode.OK
    return strictly(status, missing=bool(evaluation.pipeline.missing), strict=args.strict)
