//! `index.db`: what was sent, in an ordinary SQLite file that any tool can read. It holds no secret.
//!
//! Why no write-ahead log: one run at a time writes, and a log's shared memory must not be mapped on a full disk.
//!
//! Invariant: a row is only written once its blob is known to be there. A lost row costs a look, never a file. Paths are
//! bytes, as the system has them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use safelight_store::Tier;

use crate::content::Stat;
use crate::error::PlainError;

/// What marks the file as ours (`SLPC`).
const APPLICATION_ID: i32 = 0x534c_5043;
/// The version of the schema.
const VERSION: i32 = 1;
const SCHEMA: &str = "
CREATE TABLE files (
  place TEXT NOT NULL,
  path BLOB NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  blob TEXT NOT NULL,
  etag TEXT,
  tier TEXT,
  uploaded TEXT NOT NULL,
  manifest INTEGER,
  PRIMARY KEY (place, path)
) WITHOUT ROWID;
CREATE INDEX files_by_content ON files (place, sha256);
CREATE TABLE places (
  place TEXT PRIMARY KEY,
  source BLOB,
  capabilities BLOB
) WITHOUT ROWID;
";
/// How many rows are written before they are made durable, and how long the first of them waits at most for the next.
const ROWS_AT_ONCE: u32 = 64;
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const COLUMNS: &str = "path, size, mtime_ns, inode, sha256, blob, etag, tier, uploaded, manifest";

/// The SHA-256 of a content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Takes the bytes of a hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 small hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()?))
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sha256({self})")
    }
}

/// A file that a place holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the source.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// When it was changed last, in nanoseconds since 1970; 0 together with inode 0 where that is not known.
    pub mtime_ns: i64,
    /// Its inode; 0 where that is not known.
    pub inode: u64,
    /// The hash of its content.
    pub sha256: Sha256,
    /// The blob that holds it, below the prefix of the place.
    pub blob: String,
    /// The place's mark of the blob.
    pub etag: Option<String>,
    /// The blob's tier, as it was last known here.
    pub tier: Option<Tier>,
    /// When it was sent or found, as RFC 3339.
    pub uploaded: String,
    /// Whether it lies in the blob of another path; `Some(false)` until a manifest says so.
    pub in_manifest: Option<bool>,
}

impl Entry {
    /// When it was changed last; a time of 0 is the beginning of 1970 only where the file itself was seen.
    #[must_use]
    pub const fn known_mtime_ns(&self) -> Option<i64> {
        if self.mtime_ns == 0 && self.inode == 0 { None } else { Some(self.mtime_ns) }
    }
}

/// What was sent from this machine.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    connection: Connection,
    /// How many rows wait to be made durable, and since when.
    waiting: u32,
    since: Instant,
}

