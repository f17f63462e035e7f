//! One SQLCipher file: opening, keying, checking, closing.
//!
//! Invariants: everything that reaches the disk is encrypted and authenticated page by page, temporary
//! tables stay in memory, and after [`Database::close`] by the last process no write-ahead log is left unless the
//! disk has no room to write it back.
//!
//! The salt of a file is derived from its key. SQLCipher alone answers "not a
//! database" to a wrong key and to a damaged first page alike; because the salt that stands in the first 16
//! bytes depends on the key, the two can be told apart, and a flipped bit in the salt is found too.
//!
//! A database in memory has no file, no key and no log, and no other process sees it: simulated devices have
//! thousands of them. Whatever reaches no disk needs no cipher.

use std::fs::OpenOptions;
use std::ops::Deref;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use safelight_crypto::{DatabaseKey, sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::descriptor::Descriptor;
use crate::error::{CatalogError, Result};
use crate::migrate::{self, Steps};

/// How long a process waits for another one's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one that needs a database for itself waits before it does without.
const ALONE_TIMEOUT: Duration = Duration::from_secs(2);
/// With less room than this, and a share of the log for its index, a database is not opened to be written.
const LEAST_ROOM_BYTES: u64 = 256 << 10;
/// The index of a log has one byte for so many of the log, generously.
const LOG_BYTES_FOR_ONE_OF_INDEX: u64 = 64;
/// Statements that stay prepared.
const PREPARED_STATEMENTS: usize = 128;
/// Bytes of the salt that SQLCipher keeps in the clear at the start of the file.
const SALT_LEN: usize = 16;
/// A right key whose stored salt has up to this many flipped bits is still recognised as right.
const SALT_DAMAGE_BITS: u32 = 16;
/// SQLite never uses the page at this offset (its lock byte), and SQLCipher never authenticates it.
const LOCK_PAGE_OFFSET: u64 = 0x4000_0000;
/// SQLCipher's page size.
const PAGE_LEN: usize = 4096;
/// What a database in memory is called in errors.
const IN_MEMORY: &str = ":memory:";

/// The 32-byte key of one database, from the keyring; each database has its own.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct CatalogKey([u8; 32]);

impl CatalogKey {
    /// Takes over the bytes of a database key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn salt(&self, role: Role) -> [u8; SALT_LEN] {
        let long = sha256(&[role.salt_label(), &self.0]);
        std::array::from_fn(|at| long[at])
    }
}

impl From<&DatabaseKey> for CatalogKey {
    fn from(key: &DatabaseKey) -> Self {
        Self(*key.as_bytes())
    }
}

impl std::fmt::Debug for CatalogKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CatalogKey(..)")
    }
}

/// Whether a database may be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Read and write; several processes at once are fine.
    #[default]
    ReadWrite,
    /// Read only; also works where nothing may be written (a read-only mount).
    ReadOnly,
}

/// How much a check looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckDepth {
    /// Authenticates every page of the file, those on the free list too: finds any flipped bit.
    #[default]
    Pages,
    /// The pages, and then the structure of tables and indexes as well: finds bugs, takes longer.
    Structure,
}

/// Which of the two databases a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Catalog,
    Device,
}

impl Role {
    fn salt_label(self) -> &'static [u8] {
        match self {
            Self::Catalog => b"safelight/1 salt of catalog.db",
            Self::Device => b"safelight/1 salt of device.db",
        }
    }

    /// Page cache in KiB. The catalogue's is what keeps the memory of any query bounded.
    fn cache_kib(self) -> i64 {
        match self {
            Self::Catalog => 48 * 1024,
            Self::Device => 8 * 1024,
        }
    }
}

/// An open, keyed database at its newest schema.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    path: PathBuf,
    access: Access,
    medium: Medium,
}

/// A transaction that excludes other writers; rolled back unless it is committed.
///
/// As those of rusqlite, but what begins and ends it stays prepared: small transactions are made of little else.
pub(crate) struct Exclusive<'c>(&'c Connection);

