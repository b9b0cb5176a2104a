"""What nothing reaches, what holds keep, and what was used least recently."""

# ruff: noqa: S608 - what is put together are constants; every value is a named parameter

from collections.abc import Callable, Sequence
from sqlite3 import Connection

from homeport.mirror.model.names import LOCAL, Repository
from homeport.mirror.store.api import BACKUP, Change, Hold, Kind
from homeport.mirror.store.sqlite import manifests
from homeport.mirror.store.sqlite.repositories import number_of
from homeport.oci.digest import Digest

# From a digest to all that references it: is anything of it held?
_HELD = """
WITH RECURSIVE up (digest) AS (
    VALUES (:digest)
    UNION SELECT m.digest FROM up JOIN refs r ON r.digest = up.digest
        JOIN manifests m ON m.id = r.manifest)
SELECT 1 FROM up JOIN holds h ON h.digest = up.digest WHERE h.until > :now LIMIT 1
"""

# From what is held to all that it references.
_ALL_HELD = """
RECURSIVE held (digest) AS (
    SELECT digest FROM holds WHERE until > :now
    UNION SELECT r.digest FROM held JOIN manifests m ON m.digest = held.digest
        JOIN refs r ON r.manifest = m.id)
"""

_REFERENCED = """
EXISTS (SELECT 1 FROM refs r JOIN links l ON l.manifest = r.manifest
    WHERE r.digest = b.digest AND r.child = 0)
"""

_REACHED = f"EXISTS (SELECT 1 FROM blob_links WHERE digest = b.digest) OR {_REFERENCED}"


def hold(connection: Connection, digests: Sequence[Digest], why: Hold, until: float) -> None:
    connection.executemany(
        "INSERT INTO holds (digest, why, until) VALUES (:digest, :why, :until)"
        " ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
        [{"digest": digest, "why": why.value, "until": until} for digest in digests],
    )


def unhold(connection: Connection, digests: Sequence[Digest], why: Hold) -> None:
    connection.executemany(
        "DELETE FROM holds WHERE digest = :digest AND why = :why",
        [{"digest": digest, "why": why.value} for digest in digests],
    )


def is_held(connection: Connection, digest: Digest, now: float) -> bool:
    return connection.execute(_HELD, {"digest": digest, "now": now}).fetchone() is not None


def is_written(connection: Connection, digest: Digest, now: float) -> bool:
    """Whether an upload or a fill holds this very digest."""
    row = connection.execute(
        "SELECT 1 FROM holds WHERE digest = :digest AND until > :now AND why <> :served",
        {"digest": digest, "now": now, "served": Hold.SERVED.value},
    ).fetchone()
    return row is not None


def garbage(connection: Connection, now: float, limit: int) -> Sequence[tuple[Digest, int]]:
    return connection.execute(
        f"WITH {_ALL_HELD}, loose (digest, size) AS ("
        " SELECT digest, size FROM manifests m"
        "  WHERE NOT EXISTS (SELECT 1 FROM links WHERE manifest = m.id)"
        f" UNION ALL SELECT digest, size FROM blobs b WHERE NOT ({_REACHED}))"
        " SELECT digest, max(size) FROM loose WHERE digest NOT IN held"
        " GROUP BY digest ORDER BY digest LIMIT :limit",
        {"now": now, "limit": limit},
    ).fetchall()


def forget(connection: Connection, digest: Digest, now: float) -> bool:
    key = {"digest": digest, "now": now, "backup": BACKUP}
    # What is reached is told cheaply; what holds a popular layer may take a walk.
    reached = connection.execute(
        f"WITH b (digest) AS (VALUES (:digest)) SELECT 1 FROM b WHERE {_REACHED}", key
    ).fetchone()
    loose = connection.execute(
        "SELECT 1 FROM manifests m WHERE digest = :digest"
        " AND NOT EXISTS (SELECT 1 FROM links WHERE manifest = m.id)",
        key,
    ).fetchone()
    if reached is not None and loose is None:
        return False
    backup = connection.execute(
        "SELECT 1 FROM leases WHERE name = :backup AND until > :now", key
    ).fetchone()
    if backup is not None or is_held(connection, digest, now):
        return False
    manifests.drop_unlinked(connection, digest)
    if reached is not None:
        return False
    connection.execute("DELETE FROM blobs WHERE digest = :digest", key)
    connection.execute("DELETE FROM holds WHERE digest = :digest", key)
    return True


