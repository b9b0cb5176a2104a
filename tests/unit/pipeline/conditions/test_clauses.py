import pytest

from homeport.pipeline.conditions.clauses import check_rule
from homeport.pipeline.model.config import Changes, Exists, Rule
from homeport.pipeline.model.trigger import AllChanged, Unresolved

INVALID = Unresolved("rules:changes:compare_to is not a valid ref")


class Tree:
    """Facts given as data."""

    def __init__(
        self,
        changed: dict[str | None, tuple[str, ...] | Unresolved | AllChanged] | None = None,
        files: tuple[str, ...] | Unresolved = (),
    ) -> None:
        self._changed = changed or {}
        self._files = files

    def changed_files(self, compare_to: str | None) -> tuple[str, ...] | Unresolved | AllChanged:
        return self._changed.get(compare_to, INVALID)

    def files(self, project: str | None, ref: str | None) -> tuple[str, ...] | Unresolved:
        return self._files if (project, ref) == (None, None) else Unresolved(f"{project}@{ref}")


TREE = ("README.md", "docs/a.md", "src/lib/x.py", "src/y.js")


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (("README.md",), True),
        (("*.md",), True),
        (("a.md",), False),
        (("*.py",), False),
        (("**/*.py",), True),
        (("**/*.rb", "**/*.js"), True),
        (("docs/",), True),
        (("doc/",), False),
        (("docs",), False),
        (("src/**/x.py",), True),
        (("nothing", "src/y.js"), True),
        ((), False),
    ],
)
def test_exists(paths: tuple[str, ...], found: bool) -> None:
    rule = Rule(exists=Exists(paths=paths))
    assert check_rule(rule, {}, Tree(files=TREE))[0] is found


@pytest.mark.parametrize(
    ("paths", "limit", "found"),
    [
        (("no*/x",), 3, True),
        (("no*/x",), 4, False),
        (("**/*.rb",), 0, False),  # an ending is no pattern and is not counted
        (("nothing/x",), 0, False),
        (("no*",), 1, False),  # at the top level one file only is compared
    ],
)
def test_exists_counts_comparisons_of_patterns_alone(
    paths: tuple[str, ...], limit: int, found: bool
) -> None:
    rule = Rule(exists=Exists(paths=paths))
    assert check_rule(rule, {}, Tree(files=TREE), max_comparisons=limit)[0] is found


@pytest.mark.parametrize(
    ("rule", "result", "clauses"),
    [
        (Rule(), True, []),
        (Rule(if_='$A == "x"'), True, ["if"]),
        (Rule(if_="$A == 'y'", exists=Exists(paths=("README.md",))), False, ["if"]),
        (
            Rule(if_="$A", changes=Changes(paths=("x",)), exists=Exists(paths=("README.md",))),
            None,
            ["if", "changes", "exists"],
        ),
        # an unresolved clause does not hide a false one
        (
            Rule(changes=Changes(paths=("x",)), exists=Exists(paths=("none",))),
            False,
            ["changes", "exists"],
        ),
        (Rule(exists=Exists(paths=("x",), project="other/project")), None, ["exists"]),
        (Rule(if_="$A = 1"), False, ["if"]),
    ],
)
def test_clauses_together(rule: Rule, result: bool | None, clauses: list[str]) -> None:
    facts = Tree(changed={None: Unresolved("no history")}, files=TREE)
    found, checks = check_rule(rule, {"A": "x"}, facts)
    assert found is result
    assert [check.clause for check in checks] == clauses


def test_a_check_says_what_was_compared() -> None:
    rule = Rule(if_="$A && $B", changes=Changes(paths=("$DIR/*",), compare_to="$BASE"))
    facts = Tree(changed={"main": ("src/y",)})
    variables = {"A": "1", "B": "2", "DIR": "src", "BASE": "main"}
    _, (first, second) = check_rule(rule, variables, facts)
    assert first.values == {"A": "1", "B": "2"}
    assert second.text == "src/* (compare_to: main)"
    assert second.values == {"DIR": "src", "BASE": "main"}
    assert second.result is True


def test_an_invalid_expression_is_false_and_says_why() -> None:
    _, checks = check_rule(Rule(if_="$A ="), {}, Tree())
    assert checks[0].note == "Unknown lexeme found!"


def test_equal_questions_are_matched_once() -> None:
    paths = tuple(f"dir{i}/file{j}" for i in range(100) for j in range(100))
    facts = Tree(changed={None: paths})
    rule = Rule(changes=Changes(paths=("none/**/x", "dir99/*99")))
    assert [check_rule(rule, {}, facts)[0] for _ in range(200)] == [True] * 200
