//! This device's own settings: a name, and bytes that their owner understands.

use rusqlite::{Connection, OptionalExtension};

use super::DeviceDb;
use crate::error::Result;

impl DeviceDb {
    /// Reads a setting.
    ///
    /// # Errors
    /// Those of the database.
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.database.read(|connection| read_setting(connection, name))
    }

    /// Writes a setting, or removes it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_setting(&mut self, name: &str, value: Option<&[u8]>) -> Result<()> {
        self.write(|transaction| write_setting(transaction, name, value))
    }

    /// Writes several settings, or removes them: all or none.
    ///
    /// # Errors
    /// Those of the database.
    pub fn set_settings(&mut self, settings: &[(&str, Option<&[u8]>)]) -> Result<()> {
        self.write(|transaction| {
            settings.iter().try_for_each(|(name, value)| write_setting(transaction, name, *value))
        })
    }

    /// Makes of a setting what `change` makes of it, and nobody changes it meanwhile. What is refused is left as it was.
    ///
    /// # Errors
    /// Those of the database.
    pub fn change_setting<R>(
        &mut self,
        name: &str,
        change: impl FnOnce(Vec<u8>) -> std::result::Result<Vec<u8>, R>,
    ) -> Result<std::result::Result<(), R>> {
        self.write(|transaction| {
            let value = read_setting(transaction, name)?.unwrap_or_default();
            match change(value) {
                Ok(value) => write_setting(transaction, name, (!value.is_empty()).then_some(&*value)).map(Ok),
                Err(refused) => Ok(Err(refused)),
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

fn read_setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

fn write_setting(connection: &Connection, name: &str, value: Option<&[u8]>) -> rusqlite::Result<()> {
    let Some(value) = value else {
        return connection.prepare_cached("DELETE FROM settings WHERE name = ?1")?.execute([name]).map(drop);
    };
    connection
        .prepare_cached(
            "INSERT INTO settings (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute((name, value))
        .map(drop)
}
