"""Putting and deleting manifests and tags (end-7, end-9)."""

from collections.abc import Callable, Sequence

from homeport.mirror.errors import NoSpaceError, RegistryError
from homeport.mirror.model.config import LimitsConfig
from homeport.mirror.model.endpoint import Manifests
from homeport.mirror.model.exchange import Reply, Request
from homeport.mirror.model.names import Repository, Target
from homeport.mirror.model.record import Outcome
from homeport.mirror.push import refusal
from homeport.mirror.push.location import manifest_path
from homeport.mirror.push.namespaces import Namespaces
from homeport.mirror.push.protection import Protection
from homeport.mirror.store.api import Hold, ImmutableTagError, Metadata
from homeport.oci.digest import Digest, algorithm_of, digest_of
from homeport.oci.error_code import ErrorCode
from homeport.oci.manifest import Manifest, parse_manifest
from homeport.oci.media_type import IMAGES, INDEXES, bare, is_distributable
from homeport.oci.reference import Tag, parse_reference, parse_tag

MAX_TAGS = 100
"""Tags that one push by digest may set (the specification asks for ten)."""

_HOLD_SECONDS = 3600.0
_NAMED = 20
"""Missing digests that a refusal lists."""


class ManifestWriter:
    """The half of the writer that deals with manifests."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        namespaces: Namespaces,
        limits: LimitsConfig,
        clock: Callable[[], float],
    ) -> None:
        self._metadata = metadata
        self._namespaces = namespaces
        self._limits = limits
        self._clock = clock
        self._protection = Protection(metadata, namespaces)

    def replace(self, limits: LimitsConfig) -> None:
        self._limits = limits

    async def put(self, request: Request, target: Target, endpoint: Manifests) -> Reply:
        """end-7a and end-7b."""
        repository = target.repository
        immutable = self._namespaces.immutable(repository)
        reference = _reference(endpoint.reference)
        by_digest = ":" in reference
        extra = _extra_tags(request.tags) if by_digest else ()
        tags = extra if by_digest else (Tag(reference),)
        media_type = _media_type(request)
        content = await self._content(request)
        manifest = _parse(content, media_type, Digest(reference) if by_digest else None)
        if repository.is_overlay:
            _check_referrer(manifest, repository, tags)
        await self._check_references(repository, manifest)
        try:
            await self._metadata.put_manifest(
                repository,
                manifest,
                tags=tags,
                at=self._clock(),
                durable=True,
                immutable=immutable,
            )
        except ImmutableTagError as error:
            raise self._immutable(repository, str(error.args[0])) from None
        except NoSpaceError:
            raise refusal.no_space() from None
        return _created(target, manifest, extra)

    async def delete(self, target: Target, endpoint: Manifests) -> Reply:
        """end-9: a tag alone, or a manifest with all its tags."""
        self._namespaces.of(target.repository)
        reference = _reference(endpoint.reference)
        if ":" in reference:
            return await self._delete_manifest(target, Digest(reference))
        return await self._delete_tag(target, reference)

    async def _delete_tag(self, target: Target, tag: str) -> Reply:
        repository = target.repository
        row = await self._metadata.tag(repository, tag)
        if row is None:
            raise RegistryError(ErrorCode.MANIFEST_UNKNOWN, f"{target.asked} has no tag {tag}")
        immutable = self._namespaces.immutable(repository)
        if immutable is not None and immutable(tag):
            raise self._immutable(repository, tag)
        await self._metadata.delete_tag(repository, tag)
        return Reply(status=202, outcome=Outcome(digest=row.digest, media_type=row.media_type))

    async def _delete_manifest(self, target: Target, digest: Digest) -> Reply:
        repository = target.repository
        if await self._metadata.manifest(repository, digest) is None:
            raise RegistryError(
                ErrorCode.MANIFEST_UNKNOWN, f"{target.asked} has no manifest {digest} of its own"
            )
        tag = await self._protection.of_manifest(repository, digest)
        if tag is not None:
            raise self._immutable(repository, tag)
        if not await self._metadata.delete_manifest(repository, digest):
            raise RegistryError(
                ErrorCode.MANIFEST_UNKNOWN, f"{target.asked} has no manifest {digest}"
            )
        return Reply(status=202, outcome=Outcome(digest=digest))

    def _immutable(self, repository: Repository, tag: str) -> RegistryError:
        config = self._namespaces.of(repository)
        return refusal.immutable_tag(tag, "" if config is None else config.name)

    async def _content(self, request: Request) -> bytes:
        limit = self._limits.manifest_bytes
        if request.length is not None and request.length > limit:
            raise refusal.manifest_too_large(limit)
        content = bytearray()
        if request.body is not None:
            async for data in request.body:
                if len(content) + len(data) > limit:
                    raise refusal.manifest_too_large(limit)
                content += data
        if request.length is not None and len(content) != request.length:
            raise RegistryError(
                ErrorCode.SIZE_INVALID,
                f"{len(content)} of {request.length} announced bytes arrived",
            )
        return bytes(content)

    async def _check_references(self, repository: Repository, manifest: Manifest) -> None:
        """Everything but the subject and non-distributable layers must be in the repository."""
        needed = dict.fromkeys(
            each.digest
            for each in (*manifest.blobs, *manifest.manifests)
            if is_distributable(each.media_type)
        )
        if not needed:
            return
        await self._require(repository, needed)
        # What is there now might be collected before the manifest links it: hold, then look again.
        # Not held at once, so that made-up digests leave no rows.
        await self._metadata.hold(needed, Hold.UPLOAD, until=self._clock() + _HOLD_SECONDS)
        await self._require(repository, needed)

    async def _require(self, repository: Repository, digests: dict[Digest, None]) -> None:
        missing = await self._metadata.missing(repository, digests)
        if not missing:
            return
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise RegistryError(
            ErrorCode.MANIFEST_BLOB_UNKNOWN,
            f"the manifest references {missing[0]}{more}, which the repository does not have",
            detail={"missing": list(missing[:_NAMED])},
        )


def _reference(text: str) -> Tag | Digest:
    try:
        return parse_reference(text)
    except ValueError as error:
        code = ErrorCode.DIGEST_INVALID if ":" in text else ErrorCode.MANIFEST_INVALID
        raise RegistryError(code, str(error)) from None


def _extra_tags(texts: Sequence[str]) -> tuple[Tag, ...]:
    if len(texts) > MAX_TAGS:
        raise RegistryError(
            ErrorCode.MANIFEST_INVALID, f"one push sets {MAX_TAGS} tags at most", status=414
        )
    try:
        return tuple(dict.fromkeys(parse_tag(text) for text in texts))
    except ValueError as error:
        raise RegistryError(ErrorCode.MANIFEST_INVALID, str(error)) from None


def _media_type(request: Request) -> str:
    media_type = bare(request.headers.get("Content-Type", ""))
    if media_type in IMAGES or media_type in INDEXES:
        return media_type
    if not media_type:
        said = "the manifest has no Content-Type"
    else:
        said = f"{media_type[:100]!r} is no media type of manifests that can be pushed here"
    raise RegistryError(ErrorCode.MANIFEST_INVALID, f"{said}; use one of OCI or Docker schema 2")


def _parse(content: bytes, media_type: str, digest: Digest | None) -> Manifest:
    if digest is not None and digest_of(content, algorithm_of(digest)) != digest:
        raise RegistryError(
            ErrorCode.DIGEST_INVALID, f"the {len(content)} bytes sent are not those of {digest}"
        )
    try:
        return parse_manifest(content, media_type, digest=digest)
    except ValueError as error:
        raise RegistryError(ErrorCode.MANIFEST_INVALID, str(error)) from None


def _check_referrer(manifest: Manifest, overlay: Repository, tags: Sequence[str]) -> None:
    if manifest.subject is not None and not tags:
        return
    raise RegistryError(
        ErrorCode.DENIED,
        f"{overlay.mirrored} is a mirror of its upstream, which takes here only manifests with a"
        " subject (signatures, SBOMs), pushed by digest; push images to a local namespace",
    )


def _created(target: Target, manifest: Manifest, tags: Sequence[str]) -> Reply:
    headers = {
        "Location": manifest_path(target, manifest.digest),
        "Docker-Content-Digest": manifest.digest,
    }
    if manifest.subject is not None:
        headers["OCI-Subject"] = manifest.subject.digest
    if tags:
        headers["OCI-Tag"] = ", ".join(tags)
    return Reply(
        status=201,
        headers=headers,
        outcome=Outcome(
            digest=manifest.digest, media_type=manifest.media_type, size=len(manifest.content)
        ),
    )
