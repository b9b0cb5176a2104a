"""The documentation names what exists, and its links lead somewhere."""

import argparse
import json
import re
import subprocess
from pathlib import Path

import pytest

from homeport.cli.main import build_parser, main
from homeport.errors import ExitCode
from homeport.pipeline.config.keywords import JOB_ORDER
from homeport.pipeline.model import event
from homeport.pipeline.model.trigger import Commit, Source, Trigger
from homeport.pipeline.variables.predefined import job_variables, pipeline_variables
from homeport.settings.keys import ENVIRONMENT, KEYS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"))
    if path.is_file()
)
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The names that headings can be linked by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(without_code(page.read_text())):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def test_the_readme_leads_to_every_page() -> None:
    found: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in found or page.suffix != ".md" or not page.is_file():
            continue
        found.add(page)
        names = (target.partition("#")[0] for target in LINK.findall(page.read_text()))
        ahead += [(page.parent / name).resolve() for name in names if name]
    assert [str(page) for page in ROOT.glob("docs/**/*.md") if page not in found] == []


def test_the_settings_page_has_a_row_for_every_key_and_no_other() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \|.*\| `(HOMEPORT_[A-Z_]+)` \|", text, re.MULTILINE))
    assert rows == {key: variable for variable, key in ENVIRONMENT.items()}
    assert [key for key in KEYS if KEYS[key].table and f"## {key}\n" not in text] == []


def test_the_settings_page_says_which_keys_are_the_users_own() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text()
    own = set(re.findall(r"^\| `([a-z_.]+)` \|.*\| yours \|$", text, re.MULTILINE))
    assert own == {key for key in KEYS if not KEYS[key].repository}


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command, also those of a group: `mirror user add`."""
    return _inner(build_parser(), "")


def _inner(parser: argparse.ArgumentParser, group: str) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found[group + name] = command
                found |= _inner(command, f"{group}{name} ")
    return found


def test_the_commands_page_names_every_option_of_every_command() -> None:
    text = (ROOT / "docs/reference/commands.md").read_text()
    parts = dict(
        re.findall(r"^##+ homeport ([\w -]+)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    )
    shared = text[text.index("## Options of several commands") :]
    theirs = (ROOT / "docs/reference/gitlab-ci-local.md").read_text()
    parts["gitlab-ci-local"] += theirs.replace("`--", "`--no-") + theirs
    missing = [
        f"{name} {option}"
        for name, parser in commands().items()
        for action in parser._actions
        for option in action.option_strings
        if f"`{option}" not in parts.get(name, "") + shared
    ]
    assert missing == []
    assert parts.keys() == commands().keys()


def test_the_exit_status_page_names_every_status() -> None:
    text = (ROOT / "docs/reference/exit-status.md").read_text()
    first_table = text.partition("Of `homeport run`")[0]
    assert {int(number) for number in re.findall(r"^\| (\d+) \|", first_table, re.MULTILINE)} == {
        int(code) for code in ExitCode
    }


def test_decisions_are_numbered_once_and_listed() -> None:
    folder = ROOT / "docs/adr"
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    index = (folder / "README.md").read_text()
    assert [name for name in pages if f"]({name})" not in index] == []
    numbers = [name[:4] for name in pages]
    assert len(numbers) == len(set(numbers))
    assert [
        name for name in pages if not (folder / name).read_text().startswith(f"# {name[:4]}. ")
    ] == []


def test_the_keywords_page_has_a_row_for_every_keyword_of_a_job() -> None:
    text = (ROOT / "docs/reference/keywords.md").read_text()
    rows = "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))
    words = set(re.findall(r"\w+", rows))
    assert sorted(set(JOB_ORDER) - words) == []


def test_the_predefined_variables_page_names_every_variable() -> None:
    commit = Commit(
        sha="a" * 40, title="t", message="t", description="", timestamp="", author="A <a@b>"
    )
    branch = Trigger(root="/r", commit=commit, branch="main", user_name="A", user_email="a@b")
    tag = Trigger(root="/r", commit=commit, tag="v1", source=Source.PUSH)
    found = {
        *pipeline_variables(branch, pipeline_name="n"),
        *pipeline_variables(tag),
        *job_variables(
            branch,
            name="a 1/2",
            stage="test",
            job_id=1,
            project_dir="/b/p",
            builds_dir="/b",
            image="x",
            timeout=1,
            manual=True,
            node_index=1,
            node_total=2,
            environment_name="e",
            environment_url="u",
            started_at="2026-01-01T00:00:00Z",
            architecture="linux/amd64",
        ),
        *job_variables(branch, name="a", stage="test", job_id=1),
    }
    text = (ROOT / "docs/reference/predefined-variables.md").read_text()
    assert sorted(name for name in found if f"`{name}`" not in text) == []


def test_the_json_page_has_every_event_with_its_keys() -> None:
    text = (ROOT / "docs/reference/json.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z]+_[a-z]+)` \| (.*) \|$", text, re.MULTILINE))
    events = {kind.__struct_config__.tag: kind for kind in event.Event.__subclasses__()}
    assert set(rows) == set(events)
    for name, kind in events.items():
        keys = [key for key in kind.__struct_fields__ if key not in event.Event.__struct_fields__]
        assert [key for key in keys if f"`{key}`" not in rows[name]] == [], name


@pytest.mark.parametrize("command", ["list", "explain"])
def test_the_json_page_has_the_keys_of_results(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (ROOT / "docs/reference/json.md").read_text()
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    (tmp_path / ".gitlab-ci.yml").write_text(
        "include: {project: a/b, file: c.yml}\n"
        "job: {script: x, rules: [{if: $A}, {when: always}]}\n"
    )
    monkeypatch.chdir(tmp_path)
    main([command, "--json", "--offline", *(["job"] if command == "explain" else [])])
    printed = json.loads(capsys.readouterr().out)
    assert [key for key in sorted(_keys(printed)) if f"`{key}`" not in text] == []


def _keys(value: object) -> set[str]:
    """The keys of all objects in `value`, but for names of variables."""
    if isinstance(value, list):
        return set().union(*map(_keys, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(_keys(item) for key, item in value.items() if key != "values"))
