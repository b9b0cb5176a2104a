"""Open uploads, and the leases by which replicas share work."""

from collections.abc import Sequence
from sqlite3 import Connection

from homeport.mirror.model.names import Repository
from homeport.mirror.store.api import UploadRow


def put_upload(connection: Connection, upload: UploadRow) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO uploads (session, upstream, name, started, algorithm)"
        " VALUES (:session, :upstream, :name, :started, :algorithm)",
        {
            "session": upload.session,
            "upstream": upload.repository.upstream,
            "name": upload.repository.name,
            "started": upload.started,
            "algorithm": upload.algorithm,
        },
    )


def uploads(connection: Connection, session: str | None = None) -> Sequence[UploadRow]:
    rows = connection.execute(
        "SELECT session, upstream, name, started, algorithm FROM uploads"
        " WHERE :session IS NULL OR session = :session ORDER BY session",
        {"session": session},
    )
    return [
        UploadRow(
            session=found,
            repository=Repository(upstream, name),
            started=started,
            algorithm=algorithm,
        )
        for found, upstream, name, started, algorithm in rows
    ]


def delete_upload(connection: Connection, session: str) -> bool:
    done = connection.execute("DELETE FROM uploads WHERE session = :session", {"session": session})
    return bool(done.rowcount)


def take_lease(connection: Connection, name: str, owner: str, now: float, until: float) -> bool:
    done = connection.execute(
        "INSERT INTO leases (name, owner, until) VALUES (:name, :owner, :until)"
        " ON CONFLICT DO UPDATE SET owner = excluded.owner, until = excluded.until"
        " WHERE owner = excluded.owner OR until <= :now",
        {"name": name, "owner": owner, "now": now, "until": until},
    )
    return bool(done.rowcount)


def release_lease(connection: Connection, name: str, owner: str) -> None:
    connection.execute(
        "DELETE FROM leases WHERE name = :name AND owner = :owner", {"name": name, "owner": owner}
    )
