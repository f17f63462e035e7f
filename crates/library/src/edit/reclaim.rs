//! Removes the sealed bytes of purged photos from this device.
//!
//! Invariant: only alone in the library, so that no import relies on an object that goes; and only what a purge
//! names and no photo that is there needs, found by looking at all of them. Every step can be repeated: a killed
//! process leaves bytes, never a photo without its own.

use std::collections::{HashMap, HashSet};

use safelight_catalog::PackLocation;
use safelight_crypto::{ContentHash, Entropy as _, LOCAL_PACK_HEADER, OsEntropy, base32};
use safelight_model::{AssetId, LifeState, Op, OpBody, Original};
use safelight_store::{Area, ObjectPath, PathPart, StoreError};
use safelight_sync::is_braked;

use crate::error::{LibraryError, Result};
use crate::folder_lock::FolderLock;
use crate::import::rendition::{LocalPacks, pack_paths};
use crate::library::Library;
use crate::monitor::{Monitor, Unwatched};

/// How many assets are taken from the catalogue at a time.
const STRETCH_ASSETS: usize = 2000;

/// The setting that stands from before photos are purged until their bytes are gone.
const RECLAIMING: &str = "reclaiming";

/// Room that is left for the databases when a pack is written anew.
const SPARE_BYTES: u64 = 256 << 10;

/// What became of the bytes.
#[derive(Debug, Default)]
pub(crate) struct Reclaimed {
    /// So many went.
    pub(crate) freed_bytes: u64,
    /// Why some are still there, if they are.
    pub(crate) left: Option<String>,
}

/// What belongs to purged photos alone.
#[derive(Default)]
struct Purged {
    /// Sealed parts with their sizes.
    parts: HashMap<ObjectPath, u64>,
    contents: HashSet<ContentHash>,
}

impl Library {
    /// Notes that bytes are about to be given up, so that what is cut short is finished.
    pub(crate) fn begin_reclaiming(&mut self) -> Result<()> {
        Ok(self.device.set_setting(RECLAIMING, Some(b"1"))?)
    }

    /// Removes the bytes that a killed emptying of the trash left, by the same rules and in the same way; while
    /// somebody else works on the library, or something is in the way, they stay until the next time: a library
    /// opens all the same.
    pub(crate) fn finish_reclaiming(&mut self) -> Result<()> {
        if self.device.setting(RECLAIMING)?.is_none() {
            return Ok(());
        }
        // A forgetting that was cut short has said what is to go, and perhaps no more.
        if let Err(error) = self.forget_on_this_device() {
            tracing::warn!(%error, "what was forgotten stays in history for now");
            return Ok(());
        }
        match self.reclaim(&Unwatched) {
            Ok(Reclaimed { left: Some(reason), .. }) => {
                tracing::debug!(reason, "the trash's bytes stay for now");
            }
            Ok(Reclaimed { freed_bytes, .. }) => {
                tracing::debug!(freed_bytes, "an emptying of the trash was finished");
            }
            // Without its lock nothing may be changed.
            Err(error) if self.lock.is_none() => return Err(error),
            Err(error) => tracing::warn!(%error, "the trash's bytes stay for now"),
        }
        Ok(())
    }

    /// Removes what belongs to purged photos alone, if nobody else works on the library.
    pub(crate) fn reclaim(&mut self, monitor: &dyn Monitor) -> Result<Reclaimed> {
        if is_braked(&self.device)? {
            return Ok(Reclaimed { left: Some("the brake is on".into()), ..Reclaimed::default() });
        }
        if let Some(lock) = &mut self.lock
            && let Err(LibraryError::Refused { reason, .. }) = lock.become_alone()
        {
            // Trying for more lost what was held.
            self.lock = Some(FolderLock::share(&self.folder)?);
            return Ok(Reclaimed { left: Some(reason), ..Reclaimed::default() });
        }
        let reclaimed = self.reclaim_alone(monitor);
        if reclaimed.as_ref().is_ok_and(|reclaimed| reclaimed.left.is_none()) && !monitor.cancelled() {
            self.device.set_setting(RECLAIMING, None)?;
        }
        if self.lock.is_some() {
            self.lock = None;
            self.lock = Some(FolderLock::share(&self.folder)?);
        }
        reclaimed
    }

    fn reclaim_alone(&mut self, monitor: &dyn Monitor) -> Result<Reclaimed> {
        let mut purged = Purged::default();
        self.each_life(monitor, |life| {
            if life.is_purged() {
                purged.add(life);
            }
        })?;
        for (_, op) in self.catalog().forgets()? {
            purged.add_forgotten(&op);
        }
        if purged.contents.is_empty() {
            return Ok(Reclaimed::default());
        }
        self.each_life(monitor, |life| {
            if !life.is_purged() {
                purged.keep(life);
            }
        })?;
        if monitor.cancelled() {
            return Ok(Reclaimed::default());
        }
        let mut reclaimed = Reclaimed::default();
        for (path, bytes) in &purged.parts {
            if self.place.contains(path)? {
                // Of what was forgotten nobody knows any more how long it was.
                let bytes = if *bytes > 0 { *bytes } else { self.place.open_object(path)?.length_bytes() };
                self.place.remove_object(path)?;
                reclaimed.freed_bytes += bytes;
            }
        }
        self.reclaim_packs(&purged.contents, &mut reclaimed)?;
        // Also what other devices purged.
        self.device.mark_purged(&purged.contents)?;
        for content in &purged.contents {
            self.damaged.forget(&mut self.device, content)?;
        }
        Ok(reclaimed)
    }

