"""A small framework for keyword parsers: where a value stands, and what is wrong with it.

In: values as `document/` gives them. Out: `Finding`s, turned into `Problem`s with GitLab's words
(`jobs:rspec:artifacts expire in should be a duration`). Modelled on GitLab's tree of config
entries: an entry has a location, complains about its `config` or about one attribute of it, and
GitLab prints such messages in lower case.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from msgspec import Struct

from homeport.errors import Problem, Severity, Span
from homeport.pipeline.config.ruby import is_blank, ruby_string
from homeport.pipeline.config.shapes import is_strings
from homeport.pipeline.model.document import span_of_key, span_of_value

T = TypeVar("T")
Parser = Callable[[Any, "Entry"], T]


Anchor = Literal["entry", "owner", "nowhere"]
"""What a finding's location is counted from: the keyword that is parsed, the mapping that holds it
(where GitLab validates the keyword as an attribute of its owner), or nothing."""


class Finding(Struct, frozen=True):
    """One complaint, relative to the keyword's place, so that it can be said of every job that
    shares the value. `text` is complete but for the location; `verbatim` keeps its case."""

    anchor: Anchor
    path: str
    text: str
    code: str
    span: Span | None
    verbatim: bool = False
    hint: str | None = None

    def problem(self, owner: str, keyword: str) -> Problem:
        """The complaint about `keyword` of the entry whose location is `owner`."""
        if self.anchor == "nowhere":
            message = self.text
        elif self.anchor == "owner":
            message = owner + (self.text if self.text[:1] == ":" else f" {self.text}")
            message = message.removeprefix(":").lstrip()
        else:
            message = f"{join(owner, keyword)}{self.path} {self.text}"
        return Problem(
            message=message if self.verbatim else message.lower(),
            code=self.code,
            span=self.span,
            hint=self.hint,
        )


class Entry:
    """The place of one value: `owner[key]`, at `path` below its keyword."""

    __slots__ = ("_found", "_key", "_owner", "_path")

    def __init__(self, owner: Any, key: Any, path: str = "", found: list[Finding] | None = None):
        self._owner = owner
        self._key = key
        self._path = path
        self._found: list[Finding] = [] if found is None else found

    @property
    def findings(self) -> list[Finding]:
        return self._found

    @property
    def key(self) -> Any:
        return self._key

    @property
    def span(self) -> Span | None:
        """Where the value was written."""
        return span_of_value(self._owner, self._key)

    def child(self, value: Any, key: Any, name: str | None = None) -> "Entry":
        """The entry of `value[key]`; `name` is what GitLab calls it in a location."""
        label = ruby_string(key) if name is None else name
        return Entry(value, key, f"{self._path}:{label}" if label else self._path, self._found)

    def same(self, value: Any, key: Any) -> "Entry":
        """The entry of `value[key]` where GitLab's location stays that of this entry."""
        return Entry(value, key, self._path, self._found)

    def config(
        self, text: str, code: str, span: Span | None = None, hint: str | None = None
    ) -> None:
        """Complain of the value as a whole."""
        self._add("entry", f"config {text}", code, span, verbatim=False, hint=hint)

    def wrong(self, value: Any, key: str, text: str, code: str = "wrong-type") -> None:
        """Complain of attribute `key` of the mapping `value`."""
        self.say(f"{label(key)} {text}", code, span_of_value(value, key) or self.span)

    def say(
        self,
        text: str,
        code: str,
        span: Span | None = None,
        *,
        verbatim: bool = False,
        hint: str | None = None,
    ) -> None:
        """Complain in GitLab's own words, which follow the location."""
        self._add("entry", text, code, span, verbatim=verbatim, hint=hint)

    def owner(self, text: str, code: str) -> None:
        """Complain as the mapping that holds this keyword does."""
        self._add("owner", text, code, None, verbatim=False)

    def owner_child(self, name: str, text: str, code: str) -> None:
        """Complain at the mapping that holds this keyword, under another name for the keyword."""
        self._add("owner", f":{name} {text}", code, None, verbatim=False)

    def bare(self, text: str, code: str, *, verbatim: bool = False) -> None:
        """Complain without a location, as a few of GitLab's entries do."""
        self._add("nowhere", text, code, None, verbatim=verbatim)

    def _add(
        self,
        anchor: Anchor,
        text: str,
        code: str,
        span: Span | None,
        *,
        verbatim: bool,
        hint: str | None = None,
    ) -> None:
        finding = Finding(anchor, self._path, text, code, span or self.span, verbatim, hint)
        if finding not in self._found:
            self._found.append(finding)

    def keys(self, value: Any, allowed: Iterable[str]) -> None:
        """Complain of the keys of the mapping `value` that are not `allowed`."""
        unknown = [key for key in value if key not in allowed]
        if unknown:
            from homeport.pipeline.config.hints import did_you_mean

            names = ", ".join(map(ruby_string, unknown))
            self.config(
                f"contains unknown keys: {names}",
                "unknown-key",
                span_of_key(value, unknown[0]),
                did_you_mean(ruby_string(unknown[0]), allowed),
            )

    def required(self, value: Any, keys: Iterable[str]) -> bool:
        missing = [key for key in keys if key not in value]
        if missing:
            self.config(f"missing required keys: {', '.join(missing)}", "missing-key")
        return not missing

    def string(self, value: Any, key: str, *, required: bool = False) -> str | None:
        """Attribute `key` as a string; absent is fine unless `required`."""
        item = value.get(key)
        if item is None and not required:
            return None
        if not isinstance(item, str):
            self.wrong(value, key, "should be a string")
        if required and is_blank(item):
            self.wrong(value, key, "can't be blank", "blank")
        return item if isinstance(item, str) else None

    def boolean(self, value: Any, key: str) -> bool | None:
        item = value.get(key)
        if item is None or isinstance(item, bool):
            return item
        self.wrong(value, key, "should be a boolean value")
        return None

    def strings(self, value: Any, key: str) -> tuple[str, ...] | None:
        """Attribute `key` as an array of strings."""
        item = value.get(key)
        if item is None:
            return None
        if is_strings(item):
            return tuple(item)
        self.wrong(value, key, "should be an array of strings")
        return None

    def string_or_strings(self, value: Any, key: str) -> tuple[str, ...] | None:
        item = value.get(key)
        if item is None:
            return None
        if isinstance(item, str):
            return (item,)
        if is_strings(item):
            return tuple(item)
        self.wrong(value, key, "should be an array of strings or a string")
        return None

    def one_of(
        self, value: Any, key: str, allowed: tuple[str, ...], message: str | None = None
    ) -> str | None:
        """Attribute `key` as one of a few strings."""
        item = value.get(key)
        if item is None:
            return None
        if not isinstance(item, str) or item not in allowed:
            text = message or f"should be one of: {', '.join(allowed)}"
            self.wrong(value, key, text, "not-allowed")
            return None
        return str(item)


