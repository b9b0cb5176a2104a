"""One HTML page for a run, complete in itself: no script, no resource from anywhere.

Its order: what became of the run, the jobs and what they waited for (DAG), when each ran (timeline,
with the critical path), where the time went, the tests, and the logs. Whatever comes from a
repository or a job is escaped; the policy in its head forbids a browser to load or run anything.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import islice
from pathlib import Path

from homeport.lib.units import format_bytes, format_seconds
from homeport.pipeline.report.ansi import log_as_html
from homeport.pipeline.report.graph import dag, timeline
from homeport.pipeline.report.junit import JobTests
from homeport.pipeline.report.other_reports import sentences
from homeport.pipeline.report.page_style import STYLE
from homeport.pipeline.report.text import printable
from homeport.pipeline.report.told import ToldJob, ToldRun

_MAX_LOG = 4 * 1024 * 1024
"""Bytes of one log that are shown: the first and the last half of it, where it has more."""
_MAX_TESTS = 500
PHASES = ("image", "services", "workspace", "script", "artifacts", "cleanup")


def page(run: ToldRun, tests: Sequence[JobTests] = ()) -> Iterator[str]:
    """The page, in pieces."""
    status = str(run.status) if run.status else "killed"
    title = f"{Path(run.root).name}: pipeline {status}"
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>\n"
    )
    yield from _head(run, status)
    yield from _section("dag", "Jobs", dag(run))
    yield from _section("timeline", "Timeline", timeline(run))
    yield from _section("durations", "Durations", _durations(run))
    if any(told.tests or told.faults for told in tests):
        yield from _section("tests", "Tests", _tests(tests))
    others = [sentence for job in run.jobs for sentence in sentences(job)]
    if others:
        lines = (f"<p>{_text(sentence)}</p>" for sentence in others)
        yield from _section("reports", "Reports", lines)
    yield from _section("logs", "Logs", _logs(run))
    yield "</body></html>\n"


def _head(run: ToldRun, status: str) -> Iterator[str]:
    when = datetime.fromtimestamp(run.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    counts: dict[str, int] = {}
    for job in run.jobs:
        counts[_words(job)] = counts.get(_words(job), 0) + 1
    totals = ", ".join(f"{count} {_text(word)}" for word, count in counts.items())
    names = ("dag", "Jobs"), ("timeline", "Timeline"), ("durations", "Durations"), ("logs", "Logs")
    links = " · ".join(f'<a href="#{name}">{title}</a>' for name, title in names)
    yield (
        f'<header><h1>{_text(Path(run.root).name)} <span class="badge {status}">{status}</span>'
        f"</h1><p>{_text(run.ref)} at <code>{_text(run.sha[:8])}</code>, run "
        f"<code>{_text(run.id)}</code>, {when}, {format_seconds(run.duration)}</p>"
        f"<p>{totals}</p><p>{links}</p></header>\n"
    )


def _section(name: str, title: str, content: Iterable[str]) -> Iterator[str]:
    yield f'<section id="{name}"><h2>{title}</h2>\n'
    yield from content
    yield "</section>\n"


def _durations(run: ToldRun) -> Iterator[str]:
    path = run.critical_path()
    if path:
        names = " → ".join(_text(job.name) for job in path)
        yield f'<p class="path">Critical path: {names}</p>'
    shown = [phase for phase in PHASES if any(job.phases.get(phase) for job in run.jobs)]
    heads = "".join(f'<th class="number">{phase}</th>' for phase in shown)
    yield (
        '<div class="wide" tabindex="0"><table><thead><tr><th>Job</th><th>Stage</th><th>Status</th>'
        f'<th class="number">Duration</th>{heads}<th>Ran in</th>'
        "<th>Remarks</th></tr></thead><tbody>"
    )
    for job in run.jobs:
        times = "".join(
            f'<td class="number">{format_seconds(job.phases[phase])}</td>'
            if phase in job.phases
            else "<td></td>"
            for phase in shown
        )
        took = "" if job.duration is None else format_seconds(job.duration)
        yield (
            f"<tr><td>{_link(run, job)}</td><td>{_text(job.stage)}</td>"
            f'<td><span class="badge {_kind(job)}">{_words(job)}</span></td>'
            f'<td class="number">{took}</td>{times}<td>{_text(_place(job))}</td>'
            f"<td>{_text(_remarks(job))}</td></tr>\n"
        )
    yield "</tbody></table></div>"


def _tests(tests: Sequence[JobTests]) -> Iterator[str]:
    for told in tests:
        bad = told.count("failure", "error")
        yield (
            f"<details{' open' if bad else ''}><summary>{_text(told.job)}: "
            f"{told.count('passed')} passed, {bad} failed, "
            f"{told.count('skipped')} skipped</summary>"
        )
        yield from (f"<p>{_text(fault)}</p>" for fault in told.faults)
        failed = (test for test in told.tests if test.outcome in ("failure", "error"))
        for test in islice(failed, _MAX_TESTS):
            name = f"{test.classname}: {test.name}" if test.classname else test.name
            yield (
                f'<details class="test"><summary><span class="badge failed">{test.outcome}</span> '
                f"{_text(name)} {_text(test.message)}</summary>"
                f'<div class="log">{_lines(test.text)}</div></details>'
            )
        if bad > _MAX_TESTS:
            yield f"<p>and {bad - _MAX_TESTS} more</p>"
        yield "</details>"


def _logs(run: ToldRun) -> Iterator[str]:
    for number, job in enumerate(run.jobs):
        if job.log is None:
            continue
        is_open = " open" if job.status.value == "failed" else ""
        yield (
            f'<details class="job"{is_open}><summary>{_text(job.name)} '
            f'<span class="badge {_kind(job)}">{_words(job)}</span></summary>'
            # Inside: a browser that is led there unfolds what is around it.
            f'<div class="log" id="log-{number}">'
        )
        yield from log_as_html(_log_lines(job.log))
        yield "</div></details>\n"


def _log_lines(log: Path) -> Iterator[str]:
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            if size <= _MAX_LOG:
                yield from _decoded(file.read(_MAX_LOG))
                return
            yield from _decoded(file.read(_MAX_LOG // 2))
            file.seek(size - _MAX_LOG // 2)
            left_out = format_bytes(size - _MAX_LOG)
            yield f"[… {left_out} left out; the whole log is {printable(str(log))}]"
            yield from _decoded(file.read(_MAX_LOG // 2))
    except OSError as error:
        yield f"[the log cannot be read: {error.strerror}]"


def _decoded(data: bytes) -> list[str]:
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def _lines(text: str) -> str:
    return "".join(log_as_html(text.split("\n")))


def _link(run: ToldRun, job: ToldJob) -> str:
    if job.log is None:
        return _text(job.name)
    return f'<a href="#log-{run.jobs.index(job)}">{_text(job.name)}</a>'


def _words(job: ToldJob) -> str:
    return f"{job.status.value} (allowed)" if job.allowed else job.status.value


def _kind(job: ToldJob) -> str:
    return "allowed" if job.allowed else job.status.value


def _place(job: ToldJob) -> str:
    if job.runs is None:
        return ""
    return job.image or job.runs if job.runs == "container" else job.runs


def _remarks(job: ToldJob) -> str:
    parts = (
        job.reason or "",
        f"attempt {job.attempts}" if job.attempts > 1 else "",
        f"coverage {job.coverage}" if job.coverage else "",
    )
    return ", ".join(part for part in parts if part)


def _text(text: str) -> str:
    return escape(printable(text))
