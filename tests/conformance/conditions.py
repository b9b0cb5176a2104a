"""`rules:if`, `rules:changes` and `rules:exists`."""

import re
from collections.abc import Mapping
from typing import Any

from homeport.pipeline.conditions.clauses import check_rule
from homeport.pipeline.conditions.expression import (
    ExpressionError,
    evaluate,
    input_names,
    is_true,
    parse,
)
from homeport.pipeline.model.config import Changes, Exists, Rule
from homeport.pipeline.model.trigger import AllChanged, Unresolved

_INVALID_REF = Unresolved("rules:changes:compare_to is not a valid ref")


def answer_expression(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    """An invalid expression is false, reads nothing, and has an error."""
    variables = {
        name: value if value is None else str(value)
        for name, value in (given.get("variables") or {}).items()
    }
    inputs = given.get("inputs") or {}
    try:
        expression = parse(given["expression"])
    except ExpressionError as error:
        return {
            "valid": False,
            "value": False,
            "truthy": False,
            "input_names": [],
            "errors": [error.problems[0].message],
        }
    answer: dict[str, Any] = {
        "valid": True,
        "truthy": is_true(expression, variables, inputs),
        "input_names": list(input_names(expression)),
        "errors": [],
    }
    try:
        answer["value"] = evaluate(expression, variables, inputs)
    except ExpressionError as error:
        answer.update(value=False, errors=[error.problems[0].message])
    return answer


class Tree:
    """Facts given as data: `changed` by base; a base that is not there is no valid ref."""

    def __init__(
        self,
        changed: Mapping[str | None, tuple[str, ...] | AllChanged],
        files: tuple[str, ...] = (),
    ) -> None:
        self._changed = changed
        self._files = files

    def changed_files(self, compare_to: str | None) -> tuple[str, ...] | Unresolved | AllChanged:
        return self._changed.get(compare_to, _INVALID_REF)

    def files(self, _project: str | None, _ref: str | None) -> tuple[str, ...] | Unresolved:
        return self._files


def answer_clause(given: Mapping[str, Any], _expected: Mapping[str, Any]) -> Mapping[str, Any]:
    paths = tuple(given["paths"])
    if given["clause"] == "changes":
        rule = Rule(changes=Changes(paths=paths, compare_to=given.get("compare_to")))
        tree = Tree(_changed(given))
    else:
        rule = Rule(exists=Exists(paths=paths))
        tree = Tree({}, tuple(given.get("files") or ()))
    limits = {key: given[key] for key in ("max_comparisons",) if key in given}
    result, checks = check_rule(rule, given.get("variables") or {}, tree, **limits)
    notes = [check.note for check in checks if check.note]
    return {"satisfied": result, "errors": notes if result is None else []}


def _changed(given: Mapping[str, Any]) -> Mapping[str | None, tuple[str, ...] | AllChanged]:
    if "history" in given:
        return _History(given["history"]).changed_on(given["pipeline_ref"])
    changed = given.get("changed_files")
    if changed is None:
        return {None: AllChanged("there is no diff")}
    return {None: tuple(changed), given.get("compare_to"): tuple(changed)}


class _History:
    """Branches written as `parent + file (tag here) + file updated`: each `+` is a commit."""

    def __init__(self, written: Mapping[str, Any]) -> None:
        self._commits: dict[str, list[str]] = {}
        self._tags: dict[str, list[str]] = {}
        for branch, line in written.items():
            self._commits[branch] = self._read(line)

    def _read(self, line: Any) -> list[str]:
        if isinstance(line, list):
            return [f"root {file}" for file in line]
        first, *rest = (part.strip() for part in line.split("+"))
        commits = list(self._commits[first]) if first in self._commits else []
        for part in rest if commits else [first, *rest]:
            match = re.fullmatch(r"(\S+)(?: updated)?(?: \((\S+) here\))?", part)
            if match is None:
                raise ValueError(f"cannot read {part!r}")
            commits.append(f"{line} {match[1]}")
            if match[2]:
                self._tags[match[2]] = list(commits)
        return commits

    def changed_on(self, head: str) -> Mapping[str | None, tuple[str, ...]]:
        """The files that differ from the merge base with each ref."""
        mine = self._commits[head]
        return {
            ref: tuple(dict.fromkeys(each.split()[-1] for each in mine if each not in commits))
            for ref, commits in {**self._commits, **self._tags}.items()
        }
