//! What devices that may only upload have left in a remote: looked through, taken in, and removed once it is safe.
//!
//! Invariant: an item is taken in once, whoever takes it and however often somebody is killed meanwhile. That it was is said in
//! the transaction that adds its photo, with the hash of its head; it is removed only after both are published and a remote
//! holds the original. What is wrong with one item is said, and stops no other. Specified in sl1.md §1.15 and sl1-history §5.2.

mod item;
mod look;
mod take;

use std::collections::BTreeMap;

use safelight_model::{DeviceId, EntityId, Field, Target, Uploader, Value};
use serde::Serialize;

use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::remote::{Surroundings, reconnect, runtime};

/// How an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub enum UploadState {
    /// It is to be taken in.
    Waiting,
    /// Its device has not sent all of it yet.
    Incomplete,
    /// Something is wrong with it: it stays where it is, and nothing of it is taken in.
    Aside,
    /// It was taken in, and is still there.
    Taken,
}

/// An upload as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownUpload {
    /// The remote that it rests in.
    pub remote: String,
    /// The device that sent it.
    pub device: String,
    /// What people call that device.
    pub device_name: Option<String>,
    /// The name of its head in the remote.
    pub object: String,
    /// Its sealed bytes.
    pub bytes: u64,
    /// How it stands.
    pub state: UploadState,
    /// Why it is aside, or still waits.
    pub reason: Option<String>,
}

/// What became of the uploads in a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct InboxReport {
    /// Uploads whose photo is new in the library.
    pub taken: u64,
    /// Uploads of photos that the library had.
    pub known: u64,
    /// Uploads that something is wrong with; they stay aside.
    pub aside: u64,
    /// Uploads that are too many for one day, or not all there yet.
    pub waiting: u64,
    /// Uploads that were taken in and removed from the remote.
    pub removed: u64,
    /// Uploads that were taken in and stay there until a remote holds their originals, or for ever where nothing may be removed.
    pub kept: u64,
}

/// A device that may upload, or might once.
#[derive(Debug, Clone)]
pub(crate) struct KnownUploader {
    pub(crate) uploader: Uploader,
    /// Whether it may upload no more.
    pub(crate) is_ended: bool,
}

impl Library {
    /// The devices that may only upload, and those that may no more.
    pub(crate) fn uploaders(&self) -> Result<BTreeMap<DeviceId, KnownUploader>> {
        let record = self.catalog().record(&EntityId::Library)?.unwrap_or_default();
        let mut found = BTreeMap::new();
        for (field, register) in record.fields() {
            let Some(device) = Uploader::device_of(field) else { continue };
            if *field != Uploader::field(device) {
                continue;
            }
            // Written once; whatever another device wrote beside it is no other device.
            let said = register.heads().iter().find_map(|head| Uploader::of_value(device, &head.value));
            let Some(uploader) = said else { continue };
            // One word is enough, and nothing takes it back.
            let ended = record.field(Uploader::ended_field(device));
            let is_ended = ended.is_some_and(|ended| !ended.is_empty());
            found.insert(device, KnownUploader { uploader, is_ended });
        }
        Ok(found)
    }

    /// Says that a device may upload no more.
    pub(crate) fn end_uploader(&mut self, device: DeviceId) -> Result<()> {
        self.change(|change| {
            let record = change.record(&EntityId::Library)?.unwrap_or_default();
            let field: Field = Uploader::ended_field(device);
            change.push(record.write_field(Target::Library, field, Value::Bool(true)))?;
            Ok(())
        })
    }

    /// The uploads that rest in a remote, or in all, and how each stands. Nothing is opened.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`]; what the remote answers.
    pub fn inbox(&mut self, remote: Option<&str>, surroundings: &Surroundings) -> Result<Vec<ShownUpload>> {
        let rows = self.remote_rows(remote)?;
        let (runtime, names) = (runtime()?, self.device_names()?);
        let mut shown = Vec::new();
        for row in rows {
            let (at, _) = runtime.block_on(reconnect(&row, self.keeper(&row)?, surroundings))?;
            for (item, standing) in self.look_at_inbox(&runtime, &at.store, false)? {
                let (state, reason) = standing.shown();
                shown.push(ShownUpload {
                    remote: row.name.clone(),
                    device: item.name.device.to_string(),
                    device_name: names.of(item.name.device),
                    object: safelight_crypto::names::inbox(&item.name),
                    bytes: item.bytes(),
                    state,
                    reason,
                });
            }
        }
        Ok(shown)
    }
}

/// What is said of an item that breaks a rule.
pub(crate) fn damaged(object: &str, reason: impl Into<String>) -> LibraryError {
    LibraryError::Damaged { object: object.to_owned(), reason: reason.into() }
}
