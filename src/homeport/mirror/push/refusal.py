"""Why something is not written, in words that docker, podman and skopeo show their users."""

from homeport.mirror.errors import RegistryError
from homeport.oci.digest import Digest, parse_digest
from homeport.oci.error_code import ErrorCode

_GIB = 1024**3
_MIB = 1024**2


def size_words(size: int) -> str:
    """A size for a message: whole bytes while they are few."""
    for unit, name in ((_GIB, "GiB"), (_MIB, "MiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def read_only() -> RegistryError:
    return RegistryError(
        ErrorCode.UNSUPPORTED, "the registry is in read-only mode; nothing can be pushed or deleted"
    )


def unknown_upload() -> RegistryError:
    return RegistryError(
        ErrorCode.BLOB_UPLOAD_UNKNOWN, "no such upload: it was finished, cancelled or has expired"
    )


def busy_upload() -> RegistryError:
    return RegistryError(
        ErrorCode.BLOB_UPLOAD_INVALID,
        "another request is writing to this upload",
        status=409,
        headers={"Retry-After": "1"},
    )


def too_many_uploads(limit: int) -> RegistryError:
    return RegistryError(
        ErrorCode.TOOMANYREQUESTS,
        f"{limit} uploads are open, which is the limit; finish or cancel some",
        headers={"Retry-After": "30"},
    )


def blob_too_large(limit: int) -> RegistryError:
    return RegistryError(
        ErrorCode.SIZE_INVALID, f"a blob may have {size_words(limit)} at most", status=413
    )


def manifest_too_large(limit: int) -> RegistryError:
    return RegistryError(
        ErrorCode.SIZE_INVALID, f"a manifest may have {size_words(limit)} at most", status=413
    )


def over_quota(namespace: str, quota: int) -> RegistryError:
    return RegistryError(
        ErrorCode.DENIED,
        f"the namespace {namespace} would exceed its quota of {size_words(quota)}",
        detail={"namespace": namespace, "quota": quota},
    )


def no_space() -> RegistryError:
    return RegistryError(ErrorCode.UNAVAILABLE, "the registry's storage is full", status=507)


def unknown_namespace(name: str) -> RegistryError:
    return RegistryError(
        ErrorCode.DENIED, f"{name} is in no namespace that this registry keeps; push to another"
    )


def immutable_tag(tag: str, namespace: str) -> RegistryError:
    return RegistryError(
        ErrorCode.DENIED,
        f"the tag {tag} is immutable in the namespace {namespace}: push under another tag",
        detail={"tag": tag, "namespace": namespace},
    )


def checked_digest(text: str | None) -> Digest:
    """The digest that a client gave; a 400 where it is none."""
    try:
        return parse_digest(text or "")
    except ValueError as error:
        raise RegistryError(ErrorCode.DIGEST_INVALID, str(error)) from None
