"""The tables, as numbered migrations: each is applied once, in order, in one transaction."""

from sqlite3 import Connection

from homeport.mirror.store.api import StoreError

FIRST = """
CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    upstream TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (upstream, name)
);

-- The same bytes may be shown with another media type elsewhere, and then mean something else: what
-- one repository's pusher claims must not reach another's clients.
CREATE TABLE manifests (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    parsed BLOB NOT NULL,
    content BLOB NOT NULL,
    UNIQUE (digest, media_type)
);

-- What manifests reference: blobs (child = 0) and manifests of an index (child = 1).
CREATE TABLE refs (
    manifest INTEGER NOT NULL REFERENCES manifests (id),
    child INTEGER NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    distributable INTEGER NOT NULL,
    PRIMARY KEY (manifest, child, digest)
) WITHOUT ROWID;
CREATE INDEX refs_digest ON refs (digest, manifest);

CREATE TABLE links (
    repository INTEGER NOT NULL REFERENCES repositories (id),
    digest TEXT NOT NULL,
    manifest INTEGER NOT NULL REFERENCES manifests (id),
    subject TEXT,
    used REAL NOT NULL,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE INDEX links_manifest ON links (manifest);
CREATE INDEX links_used ON links (used);
CREATE INDEX links_subject ON links (repository, subject) WHERE subject IS NOT NULL;

CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories (id),
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    checked REAL NOT NULL,
    gone REAL,
    PRIMARY KEY (repository, name)
) WITHOUT ROWID;
CREATE INDEX tags_digest ON tags (repository, digest);

CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    size INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE blob_links (
    repository INTEGER NOT NULL REFERENCES repositories (id),
    digest TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (repository, digest)
) WITHOUT ROWID;
CREATE INDEX blob_links_digest ON blob_links (digest);
CREATE INDEX blob_links_at ON blob_links (at);

CREATE TABLE uploads (
    session TEXT PRIMARY KEY,
    upstream TEXT NOT NULL,
    name TEXT NOT NULL,
    started REAL NOT NULL,
    algorithm TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE holds (
    digest TEXT NOT NULL,
    why TEXT NOT NULL,
    until REAL NOT NULL,
    PRIMARY KEY (digest, why)
) WITHOUT ROWID;
CREATE INDEX holds_until ON holds (until);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until REAL NOT NULL
) WITHOUT ROWID;
"""

MIGRATIONS = (FIRST,)


def migrate(connection: Connection) -> None:
    """Bring the database to the newest version; raises StoreError for one that is newer still."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the database has version {version}, this homeport knows {len(MIGRATIONS)}: "
            "it was written by a newer homeport; install that one, or restore a backup"
        )
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;{script}PRAGMA user_version={number};COMMIT;")
