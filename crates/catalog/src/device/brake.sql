-- device.db, schema 14: what many photos lost at once waits for a person (brake.rs).
CREATE TABLE brake (
    -- Whose history said it; empty: the files of a watched folder of this device.
    device BLOB NOT NULL,
    -- The folder; empty for history.
    folder BLOB NOT NULL,
    since INTEGER NOT NULL,
    -- The last moment before it, as the changes themselves say.
    before INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    known INTEGER NOT NULL,
    PRIMARY KEY (device, folder)
) STRICT, WITHOUT ROWID;

-- What other devices took from photos of late, the last of each photo.
CREATE TABLE recent_losses (
    asset BLOB PRIMARY KEY,
    device BLOB NOT NULL,
    stamp INTEGER NOT NULL,
    read INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
