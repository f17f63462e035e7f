//! `plain adopt`: takes over what another tool, or another machine, laid out in this way.
//!
//! What the place lists is what counts. The index of another tool only adds what a place does not know: the times of files,
//! so that the next push need not read them all. A time that is wrong costs a reading, never an upload.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futures_util::{StreamExt as _, stream};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde::Serialize;

use crate::copy::PlainCopy;
use crate::error::PlainError;
use crate::guard;
use crate::index::{Entry, Sha256, named, path_of};
use crate::listing::{Listed, Listing};
use crate::manifest;
use crate::monitor::{Monitor, Problem, Task, Weight};
use crate::name::{BlobName, path_from_ascii};
use crate::place::Place;
use crate::upload::{now, time_from};

/// What other tools call what an index holds.
const PATHS: [&str; 6] = ["relative_path", "rel_path", "relpath", "path", "file_path", "name"];
const TIMES: [&str; 4] = ["mtime_ns", "mtime", "modified", "last_modified"];
const HASHES: [&str; 4] = ["sha256", "sha256_hex", "content_hash", "hash"];
const BLOBS: [&str; 4] = ["blob_name", "blob", "blob_path", "remote_path"];
const INODES: [&str; 2] = ["inode", "ino"];

/// What to take over.
#[derive(Debug, Clone, Default)]
pub struct AdoptRequest {
    /// The index of another tool: an SQLite file with a table that has paths and hashes or names of blobs.
    pub index: Option<PathBuf>,
    /// Only say what would be taken over.
    pub dry_run: bool,
}

/// What was taken over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AdoptReport {
    /// Files that are known now; with a dry run, that would be.
    pub adopted: u64,
    /// Files that were known before.
    pub known: u64,
    /// Of those adopted, files whose time of change is known, so that they need not be read again.
    pub with_times: u64,
    /// Rows of the other index whose blob the place does not list.
    pub without_blob: u64,
    /// Objects that are laid out otherwise.
    pub strangers: u64,
}

/// What another index says about a file.
#[derive(Debug, Clone, Copy)]
struct Told {
    mtime_ns: i64,
    inode: u64,
}

impl PlainCopy {
    /// Takes over what the destination holds. What the index knows already stays as it is.
    ///
    /// # Errors
    /// What listing answers; [`PlainError::ForeignIndex`] for a file that is no index.
    pub fn adopt(&self, request: &AdoptRequest, monitor: &dyn Monitor) -> Result<AdoptReport, PlainError> {
        guard::refuse_library_folder(self.destination())?;
        let told = match &request.index {
            Some(path) => read_index(path, self.destination().prefix_bytes())?,
            None => HashMap::new(),
        };
        self.runtime()?.block_on(self.adopt_listed(told, request, monitor))
    }

    async fn adopt_listed(
        &self,
        mut told: HashMap<String, Told>,
        request: &AdoptRequest,
        monitor: &dyn Monitor,
    ) -> Result<AdoptReport, PlainError> {
        let place = self.place_to_read().await?;
        let name = self.destination().name();
        guard::refuse_sealed_place(&place, &name).await?;
        let listing = Listing::of(&place, monitor).await?;
        let mut report = AdoptReport { strangers: listing.strangers, ..AdoptReport::default() };
        let elsewhere = manifest::read(&place, &listing.manifests, monitor).await?;
        monitor.begin(Task::List, Some(listing.blobs.len() as u64));
        let looking = listing.blobs.into_iter().map(|listed| {
            let (place, told) = (&place, told.remove(&listed.name.to_string()));
            async move { entry_of(place, &listed, told).await }
        });
        let entries = stream::iter(looking.collect::<Vec<_>>());
        let mut entries = entries.buffer_unordered(self.destination().workers as usize);
        let mut found: HashMap<PathBuf, Entry> = HashMap::new();
        while let Some(entry) = entries.next().await {
            monitor.advance(1, 0);
            keep_newest(&mut found, entry, monitor);
        }
        monitor.end();
        for one in elsewhere {
            let entry = Entry {
                path: one.path,
                size: one.size,
                mtime_ns: one.mtime_ns,
                inode: 0,
                sha256: one.blob.sha256(),
                blob: one.blob.to_string(),
                etag: None,
                tier: None,
                uploaded: one.written.and_then(written_as).unwrap_or_else(now),
                in_manifest: Some(true),
            };
            // A blob of its own may be what the path held before.
            if found.get(&entry.path).is_none_or(|own| entry.uploaded > own.uploaded) {
                found.insert(entry.path.clone(), entry);
            }
        }
        report.without_blob = told.len() as u64;
        self.remember(&name, found, request.dry_run, &mut report)?;
        Ok(report)
    }

