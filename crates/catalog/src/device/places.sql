-- device.db, schema 6: which place a remote is, and this device's standing there (sl1-history §8.9, §10.5).

ALTER TABLE remotes ADD COLUMN place BLOB;
-- When a segment of this device was last put there.
ALTER TABLE remotes ADD COLUMN published_millis INTEGER;
-- Whether this device has published there and then read everything since it was last away.
ALTER TABLE remotes ADD COLUMN is_present INTEGER NOT NULL DEFAULT 0;
-- Up to which purge of the catalogue (column catalog) what nothing needs any more was looked for.
ALTER TABLE remotes ADD COLUMN purges_until INTEGER NOT NULL DEFAULT 0;

-- Whether history was told what rests in the remote: 0 to be looked at, 1 told, 2 not sure enough to be told.
ALTER TABLE remote_originals ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replicas ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
CREATE INDEX remote_originals_to_tell ON remote_originals (remote, content) WHERE told = 0 AND state IN (1, 2);
CREATE INDEX replicas_to_tell ON replicas (remote, object) WHERE told = 0;

-- Since when each device's chain was seen to end at this segment.
CREATE TABLE silences (
    device       BLOB PRIMARY KEY,
    seq          INTEGER NOT NULL,
    since_millis INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
