"""Four times the input takes about four times as long, for the inputs that hurt naive code most.

A quadratic reading takes sixteen times as long. The bound lies between, the shortest of several
tries counts, and what takes next to no time is not compared at all.
"""

import contextlib
import time
from collections.abc import Callable

import pytest

from fuzz import targets

BOUND = 10
NEXT_TO_NOTHING = 0.02

HOSTILE: dict[str, tuple[str, Callable[[int], str], int]] = {
    "quotes": ("expression", lambda n: '"' * n, 20_000),
    "slashes": ("expression", lambda n: "$A =~ /" + "\\/" * n, 20_000),
    "pattern": ("expression", lambda n: "$C =~ /^(a+)+$/ || " + '"' + "a" * n + '"', 20_000),
    "flow": ("yaml", lambda n: "a: [" + "[]," * n + "]", 2_000),
    "keys": ("yaml", lambda n: "".join(f"k{i}: v\n" for i in range(n)), 2_000),
    "anchors": ("yaml", lambda n: "".join(f"a{i}: &x{i} [*x{i - 1}]\n" if i else "a0: &x0 []\n"
                                          for i in range(n)), 2_000),
    "merges": ("yaml", lambda n: "b: &b {x: 1}\n" + "".join(f"k{i}: {{<<: *b}}\n"
                                                            for i in range(n)), 2_000),
    "open blocks": ("interpolation", lambda n: "$[[ " * n, 10_000),
    "blocks": ("interpolation", lambda n: "$[[ inputs.a ]]" * n, 2_000),
    "stars": ("globs", lambda n: "*a" * 40 + "\n" + "a" * n + "b", 5_000),
    "folders": ("globs", lambda n: "**/a/" * 40 + "\n" + "a/" * n + "b", 5_000),
    "escapes": ("globs", lambda n: "\\" * n + "\n" + "\\" * n, 5_000),
    "classes": ("globs", lambda n: "[" * n + "\n" + "[" * n, 5_000),
    "references": ("expansion", lambda n: "A=x\n" + "$A" * n, 5_000),
    "braces": ("expansion", lambda n: "A=" + "${" * n, 5_000),
    "chain": ("expansion", lambda n: "".join(f"A{i}=$A{i + 1}\n" for i in range(n)), 500),
    "secrets": ("redactor", lambda n: "aaaaaaaaab\n" + "a" * n, 20_000),
    "near secrets": ("redactor", lambda n: "secretsecret\n" + "secretsecre " * n, 5_000),
    "jobs": ("pipeline", lambda n: "".join(f"j{i}: {{script: x}}\n" for i in range(n)), 250),
    "needs": ("pipeline", lambda n: "a: {script: x}\n" + "".join(
        f"j{i}: {{script: x, needs: [a]}}\n" for i in range(n)), 250),
    "heirs": ("pipeline", lambda n: ".b: {script: x, variables: {A: b}}\n" + "".join(
        f"j{i}: {{extends: .b}}\n" for i in range(n)), 250),
    "chain of needs": ("pipeline", lambda n: "j0: {script: x}\n" + "".join(
        f"j{i}: {{script: x, needs: [j{i - 1}]}}\n" for i in range(1, n)), 250),
    "rules": ("pipeline", lambda n: "a:\n  script: x\n  rules:\n" + "    - if: $A == \"b\"\n" * n,
              500),
}  # fmt: skip


def seconds(target: Callable[[str], None], text: str) -> float:
    best = float("inf")
    for _ in range(3):
        targets.forget()
        began = time.process_time()
        with contextlib.suppress(*targets.REFUSALS):
            target(text)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear(name: str) -> None:
    target, make, size = HOSTILE[name]
    attack = targets.TARGETS[target]
    large = seconds(attack, make(4 * size))
    if large > NEXT_TO_NOTHING:
        assert large < BOUND * seconds(attack, make(size)) + NEXT_TO_NOTHING