    fn remember(
        &self,
        name: &str,
        found: HashMap<PathBuf, Entry>,
        dry_run: bool,
        report: &mut AdoptReport,
    ) -> Result<(), PlainError> {
        let mut index = if dry_run { None } else { Some(self.index()?) };
        let known = match &index {
            Some(_) => None,
            None => self.index_to_read()?,
        };
        for entry in found.into_values() {
            let is_known = match (&index, &known) {
                (Some(index), _) | (None, Some(index)) => index.entry(name, &entry.path)?.is_some(),
                (None, None) => false,
            };
            if is_known {
                report.known += 1;
                continue;
            }
            report.adopted += 1;
            report.with_times += u64::from(entry.mtime_ns != 0);
            if let Some(index) = &mut index {
                index.record(name, &entry)?;
            }
        }
        if let Some(index) = &mut index {
            index.save()?;
            index.know_place(name, None, None)?;
        }
        Ok(())
    }
}

async fn entry_of(place: &Place, listed: &Listed, told: Option<Told>) -> Entry {
    let mut entry = Entry {
        path: listed.name.relative(),
        size: listed.info.length_bytes,
        mtime_ns: told.map_or(0, |told| told.mtime_ns),
        inode: told.map_or(0, |told| told.inode),
        sha256: listed.name.sha256(),
        blob: listed.name.to_string(),
        etag: listed.info.version.clone(),
        tier: listed.info.tier,
        uploaded: listed.info.modified.and_then(written_as).unwrap_or_else(now),
        in_manifest: None,
    };
    if (entry.mtime_ns == 0 || listed.name.is_cut())
        && let Ok(metadata) = place.remote.metadata(&listed.info.key).await
    {
        let time = metadata.get("mtime").and_then(|time| time_from(time));
        entry.mtime_ns = time.filter(|_| entry.mtime_ns == 0).unwrap_or(entry.mtime_ns);
        if listed.name.is_cut()
            && let Some(Ok(path)) = metadata.get("path").map(|path| path_from_ascii(path))
        {
            entry.path = path;
        }
    }
    entry
}

/// A time of a place as an index has it.
fn written_as(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Of several contents under one path the one that was sent last.
fn keep_newest(found: &mut HashMap<PathBuf, Entry>, entry: Entry, monitor: &dyn Monitor) {
    match found.get(&entry.path) {
        Some(other) => {
            let reason = "several contents were sent under this path; the one that was sent last counts";
            monitor.problem(&Problem::new(&entry.path, reason, Weight::Notice));
            if entry.uploaded > other.uploaded {
                found.insert(entry.path.clone(), entry);
            }
        }
        None => {
            found.insert(entry.path.clone(), entry);
        }
    }
}

/// What another tool's index says, by the names of blobs.
fn read_index(path: &Path, prefix_bytes: usize) -> Result<HashMap<String, Told>, PlainError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let fail = |error| named(path, error);
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection
        .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
        .map_err(fail)?;
    let mut tables = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        )
        .map_err(fail)?;
    let tables = tables.query_map([], |row| row.get::<_, String>(0)).map_err(fail)?;
    for table in tables.collect::<Result<Vec<_>, _>>().map_err(fail)? {
        if let Some(columns) = Columns::of(&connection, &table).map_err(fail)? {
            return columns.read(&connection, &table, prefix_bytes).map_err(fail);
        }
    }
    let reason = "no table of it has paths together with hashes or names of blobs".to_owned();
    Err(PlainError::ForeignIndex { path: path.to_owned(), reason })
}

/// Which columns of a table hold what.
struct Columns {
    path: Option<String>,
    time: Option<String>,
    hash: Option<String>,
    blob: Option<String>,
    inode: Option<String>,
}

impl Columns {
    fn of(connection: &Connection, table: &str) -> rusqlite::Result<Option<Self>> {
        let mut names = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let names: Vec<String> = names.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let find = |known: &[&str]| {
            known.iter().find_map(|known| names.iter().find(|name| name.eq_ignore_ascii_case(known)).cloned())
        };
        let columns = Self {
            path: find(&PATHS),
            time: find(&TIMES),
            hash: find(&HASHES),
            blob: find(&BLOBS),
            inode: find(&INODES),
        };
        let is_index = columns.blob.is_some() || (columns.path.is_some() && columns.hash.is_some());
        Ok(is_index.then_some(columns))
    }

