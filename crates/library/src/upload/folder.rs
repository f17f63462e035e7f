//! The folder of a device that may only upload: who it is, where it uploads to, and what it has sent.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use safelight_crypto::UploadIdentity;
use safelight_store::{Capabilities, Capability, Finding, RemoteCredential, SealedRemote};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::journal::Journal;
use crate::error::{LibraryError, Result};
use crate::flock::{self, Answer, Ask};
use crate::folder::LibraryFolder;
use crate::monitor::{Monitor, Task};
use crate::remote::{
    CodeToJoin, Entered, Keeper, Surroundings, Way, come_in_to_upload, connect_to, lent_credential,
    parse_address, runtime,
};

/// What says that a folder is one.
const DESCRIPTION: &str = "upload.toml";
/// The device's own keys: for its owner alone.
const KEYS: &str = "upload.keys";
/// What opens the place: for its owner alone.
const CREDENTIAL: &str = "upload.credential";
const LOCK: &str = "upload.lock";
/// Longer than any of these files.
const MOST_BYTES: u64 = 64 << 10;
const VERSION: u32 = 1;

/// What is to become a device that may only upload.
#[derive(Debug, Clone, Copy)]
pub struct UploadJoin<'a> {
    /// The new folder.
    pub path: &'a Path,
    /// Where the library rests, or as in [`JoinRequest`](crate::JoinRequest) the device that invites on the local network.
    pub address: &'a str,
    /// What opens that place.
    pub credential: Option<&'a RemoteCredential>,
    /// The code, and who is asked.
    pub code: CodeToJoin<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Description {
    version: u32,
    library: String,
    device: String,
    address: String,
    /// What the place was found to do; nothing where the credential may not try it out.
    capabilities: Option<String>,
}

/// The folder of a device that may only upload.
#[derive(Debug)]
pub struct UploadFolder {
    path: PathBuf,
    identity: UploadIdentity,
    address: String,
    credential: Option<RemoteCredential>,
    capabilities: Option<Capabilities>,
    /// Held while the folder is open: two programs must not draw one number.
    _lock: File,
}

impl UploadFolder {
    /// Whether a folder is one.
    #[must_use]
    pub fn exists(path: &Path) -> bool {
        path.join(DESCRIPTION).is_file()
    }

    /// Asks to be let in by a code, and makes the folder once the device is.
    ///
    /// # Errors
    /// When the folder is not new or empty, and why nobody let the device in; then nothing is left.
    pub fn join(request: &UploadJoin<'_>, surroundings: &Surroundings, monitor: &dyn Monitor) -> Result<()> {
        let path = request.path;
        let is_new = match std::fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if !is_new || LibraryFolder::exists(path) {
            return Err(LibraryError::Refused {
                reason: format!("{} is not empty", path.display()),
                hint: "name another folder with --library".into(),
            });
        }
        monitor.begin(Task::Sync, None, None);
        let runtime = runtime()?;
        let (address, credential) = (request.address, request.credential);
        let way = Way { address, credential, surroundings, monitor };
        let come = || {
            let (entered, asking, welcome) = come_in_to_upload(&runtime, &way, &request.code)?;
            if !welcome.storage.is_empty() {
                // What may only create cannot be tried out: what it would leave behind it could not remove.
                return Ok::<_, LibraryError>((entered, asking, welcome, None));
            }
            let Entered { address, keeper, .. } = &entered;
            let probed = runtime.block_on(connect_to(address, keeper.clone(), surroundings, None))?;
            let found = probed.store.capabilities().clone();
            let is_of_use = !matches!(found.finding(Capability::PutAndGet), Finding::Missing(_));
            Ok((entered, asking, welcome, is_of_use.then_some(found)))
        };
        let joined = come();
        monitor.end();
        let (Entered { address, keeper, .. }, asking, welcome, capabilities) = joined?;
        let credential = match welcome.storage.as_slice() {
            [] => keeper.credential(),
            lent => Some(lent_credential(lent)?),
        };
        let identity = UploadIdentity {
            library: asking.offer().library,
            device: asking.device().clone(),
            key: welcome.key.clone(),
        };
        let description = Description {
            version: VERSION,
            library: identity.library.to_string(),
            device: identity.device.id().to_string(),
            address: address.to_string(),
            capabilities: capabilities
                .map(|capabilities| data_encoding::BASE64.encode(&capabilities.to_bytes())),
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| LibraryError::Io { path: path.to_owned(), action: "created", source })?;
        write_private(&path.join(KEYS), &identity.to_bytes())?;
        if let Some(credential) = &credential {
            write_private(&path.join(CREDENTIAL), &credential.to_bytes())?;
        }
        let text = toml::to_string(&description).map_err(|error| LibraryError::Damaged {
            object: DESCRIPTION.into(),
            reason: error.to_string(),
        })?;
        // Last: without it the folder is none.
        write_private(&path.join(DESCRIPTION), text.as_bytes())
    }

