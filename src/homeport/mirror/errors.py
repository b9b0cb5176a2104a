"""Failures of a request, as the registry's API says them; `failure.py` turns them into bytes."""

from collections.abc import Mapping

from homeport.mirror.model.record import Outcome
from homeport.oci.error_code import STATUS, ErrorCode


class RegistryError(Exception):
    """An answer with `{"errors": [{code, message, detail}]}`.

    `detail` is JSON-able and holds no secrets; `headers` are added to the answer (Retry-After);
    `status` is the code's own where not given.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        detail: object = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.detail = detail
        self.status = STATUS[code] if status is None else status
        self.headers = dict(headers or {})
        self.outcome = outcome
        super().__init__(f"{code}: {message}")


class CutError(Exception):
    """A response that has begun and must not be completed: the connection is closed."""


class StoreError(Exception):
    """The store failed (disk, database); `str()` is for the operator's log, not for clients."""


class NoSpaceError(StoreError):
    """The store cannot take more bytes: the disk is full or the quota is reached."""


class DigestMismatchError(Exception):
    """The bytes are not those that the digest names."""
