//! Opening an original that is not here: fetched, proven and kept as a visitor where there is room; else read where it
//! rests, keeping nothing.
//!
//! Invariant: nothing is written in the clear, and what is written out whole was compared with its hash. A remote that
//! does not answer is asked once, not once for each original.

use std::cell::RefCell;
use std::io::Write;
use std::ops::Range;

use safelight_catalog::Visitor;
use safelight_crypto::OsEntropy;
use safelight_model::{Original, RenditionKind, Storage};
use safelight_sync::{
    FreeOptions, Freeing, Living, OriginalReader, RemotePlace, Stop, SyncError, fetch_original,
    finish_freeing, read_entry,
};
use tokio::runtime::Runtime;

use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::linked;
use crate::monitor::{Monitor, Task};
use crate::objects::{self, are_parts_here, small_original};
use crate::remote::at::{Surroundings, reconnect, runtime};
use crate::remote::lock::SyncLock;
use crate::remote::run::{Told, here, until_stopped};

/// What stays free on the disk when a visitor comes.
const SPARE_BYTES: u64 = 512 << 20;
/// When the budget is spent visitors go until so many hundredths of it are left in use.
const KEPT_HUNDREDTHS: u64 = 90;

/// Remotes that are asked for what is not here; connected once, when they are first needed.
pub(crate) struct Away<'a> {
    library: &'a Library,
    surroundings: &'a Surroundings,
    state: RefCell<Option<Reached>>,
}

struct Reached {
    runtime: Runtime,
    places: Vec<RemotePlace>,
    /// Remotes that did not answer, and why.
    silent: Vec<(String, String)>,
}

impl<'a> Away<'a> {
    pub(crate) fn new(library: &'a Library, surroundings: &'a Surroundings) -> Self {
        Self { library, surroundings, state: RefCell::new(None) }
    }

    /// Writes an original that is not here whole, from wherever it rests; nothing of it is kept.
    pub(crate) fn write(&self, original: &Original, output: &mut dyn Write) -> Result<()> {
        let mut state = self.state.borrow_mut();
        let reached = match &mut *state {
            Some(reached) => reached,
            none => none.insert(reach(self.library, self.surroundings)?),
        };
        let result = reached.write(self.library, original, output);
        if let Err(LibraryError::Sync(error)) = &result
            && concerns_the_network(error)
        {
            reached.drop_silent(error);
        }
        result.map_err(|error| reached.explain(self.library, original, error))
    }
}

fn concerns_the_network(error: &SyncError) -> bool {
    use safelight_store::StoreError;
    match error {
        SyncError::Store(error) => error.is_network() || matches!(error, StoreError::Vanished { .. }),
        _ => false,
    }
}

/// Connects all remotes that answer.
fn reach(library: &Library, surroundings: &Surroundings) -> Result<Reached> {
    let mut reached = Reached { runtime: runtime()?, places: Vec::new(), silent: Vec::new() };
    for row in library.device.remotes()? {
        let keeper = library.keeper(&row)?;
        match reached.runtime.block_on(reconnect(&row, keeper, surroundings)) {
            Ok((at, _)) => reached.places.push(at),
            Err(error) => reached.silent.push((row.name, error.to_string())),
        }
    }
    Ok(reached)
}

impl Reached {
    fn write(&self, library: &Library, original: &Original, output: &mut dyn Write) -> Result<()> {
        if self.places.is_empty() {
            return Err(LibraryError::original_not_here(original));
        }
        if original.storage == Storage::Packed {
            let catalog = library.catalog();
            let found = self.runtime.block_on(read_entry(
                &catalog,
                &library.device,
                library.keyring(),
                &self.places,
                &original.content,
                RenditionKind::Original,
            ))?;
            return output.write_all(&found.into_content()).map_err(LibraryError::writing_output);
        }
        let mut reader = library.reader(&self.places, original)?;
        let written = self.runtime.block_on(reader.stream(output))?;
        written.map(drop).map_err(LibraryError::writing_output)
    }

    /// A remote that failed as a whole is not asked again.
    fn drop_silent(&mut self, error: &SyncError) {
        let reason = error.to_string();
        let silent = if let SyncError::Store(error) = error { error.place() } else { None };
        let place = self.places.iter().position(|place| silent == Some(place.store.label()));
        if let Some(place) = place.or((self.places.len() == 1).then_some(0)) {
            let place = self.places.remove(place);
            self.silent.push((place.store.label().to_owned(), reason));
        }
    }

