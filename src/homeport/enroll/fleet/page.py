"""The report as one HTML file: no scripts, nothing from elsewhere, every text escaped."""

import time
from html import escape

from homeport.enroll.fleet.report import GOOD, NOT_BEGUN, NOT_ENROLLED, Report

_STYLE = """\
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .4rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
.state { font-weight: 600; white-space: nowrap; }
.good { color: #1a7f37; } .bad { color: #cf222e; } .other { color: #9a6700; }
@media (prefers-color-scheme: dark) {
  .good { color: #3fb950; } .bad { color: #f85149; } .other { color: #d29922; } }
"""


def write_page(report: Report, *, now: float) -> str:
    """`now` is in seconds of the epoch; shown in UTC."""
    moment = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    counts = ", ".join(f"{number} {state}" for state, number in sorted(report.count().items()))
    rows = "\n".join(
        f"<tr><td>{_text(row.host)}</td><td>{_text(row.engine)}</td>"
        f'<td class="state {_class(row.state)}">{_text(row.state)}</td>'
        f"<td>{_text(row.proven)}</td><td>{_text(row.what)}</td></tr>"
        for row in report.rows
    )
    left = "".join(
        f"<li>{_text(one.host)}: {_text(one.left)}</li>" for one in report.hosts if one.left
    )
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>homeport enroll fleet {_text(report.command)}</title>
<style>
{_STYLE}</style>
</head>
<body>
<h1>homeport enroll fleet {_text(report.command)}</h1>
<p>{_text(moment)}: {_text(counts)}{"; interrupted" if report.interrupted else ""}</p>
<table>
<thead><tr><th>Host</th><th>Engine</th><th>State</th><th>Proven</th><th>What</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{f"<h2>Left behind</h2><ul>{left}</ul>" if left else ""}
</body>
</html>
"""


def _class(state: str) -> str:
    if state in GOOD:
        return "good"
    return "other" if state in (NOT_BEGUN, NOT_ENROLLED) else "bad"


def _text(text: str) -> str:
    """Escaped; control characters, which HTML does not allow, are shown."""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return escape(shown)