    fn each_life(&self, monitor: &dyn Monitor, mut each: impl FnMut(&LifeState)) -> Result<()> {
        let mut after: Option<AssetId> = None;
        while !monitor.cancelled() {
            let stretch = self.catalog().assets_after(after, STRETCH_ASSETS)?;
            let Some((last, _)) = stretch.last() else { break };
            after = Some(*last);
            stretch.iter().flat_map(|(_, state)| state.lives()).for_each(|(_, life)| each(life));
        }
        Ok(())
    }

    /// Writes the packs that hold anything of these contents anew, without it; those that keep least come first, since
    /// each makes room for the next. One for whose copy the disk has no room stays as it is.
    fn reclaim_packs(&mut self, purged: &HashSet<ContentHash>, reclaimed: &mut Reclaimed) -> Result<()> {
        // A pack that this process appends to may be among them.
        self.packs = LocalPacks::new(self.place.clone());
        let mut rewrites = Vec::new();
        for path in pack_paths(&self.place)? {
            let (gone, kept): (Vec<PackLocation>, Vec<PackLocation>) = self
                .device
                .entries_of_pack(path.as_str())?
                .into_iter()
                .partition(|entry| purged.contains(&entry.content));
            if !gone.is_empty() {
                rewrites.push((kept.iter().map(|entry| entry.length).sum::<u64>(), path, kept));
            }
        }
        rewrites.sort_by_key(|(kept_bytes, ..)| *kept_bytes);
        for (kept_bytes, path, kept) in rewrites {
            let needed_bytes = if kept.is_empty() { 0 } else { kept_bytes + SPARE_BYTES };
            if let Some(free_bytes) = self.free_bytes().filter(|free| *free < needed_bytes) {
                reclaimed.left = Some(no_room(needed_bytes, Some(free_bytes)));
                return Ok(());
            }
            match self.rewrite_pack(&path, &kept) {
                Ok(freed_bytes) => reclaimed.freed_bytes += freed_bytes,
                Err(error) if error.is_full() => {
                    reclaimed.left = Some(no_room(needed_bytes, None));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes one pack anew with these entries alone; answers how many bytes that freed. When it fails, the old pack is
    /// whole and nothing of the new one stays.
    fn rewrite_pack(&mut self, path: &ObjectPath, kept: &[PackLocation]) -> Result<u64> {
        let before = self.place.open_object(path)?.length_bytes();
        let mut after = 0;
        // The new pack is durable before the index leaves the old one, and that before it goes; at no moment does the
        // index know of neither.
        if !kept.is_empty() {
            let new = new_pack_path()?;
            let copied = self.copy_entries(path, &new, kept).and_then(|(moved, length_bytes)| {
                self.device.record_packed(&moved)?;
                Ok(length_bytes)
            });
            match copied {
                Ok(length_bytes) => after = length_bytes,
                Err(error) => {
                    if let Err(unremoved) = self.place.remove_object(&new) {
                        tracing::warn!(%unremoved, "a pack that was not finished stays until the library is opened again");
                    }
                    return Err(error);
                }
            }
        }
        self.device.forget_pack(path.as_str())?;
        self.place.remove_object(path)?;
        Ok(before.saturating_sub(after))
    }

    /// Copies entries as they are into a new pack; answers where they lie, and how long it is.
    fn copy_entries(
        &self,
        from: &ObjectPath,
        path: &ObjectPath,
        entries: &[PackLocation],
    ) -> Result<(Vec<PackLocation>, u64)> {
        let reader = self.place.open_object(from)?;
        let mut pack = self.place.create_append(path)?;
        pack.append(&LOCAL_PACK_HEADER)?;
        let mut moved = Vec::with_capacity(entries.len());
        for entry in entries {
            let bytes = reader.read_range(entry.position..entry.position + entry.length)?;
            let position = pack.append(&bytes)?;
            moved.push(PackLocation { pack: path.as_str().to_owned(), position, ..entry.clone() });
        }
        pack.sync()?;
        Ok((moved, pack.length_bytes()))
    }
}

/// A name for a new pack.
fn new_pack_path() -> Result<ObjectPath> {
    let mut id = [0; 16];
    OsEntropy.fill(&mut id);
    let name = PathPart::parse(&base32(&id)).map_err(StoreError::from)?;
    Ok(ObjectPath::flat(Area::Local, &name).map_err(StoreError::from)?)
}

/// Says how much room is missing, in units of a million bytes, rounded up.
fn no_room(needed_bytes: u64, free_bytes: Option<u64>) -> String {
    let megabytes = |bytes: u64| format!("{:.1} MB", (bytes as f64 / 1e5).ceil() / 10.0);
    let free = free_bytes.map(|free| format!(", and {:.1} MB are free", (free as f64 / 1e5).floor() / 10.0));
    format!(
        "what stays of a pack is written anew before the old one goes, which needs {} of room{}",
        megabytes(needed_bytes),
        free.unwrap_or_default()
    )
}

impl Purged {
    fn add(&mut self, life: &LifeState) {
        for original in originals(life) {
            self.contents.insert(original.content);
            let parts = original.parts.iter();
            self.parts.extend(parts.map(|part| (ObjectPath::original(part.name), part.sealed_bytes)));
        }
    }

    fn add_forgotten(&mut self, op: &Op) {
        let OpBody::Forget(forget) = &op.body else { return };
        self.contents.extend(&forget.contents);
        self.parts.extend(forget.parts.iter().map(|name| (ObjectPath::original(*name), 0)));
    }

    fn keep(&mut self, life: &LifeState) {
        for original in originals(life) {
            self.contents.remove(&original.content);
            for part in &original.parts {
                self.parts.remove(&ObjectPath::original(part.name));
            }
        }
    }
}

fn originals(life: &LifeState) -> impl Iterator<Item = &Original> {
    life.contents().additions().iter().map(|write| &write.value.original)
}