    /// Says of an original that could not be had where it rests and who did not answer.
    fn explain(&self, library: &Library, original: &Original, error: LibraryError) -> LibraryError {
        let is_unheard =
            matches!(&error, LibraryError::NotHere { .. } | LibraryError::Sync(SyncError::NotHeld { .. }));
        if !is_unheard {
            return error;
        }
        if let Some((name, reason)) = self.silent.first() {
            return LibraryError::Unreachable {
                object: original.source.display().to_string(),
                remote: name.clone(),
                reason: reason.clone(),
            };
        }
        library.rests_elsewhere(original).ok().flatten().unwrap_or(error)
    }
}

/// An original that is open for reading any part of it, wherever it rests.
pub struct OpenOriginal<'a> {
    runtime: Runtime,
    reader: OriginalReader<'a>,
}

impl OpenOriginal<'_> {
    /// The original that is read.
    #[must_use]
    pub fn original(&self) -> &Original {
        self.reader.original()
    }

    /// Reads the bytes `range` of the content. Of what is sealed only the megabytes that hold them come over the wire.
    ///
    /// # Errors
    /// When it cannot be had; [`SyncError::Archived`] while it must be thawed.
    pub fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>> {
        Ok(self.runtime.block_on(self.reader.read(range))?)
    }
}

impl std::fmt::Debug for OpenOriginal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.reader.fmt(f)
    }
}

