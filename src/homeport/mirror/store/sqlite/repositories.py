"""Repositories by number, and lists of them."""

from collections.abc import Sequence
from sqlite3 import Connection

from homeport.mirror.model.names import Repository


def number_of(connection: Connection, repository: Repository) -> int | None:
    row = connection.execute(
        "SELECT id FROM repositories WHERE upstream = :upstream AND name = :name",
        {"upstream": repository.upstream, "name": repository.name},
    ).fetchone()
    return None if row is None else int(row[0])


def ensure(connection: Connection, repository: Repository) -> int:
    """Its number; a new one where it is new. Repositories are never forgotten."""
    found = number_of(connection, repository)
    if found is not None:
        return found
    made = connection.execute(
        "INSERT INTO repositories (upstream, name) VALUES (:upstream, :name)",
        {"upstream": repository.upstream, "name": repository.name},
    )
    return int(made.lastrowid or 0)


def listed(
    connection: Connection, after: Repository | None, limit: int, upstream: str | None
) -> Sequence[Repository]:
    """Those that link a manifest, in order."""
    rows = connection.execute(
        "SELECT upstream, name FROM repositories r"
        " WHERE (upstream, name) > (:after_upstream, :after_name)"
        " AND (:upstream IS NULL OR upstream = :upstream)"
        " AND EXISTS (SELECT 1 FROM links WHERE repository = r.id)"
        " ORDER BY upstream, name LIMIT :limit",
        {
            "after_upstream": after.upstream if after else "",
            "after_name": after.name if after else "",
            "upstream": upstream,
            "limit": limit,
        },
    )
    return [Repository(*row) for row in rows]


def size_of(connection: Connection, upstream: str, prefix: str) -> int:
    """Distinct blobs that are here and that these repositories link or reference."""
    (size,) = connection.execute(
        "WITH homes AS (SELECT id FROM repositories WHERE upstream = :upstream AND"
        "  (:prefix = '' OR name = :prefix OR (name > :prefix || '/' AND name < :prefix || '0')))"
        " SELECT COALESCE(SUM(size), 0) FROM blobs WHERE digest IN ("
        "  SELECT digest FROM blob_links WHERE repository IN homes"
        "  UNION SELECT r.digest FROM links l JOIN refs r ON r.manifest = l.manifest"
        "  WHERE l.repository IN homes AND r.child = 0)",
        {"upstream": upstream, "prefix": prefix},
    ).fetchone()
    return int(size)
