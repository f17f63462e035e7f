-- catalog.db, schema 9: files that were moved are shown in the history, and where a file was found is looked up for them.
UPDATE ops SET listed = 1 WHERE kind = 29;
CREATE INDEX ops_seen ON ops (entity, stamp, number) WHERE kind = 5;