impl<'c> Exclusive<'c> {
    pub(crate) fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(connection))
    }

    pub(crate) fn commit(self) -> rusqlite::Result<()> {
        // One that fails leaves the transaction open, and it is rolled back below.
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Deref for Exclusive<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // One that cannot be rolled back ends with its connection.
            drop(self.0.execute_batch("ROLLBACK"));
        }
    }
}

/// Where the pages are. Below the connection, since files are closed after it.
#[derive(Debug)]
enum Medium {
    /// The file, and the index of its log once there is one.
    File {
        file: Descriptor,
        index: Option<Descriptor>,
    },
    Memory,
}

impl Database {
    /// Makes a new database; fails if there is one.
    pub(crate) fn create(path: &Path, key: &CatalogKey, role: Role, steps: Steps) -> Result<Self> {
        match std::fs::symlink_metadata(path) {
            Ok(_) => return Err(CatalogError::Exists { path: path.to_path_buf() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(CatalogError::Io { path: path.to_path_buf(), source }),
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        Self::start(path, path, flags, key, role, steps, Access::ReadWrite)
    }

    /// Opens an existing database.
    pub(crate) fn open(
        path: &Path,
        key: &CatalogKey,
        role: Role,
        steps: Steps,
        access: Access,
    ) -> Result<Self> {
        if path.is_dir() {
            let found = "a folder lies in its place".to_owned();
            return Err(CatalogError::Damaged { path: path.to_path_buf(), found });
        }
        let file = open_file(path)?;
        require_own_salt(path, &stored_salt(path, &file)?, &key.salt(role))?;
        match access {
            Access::ReadWrite if lacks_room(path) => Err(CatalogError::DiskFull { path: path.to_path_buf() }),
            Access::ReadWrite => {
                Self::start(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE, key, role, steps, access)
            }
            Access::ReadOnly => {
                if lacks_room(path)
                    && let Ok(database) = Self::start_alone(path, key, role, steps)
                {
                    return Ok(database);
                }
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
                match Self::start(path, path, flags, key, role, steps, access) {
                    // A WAL database in a folder that cannot be written opens only as immutable, which is
                    // right as long as no log waits beside it. On a full disk the index of a log cannot be made.
                    Err(
                        CatalogError::ReadOnly { .. }
                        | CatalogError::DiskFull { .. }
                        | CatalogError::Sqlite { .. },
                    ) if !has_log(path) => {
                        let uri = immutable_uri(path);
                        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                        Self::start(path, Path::new(&uri), flags, key, role, steps, access)
                    }
                    other => other,
                }
            }
        }
    }

    /// Makes a new database that is in this process's memory and nowhere else.
    pub(crate) fn create_in_memory(steps: Steps) -> Result<Self> {
        let mut database = Self::empty_in_memory()?;
        migrate::migrate(&mut database.connection, &database.path, steps)?;
        Ok(database)
    }

    /// Copies a database in memory as it was committed last: what a process finds that starts after this one was
    /// killed. Nothing of the connection is copied, neither temporary tables nor prepared statements.
    pub(crate) fn copy_in_memory(&self) -> Result<Self> {
        let mut copy = Self::empty_in_memory()?;
        Backup::new(&self.connection, &mut copy.connection)
            .and_then(|backup| backup.step(-1))
            .map_err(|source| self.fail(source))?;
        Ok(copy)
    }

    /// Takes back what was not committed, as a kill does. The prepared statements stay, for they are no state.
    pub(crate) fn killed_in_memory(self) -> Result<Self> {
        if !self.connection.is_autocommit() {
            self.read(|connection| connection.execute_batch("ROLLBACK"))?;
        }
        Ok(self)
    }

    fn empty_in_memory() -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let path = PathBuf::from(IN_MEMORY);
        let fail = |source| CatalogError::from_sqlite(Path::new(IN_MEMORY), source);
        let connection = Connection::open_in_memory_with_flags(flags).map_err(fail)?;
        let database = Self { connection, path, access: Access::ReadWrite, medium: Medium::Memory };
        database.configure_in_memory().map_err(fail)?;
        Ok(database)
    }

    fn configure_in_memory(&self) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        // Otherwise a statement is prepared anew whenever another value is bound to it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;")
    }

    fn start(
        path: &Path,
        name: &Path,
        flags: OpenFlags,
        key: &CatalogKey,
        role: Role,
        steps: Steps,
        access: Access,
    ) -> Result<Self> {
        let mut database = Self::connect(path, name, flags, access)?;
        database.configure(key, role).map_err(|source| CatalogError::from_sqlite(path, source))?;
        match access {
            Access::ReadWrite => {
                migrate::refuse_newer(&database.connection, path, steps)?;
                database.enter_wal()?;
                migrate::migrate(&mut database.connection, path, steps)?;
                database.hold_index()?;
                database.back_index()?;
            }
            Access::ReadOnly => {
                migrate::require_known(&database.connection, path, steps)?;
                database.hold_index()?;
            }
        }
        Ok(database)
    }

    /// Opens a database to read it where the index of its log has no room: with the file for itself, SQLite keeps
    /// that index in its own memory. In a file that the disk cannot back, touching it would end the process.
    fn start_alone(path: &Path, key: &CatalogKey, role: Role, steps: Steps) -> Result<Self> {
        let database = Self::connect(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE, Access::ReadOnly)?;
        // Before anything is read, since it is then that the index is made.
        database.read(|connection| connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE"))?;
        database.keep_log_at_close()?;
        database.configure(key, role).map_err(|source| database.fail(source))?;
        database.read(|connection| connection.busy_timeout(ALONE_TIMEOUT))?;
        migrate::require_known(&database.connection, path, steps)?;
        database.read(|connection| connection.busy_timeout(BUSY_TIMEOUT))?;
        Ok(database)
    }

    fn connect(path: &Path, name: &Path, flags: OpenFlags, access: Access) -> Result<Self> {
        let connection = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|source| CatalogError::from_sqlite(path, source))?;
        let file = open_file(path)?;
        let medium = Medium::File { file, index: None };
        Ok(Self { connection, path: path.to_path_buf(), access, medium })
    }

    /// Keeps the log's index open, if there is one, for as long as the connection has its locks there.
    fn hold_index(&mut self) -> Result<()> {
        let path = sibling(&self.path, "-shm");
        let opened = Descriptor::open(&path, OpenOptions::new().read(true).write(true))
            .or_else(|_| Descriptor::open(&path, OpenOptions::new().read(true)));
        match opened {
            Ok(opened) => {
                if let Medium::File { index, .. } = &mut self.medium {
                    *index = Some(opened);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(CatalogError::Io { path, source }),
        }
        Ok(())
    }

    /// Gives all of the log's index its place on the disk while there is room. SQLite leaves holes in it, and a
    /// disk that fills up later cannot back them: the process would end at the first byte that falls into one.
    fn back_index(&self) -> Result<()> {
        let Medium::File { index: Some(index), .. } = &self.medium else { return Ok(()) };
        let fail = |source| CatalogError::Io { path: sibling(&self.path, "-shm"), source };
        let length = index.file().metadata().map_err(fail)?.len();
        match rustix::fs::fallocate(index.file(), rustix::fs::FallocateFlags::empty(), 0, length) {
            Err(rustix::io::Errno::NOSPC) => Err(CatalogError::DiskFull { path: self.path.clone() }),
            // File systems that cannot do this leave it to chance, as SQLite does.
            _ => Ok(()),
        }
    }

    fn configure(&self, key: &CatalogKey, role: Role) -> rusqlite::Result<()> {
        let connection = &self.connection;
        // SQLCipher otherwise writes to stderr.
        connection.execute_batch("PRAGMA cipher_log_level = NONE; PRAGMA cipher_log_source = NONE;")?;
        connection.execute_batch(&key_pragma(&key.0, &key.salt(role)))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
        connection.execute_batch(&format!(
            "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cache_size = -{};
             PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL;
             PRAGMA secure_delete = ON;",
            role.cache_kib()
        ))
    }

    fn enter_wal(&self) -> Result<()> {
        let mode: String =
            self.read(|connection| connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)))?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(CatalogError::ReadOnly { path: self.path.clone() });
        }
        // A log that grew in a bulk change is cut back at the next checkpoint.
        self.read(|connection| connection.execute_batch("PRAGMA journal_size_limit = 16777216"))
    }

