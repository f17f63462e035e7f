-- device.db, schema 3: what goes to a remote, as this device wants it (policies.rs).

-- The settings of a remote: names and texts that `policies.rs` and the owners of other settings understand.
CREATE TABLE remote_settings (
    remote INTEGER NOT NULL,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (remote, name)
) STRICT, WITHOUT ROWID;

-- What a person switched on or off by hand; kind 1 is an asset, 2 an album.
CREATE TABLE sync_switches (
    remote INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    name   BLOB NOT NULL,
    is_on  INTEGER NOT NULL,
    PRIMARY KEY (remote, kind, name)
) STRICT, WITHOUT ROWID;

-- The catalogue, day and packs for which the policy was last applied; NULL: it is to be applied anew.
ALTER TABLE remotes ADD COLUMN planned TEXT;
ALTER TABLE remotes ADD COLUMN packed TEXT;

-- Packs that history names and that a remote was asked for in vain, and when.
CREATE TABLE absent_packs (
    remote       INTEGER NOT NULL,
    pack         TEXT NOT NULL,
    asked_millis INTEGER NOT NULL,
    PRIMARY KEY (remote, pack)
) STRICT, WITHOUT ROWID;
