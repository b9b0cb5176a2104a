import pytest

from homeport.mirror.control.words import why
from homeport.mirror.model.record import Cache, Record

STALE = "what is held was served although the upstream did not answer as it should"


def record(**fields: object) -> Record:
    known = {
        "time": 0.0,
        "request": "1",
        "listener": "main",
        "action": "pull",
        "method": "GET",
        "status": 200,
        "address": "10.0.0.1",
    }
    return Record(**{**known, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cache": "hit"}, "it was held here"),
        (
            {"status": 403, "allowed": False, "rule": "no", "reason": "not for you"},
            "denied by rule 'no': not for you",
        ),
        (
            {"status": 403, "upstream_url": "ghcr.io", "upstream_status": 401},
            "the upstream refuses it to the mirror; ghcr.io answered 401",
        ),
        (
            {"cache": "stale", "reason": "no answer in 1.5 s", "upstream_url": "quay.io"},
            f"{STALE}; quay.io was asked; no answer in 1.5 s",
        ),
        (
            {"status": 404, "cache": "negative"},
            "the upstream had said a moment ago that it has no such thing",
        ),
        ({"status": 502, "cache": "miss"}, "the upstream failed, and nothing is held"),
        ({"cache": "hit", "complete": False}, "it was held here; the answer was cut off"),
        ({"cache": "unheard of"}, "nothing more is known"),
        ({}, "nothing more is known"),
    ],
)
def test_why(fields: dict[str, object], words: str) -> None:
    assert why(record(**fields)) == words


def test_every_word_of_the_audit_is_explained() -> None:
    for cache in Cache:
        assert why(record(cache=cache.value)) != "nothing more is known"