    /// Where the database is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs statements and names the database in their error.
    pub(crate) fn read<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        run(&self.connection).map_err(|source| self.fail(source))
    }

    /// The same of what was committed at one moment, however many statements it takes.
    pub(crate) fn read_at_once<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.read(|connection| {
            if !connection.is_autocommit() {
                return run(connection);
            }
            let transaction = connection.unchecked_transaction()?;
            let value = run(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// Names this database in an error of SQLite.
    pub(crate) fn fail(&self, source: rusqlite::Error) -> CatalogError {
        CatalogError::from_sqlite(&self.path, source)
    }

    /// Looks for damage; every finding is one sentence. Empty means that none was found.
    pub(crate) fn check(&self, key: &CatalogKey, role: Role, depth: CheckDepth) -> Result<Vec<String>> {
        let mut findings = match &self.medium {
            Medium::File { file, .. } => self.file_findings(file, key, role)?,
            Medium::Memory => Vec::new(),
        };
        if depth == CheckDepth::Structure && findings.is_empty() {
            findings.extend(self.structure_findings()?);
        }
        Ok(findings)
    }

    fn file_findings(&self, file: &Descriptor, key: &CatalogKey, role: Role) -> Result<Vec<String>> {
        let mut findings = self.page_findings()?;
        if !findings.is_empty() {
            // Another process may have been writing back its log while the pages were read.
            let again = self.page_findings()?;
            findings.retain(|finding| again.contains(finding));
        }
        if !findings.is_empty() && has_log(&self.path) && self.structure_findings()?.is_empty() {
            // A full disk stopped the log half way into the file. What it holds is whole, and is written again.
            findings.clear();
        }
        if stored_salt(&self.path, file)? != key.salt(role) {
            findings.push("the first 16 bytes were changed".to_owned());
        }
        if !lock_page_is_empty(&self.path, file)? {
            findings.push("the unused page at 1 GiB was changed".to_owned());
        }
        Ok(findings)
    }

    fn structure_findings(&self) -> Result<Vec<String>> {
        let mut findings = self.read(|connection| lines(connection, "PRAGMA integrity_check(20)"))?;
        findings.retain(|line| line != "ok");
        Ok(findings)
    }

    fn page_findings(&self) -> Result<Vec<String>> {
        if self.access == Access::ReadWrite {
            self.write_back()?;
        }
        self.read(|connection| lines(connection, "PRAGMA cipher_integrity_check"))
    }

    /// Writes the log back into the database file and empties it, as far as other readers allow.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        if matches!(self.medium, Medium::Memory) {
            return Ok(());
        }
        self.read(|connection| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    /// Writes the log back where there is room for it. Where there is none nothing is lost: the log is durable and
    /// whoever opens the database next reads it too.
    fn write_back(&self) -> Result<()> {
        match self.checkpoint() {
            Err(CatalogError::DiskFull { .. }) => self.keep_log_at_close(),
            other => other,
        }
    }

    fn keep_log_at_close(&self) -> Result<()> {
        self.read(|connection| {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
        })
    }

    /// Writes everything back and closes; the last process to close leaves no log behind, unless the disk is full.
    pub(crate) fn close(self) -> Result<()> {
        if self.access == Access::ReadWrite {
            self.write_back()?;
        }
        self.connection.flush_prepared_statement_cache();
        let Self { connection, path, medium: _closed_after, .. } = self;
        connection.close().map_err(|(_, source)| CatalogError::from_sqlite(&path, source))
    }
}

/// Deletes a database with its log, as before a rebuild.
///
/// # Errors
/// [`CatalogError::Io`] if a file is there and cannot be deleted.
pub fn remove_database(path: &Path) -> Result<()> {
    remove_log(path)?;
    remove_file(path)
}

/// Deletes the log of a database that nobody has open.
pub(crate) fn remove_log(path: &Path) -> Result<()> {
    remove_file(&sibling(path, "-wal"))?;
    remove_file(&sibling(path, "-shm"))
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(CatalogError::Io { path: path.to_path_buf(), source }),
        Ok(()) => Ok(()),
    }
}

/// The path of a companion file of SQLite.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether the disk is so full that the index of the log might not be made. SQLite maps that index, and the
/// first byte written to a page of it that the disk cannot back kills the process.
fn lacks_room(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    let log_bytes = sibling(path, "-wal").metadata().map_or(0, |log| log.len());
    // Where the system does not say, SQLite will.
    rustix::fs::statvfs(folder).is_ok_and(|disk| {
        let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
        free_bytes < LEAST_ROOM_BYTES + log_bytes / LOG_BYTES_FOR_ONE_OF_INDEX
    })
}

/// Whether a log with anything in it waits to be written back.
fn has_log(path: &Path) -> bool {
    sibling(path, "-wal").metadata().is_ok_and(|log| log.len() > 0)
}

fn key_pragma(key: &[u8; 32], salt: &[u8; SALT_LEN]) -> Zeroizing<String> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // Reserved in full, so that no growth leaves a copy of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str("PRAGMA key = \"x'");
    for byte in key.iter().chain(salt) {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text.push_str("'\"");
    text
}

fn open_file(path: &Path) -> Result<Descriptor> {
    Descriptor::open(path, OpenOptions::new().read(true)).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => CatalogError::Missing { path: path.to_path_buf() },
        _ => CatalogError::Io { path: path.to_path_buf(), source },
    })
}

