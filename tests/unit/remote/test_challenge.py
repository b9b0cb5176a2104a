"""WWW-Authenticate as registries write it, well and badly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.remote.challenge import Challenge, parse_challenges


def challenge(scheme: str, **parameters: str) -> Challenge:
    return Challenge(scheme=scheme, parameters=parameters)


HUB = challenge(
    "bearer",
    realm="https://auth.docker.io/token",
    service="registry.docker.io",
    scope="repository:library/nginx:pull",
)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [
                ('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
                'scope="repository:library/nginx:pull"')
            ],
            [HUB],
        ),
        (
            [
                ('bEARER  Realm = "https://auth.docker.io/token" , SERVICE="registry.docker.io"'
                ',,  scope="repository:library/nginx:pull"')
            ],
            [HUB],
        ),
        (['Basic realm="x"', 'Bearer realm="y"'], [
            challenge("basic", realm="x"), challenge("bearer", realm="y")
        ]),
        (['Basic realm="x", charset="UTF-8", Bearer realm="y",scope="a b,c"'], [
            challenge("basic", realm="x", charset="UTF-8"),
            challenge("bearer", realm="y", scope="a b,c"),
        ]),
        (["Negotiate, Basic realm=x"], [challenge("negotiate"), challenge("basic", realm="x")]),
        (["Negotiate YWJj==, Basic realm=x"], [
            challenge("negotiate"), challenge("basic", realm="x")
        ]),
        ([r'Basic realm="a \"quoted\" \\ realm, with commas=1"'], [
            challenge("basic", realm=r'a "quoted" \ realm, with commas=1')
        ]),
        (["Bearer realm=https://h/token,service=s"], [
            challenge("bearer", realm="https://h/token", service="s")
        ]),
        (['Basic realm="a",realm="b"'], [challenge("basic", realm="a")]),
        (['Basic realm=""'], [challenge("basic", realm="")]),
        (["Basic"], [challenge("basic")]),
        (['Basic realm="never ends'], [challenge("basic")]),
        ([""], []),
        ([",, ,"], []),
        (['"'], []),
        (["x" * 9000], []),
        ([], []),
    ],
)  # fmt: skip
def test_challenges(lines: list[str], expected: list[Challenge]) -> None:
    assert list(parse_challenges(lines)) == expected


def test_challenges_are_bounded() -> None:
    assert len(parse_challenges(["Basic realm=x"] * 100)) == 16
    assert len(parse_challenges([", ".join(["Basic realm=x"] * 100)])) == 16


@given(st.text(alphabet='Bb=" ,\\a1\t', max_size=200))
def test_any_text_is_read_to_its_end(text: str) -> None:
    for found in parse_challenges([text, 'Bearer realm="r"']):
        assert found.scheme == found.scheme.lower()
    assert parse_challenges([text, 'Bearer realm="r"'])[-1:] == (
        challenge("bearer", realm="r"),
    ) or (len(parse_challenges([text])) == 16)
