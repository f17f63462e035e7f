-- The search index with prefix indexes of other lengths (search/prefix.rs). It is filled from the states when the
-- catalogue opens (reindex.rs).
DROP TABLE search;

CREATE VIRTUAL TABLE search USING fts5(
    facets, name, caption, tags, place, camera, lens, path,
    content = '', contentless_delete = 1, prefix = '2 4 6', tokenize = 'unicode61 remove_diacritics 2'
);

INSERT INTO facts (name, value) SELECT 'words up to', -1 WHERE EXISTS (SELECT 1 FROM timeline);
