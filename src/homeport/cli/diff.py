"""`homeport diff`: our evaluation beside the server's, for people who want the proof."""

import argparse

from homeport.cli.options import Commands, add_json_option, add_parser, add_source_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeport.gitlab.api import GitLab, Lint
    from homeport.gitlab.host import Host
    from homeport.pipeline.flow import Request
    from homeport.pipeline.model.trigger import Trigger
    from homeport.pipeline.report.comparison import Comparison, Difference

EXAMPLES = """\
  homeport diff                     the CI file of the working tree, as a push of this branch
  homeport diff --branch main       the same as a push of main, if this branch is not pushed yet
  homeport diff --static            without rules: every job of the file
  homeport diff --server https://gitlab.corp --project group/app
"""

NO_REF = "Reference not found"
"""GitLab's words for a branch or tag that it does not know."""


def add_command(commands: Commands) -> None:
    parser = add_parser(
        commands,
        "diff",
        main,
        summary="Compare the evaluation with the one of the GitLab server, to which the CI file "
        "is sent.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help="the server, as https://HOST (default: the one of the remote)",
    )
    parser.add_argument(
        "--project", metavar="PATH", help="the project there (default: the one of the remote)"
    )
    parser.add_argument(
        "--static",
        action="store_true",
        help="leave out rules: compare all jobs of the file; needs no right to run pipelines",
    )
    add_json_option(parser, "the differences")
    add_source_options(parser)


def main(args: argparse.Namespace) -> int:
    from homeport.cli.output import hide, print_json, print_problems
    from homeport.cli.source import missing_problems, request_for, secrets_of, strictly
    from homeport.errors import ExitCode, HomeportError
    from homeport.pipeline.flow import evaluate_pipeline, read_root_file
    from homeport.pipeline.report.comparison import compare, compare_errors

    _refuse_other_sources(args)
    request = _as_new_branch(request_for(args))
    trigger, content = read_root_file(request)
    server, project = _server(args.server, args.project, request, trigger)
    _refuse_no_ref(trigger, static=args.static)
    # What the server says decides whether there is anything to compare, so it is asked first.
    lint = _ask(server, project, content, trigger, static=args.static)
    missing = False
    try:
        evaluation = evaluate_pipeline(request)
    except HomeportError as error:
        if error.exit_code is not ExitCode.USAGE:
            raise
        comparison = compare_errors(error.problems, lint)
    else:
        missing = bool(evaluation.pipeline.missing)
        hide(secrets_of(evaluation))
        print_problems(missing_problems(evaluation.pipeline, strict=args.strict))
        comparison = compare(evaluation.pipeline, evaluation.merged, lint, static=args.static)
    where = f"{project} on {server.url.authority}"
    if args.json:
        print_json(_as_json(comparison, server.base, project))
    else:
        _print(comparison, where)
    status = ExitCode.FAILED if comparison.differences else ExitCode.OK
    return int(strictly(status, missing=missing, strict=args.strict))


def _refuse_other_sources(args: argparse.Namespace) -> None:
    from homeport.errors import UsageError

    if args.kind not in (None, "branch", "tag") or args.changes_since is not None:
        flag = "--changes-since" if args.changes_since is not None else f"--as {args.kind}"
        raise UsageError.of(
            f"homeport diff has no {flag}",
            code="pipeline-flags",
            hint="GitLab's ci/lint simulates the push of a new branch or tag, and nothing else",
        )


def _refuse_no_ref(trigger: "Trigger", *, static: bool) -> None:
    from homeport.errors import UsageError

    if not static and trigger.tag is None and trigger.branch is None:
        raise UsageError.of(
            "what is checked out is neither a branch nor a tag, and the server needs one",
            code="no-ref",
            hint="name one with --branch or --tag, or use --static",
        )


def _as_new_branch(request: "Request") -> "Request":
    from msgspec import structs

    return structs.replace(request, wanted=structs.replace(request.wanted, as_new=True))