fn stored_salt(path: &Path, file: &Descriptor) -> Result<[u8; SALT_LEN]> {
    let mut salt = [0; SALT_LEN];
    match file.file().read_exact_at(&mut salt, 0) {
        Ok(()) => Ok(salt),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(CatalogError::Damaged {
            path: path.to_path_buf(),
            found: "the file is cut off before its first page".to_owned(),
        }),
        Err(source) => Err(CatalogError::Io { path: path.to_path_buf(), source }),
    }
}

fn require_own_salt(path: &Path, stored: &[u8; SALT_LEN], own: &[u8; SALT_LEN]) -> Result<()> {
    let flipped: u32 = stored.iter().zip(own).map(|(one, other)| (one ^ other).count_ones()).sum();
    if flipped > SALT_DAMAGE_BITS {
        return Err(CatalogError::WrongKey { path: path.to_path_buf() });
    }
    Ok(())
}

fn lock_page_is_empty(path: &Path, file: &Descriptor) -> Result<bool> {
    let io = |source| CatalogError::Io { path: path.to_path_buf(), source };
    if file.file().metadata().map_err(io)?.len() < LOCK_PAGE_OFFSET + PAGE_LEN as u64 {
        return Ok(true);
    }
    let mut page = vec![0; PAGE_LEN];
    file.file().read_exact_at(&mut page, LOCK_PAGE_OFFSET).map_err(io)?;
    Ok(page.iter().all(|byte| *byte == 0))
}

fn lines(connection: &Connection, pragma: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(pragma)?.query_map([], |row| row.get(0))?.collect()
}

/// The URI that opens a file which nobody writes.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(char::from(*byte));
            }
            other => uri.push_str(&format!("%{other:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}
