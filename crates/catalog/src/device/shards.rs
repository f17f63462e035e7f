//! What lay in the folders of the library's objects when they were looked at last.
//!
//! A memory, not the truth: it only tells which folders are to be listed again, and which names are missing in them. Nobody
//! who never looked remembers nothing; who looked and found nothing remembers that.

use rusqlite::OptionalExtension;

use super::DeviceDb;
use crate::error::Result;

/// The row that says that somebody looked; no folder is called so.
const LOOKED: &str = "";

/// A folder of objects as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedShard {
    /// Its path below the folder of objects.
    pub folder: String,
    /// When it had changed last; 0 where that is not believed.
    pub changed_nanos: i64,
    /// The names in it.
    pub names: Vec<String>,
}

impl DeviceDb {
    /// The folders as they were at the last look, and when each had changed; none if nobody looked yet.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remembered_shards(&self) -> Result<Option<Vec<(String, i64)>>> {
        let all: Vec<(String, i64)> = self.database.read(|connection| {
            connection
                .prepare_cached("SELECT folder, changed_nanos FROM shards ORDER BY folder")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        let has_looked = !all.is_empty();
        Ok(has_looked.then(|| all.into_iter().filter(|(folder, _)| folder != LOOKED).collect()))
    }

    /// The names that a folder had at the last look.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remembered_names(&self, folder: &str) -> Result<Vec<String>> {
        let names: Option<String> = self.database.read(|connection| {
            connection
                .prepare_cached("SELECT names FROM shards WHERE folder = ?1")?
                .query_row([folder], |row| row.get(0))
                .optional()
        })?;
        Ok(names.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    /// Remembers folders that changed since the last look, and forgets those that are `gone`: all or nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub fn remember_shards(&mut self, changed: &[RememberedShard], gone: &[String]) -> Result<()> {
        self.write(|transaction| {
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO shards (folder, changed_nanos, names) VALUES (?1, ?2, ?3)",
            )?;
            put.execute((LOOKED, 0, ""))?;
            for shard in changed {
                put.execute((&shard.folder, shard.changed_nanos, shard.names.join("\n")))?;
            }
            let mut forget = transaction.prepare_cached("DELETE FROM shards WHERE folder = ?1")?;
            gone.iter().try_for_each(|folder| forget.execute([folder]).map(drop))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looked_and_found_nothing_remembers_that() {
        let mut device = DeviceDb::create_in_memory().unwrap();
        assert_eq!(device.remembered_shards().unwrap(), None);
        device.remember_shards(&[], &[]).unwrap();
        assert_eq!(device.remembered_shards().unwrap(), Some(Vec::new()));
        let shard = |names: &[&str]| RememberedShard {
            folder: "o/ab".into(),
            changed_nanos: 7,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        device.remember_shards(&[shard(&["one", "two"])], &[]).unwrap();
        assert_eq!(device.remembered_shards().unwrap(), Some(vec![("o/ab".to_owned(), 7)]));
        assert_eq!(device.remembered_names("o/ab").unwrap(), ["one", "two"]);
        device.remember_shards(&[shard(&[])], &[]).unwrap();
        assert!(device.remembered_names("o/ab").unwrap().is_empty());
        device.remember_shards(&[], &["o/ab".to_owned()]).unwrap();
        assert_eq!(device.remembered_shards().unwrap(), Some(Vec::new()));
    }
}
