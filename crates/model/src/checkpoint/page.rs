//! A page: keys and values of one bucket, sorted; its name says what is in it.

use safelight_crypto::{Entropy, Epoch, EpochId, EpochSecrets, Kind, LibraryId, ObjectContext, ObjectName};
use safelight_crypto::{names, open, seal, sha256};

use super::bucket::Bucket;
use crate::cbor::{self, Decode, Encode, Malformed, Reader, Writer};
use crate::clock::Stamp;
use crate::error::ModelError;
use crate::history::{MAX_BODY_BYTES, packed};
use crate::ids::{EntityId, MAX_ENTITY_NAME_BYTES};
use crate::original::{PackKind, Packed};
use crate::state::EntityState;

const VERSION: u64 = 1;

/// Keys and values of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    bucket: Bucket,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A page that was sealed.
#[derive(Clone, Debug)]
pub struct SealedPage {
    /// What the root says of it.
    pub page: PageRef,
    /// Its object name.
    pub name: ObjectName,
    /// What is put.
    pub bytes: Vec<u8>,
}

/// What a root says of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageRef {
    /// Its bucket.
    pub bucket: Bucket,
    /// SHA-256 of its body.
    pub sha256: [u8; 32],
    /// How many entries it has.
    pub entries: u32,
    /// How long its body is.
    pub body_bytes: u32,
    /// The epoch that it is sealed under and named in.
    pub epoch: EpochId,
}

impl PageRef {
    /// More than the sealed page has.
    #[must_use]
    pub fn most_sealed_bytes(&self) -> u64 {
        let body = u64::from(self.body_bytes);
        body + body / 8 + 8192
    }
}

impl Page {
    /// A page of these entries.
    #[must_use]
    pub fn new(bucket: Bucket, mut entries: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        entries.sort();
        Self { bucket, entries }
    }

    /// What lies together in it.
    #[must_use]
    pub fn bucket(&self) -> Bucket {
        self.bucket
    }

    /// Keys and values.
    #[must_use]
    pub fn entries(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.entries
    }

    /// The states in it, each as its entity and its only encoding.
    ///
    /// # Errors
    /// [`ModelError::BadCheckpoint`] for what is no state of its entity, or lies in the wrong bucket.
    pub fn states(&self) -> Result<Vec<(EntityId, EntityState)>, ModelError> {
        let broken = |rule| ModelError::BadCheckpoint { rule };
        let mut states = Vec::with_capacity(self.entries.len());
        for (key, value) in &self.entries {
            let entity = EntityId::from_bytes(key).ok_or(broken("a page names things that cannot be"))?;
            let state = EntityState::from_bytes(value)?;
            let is_photo = matches!(entity, EntityId::Asset(_) | EntityId::Content(_));
            if is_photo != self.bucket.holds_photos() || !state.is_of(&entity) {
                return Err(broken("a state lies where another kind belongs"));
            }
            states.push((entity, state));
        }
        Ok(states)
    }

    /// The packs in it, each with the stamp of the op that spoke of it.
    ///
    /// # Errors
    /// [`ModelError::Malformed`].
    pub fn packs(&self) -> Result<Vec<(Stamp, Packed)>, ModelError> {
        let malformed = ModelError::malformed;
        let mut packs = Vec::with_capacity(self.entries.len());
        for (key, value) in &self.entries {
            let (tier, name) =
                pack_key(key).ok_or(ModelError::BadCheckpoint { rule: "a pack has a name" })?;
            let known: PackValue = Reader::whole(value).map_err(malformed("pack of a checkpoint"))?;
            let PackValue { stamp, epoch, sealed_bytes, index_sha256 } = known;
            packs.push((stamp, Packed { tier, name, epoch, sealed_bytes, index_sha256 }));
        }
        Ok(packs)
    }

    /// The key and value of a pack in a page of [`Bucket::PACKS`].
    #[must_use]
    pub fn pack_entry(stamp: Stamp, pack: &Packed) -> (Vec<u8>, Vec<u8>) {
        let key = [pack.tier.code().to_be_bytes().as_slice(), pack.name.as_bytes()].concat();
        let (epoch, sealed_bytes, index_sha256) = (pack.epoch, pack.sealed_bytes, pack.index_sha256);
        (key, cbor::to_bytes(&PackValue { stamp, epoch, sealed_bytes, index_sha256 }))
    }

