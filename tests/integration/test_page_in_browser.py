"""The page of a run as a browser has it: headless Chromium, without a network."""

import subprocess
from pathlib import Path

import pytest

from testbed.runs import Repository

CI = """\
"<script>document.title='owned'</script>":
  script: [echo "<script>document.title='owned'</script>"]
good:
  script:
    - "printf 'section_start:1:s[collapsed=true]\\\\r\\\\033[0KFolded\\\\n'"
    - echo inside
    - "printf 'section_end:4:s\\\\r\\\\033[0K\\\\n'"
bad: {script: [exit 1]}
"""


def browser(folder: Path, *args: str) -> str:
    """What headless Chromium prints."""
    done = subprocess.run(
        [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            *args,
        ],
        check=True,
        capture_output=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )
    return done.stdout.decode()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    repository = Repository(tmp_path / "project", CI, tmp_path / "home")
    assert repository.start("run", "--html", "../run.html").end().status == 1
    return tmp_path / "run.html"


def test_nothing_of_the_repository_runs_and_a_link_unfolds_its_log(page: Path) -> None:
    seen = browser(page.parent, "--dump-dom", f"{page.as_uri()}#log-1")
    assert "<title>project: pipeline failed</title>" in seen
    assert "&lt;script&gt;document.title='owned'" in seen
    shut, linked, failed = seen.split('<details class="job"')[1:]
    assert shut.startswith(">")  # a log of a success that nobody asked for
    assert linked.startswith(' open="">')
    assert "<details><summary>Folded</summary>" in linked
    assert failed.startswith(' open="">')


@pytest.mark.parametrize("width", [400, 1300])
def test_the_page_is_no_wider_than_its_window(page: Path, width: int) -> None:
    """Wide tables and pictures scroll in themselves: a page of its own, which may run scripts,
    measures it in a frame."""
    measure = page.with_name("measure.html")
    measure.write_text(
        f'<iframe id="f" src="run.html" style="width:{width}px;height:900px;border:0"></iframe>'
        "<p id=p></p><script>f.onload=()=>{const e=f.contentDocument.documentElement;"
        "p.textContent='wide '+(e.scrollWidth-e.clientWidth)}</script>"
    )
    seen = browser(page.parent, "--allow-file-access-from-files", "--dump-dom", measure.as_uri())
    assert '<p id="p">wide 0</p>' in seen
