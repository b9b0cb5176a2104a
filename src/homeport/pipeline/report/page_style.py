"""How the page of a run looks, by light and in the dark."""

_BASIC = (
    ("#3b3b3b", "#d9534f", "#4caf50", "#c9a227", "#4a90e2", "#b06fd8", "#2fa8b5", "#d0d0d0"),
    ("#7f7f7f", "#ff7b72", "#7ee787", "#f2cc60", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff"),
)
_COLOURS = "".join(
    f".f{index + 8 * bright}{{color:{colour}}}.g{index + 8 * bright}{{background:{colour}}}"
    for bright, row in enumerate(_BASIC)
    for index, colour in enumerate(row)
)

STYLE = (
    """
:root{color-scheme:light dark;--ink:#1f2328;--back:#fff;--soft:#656d76;--edge:#d0d7de;--row:#f6f8fa;
--success:#1a7f37;--failed:#cf222e;--canceled:#9a6700;--skipped:#8c959f;--manual:#0969da;
--on:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--back:#0d1117;--soft:#8b949e;--edge:#30363d;
--row:#161b22;--success:#3fb950;--failed:#f85149;--canceled:#d29922;--skipped:#6e7681;
--manual:#58a6ff;--on:#0d1117}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:1240px;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .6rem;
border-bottom:1px solid var(--edge)}
header p{margin:.2rem 0;color:var(--soft)}a{color:var(--manual)}
.badge{font-size:.8rem;font-weight:600;padding:.1em .6em;border-radius:1em;color:var(--on);
background:var(--skipped);vertical-align:middle;white-space:nowrap}
.badge.success{background:var(--success)}.badge.failed{background:var(--failed)}
.badge.canceled,.badge.allowed,.badge.killed{background:var(--canceled)}
.badge.manual,.badge.running{background:var(--manual)}
td:first-child{min-width:11em;overflow-wrap:anywhere}td:last-child{min-width:9em}
.wide{overflow-x:auto}.picture{max-height:75vh;overflow:auto}table{border-collapse:collapse;font-size:.88rem;width:100%}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--edge)}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg text{font:12px system-ui,sans-serif;fill:var(--ink)}
svg text.stage{fill:var(--soft);font-size:11px}
.box rect{fill:var(--row);stroke:var(--skipped);stroke-width:1.5}
.box.success rect{stroke:var(--success)}.box.failed rect{stroke:var(--failed)}
.box.allowed rect,.box.canceled rect{stroke:var(--canceled)}.box.manual rect{stroke:var(--manual)}
.box.skipped rect,.box.created rect,.box.manual rect{stroke-dasharray:4 3}
.box.critical rect{stroke-width:3}.need{fill:none;stroke:var(--soft);stroke-opacity:.55}
.need.critical{stroke:var(--ink);stroke-width:2;stroke-opacity:1}.tick{stroke:var(--edge)}
.bar .whole{fill:var(--skipped)}.bar.success .whole{fill:var(--success)}
.bar.failed .whole{fill:var(--failed)}.bar.allowed .whole,.bar.canceled .whole{fill:var(--canceled)}
.bar.running .whole{fill:var(--manual)}.bar .whole{fill-opacity:.35}
.bar.critical .whole{stroke:var(--ink);stroke-width:2}
.image{fill:#8250df;background:#8250df}.services{fill:#bf3989;background:#bf3989}
.workspace{fill:#0969da;background:#0969da}.script{fill:#1a7f37;background:#1a7f37}
.artifacts{fill:#bc4c00;background:#bc4c00}.cleanup{fill:#6e7781;background:#6e7781}
.legend{font-size:.8rem;color:var(--soft)}.key{margin-right:1.2em}
.key i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}
.key .frame{border:2px solid var(--ink);box-sizing:border-box}
details.job,details.test{margin:.4rem 0}summary{cursor:pointer}
.log{font:12.5px/1.45 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;
background:#161b22;color:#e6edf3;padding:.7rem .9rem;border-radius:6px;margin:.4rem 0}
.log details{border-left:2px solid #30363d;padding-left:.7rem}.log summary{color:#79c0ff}
.took{color:#8b949e;float:right}.b{font-weight:bold}.dim{opacity:.65}.i{font-style:italic}
.u{text-decoration:underline}.s{text-decoration:line-through}
"""
    + _COLOURS
)
