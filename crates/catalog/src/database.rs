//! One SQLCipher file: opening, keying, checking, closing.
//!
//! Invariants: everything that reaches the disk is encrypted and authenticated page by page, temporary
//! tables stay in memory, and after [`Database::close`] by the last process no write-ahead log is left.
//!
//! The salt of a file is derived from its key. SQLCipher alone answers "not a
//! database" to a wrong key and to a damaged first page alike; because the salt that stands in the first 16
//! bytes depends on the key, the two can be told apart, and a flipped bit in the salt is found too.
//!
//! A database in memory has no file, no key and no log, and no other process sees it: simulated devices have
//! thousands of them. Whatever reaches no disk needs no cipher.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use safelight_crypto::{DatabaseKey, sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::{CatalogError, Result};
use crate::migrate::{self, Steps};

/// How long a process waits for another one's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
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

/// Where the pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    File,
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
        let salt = stored_salt(path)?;
        require_own_salt(path, &salt, &key.salt(role))?;
        match access {
            Access::ReadWrite => {
                Self::start(path, path, OpenFlags::SQLITE_OPEN_READ_WRITE, key, role, steps, access)
            }
            Access::ReadOnly => {
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
        let connection = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|source| CatalogError::from_sqlite(path, source))?;
        let mut database = Self { connection, path: path.to_path_buf(), access, medium: Medium::File };
        database.configure(key, role).map_err(|source| CatalogError::from_sqlite(path, source))?;
        match access {
            Access::ReadWrite => {
                migrate::refuse_newer(&database.connection, path, steps)?;
                database.enter_wal()?;
                migrate::migrate(&mut database.connection, path, steps)?;
            }
            Access::ReadOnly => migrate::require_known(&database.connection, path, steps)?,
        }
        Ok(database)
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
             PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL;",
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

    /// Names this database in an error of SQLite.
    pub(crate) fn fail(&self, source: rusqlite::Error) -> CatalogError {
        CatalogError::from_sqlite(&self.path, source)
    }

    /// Looks for damage; every finding is one sentence. Empty means that none was found.
    pub(crate) fn check(&self, key: &CatalogKey, role: Role, depth: CheckDepth) -> Result<Vec<String>> {
        let mut findings = match self.medium {
            Medium::File => self.file_findings(key, role)?,
            Medium::Memory => Vec::new(),
        };
        if depth == CheckDepth::Structure && findings.is_empty() {
            let structure = self.read(|connection| lines(connection, "PRAGMA integrity_check(20)"))?;
            findings.extend(structure.into_iter().filter(|line| line != "ok"));
        }
        Ok(findings)
    }

    fn file_findings(&self, key: &CatalogKey, role: Role) -> Result<Vec<String>> {
        let mut findings = self.page_findings()?;
        if !findings.is_empty() {
            // Another process may have been writing back its log while the pages were read.
            let again = self.page_findings()?;
            findings.retain(|finding| again.contains(finding));
        }
        if stored_salt(&self.path)? != key.salt(role) {
            findings.push("the first 16 bytes were changed".to_owned());
        }
        if !lock_page_is_empty(&self.path)? {
            findings.push("the unused page at 1 GiB was changed".to_owned());
        }
        Ok(findings)
    }

    fn page_findings(&self) -> Result<Vec<String>> {
        if self.access == Access::ReadWrite {
            self.checkpoint()?;
        }
        self.read(|connection| lines(connection, "PRAGMA cipher_integrity_check"))
    }

    /// Writes the log back into the database file and empties it, as far as other readers allow.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        if self.medium == Medium::Memory {
            return Ok(());
        }
        self.read(|connection| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    /// Writes everything back and closes; the last process to close leaves no log behind.
    pub(crate) fn close(self) -> Result<()> {
        if self.access == Access::ReadWrite {
            self.checkpoint()?;
        }
        self.connection.flush_prepared_statement_cache();
        let path = self.path;
        self.connection.close().map_err(|(_, source)| CatalogError::from_sqlite(&path, source))
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

fn stored_salt(path: &Path) -> Result<[u8; SALT_LEN]> {
    let io = |source| CatalogError::Io { path: path.to_path_buf(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(CatalogError::Missing { path: path.to_path_buf() });
        }
        Err(source) => return Err(io(source)),
    };
    let mut salt = [0; SALT_LEN];
    match file.read_exact(&mut salt) {
        Ok(()) => Ok(salt),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(CatalogError::Damaged {
            path: path.to_path_buf(),
            found: "the file is cut off before its first page".to_owned(),
        }),
        Err(source) => Err(io(source)),
    }
}

fn require_own_salt(path: &Path, stored: &[u8; SALT_LEN], own: &[u8; SALT_LEN]) -> Result<()> {
    let flipped: u32 = stored.iter().zip(own).map(|(one, other)| (one ^ other).count_ones()).sum();
    if flipped > SALT_DAMAGE_BITS {
        return Err(CatalogError::WrongKey { path: path.to_path_buf() });
    }
    Ok(())
}

fn lock_page_is_empty(path: &Path) -> Result<bool> {
    let io = |source| CatalogError::Io { path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() < LOCK_PAGE_OFFSET + PAGE_LEN as u64 {
        return Ok(true);
    }
    let mut page = vec![0; PAGE_LEN];
    file.seek(SeekFrom::Start(LOCK_PAGE_OFFSET)).map_err(io)?;
    file.read_exact(&mut page).map_err(io)?;
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
