//! This device's own settings: a name, and bytes that their owner understands.

use rusqlite::OptionalExtension;

use super::DeviceDb;
use crate::error::Result;

impl DeviceDb {
    /// Reads a setting.
    ///
    /// # Errors
    /// Those of the database.
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.database.read(|connection| {
            connection
                .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()
        })
    }

    /// Writes a setting, or removes it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_setting(&mut self, name: &str, value: Option<&[u8]>) -> Result<()> {
        self.write(|transaction| match value {
            Some(value) => transaction
                .prepare_cached(
                    "INSERT INTO settings (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )?
                .execute((name, value))
                .map(drop),
            None => {
                transaction.prepare_cached("DELETE FROM settings WHERE name = ?1")?.execute([name]).map(drop)
            }
        })
    }

    /// Lists the settings whose names begin with `prefix`, in the order of their names.
    ///
    /// # Errors
    /// Those of the database.
    pub fn settings(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        self.database.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT name, value FROM settings WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
                )?
                .query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }
}
