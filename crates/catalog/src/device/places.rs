//! Which place a remote is, this device's standing there, and what history is still to be told of it.
//!
//! Invariant: an id is kept only after it was read back from the place. It goes when the remote is forgotten: a
//! place that was lost and is filled anew is another one. An object that is void is no replica and never becomes
//! one again. Specified in sl1-history §8.9, §10.

use rusqlite::OptionalExtension;
use safelight_crypto::{ContentHash, DeviceId};
use safelight_model::{PlaceId, SegmentSeq};

use super::replicas::refuse;
use super::{DeviceDb, RemoteId};
use crate::error::Result;
use crate::rows::{bytes_column, hash_column};

/// This device's standing at a remote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// When a segment of it was last put there.
    pub published_millis: Option<i64>,
    /// Whether it has published there and then read everything since it was last away.
    pub is_present: bool,
}

/// Since when a device's chain was seen to end where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The device.
    pub device: DeviceId,
    /// Its last segment.
    pub seq: SegmentSeq,
    /// Since when.
    pub since_millis: i64,
}

impl DeviceDb {
    /// The id of the place that a remote is, if it was read there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn place_id(&self, remote: RemoteId) -> Result<Option<PlaceId>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT place FROM remotes WHERE id = ?1 AND place IS NOT NULL")?
                .query_row([remote.0], |row| bytes_column(row, 0).map(PlaceId))
                .optional()
        })
    }

    /// Keeps the id that was read at the place.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_place_id(&mut self, remote: RemoteId, place: PlaceId) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute("UPDATE remotes SET place = ?2 WHERE id = ?1", (remote.0, place.0.as_slice()))
                .map(drop)
        })
    }

    /// The remote of this device that is the place with this id.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remote_at(&self, place: PlaceId) -> Result<Option<RemoteId>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT id FROM remotes WHERE place = ?1 ORDER BY id LIMIT 1")?
                .query_row([place.0.as_slice()], |row| row.get(0).map(RemoteId))
                .optional()
        })
    }

    /// This device's standing at a remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn presence(&self, remote: RemoteId) -> Result<Presence> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT published_millis, is_present FROM remotes WHERE id = ?1")?
                .query_row([remote.0], |row| {
                    Ok(Presence { published_millis: row.get(0)?, is_present: row.get(1)? })
                })
                .optional()
                .map(Option::unwrap_or_default)
        })
    }

    /// Records that a segment of this device was put into a remote.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_published(&mut self, remote: RemoteId, now_millis: i64) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("UPDATE remotes SET published_millis = ?2 WHERE id = ?1")?
                .execute((remote.0, now_millis))
                .map(drop)
        })
    }

    /// Records that this device has published in a remote and then read everything there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_return(&mut self, remote: RemoteId) -> Result<()> {
        self.write(|transaction| {
            transaction.execute("UPDATE remotes SET is_present = 1 WHERE id = ?1", [remote.0]).map(drop)
        })
    }

    /// Records that this device was away: from one remote, or from all; every proof is forgotten.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_away(&mut self, remote: Option<RemoteId>) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute("UPDATE replicas SET proven_millis = NULL WHERE proven_millis IS NOT NULL", [])?;
            let remote = remote.map(|remote| remote.0);
            transaction
                .execute("UPDATE remotes SET is_present = 0 WHERE ?1 IS NULL OR id = ?1", [remote])
                .map(drop)
        })
    }

    /// Up to which purge was looked at for a remote; 0 for another catalogue.
    ///
    /// # Errors
    /// Those of the database.
    pub fn purges_until(&self, remote: RemoteId, catalog: i64) -> Result<i64> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT purges_until FROM remotes WHERE id = ?1 AND catalog = ?2")?
                .query_row((remote.0, catalog), |row| row.get(0))
                .optional()
                .map(Option::unwrap_or_default)
        })
    }

    /// Remembers up to which purge was looked at.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_purges_until(&mut self, remote: RemoteId, number: i64) -> Result<()> {
        self.write(|transaction| {
            transaction
                .execute("UPDATE remotes SET purges_until = ?2 WHERE id = ?1", (remote.0, number))
                .map(drop)
        })
    }

    /// Originals that rest whole in a remote and of which history was not told yet, behind `after`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn originals_to_tell(
        &self,
        remote: RemoteId,
        after: Option<ContentHash>,
        limit: usize,
    ) -> Result<Vec<ContentHash>> {
        let after = after.map_or(Vec::new(), |content| content.as_bytes().to_vec());
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content FROM remote_originals
                     WHERE remote = ?1 AND told = 0 AND state IN (1, 2) AND content > ?2
                     ORDER BY content LIMIT ?3",
                )?
                .query_map((remote.0, after, limit), |row| hash_column(row, 0))?
                .collect()
        })
    }

    /// Packs that rest in a remote and of which history was not told yet, by their full names.
    ///
    /// # Errors
    /// Those of the database.
    pub fn packs_to_tell(&self, remote: RemoteId) -> Result<Vec<String>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT object FROM replicas WHERE remote = ?1 AND told = 0
                     AND substr(object, 1, 2) IN ('t/', 'p/', 's/') ORDER BY object",
                )?
                .query_map([remote.0], |row| row.get(0))?
                .collect()
        })
    }

    /// Remembers whether history was told of originals and packs, or that they are not sure enough to be told.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_told<'a>(
        &mut self,
        remote: RemoteId,
        is_told: bool,
        originals: impl IntoIterator<Item = &'a ContentHash>,
        objects: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        let told = if is_told { 1 } else { 2 };
        self.write(|transaction| {
            let mut update = transaction
                .prepare_cached("UPDATE remote_originals SET told = ?3 WHERE remote = ?1 AND content = ?2")?;
            for content in originals {
                update.execute((remote.0, content.as_bytes(), told))?;
            }
            let mut update = transaction
                .prepare_cached("UPDATE replicas SET told = ?3 WHERE remote = ?1 AND object = ?2")?;
            objects.into_iter().try_for_each(|object| update.execute((remote.0, object, told)).map(drop))
        })
    }

    /// Lets history be told anew of originals that were proven, unless it was told already.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tell_again<'a>(
        &mut self,
        remote: RemoteId,
        contents: impl IntoIterator<Item = &'a ContentHash>,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE remote_originals SET told = 0 WHERE remote = ?1 AND content = ?2 AND told = 2",
            )?;
            contents
                .into_iter()
                .try_for_each(|content| update.execute((remote.0, content.as_bytes())).map(drop))
        })
    }

    /// Drops every proof and record of objects that are marked: in one transaction, before they are acknowledged.
    ///
    /// # Errors
    /// Those of the database.
    pub fn void_objects<'a>(
        &mut self,
        remote: RemoteId,
        objects: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        self.write(|transaction| {
            objects.into_iter().try_for_each(|object| refuse(transaction, remote, object))
        })
    }

    /// Remembers where each chain ends, and since when it was seen to end there.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_silences(
        &mut self,
        tips: impl IntoIterator<Item = (DeviceId, SegmentSeq)>,
        now_millis: i64,
    ) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO silences (device, seq, since_millis) VALUES (?1, ?2, ?3)
                 ON CONFLICT (device) DO UPDATE SET seq = excluded.seq, since_millis = excluded.since_millis
                     WHERE excluded.seq <> seq OR excluded.since_millis < since_millis",
            )?;
            tips.into_iter().try_for_each(|(device, seq)| {
                statement.execute((device.as_bytes(), seq.0, now_millis)).map(drop)
            })
        })
    }

    /// Since when each chain was seen to end where it ends.
    ///
    /// # Errors
    /// Those of the database.
    pub fn silences(&self) -> Result<Vec<Silence>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT device, seq, since_millis FROM silences ORDER BY device")?
                .query_map([], |row| {
                    let device = DeviceId::from_bytes(bytes_column(row, 0)?);
                    Ok(Silence { device, seq: SegmentSeq(row.get(1)?), since_millis: row.get(2)? })
                })?
                .collect()
        })
    }
}
