-- catalog.db, schema 7: segments of forked chains whose ops other chains carry (op 27).
CREATE TABLE carried (
    device BLOB NOT NULL,
    seq    INTEGER NOT NULL,
    root   BLOB NOT NULL,
    PRIMARY KEY (device, seq, root)
) STRICT, WITHOUT ROWID;
