"""What a person may have meant by an expression that GitLab refuses; imported only then."""

from typing import Final

_QUOTE: Final = "put text in quotes; a variable begins with $"
_WORDS: Final = {"and": "&&", "or": "||", "not": "!"}
_OPERATORS: Final = {"=": "compare with == or =~", "&": "write &&", "|": "write ||"}
_NO_OPERAND: Final = "an operator lacks a value beside it"
PARSER_HINTS: Final = {
    "Unmatched parenthesis": "a ) without its (",
    "Unprocessable token found in parse tree: parenthesis_open": "a ( without its )",
    "Invalid operand": _NO_OPERAND,
    "Invalid left operand": _NO_OPERAND,
    "Invalid right operand": _NO_OPERAND,
    "Unreachable nodes in parse tree": "two values without an operator between them",
    "Too many tokens!": "GitLab reads at most 99 words and operators; split the rule",
}
"""What GitLab's messages about an expression as a whole mean."""


def advise(text: str, at: int) -> str:
    """What to write instead of what stands in `text` from `at` on, which is no token."""
    first = text[at]
    if text.startswith("${", at):
        name = text[at + 2 :].partition("}")[0]
        if name.isidentifier():
            return f"write ${name}: an expression knows no braces"
    if first in _OPERATORS:
        return _OPERATORS[first]
    if first in "\"'":
        return f"the quote {first} is not closed"
    if first == "/":
        closed = text.find("/", at + 1) > 0
        return f"a pattern {'needs two characters at least' if closed else 'ends with a slash'}"
    word = text[at:].split(maxsplit=1)[0]
    if word.lower() in _WORDS:
        return f"write {_WORDS[word.lower()]}"
    return _QUOTE
