//! `plain verify`: every blob is read back and compared with the hash that its name says.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest;
use futures_util::{StreamExt as _, stream};
use safelight_store::{Key, Remote, StoreError};
use serde::Serialize;

use crate::content::{WHOLE_BYTES, finished};
use crate::copy::PlainCopy;
use crate::error::{Patience, PlainError, with_causes};
use crate::index::{Entry, Sha256};
use crate::listing::{Listed, Listing};
use crate::manifest;
use crate::monitor::{Monitor, Problem, Task, Weight};
use crate::place::Place;

/// How much of a blob is read at a time.
const PIECE_BYTES: u64 = WHOLE_BYTES / 4;

/// What to verify.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyRequest {
    /// Only look whether every blob is there and has its size.
    pub quick: bool,
    /// Leave the index as it is.
    pub dry_run: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Blobs that are there.
    pub blobs: u64,
    /// Of these, those that were read back and are what their names say.
    pub whole: u64,
    /// Blobs that are not what their names say, and files whose blob is not there.
    pub damaged: u64,
    /// Blobs in the archive tier, which cannot be read before they are thawed.
    pub archived: u64,
    /// Blobs that could not be read.
    pub unread: u64,
    /// Bytes that were read back.
    pub bytes: u64,
    /// Files whose blob is not there and that the index no longer knows, so that the next push sends them again.
    pub forgotten: u64,
    /// Objects that are laid out otherwise.
    pub strangers: u64,
    /// Whether somebody stopped it.
    pub is_interrupted: bool,
}

/// What one blob was found to be.
enum Found {
    Whole(u64),
    Damaged,
    Archived,
    /// Answered, and not readable.
    Unread(String),
    /// Nothing can be read there any more.
    Ends(StoreError),
}

impl PlainCopy {
    /// Verifies all blobs of the destination, and that all files that the index knows have one. Of those that have none the
    /// index is told, unless nothing at all is there: that is another place, or a drive that is not mounted.
    ///
    /// # Errors
    /// [`PlainError`] for what stops the whole; damage is told to the monitor and counted.
    pub fn verify(&self, request: VerifyRequest, monitor: &dyn Monitor) -> Result<VerifyReport, PlainError> {
        self.runtime()?.block_on(async {
            let place = self.place_to_read().await?;
            let entries = match self.index_to_read()? {
                Some(index) => index.entries(&self.destination().name())?,
                None => Vec::new(),
            };
            let listing = Listing::of(&place, monitor).await?;
            let mut report = VerifyReport { strangers: listing.strangers, ..VerifyReport::default() };
            report.blobs = listing.blobs.len() as u64;
            let lost = compare(&entries, &listing, &mut report, monitor);
            if !request.dry_run && report.blobs > 0 {
                report.forgotten = self.forget(&lost)?;
            }
            let elsewhere = manifest::read(&place, &listing.manifests, monitor).await?;
            let held: HashSet<String> = listing.blobs.iter().map(|listed| listed.name.to_string()).collect();
            for path in elsewhere.iter().filter(|one| !held.contains(&one.blob.to_string())) {
                report.damaged += 1;
                tell(monitor, path.path.clone(), "its blob is not there".to_owned());
            }
            if !request.quick {
                self.read_all(&place, listing.blobs, &mut report, monitor).await?;
            }
            report.is_interrupted = monitor.cancelled();
            Ok(report)
        })
    }

    /// Takes rows out of the index, and answers how many.
    fn forget(&self, lost: &[&Entry]) -> Result<u64, PlainError> {
        if lost.is_empty() {
            return Ok(0);
        }
        let mut index = match self.index() {
            // Whoever uses it may be sending just these; the next verification looks again.
            Err(PlainError::InUse { .. }) => return Ok(0),
            other => other?,
        };
        let (name, mut forgotten) = (self.destination().name(), 0);
        for entry in lost {
            forgotten += u64::from(index.forget(&name, entry)?);
        }
        index.save()?;
        Ok(forgotten)
    }

