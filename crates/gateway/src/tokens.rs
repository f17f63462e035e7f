//! The token file: who may ask this gateway for uploads. The only state that gateways beside each other share.
//!
//! Invariants: a token itself is in no file, only its SHA-256 (tokens are 256 random bits, so nothing slower is needed); the
//! file is its owner's alone and is replaced as a whole, so that a reader sees the old one or the new one; what was revoked
//! stays listed. The file also holds the seed of the gateway's own signing key, which signs what was granted and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use safelight_crypto::{DeviceId, OsEntropy, SigningKey, sha256};
use safelight_store::SecretText;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::GatewayError;
use crate::name::UserId;

const VERSION: u32 = 1;
/// The random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// The random bytes of an id.
const ID_BYTES: usize = 5;
/// The shortest token that may be taken over from elsewhere.
const LEAST_TOKEN_CHARS: usize = 32;
/// The longest token, so that a header is never long to hash.
pub(crate) const MOST_TOKEN_CHARS: usize = 256;
/// The longest name.
const MOST_NAME_CHARS: usize = 64;
/// The longest file that is read: some hundred thousand tokens.
const MOST_FILE_BYTES: u64 = 64 << 20;

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Scope {
    /// Plain files, at `/v1/mobile/upload-token`; of this user alone where one is named.
    Plain {
        /// The user.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// Sealed uploads of one device, at `/v1/uploads`.
    Sealed {
        /// The device, as `safelight device list` names it.
        device: String,
    },
}

/// How much may be asked for with one token, of each gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Objects a minute.
    pub per_minute: u32,
    /// Objects a day, by UTC.
    pub files_a_day: u64,
    /// Declared bytes a day, by UTC; plain files declare none.
    pub bytes_a_day: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_minute: 600, files_a_day: 5_000, bytes_a_day: 100_000_000_000 }
    }
}

/// A token as it is known: everything but the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenEntry {
    /// Its id, which stands in records.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The SHA-256 of the token, in hex.
    pub(crate) sha256: String,
    /// When it was made, as RFC 3339.
    pub created: String,
    /// When it was revoked, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoked: Option<String>,
    /// What it is good for.
    pub scope: Scope,
    /// How much may be asked for with it.
    pub limits: Limits,
}

/// What a token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What people call it.
    pub name: String,
    /// What it is good for.
    pub scope: Scope,
    /// How much may be asked for with it.
    pub limits: Limits,
    /// A token that clients have already, in place of a new one.
    pub taken_over: Option<SecretText>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    signing_seed: Seed,
    tokens: Vec<TokenEntry>,
}

/// The seed of the signing key, in hex; wiped when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
struct Seed(String);

/// A token file that was read.
pub(crate) struct Read {
    pub(crate) signing_key: SigningKey,
    pub(crate) tokens: Vec<TokenEntry>,
}

