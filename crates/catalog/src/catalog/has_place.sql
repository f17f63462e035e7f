-- catalog.db, schema 11: the index says whether a place has a name. It is filled from the states when the catalogue opens
-- (reindex.rs).
INSERT INTO search (search) VALUES ('delete-all');
INSERT OR REPLACE INTO facts (name, value) SELECT 'words up to', -1 WHERE EXISTS (SELECT 1 FROM timeline);
