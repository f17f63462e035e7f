//! The contract between a library and any storage: a small, object-safe, async trait.
//!
//! Each guarantee below carries a code such as `R3`; [`conformance`](crate::conformance) checks it under
//! the same code for every backend. Cancellation: every method may be dropped at any await point; an
//! interrupted write has then happened whole or not at all, and the caller must look before it concludes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::capabilities::Capabilities;
use crate::checksum::Checksum;
use crate::error::{Operation, StoreError};
use crate::name::{Key, Prefix};

/// A storage that can hold objects under names.
///
/// All paths and bodies are what the caller decided to send: the trait does not seal. A library uses
/// [`SealedRemote`](crate::SealedRemote); only the plain copy and the gateway use this trait directly.
#[async_trait]
pub trait Remote: fmt::Debug + Send + Sync {
    /// A short name for messages, without credentials, for example `folder /mnt/usb`.
    fn label(&self) -> &str;

    /// Which proof of permission is in use, in words that may be shown, for example `the Azure CLI`.
    fn credential_source(&self) -> Option<String> {
        None
    }

    /// What this place can do, as it was found when it was connected.
    fn capabilities(&self) -> &Capabilities;

    /// Writes an object, replacing what is under the name.
    ///
    /// * `R1` A successful put is read back byte for byte.
    /// * `R2` No reader ever sees a part of an object: under the name is the old object or the whole new one
    ///   (where [`Replace`](crate::Capability::Replace) is missing, that holds for new objects only).
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::ReadOnly`], [`StoreError::Denied`], [`StoreError::Vanished`],
    /// [`StoreError::BadName`], [`StoreError::TooLarge`] beyond [`Capabilities::most_object_bytes`].
    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError>;

    /// Writes an object unless the name is taken.
    ///
    /// * `R3` A name that is taken answers [`StoreError::AlreadyExists`], and the object is unchanged.
    /// * `R4` Of several writers at the same time exactly one succeeds; the others get `AlreadyExists`
    ///   (not promised where [`OneWinner`](crate::Capability::OneWinner) is missing).
    /// * `R14` [`Stored::is_md5_checked`] is only said when the object has the MD5 that came with it. A put with the MD5
    ///   of other bytes is refused and writes nothing, or it is not said.
    ///
    /// A retry after a lost reply answers `AlreadyExists` for the caller's own bytes: it must be verified.
    ///
    /// # Errors
    /// As [`put`](Self::put), and [`StoreError::Unsupported`] where the place cannot promise R3.
    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError>;

    /// Reads a whole object of at most `at_most_bytes`.
    ///
    /// * `R5` An absent name answers [`StoreError::NotFound`].
    /// * `R6` An object above the limit answers [`StoreError::TooLarge`] without being read into memory.
    ///
    /// # Errors
    /// Also [`StoreError::Archived`] for an object that must be thawed first.
    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError>;

    /// Reads bytes `range` of an object.
    ///
    /// * `R7` A range inside the object gives exactly its bytes; a range that reaches beyond the end gives
    ///   what there is; a range that begins at or beyond the end, or is empty, gives nothing.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError>;

    /// Asks for an object's length, time and tier.
    ///
    /// * `R8` The length is the number of bytes that were put; an absent name answers `NotFound`.
    ///
    /// # Errors
    /// As [`get`](Self::get), without `Archived`.
    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError>;

    /// Lists one page of the objects below a prefix; `after` is the token of the page before.
    ///
    /// * `R9` When nothing is being written, all pages together name every object below the prefix once,
    ///   and nothing that is not below it. No order is promised, and a listing may be stale.
    ///
    /// # Errors
    /// [`StoreError::Denied`] where the credential may not list.
    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError>;

    /// Removes an object.
    ///
    /// * `R10` After a successful delete the name answers `NotFound`; deleting an absent name succeeds.
    ///
    /// # Errors
    /// [`StoreError::Denied`] where the credential may not delete, [`StoreError::Unsupported`].
    async fn delete(&self, key: &Key) -> Result<(), StoreError>;

    /// Moves an object to another tier; from [`Tier::Archive`] to a warmer one starts a thaw.
    ///
    /// * `R11` A place without tiers answers [`StoreError::Unsupported`] and changes nothing.
    ///
    /// # Errors
    /// As said, and [`StoreError::NotFound`].
    async fn set_tier(&self, key: &Key, tier: Tier) -> Result<(), StoreError>;

    /// Asks for an archived object; [`head`](Self::head) tells when it is there. One that is being thawed already stays
    /// so; a place that knows no urgency thaws as it always does.
    ///
    /// # Errors
    /// As [`set_tier`](Self::set_tier).
    async fn thaw(&self, key: &Key, _urgency: Urgency) -> Result<(), StoreError> {
        self.set_tier(key, Tier::Cool).await
    }

    /// Mints a permission to upload one object without any other credential.
    ///
    /// * `R12` A place that cannot do this answers [`StoreError::Unsupported`].
    ///
    /// # Errors
    /// As said, and [`StoreError::Denied`].
    async fn grant_upload(&self, request: &GrantRequest) -> Result<UploadGrant, StoreError>;

    /// Mints a permission to read one object over TLS without any other credential.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where the place cannot do this, and [`StoreError::Denied`].
    async fn grant_download(&self, _request: &LinkRequest) -> Result<DownloadGrant, StoreError> {
        Err(lacking(self.label(), Operation::Grant, "it has no links that end by themselves"))
    }

    /// Makes the container or bucket that this remote lies in; one that is there already stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where a place cannot be made from here, and [`StoreError::Denied`].
    async fn create_place(&self) -> Result<(), StoreError> {
        Err(lacking(self.label(), Operation::Open, "it cannot be made from here"))
    }

    /// Reads what [`PutOptions::metadata`] said when the object was put.
    ///
    /// * `R15` A place that keeps metadata gives back the names and values that were put; another one answers
    ///   [`StoreError::Unsupported`].
    ///
    /// # Errors
    /// As [`head`](Self::head).
    async fn metadata(&self, _key: &Key) -> Result<BTreeMap<String, String>, StoreError> {
        Err(lacking(self.label(), Operation::Head, "it keeps no metadata"))
    }

    /// Begins an upload in blocks, or finds the one that was interrupted: what it holds need not be sent again.
    ///
    /// * `R16` Blocks are no object: a reader sees none before [`commit_blocks`](Self::commit_blocks), and then the
    ///   whole. Beginning again names the blocks that were taken before, by number, MD5 and length. Committing to a
    ///   name that is taken answers `AlreadyExists`, and the object is unchanged.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where a place takes objects only whole.
    async fn begin_blocks(&self, _key: &Key, _options: &PutOptions) -> Result<BlockUpload, StoreError> {
        Err(lacking(self.label(), Operation::Put, "it takes objects only whole"))
    }

    /// Sends one block; the place compares its MD5.
    ///
    /// # Errors
    /// As [`put`](Self::put), and [`StoreError::Refused`] when the MD5 is not that of the bytes.
    async fn put_block(
        &self,
        _key: &Key,
        _upload: &BlockUpload,
        _block: Block,
        _body: Body,
    ) -> Result<(), StoreError> {
        Err(lacking(self.label(), Operation::Put, "it takes objects only whole"))
    }

    /// Makes blocks one object, in the order given, unless the name is taken.
    ///
    /// # Errors
    /// As [`put_if_absent`](Self::put_if_absent).
    async fn commit_blocks(
        &self,
        _key: &Key,
        _upload: &BlockUpload,
        _blocks: &[Block],
        _options: &PutOptions,
    ) -> Result<Stored, StoreError> {
        Err(lacking(self.label(), Operation::Put, "it takes objects only whole"))
    }

    /// Removes what interrupted uploads left behind at least `age` ago, and says how many there were. Only
    /// places that upload under another name first leave anything; choose days, because clocks differ.
    ///
    /// # Errors
    /// As [`list`](Self::list) and [`delete`](Self::delete).
    async fn sweep(&self, _age: Duration) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Removes a folder with nothing in it, where the place has folders at all; one that is not there, or holds
    /// something, stays as it is. For what a check made: objects do not need it.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    async fn remove_empty_folder(&self, _folder: &Key) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What a place answers to what it does not have.
fn lacking(place: &str, operation: Operation, reason: &'static str) -> StoreError {
    StoreError::Unsupported { place: place.to_owned(), operation, reason }
}

/// The bytes of an object on their way to a place; can be read again for a retry.
#[derive(Debug, Clone)]
pub enum Body {
    /// Bytes in memory.
    Bytes(Bytes),
    /// `length_bytes` bytes of a file from `offset`; the file must not change meanwhile.
    File {
        /// The open file.
        file: Arc<File>,
        /// Where the bytes begin.
        offset: u64,
        /// How many there are.
        length_bytes: u64,
    },
}

impl Body {
    /// A whole file.
    ///
    /// # Errors
    /// The system's error when its length cannot be read.
    pub fn from_file(file: File) -> io::Result<Self> {
        let length_bytes = file.metadata()?.len();
        Ok(Self::File { file: Arc::new(file), offset: 0, length_bytes })
    }

    /// The number of bytes.
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length_bytes, .. } => *length_bytes,
        }
    }

    /// At most `length_bytes` of it from `offset`, without a copy.
    pub(crate) fn part(&self, offset: u64, length_bytes: u64) -> Self {
        let length_bytes = length_bytes.min(self.length_bytes().saturating_sub(offset));
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let length = usize::try_from(length_bytes).unwrap_or(usize::MAX);
                Self::Bytes(bytes.slice(start..start + length))
            }
            Self::File { file, offset: start, .. } => {
                Self::File { file: Arc::clone(file), offset: start + offset, length_bytes }
            }
        }
    }

    /// Reads up to `buffer.len()` bytes from `offset`; fewer only at the end. Blocks.
    ///
    /// # Errors
    /// The system's error, or `UnexpectedEof` when the file became shorter.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length_bytes().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                buffer.copy_from_slice(bytes.get(start..start + wanted).unwrap_or_default());
            }
            Self::File { file, offset: start, .. } => {
                std::os::unix::fs::FileExt::read_exact_at(&**file, buffer, start + offset)?;
            }
        }
        Ok(wanted)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Bytes(Bytes::from_static(bytes))
    }
}

/// How fast and how dear the bytes of an object rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Read often.
    Hot,
    /// Read now and then.
    Cool,
    /// Read rarely, still at once.
    Cold,
    /// Must be thawed before it can be read.
    Archive,
}

impl Tier {
    /// All of them, the dearest to keep first.
    pub const ALL: [Self; 4] = [Self::Hot, Self::Cool, Self::Cold, Self::Archive];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cool => "cool",
            Self::Cold => "cold",
            Self::Archive => "archive",
        }
    }

    /// What a word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.word() == word)
    }
}

/// How soon a thawed object is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Urgency {
    /// Within hours, at the usual price.
    #[default]
    Standard,
    /// As soon as the place can, at a higher price.
    High,
}

/// What may be said about an object when it is put.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// The tier to write it into; the place's own default otherwise.
    pub tier: Option<Tier>,
    /// The media type; only the plain copy says one.
    pub media_type: Option<String>,
    /// The MD5 of the bytes, for the place to compare before it takes them; [`Stored::is_md5_checked`] says whether it
    /// does. Only the plain copy says one.
    pub md5: Option<[u8; 16]>,
    /// Words beside the object: names of small letters and digits, values of printable ASCII. Places without such words
    /// leave them out, and say so to [`Remote::metadata`]. Only the plain copy says any.
    pub metadata: BTreeMap<String, String>,
}

/// What a place answers to a successful put.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The place's own mark of this version (an entity tag), where it has one.
    pub version: Option<String>,
    /// What the place computed over the bytes that it took, where it says so (`R13`: then it is theirs).
    pub checksum: Option<Checksum>,
    /// Whether the place has found that what it took has the MD5 that came with it (`R14`).
    pub is_md5_checked: bool,
}

/// One block of an object that is sent in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// Its place in the object, from 0; at most 9,999.
    pub number: u32,
    /// The MD5 of its bytes.
    pub md5: [u8; 16],
    /// How many bytes it has: at least 5 MiB in all blocks but the last, as S3 asks.
    pub length_bytes: u64,
}

/// An upload in blocks that is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockUpload {
    /// The place's own name for it.
    pub(crate) id: String,
    /// What it took so far.
    pub taken: BTreeSet<Block>,
}

/// What a place says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its name.
    pub key: Key,
    /// Its length in bytes.
    pub length_bytes: u64,
    /// When it was written, by the place's clock.
    pub modified: Option<SystemTime>,
    /// Its tier, where the place has tiers.
    pub tier: Option<Tier>,
    /// Whether it is being thawed.
    pub is_thawing: bool,
    /// The place's own mark of this version.
    pub version: Option<String>,
    /// What the place computed over the whole object, where it keeps that and nobody else can have claimed it.
    /// It may come with [`head`](Remote::head), with [`list`](Remote::list), or with neither. Whether it is to be
    /// believed here says [`ProviderChecksum`](crate::Capability::ProviderChecksum).
    pub checksum: Option<Checksum>,
}

/// Where the next page of a listing begins; only meaningful to the place that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(pub(crate) String);

impl PageToken {
    /// The same with how many pages were read before it.
    pub(crate) fn count(self, read: u32) -> Self {
        Self(format!("{read}:{}", self.0))
    }

    /// How many pages were read before it, and the backend's own mark.
    pub(crate) fn counted(&self) -> (u32, Self) {
        let counted = self.0.split_once(':').and_then(|(read, mark)| Some((read.parse().ok()?, mark)));
        let (read, mark) = counted.unwrap_or((0, &self.0));
        (read, Self(mark.to_owned()))
    }

    /// Wraps a backend's own continuation mark.
    #[must_use]
    pub const fn new(mark: String) -> Self {
        Self(mark)
    }

    /// The backend's own continuation mark.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Objects below the prefix.
    pub objects: Vec<ObjectInfo>,
    /// Names that the place holds there but that are no valid [`Key`]s, as far as they can be shown.
    pub strangers: Vec<String>,
    /// The token of the next page; none at the end.
    pub next: Option<PageToken>,
}

/// What is asked of an upload grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRequest {
    /// The one name that may be written.
    pub key: Key,
    /// How long it may be used.
    pub valid_for: Duration,
    /// The most bytes that may be sent, where the place can enforce it.
    pub at_most_bytes: u64,
    /// What will be sent, where that is known already; a place that can holds the upload to it.
    pub declared: Option<Declared>,
}

/// What somebody says beforehand of the bytes of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// How many there are.
    pub length_bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

/// What is asked of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRequest {
    /// The one object that may be read.
    pub key: Key,
    /// How long it may be read; at most seven days.
    pub valid_for: Duration,
}

/// A permission to read one object; a secret until it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct DownloadGrant {
    /// Where the bytes are, with what proves the permission.
    pub url: String,
    /// When it ends, by the place's clock.
    pub expires: SystemTime,
}

impl fmt::Debug for DownloadGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open_part = self.url.split('?').next().unwrap_or_default();
        formatter
            .debug_struct("DownloadGrant")
            .field("url", &open_part)
            .field("expires", &self.expires)
            .finish()
    }
}

/// A permission to upload one object; a secret until it expires.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadGrant {
    /// Where to send the bytes, with whatever proves the permission.
    pub url: String,
    /// The HTTP method.
    pub method: &'static str,
    /// Headers that must be sent with it.
    pub headers: BTreeMap<String, String>,
    /// When it ends, by the place's clock.
    pub expires: SystemTime,
}

impl fmt::Debug for UploadGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open_part = self.url.split('?').next().unwrap_or_default();
        formatter
            .debug_struct("UploadGrant")
            .field("url", &open_part)
            .field("expires", &self.expires)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_of_a_grant_hides_its_signature() {
        let grant = UploadGrant {
            url: "https://host/container/name?sig=secret".to_owned(),
            method: "PUT",
            headers: BTreeMap::new(),
            expires: SystemTime::UNIX_EPOCH,
        };
        assert!(!format!("{grant:?}").contains("secret"));
    }

    #[test]
    fn a_body_from_a_file_is_read_from_its_offset() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("body");
        std::fs::write(&path, b"0123456789").expect("write");
        let file = Arc::new(File::open(&path).expect("open"));
        let body = Body::File { file, offset: 2, length_bytes: 5 };
        let mut buffer = [0; 16];
        assert_eq!(body.read_at(1, &mut buffer).expect("read"), 4);
        assert_eq!(&buffer[..4], b"3456");
        assert_eq!(body.read_at(9, &mut buffer).expect("read"), 0);
    }
}
