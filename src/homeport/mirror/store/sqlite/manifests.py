"""Manifests, their links, and referrers. Changes are told for all that a cache may hold of them."""

from collections.abc import Mapping, Sequence
from sqlite3 import Connection

import msgspec
from msgspec.structs import replace

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Change, Kind
from homeport.mirror.store.sqlite.repositories import ensure, number_of
from homeport.oci.digest import Digest
from homeport.oci.manifest import Descriptor, Manifest
from homeport.oci.media_type import is_distributable

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Manifest)


def get(connection: Connection, repository: Repository, digest: Digest) -> Manifest | None:
    row = connection.execute(
        "SELECT m.parsed, m.content FROM repositories r"
        " JOIN links l ON l.repository = r.id AND l.digest = :digest"
        " JOIN manifests m ON m.id = l.manifest"
        " WHERE r.upstream = :upstream AND r.name = :name",
        {"upstream": repository.upstream, "name": repository.name, "digest": digest},
    ).fetchone()
    return None if row is None else _restored(*row)


def put(
    connection: Connection,
    changes: list[Change],
    repository: Repository,
    manifest: Manifest,
    at: float,
) -> int:
    """Content, references, link; the repository's number."""
    home = ensure(connection, repository)
    connection.execute(
        "INSERT INTO links (repository, digest, manifest, subject, used)"
        " VALUES (:home, :digest, :manifest, :subject, :at)"
        " ON CONFLICT DO UPDATE SET manifest = excluded.manifest, subject = excluded.subject,"
        " used = max(used, excluded.used)",
        {
            "home": home,
            "digest": manifest.digest,
            "manifest": _store(connection, manifest),
            "subject": None if manifest.subject is None else manifest.subject.digest,
            "at": at,
        },
    )
    changes.append(Change(Kind.MANIFEST, repository, manifest.digest))
    changes += [Change(Kind.BLOB, repository, each.digest) for each in manifest.blobs]
    if manifest.subject is not None:
        changes.append(Change(Kind.REFERRERS, repository, manifest.subject.digest))
    return home


def _store(connection: Connection, manifest: Manifest) -> int:
    key = {"digest": manifest.digest, "media_type": manifest.media_type}
    found = connection.execute(
        "SELECT id FROM manifests WHERE digest = :digest AND media_type = :media_type", key
    ).fetchone()
    if found is not None:
        return int(found[0])
    made = connection.execute(
        "INSERT INTO manifests (digest, media_type, size, parsed, content)"
        " VALUES (:digest, :media_type, :size, :parsed, :content)",
        {
            **key,
            "size": len(manifest.content),
            "parsed": _ENCODER.encode(replace(manifest, content=b"")),
            "content": manifest.content,
        },
    )
    number = int(made.lastrowid or 0)
    refs = [_ref(number, 0, each) for each in manifest.blobs]
    refs += [_ref(number, 1, each) for each in manifest.manifests]
    connection.executemany(
        "INSERT INTO refs (manifest, child, digest, size, distributable)"
        " VALUES (:manifest, :child, :digest, :size, :distributable)"
        " ON CONFLICT DO UPDATE SET distributable = max(distributable, excluded.distributable)",
        refs,
    )
    return number


def _ref(manifest: int, child: int, descriptor: Descriptor) -> Mapping[str, object]:
    return {
        "manifest": manifest,
        "child": child,
        "digest": descriptor.digest,
        "size": min(descriptor.size, 2**63 - 1),
        "distributable": is_distributable(descriptor.media_type),
    }