impl Index {
    /// Opens the index for reading and writing, and makes it where there is none.
    ///
    /// # Errors
    /// [`PlainError::ForeignIndex`], [`PlainError::DamagedIndex`], [`PlainError::StateFull`], [`PlainError::Database`].
    pub fn open(path: &Path) -> Result<Self, PlainError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, true)
    }

    /// Opens the index to look only.
    ///
    /// # Errors
    /// As [`open`](Self::open), also when there is none.
    pub fn open_to_read(path: &Path) -> Result<Self, PlainError> {
        // Who was killed while a row was written left a journal, which only a writer may undo.
        match Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE, false) {
            Err(PlainError::Database { .. }) => {
                Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY, false)
            }
            other => other,
        }
    }

    fn open_with(path: &Path, flags: OpenFlags, makes: bool) -> Result<Self, PlainError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        // The folder may be reached through a link; the file itself must not be one.
        let real = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => {
                parent.canonicalize().map_or_else(|_| path.to_owned(), |parent| parent.join(name))
            }
            _ => path.to_owned(),
        };
        let connection = Connection::open_with_flags(&real, flags).map_err(|error| named(path, error))?;
        let index = Self { path: path.to_owned(), connection, waiting: 0, since: Instant::now() };
        index.prepare(makes)?;
        Ok(index)
    }

    fn fail(&self) -> impl Fn(rusqlite::Error) -> PlainError + '_ {
        |error| named(&self.path, error)
    }

    fn prepare(&self, makes: bool) -> Result<(), PlainError> {
        let connection = &self.connection;
        connection.busy_timeout(Duration::from_secs(10)).map_err(self.fail())?;
        // Whatever a hostile file brings along is not run.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(self.fail())?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(self.fail())?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).map_err(self.fail())?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false).map_err(self.fail())?;
        if makes && self.is_empty()? {
            let made = format!(
                "BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {SCHEMA} COMMIT;"
            );
            connection.execute_batch(&made).map_err(self.fail())?;
        }
        self.check()
    }

    fn number(&self, pragma: &str) -> Result<i32, PlainError> {
        let query = format!("PRAGMA {pragma}");
        self.connection.query_row(&query, [], |row| row.get(0)).map_err(self.fail())
    }

    fn is_empty(&self) -> Result<bool, PlainError> {
        let count = "SELECT count(*) FROM sqlite_schema";
        let tables: u32 = self.connection.query_row(count, [], |row| row.get(0)).map_err(self.fail())?;
        Ok(tables == 0 && self.number("application_id")? == 0)
    }

    /// Whether it is an index of this version, by its mark and by every word of its schema.
    fn check(&self) -> Result<(), PlainError> {
        let foreign = |reason: String| Err(PlainError::ForeignIndex { path: self.path.clone(), reason });
        if self.number("application_id")? != APPLICATION_ID {
            return foreign("another program made it".to_owned());
        }
        match self.number("user_version")? {
            VERSION => {}
            newer if newer > VERSION => return foreign(format!("a newer version made it ({newer})")),
            other => return foreign(format!("its version is {other}")),
        }
        let mut found = self.schema_of(&self.connection)?;
        let fresh = Connection::open_in_memory().map_err(self.fail())?;
        fresh.execute_batch(SCHEMA).map_err(self.fail())?;
        let mut wanted = self.schema_of(&fresh)?;
        found.sort();
        wanted.sort();
        if found != wanted {
            return foreign("its tables are others".to_owned());
        }
        Ok(())
    }

    fn schema_of(&self, connection: &Connection) -> Result<Vec<String>, PlainError> {
        let query = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema \
                     WHERE name NOT LIKE 'sqlite_stat%'";
        let mut statement = connection.prepare(query).map_err(self.fail())?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(self.fail())?;
        rows.collect::<Result<_, _>>().map_err(self.fail())
    }

    /// What is known about one path.
    pub(crate) fn entry(&self, place: &str, path: &Path) -> Result<Option<Entry>, PlainError> {
        let query = format!("SELECT {COLUMNS} FROM files WHERE place = ?1 AND path = ?2");
        let mut statement = self.connection.prepare_cached(&query).map_err(self.fail())?;
        let found = statement.query_row(params![place, bytes_of(path)], read_row).optional();
        self.whole(found.map_err(self.fail())?)
    }

    /// Whether a file is known as it is. Asked of every file of a run, so no more than that is read, and all of it in one
    /// transaction: others may read meanwhile.
    pub(crate) fn knows(&self, place: &str, path: &Path, stat: Stat) -> Result<bool, PlainError> {
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN").map_err(self.fail())?;
        }
        let query = "SELECT 1 FROM files WHERE place = ?1 AND path = ?2 AND size = ?3 AND mtime_ns = ?4 \
                     AND (inode = ?5 OR (inode = 0 AND mtime_ns != 0))";
        let mut statement = self.connection.prepare_cached(query).map_err(self.fail())?;
        let inode = i64::from_ne_bytes(stat.inode.to_ne_bytes());
        statement.exists(params![place, bytes_of(path), stat.size, stat.mtime_ns, inode]).map_err(self.fail())
    }

    /// One file with this content, if there is any that lies in its own blob.
    pub(crate) fn with_content(&self, place: &str, sha256: Sha256) -> Result<Option<Entry>, PlainError> {
        let query = format!(
            "SELECT {COLUMNS} FROM files WHERE place = ?1 AND sha256 = ?2 ORDER BY manifest IS NOT NULL, path LIMIT 1"
        );
        let mut statement = self.connection.prepare_cached(&query).map_err(self.fail())?;
        let found = statement.query_row(params![place, sha256.to_string()], read_row).optional();
        self.whole(found.map_err(self.fail())?)
    }

    /// Everything that a place holds, in the order of paths.
    ///
    /// # Errors
    /// [`PlainError::DamagedIndex`] for a row that cannot be, and what reading answers.
    pub fn entries(&self, place: &str) -> Result<Vec<Entry>, PlainError> {
        let query = format!("SELECT {COLUMNS} FROM files WHERE place = ?1 ORDER BY path");
        self.read_all(&query, place)
    }

    /// Files that lie in the blob of another path, and of which no manifest says so yet.
    pub(crate) fn without_manifest(&self, place: &str) -> Result<Vec<Entry>, PlainError> {
        let query = format!("SELECT {COLUMNS} FROM files WHERE place = ?1 AND manifest = 0 ORDER BY path");
        self.read_all(&query, place)
    }

    fn read_all(&self, query: &str, place: &str) -> Result<Vec<Entry>, PlainError> {
        let mut statement = self.connection.prepare(query).map_err(self.fail())?;
        let rows = statement.query_map([place], read_row).map_err(self.fail())?;
        let mut entries = Vec::new();
        for row in rows {
            entries.extend(self.whole(Some(row.map_err(self.fail())?))?);
        }
        Ok(entries)
    }

    /// How many files a place holds.
    ///
    /// # Errors
    /// What reading answers.
    pub fn count(&self, place: &str) -> Result<u64, PlainError> {
        let query = "SELECT count(*) FROM files WHERE place = ?1";
        self.connection.query_row(query, [place], |row| row.get(0)).map_err(self.fail())
    }

    /// The places that are known, in the order of their addresses.
    ///
    /// # Errors
    /// What reading answers.
    pub fn places(&self) -> Result<Vec<String>, PlainError> {
        let query = "SELECT place FROM places UNION SELECT DISTINCT place FROM files ORDER BY place";
        let mut statement = self.connection.prepare(query).map_err(self.fail())?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(self.fail())?;
        rows.collect::<Result<_, _>>().map_err(self.fail())
    }

    fn begin_writing(&mut self) -> Result<(), PlainError> {
        if self.waiting == 0 {
            if self.connection.is_autocommit() {
                self.connection.execute_batch("BEGIN IMMEDIATE").map_err(self.fail())?;
            }
            self.since = Instant::now();
        }
        self.waiting += 1;
        Ok(())
    }

    /// Remembers a file whose blob is there. Durable with [`save`](Self::save), and now and then before.
    pub(crate) fn record(&mut self, place: &str, entry: &Entry) -> Result<(), PlainError> {
        self.begin_writing()?;
        let write = format!(
            "INSERT OR REPLACE INTO files (place, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        );
        let values = params![
            place,
            bytes_of(&entry.path),
            entry.size,
            entry.mtime_ns,
            i64::from_ne_bytes(entry.inode.to_ne_bytes()),
            entry.sha256.to_string(),
            entry.blob,
            entry.etag,
            entry.tier.map(Tier::word),
            entry.uploaded,
            entry.in_manifest,
        ];
        let mut statement =
            self.connection.prepare_cached(&write).map_err(|error| named(&self.path, error))?;
        statement.execute(values).map_err(|error| named(&self.path, error))?;
        drop(statement);
        let is_due = self.waiting >= ROWS_AT_ONCE || self.since.elapsed() >= LONGEST_WAIT;
        if is_due { self.save() } else { Ok(()) }
    }

    /// Forgets a file, unless it lies in another blob by now; answers whether it was known. Durable as what is recorded.
    pub(crate) fn forget(&mut self, place: &str, entry: &Entry) -> Result<bool, PlainError> {
        self.begin_writing()?;
        let delete = "DELETE FROM files WHERE place = ?1 AND path = ?2 AND blob = ?3";
        let mut statement = self.connection.prepare_cached(delete).map_err(self.fail())?;
        let count = statement.execute(params![place, bytes_of(&entry.path), entry.blob]);
        count.map(|count| count > 0).map_err(self.fail())
    }

    /// Makes durable what was recorded.
    pub(crate) fn save(&mut self) -> Result<(), PlainError> {
        if self.waiting > 0 {
            self.waiting = 0;
            self.connection.execute_batch("COMMIT").map_err(self.fail())?;
        }
        Ok(())
    }

    /// What was found out about a place, as `safelight-store` writes it.
    pub(crate) fn capabilities(&self, place: &str) -> Result<Option<Vec<u8>>, PlainError> {
        let query = "SELECT capabilities FROM places WHERE place = ?1";
        let found = self.connection.query_row(query, [place], |row| row.get(0)).optional();
        Ok(found.map_err(self.fail())?.flatten())
    }

    /// Remembers a place, where its files come from and what it can do.
    pub(crate) fn know_place(
        &self,
        place: &str,
        source: Option<&Path>,
        capabilities: Option<&[u8]>,
    ) -> Result<(), PlainError> {
        let write = "INSERT INTO places (place, source, capabilities) VALUES (?1, ?2, ?3) ON CONFLICT (place) DO UPDATE \
                     SET source = coalesce(?2, source), capabilities = coalesce(?3, capabilities)";
        let source = source.map(bytes_of);
        self.connection.execute(write, params![place, source, capabilities]).map_err(self.fail())?;
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("COMMIT").map_err(self.fail())?;
        }
        Ok(())
    }

    /// Where the files of a place came from last.
    ///
    /// # Errors
    /// What reading answers.
    pub fn source(&self, place: &str) -> Result<Option<PathBuf>, PlainError> {
        let query = "SELECT source FROM places WHERE place = ?1";
        let found: Option<Option<Vec<u8>>> =
            self.connection.query_row(query, [place], |row| row.get(0)).optional().map_err(self.fail())?;
        Ok(found.flatten().map(path_of))
    }

    /// An entry whose parts fit together.
    fn whole(&self, read: Option<Result<Entry, &'static str>>) -> Result<Option<Entry>, PlainError> {
        match read {
            None => Ok(None),
            Some(Ok(entry)) => Ok(Some(entry)),
            Some(Err(reason)) => {
                Err(PlainError::DamagedIndex { path: self.path.clone(), reason: reason.to_owned() })
            }
        }
    }
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Result<Entry, &'static str>> {
    let path = path_of(row.get::<_, Vec<u8>>(0)?);
    let inode = u64::from_ne_bytes(row.get::<_, i64>(3)?.to_ne_bytes());
    let (hash, blob): (String, String) = (row.get(4)?, row.get(5)?);
    let tier: Option<String> = row.get(7)?;
    let Some(sha256) = Sha256::parse(&hash) else { return Ok(Err("a row has no hash")) };
    match crate::name::BlobName::parse(&blob) {
        Ok(name) if name.sha256() == sha256 => {}
        _ => return Ok(Err("a row names a blob that does not hold its content")),
    }
    if crate::name::plain_parts(&path).is_err() {
        return Ok(Err("a row has a path that leads elsewhere"));
    }
    Ok(Ok(Entry {
        path,
        size: row.get(1)?,
        mtime_ns: row.get(2)?,
        inode,
        sha256,
        blob,
        etag: row.get(6)?,
        tier: tier.as_deref().and_then(Tier::from_word),
        uploaded: row.get(8)?,
        in_manifest: row.get(9)?,
    }))
}

pub(crate) fn bytes_of(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes()
}

pub(crate) fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Names an error of the database by what it means.
pub(crate) fn named(path: &Path, error: rusqlite::Error) -> PlainError {
    use rusqlite::ffi::ErrorCode;
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => PlainError::StateFull { path },
        Some(ErrorCode::NotADatabase) => {
            PlainError::ForeignIndex { path, reason: "it is no database, or an encrypted one".to_owned() }
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            PlainError::DamagedIndex { path, reason: "its pages contradict each other".to_owned() }
        }
        _ => match error {
            rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::IntegralValueOutOfRange(..) => {
                PlainError::DamagedIndex {
                    path,
                    reason: "a row holds something else than it should".to_owned(),
                }
            }
            source => PlainError::Database { path, source },
        },
    }
}
