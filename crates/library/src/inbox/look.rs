//! Looks through the inbox of a remote, and says of each item how it stands.

use std::collections::BTreeMap;

use safelight_crypto::{InboxName, MOST_INBOX_OBJECT, names, sha256};
use safelight_model::{DeviceId, SetName, TakenUpload};
use safelight_store::{Area, SealedRemote, StoreError};
use safelight_sync::SyncError;
use tokio::runtime::Runtime;

use super::{KnownUploader, UploadState};
use crate::error::Result;
use crate::library::Library;
use crate::upload::path_of;

/// What this device remembers of an item that something is wrong with: its bytes when it was looked at, and what.
const ASIDE: &str = "inbox/aside/";
/// The hash of a head that was taken in, with its bytes: it need not be fetched again to be known.
const HEAD: &str = "inbox/head/";
/// How much of a device was taken in on a day.
const DAY: &str = "inbox/day/";
const DAY_MILLIS: u64 = 86_400_000;

/// An item as a remote lists it.
#[derive(Debug, Clone)]
pub(crate) struct ListedItem {
    /// The name of its head.
    pub(crate) name: InboxName,
    /// Bytes of its head, if that is there.
    pub(super) head_bytes: Option<u64>,
    /// Bytes of each further piece.
    pub(super) pieces: BTreeMap<u32, u64>,
}

impl ListedItem {
    pub(crate) fn bytes(&self) -> u64 {
        self.head_bytes.unwrap_or(0) + self.pieces.values().sum::<u64>()
    }

    fn key(&self) -> String {
        names::inbox(&self.name)
    }
}

/// How an item stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemStanding {
    /// It is to be taken in.
    Due,
    /// Its head is not there yet.
    Incomplete,
    /// More came of its device than is taken in on one day.
    OverQuota(String),
    /// Something is wrong with it, and whether that was said before.
    Aside {
        /// What.
        reason: String,
        /// Whether it was said before.
        is_known: bool,
    },
    /// It was taken in.
    Taken(TakenUpload),
}

impl ItemStanding {
    pub(super) fn aside(reason: impl Into<String>) -> Self {
        Self::Aside { reason: reason.into(), is_known: false }
    }

    pub(super) fn shown(self) -> (UploadState, Option<String>) {
        match self {
            Self::Due => (UploadState::Waiting, None),
            Self::Incomplete => (UploadState::Incomplete, None),
            Self::OverQuota(reason) => (UploadState::Waiting, Some(reason)),
            Self::Aside { reason, .. } => (UploadState::Aside, Some(reason)),
            Self::Taken(_) => (UploadState::Taken, None),
        }
    }
}

/// How much of a device was taken in today.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Today {
    day: u64,
    items: u64,
    bytes: u64,
}

