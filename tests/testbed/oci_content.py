"""Content to push to a registry: what the data sets of the OCI conformance suite hold, new bytes
in every run, so that nothing that a server has kept can pass for what was just pushed."""

import gzip
import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = LAYER + "+gzip"
ELSEWHERE = "application/vnd.oci.image.layer.nondistributable.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
OCTETS = "application/octet-stream"
EXAMPLE = "application/vnd.example.homeport.v1"
OTHER_EXAMPLE = "application/vnd.example.homeport.v2"

Descriptor = dict[str, Any]
PLATFORMS = ({"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64"})


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


class Pushed(NamedTuple):
    """A manifest; `tags` are pushed with it or after it."""

    digest: str
    content: bytes
    media_type: str
    tags: tuple[str, ...]
    subject: str | None


class Content:
    """One data set. `tag_parameters` pushes tags as `?tag=`; `corrupt` means that every manifest
    must be refused, because its bytes are not those of its digest."""

    def __init__(
        self,
        name: str,
        *,
        algorithm: str = "sha256",
        tag_parameters: bool = False,
        corrupt: bool = False,
    ) -> None:
        self.name = name
        self.algorithm = algorithm
        self.tag_parameters = tag_parameters
        self.corrupt = corrupt
        self.blobs: dict[str, bytes] = {}
        self.manifests: list[Pushed] = []
        self.referrers: dict[str, list[Descriptor]] = {}

    @property
    def tags(self) -> dict[str, Pushed]:
        return {tag: pushed for pushed in self.manifests for tag in pushed.tags}

    def blob(self, content: bytes, media_type: str = OCTETS, *, data: bool = False) -> Descriptor:
        digest = digest_of(content, self.algorithm)
        self.blobs[digest] = content
        found: Descriptor = {"mediaType": media_type, "digest": digest, "size": len(content)}
        if data:
            import base64

            found["data"] = base64.b64encode(content).decode()
        return found

    def image(
        self,
        *,
        tags: Iterable[str] = (),
        layers: list[Descriptor] | None = None,
        platform: Mapping[str, str] = PLATFORMS[0],
        compressed: bool = True,
        data: bool = False,
        custom: bool = False,
        **fields: Any,
    ) -> Descriptor:
        """An image with two layers, unless it is given some."""
        plain = [_tar(f"file-{number}") for number in range(2)]
        if layers is None:
            kind = LAYER_GZIP if compressed else LAYER
            contents = [gzip.compress(tar) if compressed else tar for tar in plain]
            layers = [self.blob(each, kind, data=data) for each in contents]
        document = {
            **platform,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in plain]},
            **({_custom(): secrets.token_hex(8)} if custom else {}),
        }
        config = self.blob(json.dumps(document).encode(), CONFIG, data=data)
        return self.manifest(config, layers, tags=tags, custom=custom, **fields)

    def artifact(
        self,
        kind: str | None = EXAMPLE,
        *,
        layer: bytes | None = None,
        layer_type: str = EXAMPLE,
        tags: Iterable[str] = (),
        **fields: Any,
    ) -> Descriptor:
        config = self.blob(b"{}", EMPTY)
        content = secrets.token_bytes(2048) if layer is None else layer
        layers = [self.blob(content, layer_type)]
        return self.manifest(config, layers, tags=tags, artifactType=kind, **fields)

    def manifest(
        self,
        config: Descriptor,
        layers: list[Descriptor],
        *,
        tags: Iterable[str] = (),
        **fields: Any,
    ) -> Descriptor:
        document = {"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": config, "layers": layers}
        kind = fields.get("artifactType") or config["mediaType"]
        return self._add(document, OCI_IMAGE, kind, tags, **fields)

    def index(
        self, children: list[Descriptor], *, tags: Iterable[str] = (), **fields: Any
    ) -> Descriptor:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
        return self._add(document, OCI_INDEX, fields.get("artifactType"), tags, **fields)

    def images(self, *, make: Callable[..., Descriptor] | None = None, **more: Any) -> list[Any]:
        """One image for each platform, as children of an index."""
        make = make or self.image
        return [
            {**make(platform=platform, **more), "platform": platform}
            if make == self.image
            else {**make(**more), "platform": platform}
            for platform in PLATFORMS
        ]

    def _add(
        self,
        document: dict[str, Any],
        media_type: str,
        kind: str | None,
        tags: Iterable[str],
        **fields: Any,
    ) -> Descriptor:
        custom = fields.pop("custom", False)
        document |= {name: value for name, value in fields.items() if value is not None}
        if custom:
            document[_custom()] = secrets.token_hex(8)
        content = json.dumps(document).encode()
        digest = digest_of(content, self.algorithm)
        subject = None if fields.get("subject") is None else fields["subject"]["digest"]
        if self.corrupt:
            content += b"  "
        self.manifests.append(Pushed(digest, content, media_type, tuple(tags), subject))
        found: Descriptor = {"mediaType": media_type, "digest": digest, "size": len(content)}
        if subject is not None:
            shown = {**found, "annotations": fields.get("annotations") or {}}
            self.referrers.setdefault(subject, []).append(
                {**shown, "artifactType": kind} if kind else shown
            )
        return found


