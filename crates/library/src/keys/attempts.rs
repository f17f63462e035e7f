//! Failed unlocks, remembered until somebody who can unlock has read them into the signed history.
//!
//! Nobody has a key at the moment when one is written, so a line carries a plain checksum: it shows damage, not
//! forgery, and whoever can write the folder can also empty the file. The file is bounded: a script that
//! guesses for a year leaves as much as one that guesses for an hour.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use safelight_crypto::{LibraryId, SlotId, SlotKind, SlotSecret, sha256};

use crate::folder::{FolderError, read_small};
use crate::keys::{ATTEMPTS, KeyFolder, KeysError};

/// The most that is kept: about 800 attempts.
const AT_MOST_BYTES: u64 = 64 << 10;
/// Characters of a checksum.
const SUM_CHARS: usize = 16;

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptWay {
    /// A passphrase.
    Passphrase,
    /// A key file.
    KeyFile,
    /// Recovery words.
    Recovery,
    /// A key store: the system's keystore, a token, a TPM, a vault, a passkey.
    Store(StoreKind),
}

/// Which kind of key store was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// The operating system's keystore.
    Keystore,
    /// A PKCS#11 token.
    Pkcs11,
    /// A TPM.
    Tpm,
    /// A key vault on the network.
    Vault,
    /// A passkey.
    Passkey,
}

impl AttemptWay {
    /// The way that a secret goes.
    pub(crate) fn of(secret: &SlotSecret<'_>) -> Self {
        Self::of_kind(secret.kind())
    }

    pub(crate) const fn of_kind(kind: SlotKind) -> Self {
        match kind {
            SlotKind::KeyFile => Self::KeyFile,
            SlotKind::Recovery => Self::Recovery,
            SlotKind::Keystore => Self::Store(StoreKind::Keystore),
            SlotKind::Pkcs11 => Self::Store(StoreKind::Pkcs11),
            SlotKind::Tpm => Self::Store(StoreKind::Tpm),
            SlotKind::Vault => Self::Store(StoreKind::Vault),
            SlotKind::Passkey => Self::Store(StoreKind::Passkey),
            _ => Self::Passphrase,
        }
    }

    /// The word in the file and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::KeyFile => "key-file",
            Self::Recovery => "recovery",
            Self::Store(StoreKind::Keystore) => "keystore",
            Self::Store(StoreKind::Pkcs11) => "pkcs11",
            Self::Store(StoreKind::Tpm) => "tpm",
            Self::Store(StoreKind::Vault) => "vault",
            Self::Store(StoreKind::Passkey) => "passkey",
        }
    }

    const ALL: [Self; 8] = [
        Self::Passphrase,
        Self::KeyFile,
        Self::Recovery,
        Self::Store(StoreKind::Keystore),
        Self::Store(StoreKind::Pkcs11),
        Self::Store(StoreKind::Tpm),
        Self::Store(StoreKind::Vault),
        Self::Store(StoreKind::Passkey),
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == word)
    }
}

/// An unlock that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
    /// By which way.
    pub way: AttemptWay,
    /// For which slot, if only one could be meant.
    pub slot: Option<SlotId>,
}

/// What the file of attempts holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "attempts stay in the file until they are forgotten"]
pub struct AttemptLog {
    /// The attempts, oldest first.
    pub attempts: Vec<FailedAttempt>,
    /// Lines that are damaged, counted from 1.
    pub damaged_lines: Vec<usize>,
    /// Whether the file is full, so that later attempts were not written.
    pub is_full: bool,
    /// How much of the file this covers.
    length_bytes: usize,
}

