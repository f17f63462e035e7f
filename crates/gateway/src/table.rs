//! The tokens in force: the token file as it was read last, and what each token has used of its limits.
//!
//! Invariants: who is asked for with a token that is unknown, revoked or of another kind learns nothing but that; a token file
//! that cannot be read any more changes nobody's rights, and makes the gateway say that it is not well.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use data_encoding::HEXLOWER;
use safelight_crypto::sha256;
use subtle::ConstantTimeEq as _;

use crate::allowance::Allowance;
use crate::error::GatewayError;
use crate::tokens::{MOST_TOKEN_CHARS, TokenEntry, TokenFile};

/// The bytes of a hash that tokens are looked up by; the rest is compared in a time that tells nothing.
const LOOKUP_BYTES: usize = 8;

/// A token that holds.
#[derive(Debug)]
pub(crate) struct Grantee {
    pub(crate) entry: TokenEntry,
    /// What it used of what it may be granted.
    pub(crate) allowance: Arc<Allowance>,
    /// What it used of what it may look at.
    pub(crate) looks: Arc<Allowance>,
    sha256: [u8; 32],
}

type Grantees = HashMap<[u8; LOOKUP_BYTES], Vec<Arc<Grantee>>>;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

/// The tokens in force.
#[derive(Debug)]
pub(crate) struct Table {
    file: TokenFile,
    mark: Mutex<Option<Mark>>,
    grantees: RwLock<Arc<Grantees>>,
    is_current: AtomicBool,
}

impl Table {
    /// Takes over a token file.
    pub(crate) fn load(file: TokenFile) -> Result<Self, GatewayError> {
        let mark = Mark::of(&file);
        let tokens = file.read()?.tokens;
        let grantees = RwLock::new(Arc::new(grantees(tokens, &Grantees::new())));
        Ok(Self { file, mark: Mutex::new(mark), grantees, is_current: AtomicBool::new(true) })
    }

    /// Who has this token, if it holds.
    pub(crate) fn find(&self, token: &str) -> Option<Arc<Grantee>> {
        if token.len() > MOST_TOKEN_CHARS {
            return None;
        }
        let hash = sha256(&[token.as_bytes()]);
        let grantees = self.now();
        let alike = grantees.get(hash.first_chunk::<LOOKUP_BYTES>()?)?;
        alike.iter().find(|grantee| bool::from(grantee.sha256.ct_eq(&hash))).map(Arc::clone)
    }

    /// Whether the token of an id holds still.
    pub(crate) fn holds(&self, id: &str) -> bool {
        self.holder(id).is_some()
    }

    /// Who has the token of an id, if it holds still.
    pub(crate) fn holder(&self, id: &str) -> Option<Arc<Grantee>> {
        self.now().values().flatten().find(|grantee| grantee.entry.id == id).map(Arc::clone)
    }

    /// Whether the file as it is now is in force.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    /// Reads the file again if it was changed. Blocks.
    pub(crate) fn refresh(&self) {
        let mark = Mark::of(&self.file);
        let mut last = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if mark.is_some() && mark == *last && self.is_current() {
            return;
        }
        match self.file.read() {
            Ok(read) => {
                let fresh = Arc::new(grantees(read.tokens, &self.now()));
                *self.grantees.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                self.is_current.store(true, Ordering::Relaxed);
                *last = mark;
            }
            Err(error) => {
                if self.is_current.swap(false, Ordering::Relaxed) {
                    tracing::error!(
                        error = error.told(),
                        "the token file cannot be read; the last one holds"
                    );
                }
            }
        }
    }

    fn now(&self) -> Arc<Grantees> {
        Arc::clone(&self.grantees.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Mark {
    fn of(file: &TokenFile) -> Option<Self> {
        let found = std::fs::metadata(file.path()).ok()?;
        Some(Self { inode: found.ino(), length: found.len(), modified: found.modified().ok() })
    }
}

/// Those of the tokens that hold; what was used of their limits before stays used.
fn grantees(tokens: Vec<TokenEntry>, before: &Grantees) -> Grantees {
    let used: HashMap<&str, &Arc<Grantee>> =
        before.values().flatten().map(|grantee| (grantee.entry.id.as_str(), grantee)).collect();
    let mut found = Grantees::new();
    for entry in tokens.into_iter().filter(|entry| entry.revoked.is_none()) {
        let hash = HEXLOWER.decode(entry.sha256.as_bytes()).ok().and_then(|hash| hash.try_into().ok());
        let Some(sha256): Option<[u8; 32]> = hash else {
            tracing::error!(token = entry.id, "the hash of a token is none; it does not hold");
            continue;
        };
        let Some(lookup) = sha256.first_chunk::<LOOKUP_BYTES>().copied() else { continue };
        let known = used.get(entry.id.as_str()).filter(|known| known.entry.limits == entry.limits);
        let fresh = || Arc::new(Allowance::new(entry.limits, Instant::now()));
        let (allowance, looks) = known.map_or_else(
            || (fresh(), fresh()),
            |known| (Arc::clone(&known.allowance), Arc::clone(&known.looks)),
        );
        found.entry(lookup).or_default().push(Arc::new(Grantee { entry, allowance, looks, sha256 }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{Limits, NewToken, Scope};

    fn new(name: &str) -> NewToken {
        let limits = Limits { per_minute: 1, ..Limits::default() };
        NewToken { name: name.to_owned(), scope: Scope::Plain { user: None }, limits, taken_over: None }
    }

    #[test]
    fn a_token_holds_until_it_is_revoked_and_what_it_used_stays_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(folder.path().join("tokens.json"));
        let (first, one) = file.add(new("one")).unwrap();
        let table = Table::load(file.clone()).unwrap();
        let found = table.find(one.expose()).unwrap();
        let limits = found.entry.limits;
        found.allowance.take(limits, (Instant::now(), 0), (1, 0)).unwrap();
        let (_, two) = file.add(new("two")).unwrap();
        assert!(table.find(two.expose()).is_none(), "not read yet");
        table.refresh();
        assert!(table.find(two.expose()).is_some());
        let again = table.find(one.expose()).unwrap();
        assert!(
            again.allowance.take(limits, (Instant::now(), 0), (1, 0)).is_err(),
            "a new file gives nothing anew"
        );
        file.revoke("one").unwrap();
        table.refresh();
        assert!(table.find(one.expose()).is_none() && !table.holds(&first.id));
        assert!(table.find("").is_none() && table.find(&"a".repeat(10_000)).is_none());
    }

    #[test]
    fn a_file_that_is_gone_or_damaged_changes_nobodys_rights_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(folder.path().join("tokens.json"));
        let (_, token) = file.add(new("one")).unwrap();
        let table = Table::load(file.clone()).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        std::fs::write(file.path(), "{").unwrap();
        table.refresh();
        assert!(!table.is_current() && table.find(token.expose()).is_some());
        std::fs::write(file.path(), &bytes).unwrap();
        table.refresh();
        assert!(table.is_current());
        std::fs::remove_file(file.path()).unwrap();
        table.refresh();
        assert!(!table.is_current() && table.find(token.expose()).is_some());
    }
}
