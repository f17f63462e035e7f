//! The folder behind the [`Remote`] trait: an external drive, or a folder that another program syncs.
//!
//! Unfinished files are in a hidden folder of the place itself, which no listing names. A folder cannot
//! vouch for an upload: that a sync program has seen a file says nothing about its own cloud.

use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;

use crate::capabilities::{Capabilities, Capability, Finding};
use crate::error::{Operation, StoreError};
use crate::folder::batch::publish;
use crate::folder::object::ObjectFile;
use crate::folder::read::ObjectReader;
use crate::folder::temp::sync_directory;
use crate::folder::walk::{Found, FoundKind};
use crate::folder::{FolderPlace, Outcome};
use crate::name::{Key, Prefix};
use crate::remote::{
    Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, UploadGrant,
};

/// Where unfinished files are; names below it are refused.
const TEMPORARY: &str = ".safelight-tmp";
/// The most names on one page of a listing.
const PAGE_OBJECTS: usize = 1000;

/// A folder as a [`Remote`].
#[derive(Debug, Clone)]
pub struct Folder {
    place: FolderPlace,
    capabilities: Capabilities,
}

impl Folder {
    /// Opens the folder, which must exist, and sweeps what an interrupted run left.
    ///
    /// Nothing is probed yet: [`connect`](Self::connect) does that.
    ///
    /// # Errors
    /// [`StoreError::NoPlace`] when it is missing or not a folder.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let place = FolderPlace::open(root, &root.join(TEMPORARY))?;
        place.sweep(std::time::SystemTime::now())?;
        Ok(Self { place, capabilities: declared() })
    }

    /// Opens the folder and finds out what it can do; `token` as for [`Capabilities::probe`].
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`StoreError::BadName`] for a token that cannot be part of a name.
    pub async fn connect(root: &Path, token: &str) -> Result<Self, StoreError> {
        let mut folder = Self::open(root)?;
        let probed = Capabilities::probe(&folder, token).await?;
        folder.capabilities.learn(&probed);
        Ok(folder)
    }

    /// What was found out, to be corrected by a probe.
    pub(crate) const fn capabilities_mut(&mut self) -> &mut Capabilities {
        &mut self.capabilities
    }

    /// The same folder for synchronous use.
    #[must_use]
    pub const fn place(&self) -> &FolderPlace {
        &self.place
    }

    async fn run<Out: Send + 'static>(
        &self,
        step: impl FnOnce(&FolderPlace) -> Result<Out, StoreError> + Send + 'static,
    ) -> Result<Out, StoreError> {
        let place = self.place.clone();
        match tokio::task::spawn_blocking(move || step(&place)).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::Vanished { place: self.label().to_owned() }),
        }
    }

    fn check(&self, key: &Key) -> Result<(), StoreError> {
        if key.as_str().split('/').next() != Some(TEMPORARY) {
            return Ok(());
        }
        let rule = "this name is kept for unfinished files";
        Err(StoreError::BadName {
            place: self.label().to_owned(),
            source: crate::name::NameError { name: key.to_string(), rule },
        })
    }

    fn check_options(&self, options: &PutOptions) -> Result<(), StoreError> {
        if options.tier.is_some() {
            return Err(self.unsupported(Operation::Tier, "a folder has no tiers"));
        }
        Ok(())
    }
}

#[async_trait]
impl Remote for Folder {
    fn label(&self) -> &str {
        self.place.label()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.check(key)?;
        self.check_options(options)?;
        let key = key.clone();
        self.run(move |place| replace(place, key.as_str(), &body)).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.check(key)?;
        self.check_options(options)?;
        let key = key.clone();
        self.run(move |place| create(place, key.as_str(), &body)).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.check(key)?;
        let key = key.clone();
        self.run(move |place| Ok(open(place, &key)?.read_all(at_most_bytes)?.into())).await.map_err(no_object)
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.check(key)?;
        let key = key.clone();
        self.run(move |place| Ok(open(place, &key)?.read_range(range)?.into())).await.map_err(no_object)
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.check(key)?;
        let key = key.clone();
        self.run(move |place| {
            let file = place.open_file(key.as_str(), Operation::Head)?;
            let metadata =
                file.metadata().map_err(|error| place.error(Operation::Head, key.as_str(), error))?;
            let modified = metadata.modified().ok();
            Ok(ObjectInfo {
                key,
                length_bytes: metadata.len(),
                modified,
                tier: None,
                is_thawing: false,
                version: None,
                checksum: None,
            })
        })
        .await
        // Something else may have this name; an object of it there is not.
        .map_err(|error| obstructed(error, |place, object| StoreError::NotFound { place, object }))
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let prefix = prefix.clone();
        let after = after.cloned();
        self.run(move |place| list(place, &prefix, after.as_ref())).await
    }

