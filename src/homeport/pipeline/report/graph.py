"""Pictures of a run as SVG: what waited for what, and when each job ran."""

from collections.abc import Iterator
from html import escape

from homeport.lib.units import format_seconds
from homeport.pipeline.report.text import printable
from homeport.pipeline.report.told import ToldJob, ToldRun

_BOX, _GAP, _ROW, _HEAD = 190, 70, 34, 26
_LABEL, _WIDTH = 220, 980
_MAX_NAME = 24
_DEEPER = 16
"""How much further in the jobs of a child pipeline stand than their trigger job."""
_TICKS = 8
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)


def dag(run: ToldRun) -> Iterator[str]:
    """Jobs in columns by stage; lines are `needs`, and without any a job waits for all columns to
    the left of it. Those of a child pipeline stand below their trigger job, further in."""
    columns: dict[str, list[ToldJob]] = {stage: [] for stage in run.stages}
    above: dict[str, tuple[str, int]] = {}  # the column of each job, and how deep it is in it
    for job in run.jobs:
        stage, depth = above.get(job.made_by or "", (job.stage, -1))
        above[job.name] = stage, depth + 1
        columns.setdefault(stage, []).append(job)
    columns = {stage: jobs for stage, jobs in columns.items() if jobs}
    critical = {job.name for job in run.critical_path()}
    places = {
        job.name: (
            column * (_BOX + _GAP) + 4 + min(above[job.name][1] * _DEEPER, _BOX // 2),
            row * _ROW + _HEAD,
        )
        for column, jobs in enumerate(columns.values())
        for row, job in enumerate(jobs)
    }
    width = max(1, len(columns)) * (_BOX + _GAP) - _GAP + 8
    height = max((len(jobs) for jobs in columns.values()), default=0) * _ROW + _HEAD + 4
    yield _open(width, height, "The jobs and what they need")
    for column, stage in enumerate(columns):
        yield f'<text class="stage" x="{column * (_BOX + _GAP) + 4}" y="16">{_name(stage)}</text>'
    for job in run.jobs:
        for need in job.needs or ():
            if need in places:
                on_path = job.name in critical and need in critical
                yield _line(places[need], places[job.name], critical=on_path)
    for job in run.jobs:
        x, y = places[job.name]
        kind = "allowed" if job.allowed else job.status.value
        path = " critical" if job.name in critical else ""
        yield (
            f'<g class="box {kind}{path}"><title>{_title(job)}</title>'
            f'<rect x="{x}" y="{y}" width="{_BOX - (x - 4) % (_BOX + _GAP)}" height="24" rx="5"/>'
            f'<text x="{x + 10}" y="{y + 16}">{_own_name(job)}</text></g>\n'
        )
    yield "</svg></div>"


def timeline(run: ToldRun) -> Iterator[str]:
    """A bar for each job that ran, its phases in it; those of the critical path are framed."""
    ran = sorted(
        (job for job in run.jobs if job.started is not None),
        key=lambda job: (job.started or 0.0, job.finished),
    )
    if not ran:
        yield "<p>No job ran.</p>"
        return
    critical = {job.name for job in run.critical_path()}
    whole = max(run.duration, *(job.finished for job in ran), 0.001)
    scale = (_WIDTH - _LABEL - 80) / whole
    height = len(ran) * 22 + _HEAD + 4
    yield _open(_WIDTH, height, "When each job ran")
    step = next((step for step in _STEPS if whole / step <= _TICKS), whole / _TICKS)
    for number in range(int(whole / step) + 1):
        x = _LABEL + number * step * scale
        yield (
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="20" y2="{height}"/>'
            f'<text class="stage" x="{x + 3:.1f}" y="14">{format_seconds(number * step)}</text>'
        )
    for row, job in enumerate(ran):
        yield from _bar(job, row * 22 + _HEAD, scale, critical=job.name in critical)
    yield "</svg></div>"
    phases = {phase for job in ran for phase in job.phases}
    keys = "".join(
        f'<span class="key"><i class="{phase}"></i>{phase}</span>'
        for phase in ("image", "services", "workspace", "script", "artifacts", "cleanup")
        if phase in phases
    )
    yield f'<p class="legend">{keys}<span class="key"><i class="frame"></i>critical path</span></p>'


def _bar(job: ToldJob, y: int, scale: float, *, critical: bool) -> Iterator[str]:
    began = job.started or 0.0
    left, long = _LABEL + began * scale, max(2.0, (job.finished - began) * scale)
    kind = "allowed" if job.allowed else job.status.value
    yield (
        f'<g class="bar {kind}{" critical" if critical else ""}"><title>{_title(job)}</title>'
        f'<text x="4" y="{y + 13}">{_name(job.name)}</text>'
        f'<rect class="whole" x="{left:.1f}" y="{y}" width="{long:.1f}" height="16" rx="2"/>'
    )
    # The last attempt's phases end where the job does.
    x = left + long - min(long, sum(job.phases.values()) * scale)
    for phase, seconds in job.phases.items():
        width = min(seconds * scale, left + long - x)
        if width > 0.3 and phase.isidentifier():
            yield (
                f'<rect class="{phase}" x="{x:.1f}" y="{y + 5}" width="{width:.1f}" height="6"/>'
            )
        x += width
    after = format_seconds(job.finished - began)
    yield f'<text class="stage" x="{left + long + 6:.1f}" y="{y + 13}">{after}</text></g>\n'


def _line(start: tuple[int, int], end: tuple[int, int], *, critical: bool) -> str:
    column = (start[0] - 4) // (_BOX + _GAP) * (_BOX + _GAP) + 4
    x1, y1, x2, y2 = column + _BOX, start[1] + 12, end[0], end[1] + 12
    if x2 <= column + _BOX:  # in the same stage: around the left side
        x1 = start[0]
        bend = min(x1, x2) - 30
        path = f"M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}"
    else:
        middle = (x1 + x2) // 2
        path = f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
    return f'<path class="need{" critical" if critical else ""}" d="{path}"/>'


def _open(width: int, height: int, label: str) -> str:
    return (
        '<div class="wide picture" tabindex="0">'
        f'<svg role="img" aria-label="{label}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n'
    )


def _title(job: ToldJob) -> str:
    took = "" if job.duration is None else f", {format_seconds(job.duration)}"
    allowed = " (allowed)" if job.allowed else ""
    reason = f": {job.reason}" if job.reason else ""
    return escape(printable(f"{job.name}: {job.status.value}{allowed}{took}{reason}"))


def _own_name(job: ToldJob) -> str:
    """A job's name; without that of the trigger job, which stands above it."""
    return _name(job.name.removeprefix(f"{job.made_by}:") if job.made_by else job.name)


def _name(text: str) -> str:
    shown = printable(text)
    return escape(shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 1]}…")
