"""`include:rules`: what is accepted, and what is refused in GitLab's words.

What an include names, and how it is read, is tried in tests/unit/pipeline/include.
"""

import pytest

from homeport.errors import UsageError
from homeport.pipeline.config.keyword.rules import read_include_rules
from homeport.pipeline.document.load import load

ACCEPTED = [
    "[{if: $A}]",
    "[{if: $A, when: never}, {when: always}]",
    "[{exists: [a]}, {changes: [b]}]",
    "[[{if: $A}], {exists: {paths: [a], project: g/p, ref: main}}]",
]
REFUSED = [
    ("a", ["include:rules config should be an array"]),
    ("[]", ["include:rules config can't be blank"]),
    ("[{if: $A, when: manual}]", ["include:rule when unknown value: manual"]),
    ("[{if: $A, variables: {B: c}}]", ["include:rule config contains unknown keys: variables"]),
    ("[{if: '$A =='}]", ["include:rule if invalid expression syntax"]),
]


@pytest.mark.parametrize("rules", ACCEPTED)
def test_accepted(rules: str) -> None:
    assert len(read_include_rules(load(f"rules: {rules}".encode(), "x.yml").content)) > 0


@pytest.mark.parametrize(("rules", "errors"), REFUSED)
def test_refused(rules: str, errors: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        read_include_rules(load(f"rules: {rules}".encode(), "x.yml").content)
    assert [problem.message for problem in raised.value.problems] == errors