impl Library {
    /// Opens an item's original for reading parts of it, wherever it rests: what a viewer seeks with.
    ///
    /// # Errors
    /// When nothing answers to the item, or its original is no sealed object of its own.
    pub fn open_original(&self, item: &str, surroundings: &Surroundings) -> Result<OpenOriginal<'_>> {
        let found = self.find(item)?;
        let original = found.original()?;
        if original.parts.is_empty() {
            return Err(LibraryError::Refused {
                reason: format!("{} is no sealed object of its own", original.source.display()),
                hint: "small and linked originals are read whole: safelight export --to - ITEM".into(),
            });
        }
        let Reached { runtime, places, .. } = if self.is_whole_here(original)? {
            Reached { runtime: runtime()?, places: Vec::new(), silent: Vec::new() }
        } else {
            reach(self, surroundings)?
        };
        let reader = self.reader(&places, original)?;
        Ok(OpenOriginal { runtime, reader })
    }

    fn reader(&self, places: &[RemotePlace], original: &Original) -> Result<OriginalReader<'_>> {
        let living = Living::of(&self.catalog(), &self.device, places, original)?;
        Ok(OriginalReader::new(self.keyring(), &self.place, places, living, original))
    }

    /// Writes an item's original to `output`, of a linked one only what its file is proven to hold. One that is not here is
    /// fetched, proven, and kept as a visitor within the budget; where it does not fit, or nothing may be written here now,
    /// it is read where it rests.
    ///
    /// # Errors
    /// When it cannot be had, is damaged, or `output` takes no more.
    pub fn write_original(
        &mut self,
        item: &str,
        output: &mut dyn Write,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let original = self.find(item)?.original()?.clone();
        if !self.is_whole_here(&original)? && !self.come_in(&original, surroundings, monitor)? {
            return Away::new(self, surroundings).write(&original, output);
        }
        if !self.is_read_only() && self.device.is_visiting(&original.content)? {
            self.visited(&original)?;
        }
        match objects::write_proven(&self.place, &self.device, self.keyring(), &original, output) {
            Err(error) if error.is_absence() => Err(self.rests_elsewhere(&original)?.unwrap_or(error)),
            answer => answer,
        }
    }

    /// Whether the file of a linked original is here; one of which there is nothing else counts as such.
    pub(crate) fn is_linked_here(&self, original: &Original) -> bool {
        original.parts.is_empty()
            || linked::look(original, self.keyring().device().id(), &self.device).is_ok()
    }

    /// Whether nothing of an original is missing here. A small one is opened: the index of a pack says nothing of what
    /// became of its bytes.
    pub(crate) fn is_whole_here(&self, original: &Original) -> Result<bool> {
        match original.storage {
            Storage::Packed => {
                Ok(small_original(&self.place, &self.device, self.keyring(), original).is_ok())
            }
            Storage::Linked if self.is_linked_here(original) => Ok(true),
            _ => are_parts_here(&self.place, original),
        }
    }

    fn visited(&mut self, original: &Original) -> Result<()> {
        let (content, size_bytes, opened_millis) = (original.content, original.size_bytes, now_millis());
        Ok(self.device.visit(&Visitor { content, size_bytes, opened_millis })?)
    }

    /// Fetches an original that is opened, if it may stay for a while; says whether it is here now.
    fn come_in(
        &mut self,
        original: &Original,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<bool> {
        let budget = self.local_settings()?.budget_bytes;
        let fits = budget.is_none_or(|budget| original.size_bytes <= budget)
            && self.free_bytes().is_none_or(|free| original.size_bytes.saturating_add(SPARE_BYTES) < free);
        if !fits || self.is_read_only() || self.device.remotes()?.is_empty() {
            return Ok(false);
        }
        // While another process syncs, what is opened is only looked at.
        let Ok(_only) = SyncLock::take(&self.folder) else { return Ok(false) };
        let Reached { runtime, places, .. } = reach(self, surroundings)?;
        if places.is_empty() {
            return Ok(false);
        }
        let stop = Stop::default();
        monitor.begin(Task::Fetch, Some(original.parts.len() as u64), None);
        let pinned = self.pinned()?;
        let is_pinned = self.is_pinned_content(&pinned, &original.content)?;
        let result = {
            let (told, mut keys, mut entropy) = (Told(monitor), None, OsEntropy);
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let mut problems = Vec::new();
            let fetching = fetch_original(&mut here, &places, original, &mut problems);
            runtime.block_on(until_stopped(fetching, &stop, monitor))
        };
        monitor.end();
        match result {
            Ok(0) => {}
            Ok(_) if is_pinned || original.parts.is_empty() => {}
            Ok(_) => self.visited(original)?,
            // Said by the reading that follows, with everything that is known about it.
            Err(LibraryError::Sync(error))
                if error.concerns_one_original() || concerns_the_network(&error) =>
            {
                return Ok(false);
            }
            Err(error) if error.is_full() => return Ok(false),
            Err(error) => return Err(error),
        }
        if let Some(budget) = budget {
            self.evict(budget, &runtime, &places, monitor);
        }
        Ok(true)
    }

    /// Lets those visitors go that were opened longest ago, until the rest keeps within the budget. What cannot go, for
    /// want of a proof or of the network, stays: it is worth a word in the log and no more.
    fn evict(&mut self, budget: u64, runtime: &Runtime, places: &[RemotePlace], monitor: &dyn Monitor) {
        if let Err(error) = self.try_to_evict(budget, runtime, places, monitor) {
            tracing::warn!(%error, "visiting originals could not go yet");
        }
    }

    fn try_to_evict(
        &mut self,
        budget: u64,
        runtime: &Runtime,
        places: &[RemotePlace],
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let visitors = self.device.visitors()?;
        let mut total: u64 = visitors.iter().map(|visitor| visitor.size_bytes).sum();
        if total <= budget {
            return Ok(());
        }
        let kept = budget / 100 * KEPT_HUNDREDTHS;
        let proof_millis = self.local_settings()?.proof_millis();
        let options = FreeOptions { proof_millis, download: false, is_enough: false };
        let pinned = self.pinned()?;
        let mut leaving = Vec::new();
        // The one that was opened last is being looked at.
        for visitor in visitors.iter().take(visitors.len().saturating_sub(1)) {
            if total <= kept {
                break;
            }
            if self.is_pinned_content(&pinned, &visitor.content)? {
                continue;
            }
            if let Some(original) = self.original_of(&visitor.content)? {
                total = total.saturating_sub(visitor.size_bytes);
                leaving.push(original);
            }
        }
        let stop = Stop::default();
        for at in places {
            let (told, mut keys, mut entropy) = (Told(monitor), None, OsEntropy);
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let mut staying = Vec::new();
            let work = async {
                finish_freeing(&mut here)?;
                let mut problems = Vec::new();
                let ready = Freeing::begin(&mut here, at, options, &mut problems).await?;
                for original in &leaving {
                    match ready.prove(&mut here, at, original, &mut problems).await? {
                        Ok(proof) => drop(proof.free(&mut here)?),
                        Err(why) => {
                            tracing::debug!(%why, "a visiting original stays");
                            staying.push(original.clone());
                        }
                    }
                }
                Ok::<_, SyncError>(())
            };
            runtime.block_on(until_stopped(work, &stop, monitor))?;
            leaving = staying;
            if leaving.is_empty() {
                break;
            }
        }
        Ok(())
    }
}
