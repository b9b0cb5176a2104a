"""The page of a run, read by a parser: whole, balanced, and without anything from elsewhere."""

from html.parser import HTMLParser
from pathlib import Path

from homeport.pipeline.model.event import Status
from homeport.pipeline.report.junit import Case, JobTests
from homeport.pipeline.report.page import page
from homeport.pipeline.report.told import ToldJob, ToldRun

EVIL = "<img src=x onerror=alert(1)>\"'&\x1b[31m"
VOID = {"meta", "br"}
OURS = {"html", "head", "meta", "title", "style", "body", "header", "section", "h1", "h2", "p",
        "div", "span", "code", "i", "a", "table", "thead", "tbody", "tr", "th", "td", "details",
        "summary", "svg", "g", "rect", "text", "line", "path"}  # fmt: skip


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.classes: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Of SVG there is a title, too, which is no page's.
        assert tag in OURS
        given = {name: value or "" for name, value in attrs}
        assert not any(name.startswith("on") or name in ("src", "srcset") for name in given)
        if "href" in given:
            self.links.add(given["href"])
        if "id" in given:
            assert given["id"] not in self.ids
            self.ids.add(given["id"])
        self.classes.append(given.get("class", ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in OURS
        self.classes.append(dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data


def job(name: str, **more: object) -> ToldJob:
    given = {"name": name, "stage": "test", "status": Status.SUCCESS, **more}
    return ToldJob(**given)  # type: ignore[arg-type]


def run(*jobs: ToldJob, stages: tuple[str, ...] = ("build", "test")) -> ToldRun:
    return ToldRun(id="r1", at=0, root="/home/u/pro<ject", ref=EVIL, sha="abcdef0123",
                   status=Status.FAILED, duration=10, stages=stages, jobs=jobs)  # fmt: skip


def test_nothing_that_a_repository_says_becomes_markup(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"{EVIL}\n</div></details><script>alert(1)</script>\n")
    evil = job(EVIL, stage=EVIL, reason=EVIL, image=EVIL, runs="container", started=1.0,
               finished=2.0, log=log, coverage=EVIL, needs=(EVIL,))  # fmt: skip
    tests = JobTests(job=EVIL, faults=(EVIL,), tests=(
        Case(name=EVIL, classname=EVIL, outcome="failure", message=EVIL, text=EVIL),
    ))  # fmt: skip
    text = "".join(page(run(evil, stages=(EVIL,)), [tests]))
    shown = Page(text)
    assert "<script>alert(1)</script>" in shown.text
    assert "\x1b" not in text


def test_the_page_is_complete_in_itself_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("hello\n")
    text = "".join(page(run(job("a", log=log, started=0.0, finished=1.0), job("b"))))
    shown = Page(text)
    assert shown.links == {"#log-0", "#dag", "#timeline", "#durations", "#logs"}
    assert {link[1:] for link in shown.links} <= shown.ids
    assert "default-src 'none'" in text
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "hello" in shown.text


def test_the_critical_path_is_what_the_last_job_waited_for() -> None:
    told = run(
        job("a", stage="build", started=0.0, finished=2.0),
        job("b", stage="build", started=0.0, finished=5.0),
        job("c", needs=("a",), started=2.0, finished=4.0),
        job("d", started=5.0, finished=9.0),
        job("never", status=Status.SKIPPED),
    )
    assert [each.name for each in told.critical_path()] == ["b", "d"]
    shown = Page("".join(page(told)))
    assert "Critical path: b → d" in shown.text
    assert sum("bar" in each and "critical" in each for each in shown.classes) == 2


def test_a_run_without_any_job_has_a_page() -> None:
    assert "No job ran" in Page("".join(page(run()))).text


def test_needs_in_a_circle_or_of_unknown_jobs_end() -> None:
    told = run(
        job("a", needs=("b",), started=0.0, finished=1.0),
        job("b", needs=("a", "absent"), started=0.0, finished=1.0),
    )
    assert len(told.critical_path()) == 2
    Page("".join(page(told)))


def test_a_thousand_jobs_and_a_large_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"0123456789abcde\n" * 400_000)
    jobs = [job(f"job {number}", started=0.0, finished=1.0) for number in range(1000)]
    text = "".join(page(run(job("big", log=log, started=0.0, finished=1.0), *jobs)))
    assert len(text) < 7_000_000
    assert "left out; the whole log is" in Page(text).text


def test_phases_are_in_the_table_as_far_as_they_are_known() -> None:
    told = run(job("a", started=0.0, finished=3.0, phases={"image": 1.0, "script": 2.0}))
    shown = Page("".join(page(told)))
    assert "image" in shown.text
    assert "services" not in shown.text
