-- catalog.db, schema 5: what this device began with instead of all ops (begin.rs), until the ops have proven it.

-- At most one row.
CREATE TABLE begun_with (
    signer BLOB NOT NULL
) STRICT;

CREATE TABLE begun_heads (
    device BLOB PRIMARY KEY,
    seq    INTEGER NOT NULL,
    root   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE begun_statements (
    bytes BLOB NOT NULL
) STRICT;

-- Its pages that are still to be taken in.
CREATE TABLE begun_pages (
    sha256     BLOB PRIMARY KEY,
    bucket     INTEGER NOT NULL,
    entries    INTEGER NOT NULL,
    body_bytes INTEGER NOT NULL,
    epoch      BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- When a pack was spoken of first, as ops.stamp. A pack whose op is not here yet has a negative number.
ALTER TABLE remote_packs ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0;
UPDATE remote_packs SET stamp = ifnull((SELECT stamp FROM ops WHERE ops.number = remote_packs.number), 0);