    /// Opens the folder, alone.
    ///
    /// # Errors
    /// When it is none or damaged, or another program uploads from it.
    pub fn open(path: &Path) -> Result<Self> {
        let text = read(&path.join(DESCRIPTION))?;
        let damaged = |object: &str, reason: String| LibraryError::Damaged {
            object: path.join(object).display().to_string(),
            reason,
        };
        let text = std::str::from_utf8(&text).map_err(|error| damaged(DESCRIPTION, error.to_string()))?;
        let description: Description =
            toml::from_str(text).map_err(|error| damaged(DESCRIPTION, error.to_string()))?;
        if description.version != VERSION {
            return Err(LibraryError::Refused {
                reason: format!("{} was made by a newer version", path.display()),
                hint: "use that version, or a newer one".into(),
            });
        }
        let identity = UploadIdentity::from_bytes(&read(&path.join(KEYS))?)
            .map_err(|error| damaged(KEYS, error.to_string()))?;
        let credential = match read(&path.join(CREDENTIAL)) {
            Ok(bytes) => Some(
                RemoteCredential::from_bytes(&bytes)
                    .map_err(|error| damaged(CREDENTIAL, error.to_string()))?,
            ),
            Err(error) if error.kind() == crate::error::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let capabilities = description
            .capabilities
            .and_then(|text| Capabilities::from_bytes(&data_encoding::BASE64.decode(text.as_bytes()).ok()?));
        let lock_path = path.join(LOCK);
        let locking = |source| LibraryError::reading(&lock_path, source);
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(locking)?;
        if flock::lock(&lock, Ask::AloneNow).map_err(locking)? == Answer::Taken {
            return Err(LibraryError::Refused {
                reason: format!("another program uploads from {}", path.display()),
                hint: "wait for its end".into(),
            });
        }
        let address = description.address;
        Ok(Self { path: path.to_owned(), identity, address, credential, capabilities, _lock: lock })
    }

    /// The library's id.
    #[must_use]
    pub fn library(&self) -> String {
        self.identity.library.to_string()
    }

    /// The device's id.
    #[must_use]
    pub fn device(&self) -> String {
        self.identity.device.id().to_string()
    }

    /// Where it uploads to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn identity(&self) -> &UploadIdentity {
        &self.identity
    }

    pub(super) fn journal(&self) -> Result<Journal> {
        Journal::open(&self.path)
    }

    pub(super) async fn connect(&self, surroundings: &Surroundings) -> Result<SealedRemote> {
        let address = parse_address(&self.address)?;
        let known = self.capabilities.clone().unwrap_or_else(Capabilities::untried);
        let keeper = Keeper::new(self.credential.clone());
        Ok(connect_to(&address, keeper, surroundings, Some(known)).await?.store)
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let reading = |source| LibraryError::reading(path, source);
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).map_err(reading)?.take(MOST_BYTES).read_to_end(&mut bytes).map_err(reading)?;
    Ok(bytes)
}

/// Writes a file that its owner alone may read, whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let writing = |source| LibraryError::writing(path, source);
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(writing)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(writing)?;
    std::fs::rename(&temporary, path).map_err(writing)?;
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(writing)?;
    }
    Ok(())
}
