"""Docker's API on a Unix socket: what is asked of a daemon, and nothing more.

Paths carry no version: the daemon then answers as its newest. Every answer is bounded.
"""

import http.client
import json
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional
from urllib.parse import quote, urlencode

from homeport.enroll.errors import EngineError
from homeport.enroll.host import Host

ASK = 5.0
PULL = 180.0
_ANSWER = 8 * 1024 * 1024
_LINE = 64 * 1024
_HEADERS = {"Host": "docker", "User-Agent": "homeport-enroll"}


class Registries(NamedTuple):
    """What a daemon holds. `insecure` are HOST:PORT that may be asked over HTTP, `networks` those
    whose every host may."""

    mirrors: tuple[str, ...]
    insecure: tuple[str, ...]
    networks: tuple[str, ...]


def read_registries(info: Mapping[str, Any]) -> Registries:
    """From the answer of `/info`, whatever that is."""
    found = info.get("RegistryConfig")
    found = found if isinstance(found, dict) else {}
    index = found.get("IndexConfigs")
    entries = index.items() if isinstance(index, dict) else ()
    insecure = [
        str(name) for name, entry in entries if isinstance(entry, dict) and not entry.get("Secure")
    ]
    networks = texts(found.get("InsecureRegistryCIDRs"))
    return Registries(texts(found.get("Mirrors")), tuple(insecure), networks)


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a list; none of what is no list."""
    entries = value if isinstance(value, list) else ()
    return tuple(entry for entry in entries if isinstance(entry, str))


class _OnSocket(http.client.HTTPConnection):
    def __init__(self, host: Host, path: str, limit: float) -> None:
        super().__init__("docker", timeout=limit)
        self._host = host
        self._path = path

    def connect(self) -> None:
        self.sock = self._host.connect(self._path, self.timeout or ASK)


class Daemon:
    """The daemon behind a socket. All raise EngineError."""

    def __init__(self, host: Host, path: str) -> None:
        self._host = host
        self.path = path

    def version(self) -> Mapping[str, Any]:
        return self._object("/version")

    def info(self) -> Mapping[str, Any]:
        return self._object("/info")

    def registries(self) -> Registries:
        return read_registries(self.info())

    def running(self) -> tuple[str, ...]:
        """Names of the containers that run."""
        found = self._ask("GET", "/containers/json")[1]
        names = []
        for entry in found if isinstance(found, list) else []:
            given = texts(entry.get("Names")) if isinstance(entry, dict) else ()
            names += [name.lstrip("/") for name in given[:1]]
        return tuple(sorted(names))

    def reloads(self, since: float) -> tuple[Mapping[str, str], ...]:
        """What the daemon said of each reload since then (`registry-mirrors` is JSON in it)."""
        query = {
            "since": f"{since:.6f}",
            "until": f"{time.time():.6f}",
            "filters": json.dumps({"event": {"reload": True}, "type": {"daemon": True}}),
        }
        found = []
        for event in self._stream("GET", f"/events?{urlencode(query)}", ASK):
            actor = event.get("Actor")
            given = actor.get("Attributes") if isinstance(actor, dict) else None
            if event.get("Action") == "reload" and isinstance(given, dict):
                found.append({str(key): str(value) for key, value in given.items()})
        return tuple(found)

    def pull(self, reference: str) -> Optional[str]:
        """None when it is there, else what the daemon says."""
        name, tag = split(reference)
        query = urlencode({"fromImage": name, "tag": tag})
        try:
            for event in self._stream("POST", f"/images/create?{query}", PULL):
                if "error" in event:
                    return str(event["error"])
        except EngineError as error:
            if error.said is None:
                raise
            return error.said
        return None

    def remove(self, reference: str) -> None:
        """Nothing where there is no such image."""
        name, tag = split(reference)
        whole = f"{name}@{tag}" if ":" in tag else f"{name}:{tag}"
        status, found = self._ask("DELETE", f"/images/{quote(whole, safe='/:@')}", fine=(404,))
        del status, found

    def peer(self) -> int:
        """The process that listens on the socket: the daemon, or systemd for it; 0 if unknown."""
        wanted = getattr(socket, "SO_PEERCRED", None)
        if wanted is None:
            return 0
        try:
            with self._host.connect(self.path, ASK) as made:
                found = made.getsockopt(socket.SOL_SOCKET, wanted, struct.calcsize("3i"))
        except OSError:
            return 0
        return int(struct.unpack("3i", found)[0])

    def _object(self, path: str) -> Mapping[str, Any]:
        found = self._ask("GET", path)[1]
        if not isinstance(found, dict):
            raise EngineError(f"{self.path}{path} is not the answer of a Docker daemon")
        return found

    def _ask(self, method: str, path: str, *, fine: tuple[int, ...] = ()) -> tuple[int, Any]:
        connection = _OnSocket(self._host, self.path, ASK)
        try:
            answer = self._begin(connection, method, path)
            body = answer.read(_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise self._explain(error) from None
        finally:
            connection.close()
        if len(body) > _ANSWER:
            raise EngineError(f"{self.path} answers with more than {_ANSWER} bytes")
        found = _parse(body)
        if answer.status >= 300 and answer.status not in fine:
            raise _refusal(answer.status, found)
        return answer.status, found

    def _stream(self, method: str, path: str, limit: float) -> Iterator[Mapping[str, Any]]:
        """Objects, one a line, as long as they come; `limit` is for all of them together."""
        connection = _OnSocket(self._host, self.path, limit)
        end = time.monotonic() + limit
        try:
            answer = self._begin(connection, method, path)
            if answer.status >= 300:
                raise _refusal(answer.status, _parse(answer.read(_LINE)))
            while True:
                line = answer.readline(_LINE)
                if not line:
                    return
                found = _parse(line)
                if isinstance(found, dict):
                    yield found
                if time.monotonic() > end:
                    raise EngineError(f"the daemon at {self.path} takes more than {limit:g} s")
        except (OSError, http.client.HTTPException) as error:
            raise self._explain(error) from None
        finally:
            connection.close()

    def _begin(self, connection: _OnSocket, method: str, path: str) -> http.client.HTTPResponse:
        connection.request(method, path, headers=_HEADERS)
        return connection.getresponse()

    def _explain(self, error: Exception) -> EngineError:
        hint = ""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(error, PermissionError):
            hint = "run it with sudo, or as a member of the group docker"
        elif isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
            hint = "start it: systemctl start docker"
        words = reason or type(error).__name__
        return EngineError(f"the daemon at {self.path} does not answer: {words}", hint=hint)


def split(reference: str) -> tuple[str, str]:
    """Name, and tag or digest (`latest` where there is none)."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    return f"{head}{slash}{last}", tag if colon else "latest"


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").strip()


def _refusal(status: int, found: Any) -> EngineError:
    said = found.get("message") if isinstance(found, dict) else found
    return EngineError(f"the daemon refuses ({status}): {said}", said=str(said))