/// The token file at a path.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// The file at this path; nothing is read yet.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a token, and the file where there is none. What is answered is the only copy of the token.
    ///
    /// # Errors
    /// [`GatewayError::NameTaken`], [`GatewayError::BadField`], and what reading and writing answers.
    pub fn add(&self, new: NewToken) -> Result<(TokenEntry, SecretText), GatewayError> {
        check(&new)?;
        let _lock = self.lock()?;
        let mut stored = match self.read_stored() {
            Err(GatewayError::NoTokenFile { .. }) => Stored::fresh(),
            other => other?,
        };
        let holds = |entry: &TokenEntry| entry.revoked.is_none() && entry.name == new.name;
        if stored.tokens.iter().any(holds) {
            return Err(GatewayError::NameTaken { name: new.name });
        }
        let token = match new.taken_over {
            Some(token) => token,
            None => SecretText::new(random::<TOKEN_BYTES>()?),
        };
        let sha256 = HEXLOWER.encode(&sha256(&[token.expose().as_bytes()]));
        if stored.tokens.iter().any(|entry| entry.sha256 == sha256) {
            return Err(GatewayError::BadField { what: "the token", rule: "is in the file already" });
        }
        let entry = TokenEntry {
            id: random::<ID_BYTES>()?,
            name: new.name,
            sha256,
            created: now(),
            revoked: None,
            scope: new.scope,
            limits: new.limits,
        };
        stored.tokens.push(entry.clone());
        self.write(&stored)?;
        Ok((entry, token))
    }

    /// All tokens, those that were revoked too, the oldest first.
    ///
    /// # Errors
    /// [`GatewayError::NoTokenFile`], [`GatewayError::OpenTokenFile`], [`GatewayError::ForeignTokenFile`], [`GatewayError::File`].
    pub fn list(&self) -> Result<Vec<TokenEntry>, GatewayError> {
        Ok(self.read_stored()?.tokens)
    }

    /// The public half of the key that signs what was granted, in hex.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn verifying_key(&self) -> Result<String, GatewayError> {
        let key = self.read()?.signing_key.verifying_key();
        Ok(HEXLOWER.encode(key.as_bytes()))
    }

    /// Ends a token, by its id or by its name. One that was ended before stays as it was.
    ///
    /// # Errors
    /// [`GatewayError::NoSuchToken`], and what reading and writing answers.
    pub fn revoke(&self, name: &str) -> Result<TokenEntry, GatewayError> {
        let _lock = self.lock()?;
        let mut stored = self.read_stored()?;
        let by_id = stored.tokens.iter().position(|entry| entry.id == name);
        // Of several with one name only one can hold; the newest is meant where none does.
        let holds = |entry: &TokenEntry| entry.name == name && entry.revoked.is_none();
        let found = by_id
            .or_else(|| stored.tokens.iter().position(holds))
            .or_else(|| stored.tokens.iter().rposition(|entry| entry.name == name));
        let Some(entry) = found.and_then(|at| stored.tokens.get_mut(at)) else {
            return Err(GatewayError::NoSuchToken { name: name.to_owned() });
        };
        if entry.revoked.is_none() {
            entry.revoked = Some(now());
        }
        let entry = entry.clone();
        self.write(&stored)?;
        Ok(entry)
    }

    pub(crate) fn read(&self) -> Result<Read, GatewayError> {
        let stored = self.read_stored()?;
        let seed = HEXLOWER.decode(stored.signing_seed.0.as_bytes()).ok().map(Zeroizing::new);
        let seed = seed.and_then(|seed| <[u8; 32]>::try_from(seed.as_slice()).ok()).map(Zeroizing::new);
        let seed = seed.ok_or_else(|| self.foreign("its signing seed is not 32 bytes in hex"))?;
        Ok(Read { signing_key: SigningKey::from_seed_bytes(*seed), tokens: stored.tokens })
    }

    fn read_stored(&self) -> Result<Stored, GatewayError> {
        let fail = |error| GatewayError::file(&self.path, "read", error);
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(GatewayError::NoTokenFile { path: self.path.clone() });
            }
            other => other.map_err(fail)?,
        };
        let mode = file.metadata().map_err(fail)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(GatewayError::OpenTokenFile { path: self.path.clone(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MOST_FILE_BYTES).read_to_string(&mut text).map_err(fail)?;
        // What stands there is never repeated: it may be a secret.
        let stored: Stored =
            serde_json::from_str(&text).map_err(|error| self.foreign(&format!("line {}", error.line())))?;
        if stored.version != VERSION {
            return Err(self.foreign(&format!("it is of version {}", stored.version)));
        }
        Ok(stored)
    }

    fn foreign(&self, reason: &str) -> GatewayError {
        GatewayError::ForeignTokenFile { path: self.path.clone(), reason: reason.to_owned() }
    }

    /// Keeps others who change the file out; the file itself is replaced, so the lock is beside it.
    fn lock(&self) -> Result<File, GatewayError> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| GatewayError::file(folder, "made", error))?;
        }
        let path = self.beside("lock");
        let fail = |error| GatewayError::file(&path, "locked", error);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = lock.map_err(fail)?;
        lock.lock().map_err(fail)?;
        Ok(lock)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(ending);
        self.path.with_file_name(name)
    }

    fn write(&self, stored: &Stored) -> Result<(), GatewayError> {
        let new = self.beside("new");
        let fail = |error| GatewayError::file(&self.path, "written", error);
        let bytes = Zeroizing::new(serde_json::to_vec_pretty(stored).map_err(|error| fail(error.into()))?);
        // Whoever was killed left it behind; nobody else is here, thanks to the lock.
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(fail)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(fail)?;
        std::fs::rename(&new, &self.path).map_err(fail)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(fail)
    }
}

impl Stored {
    fn fresh() -> Self {
        let key = SigningKey::generate(&mut OsEntropy);
        let signing_seed = Seed(HEXLOWER.encode(&*key.seed_bytes()));
        Self { version: VERSION, signing_seed, tokens: Vec::new() }
    }
}

fn check(new: &NewToken) -> Result<(), GatewayError> {
    let bad = |what, rule| Err(GatewayError::BadField { what, rule });
    let is_name = !new.name.is_empty()
        && new.name.chars().count() <= MOST_NAME_CHARS
        && !new.name.chars().any(char::is_control);
    if !is_name {
        return bad("a name", "has 1 to 64 characters that can be shown");
    }
    match &new.scope {
        Scope::Plain { user: Some(user) } => {
            UserId::parse(user).map_err(|rule| GatewayError::BadField { what: "a user", rule })?;
        }
        Scope::Sealed { device } if device.parse::<DeviceId>().is_err() => {
            return bad("a device", "is written as safelight device list --json names it");
        }
        _ => {}
    }
    if new.limits.per_minute == 0 || new.limits.per_minute > 1_000_000 {
        return bad("objects a minute", "are 1 to 1,000,000");
    }
    let is_token = |token: &SecretText| {
        (LEAST_TOKEN_CHARS..=MOST_TOKEN_CHARS).contains(&token.expose().len())
            && token.expose().bytes().all(|byte| byte.is_ascii_graphic())
    };
    if new.taken_over.as_ref().is_some_and(|token| !is_token(token)) {
        return bad("a token", "has 32 to 256 characters without spaces");
    }
    Ok(())
}