    async fn remove_empty_folder(&self, folder: &Key) -> Result<(), StoreError> {
        self.check(folder)?;
        let folder = folder.clone();
        self.run(move |place| place.remove_empty_folder(folder.as_str())).await
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        self.check(key)?;
        let key = key.clone();
        self.run(move |place| place.remove_file(key.as_str())).await.map_err(|error| {
            obstructed(error, |place, object| {
                let source = std::io::Error::other(format!("{NO_OBJECT}: move it elsewhere"));
                StoreError::Denied { place, operation: Operation::Delete, object, source }
            })
        })
    }

    async fn set_tier(&self, _key: &Key, _tier: Tier) -> Result<(), StoreError> {
        Err(self.unsupported(Operation::Tier, "a folder has no tiers"))
    }

    async fn grant_upload(&self, _request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        Err(self.unsupported(Operation::Grant, "a folder has no addresses to upload to"))
    }
}

impl Folder {
    fn unsupported(&self, operation: Operation, reason: &'static str) -> StoreError {
        StoreError::Unsupported { place: self.label().to_owned(), operation, reason }
    }
}

/// What is known about every folder without trying.
fn declared() -> Capabilities {
    let mut capabilities = Capabilities::untried();
    let missing = |reason: &str| Finding::Missing(reason.to_owned());
    capabilities.set(Capability::Tiers, missing("a folder has no tiers"));
    capabilities.set(Capability::UploadGrants, missing("a folder has no addresses to upload to"));
    capabilities.set(Capability::ProviderChecksum, missing("a folder cannot prove an upload"));
    capabilities
}

const NO_OBJECT: &str = "something that is no plain file lies under its name";

/// What a folder or a link in the place of an object means to who reads it: that one is damaged, and all others are not.
fn no_object(error: StoreError) -> StoreError {
    obstructed(error, |place, object| StoreError::Damaged { place, object, reason: NO_OBJECT.to_owned() })
}

/// Another error where something else than a file lies under a name.
fn obstructed(error: StoreError, meaning: impl FnOnce(String, String) -> StoreError) -> StoreError {
    match error {
        StoreError::Obstructed { place, object } => meaning(place, object),
        error => error,
    }
}

fn open(place: &FolderPlace, key: &Key) -> Result<ObjectReader, StoreError> {
    ObjectReader::new(place.clone(), key.as_str(), place.open_file(key.as_str(), Operation::Get)?)
}

fn write(place: &FolderPlace, body: &Body) -> Result<ObjectFile, StoreError> {
    let mut object = ObjectFile::create(place.clone(), 0)?;
    object.append_body(body)?;
    object.sync()?;
    Ok(object)
}

fn create(place: &FolderPlace, path: &str, body: &Body) -> Result<Stored, StoreError> {
    let object = write(place, body)?;
    let mut folders = std::collections::BTreeMap::new();
    let outcome = publish(place, object, path, &mut folders)?;
    for directory in folders.values() {
        sync_directory(std::os::fd::AsFd::as_fd(directory))
            .map_err(|error| place.error(Operation::Sync, path, error))?;
    }
    match outcome {
        Outcome::Created => Ok(Stored::default()),
        Outcome::Existed => {
            Err(StoreError::AlreadyExists { place: place.label().to_owned(), object: path.to_owned() })
        }
    }
}

fn replace(place: &FolderPlace, path: &str, body: &Body) -> Result<Stored, StoreError> {
    let fail = |operation, error| place.error(operation, path, error);
    let mut temporary = write(place, body)?.into_temporary();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let opened = place.open_for_writing(folder).map_err(|error| fail(Operation::Put, error.into()))?;
    place
        .temporary()
        .replace(&mut temporary, std::os::fd::AsFd::as_fd(&opened.directory), name)
        .map_err(|error| fail(Operation::Put, error))?;
    for directory in std::iter::once(&opened.directory).chain(opened.parents.iter().map(|(_, parent)| parent))
    {
        sync_directory(std::os::fd::AsFd::as_fd(directory)).map_err(|error| fail(Operation::Sync, error))?;
    }
    Ok(Stored::default())
}

/// Lists in the order of a walk; the token is the last path of the page before.
fn list(place: &FolderPlace, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
    let mut page = ListPage::default();
    let walk = place.walk().without(TEMPORARY).below(prefix.as_str())?.after(after.map(PageToken::as_str));
    for found in walk {
        let Found { relative, kind, length_bytes, modified } = found?;
        let (FoundKind::Object(_) | FoundKind::StrangeFile, Some(Ok(key))) =
            (&kind, relative.to_str().map(Key::parse))
        else {
            page.strangers.push(relative.display().to_string());
            continue;
        };
        let modified = Some(modified);
        page.objects.push(ObjectInfo {
            key,
            length_bytes,
            modified,
            tier: None,
            is_thawing: false,
            version: None,
            checksum: None,
        });
        if page.objects.len() == PAGE_OBJECTS {
            page.next = relative.to_str().map(|last| PageToken::new(last.to_owned()));
            break;
        }
    }
    Ok(page)
}
