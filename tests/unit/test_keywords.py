"""Every keyword says what homeport does with it, and docs/reference/keywords.md says the same."""

from collections.abc import Iterator
from pathlib import Path
from runpy import run_path

import pytest

from homeport.pipeline.config.keyword.artifacts import KEYS as ARTIFACTS_KEYS
from homeport.pipeline.config.keyword.cache import KEYS as CACHE_KEYS
from homeport.pipeline.config.keyword.environment import KEYS as ENVIRONMENT_KEYS
from homeport.pipeline.config.keyword.rules import JOB_KEYS as RULE_KEYS
from homeport.pipeline.config.keyword.secrets import KEYS as SECRETS_KEYS
from homeport.pipeline.config.keyword.services import SERVICE_KEYS
from homeport.pipeline.config.keywords import BRIDGE_KEYS, JOB_KEYS
from homeport.pipeline.config.status import Keyword

ROOT = Path(__file__).parents[2]
TOOL = run_path(str(ROOT / "tools/keywords.py"))
STATUS: dict[str, tuple[Keyword, ...]] = TOOL["keywords"]()
GLOBAL = {"default", "include", "spec", "stages", "variables", "workflow"}


def with_parts(prefix: str, keyword: Keyword) -> Iterator[tuple[str, Keyword]]:
    yield prefix, keyword
    for part in keyword.parts:
        yield from with_parts(f"{prefix}:{part.name}", part)


NAMED = {
    name: keyword
    for status in STATUS.values()
    for entry in status
    for name, keyword in with_parts(entry.name, entry)
}


def test_the_page_is_what_the_code_says() -> None:
    assert TOOL["PAGE"].read_text() == TOOL["page"](), "run `make docs`"


def test_every_keyword_that_gitlab_knows_has_a_status() -> None:
    assert sorted({*JOB_KEYS, *BRIDGE_KEYS, *GLOBAL} - NAMED.keys()) == []


@pytest.mark.parametrize(
    ("keyword", "keys"),
    [
        ("artifacts", ARTIFACTS_KEYS),
        ("cache", CACHE_KEYS),
        ("environment", ENVIRONMENT_KEYS),
        ("rules", RULE_KEYS),
        ("secrets", SECRETS_KEYS),
        ("services", (*SERVICE_KEYS, "docker:user", "docker:platform", "kubernetes:user")),
        ("image", ("name", "entrypoint", "docker:user", "docker:platform", "pull_policy")),
        ("needs", ("job", "artifacts", "optional", "parallel:matrix", "project", "pipeline:job")),
        ("trigger", ("project", "branch", "strategy", "include", "forward", "inputs")),
        ("workflow", ("name", "rules", "auto_cancel:on_new_commit", "rules:auto_cancel")),
        ("pages", ("publish", "path_prefix", "expire_in")),
        ("variables", ("value", "description", "options", "expand")),
        ("spec:inputs", ("default", "description", "options", "regex", "rules", "type")),
    ],
)
def test_every_key_that_a_keyword_may_have_has_a_status(
    keyword: str, keys: tuple[str, ...]
) -> None:
    without = {"docker", "kubernetes", "ports"} if keyword == "services" else set()
    assert [key for key in keys if f"{keyword}:{key}" not in NAMED and key not in without] == []


@pytest.mark.parametrize("name", NAMED)
def test_something_is_done_with_every_keyword(name: str) -> None:
    keyword = NAMED[name]
    assert keyword.does_something
    assert [case for case in keyword.cases if not (ROOT / "tests/behaviour" / case).is_dir()] == []


def test_every_keyword_has_its_test_and_every_test_its_keyword() -> None:
    tests = {path.stem for path in (ROOT / TOOL["TESTS"]).glob("test_*.py")}
    assert tests == {f"test_{name}" for name in STATUS}
