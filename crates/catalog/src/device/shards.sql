-- device.db, schema 12: what lay in the library folder when it was looked at last, so that what vanished is noticed by listing
-- what changed since (shards.rs).
CREATE TABLE shards (
    folder TEXT PRIMARY KEY,
    changed_nanos INTEGER NOT NULL,
    names TEXT NOT NULL
) STRICT;
-- Which folders changed is asked with every sync, and must not read the names.
CREATE INDEX shards_by_change ON shards (folder, changed_nanos);
