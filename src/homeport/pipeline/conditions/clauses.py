"""One rule against variables and facts: `if`, `changes`, `exists`.

Pure: what depends on the repository is asked from `Facts`, and a fact that cannot be had makes the
rule unresolved. Source: GitLab's CI/CD YAML reference, `rules`, and `Ci::Build::Rules::Rule`.
"""

from collections.abc import Callable, Mapping, Sequence

from homeport.pipeline.conditions.expression import ExpressionError, is_true, parse
from homeport.pipeline.conditions.globs import compile_fnmatch
from homeport.pipeline.model.config import Changes, Exists, Rule
from homeport.pipeline.model.pipeline import Check
from homeport.pipeline.model.trigger import AllChanged, Facts, Unresolved
from homeport.pipeline.variables.expand import expand_nested, references

MAX_COMPARISONS = 50_000
"""Above so many comparisons of a pattern with a path GitLab takes the clause for true."""


def check_rule(
    rule: Rule,
    variables: Mapping[str, str],
    facts: Facts,
    *,
    max_comparisons: int = MAX_COMPARISONS,
) -> tuple[bool | None, tuple[Check, ...]]:
    """Whether every clause of `rule` holds, and the clauses that were looked at.

    None means unresolved: a fact is missing and no clause is false; the `note` of the check says
    which. A rule without clauses holds.
    """
    clauses: list[Callable[[], Check]] = []
    if rule.if_ is not None:
        text = rule.if_
        clauses.append(lambda: _check_if(text, variables))
    if rule.changes is not None:
        changes = rule.changes
        clauses.append(lambda: _check_changes(changes, variables, facts, max_comparisons))
    if rule.exists is not None:
        exists = rule.exists
        clauses.append(lambda: _check_exists(exists, variables, facts, max_comparisons))
    checks: list[Check] = []
    for clause in clauses:
        check = clause()
        checks.append(check)
        if check.result is False:
            return False, tuple(checks)
    unresolved = any(check.result is None for check in checks)
    return (None if unresolved else True), tuple(checks)


def _check_if(text: str, variables: Mapping[str, str]) -> Check:
    try:
        expression = parse(text)
    except ExpressionError as error:
        return Check(clause="if", text=text, result=False, note=error.problems[0].message)
    return Check(
        clause="if",
        text=text,
        result=is_true(expression, variables),
        values={name: variables.get(name) for name in expression.variables},
    )


def _check_changes(
    changes: Changes, variables: Mapping[str, str], facts: Facts, max_comparisons: int
) -> Check:
    base = changes.compare_to
    against = None if base is None else expand_nested(base, variables)
    globs = tuple(dict.fromkeys(expand_nested(path, variables) for path in changes.paths))
    pattern = None if changes.regexp is None else expand_nested(changes.regexp, variables)
    paths = facts.changed_files(against)
    result: bool | None
    note: str | None = None
    if isinstance(paths, Unresolved):
        result, note = None, paths.reason
    elif isinstance(paths, AllChanged):
        result, note = True, f"{paths.reason}, so GitLab takes it for true"
    elif pattern is not None and paths:
        result, note = _search(pattern, paths, max_comparisons)
    elif not paths or not globs:
        result, note = False, None if paths else "nothing changed"
    elif len(paths) * len(globs) > max_comparisons:
        result, note = True, _over(max_comparisons)
    else:
        result = any(_index(paths).matches(glob) for glob in globs)
    return Check(
        clause="changes",
        text=(pattern or ", ".join(globs)) + (f" (compare_to: {against})" if against else ""),
        result=result,
        values=_values((*changes.paths, changes.regexp or "", base or ""), variables),
        note=note,
    )


