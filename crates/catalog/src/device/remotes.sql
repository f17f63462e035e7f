-- device.db, schema 2: remotes, and what this device knows to rest in them.

CREATE TABLE remotes (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    address       TEXT NOT NULL,
    credential    BLOB,
    policy        TEXT NOT NULL,
    capabilities  BLOB,
    added_millis  INTEGER NOT NULL,
    synced_millis INTEGER,
    last_error    TEXT,
    -- Up to which op of which catalogue originals were looked at (remote_originals).
    catalog       INTEGER,
    looked_at     INTEGER NOT NULL DEFAULT 0,
    -- Where the next sample of a verification begins.
    sweep         TEXT NOT NULL DEFAULT ''
) STRICT;

-- Sealed objects that rest in a remote: under this full name, of this size.
CREATE TABLE replicas (
    remote        INTEGER NOT NULL,
    object        TEXT NOT NULL,
    sealed_bytes  INTEGER NOT NULL,
    placed_millis INTEGER NOT NULL,
    proven_millis INTEGER,
    how           INTEGER NOT NULL,
    PRIMARY KEY (remote, object)
) STRICT, WITHOUT ROWID;

-- Names under which something bad was found to rest, twice: they are left alone, and never count again.
CREATE TABLE bad_objects (
    remote INTEGER NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (remote, object)
) STRICT, WITHOUT ROWID;

-- How far each device's chain was seen in a remote, verified: less than this is a rollback.
CREATE TABLE remote_heads (
    remote INTEGER NOT NULL,
    device BLOB NOT NULL,
    seq    INTEGER NOT NULL,
    root   BLOB NOT NULL,
    -- Ascends as heads are learnt: the newest is what a rollback would lose first.
    learnt INTEGER NOT NULL,
    PRIMARY KEY (remote, device)
) STRICT, WITHOUT ROWID;

-- How each original stands to a remote (originals.rs).
CREATE TABLE remote_originals (
    remote           INTEGER NOT NULL,
    content          BLOB NOT NULL,
    -- Its place in the timeline when it was added: smaller is newer.
    position         INTEGER NOT NULL,
    size_bytes       INTEGER NOT NULL,
    state            INTEGER NOT NULL,
    reason           TEXT,
    attempts         INTEGER NOT NULL DEFAULT 0,
    next_try_millis  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (remote, content)
) STRICT, WITHOUT ROWID;

CREATE INDEX remote_originals_in_order ON remote_originals (remote, state, position, size_bytes);
CREATE INDEX remote_originals_by_content ON remote_originals (content);

-- Which entries lie in which remote pack, in their order there.
CREATE TABLE packed_entries (
    pack     TEXT NOT NULL,
    position INTEGER NOT NULL,
    content  BLOB NOT NULL,
    kind     INTEGER NOT NULL,
    recipe   INTEGER NOT NULL,
    PRIMARY KEY (pack, position)
) STRICT, WITHOUT ROWID;

-- The packs whose entries are known.
CREATE TABLE known_packs (
    pack    TEXT PRIMARY KEY,
    entries INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX packed_entries_by_content ON packed_entries (content, kind, recipe);

-- Whether a remote pack is known to hold this entry too.
ALTER TABLE packs ADD COLUMN is_packed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX packs_to_pack ON packs (kind, content, recipe) WHERE is_packed = 0;