/// Random bytes in small base32.
pub(crate) fn random<const BYTES: usize>() -> Result<String, GatewayError> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *bytes).map_err(|error| GatewayError::File {
        path: "/dev/urandom".into(),
        action: "read",
        source: io::Error::other(error),
    })?;
    Ok(BASE32_NOPAD.encode(&*bytes).to_ascii_lowercase())
}

fn now() -> String {
    crate::time::written(jiff::Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str) -> NewToken {
        let (scope, limits) = (Scope::Plain { user: None }, Limits::default());
        NewToken { name: name.to_owned(), scope, limits, taken_over: None }
    }

    #[test]
    fn a_token_is_in_no_file_and_the_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(folder.path().join("below/tokens.json"));
        let (entry, token) = file.add(new("phone")).unwrap();
        assert_eq!(token.expose().len(), 52);
        let bytes = std::fs::read_to_string(file.path()).unwrap();
        assert!(!bytes.contains(token.expose()) && bytes.contains(&entry.sha256));
        let mode = std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(entry.sha256, HEXLOWER.encode(&sha256(&[token.expose().as_bytes()])));
        assert_eq!(file.list().unwrap(), [entry]);
    }

    #[test]
    fn a_revoked_token_stays_listed_and_its_name_is_free_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(folder.path().join("tokens.json"));
        file.add(new("phone")).unwrap();
        assert!(matches!(file.add(new("phone")), Err(GatewayError::NameTaken { .. })));
        let key = file.verifying_key().unwrap();
        let revoked = file.revoke("phone").unwrap();
        assert_eq!(file.revoke(&revoked.id).unwrap(), revoked, "it ended when it ended first");
        let (second, _) = file.add(new("phone")).unwrap();
        file.revoke("phone").unwrap();
        let states: Vec<bool> = file.list().unwrap().iter().map(|entry| entry.revoked.is_some()).collect();
        assert_eq!(states, [true, true]);
        assert_ne!(second.id, revoked.id);
        assert!(matches!(file.revoke("nobody"), Err(GatewayError::NoSuchToken { .. })));
        assert_eq!(file.verifying_key().unwrap(), key, "one key for the file's life");
    }

    #[test]
    fn what_others_may_read_or_what_is_damaged_is_refused_and_never_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(folder.path().join("tokens.json"));
        assert!(matches!(file.list(), Err(GatewayError::NoTokenFile { .. })));
        file.add(new("phone")).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(file.list(), Err(GatewayError::OpenTokenFile { mode: 0o640, .. })));
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(file.path(), "{\"version\":1,\"signing_seed\":\"PLANTED\",\"tokens\":\"PLANTED\"}")
            .unwrap();
        let error = file.list().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("PLANTED"), "{error}");
        assert!(
            matches!(file.add(new("other")), Err(GatewayError::ForeignTokenFile { .. })),
            "it is not replaced"
        );
    }

    #[test]
    fn a_token_that_clients_have_already_is_taken_over_once_if_it_is_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(folder.path().join("tokens.json"));
        let with =
            |name: &str, token: &str| NewToken { taken_over: Some(SecretText::new(token)), ..new(name) };
        assert!(file.add(with("short", "secret")).is_err());
        let old = "0123456789abcdef0123456789abcdef";
        assert_eq!(file.add(with("old", old)).unwrap().1.expose(), old);
        assert!(file.add(with("again", old)).is_err());
    }

    #[test]
    fn names_users_and_devices_that_break_a_rule_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::at(folder.path().join("tokens.json"));
        let device =
            |device: &str| NewToken { scope: Scope::Sealed { device: device.to_owned() }, ..new("a") };
        let user = |user: &str| NewToken { scope: Scope::Plain { user: Some(user.to_owned()) }, ..new("a") };
        for bad in [new(""), new("a\nb"), new(&"a".repeat(65)), device("x"), user("a/b"), user("..")] {
            assert!(matches!(file.add(bad.clone()), Err(GatewayError::BadField { .. })), "{bad:?}");
        }
        assert!(!file.path().exists());
        file.add(device(&DeviceId::from_bytes([7; 16]).to_string())).unwrap();
    }
}