def _check_exists(
    exists: Exists, variables: Mapping[str, str], facts: Facts, max_comparisons: int
) -> Check:
    globs = tuple(expand_nested(path, variables) for path in exists.paths)
    project = None if exists.project is None else expand_nested(exists.project, variables)
    ref = None if exists.ref is None else expand_nested(exists.ref, variables)
    pattern = None if exists.regexp is None else expand_nested(exists.regexp, variables)
    result: bool | None = False
    note: str | None = None
    if globs or pattern is not None:
        paths = facts.files(project, ref)
        if isinstance(paths, Unresolved):
            result, note = None, paths.reason
        elif pattern is not None:
            result, note = _search(pattern, paths, max_comparisons)
        else:
            result, note = _exists(_index(paths), globs, max_comparisons)
    return Check(
        clause="exists",
        text=(pattern or ", ".join(globs)) + (f" (project: {project})" if project else ""),
        result=result,
        values=_values(
            (*exists.paths, exists.regexp or "", exists.project or "", exists.ref or ""), variables
        ),
        note=note,
    )


def _search(
    pattern: str, paths: tuple[str, ...], max_comparisons: int
) -> tuple[bool | None, str | None]:
    from homeport.pipeline.conditions.path_patterns import any_path_matches

    if len(paths) > max_comparisons:
        return True, _over(max_comparisons)
    found = any_path_matches(pattern, paths)
    return found, None if found is not None else f"RE2 cannot run the regular expression {pattern}"


def _exists(
    index: "_Paths", globs: tuple[str, ...], max_comparisons: int
) -> tuple[bool, str | None]:
    """As GitLab: exact names first, then endings, then patterns, which alone are counted."""
    if all("/" not in glob and "**" not in glob for glob in globs):
        index = index.top_level()
    exact = [glob for glob in globs if _is_exact(glob)]
    if any(index.holds(glob) for glob in exact):
        return True, None
    inexact = [glob for glob in globs if not _is_exact(glob)]
    endings = [ending for glob in inexact if (ending := _ending(glob)) is not None]
    if endings and index.ends_with(tuple(endings)):
        return True, None
    patterns = [glob for glob in inexact if _ending(glob) is None]
    if len(index.paths) * len(patterns) > max_comparisons:
        return True, _over(max_comparisons)
    return any(index.matches(glob) for glob in patterns), None


def _is_exact(glob: str) -> bool:
    return not any(char in glob for char in "*?[{")


def _ending(glob: str) -> str | None:
    """What paths must end with for a glob like `**/*.js`, or None for any other glob."""
    rest = glob.removeprefix("**/*")
    return rest if rest.startswith(".") and "/" not in rest and _is_exact(rest) else None


def _over(limit: int) -> str:
    return f"more than {limit} comparisons, so GitLab takes it for true"


def _values(texts: Sequence[str], variables: Mapping[str, str]) -> dict[str, str | None]:
    return {name: variables.get(name) for text in texts for name in references(text)}


class _Paths:
    """A list of paths with the answers already found for it."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths
        self._set: frozenset[str] | None = None
        self._top: _Paths | None = None
        self._answers: dict[str | tuple[str, ...], bool] = {}

    def matches(self, glob: str) -> bool:
        answer = self._answers.get(glob)
        if answer is None:
            match = compile_fnmatch(glob)
            answer = self._answers[glob] = any(match(path) for path in self.paths)
        return answer

    def ends_with(self, endings: tuple[str, ...]) -> bool:
        answer = self._answers.get(endings)
        if answer is None:
            answer = any(path.endswith(endings) for path in self.paths)
            self._answers[endings] = answer
        return answer

    def holds(self, path: str) -> bool:
        """Whether the file is there; a name that ends in a slash asks for any file in a folder."""
        if path.endswith("/"):
            return any(other.startswith(path) for other in self.paths)
        if self._set is None:
            self._set = frozenset(self.paths)
        return path in self._set

    def top_level(self) -> "_Paths":
        if self._top is None:
            self._top = _Paths(tuple(path for path in self.paths if "/" not in path))
        return self._top


_RECENT: dict[int, _Paths] = {}


def _index(paths: tuple[str, ...]) -> _Paths:
    """The answers kept for this very tuple; facts hand out the same one for one question."""
    known = _RECENT.get(id(paths))
    if known is None or known.paths is not paths:
        if len(_RECENT) >= 16:
            _RECENT.clear()
        known = _RECENT[id(paths)] = _Paths(paths)
    return known
