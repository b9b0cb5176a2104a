"""Reading blobs: from the store, from a running fill, or past both from the upstream (end-2)."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from homeport.mirror.bandwidth.api import Shaper
from homeport.mirror.errors import NoSpaceError, RegistryError
from homeport.mirror.model.endpoint import Blob
from homeport.mirror.model.exchange import FileBody, Reply, Request, StreamBody
from homeport.mirror.model.names import Target
from homeport.mirror.model.record import Cache, Outcome
from homeport.mirror.pull.blobs_reply import (
    asked_digest,
    asked_span,
    blob_reply,
    blob_unknown,
    is_empty,
    known_size,
    not_modified,
)
from homeport.mirror.pull.blobs_stream import (
    FarAhead,
    FromFill,
    FromStore,
    Stream,
    Way,
    went_through,
)
from homeport.mirror.pull.blobs_through import Throughs
from homeport.mirror.pull.fill import Fill
from homeport.mirror.pull.fill_content import Content, State
from homeport.mirror.pull.fill_download import NoRangesError
from homeport.mirror.pull.fill_policy import Origin
from homeport.mirror.pull.fills import Fills
from homeport.mirror.pull.join import Link, Proofs, RememberedError
from homeport.mirror.pull.manifests_reply import is_known_to_client
from homeport.mirror.pull.ranges import Span
from homeport.mirror.pull.upstream_error import registry_error
from homeport.mirror.store.api import Blobs as BlobStore
from homeport.mirror.store.api import Hold, Metadata, OpenBlob, StoreError
from homeport.mirror.upstream.api import Upstream
from homeport.oci.digest import Digest, algorithm_of, start_hash
from homeport.oci.error_code import ErrorCode
from homeport.remote.errors import FailedError, RemoteError

_LOG = logging.getLogger(__name__)

LINKS = 20_000
"""Links in memory; about 300 bytes each."""

HELD = 60.0
"""Seconds for which a blob is kept from the sweep while a further repository is linked to it."""

UNKNOWN_FOR = 60.0
_ROUNDS = 4


class Blobs:
    """`pull/api.BlobReader`."""

    def __init__(
        self,
        *,
        blobs: BlobStore,
        metadata: Metadata,
        upstream_of: Callable[[str], Upstream],
        shaper: Shaper,
        fills: Fills,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
        links: int = LINKS,
        unknown_for: float = UNKNOWN_FOR,
    ) -> None:
        """`upstream_of` takes the name of an upstream; `links` is how many are kept in memory. An
        upstream that truly has no such blob is asked again after `unknown_for` seconds."""
        self._store = blobs
        self._metadata = metadata
        self._upstream_of = upstream_of
        self._shaper = shaper
        self._fills = fills
        self._clock = clock
        self._policy = fills.policy
        self._proofs = Proofs(
            metadata,
            spawn=fills.spawn,
            limit=links,
            unknown_for=unknown_for,
            monotonic=monotonic,
        )
        self._throughs = Throughs(fills.means)

    async def blob(self, request: Request, target: Target, endpoint: Blob) -> Reply:
        """end-2, GET and HEAD, with ranges. Raises RegistryError."""
        digest = asked_digest(endpoint.digest)
        try:
            link = await self._proofs.linked(target.repository, digest)
            if (link is not None and link.local) or target.repository.is_local:
                return await self._local(request, target, digest, link)
            if link is not None and is_known_to_client(request, digest):
                return not_modified(target, digest)
            origin = Origin(repository=target.repository, upstream_of=self._upstream_of)
            if request.method == "HEAD":
                return await self._head(request, target, digest, origin, link)
            return await self._get(request, target, digest, origin, link)
        except RemoteError as error:
            cache = Cache.NEGATIVE if isinstance(error, RememberedError) else Cache.MISS
            raise registry_error(
                error, unknown=ErrorCode.BLOB_UNKNOWN, digest=digest, cache=cache
            ) from error
        except StoreError as error:
            _LOG.error("cannot serve %s: %s", digest, error)
            raise RegistryError(
                ErrorCode.UNKNOWN, "the mirror's store failed", outcome=Outcome(digest=digest)
            ) from error

    async def _local(
        self, request: Request, target: Target, digest: Digest, link: Link | None
    ) -> Reply:
        """Of a local repository, or of a mirrored one's overlay: from the store or not at all."""
        if link is None:
            raise blob_unknown(digest)
        if is_known_to_client(request, digest):
            return not_modified(target, digest)
        if request.method == "HEAD":
            size = await self._store.stat(digest)
            if size is None:
                raise blob_unknown(digest)
            return blob_reply(target, digest, b"", size=size, span=None, cache=Cache.HIT)
        opened = await self._store.open(digest)
        if opened is None:
            _LOG.error("%s is linked in %s, and its bytes are lost", digest, target.repository)
            raise blob_unknown(digest)
        return self._hit(request, target, digest, opened)

    async def _head(
        self, request: Request, target: Target, digest: Digest, origin: Origin, link: Link | None
    ) -> Reply:
        """What is not here is asked for upstream, and does not begin a fill: a mirror that asks
        this one relies on the answer."""
        cache, said = Cache.MISS, None
        if link is not None:
            said = await self._store.stat(digest)
            cache = Cache.HIT
            if said is None and (fill := self._fills.running(digest)) is not None:
                said, cache = fill.content.size or known_size(digest, link.size), Cache.JOINED
        if said is None:
            cache = Cache.MISS
            said = await self._proofs.prove(origin, digest, owner=request.address)
            if said is None and link is not None:
                said = known_size(digest, link.size)
        return blob_reply(target, digest, b"", size=said, span=None, cache=cache)

    async def _get(
        self, request: Request, target: Target, digest: Digest, origin: Origin, link: Link | None
    ) -> Reply:
        if link is None:
            said = await self._proofs.prove(origin, digest, owner=request.address)
            # Held before it is looked for: the sweep must not take what is about to be linked.
            with _without_space(f"hold {digest}"):
                await self._metadata.hold((digest,), Hold.FILL, until=self._clock() + HELD)
        else:
            said = known_size(digest, link.size)
        for _ in range(_ROUNDS):
            if not await self._is_filling(digest):
                opened = await self._store.open(digest)
                if opened is not None:
                    if link is None:
                        await self._link(origin, digest, opened)
                    return self._hit(request, target, digest, opened)
            reply = await self._fill(request, target, digest, origin, said)
            if reply is not None:
                return reply
        raise FailedError("the blob comes and goes", host="")

    async def _is_filling(self, digest: Digest) -> bool:
        """Whether a running fill is the place to go. One that has just failed is let to end first:
        its error is for those who waited for it."""
        fill = self._fills.running(digest)
        if fill is not None and fill.content.state is State.CUT:
            await fill.ended.wait()
            fill = self._fills.running(digest)
        return fill is not None and fill.content.state not in (State.VERIFIED, State.PRESENT)

    async def _link(self, origin: Origin, digest: Digest, opened: OpenBlob) -> None:
        """It is here for another repository, and this one was proven to show it, too."""
        try:
            with _without_space(f"link {digest}"):
                await self._metadata.link_blob(
                    origin.repository, digest, opened.size, at=self._clock(), durable=False
                )
        except BaseException:
            opened.close()
            raise

    def _hit(self, request: Request, target: Target, digest: Digest, opened: OpenBlob) -> Reply:
        size = opened.size
        try:
            span = asked_span(request, digest, size)
        except RegistryError:
            opened.close()
            raise
        start, stop = (0, size) if span is None else (span.start, span.stop)
        flow = self._shaper.delivery(request.address, target.repository.upstream, hit=True)
        descriptor = opened.descriptor
        body: FileBody | StreamBody
        if descriptor is None:
            stream = Stream(FromStore(opened, start, stop, self._policy.piece), stop - start, flow)
            body = _body(stream, stop - start)
        else:

            def close() -> None:
                opened.close()
                if flow is not None:
                    flow.close()

            body = FileBody(
                descriptor=descriptor,
                offset=start,
                length=stop - start,
                close=close,
                pace=None if flow is None else flow.take,
            )
        return blob_reply(target, digest, body, size=size, span=span, cache=Cache.HIT)

    async def _fill(
        self, request: Request, target: Target, digest: Digest, origin: Origin, hint: int | None
    ) -> Reply | None:
        """From the fill of this digest, running or new. None: look into the store again."""
        fill, joined = self._fills.join(digest, origin, hint=hint, address=request.address)
        try:
            content = await fill.opened(origin)
            if content.state is State.PRESENT:
                reply = None
            elif content.state is State.SPILLED:
                reply = await self._pass(request, target, digest, fill, hint)
            else:
                return await self._from_fill(request, target, fill, content, joined=joined)
        except BaseException:
            await fill.leave()
            raise
        await fill.leave()
        return reply

    async def _from_fill(
        self, request: Request, target: Target, fill: Fill, content: Content, *, joined: bool
    ) -> Reply:
        digest, size = fill.digest, content.size
        span = asked_span(request, digest, size)
        if size == 0 and await content.settled() is not State.VERIFIED:
            raise FailedError("the upstream says that the blob is empty, which is wrong")
        cache = Cache.JOINED if joined else Cache.MISS
        way: Way | None = None
        if span is not None and size is not None:
            way = await self._far_ahead(request, fill, content, span, size)
        if way is not None:
            cache = Cache.THROUGH
        else:
            way = FromFill(
                fill,
                content,
                self._throughs,
                start=0 if span is None else span.start,
                stop=size if span is None else span.stop,
                owner=request.address,
                spilled=lambda: went_through(reply, digest),
            )
        reply = self._streamed(
            request, target, digest, way, size=size, span=span, cache=cache, source=content.source
        )
        return reply

    async def _far_ahead(
        self, request: Request, fill: Fill, content: Content, span: Span, size: int
    ) -> FarAhead | None:
        """None where the fill will be there soon, or the range is nothing but the end, or there is
        no way through: the client then waits for the fill."""
        policy = self._policy
        tail = span.stop if span.stop < size else max(span.start, size - policy.withheld)
        near = span.start <= content.end + policy.ahead or content.state is State.VERIFIED
        if near or tail == span.start or self._throughs.is_full:
            return None
        try:
            async with asyncio.timeout(policy.ahead_wait):
                through = await self._throughs.open(
                    fill.digest,
                    fill.origins,
                    start=span.start,
                    stop=tail,
                    hint=size,
                    avoid=fill.avoid,
                    skippable=policy.ahead,
                    owner=request.address,
                )
        except (RemoteError, RegistryError, NoRangesError, TimeoutError) as error:
            _LOG.info("no way through for a range of %s: %s", fill.digest, error)
            return None
        return FarAhead(fill, content, through, start=span.start, tail=tail, stop=span.stop)

    async def _pass(
        self, request: Request, target: Target, digest: Digest, fill: Fill, hint: int | None
    ) -> Reply:
        """Nothing can be stored. A range that includes the end could not be verified, so it is
        answered with the whole (RFC 9110, 14.2: Range may be ignored)."""
        span = asked_span(request, digest, hint)
        if span is not None and span.stop == hint:
            span = None
        through = await self._throughs.open(
            digest,
            fill.origins,
            start=0 if span is None else span.start,
            stop=None if span is None else span.stop,
            hint=hint,
            prefix=start_hash(algorithm_of(digest)) if span is None else None,
            avoid=fill.avoid,
            owner=request.address,
        )
        said = through.download.size
        size = hint if said is None else said
        if (size == 0 and not is_empty(digest)) or (span is not None and size != hint):
            await through.close()
            raise FailedError("the upstream says another size", host=through.download.source or "")
        return self._streamed(
            request,
            target,
            digest,
            through,
            size=size,
            span=span,
            cache=Cache.THROUGH,
            source=through.download.source,
        )

    def _streamed(
        self,
        request: Request,
        target: Target,
        digest: Digest,
        way: Way,
        *,
        size: int | None,
        span: Span | None,
        cache: Cache,
        source: str | None,
    ) -> Reply:
        length = size if span is None else span.stop - span.start
        flow = self._shaper.delivery(request.address, target.repository.upstream, hit=False)
        stream = Stream(way, length, flow)
        stream.reply = blob_reply(
            target,
            digest,
            _body(stream, length),
            size=size,
            span=span,
            cache=cache,
            source=source,
        )
        return stream.reply


def _body(stream: Stream, length: int | None) -> StreamBody:
    return StreamBody(chunks=stream, length=length, close=stream.close, pace=stream.pace)


@contextmanager
def _without_space(what: str) -> Iterator[None]:
    """On a full disk a client that was proven to have a right gets its bytes all the same; the next
    one is proven anew."""
    try:
        yield
    except NoSpaceError as error:
        _LOG.warning("cannot %s: %s", what, error)