impl Today {
    pub(super) fn add(&mut self, bytes: u64) {
        self.items += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Library {
    /// All items of a remote's inbox, by device and number, and how each stands. `insists` looks again at what is aside, and
    /// passes over quotas.
    pub(crate) fn look_at_inbox(
        &self,
        runtime: &Runtime,
        store: &SealedRemote,
        insists: bool,
    ) -> Result<Vec<(ListedItem, ItemStanding)>> {
        let items = runtime.block_on(list(store))?;
        let (uploaders, mut today) = (self.uploaders()?, BTreeMap::new());
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            let standing = self.judge_item(&uploaders, (runtime, store), &item, insists, &mut today)?;
            found.push((item, standing));
        }
        Ok(found)
    }

    fn judge_item(
        &self,
        uploaders: &BTreeMap<DeviceId, KnownUploader>,
        (runtime, store): (&Runtime, &SealedRemote),
        item: &ListedItem,
        insists: bool,
        today: &mut BTreeMap<DeviceId, Today>,
    ) -> Result<ItemStanding> {
        let InboxName { device, counter, .. } = item.name;
        let key = item.key();
        let Some(known) = uploaders.get(&device) else {
            let reason = "no device of this library that may upload has this id";
            return self.aside_again(&key, item, ItemStanding::aside(reason));
        };
        if let Some(taken) = self.taken_upload(device, counter)? {
            let Some(head_bytes) = item.head_bytes else { return Ok(ItemStanding::Taken(taken)) };
            return Ok(match self.hash_of_head(runtime, store, item, head_bytes)? {
                Some(hash) if hash != taken.head => self.aside_again(
                    &key,
                    item,
                    ItemStanding::aside(
                        "another item with this number was taken in before: it is a repetition, or forged",
                    ),
                )?,
                _ => ItemStanding::Taken(taken),
            });
        }
        if known.is_ended {
            let reason = "its device may not upload any more";
            return self.aside_again(&key, item, ItemStanding::aside(reason));
        }
        let Some(head_bytes) = item.head_bytes else { return Ok(ItemStanding::Incomplete) };
        if head_bytes > MOST_INBOX_OBJECT || item.pieces.values().any(|bytes| *bytes > MOST_INBOX_OBJECT) {
            let reason = "it is larger than any upload";
            return self.aside_again(&key, item, ItemStanding::aside(reason));
        }
        if !insists && let Some(reason) = self.remembered_aside(&key, item)? {
            return Ok(ItemStanding::Aside { reason, is_known: true });
        }
        let used = match today.get_mut(&device) {
            Some(used) => used,
            None => today.entry(device).or_insert(self.taken_today(device)?),
        };
        let uploader = &known.uploader;
        let over = used.items >= uploader.items_a_day
            || used.bytes.saturating_add(item.bytes()) > uploader.bytes_a_day;
        if over && !insists {
            return Ok(ItemStanding::OverQuota(format!(
                "more came than {} uploads and {} bytes a day; safelight device inbox take --yes takes it now",
                uploader.items_a_day, uploader.bytes_a_day
            )));
        }
        used.add(item.bytes());
        Ok(ItemStanding::Due)
    }

    /// What is said of an item that was taken in.
    pub(super) fn taken_upload(&self, device: DeviceId, counter: u64) -> Result<Option<TakenUpload>> {
        let entity = TakenUpload::target(device, counter).entity();
        let Some(record) = self.catalog().record(&entity)? else { return Ok(None) };
        let Some(set) = record.set(SetName::TAKEN_IN) else { return Ok(None) };
        Ok(set.elements().filter_map(TakenUpload::of_value).find(|taken| taken.counter == counter))
    }

    /// The hash of a head that rests there: as it is remembered, or fetched; none where it is gone.
    fn hash_of_head(
        &self,
        runtime: &Runtime,
        store: &SealedRemote,
        item: &ListedItem,
        head_bytes: u64,
    ) -> Result<Option<[u8; 32]>> {
        let remembered = self.device.setting(&format!("{HEAD}{}", item.key()))?;
        if let Some(known) = remembered.as_deref().and_then(|value| value.split_first_chunk::<8>())
            && u64::from_be_bytes(*known.0) == head_bytes
            && let Ok(hash) = known.1.try_into()
        {
            return Ok(Some(hash));
        }
        match runtime.block_on(store.get(&path_of(&item.name)?, MOST_INBOX_OBJECT)) {
            Ok(bytes) => Ok(Some(sha256(&[&bytes]))),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(StoreError::TooLarge { .. }) => Ok(Some([0; 32])),
            Err(error) => Err(SyncError::from(error).into()),
        }
    }

    /// Remembers the hash of a head, so that it need not be fetched to be known.
    pub(super) fn remember_head(&mut self, item: &ListedItem, hash: Option<[u8; 32]>) -> Result<()> {
        let value = item.head_bytes.zip(hash).map(|(bytes, hash)| [&bytes.to_be_bytes()[..], &hash].concat());
        Ok(self.device.set_setting(&format!("{HEAD}{}", item.key()), value.as_deref())?)
    }

    fn remembered_aside(&self, key: &str, item: &ListedItem) -> Result<Option<String>> {
        let Some(value) = self.device.setting(&format!("{ASIDE}{key}"))? else { return Ok(None) };
        let Some((bytes, reason)) = value.split_first_chunk::<8>() else { return Ok(None) };
        let is_same = u64::from_be_bytes(*bytes) == item.bytes();
        Ok(is_same.then(|| String::from_utf8_lossy(reason).into_owned()))
    }

    /// The same standing, with whether it was said before.
    fn aside_again(&self, key: &str, item: &ListedItem, standing: ItemStanding) -> Result<ItemStanding> {
        let remembered = self.remembered_aside(key, item)?;
        Ok(match standing {
            ItemStanding::Aside { reason, .. } => {
                let is_known = remembered.as_deref() == Some(reason.as_str());
                ItemStanding::Aside { reason, is_known }
            }
            other => other,
        })
    }

    /// Remembers that something is wrong with an item, or no more.
    pub(super) fn remember_aside(&mut self, item: &ListedItem, reason: Option<&str>) -> Result<()> {
        let value = reason.map(|reason| [&item.bytes().to_be_bytes()[..], reason.as_bytes()].concat());
        Ok(self.device.set_setting(&format!("{ASIDE}{}", item.key()), value.as_deref())?)
    }

    pub(super) fn taken_today(&self, device: DeviceId) -> Result<Today> {
        let day = crate::effects::now_stamp_millis() / DAY_MILLIS;
        let kept = self.device.setting(&format!("{DAY}{device}"))?.unwrap_or_default();
        let numbers: Vec<u64> =
            kept.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok().map(u64::from_be_bytes)).collect();
        Ok(match numbers.as_slice() {
            [known, items, bytes] if *known == day => Today { day, items: *items, bytes: *bytes },
            _ => Today { day, ..Today::default() },
        })
    }

    pub(super) fn remember_today(&mut self, device: DeviceId, today: Today) -> Result<()> {
        let value = [today.day, today.items, today.bytes].map(u64::to_be_bytes).concat();
        Ok(self.device.set_setting(&format!("{DAY}{device}"), Some(&value))?)
    }
}

/// Lists the inbox of a remote. What is there under other names is nobody's.
async fn list(store: &SealedRemote) -> Result<Vec<ListedItem>> {
    let (mut items, mut after) = (BTreeMap::<InboxName, ListedItem>::new(), None);
    loop {
        let page = store.list(Area::Inbox, after.as_ref()).await.map_err(SyncError::from)?;
        for object in page.objects {
            let Some(name) = InboxName::parse(object.key.as_str()) else { continue };
            let empty = ListedItem { name: name.piece(0), head_bytes: None, pieces: BTreeMap::new() };
            let item = items.entry(name.piece(0)).or_insert(empty);
            match name.piece {
                0 => item.head_bytes = Some(object.length_bytes),
                piece => {
                    item.pieces.insert(piece, object.length_bytes);
                }
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(items.into_values().collect()),
        }
    }
}
