-- device.db, schema 1. Paths are bytes, never text: names need not be UTF-8.

CREATE TABLE sources (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    path               BLOB NOT NULL UNIQUE,
    watched            INTEGER NOT NULL,
    link               INTEGER NOT NULL,
    remove_after_proof INTEGER NOT NULL,
    offline            INTEGER NOT NULL DEFAULT 0,
    added_millis       INTEGER NOT NULL,
    scanned_millis     INTEGER
) STRICT;

-- The stat cache: clustered by (source, path bytes), so that a sorted walk is a merge-join with it.
CREATE TABLE files (
    source         INTEGER NOT NULL,
    path           BLOB NOT NULL,
    size_bytes     INTEGER NOT NULL,
    modified_nanos INTEGER NOT NULL,
    changed_nanos  INTEGER NOT NULL,
    inode          INTEGER NOT NULL,
    device         INTEGER NOT NULL,
    state          INTEGER NOT NULL,
    reason         TEXT,
    sampled        BLOB,
    content        BLOB,
    PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX files_by_content ON files (content) WHERE content IS NOT NULL;

CREATE TABLE render_jobs (
    id              INTEGER PRIMARY KEY,
    content         BLOB NOT NULL,
    kind            INTEGER NOT NULL,
    recipe          INTEGER NOT NULL,
    urgency         INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    not_before      INTEGER NOT NULL DEFAULT 0,
    given_up        INTEGER NOT NULL DEFAULT 0,
    reason          TEXT,
    UNIQUE (content, kind, recipe)
) STRICT;

CREATE INDEX render_jobs_waiting ON render_jobs (urgency DESC, id) WHERE given_up = 0;

CREATE TABLE packs (
    content  BLOB NOT NULL,
    kind     INTEGER NOT NULL,
    recipe   INTEGER NOT NULL,
    pack     TEXT NOT NULL,
    position INTEGER NOT NULL,
    length   INTEGER NOT NULL,
    PRIMARY KEY (content, kind, recipe)
) STRICT, WITHOUT ROWID;

CREATE INDEX packs_by_pack ON packs (pack, position);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
