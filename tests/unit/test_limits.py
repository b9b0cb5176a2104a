"""Each limit of docs/reference/limits.md: what is at it passes, what is one over it does not."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.conditions import Tree
from conformance.configuration import answer_errors
from conformance.life import answer_pipeline, trigger_of
from homeport.errors import UsageError
from homeport.pipeline.conditions.clauses import MAX_COMPARISONS, check_rule
from homeport.pipeline.conditions.globs import MAX_ALTERNATIVES, ruby_fnmatch
from homeport.pipeline.config.compose import compose
from homeport.pipeline.document.limits import Limits
from homeport.pipeline.document.load import load
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.execute.dotenv import DotenvError, parse_dotenv
from homeport.pipeline.include.api import IncludeContext
from homeport.pipeline.include.expand import expand_includes
from homeport.pipeline.model.config import Exists, Rule
from homeport.pipeline.model.document import Map, Reference, Seq
from homeport.settings.load import load_settings

DATA = dict[str, Any]
START = SimpleNamespace(name="x.yml", line=0, column=0)


def job(**keywords: Any) -> DATA:
    return {"config": {"x": {"script": "x", **keywords}, "y": {"script": "x"}}}


def chain(length: int) -> DATA:
    jobs: DATA = {f"j{i}": {"extends": f"j{i + 1}"} for i in range(length)}
    return {"config": {**jobs, f"j{length}": {"script": "x"}}}


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def needing(count: int, *, cross: bool = False) -> DATA:
    jobs: DATA = {f"j{i}": {"script": "x"} for i in range(count)}
    needs: list[Any] = list(jobs)
    if cross:
        needs = [{"pipeline": "1", "job": str(i)} for i in range(count)]
    return {"config": {**jobs, "last": {"script": "x", "needs": needs}}}


def including(count: int) -> DATA:
    includes = [{"local": f"{i}.yml"} for i in range(count)]
    files = {f"{i}.yml": ".a: {script: x}" for i in range(count)}
    return {"config": {"include": includes, "x": {"script": "x"}}, "files": files}


TOKENS = [f"{'$A && ' * 49}$A", f"{'$A && ' * 49}!$A"]

LIMITS: dict[str, tuple[int, Callable[[int], DATA]]] = {
    "includes": (150, including),
    "needs": (50, needing),
    "cross needs": (5, lambda n: needing(n, cross=True)),
    "parallel": (200, lambda n: job(parallel=n)),
    "matrix": (200, lambda n: job(parallel={"matrix": [{"A": list(range(n))}]})),
    "extends": (11, chain),
    "script nesting": (10, lambda n: job(script=nested(n))),
    "before_script nesting": (10, lambda n: job(before_script=nested(n))),
    "changes": (50, lambda n: job(rules=[{"changes": list(map(str, range(n)))}])),
    "exists": (50, lambda n: job(rules=[{"exists": list(map(str, range(n)))}])),
    "caches": (4, lambda n: job(cache=[{"paths": ["x"]}] * n)),
    "fallback keys": (5, lambda n: job(cache={"fallback_keys": list(map(str, range(n)))})),
    "files of a cache key": (10, lambda n: job(cache={"key": {"files": list(map(str, range(n)))}})),
    "tags": (49, lambda n: job(tags=list(map(str, range(n))))),
    "retry": (2, lambda n: job(retry=n)),
    "child includes": (
        3,
        lambda n: {"config": {"x": {"trigger": {"include": [f"{i}.yml" for i in range(n)]}}}},
    ),
    "job name": (255, lambda n: {"config": {"x" * n: {"script": "x"}}}),
    "workflow name": (
        255,
        lambda n: {"config": {"workflow": {"name": "x" * n}, "x": {"script": "x"}}},
    ),
    "tokens": (99, lambda n: job(rules=[{"if": TOKENS[n - 99]}])),
    "options": (
        50,
        lambda n: {
            "yaml": "spec: {inputs: {a: {default: '0', options: "
            f"{list(map(str, range(n)))}}}}}}}\n---\nx: {{script: x}}\n"
        },
    ),
    "functions": (
        3,
        lambda n: {
            "yaml": "spec: {inputs: {a: {default: x}}}\n---\n"
            f"x: {{script: '$[[ inputs.a {'| truncate(0,1) ' * n}]]'}}\n"
        },
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_configuration(name: str) -> None:
    limit, make = LIMITS[name]
    for count, fits in ((limit, True), (limit + 1, False)):
        given = make(count)
        valid = answer_errors(given, {})["valid"] and not answer_pipeline(given, {})["errors"]
        assert valid is fits, count


@pytest.mark.parametrize(
    ("limits", "source", "fits"),
    [
        (Limits(size=10), b"a: [12345]", True),
        (Limits(size=10), b"a: [123456]", False),
        (Limits(depth=3), b"a: [[1]]", True),
        (Limits(depth=3), b"a: [[[1]]]", False),
        (Limits(values=7), b"a: &a [1]\nb: *a", True),
        (Limits(values=7), b"a: &a [1]\nb: [*a, *a]", False),
    ],
)
def test_files(limits: Limits, source: bytes, fits: bool) -> None:
    if fits:
        load(source, "ci.yml", limits)
        return
    with pytest.raises(UsageError, match="The parsed YAML is too big"):
        load(source, "ci.yml", limits)


class OneFile:
    def read(self, path: str) -> bytes | None:  # noqa: ARG002
        return b".a: {script: x}"

    def paths(self) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize(("size", "fits"), [(30, True), (29, False)])
def test_all_files_together(size: int, fits: bool) -> None:
    document = load(b"include: [a.yml, b.yml]\nx: {script: x}", "ci.yml")
    context = IncludeContext(limits=Limits(total_size=size))
    if fits:
        expand_includes(document, OneFile(), context)
        return
    with pytest.raises(UsageError, match="Total size of combined CI/CD configuration is too big"):
        expand_includes(document, OneFile(), context)


@pytest.mark.parametrize(("count", "result"), [(0, False), (1, True)])
def test_comparisons(count: int, result: bool) -> None:
    tree = Tree({}, tuple(f"d/{i}" for i in range(MAX_COMPARISONS + count)))
    assert check_rule(Rule(exists=Exists(paths=("no*/x",))), {}, tree)[0] is result


def test_alternatives() -> None:
    assert not ruby_fnmatch(f"{{{',' * (MAX_ALTERNATIVES - 1)}}}", "x")
    with pytest.raises(UsageError, match="more than 1000 alternatives"):
        ruby_fnmatch(f"{{{',' * MAX_ALTERNATIVES}}}", "x")


@pytest.mark.parametrize(
    ("values", "keys", "fits"),
    [
        (999_997, 1, True),
        (999_998, 1, False),
        (99_997, 40, True),
        (99_998, 40, False),
    ],
)
def test_references(values: int, keys: int, fits: bool) -> None:
    """A list in a list in a mapping: three values beside those that the list holds."""
    content = Map({".a": Map({"b": Seq(["x"] * values)})})
    for number in range(keys):
        path = Seq([".a", "b"])
        content[f"j{number}"] = Map({"c": Seq([Reference(path, START)])})
    if fits:
        resolve_references(content)
    else:
        with pytest.raises(UsageError, match="too big"):
            resolve_references(content)


@pytest.mark.parametrize(("levels", "fits"), [(99, True), (100, False)])
def test_levels_of_references(levels: int, fits: bool) -> None:
    text = "a0: [x]\n" + "".join(
        f"a{each}: [!reference [a{each - 1}]]\n" for each in range(1, levels + 1)
    )
    if fits:
        resolve_references(load(text.encode(), "x.yml").content)
    else:
        with pytest.raises(UsageError, match="too big"):
            resolve_references(load(text.encode(), "x.yml").content)


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        (b"A=" + b"x" * (5 * 1024 - 3), True),
        (b"A=" + b"x" * (5 * 1024 - 2), False),
        (b"".join(b"A%d=x\n" % i for i in range(20)), True),
        (b"".join(b"A%d=x\n" % i for i in range(21)), False),
    ],
)
def test_dotenv(content: bytes, fits: bool) -> None:
    if fits:
        assert parse_dotenv([(".env", content)])
        return
    with pytest.raises(DotenvError):
        parse_dotenv([(".env", content)])


def test_more_needs_where_the_server_allows_them() -> None:
    config = compose(needing(3)["config"])
    for limit, errors in ((3, 0), (2, 1)):
        pipeline = evaluate(config, trigger_of({}), Tree({}), max_needs=limit)
        assert len(pipeline.problems) == errors


def test_the_user_says_what_the_server_allows(tmp_path: Path) -> None:
    home = tmp_path / "config"
    (home / "homeport").mkdir(parents=True)
    (home / "homeport" / "config.toml").write_text(
        '[limits]\nincludes = 300\nyaml_size = "4 MiB"\n'
    )
    env = {"XDG_CONFIG_HOME": str(home), "HOMEPORT_LIMITS_NEEDS": "7"}
    limits = load_settings(tmp_path, env).limits
    assert (limits.includes, limits.needs, limits.yaml_size) == (300, 7, 4 * 1024**2)


def test_a_repository_does_not(tmp_path: Path) -> None:
    (tmp_path / "homeport.toml").write_text("[limits]\nincludes = 300\n")
    with pytest.raises(UsageError, match=r"cannot set limits\.includes"):
        load_settings(tmp_path, {})
