//! `plain tier`: other tiers for what is there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use futures_util::{StreamExt as _, stream};
use safelight_store::{StoreError, Tier};
use serde::Serialize;

use crate::copy::PlainCopy;
use crate::error::{PlainError, with_causes};
use crate::index::Entry;
use crate::listing::Listing;
use crate::monitor::{Monitor, Problem, Task, Weight};
use crate::name::BlobName;
use crate::place::Place;

/// What to move where.
#[derive(Debug, Clone)]
pub struct TierRequest {
    /// The tier.
    pub tier: Tier,
    /// Only paths at or below one of these; everything where there are none.
    pub paths: Vec<PathBuf>,
    /// Only say what would be moved.
    pub dry_run: bool,
    /// Whether somebody agreed that what is archived cannot be read.
    pub may_archive: bool,
}

/// What was moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TierReport {
    /// Blobs that were moved, or asked for from the archive; with a dry run, that would be.
    pub moved: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that are there already.
    pub there: u64,
    /// Blobs that could not be moved.
    pub failed: u64,
    /// Whether somebody stopped it.
    pub is_interrupted: bool,
}

impl PlainCopy {
    /// Moves the blobs of files that the index knows to another tier. From the archive this only begins a thaw.
    ///
    /// # Errors
    /// [`PlainError::NothingKnown`], [`PlainError::NoSuchFile`]; [`PlainError::Refused`] for the archive without consent; what stops the whole.
    pub fn change_tiers(
        &self,
        request: &TierRequest,
        monitor: &dyn Monitor,
    ) -> Result<TierReport, PlainError> {
        let mut report = TierReport::default();
        let mut blobs: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in self.entries_below(&request.paths)? {
            blobs.entry(entry.blob.clone()).or_default().push(entry);
        }
        // A blob that others lie in too is moved for all of them: nobody is told apart by the place.
        self.runtime()?.block_on(self.leave_what_is_there(&mut blobs, request.tier, monitor, &mut report))?;
        let bytes_of = |entries: &Vec<Entry>| entries.first().map_or(0, |entry| entry.size);
        if request.dry_run || (request.tier == Tier::Archive && !request.may_archive && !blobs.is_empty()) {
            report.moved = blobs.len() as u64;
            report.bytes = blobs.values().map(bytes_of).sum();
            return if request.dry_run { Ok(report) } else { Err(needs_consent(&report)) };
        }
        self.runtime()?.block_on(self.move_all(blobs, request.tier, monitor, &mut report))?;
        report.is_interrupted = monitor.cancelled();
        Ok(report)
    }

    /// Takes out what lies in the tier already. The place says so: others, and rules of the provider, move blobs as well.
    async fn leave_what_is_there(
        &self,
        blobs: &mut BTreeMap<String, Vec<Entry>>,
        tier: Tier,
        monitor: &dyn Monitor,
        report: &mut TierReport,
    ) -> Result<(), PlainError> {
        let place = self.place_to_read().await?;
        for listed in Listing::of(&place, monitor).await?.blobs {
            let is_on_its_way = listed.info.is_thawing && tier != Tier::Archive;
            if (listed.info.tier == Some(tier) || is_on_its_way)
                && blobs.remove(&listed.name.to_string()).is_some()
            {
                report.there += 1;
            }
        }
        Ok(())
    }

    async fn move_all(
        &self,
        blobs: BTreeMap<String, Vec<Entry>>,
        tier: Tier,
        monitor: &dyn Monitor,
        report: &mut TierReport,
    ) -> Result<(), PlainError> {
        let place = self.place_to_read().await?;
        let mut index = self.index()?;
        let name = self.destination().name();
        monitor.begin(Task::Tier, Some(blobs.len() as u64));
        let moving = blobs.into_iter().map(|(blob, entries)| {
            let place = &place;
            async move {
                if monitor.cancelled() {
                    return None;
                }
                let moved = move_one(place, &blob, tier).await;
                Some((entries, moved))
            }
        });
        let mut moving = stream::iter(moving).buffer_unordered(self.destination().workers as usize);
        let mut stopped = None;
        while let Some(moved) = moving.next().await {
            let Some((entries, moved)) = moved else { continue };
            monitor.advance(1, 0);
            match moved {
                Ok(()) => {
                    report.moved += 1;
                    report.bytes += entries.first().map_or(0, |entry| entry.size);
                    for entry in entries {
                        index.record(&name, &Entry { tier: Some(tier), ..entry })?;
                    }
                }
                Err(error @ (StoreError::Denied { .. } | StoreError::Unsupported { .. })) => {
                    stopped = Some(error);
                    break;
                }
                Err(error) => {
                    report.failed += 1;
                    let path = entries.first().map(|entry| entry.path.clone()).unwrap_or_default();
                    monitor.problem(&Problem::new(path, with_causes(&error), Weight::Failure));
                }
            }
        }
        monitor.end();
        index.save()?;
        stopped.map_or(Ok(()), |error| Err(error.into()))
    }
}

async fn move_one(place: &Place, blob: &str, tier: Tier) -> Result<(), StoreError> {
    let key = BlobName::parse(blob).and_then(|name| name.key());
    match key {
        Ok(key) => place.remote.set_tier(&key, tier).await,
        Err(_) => {
            let (place, object) = (place.remote.label().to_owned(), blob.to_owned());
            Err(StoreError::NotFound { place, object })
        }
    }
}

fn needs_consent(report: &TierReport) -> PlainError {
    PlainError::Refused {
        reason: format!(
            "this would archive {} blobs ({} bytes), which cannot be read before they are thawed, for hours and at a price",
            report.moved, report.bytes
        ),
        hint: "--yes does it".to_owned(),
    }
}
