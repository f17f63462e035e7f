-- device.db, schema 10: how large an object is that is marked and still lies in the remote, as it does for 30 days at least.
-- None once it was deleted, where it was found missing, and where its size was never known here.
ALTER TABLE bad_objects ADD COLUMN leaving_bytes INTEGER;
