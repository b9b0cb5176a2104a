"""The one table of what a client is told when the upstream fails."""

import pytest

from homeport.mirror.failure import failure
from homeport.mirror.model.record import Cache
from homeport.mirror.pull.upstream_error import registry_error
from homeport.oci.error_code import ErrorCode
from homeport.remote import errors as remote


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (remote.NotFoundError("none", status=404), 404, "BLOB_UNKNOWN"),
        (remote.DeniedError("no", status=401), 403, "DENIED"),
        (remote.DeniedError("no", status=403), 403, "DENIED"),
        (remote.BusyError("slow down"), 429, "TOOMANYREQUESTS"),
        (remote.TimedOutError("silence"), 504, "TIMEOUT"),
        (remote.UnreachableError("refused"), 502, "UNAVAILABLE"),
        (remote.FailedError("oops", status=503), 502, "UNAVAILABLE"),
        (remote.CutError("short"), 502, "UNAVAILABLE"),
        (remote.ForbiddenTargetError("10.0.0.1"), 502, "UNAVAILABLE"),
        (remote.RemoteError("something new"), 502, "UNAVAILABLE"),
    ],
)
def test_each_failure_has_its_answer(error: remote.RemoteError, status: int, code: str) -> None:
    told = registry_error(error, unknown=ErrorCode.BLOB_UNKNOWN)
    assert (told.status, told.code) == (status, code)


@pytest.mark.parametrize("code", [ErrorCode.MANIFEST_UNKNOWN, ErrorCode.NAME_UNKNOWN])
def test_a_true_404_has_the_code_of_what_was_asked_for(code: ErrorCode) -> None:
    told = registry_error(remote.NotFoundError("none"), unknown=code)
    assert (told.status, told.code) == (404, code)


def test_a_refusal_names_host_and_status_in_the_detail_and_is_never_a_challenge() -> None:
    error = remote.DeniedError("no", host="ghcr.io", status=401, detail="token expired")
    reply = failure(registry_error(error, unknown=ErrorCode.BLOB_UNKNOWN), challenges=True)
    assert reply.status == 403
    assert "WWW-Authenticate" not in reply.headers
    assert b'"upstream":"ghcr.io"' in reply.body  # type: ignore[operator]
    assert b'"status":401' in reply.body  # type: ignore[operator]


def test_the_audit_learns_who_answered_what() -> None:
    error = remote.FailedError("boom", host="quay.io", status=500)
    told = registry_error(
        error, unknown=ErrorCode.BLOB_UNKNOWN, digest="sha256:0", cache=Cache.MISS
    )
    assert told.outcome is not None
    assert told.outcome.upstream_url == "quay.io"
    assert told.outcome.upstream_status == 500
    assert told.outcome.detail == "boom"
    assert (told.outcome.digest, told.outcome.cache) == ("sha256:0", Cache.MISS)


@pytest.mark.parametrize(
    ("said", "told"),
    [(None, "60"), (0.2, "1"), (7.1, "8"), (1e9, "3600"), (float("nan"), "60"), (-5.0, "1")],
)
def test_the_wait_of_a_429_is_handed_on_within_bounds(said: float | None, told: str) -> None:
    error = registry_error(
        remote.BusyError("busy", retry_after=said), unknown=ErrorCode.BLOB_UNKNOWN
    )
    assert error.headers == {"Retry-After": told}


def test_only_a_429_asks_to_wait() -> None:
    told = registry_error(remote.FailedError("x"), unknown=ErrorCode.BLOB_UNKNOWN)
    assert told.headers == {}


def test_a_forbidden_redirect_names_the_remedy() -> None:
    told = registry_error(remote.ForbiddenTargetError("to 10.1"), unknown=ErrorCode.BLOB_UNKNOWN)
    assert "redirect_hosts" in str(told.detail)


def test_what_an_upstream_said_is_bounded() -> None:
    told = registry_error(
        remote.FailedError("x" * 9999, detail="y" * 9999), unknown=ErrorCode.BLOB_UNKNOWN
    )
    assert len(str(told.detail)) < 1000