    fn read(
        &self,
        connection: &Connection,
        table: &str,
        prefix_bytes: usize,
    ) -> rusqlite::Result<HashMap<String, Told>> {
        let column = |name: &Option<String>| name.as_deref().map_or_else(|| "NULL".to_owned(), quoted);
        let query = format!(
            "SELECT {}, {}, {}, {}, {} FROM {}",
            column(&self.path),
            column(&self.hash),
            column(&self.blob),
            column(&self.time),
            column(&self.inode),
            quoted(table)
        );
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        let mut told = HashMap::new();
        while let Some(row) = rows.next()? {
            if let Some(blob) = blob_of(row, prefix_bytes)? {
                let inode = match row.get_ref(4)? {
                    ValueRef::Integer(inode) => u64::from_ne_bytes(inode.to_ne_bytes()),
                    _ => 0,
                };
                let mtime_ns = time_in(row.get_ref(3)?);
                // An inode is worth nothing without a time.
                let inode = if mtime_ns == 0 { 0 } else { inode };
                told.insert(blob, Told { mtime_ns, inode });
            }
        }
        Ok(told)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of the blob that a row means, below the prefix.
fn blob_of(row: &Row<'_>, prefix_bytes: usize) -> rusqlite::Result<Option<String>> {
    let bytes = |value: ValueRef<'_>| match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
        _ => None,
    };
    if let Some(blob) = bytes(row.get_ref(2)?).and_then(|blob| String::from_utf8(blob).ok()) {
        // With the prefix or without it.
        let names = [blob.get(prefix_bytes..).unwrap_or_default(), &blob];
        if let Some(name) = names.into_iter().find_map(|name| BlobName::parse(name).ok()) {
            return Ok(Some(name.to_string()));
        }
    }
    let (path, hash) = (bytes(row.get_ref(0)?), row.get_ref(1)?);
    let hash = match hash {
        ValueRef::Text(text) => {
            std::str::from_utf8(text).ok().and_then(|text| Sha256::parse(&text.to_lowercase()))
        }
        ValueRef::Blob(blob) => blob.try_into().ok().map(Sha256::from_bytes),
        _ => None,
    };
    let (Some(path), Some(hash)) = (path.map(path_of), hash) else { return Ok(None) };
    Ok(BlobName::of(hash, &path, prefix_bytes).ok().map(|name| name.to_string()))
}

/// A time in nanoseconds, however it is written; 0 where it cannot be told.
fn time_in(value: ValueRef<'_>) -> i64 {
    /// Seconds since 1970 stay below this until the year 5138; milliseconds and the like are above it.
    const MOST_SECONDS: i64 = 100_000_000_000;
    match value {
        ValueRef::Integer(time) => match time.unsigned_abs() {
            seconds if seconds < MOST_SECONDS.unsigned_abs() => time.saturating_mul(1_000_000_000),
            millis if millis < 100_000_000_000_000 => time.saturating_mul(1_000_000),
            micros if micros < 100_000_000_000_000_000 => time.saturating_mul(1_000),
            _ => time,
        },
        ValueRef::Real(seconds) if seconds.abs() < 9_000_000_000.0 => {
            #[expect(clippy::cast_possible_truncation, reason = "within the range of 64 bits")]
            let time = (seconds * 1e9).round() as i64;
            time
        }
        ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(time_from).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::sha256_of;

    #[test]
    fn the_index_of_another_tool_is_read_by_what_its_columns_are_called() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.db");
        let hash = sha256_of(b"x").to_string();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(&format!(
                "CREATE TABLE notes (text TEXT);
                 CREATE TABLE uploads (rel_path TEXT, size INTEGER, mtime REAL, sha256 TEXT, blob_name TEXT);
                 INSERT INTO uploads VALUES ('a.jpg', 1, 1500000000.5, '{hash}', 'photos/2d/{hash}/a.jpg');
                 INSERT INTO uploads VALUES ('b.jpg', 1, 1500000001, '{hash}', NULL);
                 INSERT INTO uploads VALUES ('../c.jpg', 1, 1, '{hash}', 'photos/2d/{hash}/../c.jpg');"
            ))
            .unwrap();
        drop(connection);
        let told = read_index(&path, "photos/".len()).unwrap();
        assert_eq!(told.len(), 2);
        assert_eq!(told[&format!("2d/{hash}/a.jpg")].mtime_ns, 1_500_000_000_500_000_000);
        assert_eq!(told[&format!("2d/{hash}/b.jpg")].mtime_ns, 1_500_000_001_000_000_000);
    }

    #[test]
    fn what_is_no_index_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.db");
        std::fs::write(&path, vec![7; 5000]).unwrap();
        assert!(matches!(read_index(&path, 0), Err(PlainError::ForeignIndex { .. })));
    }
}