_EXPENDABLE = """
SELECT k.repository, k.digest FROM blob_links k WHERE k.at < :before
AND NOT EXISTS (SELECT 1 FROM refs r JOIN links l ON l.manifest = r.manifest
    WHERE r.digest = k.digest AND r.child = 0 AND l.repository = k.repository)
"""


def expendable(
    connection: Connection, before: float, now: float, limit: int, within: Repository | None
) -> Sequence[tuple[int, Digest]]:
    """Links (number of the repository, digest) that may expire. It looks at every old one: not in
    the writing thread."""
    return connection.execute(
        f"WITH {_ALL_HELD} {_EXPENDABLE} AND (:within IS NULL OR k.repository = :within)"
        " AND k.digest NOT IN held ORDER BY k.at LIMIT :limit",
        {
            "before": before,
            "now": now,
            "limit": limit,
            "within": None if within is None else number_of(connection, within) or 0,
        },
    ).fetchall()


def expire_links(
    connection: Connection,
    changes: list[Change],
    links: Sequence[tuple[int, Digest]],
    *,
    before: float,
    now: float,
) -> int:
    """Drop those of the links that may still expire, and holds whose time is over."""
    connection.execute("DELETE FROM holds WHERE until <= :now", {"now": now})
    count = 0
    for home, digest in links:
        key = {"home": home, "digest": digest, "before": before}
        again = connection.execute(
            f"{_EXPENDABLE} AND k.repository = :home AND k.digest = :digest", key
        ).fetchone()
        if again is None or is_held(connection, digest, now):
            continue
        connection.execute(
            "DELETE FROM blob_links WHERE repository = :home AND digest = :digest", key
        )
        name = connection.execute(
            "SELECT upstream, name FROM repositories WHERE id = :home", key
        ).fetchone()
        changes.append(Change(Kind.BLOB, Repository(*name), digest))
        count += 1
    return count


def collectable(connection: Connection, before: float, now: float) -> tuple[int, Sequence[Digest]]:
    times = {"before": before, "now": now}
    expiring = f"expiring AS ({_EXPENDABLE} AND k.digest NOT IN held)"
    count = connection.execute(
        f"WITH {_ALL_HELD}, {expiring} SELECT count(*) FROM expiring", times
    ).fetchone()[0]
    found = connection.execute(
        f"WITH {_ALL_HELD}, {expiring}, loose (digest) AS ("
        " SELECT digest FROM manifests m"
        "  WHERE NOT EXISTS (SELECT 1 FROM links WHERE manifest = m.id)"
        " UNION SELECT digest FROM blobs b WHERE NOT EXISTS"
        "  (SELECT repository, digest FROM blob_links WHERE digest = b.digest"
        "   EXCEPT SELECT repository, digest FROM expiring WHERE digest = b.digest)"
        f" AND NOT {_REFERENCED})"
        " SELECT digest FROM loose WHERE digest NOT IN held ORDER BY digest",
        times,
    )
    return count, [digest for (digest,) in found]


def coldest(
    connection: Connection, now: float, limit: int, pinned: Callable[[Repository, str], bool]
) -> Sequence[tuple[Repository, Digest]]:
    chosen: dict[tuple[Repository, Digest], None] = {}
    links = connection.execute(
        "SELECT l.repository, p.upstream, p.name, l.digest FROM links l"
        " JOIN repositories p ON p.id = l.repository WHERE p.upstream <> :local"
        " ORDER BY l.used, p.upstream, p.name, l.digest",
        {"local": LOCAL},
    )
    for home, upstream, name, digest in links:
        if len(chosen) >= limit:
            break
        repository = Repository(upstream, name)
        parents = manifests.parents(connection, repository, digest)
        tags = connection.execute(
            "SELECT name FROM tags WHERE repository = :home AND digest = :digest",
            {"home": home, "digest": digest},
        )
        if (
            all((repository, parent) in chosen for parent in parents)
            and not any(pinned(repository, tag) for (tag,) in tags)
            and not pinned(repository, digest)
            and not is_held(connection, digest, now)
        ):
            chosen[repository, digest] = None
    return list(chosen)


def used(connection: Connection, uses: Sequence[tuple[Repository, Digest]], at: float) -> None:
    connection.executemany(
        "UPDATE links SET used = :at WHERE digest = :digest AND used < :at AND repository ="
        " (SELECT id FROM repositories WHERE upstream = :upstream AND name = :name)",
        [
            {"at": at, "digest": digest, "upstream": home.upstream, "name": home.name}
            for home, digest in uses
        ],
    )
