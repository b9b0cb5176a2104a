"""Tags of a repository."""

from collections.abc import Sequence
from sqlite3 import Connection

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import Change, ImmutableTagError, Kind, TagRow
from homeport.mirror.store.sqlite.repositories import number_of
from homeport.oci.digest import Digest
from homeport.oci.manifest import Manifest


def get(connection: Connection, repository: Repository, tag: str) -> TagRow | None:
    row = connection.execute(
        "SELECT t.digest, t.media_type, t.size, t.checked, t.gone FROM repositories r"
        " JOIN tags t ON t.repository = r.id AND t.name = :tag"
        " WHERE r.upstream = :upstream AND r.name = :name",
        {"upstream": repository.upstream, "name": repository.name, "tag": tag},
    ).fetchone()
    if row is None:
        return None
    digest, media_type, size, checked, gone = row
    return TagRow(
        name=tag, digest=digest, media_type=media_type, size=size, checked=checked, gone=gone
    )


def refuse_moved(
    connection: Connection, repository: Repository, frozen: Sequence[str], digest: Digest
) -> None:
    """Raise ImmutableTagError where one of these exists with another digest."""
    for tag in frozen:
        row = get(connection, repository, tag)
        if row is not None and row.digest != digest:
            raise ImmutableTagError(tag)


def put(
    connection: Connection,
    changes: list[Change],
    repository: Repository,
    manifest: Manifest,
    *,
    home: int,
    tags: Sequence[str],
    at: float,
) -> None:
    for tag in tags:
        connection.execute(
            "INSERT OR REPLACE INTO tags (repository, name, digest, media_type, size, checked)"
            " VALUES (:home, :tag, :digest, :media_type, :size, :at)",
            {
                "home": home,
                "tag": tag,
                "digest": manifest.digest,
                "media_type": manifest.media_type,
                "size": len(manifest.content),
                "at": at,
            },
        )
        changes.append(Change(Kind.TAG, repository, tag))


def check(
    connection: Connection,
    changes: list[Change],
    repository: Repository,
    tag: str,
    *,
    at: float,
    gone: bool,
) -> None:
    """What the upstream said of it."""
    what = "gone = :at" if gone else "checked = :at, gone = NULL"
    done = connection.execute(
        f"UPDATE tags SET {what} WHERE repository = :home AND name = :tag",  # noqa: S608 - ours
        {"home": number_of(connection, repository), "tag": tag, "at": at},
    )
    if done.rowcount:
        changes.append(Change(Kind.TAG, repository, tag))


def delete(connection: Connection, changes: list[Change], repository: Repository, tag: str) -> bool:
    done = connection.execute(
        "DELETE FROM tags WHERE repository = :home AND name = :tag",
        {"home": number_of(connection, repository), "tag": tag},
    )
    if done.rowcount:
        changes.append(Change(Kind.TAG, repository, tag))
    return bool(done.rowcount)


def names(connection: Connection, repository: Repository, after: str, limit: int) -> Sequence[str]:
    rows = connection.execute(
        "SELECT name FROM tags WHERE repository = :home AND name > :after"
        " ORDER BY name LIMIT :limit",
        {"home": number_of(connection, repository), "after": after, "limit": limit},
    )
    return [name for (name,) in rows]


def of(connection: Connection, repository: Repository, digest: Digest) -> Sequence[str]:
    rows = connection.execute(
        "SELECT name FROM tags WHERE repository = :home AND digest = :digest ORDER BY name",
        {"home": number_of(connection, repository), "digest": digest},
    )
    return [name for (name,) in rows]
