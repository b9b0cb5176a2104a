"""The options of the commands that run jobs: `run`, `rerun`, `watch`."""

import argparse

from homeport.cli.options import add_source_options


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """How to run, whichever jobs."""
    from homeport.cli.container_options import add_container_options
    from homeport.cli.given import add_given_options
    from homeport.cli.other_projects import add_project_options
    from homeport.cli.report_files import add_report_options

    group = parser.add_argument_group("the run")
    group.add_argument("--needs", action="store_true", help="also run all that the named jobs need")
    group.add_argument(
        "-j", "--concurrency", type=_positive, metavar="N", help="jobs at once (default: CPUs)"
    )
    group.add_argument(
        "--executor",
        choices=("auto", "shell", "container"),
        help="where jobs run (default: auto; a job with an image in a container)",
    )
    group.add_argument("--default-image", metavar="IMAGE", help="for jobs that name no image")
    group.add_argument(
        "--pull-policy",
        choices=("always", "if-not-present", "never"),
        help="when to pull images (default: if-not-present)",
    )
    group.add_argument(
        "--registry-prefix",
        metavar="[REGISTRY=]HOST",
        action="append",
        default=[],
        help="pull images of Docker Hub (or of REGISTRY) from HOST instead; may be repeated",
    )
    group.add_argument(
        "--mirror",
        metavar="URL",
        help="engines that jobs bring with them (dind, buildx, kaniko) pull through this mirror",
    )
    group.add_argument(
        "--mirror-ca", metavar="FILE", help="the certificate authority of that mirror (PEM)"
    )
    group.add_argument(
        "--mirror-registry",
        dest="mirror_registries",
        metavar="HOST",
        action="append",
        help="what that mirror has beside Docker Hub, as ghcr.io; may be repeated",
    )
    group.add_argument(
        "--now", action="store_true", help="start delayed jobs at once, without their delay"
    )
    group.add_argument(
        "--manual",
        metavar="JOB",
        action="append",
        default=[],
        help="also start this manual job (or group, or glob) of the pipeline; may be repeated",
    )
    group.add_argument(
        "--fail-on-blocked", action="store_true", help="exit 1 when a manual job blocks the rest"
    )
    add_project_options(group)
    add_given_options(group)
    group.add_argument(
        "--fail-on-child",
        action="store_true",
        help="exit 1 when a child pipeline fails that its trigger job does not wait for",
    )
    group.add_argument(
        "--no-input",
        action="store_true",
        help="ask nothing on the terminal: no manual jobs to start, no form of --as web",
    )
    group.add_argument("--json", action="store_true", help="print events, one JSON object a line")
    group.add_argument("-q", "--quiet", action="store_true", help="print the summary alone")
    add_report_options(group)
    add_container_options(parser)
    add_source_options(parser)


def _positive(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
