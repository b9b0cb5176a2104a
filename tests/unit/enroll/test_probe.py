"""What a mirror is, is found out; what is none is refused before anything is changed."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from homeport.enroll import probe as module
from homeport.enroll.address import parse_address
from homeport.enroll.client import Answer
from homeport.enroll.errors import EnrollError, UnreachableMirrorError
from homeport.enroll.model import Mirror, MirrorKind
from homeport.enroll.probe import probe, split_canary

Pages = Callable[[str, str], Answer | None]
BLOB = b"content"
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
MANIFEST = json.dumps({"config": {"digest": DIGEST}, "layers": [{"digest": DIGEST}]}).encode()


def answer(status: int = 200, body: Any = b"{}", **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, content)


class Doors:
    """`pages` answers for every door; `asked` are the URLs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pages: Pages) -> None:
        self.asked: list[str] = []
        outer = self

        class Client:
            def __init__(self, url: str, **_: object) -> None:
                self.address = parse_address(url)
                self.proxy = None

            def get(self, path: str, *_: object, **__: object) -> Answer:
                url = f"{self.address.scheme}://{self.address.netloc}"
                outer.asked.append(url + path)
                return pages(url, path) or answer(404)

        monkeypatch.setattr(module, "MirrorClient", Client)


def registry(path: str) -> Answer | None:
    if path == "/v2/":
        return answer()
    if "/manifests/" in path:
        return answer(200, MANIFEST)
    return answer(200, BLOB) if "/blobs/" in path else None


def homeport(*listeners: tuple[str, str]) -> Pages:
    doors = [{"role": role, "url": url} for role, url in listeners]

    def pages(_: str, path: str) -> Answer | None:
        if path == "/_homeport/about":
            return answer(200, {"kind": "homeport", "version": "1.0", "listeners": doors})
        return registry(path)

    return pages


BOTH = (("registry", "https://m:5443"), ("docker-mirror", "http://m:5000"))


