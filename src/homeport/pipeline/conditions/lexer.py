"""Tokens of a `rules:if` expression. Source: GitLab's `Ci::Pipeline::Expression::Lexer`."""

from enum import Enum, auto

from msgspec import Struct

from homeport.errors import UsageError

MAX_TOKENS = 100


class ExpressionError(UsageError):
    """An expression that GitLab refuses; the message is GitLab's own."""


class Kind(Enum):
    OPEN = auto()
    CLOSE = auto()
    INPUT = auto()
    VARIABLE = auto()
    STRING = auto()
    PATTERN = auto()
    NULL = auto()
    BOOLEAN = auto()
    BINARY = auto()
    NOT = auto()


class Token(Struct, frozen=True):
    """`text` is a name, a string's content, a pattern with its slashes, or an operator."""

    kind: Kind
    text: str


_BLANK = " \t\r\n\f\v"
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SINGLE = {"(": Kind.OPEN, ")": Kind.CLOSE, "!": Kind.NOT}
_BINARY = frozenset(("==", "=~", "!=", "!~", "&&", "||"))


def tokenize(text: str) -> list[Token]:
    """All tokens of `text`; raises `ExpressionError` at what is none, or at the 100th token."""
    tokens: list[Token] = []
    at = 0
    for _ in range(MAX_TOKENS):
        while at < len(text) and text[at] in _BLANK:
            at += 1
        if at == len(text):
            return tokens
        found = _scan(text, at)
        if found is None:
            raise _unknown(text, at)
        token, at = found
        tokens.append(token)
    raise ExpressionError.of("Too many tokens!", code="invalid-expression")


def _unknown(text: str, at: int) -> ExpressionError:
    from homeport.pipeline.conditions.advice import advise

    message = "Unknown lexeme found!"
    return ExpressionError.of(message, code="invalid-expression", hint=advise(text, at))


def _scan(text: str, at: int) -> tuple[Token, int] | None:
    first = text[at]
    simple = _SINGLE.get(first)
    if text[at : at + 2] in _BINARY:
        return Token(Kind.BINARY, text[at : at + 2]), at + 2
    if simple is not None:
        return Token(simple, first), at + 1
    if first == "$":
        return _scan_input(text, at) or _scan_variable(text, at)
    if first in "\"'":
        return _scan_string(text, at, first)
    return _scan_pattern(text, at) if first == "/" else _scan_constant(text, at)


def _scan_input(text: str, at: int) -> tuple[Token, int] | None:
    """`$[[ inputs.NAME ]]`, blanks free inside the brackets."""
    if not text.startswith("$[[", at):
        return None
    start = _skip_blank(text, at + 3)
    if not text.startswith("inputs.", start):
        return None
    start += len("inputs.")
    end = _skip_word(text, start)
    close = _skip_blank(text, end)
    if end == start or not text.startswith("]]", close):
        return None
    return Token(Kind.INPUT, text[start:end]), close + 2


def _scan_variable(text: str, at: int) -> tuple[Token, int] | None:
    end = _skip_word(text, at + 1)
    return None if end == at + 1 else (Token(Kind.VARIABLE, text[at + 1 : end]), end)


def _scan_string(text: str, at: int, quote: str) -> tuple[Token, int] | None:
    end = text.find(quote, at + 1)
    if end < 0 or "\n" in text[at:end]:
        return None
    return Token(Kind.STRING, text[at + 1 : end]), end + 1


def _scan_pattern(text: str, at: int) -> tuple[Token, int] | None:
    """`/…/` with flags; a slash inside is escaped. GitLab asks for two characters at least."""
    if text.startswith("/", at + 1):
        return None
    end = text.find("/", at + 1)
    while end >= 0 and text[end - 1] == "\\":
        end = text.find("/", end + 1)
    if end < 0:
        return None
    if text.startswith("/", end + 1):
        end += 1
    elif end < at + 3:
        return None
    end += 1
    while end < len(text) and text[end] in "ismU":
        end += 1
    return Token(Kind.PATTERN, text[at:end]), end


def _scan_constant(text: str, at: int) -> tuple[Token, int] | None:
    if text.startswith("null", at):
        return Token(Kind.NULL, "null"), at + 4
    for word in ("true", "false"):
        end = at + len(word)
        if text.startswith(word, at):
            inside = at > 0 and text[at - 1] in _WORD
            return (
                None
                if inside or text[end : end + 1] in _WORD
                else (
                    Token(Kind.BOOLEAN, word),
                    end,
                )
            )
    return None


def _skip_blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _skip_word(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WORD:
        at += 1
    return at
