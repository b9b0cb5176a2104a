"""What a registry, or the way to it, did wrong. `str()` names host and cause, never a secret."""


class RemoteError(Exception):
    """`host` is the one that failed, `status` its HTTP status where it answered, `detail` a bounded
    and redacted piece of what it said."""

    def __init__(
        self, message: str, *, host: str = "", status: int | None = None, detail: str = ""
    ) -> None:
        self.host = host
        self.status = status
        self.detail = detail
        super().__init__(message)


class NotFoundError(RemoteError):
    """A true 404 of the registry's API: it says that it has no such thing."""


class DeniedError(RemoteError):
    """401 or 403, after any challenge was met as far as the credentials allow."""


class BusyError(RemoteError):
    """429. `retry_after` is seconds, None where it did not say."""

    def __init__(
        self, message: str, *, host: str = "", detail: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, host=host, status=429, detail=detail)
        self.retry_after = retry_after


class FailedError(RemoteError):
    """5xx, or an answer that is none of a registry."""


class UnreachableError(RemoteError):
    """No connection: DNS, refused, TLS, a proxy; or every source is out by its breaker."""


class TimedOutError(RemoteError):
    """No answer in time."""


class CrowdedError(TimedOutError):
    """It was not asked: too many of our own requests wait for it. Says nothing of the registry."""


class CutError(RemoteError):
    """A transfer ended before its end."""


class ForbiddenTargetError(RemoteError):
    """A redirect or token realm leads where it may not (redirect_hosts, auth_hosts)."""
