"""Manifests as hostile clients and registries send them."""

import json
import string
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.oci.bounds import MAX_STRINGS, MAX_VALUES
from homeport.oci.digest import digest_of
from homeport.oci.manifest import MAX_DESCRIPTORS, Manifest, parse_manifest
from homeport.oci.media_type import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_V1_SIGNED,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
)

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
KNOWN = (
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
)


def descriptor(content: bytes = b"x", media_type: str = LAYER_TYPE, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


def image(**more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "config": descriptor(b"{}", CONFIG_TYPE), "layers": [], **more}


def index(*children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "manifests": list(children), **more}


def parse(document: Any, media_type: str = OCI_MANIFEST) -> Manifest:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_manifest(content, media_type)


def refused(document: Any, media_type: str = OCI_MANIFEST) -> str:
    with pytest.raises(ValueError, match=r".") as why:
        parse(document, media_type)
    assert len(str(why.value)) < 400
    return str(why.value)


def understood(content: bytes, media_type: str) -> Manifest | None:
    """None for what is refused in a sentence; anything else that is raised is a fault."""
    try:
        return parse_manifest(content, media_type)
    except ValueError as error:
        if len(str(error)) >= 400:
            raise AssertionError(f"too long to show: {error}") from error
        return None


# what it tells


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image_names_config_and_layers_in_order(media_type: str) -> None:
    layers = [descriptor(b"one"), descriptor(b"two"), descriptor(b"one")]
    found = parse(image(layers=layers, mediaType=media_type), media_type)
    contents = (b"{}", b"one", b"two", b"one")
    assert [each.digest for each in found.blobs] == [digest_of(content) for content in contents]
    assert [each.size for each in found.blobs] == [2, 3, 3, 3]
    assert found.manifests == ()
    assert found.subject is None


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index_names_its_children(media_type: str) -> None:
    children = descriptor(b"one", OCI_MANIFEST), descriptor(b"two", OCI_INDEX)
    found = parse(index(*children), media_type)
    assert [each.media_type for each in found.manifests] == [OCI_MANIFEST, OCI_INDEX]
    assert found.blobs == ()
    assert parse(index(), media_type).manifests == ()


def test_a_schema_1_manifest_names_its_layers() -> None:
    layers = [{"blobSum": digest_of(b"one")}, {"blobSum": digest_of(b"two")}]
    found = parse({"schemaVersion": 1, "fsLayers": layers}, DOCKER_V1_SIGNED)
    assert [each.digest for each in found.blobs] == [digest_of(b"one"), digest_of(b"two")]


def test_the_content_and_its_digest_are_those_of_the_bytes() -> None:
    content = b" \r\n" + json.dumps(image()).encode() + b"\t"
    for algorithm in ("sha256", "sha512"):
        found = parse_manifest(content, OCI_MANIFEST, algorithm=algorithm)
        assert (found.content, found.digest) == (content, digest_of(content, algorithm))


@pytest.mark.parametrize(
    ("document", "media_type", "expected"),
    [
        (image(), OCI_MANIFEST, CONFIG_TYPE),
        (image(artifactType=""), OCI_MANIFEST, CONFIG_TYPE),
        (image(artifactType="a/b"), OCI_MANIFEST, "a/b"),
        (image(config=descriptor(b"{}", OCI_EMPTY)), OCI_MANIFEST, OCI_EMPTY),
        (image(config=descriptor(b"{}", "")), OCI_MANIFEST, None),
        (image(), DOCKER_MANIFEST, None),
        (index(), OCI_INDEX, None),
        (index(artifactType="a/b"), OCI_INDEX, "a/b"),
    ],
)
def test_the_artifact_type_that_referrers_show(
    document: dict[str, Any], media_type: str, expected: str | None
) -> None:
    assert parse(document, media_type).artifact_type == expected


def test_a_subject_of_an_image_and_of_an_index() -> None:
    subject = descriptor(b"subject", OCI_MANIFEST)
    for document, media_type in ((image(subject=subject), OCI_MANIFEST), (index(), OCI_INDEX)):
        found = parse({**document, "subject": subject}, media_type).subject
        assert found is not None
        assert (found.digest, found.size) == (digest_of(b"subject"), 7)


def test_annotations_are_kept_and_may_differ_in_case() -> None:
    annotations = {"Size": "1", "size": "2", "é": "\U0001f433"}
    assert parse(image(annotations=annotations)).annotations == annotations


def test_nulls_and_empty_lists_mean_nothing() -> None:
    nothing = dict.fromkeys(KNOWN[1:], None)
    found = parse({**nothing, **image(layers=None, manifests=[])})
    assert len(found.blobs) == 1


def test_the_data_field_and_unknown_fields_are_left_alone() -> None:
    for data in ("e30=", "not base64", 7, ["list"], None):
        config = descriptor(b"{}", CONFIG_TYPE, data=data, urls=["https://a.example"], x={"y": 1})
        text = json.dumps(image(config=config, **{"org.example": {"layers": [1, "BIG"]}}))
        found = parse(text.replace('"BIG"', "9" * 5000 + ", 1e999").encode())
        assert found.blobs[0].digest == digest_of(b"{}")


# what it refuses


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{",
        b"{}{}",
        b'"text"',
        b"\xef\xbb\xbf{}",
        b'{"schemaVersion":2,"a":"\xff"}',
        b'{"schemaVersion":2,"a":NaN}',
        b'{"schemaVersion":2,}',
        b'{"schemaVersion":2} x',
        "{}".encode("utf-16"),
        b"\x00",
    ],
)
def test_what_is_no_json_object(content: bytes) -> None:
    refused(content)


