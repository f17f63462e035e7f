-- device.db: which originals stay on this device, which are only visiting, which are archived (local.rs).

-- Photos (1) and albums (2) whose originals stay here.
CREATE TABLE pins (
    kind INTEGER NOT NULL,
    name BLOB NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- Originals that were fetched because somebody opened them: the longest unopened go first.
CREATE TABLE visiting (
    content       BLOB PRIMARY KEY,
    size_bytes    INTEGER NOT NULL,
    opened_millis INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX visiting_in_order ON visiting (opened_millis, content);

-- Originals whose local bytes are being removed: written before the first byte goes.
CREATE TABLE freeing (
    content BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Originals that a remote holds archived, and since when they are being thawed there.
CREATE TABLE archived (
    remote       INTEGER NOT NULL,
    content      BLOB NOT NULL,
    asked_millis INTEGER,
    PRIMARY KEY (remote, content)
) STRICT, WITHOUT ROWID;

CREATE INDEX archived_by_content ON archived (content);
