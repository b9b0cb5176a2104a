"""`homeport watch`: run the jobs that a change concerns, whenever files change."""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from homeport.cli.options import Commands, add_job_argument, add_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading

    from homeport.pipeline.execute.api import Stop
    from homeport.pipeline.facts.watched import WatchedTree
    from homeport.pipeline.flow import Evaluation
    from homeport.pipeline.model.event import Event

EXAMPLES = """\
  homeport watch                      the pipeline now, then what each change concerns
  homeport watch lint 'test:*'        some jobs
  homeport watch test --needs --executor shell
"""
_CHANGED = "files have changed"
_SHOWN = 5
_SETTINGS_FILE = "homeport.toml"


def add_command(commands: Commands) -> None:
    from homeport.cli.run_options import add_run_options

    parser = add_parser(
        commands,
        "watch",
        main,
        summary="Run the pipeline, and again what concerns each change of files.",
        examples=EXAMPLES,
        arguments="[OPTION...] [JOB...]",
    )
    add_job_argument(
        parser,
        nargs="*",
        text="a job, a parallel group or a glob (default: the whole pipeline)",
    )
    add_run_options(parser)


def main(args: argparse.Namespace) -> int:
    import threading

    from homeport.cli.report_files import check_report_files
    from homeport.errors import ExitCode, UsageError

    if args.ref is not None or args.committed:
        raise UsageError.of(
            "watch runs the working tree: a commit does not change",
            code="watch-commit",
            hint="leave out --ref and --committed",
        )
    check_report_files(args)
    gc.enable()  # for hours, and many runs
    interrupted = threading.Event()
    watch = _Watch(args, interrupted)
    paths: tuple[str, ...] | None = None
    while True:
        watch.run(paths, _request(interrupted))
        _request(interrupted)
        paths = watch.tree.take()
        if not paths and not interrupted.is_set():
            _say("waiting for changes; Ctrl-C ends")
            paths = watch.tree.wait()
        if interrupted.is_set():
            _say("interrupted")
            return ExitCode.INTERRUPTED
        _clear(args)


def _request(interrupted: "threading.Event") -> "Stop":
    """A request to stop the next run, that tells `interrupted` of a signal.

    It has a hearer at any time, so that nothing raises: an exception out of a signal handler may
    come where it is lost, and the watch would go on.
    """
    from homeport.cli.run import stop_on_signals

    stop = stop_on_signals()

    def hear() -> None:
        if stop.killed or stop.reason != _CHANGED:
            interrupted.set()

    stop.subscribe(hear)
    return stop


class _Watch:
    """What is known from one run to the next."""

    def __init__(self, args: argparse.Namespace, over: "threading.Event") -> None:
        from homeport.cli.source import find_repository
        from homeport.lib.git import Git
        from homeport.pipeline.facts.watched import WatchedTree

        self._args = args
        root = find_repository(args.directory)
        self.tree: WatchedTree = WatchedTree(Git(root), _own_files(args, str(root)), over)
        self._good: set[str] = set()
        self._decisive: frozenset[str] | None = None
        """The files that make the pipeline; None where there is none."""

    def run(self, paths: tuple[str, ...] | None, stop: "Stop") -> None:
        """Evaluate, and run what the change of `paths` concerns (None: everything). A broken file
        is said, and so is all that the machine lacks."""
        from homeport.cli.output import print_problems
        from homeport.errors import HomeportError

        if paths is not None:
            _say(f"{_listed(paths)} changed")
        if self._decisive is None or paths is None or self._decisive.intersection(paths):
            self._good.clear()
        self._decisive = None
        try:
            evaluation = self._evaluate()
            try:
                self._run(evaluation, paths or (), stop)
            except HomeportError:
                if not self._good:
                    raise
                # Artifacts of earlier runs may be gone.
                self._good.clear()
                self._run(evaluation, paths or (), stop)
        except HomeportError as error:
            print_problems(error.problems)

    def _evaluate(self) -> "Evaluation":
        from homeport.cli.source import evaluate_for

        evaluation = evaluate_for(self._args)
        # Who watches files does not sit at the keyboard: the form of a pipeline is asked for once.
        self._args.no_input = True
        request = evaluation.request
        self._decisive = frozenset((*evaluation.files, _SETTINGS_FILE, request.variables_file))
        self.tree.also = tuple(name for name in self._decisive if (request.root / name).exists())
        return evaluation

    def _run(self, evaluation: "Evaluation", paths: tuple[str, ...], stop: "Stop") -> None:
        from homeport.cli.run import checked, run_jobs
        from homeport.pipeline.plan.concerned import concerned_jobs
        from homeport.pipeline.plan.selection import select_jobs

        if checked(evaluation, self._args) is not None:
            return
        pipeline, args = evaluation.pipeline, self._args
        jobs = select_jobs(pipeline, args.job, needs=args.needs).jobs if args.job else pipeline.jobs
        only = concerned_jobs(jobs, pipeline, evaluation.trigger, paths, self._good)
        if not only:
            _say("no job is concerned")
            return
        self._good -= only
        with _stopped_by_changes(self.tree, stop):
            run_jobs(evaluation, args, stop, only=only, hear=self._note)

    def _note(self, event: "Event") -> None:
        from homeport.pipeline.model.event import JobFinished, Status

        if isinstance(event, JobFinished) and (event.status is Status.SUCCESS or event.allowed):
            self._good.add(event.job)


@contextmanager
def _stopped_by_changes(tree: "WatchedTree", stop: "Stop") -> Iterator[None]:
    """Stop what runs once it is out of date."""
    import threading

    from homeport.errors import HomeportError

    over = threading.Event()

    def look() -> None:
        while not over.wait(tree.pause):
            try:
                changed = tree.look()
            except HomeportError:
                continue  # git is at work itself; the next look may succeed
            if changed:
                stop.request(_CHANGED)
                return

    looking = threading.Thread(target=look, name="homeport-watch", daemon=True)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()


def _own_files(args: argparse.Namespace, root: str) -> Callable[[str], bool]:
    """Says of a path in the tree that this command writes it itself."""
    from homeport.pipeline.include.lock import LOCK_FILE

    own = {LOCK_FILE} if args.lock else set()
    for name in (args.html, args.junit):
        if name:
            folder, base = os.path.split(os.path.relpath(name, root))
            own.add(os.path.join(folder, base))  # noqa: PTH118
            own.add(os.path.join(folder, f".{base}.{os.getpid()}.partial"))  # noqa: PTH118
    return own.__contains__


def _clear(args: argparse.Namespace) -> None:
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not args.json:
        print("\x1b[H\x1b[2J", end="", flush=True)


def _listed(paths: tuple[str, ...]) -> str:
    more = len(paths) - _SHOWN
    return ", ".join(paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _say(message: str) -> None:
    from homeport.cli.output import printable

    print(f"homeport: {printable(message)}", file=sys.stderr, flush=True)
