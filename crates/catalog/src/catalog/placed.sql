-- catalog.db, schema 6: what rests in which remote, as history says it (placed.rs; sl1-history §10).

-- Remotes that ops name.
CREATE TABLE places (
    id    INTEGER PRIMARY KEY,
    place BLOB NOT NULL UNIQUE
) STRICT;

-- Whose originals rest whole in a remote in generation 0: additions from first to last, but for the exceptions.
-- op is the number of the op that says so.
CREATE TABLE placed_ranges (
    place   INTEGER NOT NULL,
    session INTEGER NOT NULL,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    op      INTEGER NOT NULL,
    PRIMARY KEY (place, session, first, last, op)
) STRICT, WITHOUT ROWID;

CREATE TABLE placed_exceptions (
    op      INTEGER NOT NULL,
    session INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    PRIMARY KEY (op, session, counter)
) STRICT, WITHOUT ROWID;

-- Objects that rest in a remote, said one by one.
CREATE TABLE placed_objects (
    place      INTEGER NOT NULL,
    class      INTEGER NOT NULL,
    name       BLOB NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (place, class, name, generation)
) STRICT, WITHOUT ROWID;

-- Marks; number is that of the op.
CREATE TABLE marks (
    number INTEGER PRIMARY KEY,
    place  INTEGER NOT NULL,
    why    INTEGER NOT NULL
) STRICT;

CREATE TABLE marked_objects (
    place      INTEGER NOT NULL,
    class      INTEGER NOT NULL,
    name       BLOB NOT NULL,
    generation INTEGER NOT NULL,
    mark       INTEGER NOT NULL,
    PRIMARY KEY (place, class, name, generation, mark)
) STRICT, WITHOUT ROWID;

CREATE INDEX marked_objects_by_mark ON marked_objects (mark);

-- Which device relies on a mark's objects no more; the mark may arrive later, so it is named by its op id.
CREATE TABLE acknowledgements (
    session     INTEGER NOT NULL,
    counter     INTEGER NOT NULL,
    device      INTEGER NOT NULL,
    -- When this catalogue took it in, by this device's clock.
    read_millis INTEGER NOT NULL,
    PRIMARY KEY (session, counter, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE lapses (
    device BLOB NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (device, seq)
) STRICT, WITHOUT ROWID;
