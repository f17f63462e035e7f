-- device.db, schema 9: originals that somebody fetched or thawed to have them here. No policy frees them again; who frees
-- them by hand ends that (local.rs).
CREATE TABLE kept (
    content BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
