-- device.db, schema 8: what is left in a remote of segments of forked chains, which nobody can read (sl1-history §8.10).
-- Each is told once.
CREATE TABLE leftovers (
    remote     INTEGER NOT NULL,
    object     TEXT NOT NULL,
    reason     TEXT NOT NULL,
    -- How the remote marks the bytes that were read: while it does, they need not be read again. Empty if it marks none.
    mark       TEXT NOT NULL,
    -- Whether the segment that is held here was refused in their place.
    is_refused INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (remote, object)
) STRICT, WITHOUT ROWID;