class Reader:
    """Reads keywords of one configuration, each distinct value once.

    Thousands of jobs share the very same objects (by `extends` and anchors): a result is remembered
    by parser and identity, and the value is kept so that its identity stays taken. A wrong scalar
    is read again: 1 is one object in Python, wherever it was written, but each has its own place.
    """

    __slots__ = ("_memo", "problems")

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._memo: dict[tuple[int, int], tuple[Any, Any, list[Finding]]] = {}

    def read(self, parser: Parser[T], owner: Any, key: Any, where: str, name: str) -> T:
        """What `parser` makes of `owner[key]`; its complaints become problems at `where:name`."""
        value = owner[key]
        memo = (id(parser), id(value))
        known = self._memo.get(memo)
        if known is None or (known[2] and not isinstance(value, list | dict)):
            entry = Entry(owner, key)
            known = self._memo[memo] = (value, parser(value, entry), entry.findings)
        if known[2]:
            self.problems.extend(finding.problem(where, name) for finding in known[2])
        result: T = known[1]
        return result

    def error(
        self, message: str, code: str, span: Span | None = None, hint: str | None = None
    ) -> None:
        self.problems.append(Problem(message=message, code=code, span=span, hint=hint))

    def warn(self, message: str, code: str, span: Span | None = None) -> None:
        self.problems.append(
            Problem(message=message, code=code, severity=Severity.WARNING, span=span)
        )


def join(*parts: str) -> str:
    """A location such as `jobs:rspec:script`; empty parts are left out."""
    return ":".join(part for part in parts if part)


def label(key: str) -> str:
    """An attribute as GitLab's messages name it."""
    return key.replace("_", " ")