def unlink(
    connection: Connection, changes: list[Change], repository: Repository, digest: Digest
) -> bool:
    """With every tag that names it. Its row stays until the sweep forgets it."""
    home = number_of(connection, repository)
    key = {"home": home, "digest": digest}
    link = connection.execute(
        "SELECT manifest, subject FROM links WHERE repository = :home AND digest = :digest", key
    ).fetchone()
    if link is None:
        return False
    blobs = connection.execute(
        "SELECT digest FROM refs WHERE manifest = :manifest AND child = 0", {"manifest": link[0]}
    )
    changes += [Change(Kind.BLOB, repository, blob) for (blob,) in blobs]
    tags = connection.execute(
        "DELETE FROM tags WHERE repository = :home AND digest = :digest RETURNING name", key
    )
    changes += [Change(Kind.TAG, repository, name) for (name,) in tags.fetchall()]
    connection.execute("DELETE FROM links WHERE repository = :home AND digest = :digest", key)
    changes.append(Change(Kind.MANIFEST, repository, digest))
    if link[1] is not None:
        changes.append(Change(Kind.REFERRERS, repository, link[1]))
    return True


def lose(connection: Connection, changes: list[Change], digest: Digest) -> Sequence[Repository]:
    """Unlink it everywhere, and drop its rows."""
    key = {"digest": digest}
    rows = connection.execute(
        "SELECT r.upstream, r.name FROM repositories r JOIN links l ON l.repository = r.id"
        " WHERE l.digest = :digest ORDER BY 1, 2",
        key,
    )
    homes = [Repository(*row) for row in rows.fetchall()]
    for home in homes:
        unlink(connection, changes, home, digest)
    drop_unlinked(connection, digest)
    return homes


def drop_unlinked(connection: Connection, digest: Digest) -> None:
    """Rows of this digest that no repository links."""
    numbers = connection.execute(
        "SELECT id FROM manifests m WHERE digest = :digest"
        " AND NOT EXISTS (SELECT 1 FROM links WHERE manifest = m.id)",
        {"digest": digest},
    ).fetchall()
    for (number,) in numbers:
        connection.execute("DELETE FROM refs WHERE manifest = :number", {"number": number})
        connection.execute("DELETE FROM manifests WHERE id = :number", {"number": number})


def referrers(
    connection: Connection, repository: Repository, subject: Digest
) -> Sequence[Descriptor]:
    rows = connection.execute(
        "SELECT m.parsed, m.size FROM links l JOIN manifests m ON m.id = l.manifest"
        " WHERE l.repository = :home AND l.subject = :subject ORDER BY l.digest",
        {"home": number_of(connection, repository), "subject": subject},
    )
    found: list[Descriptor] = []
    for parsed, size in rows:
        manifest = _DECODER.decode(parsed)
        found.append(
            Descriptor(
                media_type=manifest.media_type,
                digest=manifest.digest,
                size=size,
                artifact_type=manifest.artifact_type,
                annotations=manifest.annotations,
            )
        )
    return found


def linked(
    connection: Connection, repository: Repository, after: str, limit: int
) -> Sequence[Digest]:
    rows = connection.execute(
        "SELECT digest FROM links WHERE repository = :home AND digest > :after"
        " ORDER BY digest LIMIT :limit",
        {"home": number_of(connection, repository), "after": after, "limit": limit},
    )
    return [digest for (digest,) in rows]


def parents(connection: Connection, repository: Repository, digest: Digest) -> Sequence[Digest]:
    rows = connection.execute(
        "SELECT l.digest FROM refs r JOIN links l ON l.manifest = r.manifest"
        " WHERE r.digest = :digest AND r.child = 1 AND l.repository = :home ORDER BY l.digest",
        {"home": number_of(connection, repository), "digest": digest},
    )
    return [parent for (parent,) in rows]


def held(connection: Connection, after: str, limit: int) -> Sequence[Manifest]:
    rows = connection.execute(
        "SELECT parsed, content FROM manifests WHERE digest IN (SELECT DISTINCT digest"
        " FROM manifests WHERE digest > :after ORDER BY digest LIMIT :limit)"
        " ORDER BY digest, media_type",
        {"after": after, "limit": limit},
    )
    return [_restored(*row) for row in rows]


def _restored(parsed: bytes, content: bytes) -> Manifest:
    return replace(_DECODER.decode(parsed), content=content)
