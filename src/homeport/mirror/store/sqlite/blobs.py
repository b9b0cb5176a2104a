"""Which repository shows which blob."""

# ruff: noqa: S608 - what is put together are constants; every value is a named parameter

import json
from collections.abc import Sequence
from sqlite3 import Connection

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Change, Kind
from homeport.mirror.store.sqlite.repositories import ensure, number_of
from homeport.oci.digest import Digest

# A manifest that was pushed proves nothing about the blobs it names; one from an upstream does.
_PROVEN = """
EXISTS (SELECT 1 FROM blob_links WHERE repository = :home AND digest = d.digest)
OR (NOT :local AND EXISTS (
    SELECT 1 FROM refs r JOIN links l ON l.manifest = r.manifest
    WHERE r.digest = d.digest AND r.child = 0 AND r.distributable AND l.repository = :home))
"""


def link(
    connection: Connection,
    changes: list[Change],
    repository: Repository,
    digest: Digest,
    *,
    size: int,
    at: float,
) -> None:
    values = {"home": ensure(connection, repository), "digest": digest, "size": size, "at": at}
    connection.execute(
        "INSERT INTO blobs (digest, size) VALUES (:digest, :size)"
        " ON CONFLICT DO UPDATE SET size = excluded.size",
        values,
    )
    connection.execute(
        "INSERT INTO blob_links (repository, digest, at) VALUES (:home, :digest, :at)"
        " ON CONFLICT DO UPDATE SET at = excluded.at",
        values,
    )
    changes.append(Change(Kind.BLOB, repository, digest))


def proven(connection: Connection, repository: Repository, digest: Digest) -> int | None:
    """`Metadata.blob`: the size of what is here, else what the manifest says."""
    row = connection.execute(
        "WITH d (digest) AS (VALUES (:digest)) SELECT COALESCE("
        " (SELECT size FROM blobs WHERE digest = :digest),"
        " (SELECT r.size FROM refs r JOIN links l ON l.manifest = r.manifest"
        "  WHERE r.digest = :digest AND r.child = 0 AND l.repository = :home LIMIT 1))"
        f" FROM d WHERE {_PROVEN}",
        {
            "home": number_of(connection, repository),
            "digest": digest,
            "local": repository.is_local,
        },
    ).fetchone()
    return None if row is None else row[0]


def unlink(
    connection: Connection, changes: list[Change], repository: Repository, digest: Digest
) -> bool:
    done = connection.execute(
        "DELETE FROM blob_links WHERE repository = :home AND digest = :digest",
        {"home": number_of(connection, repository), "digest": digest},
    )
    if done.rowcount:
        changes.append(Change(Kind.BLOB, repository, digest))
    return bool(done.rowcount)


def lose(connection: Connection, changes: list[Change], digest: Digest) -> Sequence[Repository]:
    key = {"digest": digest}
    rows = connection.execute(
        "SELECT upstream, name FROM repositories WHERE id IN ("
        " SELECT repository FROM blob_links WHERE digest = :digest"
        " UNION SELECT l.repository FROM refs r JOIN links l ON l.manifest = r.manifest"
        " WHERE r.digest = :digest AND r.child = 0) ORDER BY 1, 2",
        key,
    )
    found = [Repository(*row) for row in rows.fetchall()]
    connection.execute("DELETE FROM blob_links WHERE digest = :digest", key)
    connection.execute("DELETE FROM blobs WHERE digest = :digest", key)
    changes += [Change(Kind.BLOB, home, digest) for home in found]
    return found


def homes(connection: Connection, digest: Digest, limit: int) -> Sequence[Repository]:
    rows = connection.execute(
        "SELECT r.upstream, r.name FROM blob_links k JOIN repositories r ON r.id = k.repository"
        " WHERE k.digest = :digest ORDER BY 1, 2 LIMIT :limit",
        {"digest": digest, "limit": limit},
    )
    return [Repository(*row) for row in rows]


def missing(
    connection: Connection, repository: Repository, digests: Sequence[Digest]
) -> Sequence[Digest]:
    rows = connection.execute(
        "WITH d (place, digest) AS (SELECT key, value FROM json_each(:digests))"
        " SELECT digest FROM d WHERE NOT EXISTS"
        "  (SELECT 1 FROM links WHERE repository = :home AND digest = d.digest)"
        f" AND NOT (EXISTS (SELECT 1 FROM blobs WHERE digest = d.digest) AND ({_PROVEN}))"
        " ORDER BY place",
        {
            "home": number_of(connection, repository),
            "digests": json.dumps(digests),
            "local": repository.is_local,
        },
    )
    return [digest for (digest,) in rows]


def unknown(connection: Connection, digests: Sequence[Digest]) -> Sequence[Digest]:
    rows = connection.execute(
        "SELECT value FROM json_each(:digests) d"
        " WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE digest = d.value) ORDER BY d.key",
        {"digests": json.dumps(digests)},
    )
    return [digest for (digest,) in rows]


def held(connection: Connection, after: str, limit: int) -> Sequence[tuple[Digest, int]]:
    return connection.execute(
        "SELECT digest, size FROM blobs WHERE digest > :after ORDER BY digest LIMIT :limit",
        {"after": after, "limit": limit},
    ).fetchall()