    async fn read_all(
        &self,
        place: &Place,
        blobs: Vec<Listed>,
        report: &mut VerifyReport,
        monitor: &dyn Monitor,
    ) -> Result<(), PlainError> {
        monitor.begin(Task::Verify, Some(blobs.len() as u64));
        let reading = blobs.into_iter().map(|listed| async move {
            if monitor.cancelled() {
                return None;
            }
            let found = read_one(place, &listed).await;
            Some((listed, found))
        });
        let mut reading = stream::iter(reading).buffer_unordered(self.destination().workers as usize);
        let (mut patience, mut stopped) = (Patience::default(), None);
        while let Some(read) = reading.next().await {
            let Some((listed, found)) = read else { continue };
            let mut bytes = 0;
            match found {
                Found::Whole(read) => {
                    report.whole += 1;
                    patience.succeeded();
                    report.bytes += read;
                    bytes = read;
                }
                Found::Damaged => {
                    patience.succeeded();
                    report.damaged += 1;
                    let reason = format!("damaged: its blob holds other bytes than {}", listed.name.sha256());
                    tell(monitor, listed.name.relative(), reason);
                }
                Found::Archived => {
                    patience.succeeded();
                    report.archived += 1;
                }
                Found::Unread(reason) => {
                    report.unread += 1;
                    tell(monitor, listed.name.relative(), reason.clone());
                    stopped = patience.failed(&reason).err();
                }
                Found::Ends(error) => stopped = Some(error.into()),
            }
            monitor.advance(1, bytes);
            if stopped.is_some() {
                break;
            }
        }
        monitor.end();
        stopped.map_or(Ok(()), Err)
    }
}

fn tell(monitor: &dyn Monitor, path: PathBuf, reason: String) {
    monitor.problem(&Problem::new(path, reason, Weight::Failure));
}

/// Compares what is known with what is listed, and answers whose blob is not there.
fn compare<'a>(
    entries: &'a [Entry],
    listing: &Listing,
    report: &mut VerifyReport,
    monitor: &dyn Monitor,
) -> Vec<&'a Entry> {
    let mut lost = Vec::new();
    let sizes: HashMap<String, u64> =
        listing.blobs.iter().map(|listed| (listed.name.to_string(), listed.info.length_bytes)).collect();
    for entry in entries {
        let reason = match sizes.get(&entry.blob) {
            None => {
                lost.push(entry);
                "its blob is not there".to_owned()
            }
            Some(size) if *size != entry.size => {
                format!("damaged: its blob has {size} bytes instead of {}", entry.size)
            }
            Some(_) => continue,
        };
        report.damaged += 1;
        tell(monitor, entry.path.clone(), reason);
    }
    lost
}

async fn read_one(place: &Place, listed: &Listed) -> Found {
    match hash_of(&place.remote, &listed.info.key, listed.info.length_bytes).await {
        Ok(sha256) if sha256 == listed.name.sha256() => Found::Whole(listed.info.length_bytes),
        Ok(_) => Found::Damaged,
        Err(StoreError::Archived { .. }) => Found::Archived,
        Err(StoreError::Damaged { .. }) => Found::Damaged,
        Err(error @ StoreError::Denied { .. }) => Found::Ends(error),
        Err(error) => Found::Unread(with_causes(&error)),
    }
}

/// The SHA-256 of a blob, read piece by piece.
pub(crate) async fn hash_of(
    remote: &Arc<dyn Remote>,
    key: &Key,
    length_bytes: u64,
) -> Result<Sha256, StoreError> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut offset = 0;
    while offset < length_bytes {
        let piece = remote.get_range(key, offset..(offset + PIECE_BYTES).min(length_bytes)).await?;
        if piece.is_empty() {
            break;
        }
        context.update(&piece);
        offset += piece.len() as u64;
    }
    Ok(finished(context))
}
