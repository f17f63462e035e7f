//! The brake of this device: why nothing is let go here, and what of late came close to that.

use rusqlite::Row;
use safelight_crypto::{ContentHash, DeviceId};
use safelight_model::AssetId;

use super::DeviceDb;
use crate::error::Result;
use crate::rows::bytes_column;

/// Why nothing is let go, until somebody has looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrakeCause {
    /// Whose history said it; none: files of a watched folder changed.
    pub device: Option<DeviceId>,
    /// That folder.
    pub folder: Vec<u8>,
    /// When this device noticed, in milliseconds since 1970.
    pub since_millis: i64,
    /// The last moment before it, as the changes themselves say, in milliseconds since 1970.
    pub before_millis: i64,
    /// How many photos, or files, it is about.
    pub lost: u64,
    /// How many there were.
    pub known: u64,
}

/// That another device took something from a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentLoss {
    /// The photo.
    pub asset: AssetId,
    /// The device.
    pub device: DeviceId,
    /// When it did, by its own clock, in milliseconds since 1970.
    pub stamp_millis: i64,
    /// When that was read here.
    pub read_millis: i64,
}

impl DeviceDb {
    /// Why nothing is let go, oldest first; empty while the brake is off.
    ///
    /// # Errors
    /// Those of the database.
    pub fn brake_causes(&self) -> Result<Vec<BrakeCause>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT device, folder, since, before, lost, known FROM brake ORDER BY since, device, folder",
                )?
                .query_map([], read_cause)?
                .collect()
        })
    }

    /// Puts the brake on for a cause. One that is known keeps since when, and the moment before it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn put_brake_on(&mut self, cause: &BrakeCause) -> Result<()> {
        let BrakeCause { device, folder, since_millis, before_millis, lost, known } = cause;
        let device = device.as_ref().map_or(&[][..], |device| device.as_bytes());
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO brake (device, folder, since, before, lost, known) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (device, folder) DO UPDATE SET lost = excluded.lost, known = excluded.known,
                         before = min(before, excluded.before)",
                )?
                .execute((device, folder, since_millis, before_millis, lost, known))
                .map(drop)
        })
    }

    /// What is held back in a folder is held back no more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget_brake_of_folder(&mut self, folder: &[u8]) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM brake WHERE folder = ?1 AND device = x''")?
                .execute([folder])
                .map(drop)
        })
    }

    /// Lets the brake go: what was lost of late counts no more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn let_brake_go(&mut self) -> Result<()> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM brake", [])?;
            transaction.execute("DELETE FROM recent_losses", []).map(drop)
        })
    }

    /// Remembers what other devices took, and forgets what was read before a moment.
    ///
    /// # Errors
    /// Those of the database.
    pub fn record_losses(&mut self, losses: &[RecentLoss], read_before_millis: i64) -> Result<()> {
        self.write(|transaction| {
            transaction
                .prepare_cached("DELETE FROM recent_losses WHERE read < ?1")?
                .execute([read_before_millis])?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO recent_losses (asset, device, stamp, read) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (asset) DO UPDATE SET device = excluded.device, read = excluded.read",
            )?;
            for RecentLoss { asset, device, stamp_millis, read_millis } in losses {
                insert.execute((asset.0.as_bytes(), device.as_bytes(), stamp_millis, read_millis))?;
            }
            Ok(())
        })
    }

    /// What other devices took of late.
    ///
    /// # Errors
    /// Those of the database.
    pub fn recent_losses(&self) -> Result<Vec<RecentLoss>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT asset, device, stamp, read FROM recent_losses ORDER BY asset")?
                .query_map([], |row| {
                    Ok(RecentLoss {
                        asset: AssetId(ContentHash::from_bytes(bytes_column(row, 0)?)),
                        device: DeviceId::from_bytes(bytes_column(row, 1)?),
                        stamp_millis: row.get(2)?,
                        read_millis: row.get(3)?,
                    })
                })?
                .collect()
        })
    }
}

fn read_cause(row: &Row<'_>) -> rusqlite::Result<BrakeCause> {
    let is_of_a_folder = row.get_ref(0)?.as_blob().is_ok_and(<[u8]>::is_empty);
    Ok(BrakeCause {
        device: if is_of_a_folder { None } else { Some(DeviceId::from_bytes(bytes_column(row, 0)?)) },
        folder: row.get(1)?,
        since_millis: row.get(2)?,
        before_millis: row.get(3)?,
        lost: row.get(4)?,
        known: row.get(5)?,
    })
}
