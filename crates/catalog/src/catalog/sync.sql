-- catalog.db, schema 3: what syncing asks.

-- Packs in remotes, as ops say; number is that of the op, so that it sorts as the packs were made.
CREATE TABLE remote_packs (
    number       INTEGER PRIMARY KEY,
    tier         INTEGER NOT NULL,
    name         BLOB NOT NULL,
    epoch        BLOB NOT NULL,
    sealed_bytes INTEGER NOT NULL,
    index_sha256 BLOB NOT NULL,
    UNIQUE (tier, name)
) STRICT;

-- 16: statements (sl1-history §4.2).
CREATE INDEX ops_statements ON ops (number) WHERE kind = 16;

-- Which catalogue this is: a rebuilt one numbers its ops anew.
INSERT INTO facts (name, value) VALUES ('instance', random());