    /// Its only encoding, by which it is named.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        cbor::to_bytes(self)
    }

    /// What a root says of it, if it is sealed under this epoch.
    ///
    /// # Errors
    /// [`ModelError::BadCheckpoint`] for more than a page may hold.
    pub fn describe(&self, body: &[u8], epoch: EpochId) -> Result<PageRef, ModelError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(ModelError::BadCheckpoint { rule: "a page is at most 32 MiB long" });
        }
        Ok(PageRef {
            bucket: self.bucket,
            sha256: sha256(&[body]),
            entries: u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
            body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            epoch,
        })
    }

    /// Seals it.
    ///
    /// # Errors
    /// [`ModelError::Sealed`]; [`ModelError::BadCheckpoint`] for more than a page may hold.
    pub fn seal(
        &self,
        library: LibraryId,
        epoch: &Epoch,
        entropy: &mut dyn Entropy,
    ) -> Result<SealedPage, ModelError> {
        let body = self.body();
        let page = self.describe(&body, epoch.id())?;
        let name = epoch.naming_key().page(&page.sha256);
        let logical = names::page(&name);
        let context = ObjectContext::named(library, &logical);
        let sealed =
            seal(Kind::Page, epoch, &context, &packed::pack(&body), entropy).map_err(ModelError::Sealed)?;
        Ok(SealedPage { page, name, bytes: sealed.into_bytes() })
    }

    /// Opens what lies under the name of a page.
    ///
    /// # Errors
    /// [`ModelError::Sealed`], [`ModelError::Malformed`]; [`ModelError::BadCheckpoint`] if it is not the page that
    /// the root speaks of.
    pub fn open(
        bytes: &[u8],
        library: LibraryId,
        name: &ObjectName,
        expected: &PageRef,
        secrets: &(impl EpochSecrets + ?Sized),
    ) -> Result<Self, ModelError> {
        let logical = names::page(name);
        let context = ObjectContext::named(library, &logical);
        let opened = open(bytes, Kind::Page, secrets, &context).map_err(ModelError::Sealed)?;
        let malformed = ModelError::malformed;
        let body = packed::unpack(&opened).map_err(malformed("page of a checkpoint"))?;
        if sha256(&[&body]) != expected.sha256 {
            return Err(ModelError::BadCheckpoint { rule: "it is another page than its root names" });
        }
        let page: Self = Reader::whole(&body).map_err(malformed("page of a checkpoint"))?;
        if page.describe(&body, expected.epoch)? != *expected {
            return Err(ModelError::BadCheckpoint { rule: "its root says other things of it" });
        }
        Ok(page)
    }
}

fn pack_key(key: &[u8]) -> Option<(PackKind, ObjectName)> {
    let (tier, name) = key.split_first_chunk()?;
    Some((PackKind::from_code(u16::from_be_bytes(*tier)), ObjectName::from_bytes(name.try_into().ok()?)))
}

struct PackValue {
    stamp: Stamp,
    epoch: EpochId,
    sealed_bytes: u64,
    index_sha256: [u8; 32],
}

/// `[stamp, epoch, sealed size, SHA-256 of the index]`.
impl Encode for PackValue {
    fn encode(&self, to: &mut Writer) {
        to.array(4);
        to.value(&self.stamp);
        to.value(&self.epoch);
        to.value(&self.sealed_bytes);
        to.value(&self.index_sha256);
    }
}

impl Decode for PackValue {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(4)?;
        Ok(Self {
            stamp: Stamp::decode(from)?,
            epoch: EpochId::decode(from)?,
            sealed_bytes: u64::decode(from)?,
            index_sha256: from.fixed()?,
        })
    }
}

/// `[version, bucket, [[key, value], …]]` by key.
impl Encode for Page {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.unsigned(VERSION);
        to.value(&self.bucket);
        to.array(self.entries.len());
        for (key, value) in &self.entries {
            to.array(2);
            to.bytes(key);
            to.bytes(value);
        }
    }
}

impl Decode for Page {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        let is_known = from.unsigned()? == VERSION;
        from.ensure(is_known, "there is no such version of pages")?;
        let bucket = Bucket::decode(from)?;
        let items = from.array(usize::MAX)?;
        from.ensure(items > 0, "a page is not empty")?;
        let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(items.min(4096));
        for _ in 0..items {
            from.array_of(2)?;
            let key = from.bytes(1 + MAX_ENTITY_NAME_BYTES)?;
            from.ensure(entries.last().is_none_or(|(last, _)| last.as_slice() < key), "keys ascend")?;
            entries.push((key.to_vec(), from.bytes(MAX_BODY_BYTES)?.to_vec()));
        }
        Ok(Self { bucket, entries })
    }
}

/// `[bucket, entries, length of the body, epoch, SHA-256 of the body]`.
impl Encode for PageRef {
    fn encode(&self, to: &mut Writer) {
        to.array(5);
        to.value(&self.bucket);
        to.value(&self.entries);
        to.value(&self.body_bytes);
        to.value(&self.epoch);
        to.value(&self.sha256);
    }
}

impl Decode for PageRef {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(5)?;
        let (bucket, entries, body_bytes) = (Bucket::decode(from)?, u32::decode(from)?, u32::decode(from)?);
        from.ensure(body_bytes as usize <= MAX_BODY_BYTES, "a page is at most 32 MiB long")?;
        Ok(Self { bucket, entries, body_bytes, epoch: EpochId::decode(from)?, sha256: from.fixed()? })
    }
}