@pytest.mark.parametrize("field", KNOWN)
@pytest.mark.parametrize("value", [1.5, "text", [1], {"a": []}, True, [[]], -1])
def test_wrong_types(field: str, value: Any) -> None:
    if field in ("mediaType", "artifactType") and value == "text":
        return
    refused({**image(), field: value})


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:" + "A" * 64},
        {"digest": "sha256:../../../../etc/passwd"},
        {"digest": "md5:" + "0" * 32},
        {"digest": "sha256:" + "0" * 63},
        {"digest": "sha256:" + "0" * 64 + "\n"},
        {"digest": ""},
        {"digest": None},
        {"size": -1},
        {"size": 2**63},
        {"size": 10**400},
        {"size": 1.5},
        {"size": "7"},
        {"size": None},
        {"mediaType": 7},
    ],
)
@pytest.mark.parametrize("place", ["config", "layers", "subject", "manifests"])
def test_descriptors_that_are_none(change: dict[str, Any], place: str) -> None:
    broken = {**descriptor(), **change}
    if place == "manifests":
        refused(index(broken), OCI_INDEX)
    else:
        refused(image(**{place: [broken] if place == "layers" else broken}))


def test_another_media_type_than_the_documents() -> None:
    message = refused(image(mediaType=DOCKER_MANIFEST))
    assert OCI_MANIFEST in message
    assert DOCKER_MANIFEST in message
    refused(image(mediaType="x" * 1_000_000))
    assert parse(image(mediaType=OCI_MANIFEST)).media_type == OCI_MANIFEST


@pytest.mark.parametrize("version", [1, 3, 0, None, 2.0])
def test_another_schema_version(version: Any) -> None:
    refused({**image(), "schemaVersion": version})
    refused({**index(), "schemaVersion": version}, OCI_INDEX)


def test_an_image_without_a_config() -> None:
    refused({"schemaVersion": 2, "layers": [descriptor()]})


def test_what_is_an_image_to_some_and_an_index_to_others() -> None:
    refused(image(manifests=[descriptor(b"x", OCI_MANIFEST)]))
    refused(image(fsLayers=[{"blobSum": digest_of(b"x")}]))
    for foreign in ({"layers": [descriptor()]}, {"config": descriptor(b"{}", CONFIG_TYPE)}):
        refused(index(**foreign), OCI_INDEX)


@pytest.mark.parametrize("field", KNOWN)
def test_a_field_that_occurs_twice(field: str) -> None:
    content = json.dumps({**image(), "zzz": None})
    document = json.loads(content)
    value = json.dumps(document.get(field))
    escaped = f"\\u{ord(field[0]):04x}{field[1:]}"
    for second in (field, escaped):
        double = content.replace('"zzz": null', f'"{field}": {value}, "{second}": {value}')
        assert "twice" in refused(double.encode())


