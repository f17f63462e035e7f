-- device.db, schema 13: renditions that cannot be read where the index says that they lie (renditions.rs).
CREATE TABLE lost_renditions (
    content BLOB NOT NULL,
    kind INTEGER NOT NULL,
    recipe INTEGER NOT NULL,
    pack TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (content, kind, recipe)
) STRICT, WITHOUT ROWID;