def _tar(name: str) -> bytes:
    content = f"{name} {secrets.token_hex(16)}\n".encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _custom() -> str:
    return f"org.{secrets.token_hex(8)}"


def _annotations() -> dict[str, str]:
    return {"org.example.greeting": "hello", f"org.example.{secrets.token_hex(4)}": "once"}


def _image() -> Content:
    content = Content("image")
    content.image(tags=["image"])
    return content


def _uncompressed() -> Content:
    content = Content("image-uncompressed")
    content.image(tags=["image-uncompressed"], compressed=False)
    return content


def _large_manifest() -> Content:
    content = Content("large-manifest")
    annotations = {f"large-{number}": "A" * 10_000 for number in range(390)}
    content.image(tags=["large-manifest"], annotations=annotations)
    return content


def _index() -> Content:
    content = Content("index")
    content.index(content.images(), tags=["index"])
    return content


def _nested_index() -> Content:
    content = Content("nested-index")
    inner = [content.index(content.images()) for _ in range(2)]
    content.index(inner, tags=["index-of-index"])
    return content


def _empty_index() -> Content:
    content = Content("empty-index")
    content.index([], tags=["empty"], annotations=_annotations())
    return content


def _artifact() -> Content:
    content = Content("artifact")
    content.artifact(tags=["artifact"])
    return content


def _artifact_index() -> Content:
    content = Content("artifact-index")
    children = content.images(make=content.artifact)
    content.index(children, tags=["artifact-index"], artifactType=EXAMPLE)
    return content


def _artifact_without_layers() -> Content:
    content = Content("artifact-without-layers")
    annotations = _annotations()
    content.artifact(layer=b"{}", layer_type=EMPTY, tags=["bare"], annotations=annotations)
    return content


def _artifacts_with_subject() -> Content:
    content = Content("artifacts-with-subject")
    subject = content.image(tags=["image"])
    content.image(subject=subject)
    for number, kind in enumerate((EXAMPLE, OTHER_EXAMPLE)):
        tag, more = f"tagged-{number}", _annotations()
        content.artifact(kind, subject=subject, tags=[tag], annotations=more)
    return content


def _index_with_subject() -> Content:
    content = Content("index-with-subject")
    subject = content.index(content.images(), tags=["index"])
    children = content.images(make=content.artifact)
    content.index(
        children,
        subject=subject,
        artifactType=EXAMPLE,
        tags=["tagged"],
        annotations=_annotations(),
    )
    content.index([], subject=subject, annotations=_annotations())
    return content


def _missing_subject() -> Content:
    content = Content("missing-subject")
    missing = digest_of(secrets.token_bytes(16))
    subject = {"mediaType": OCI_IMAGE, "digest": missing, "size": 123}
    content.artifact(subject=subject, tags=["tagged"], annotations=_annotations())
    return content


def _data_field() -> Content:
    content = Content("data-field")
    content.image(tags=["data-field"], data=True)
    return content


def _non_distributable() -> Content:
    content = Content("non-distributable-layers")
    far = [
        {
            "mediaType": kind,
            "digest": digest_of(secrets.token_bytes(16)),
            "size": 12_345,
            "urls": ["https://store.example.com/layer"],
        }
        for kind in (ELSEWHERE + "+gzip", ELSEWHERE)
    ]
    near = content.blob(gzip.compress(_tar("near")), LAYER_GZIP)
    content.image(layers=[*far, near], tags=["non-distributable"])
    return content


def _custom_fields() -> Content:
    content = Content("custom-fields")
    content.index(content.images(custom=True), tags=["custom-fields"], custom=True)
    return content


def _no_layers() -> Content:
    content = Content("no-layers")
    content.image(layers=[], tags=["no-layers"])
    return content


def _sha512() -> Content:
    content = Content("sha512", algorithm="sha512")
    content.index(content.images())
    return content


def _tag_parameters(algorithm: str) -> Content:
    content = Content(f"tag-param-{algorithm}", algorithm=algorithm, tag_parameters=True)
    children = [
        {**content.image(tags=[f"child-{number}"], platform=platform), "platform": platform}
        for number, platform in enumerate(PLATFORMS)
    ]
    content.index(children, tags=[f"t{number}" for number in range(12)])
    return content


def _bad_digest() -> Content:
    content = Content("bad-digest-image", corrupt=True)
    content.image()
    return content


SETS: tuple[Callable[[], Content], ...] = (
    _image,
    _uncompressed,
    _large_manifest,
    _index,
    _nested_index,
    _empty_index,
    _artifact,
    _artifact_index,
    _artifact_without_layers,
    _artifacts_with_subject,
    _index_with_subject,
    _missing_subject,
    _data_field,
    _non_distributable,
    _custom_fields,
    _no_layers,
    _sha512,
    lambda: _tag_parameters("sha256"),
    lambda: _tag_parameters("sha512"),
    _bad_digest,
)
"""Each makes one data set."""