def test_a_field_of_a_descriptor_that_occurs_twice() -> None:
    content = json.dumps(image()).replace('"size": 2', '"size": 2, "size": 3')
    assert "twice" in refused(content.encode())


@pytest.mark.parametrize("name", ["Layers", "MEDIATYPE", "manifest\u017f", "subJect"])
def test_a_field_in_another_case(name: str) -> None:
    assert "which some read as" in refused(image(**{name: None}))


def test_more_descriptors_than_any_image_has() -> None:
    many = [descriptor()] * (MAX_DESCRIPTORS + 1)
    refused(image(layers=many))
    refused(index(*many), OCI_INDEX)
    layers = [{"blobSum": digest_of(b"x")}] * (MAX_DESCRIPTORS + 1)
    refused({"schemaVersion": 1, "fsLayers": layers}, DOCKER_V1_SIGNED)
    assert len(parse(image(layers=many[1:])).blobs) == MAX_DESCRIPTORS + 1


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_depth_is_bounded(opening: bytes) -> None:
    closing = b"".join({"[": b"]", "{": b"}"}.get(chr(each), b"") for each in reversed(opening))
    depth = 100_000
    refused(b'{"schemaVersion":2,"x":' + opening * depth + b"1" + closing * depth + b"}")
    refused(b'{"schemaVersion":2,"x":' + opening * depth)


def test_eight_hostile_megabytes_cost_little() -> None:
    size = 8 * 1024**2
    start = b'{"schemaVersion":2,"x":['
    for element in (b"[],", b"{},", b"1,", b'"",', b"1e9,", b'{"a":1},'):
        content = start + element * (size // len(element)) + b"0]}"
        before = time.process_time()
        refused(content)
        assert time.process_time() - before < 2.0
    names = b",".join(b'"%06x":0' % number for number in range(600_000))
    refused(b"{" + names + b',"000000":0}')


def test_the_limit_of_values_is_far_from_real_images() -> None:
    children = [
        descriptor(b"x", OCI_MANIFEST, platform={"os": "linux"}, annotations={"a": "b"})
        for _ in range(MAX_DESCRIPTORS)
    ]
    assert len(parse(index(*children), OCI_INDEX).manifests) == MAX_DESCRIPTORS
    assert "objects and arrays" in refused(b'{"x":[' + b"[]," * MAX_VALUES + b"0]}")
    names = b",".join(b'"%d":1' % number for number in range(MAX_STRINGS))
    assert "names and texts" in refused(b'{"schemaVersion":2,' + names + b"}")


@pytest.mark.parametrize("text", ["a/b\r\nSet-Cookie: x", "a/b c", "a", "", "a/\u00e9", "a/\0"])
def test_a_media_type_that_breaks_a_header(text: str) -> None:
    with pytest.raises(ValueError, match="no media type"):
        parse_manifest(b"{}", text)


# whatever comes

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*KNOWN, "digest", "size", "urls", "blobSum"])
            | st.text(string.printable, max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)
_TYPES = st.sampled_from([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_V1_SIGNED, "a/b", ""])


@settings(deadline=None)
@given(_JSON, _TYPES)
def test_any_json_gives_a_manifest_or_a_sentence(document: Any, media_type: str) -> None:
    content = json.dumps(document).encode()
    found = understood(content, media_type)
    assert found is None or (found.content, found.digest) == (content, digest_of(content))


@settings(deadline=None)
@given(st.binary(max_size=200), _TYPES)
def test_any_bytes_give_a_manifest_or_a_sentence(content: bytes, media_type: str) -> None:
    understood(content, media_type)


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=4), max_size=5),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    st.dictionaries(st.from_regex(r"org\.[a-z]{1,8}", fullmatch=True), _JSON, max_size=2),
)
def test_a_good_image_is_understood_whatever_else_it_says(
    layers: list[bytes], annotations: dict[str, str], more: dict[str, Any]
) -> None:
    document = {**image(layers=[descriptor(layer) for layer in layers]), **more}
    try:
        content = json.dumps({**document, "annotations": annotations}, allow_nan=False).encode()
    except ValueError:
        return
    found = parse_manifest(content, OCI_MANIFEST)
    assert [each.digest for each in found.blobs[1:]] == [digest_of(layer) for layer in layers]
    assert found.annotations == annotations
