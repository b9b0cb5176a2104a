"""Write docs/reference/keywords.md from the `STATUS` of every keyword's file.

Run by `make docs`; tests/unit/test_keywords.py fails when the committed page is older.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from homeport.pipeline.config import keyword as package
from homeport.pipeline.config.status import Keyword

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/keywords.md"
TESTS = "tests/unit/pipeline/config/keyword"
GLOBAL = ("default", "include", "spec", "stages", "workflow")

HEAD = "| keyword | evaluated | in a run | | tests |\n|---|---|---|---|---|"
INTRODUCTION = """\
# Keywords
<!-- Made by tools/keywords.py from src/homeport/pipeline/config/keyword/: run `make docs`. -->
Every keyword of GitLab's *CI/CD YAML syntax reference*, and what homeport does with it. All are
checked as GitLab checks them, with its messages, and shown by `render`.

- **evaluated**: it decides which jobs there are, or what is in them, as on GitLab.
- **in a run**: **yes**, honoured as on GitLab; **partly**, as the note says; **no effect**, the job
  runs without it, and a note before the run names it; **not run**, a job that has it is listed, but
  not run, and the summary says why: jobs that wait for it do not run either. Nothing where there is
  nothing to do in a run.
- **tests**: of its spellings and errors, and of what it does in a run.

Anchors, merge keys, `!reference` and hidden jobs (`.name`) are resolved as on GitLab.
"""


def keywords() -> dict[str, tuple[Keyword, ...]]:
    """File of `config/keyword/` → what it declares; files that several keywords share have none."""
    found: dict[str, tuple[Keyword, ...]] = {}
    for module in iter_modules(package.__path__):
        status = getattr(import_module(f"{package.__name__}.{module.name}"), "STATUS", ())
        found[module.name] = (status,) if isinstance(status, Keyword) else status
    return {name: status for name, status in found.items() if status}


def rows(name: str, keyword: Keyword, file: str) -> Iterator[str]:
    """The table's row of a keyword, and those of its parts."""
    tests = [f"[unit](../../{TESTS}/test_{file}.py)"] if name == keyword.name else []
    tests += [f"[{case}](../../tests/behaviour/{case})" for case in keyword.cases]
    cells = (f"`{name}`", "yes" if keyword.evaluated else "", keyword.run, keyword.note)
    yield f"| {' | '.join(cells)} | {', '.join(tests)} |"
    for part in keyword.parts:
        yield from rows(f"{name}:{part.name}", part, file)


def page() -> str:
    parts = [INTRODUCTION]
    for title, in_group in (("Global", True), ("Of a job", False)):
        parts.append(
            f"## {title}\n| keyword | evaluated | in a run | | tests |\n|---|---|---|---|---|"
        )
        entries = [(entry, file) for file, status in keywords().items() for entry in status]
        for keyword, file in sorted(entries, key=lambda item: item[0].name):
            if (keyword.name in GLOBAL) is in_group:
                parts.extend(rows(keyword.name, keyword, file))
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} written\n")
