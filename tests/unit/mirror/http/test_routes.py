import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.mirror.errors import RegistryError
from homeport.mirror.http.routes import MAX_PATH, methods, route
from homeport.mirror.model.endpoint import (
    Base,
    Blob,
    Catalog,
    Control,
    Manifests,
    Referrers,
    Service,
    Tags,
    Upload,
    Uploads,
)
from homeport.oci.error_code import ErrorCode
from homeport.oci.reference import is_name

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2", Base()),
        ("/v2/", Base()),
        ("/v2/_catalog", Catalog()),
        ("/v2/nginx/manifests/latest", Manifests("nginx", "latest")),
        ("/v2/ghcr.io/o/i/manifests/1.0", Manifests("ghcr.io/o/i", "1.0")),
        (f"/v2/a/blobs/{DIGEST}", Blob("a", DIGEST)),
        ("/v2/a/blobs/sha256%3Aabc", Blob("a", "sha256:abc")),
        ("/v2/a/blobs/uploads/", Uploads("a")),
        ("/v2/a/blobs/uploads", Uploads("a")),
        ("/v2/a/blobs/uploads/0-1-2", Upload("a", "0-1-2")),
        ("/v2/a/b/tags/list", Tags("a/b")),
        (f"/v2/a/referrers/{DIGEST}", Referrers("a", DIGEST)),
        ("/v2/a/referrers/nonsense", Referrers("a", "nonsense")),
        ("/v2/a/manifests/!bad", Manifests("a", "!bad")),
        ("/v2/a/manifests/%252e", Manifests("a", "%2e")),
        # repositories whose names hold the API's own words
        ("/v2/a/blobs/b/manifests/x", Manifests("a/blobs/b", "x")),
        ("/v2/manifests/manifests/manifests", Manifests("manifests", "manifests")),
        ("/v2/tags/list/tags/list", Tags("tags/list")),
        ("/v2/a/blobs/uploads/tags/list", Tags("a/blobs/uploads")),
        ("/v2/uploads/blobs/uploads/uploads", Upload("uploads", "uploads")),
        ("/v2/blobs/uploads/blobs/uploads/", Uploads("blobs/uploads")),
        ("/v2/a/referrers/manifests/blobs/x", Blob("a/referrers/manifests", "x")),
        ("/token", Service.TOKEN),
        ("/healthz", Service.HEALTH),
        ("/readyz", Service.READY),
        ("/metrics", Service.METRICS),
        ("/_homeport/explain", Control("explain")),
        ("/_homeport/", Control("")),
    ],
)
def test_a_path_leads_to_its_end_point(path: str, expected: object) -> None:
    assert route(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/v1/",
        "/v2//manifests/x",
        "/v2/a//manifests/x",
        "/v2/a/manifests/",
        "/v2/a/manifests/../../b",
        "/v2/../etc/passwd",
        "/v2/%2e%2e/manifests/x",
        "/v2/a/manifests/..",
        "/v2/a/manifests/x%00",
        "/v2/a/manifests/x%0d%0aSet-Cookie",
        "/v2/a/manifests/%ff",
        "/v2/a/manifests/\udcff",
        "/v2/a/tags/list/",
        "/v2/blobs/uploads/",
        "/v2/a/tags/other",
        "/v2/a/uploads/x",
        "/v2/a",
        "/v2/_catalog/",
        "/_homeport/../token",
        "/_homeport%2fstatus",
        "/%5Fhomeport/status",
        "/_homeport",
        "/token/",
        "/v2/a\\b/manifests/x",
        "/v2/a/manifests/" + "x" * MAX_PATH,
    ],
)
def test_there_is_nothing_elsewhere(path: str) -> None:
    assert route(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/v2/UPPER/manifests/x",
        "/v2/manifests/x",
        "/v2/a..b/tags/list",
        "/v2/a%20b/blobs/x",
        "/v2/" + "a" * 256 + "/manifests/x",
        "/v2/-a/blobs/uploads/x",
        "/v2/ä/manifests/x",
    ],
)
def test_a_name_that_is_none_is_said_so(path: str) -> None:
    with pytest.raises(RegistryError) as caught:
        route(path)
    assert caught.value.code is ErrorCode.NAME_INVALID
    assert caught.value.status == 400


_components = st.sampled_from(["a", "manifests", "blobs", "tags", "uploads", "list", "referrers"])


@given(
    st.lists(_components, min_size=1, max_size=6), st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True)
)
def test_any_name_is_found_again(parts: list[str], word: str) -> None:
    name = "/".join(parts)
    assert route(f"/v2/{name}/manifests/{word}") == Manifests(name, word)
    assert route(f"/v2/{name}/tags/list") == Tags(name)
    assert route(f"/v2/{name}/blobs/uploads/") == Uploads(name)
    assert route(f"/v2/{name}/blobs/uploads/{word}") == Upload(name, word)
    assert route(f"/v2/{name}/blobs/{DIGEST}") == Blob(name, DIGEST)


@given(st.text(max_size=200))
def test_whatever_comes_a_name_is_a_name(text: str) -> None:
    try:
        endpoint = route("/v2/" + text)
    except RegistryError:
        return
    name = getattr(endpoint, "name", None)
    assert name is None or isinstance(endpoint, Service) or is_name(name)


def test_methods() -> None:
    assert methods(Uploads("a")) == ("POST",)
    assert methods(Service.TOKEN) == ("GET", "POST")
    assert methods(Service.HEALTH) == ("GET", "HEAD")
    assert "PUT" in methods(Manifests("a", "b"))
    assert "PUT" not in methods(Blob("a", "b"))
