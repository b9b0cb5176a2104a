"""A registry on loopback that plays what real ones do, and what they do wrong.

It speaks HTTP/1.1 by hand, so that it can cut, stall, lie and stay silent at any byte. `seen` are
all requests so far, in order.
"""

import asyncio
import base64
import itertools
import json
import re
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from homeport.oci.digest import Digest, digest_of

_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")
_BLOB = re.compile(r"/v2/(.+)/blobs/([^/]+)")
_TAGS = re.compile(r"/v2/(.+)/tags/list")
_REFERRERS = re.compile(r"/v2/(.+)/referrers/([^/]+)")
_STORED = re.compile(r"/storage/([^/]+)")
_INDEX = "application/vnd.oci.image.index.v1+json"
_CHUNK = 16 * 1024


class Seen(NamedTuple):
    """A request as it arrived; names of `headers` in lower case, repeated ones joined by commas."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Fault:
    """What goes wrong; each attribute is one thing, and they combine.

    `status`, `headers`, `body`, `media_type` replace those of the answer. `delay` is seconds before
    the answer, `black_hole` never answers. `cut` closes the connection after so many bytes of the
    body, `stall` falls silent there, `hold` waits there for `release()`; `pace` is seconds between
    pieces of `piece` bytes. `no_range` ignores Range, `no_length` ends the body by closing.
    `corrupt` flips the byte at that offset.
    """

    def __init__(
        self,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        media_type: str | None = None,
        delay: float = 0.0,
        black_hole: bool = False,
        cut: int | None = None,
        stall: int | None = None,
        hold: int | None = None,
        pace: float = 0.0,
        piece: int = _CHUNK,
        no_range: bool = False,
        no_length: bool = False,
        corrupt: int | None = None,
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        self.media_type = media_type
        self.delay = delay
        self.black_hole = black_hole
        self.cut = cut
        self.stall = stall
        self.hold = hold
        self.pace = pace
        self.piece = piece
        self.no_range = no_range
        self.no_length = no_length
        self.corrupt = corrupt
        self.held = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def released(self) -> None:
        """Wait where `hold` says; `held` tells the test that it came here."""
        self.held.set()
        await self._released.wait()


def busy(retry_after: str | None = None) -> Fault:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(status=429, headers=headers, body=_error("TOOMANYREQUESTS"))


def html(status: int = 200) -> Fault:
    """What a captive portal or a load balancer says."""
    body = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"
    return Fault(status=status, media_type="text/html; charset=utf-8", body=body)


class _Answer:
    def __init__(
        self,
        status: int = 200,
        body: bytes = b"",
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.media_type = media_type
        self.headers = dict(headers or {})


class _Rule:
    def __init__(self, method: str | None, pattern: str, fault: Fault, times: int | None) -> None:
        self.method = method
        self.pattern = re.compile(pattern)
        self.fault = fault
        self.times = times


class FakeRegistry:
    """`url` is its address while the context is open. Attributes may be changed at any time."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        prefix: str = "",
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        self.prefix = prefix
        self.port = 0
        self.seen: list[Seen] = []
        self.sent = 0
        """Bytes of bodies that were written."""
        self.connections = 0
        self.users: dict[str, str] = {}
        self.identity_tokens: dict[str, str] = {}
        self.auth: str | None = None
        """None, `basic` or `bearer`."""
        self.anonymous = True
        """Whether the token service gives tokens to nobody."""
        self.realm: str | None = None
        self.token_lifetime: int | None = 300
        self.blobs_at: str | None = None
        """The base URL of another FakeRegistry that blobs are redirected to (`/storage/…`)."""
        self.storage: dict[str, bytes] = {}
        self.has_referrers = True
        self.page = 1000
        self.extra: dict[str, str] = {}
        """Headers of every answer of the API."""
        self._manifests: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._tags: dict[str, dict[str, Digest]] = {}
        self._blobs: dict[tuple[str, str], bytes] = {}
        self._referrers: dict[tuple[str, str], list[dict[str, object]]] = {}
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._rules: list[_Rule] = []
        self._ssl = ssl_context
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        scheme = "http" if self._ssl is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; on the same port again after a `stop`."""
        self._server = await asyncio.start_server(
            self._accept, self.host, self.port, ssl=self._ssl, limit=256 * 1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on, and end those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What it holds

    def add_manifest(
        self, repository: str, content: bytes, media_type: str = _INDEX, *, tag: str | None = None
    ) -> Digest:
        digest = digest_of(content)
        self._manifests[repository, digest] = (content, media_type)
        self._tags.setdefault(repository, {})
        if tag is not None:
            self._tags[repository][tag] = digest
        return digest

    def add_blob(self, repository: str, content: bytes) -> Digest:
        digest = digest_of(content)
        self._blobs[repository, digest] = content
        return digest

    def add_referrer(self, repository: str, subject: str, descriptor: dict[str, object]) -> None:
        self._referrers.setdefault((repository, subject), []).append(descriptor)

    def add_tags(self, repository: str, *tags: str) -> None:
        known = self._tags.setdefault(repository, {})
        known.update(dict.fromkeys(tags, digest_of(b"")))

    def remove(self, repository: str) -> None:
        """Forget a repository."""
        self._tags.pop(repository, None)
        self._manifests = {k: held for k, held in self._manifests.items() if k[0] != repository}
        self._blobs = {k: held for k, held in self._blobs.items() if k[0] != repository}

    # What it does wrong, and what it was asked

    def on(
        self, pattern: str, fault: Fault, *, method: str | None = None, times: int | None = None
    ) -> Fault:
        """Apply a fault where the expression is found in the path; the first that fits wins."""
        self._rules.append(_Rule(method, pattern, fault, times))
        return fault

    def heal(self) -> None:
        self._rules.clear()

    def revoke_tokens(self) -> None:
        self._tokens.clear()

    def asked(self, pattern: str, method: str | None = None) -> list[Seen]:
        return [
            seen
            for seen in self.seen
            if re.search(pattern, seen.path) and method in (None, seen.method)
        ]

    # The wire

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.rstrip("\r\n").split("\r\n")
        method, target, _ = line.split(" ")
        headers: dict[str, str] = {}
        for name, _, text in (entry.partition(":") for entry in rest):
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {text.strip()}" if key in headers else text.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        seen = Seen(method, unquote(parts.path), query, headers, body)
        self.seen.append(seen)
        fault = self._fault(seen)
        if fault.black_hole:
            await asyncio.sleep(3600)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        return await self._write(writer, seen, self._shape(seen, fault), fault)

    def _fault(self, seen: Seen) -> Fault:
        for rule in self._rules:
            if rule.method not in (None, seen.method) or not rule.pattern.search(seen.path):
                continue
            if rule.times is not None:
                if rule.times <= 0:
                    continue
                rule.times -= 1
            return rule.fault
        return Fault()

    def _shape(self, seen: Seen, fault: Fault) -> _Answer:
        if fault.status is not None:
            answer = _Answer(fault.status, fault.body or b"")
        else:
            answer = self._answer(seen)
            if fault.body is not None:
                answer.body = fault.body
        if fault.media_type is not None:
            answer.media_type = fault.media_type
        if fault.corrupt is not None and fault.corrupt < len(answer.body):
            wrong = bytearray(answer.body)
            wrong[fault.corrupt] ^= 0xFF
            answer.body = bytes(wrong)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", seen.headers.get("range", ""))
        ranged = answer.headers.pop("X-Ranges", None) is not None
        if wanted and ranged and answer.status == 200 and not fault.no_range:
            _cut_range(answer, int(wanted[1]), wanted[2])
        answer.headers.update(fault.headers)
        return answer

    async def _write(
        self, writer: asyncio.StreamWriter, seen: Seen, answer: _Answer, fault: Fault
    ) -> bool:
        lines = [f"HTTP/1.1 {answer.status} Status", f"Content-Type: {answer.media_type}"]
        if not fault.no_length:
            lines.append(f"Content-Length: {len(answer.body)}")
        else:
            lines.append("Connection: close")
        lines += [f"{name}: {text}" for name, text in answer.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if seen.method != "HEAD":
            await self._write_body(writer, answer.body, fault)
        await writer.drain()
        return not fault.no_length

    async def _write_body(self, writer: asyncio.StreamWriter, body: bytes, fault: Fault) -> None:
        marks = {mark for mark in (fault.cut, fault.stall, fault.hold) if mark is not None}
        position = 0
        while position < len(body) or position in marks:
            if position == fault.cut:
                await writer.drain()
                raise ConnectionResetError
            if position == fault.stall:
                await writer.drain()
                await asyncio.sleep(3600)
            if position == fault.hold:
                await writer.drain()
                await fault.released()
            marks.discard(position)
            end = min(
                [position + fault.piece, len(body), *(mark for mark in marks if mark > position)]
            )
            writer.write(body[position:end])
            self.sent += end - position
            position = end
            await writer.drain()
            if fault.pace:
                await asyncio.sleep(fault.pace)

    # The API

    def _answer(self, seen: Seen) -> _Answer:
        if seen.path == "/token":
            return self._token(seen)
        stored = _STORED.fullmatch(seen.path)
        if stored:
            content = self.storage.get(stored[1])
            if content is None:
                body = b"<Error><Code>NoSuchKey</Code></Error>"
                return _Answer(404, body, "application/xml")
            return _Answer(200, content, "application/octet-stream", {"X-Ranges": "1"})
        refused = self._authorize(seen)
        answer = refused or self._registry(seen)
        answer.headers.update(self.extra)
        return answer

    def _registry(self, seen: Seen) -> _Answer:
        path = seen.path
        if path == "/v2/":
            return _Answer(200, b"{}", headers={"Docker-Distribution-Api-Version": "registry/2.0"})
        if self.prefix:
            if not path.startswith(f"/v2/{self.prefix}/"):
                return _Answer(404, _error("NAME_UNKNOWN"))
            path = "/v2/" + path.removeprefix(f"/v2/{self.prefix}/")
        for pattern, answering in (
            (_MANIFEST, self._manifest),
            (_BLOB, self._blob),
            (_TAGS, self._list),
            (_REFERRERS, self._refer),
        ):
            found = pattern.fullmatch(path)
            if found:
                return answering(seen, *found.groups())
        return _Answer(404, b"404 page not found\n", "text/plain")

    def _manifest(self, _: Seen, repository: str, reference: str) -> _Answer:
        digest = self._tags.get(repository, {}).get(reference, reference)
        found = self._manifests.get((repository, digest))
        if found is None:
            return _Answer(404, _error("MANIFEST_UNKNOWN"))
        return _Answer(200, found[0], found[1], {"Docker-Content-Digest": digest})

    def _blob(self, seen: Seen, repository: str, digest: str) -> _Answer:
        content = self._blobs.get((repository, digest))
        if content is None:
            return _Answer(404, _error("BLOB_UNKNOWN"))
        if self.blobs_at is not None and seen.method == "GET":
            location = f"{self.blobs_at}/storage/{digest}?signature={next(self._numbers)}"
            return _Answer(307, headers={"Location": location})
        headers = {"Docker-Content-Digest": digest, "X-Ranges": "1"}
        return _Answer(200, content, "application/octet-stream", headers)

    def _list(self, seen: Seen, repository: str) -> _Answer:
        if repository not in self._tags:
            return _Answer(404, _error("NAME_UNKNOWN"))
        tags = sorted(self._tags[repository])
        last = seen.query.get("last")
        tags = [tag for tag in tags if last is None or tag > last]
        size = min(int(seen.query.get("n", self.page)), self.page)
        body = json.dumps({"name": repository, "tags": tags[:size]}).encode()
        answer = _Answer(200, body)
        if len(tags) > size:
            path = f"{seen.path}?n={size}&last={quote(tags[size - 1])}"
            answer.headers["Link"] = f'<{path}>; rel="next"'
        return answer

    def _refer(self, _: Seen, repository: str, digest: str) -> _Answer:
        if not self.has_referrers:
            return _Answer(404, b"404 page not found\n", "text/plain")
        found = self._referrers.get((repository, digest), [])
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": found}
        return _Answer(200, json.dumps(index).encode(), _INDEX)

    # Who may

    def _authorize(self, seen: Seen) -> _Answer | None:
        said = seen.headers.get("authorization", "")
        if self.auth == "basic" and not self._knows(said):
            return _Answer(
                401, _error("UNAUTHORIZED"), headers={"WWW-Authenticate": 'Basic realm="fake"'}
            )
        if self.auth != "bearer":
            return None
        scope = self._scope(seen.path)
        granted = self._tokens.get(said.removeprefix("Bearer "))
        if granted is not None and (not scope or scope in granted.split(" ")):
            return None
        realm = self.realm or f"{self.url}/token"
        challenge = f'Bearer realm="{realm}",service="fake, registry"'
        if scope:
            challenge += f',scope="{scope}"'
        return _Answer(401, _error("UNAUTHORIZED"), headers={"WWW-Authenticate": challenge})

    def _scope(self, path: str) -> str:
        for pattern in (_MANIFEST, _BLOB, _TAGS, _REFERRERS):
            found = pattern.fullmatch(path)
            if found:
                return f"repository:{found[1]}:pull"
        return ""

    def _knows(self, said: str) -> bool:
        kind, _, encoded = said.partition(" ")
        if kind.lower() != "basic":
            return False
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return user in self.users and self.users[user] == password

    def _token(self, seen: Seen) -> _Answer:
        if seen.method == "POST":
            form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
            if form.get("refresh_token") not in self.identity_tokens:
                return _Answer(401, _error("UNAUTHORIZED"))
            scope, name = form.get("scope", ""), "access_token"
        else:
            said = seen.headers.get("authorization")
            if (said is None and not self.anonymous) or (
                said is not None and not self._knows(said)
            ):
                return _Answer(401, _error("UNAUTHORIZED"))
            scope, name = seen.query.get("scope", ""), "token"
        token = f"token-{next(self._numbers)}"
        self._tokens[token] = scope
        answer: dict[str, object] = {name: token}
        if self.token_lifetime is not None:
            answer["expires_in"] = self.token_lifetime
        return _Answer(200, json.dumps(answer).encode())


def _cut_range(answer: _Answer, start: int, stop: str) -> None:
    total = len(answer.body)
    if start >= total:
        answer.status, answer.body = 416, b""
        answer.headers["Content-Range"] = f"bytes */{total}"
        return
    end = min(int(stop), total - 1) if stop else total - 1
    answer.status = 206
    answer.body = answer.body[start : end + 1]
    answer.headers["Content-Range"] = f"bytes {start}-{end}/{total}"


def _error(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