def _server(
    address: str | None, path: str | None, request: "Request", trigger: "Trigger"
) -> "tuple[GitLab, str]":
    """The server and the project that the command names, else the remote's."""
    from homeport.errors import MissingError
    from homeport.gitlab.address import parse_url
    from homeport.gitlab.api import GitLab, api_address
    from homeport.gitlab.fetch import Fetcher

    settings = request.settings
    project = trigger.project
    if project is not None and project.host.endswith(".invalid"):  # the repository has no remote
        project = None
    path = path or (project.path if project else None)
    if path is None or (address is None and project is None):
        raise MissingError.of(
            "this repository has no remote on a server to compare with",
            code="no-server",
            hint="name one with --server URL and --project PATH",
        )
    named: tuple[str, ...] = ()
    if address is not None:
        base = _api_of(address, settings.hosts)
        named = (parse_url(base).authority,)
    else:
        assert project is not None  # noqa: S101 - narrows the type
        base = api_address(project.host, settings.hosts, scheme=project.protocol)
    fetcher = Fetcher(hosts=settings.hosts, ca=settings.ca, env=request.env, named=named)
    return GitLab(base, fetcher), path.strip("/")


def _api_of(address: str, hosts: "Mapping[str, Host]") -> str:
    """`gitlab.corp`, `https://gitlab.corp`, or with the path that a server may be under."""
    from homeport.gitlab.address import parse_url
    from homeport.gitlab.api import api_address

    url = parse_url(address if "://" in address else f"https://{address}")
    below = url.target.partition("?")[0].rstrip("/").removesuffix("/api/v4")
    if below:
        return f"{url.scheme}://{url.authority}{below}/api/v4"
    return api_address(url.authority, hosts, scheme=url.scheme)


def _ask(
    server: "GitLab", project: str, content: bytes, trigger: "Trigger", *, static: bool
) -> "Lint":
    from homeport.errors import MissingError

    ref = trigger.tag or trigger.branch
    text = content.decode("utf-8", "replace")
    lint = server.lint(project, text, dry_run=not static, ref=None if static else ref)
    if not static and any(error.startswith(NO_REF) for error in lint.errors):
        raise MissingError.of(
            f"the server does not know {ref or 'this commit'}",
            code="no-ref",
            hint="push it, compare as a push of another one (--branch NAME), or use --static",
        )
    return lint


def _as_json(comparison: "Comparison", server: str, project: str) -> dict[str, object]:
    import msgspec

    return {
        "same": not comparison.differences,
        "server": server,
        "project": project,
        "compared": comparison.compared,
        "same_jobs": comparison.jobs,
        "differences": msgspec.to_builtins(comparison.differences),
    }


def _print(comparison: "Comparison", where: str) -> None:
    from homeport.cli.output import printable

    for difference in comparison.differences:
        for line in _lines(difference):
            print(printable(line))
    looked_at = " and ".join(comparison.compared) or "nothing (the server is too old to tell)"
    count = len(comparison.differences)
    if count:
        print(f"{count} difference{'s' if count > 1 else ''} from {where}; compared: {looked_at}")
    elif comparison.compared == ("errors",):
        print(f"{where} refuses the file in the same words")
    else:
        jobs = f" ({comparison.jobs} jobs)" if "jobs" in comparison.compared else ""
        print(f"the same as {where}{jobs}; compared: {looked_at}")


def _lines(difference: "Difference") -> list[str]:
    ours, theirs = difference.ours, difference.theirs
    if difference.kind == "error":
        return [f"error only {'here' if ours else 'on the server'}: {difference.name}"]
    if difference.kind == "job":
        side = "here" if ours is not None else "on the server"
        return [f"job {difference.name}: only {side} ({ours or theirs})"]
    if difference.kind == "field":
        field = f"{difference.name}: {difference.field}"
        return [f"job {field} is {ours} here, {theirs} on the server"]
    return _yaml_lines(difference)


def _yaml_lines(difference: "Difference") -> list[str]:
    from difflib import unified_diff

    head = f"merged YAML, {difference.name or 'all of it'}:"
    ours, theirs = (difference.ours or "").splitlines(), (difference.theirs or "").splitlines()
    lines = unified_diff(ours, theirs, "here", "on the server", n=2, lineterm="")
    return [head, *(f"  {line}" for line in lines)]
