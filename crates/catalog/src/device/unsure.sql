-- device.db, schema 11: what was marked before its size was remembered (schema 10) may lie in the remote still, or not.
ALTER TABLE bad_objects ADD COLUMN is_unsure INTEGER NOT NULL DEFAULT 0;
UPDATE bad_objects SET is_unsure = 1 WHERE leaving_bytes IS NULL;
