//! A remote as a library may use it: sealed bytes under SL1 names, and nothing else.
//!
//! Invariant: nothing that was not [`Sealed`] and not named by an [`ObjectPath`] passes through here. A
//! lint keeps the raw [`Remote`] out of the crates above.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::capabilities::{Capabilities, Capability, Finding};
use crate::error::StoreError;
use crate::name::{Area, Key, ObjectPath, Prefix};
use crate::remote::{ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, Urgency};
use crate::sealed::Sealed;

/// Pages of one listing that are read: with a thousand names in each, more than any library fills.
const MOST_PAGES: u32 = 20_000;

/// A [`Remote`] that takes only sealed objects.
#[derive(Debug, Clone)]
pub struct SealedRemote {
    remote: Arc<dyn Remote>,
}

impl SealedRemote {
    /// Wraps a connected remote.
    #[must_use]
    pub fn new(remote: Arc<dyn Remote>) -> Self {
        Self { remote }
    }

    /// A short name for messages.
    #[must_use]
    pub fn label(&self) -> &str {
        self.remote.label()
    }

    /// What the place can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.remote.capabilities()
    }

    /// Writes an object unless its name is taken; see [`Remote::put_if_absent`]. The tier is a wish: a place
    /// that does not have it uses its own. Where a place cannot refuse to overwrite, the name is looked up first.
    ///
    /// # Errors
    /// [`StoreError`]; `AlreadyExists` means *verify*, not *fail*.
    pub async fn put(
        &self,
        path: &ObjectPath,
        sealed: &Sealed,
        tier: Option<Tier>,
    ) -> Result<Stored, StoreError> {
        let tier = tier.filter(|tier| self.capabilities().tiers.contains(tier));
        let options = PutOptions { tier, ..Default::default() };
        let key = Key::from(path);
        if matches!(self.capabilities().finding(Capability::PutIfAbsent), Finding::Missing(_)) {
            // A look instead of a promise: what two write at the same instant is the same content.
            match self.remote.head(&key).await {
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    let (place, object) = (self.label().to_owned(), key.as_str().to_owned());
                    return Err(StoreError::AlreadyExists { place, object });
                }
            }
        }
        self.remote.put_if_absent(&key, sealed.body().clone(), &options).await
    }

    /// Replaces a head, the only object that is replaced in the ordinary course of things.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for a path of any other area, and what [`Remote::put`] may answer.
    pub async fn replace_head(&self, path: &ObjectPath, sealed: &Sealed) -> Result<Stored, StoreError> {
        self.replace(path, Area::Head, sealed, "only a head may be replaced").await
    }

    /// Replaces a segment by another sealing of it, out of which ops were taken that must rest nowhere any more: at every
    /// moment the one or the other is there.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for a path of any other area, and what [`Remote::put`] may answer.
    pub async fn replace_segment(&self, path: &ObjectPath, sealed: &Sealed) -> Result<Stored, StoreError> {
        self.replace(path, Area::Log, sealed, "only a segment of history may be replaced so").await
    }

    async fn replace(
        &self,
        path: &ObjectPath,
        area: Area,
        sealed: &Sealed,
        reason: &'static str,
    ) -> Result<Stored, StoreError> {
        if path.area() != area {
            let (place, operation) = (self.label().to_owned(), crate::error::Operation::Put);
            return Err(StoreError::Unsupported { place, operation, reason });
        }
        self.remote.put(&Key::from(path), sealed.body().clone(), &PutOptions::default()).await
    }

    /// Reads a whole object; see [`Remote::get`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, path: &ObjectPath, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        self.remote.get(&Key::from(path), at_most_bytes).await
    }

    /// Reads a part of an object; see [`Remote::get_range`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_range(&self, path: &ObjectPath, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.remote.get_range(&Key::from(path), range).await
    }

    /// Asks about an object; see [`Remote::head`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head(&self, path: &ObjectPath) -> Result<ObjectInfo, StoreError> {
        self.remote.head(&Key::from(path)).await
    }

    /// Lists one page of an area; see [`Remote::list`]. Its tokens count, so that no place keeps whoever lists for ever.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Damaged`] for a listing that does not come to an end.
    pub async fn list(&self, area: Area, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let (read, after) = match after.map(PageToken::counted) {
            Some((read, mark)) => (read, Some(mark)),
            None => (0, None),
        };
        let mut page = self.remote.list(&Prefix::area(area), after.as_ref()).await?;
        if let Some(next) = page.next.take() {
            if read >= MOST_PAGES || after.as_ref() == Some(&next) {
                return Err(StoreError::Damaged {
                    place: self.remote.label().to_owned(),
                    object: format!("{}/", area.as_str()),
                    reason: "its listing does not come to an end".to_owned(),
                });
            }
            page.next = Some(next.count(read + 1));
        }
        Ok(page)
    }

    /// Removes an object; see [`Remote::delete`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, path: &ObjectPath) -> Result<(), StoreError> {
        self.remote.delete(&Key::from(path)).await
    }

    /// Moves an object to another tier; see [`Remote::set_tier`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_tier(&self, path: &ObjectPath, tier: Tier) -> Result<(), StoreError> {
        self.remote.set_tier(&Key::from(path), tier).await
    }

    /// Removes what interrupted uploads left behind; see [`Remote::sweep`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self, age: std::time::Duration) -> Result<u64, StoreError> {
        self.remote.sweep(age).await
    }

    /// Asks for an archived object; see [`Remote::thaw`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn thaw(&self, path: &ObjectPath, urgency: Urgency) -> Result<(), StoreError> {
        self.remote.thaw(&Key::from(path), urgency).await
    }
}