@pytest.mark.parametrize("url", ["https://m:5443", "http://m:5000"])
def test_one_url_leads_to_both_doors_and_both_are_proven(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    doors = Doors(monkeypatch, homeport(*BOTH))
    found = probe(Mirror(url, ""), {})
    assert (found.mirror.url, found.mirror.hub_url) == ("https://m:5443", "http://m:5000")
    assert found.mirror.kind is MirrorKind.HOMEPORT
    assert (found.proven, found.version, found.findings) == (True, "1.0", ())
    canaries = [url for url in doors.asked if "/manifests/" in url]
    assert [re.sub(r"[0-9a-f]{16}", "N", url) for url in canaries] == [
        "https://m:5443/v2/homeport-verify/N/manifests/latest",
        "http://m:5000/v2/homeport-verify/N/manifests/latest",
    ]


def test_one_door_for_both_and_the_users_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    Doors(monkeypatch, homeport(("both", "http://m:5000")))
    found = probe(Mirror("http://m:5000", ""), {})
    assert (found.mirror.url, found.mirror.hub_url) == ("http://m:5000", "http://m:5000")
    Doors(monkeypatch, homeport(*BOTH))
    assert probe(Mirror("https://m:5443", "http://other:1"), {}).mirror.hub_url == "http://other:1"


@pytest.mark.parametrize(
    ("pages", "kind"),
    [
        ({"/v2/": answer(server="Nexus/3.70")}, MirrorKind.NEXUS),
        (
            {"/v2/": answer(401, www_authenticate='Basic realm="Sonatype Nexus"')},
            MirrorKind.NEXUS,
        ),
        (
            {"/v2/": answer(401, www_authenticate='Bearer realm="https://h/service/token"')},
            MirrorKind.HARBOR,
        ),
        (
            {"/v2/": answer(), "/api/v2.0/systeminfo": answer(body={"harbor_version": "2"})},
            MirrorKind.HARBOR,
        ),
        ({"/v2/": answer(docker_distribution_api_version="registry/2.0")}, MirrorKind.DISTRIBUTION),
    ],
)
def test_other_kinds_are_told_apart_and_not_proven_without_a_canary(
    monkeypatch: pytest.MonkeyPatch, pages: dict[str, Answer], kind: MirrorKind
) -> None:
    Doors(monkeypatch, lambda _, path: pages.get(path))
    found = probe(Mirror("https://m", ""), {})
    assert found.mirror.kind is kind
    assert not found.proven
    assert [finding.code for finding in found.findings] == ["not-proven"]


def test_a_canary_of_their_own_proves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    doors = Doors(monkeypatch, lambda _, path: registry(path))
    assert probe(Mirror("https://m", "", canary="corp/only-here:1"), {}).proven
    assert "https://m/v2/corp/only-here/manifests/1" in doors.asked
    Doors(monkeypatch, lambda _, path: answer() if path == "/v2/" else None)
    with pytest.raises(UnreachableMirrorError, match="has no corp/only-here"):
        probe(Mirror("https://m", "", canary="corp/only-here:1"), {})


def test_wrong_content_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Doors(monkeypatch, lambda _, path: answer() if "/blobs/" in path else homeport(*BOTH)(_, path))
    with pytest.raises(UnreachableMirrorError, match="does not serve the content"):
        probe(Mirror("https://m:5443", ""), {})


def test_a_door_that_asks_for_a_login_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def pages(url: str, path: str) -> Answer | None:
        if "/manifests/" in path and url.startswith("https"):
            return answer(401, www_authenticate="Bearer realm=x")
        return homeport(*BOTH)(url, path)

    Doors(monkeypatch, pages)
    found = probe(Mirror("https://m:5443", ""), {})
    assert not found.proven
    assert [finding.code for finding in found.findings] == ["login"]


@pytest.mark.parametrize(
    "reply",
    [
        answer(404),
        answer(401),
        answer(502, b"<html>Bad gateway</html>"),
        answer(200, b"<html>login</html>", content_type="text/html"),
        answer(302, location="https://login"),
    ],
)
def test_what_is_no_registry_is_refused(monkeypatch: pytest.MonkeyPatch, reply: Answer) -> None:
    Doors(monkeypatch, lambda _, path: reply if path == "/v2/" else None)
    with pytest.raises(UnreachableMirrorError, match="it is no registry"):
        probe(Mirror("https://m", ""), {})


def test_homeport_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Doors(monkeypatch, lambda _, path: registry(path))
    with pytest.raises(UnreachableMirrorError, match="not homeport's mirror"):
        probe(Mirror("https://m", "", kind=MirrorKind.HOMEPORT), {})


def test_a_path_is_refused_for_docker_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    Doors(monkeypatch, lambda _, path: registry(path))
    with pytest.raises(EnrollError, match="Docker cannot use a mirror with a path"):
        probe(Mirror("https://nexus/hub", ""), {})
    assert (
        probe(Mirror("https://nexus/hub", ""), {}, docker=False).mirror.url == "https://nexus/hub"
    )


def test_homeport_has_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    Doors(monkeypatch, homeport(*BOTH))
    with pytest.raises(EnrollError, match="has no path") as caught:
        probe(Mirror("https://m:5443/hub", ""), {})
    assert caught.value.hint == "write https://m:5443"


def test_hostile_introductions_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    for listeners in ({}, [1], [{"role": "registry"}], [{"url": 3, "role": "registry"}]):
        body = {"kind": "homeport", "listeners": listeners, "version": ["x"] * 999}

        def pages(_: str, path: str, body: object = body) -> Answer | None:
            return answer(200, body) if path == "/_homeport/about" else registry(path)

        Doors(monkeypatch, pages)
        found = probe(Mirror("https://m", ""), {})
        assert found.mirror.url == found.mirror.hub_url == "https://m"
        assert len(found.version) <= 64
    Doors(monkeypatch, homeport(("docker-mirror", 'https://m/"; rm -rf')))
    with pytest.raises(EnrollError, match="the mirror says of itself"):
        probe(Mirror("https://m", ""), {})


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_mirror_that_does_not_serve_its_canary_is_none_to_enroll_with(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def pages(url: str, path: str) -> Answer | None:
        return answer(status) if "/manifests/" in path else homeport(*BOTH)(url, path)

    Doors(monkeypatch, pages)
    with pytest.raises(UnreachableMirrorError, match=f"answers {status} to homeport-verify") as one:
        probe(Mirror("https://m:5443", ""), {})
    assert "nothing was changed" in one.value.hint


def test_one_that_is_asked_too_often_is_only_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet behind one address."""

    def pages(url: str, path: str) -> Answer | None:
        return answer(429) if "/manifests/" in path else homeport(*BOTH)(url, path)

    Doors(monkeypatch, pages)
    found = probe(Mirror("https://m:5443", ""), {})
    assert not found.proven
    assert {(one.code, one.severity) for one in found.findings} == {("busy", "warning")}


@pytest.mark.parametrize("layers", [5, True, {"a": 1}, "text", [[]], [{"digest": 5}], [None]])
def test_hostile_manifests_are_not_believed(monkeypatch: pytest.MonkeyPatch, layers: Any) -> None:
    def pages(_: str, path: str) -> Answer | None:
        if "/manifests/" in path:
            return answer(200, {"config": {"digest": DIGEST}, "layers": layers})
        return homeport(*BOTH)(_, path)

    Doors(monkeypatch, pages)
    assert probe(Mirror("https://m:5443", ""), {}).proven


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("alpine", ("library/alpine", "latest")),
        ("docker.io/corp/x:1", ("corp/x", "1")),
        (f"corp/x@{DIGEST}", ("corp/x", DIGEST)),
    ],
)
def test_canaries_are_read_as_docker_names(text: str, found: tuple[str, str]) -> None:
    assert split_canary(text) == found


@pytest.mark.parametrize("text", ["", "../x:1", "A/b", "a/b:..", "a b"])
def test_what_is_no_image_is_no_canary(text: str) -> None:
    with pytest.raises(EnrollError, match="is no image"):
        split_canary(text)