impl KeyFolder<'_> {
    /// Writes down a failed unlock. Where nothing can be written, as in a read-only library, nothing is.
    pub(crate) fn record_attempt(&self, attempt: &FailedAttempt) {
        if self.folder.is_writable()
            && let Err(error) = self.append_attempt(attempt)
        {
            tracing::debug!(%error, "a failed unlock could not be written down");
        }
    }

    fn append_attempt(&self, attempt: &FailedAttempt) -> Result<(), KeysError> {
        let _lock = self.folder.lock_keys()?;
        let path = self.path(ATTEMPTS);
        let fail = |error| FolderError::from_io("write", &path, error);
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut file: File = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(no_link)
            .open(&path)
            .map_err(fail)?;
        let line = to_line(self.folder.library(), attempt);
        if file.metadata().map_err(fail)?.len() + line.len() as u64 > AT_MOST_BYTES {
            return Ok(());
        }
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(fail)?;
        Ok(())
    }

    /// Reads the failed unlocks since they were last forgotten.
    ///
    /// # Errors
    /// [`KeysError::Folder`] when the file is there but cannot be read.
    pub fn attempts(&self) -> Result<AttemptLog, KeysError> {
        let path = self.path(ATTEMPTS);
        let bytes = match read_small(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(AttemptLog::default()),
            other => other.map_err(|error| FolderError::from_io("read", &path, error))?,
        };
        Ok(parse(self.folder.library(), &bytes))
    }

    /// Forgets the attempts of a log once they are in the signed history; later ones stay, and damaged lines, so
    /// that a verification can name them.
    ///
    /// # Errors
    /// [`KeysError::Folder`] of the disk.
    pub fn forget_attempts(&self, log: &AttemptLog) -> Result<(), KeysError> {
        if log.attempts.is_empty() {
            return Ok(());
        }
        self.keep_lines(|number, at| at >= log.length_bytes || log.damaged_lines.contains(&number))
    }

    /// Forgets lines that are damaged: nobody can say any more what they told.
    ///
    /// # Errors
    /// [`KeysError::Folder`] of the disk.
    pub(crate) fn forget_damaged_attempts(&self) -> Result<(), KeysError> {
        let log = self.attempts()?;
        if log.damaged_lines.is_empty() {
            return Ok(());
        }
        self.keep_lines(|number, _| !log.damaged_lines.contains(&number))
    }

    /// Keeps the lines that `is_kept` wants, by their number from 1 and where they begin.
    fn keep_lines(&self, is_kept: impl Fn(usize, usize) -> bool) -> Result<(), KeysError> {
        self.folder.require_writable()?;
        let _lock = self.folder.lock_keys()?;
        let path = self.path(ATTEMPTS);
        let bytes = read_small(&path).map_err(|error| FolderError::from_io("read", &path, error))?;
        let (mut kept, mut at) = (Vec::new(), 0);
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if is_kept(index + 1, at) {
                kept.extend_from_slice(line);
            }
            at += line.len();
        }
        self.replace_file(ATTEMPTS, &kept)
    }
}

fn to_line(library: LibraryId, attempt: &FailedAttempt) -> String {
    let slot = attempt.slot.map_or_else(|| "-".to_owned(), |slot| slot.to_string());
    let body = format!("{} {} {slot}", attempt.at_millis, attempt.way.as_str());
    let sum = sum(library, &body);
    format!("{body} {sum}\n")
}

fn sum(library: LibraryId, body: &str) -> String {
    let mut hex = data_encoding::HEXLOWER.encode(&sha256(&[library.as_bytes(), body.as_bytes()]));
    hex.truncate(SUM_CHARS);
    hex
}

fn parse(library: LibraryId, bytes: &[u8]) -> AttemptLog {
    let mut log = AttemptLog { length_bytes: bytes.len(), ..AttemptLog::default() };
    log.is_full = bytes.len() as u64 + 100 > AT_MOST_BYTES;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match parse_line(library, line) {
            Some(attempt) => log.attempts.push(attempt),
            None => log.damaged_lines.push(index + 1),
        }
    }
    log
}

fn parse_line(library: LibraryId, line: &[u8]) -> Option<FailedAttempt> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (body, found) = line.rsplit_once(' ')?;
    if found != sum(library, body) {
        return None;
    }
    let mut words = body.split(' ');
    let at_millis = words.next()?.parse().ok()?;
    let way = AttemptWay::parse(words.next()?)?;
    let slot = match words.next()? {
        "-" => None,
        id => Some(id.parse().ok()?),
    };
    words.next().is_none().then_some(FailedAttempt { at_millis, way, slot })
}
