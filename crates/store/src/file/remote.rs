//! The file behind the [`Remote`] trait.

use std::ops::{Bound, Range};

use async_trait::async_trait;
use bytes::Bytes;

use super::sealed_file::{Inner, KEEPS, SealedFile};
use crate::capabilities::Capabilities;
use crate::error::{Operation, StoreError};
use crate::file::index::At;
use crate::name::{Key, Prefix};
use crate::remote::{
    Body, GrantRequest, ListPage, ObjectInfo, PageToken, PutOptions, Remote, Stored, Tier, UploadGrant,
};

/// The most names on one page of a listing.
const PAGE_OBJECTS: usize = 1000;
const NO_TIERS: &str = "a file has no tiers";

impl SealedFile {
    async fn run<Out: Send + 'static>(
        &self,
        step: impl FnOnce(&Inner) -> Result<Out, StoreError> + Send + 'static,
    ) -> Result<Out, StoreError> {
        let inner = std::sync::Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || step(&inner)).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::Vanished { place: self.label().to_owned() }),
        }
    }

    fn unsupported(&self, operation: Operation, reason: &'static str) -> StoreError {
        StoreError::Unsupported { place: self.label().to_owned(), operation, reason }
    }

    async fn write(
        &self,
        key: &Key,
        body: Body,
        options: &PutOptions,
        is_new: bool,
    ) -> Result<Stored, StoreError> {
        if options.tier.is_some() {
            return Err(self.unsupported(Operation::Tier, NO_TIERS));
        }
        let key = key.clone();
        self.run(move |file| file.append(&key, &body, is_new)).await?;
        Ok(Stored::default())
    }
}

#[async_trait]
impl Remote for SealedFile {
    fn label(&self) -> &str {
        self.inner.label()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn put(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.write(key, body, options, false).await
    }

    async fn put_if_absent(&self, key: &Key, body: Body, options: &PutOptions) -> Result<Stored, StoreError> {
        self.write(key, body, options, true).await
    }

    async fn get(&self, key: &Key, at_most_bytes: u64) -> Result<Bytes, StoreError> {
        let key = key.clone();
        self.run(move |file| {
            let at = file.find(&key, Operation::Get)?;
            if at.length_bytes > at_most_bytes {
                let (place, object) = (file.label().to_owned(), key.to_string());
                return Err(StoreError::TooLarge {
                    place,
                    object,
                    length_bytes: at.length_bytes,
                    at_most_bytes,
                });
            }
            Ok(file.read(&key, at, 0, at.length_bytes)?.into())
        })
        .await
    }

    async fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, StoreError> {
        let key = key.clone();
        self.run(move |file| {
            let at = file.find(&key, Operation::Get)?;
            let start = range.start.min(at.length_bytes);
            let length = range.end.min(at.length_bytes).saturating_sub(start);
            Ok(file.read(&key, at, start, length)?.into())
        })
        .await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let key = key.clone();
        self.run(move |file| file.find(&key, Operation::Head).map(|at| info(key, at))).await
    }

    async fn list(&self, prefix: &Prefix, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
        let (prefix, after) = (prefix.as_str().to_owned(), after.cloned());
        self.run(move |file| list(file, &prefix, after.as_ref())).await
    }

    async fn delete(&self, _key: &Key) -> Result<(), StoreError> {
        Err(self.unsupported(Operation::Delete, KEEPS))
    }

    async fn set_tier(&self, _key: &Key, _tier: Tier) -> Result<(), StoreError> {
        Err(self.unsupported(Operation::Tier, NO_TIERS))
    }

    async fn grant_upload(&self, _request: &GrantRequest) -> Result<UploadGrant, StoreError> {
        Err(self.unsupported(Operation::Grant, "a file has no addresses to upload to"))
    }
}

fn info(key: Key, at: At) -> ObjectInfo {
    ObjectInfo {
        key,
        length_bytes: at.length_bytes,
        modified: Some(at.modified),
        tier: None,
        is_thawing: false,
        version: None,
        checksum: None,
    }
}

/// Lists in the order of names; the token is the last name of the page before.
fn list(file: &Inner, prefix: &str, after: Option<&PageToken>) -> Result<ListPage, StoreError> {
    let index = file.up_to_date(Operation::List)?;
    let is_below =
        |name: &str| prefix.is_empty() || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    let mut page = ListPage::default();
    let begin = match after {
        Some(after) => Key::parse(after.as_str()).map_or(Bound::Unbounded, Bound::Excluded),
        None => {
            page.strangers = index.strangers.iter().filter(|name| is_below(name)).cloned().collect();
            Key::parse(prefix).map_or(Bound::Unbounded, Bound::Included)
        }
    };
    let behind = index.objects.range((begin, Bound::Unbounded));
    for (key, at) in behind.take_while(|(key, _)| key.as_str().starts_with(prefix)) {
        if page.objects.len() == PAGE_OBJECTS {
            page.next = page.objects.last().map(|last| PageToken::new(last.key.to_string()));
            break;
        }
        if is_below(key.as_str()) {
            page.objects.push(info(key.clone(), *at));
        }
    }
    Ok(page)
}
