//! Makes what was taken durable, in the one order that loses nothing: objects first, then the operations
//! that speak of them, then this device's memory of the files.
//!
//! Killed between any two steps, an import leaves at most objects that nothing speaks of; the next import of
//! the same files finds them, proves them and goes on.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use safelight_catalog::{FileRecord, FileState, PackLocation, SourceId};
use safelight_crypto::ContentHash;
use safelight_model::{AssetId, Facts, OpBody, Original, ProbeKind, RenditionKind, SourcePath};
use safelight_store::{ObjectPath, Outcome};

use super::rendition::PREVIEW_RECIPE;
use super::take::{NewOriginal, Settled, Taking};
use super::{ImportReport, Workroom};
use crate::error::Result;
use crate::monitor::{Monitor, Problem};
use crate::scan::Candidate;

/// A batch becomes durable when it has so many originals,
const BATCH_ORIGINALS: usize = 64;
/// or so many bytes,
const BATCH_BYTES: u64 = 128 << 20;
/// or is so old.
const BATCH_AGE: Duration = Duration::from_secs(2);

/// So many originals close a segment of history,
const SEGMENT_ORIGINALS: u64 = 1000;
/// or so much time.
const SEGMENT_AGE: Duration = Duration::from_secs(30);

/// The version of what is computed from pixels.
pub(crate) const PIXELS_VERSION: u64 = 1;

/// How far apart two dates may be and still be the same moment, written by two programs.
const SAME_MOMENT_MILLIS: u64 = 2_000;

/// The one writer of an import.
pub(crate) struct Writer<'a> {
    room: Workroom<'a>,
    source: SourceId,
    /// The source's folder, as history records it.
    root: &'a Path,
    monitor: &'a dyn Monitor,
    report: ImportReport,
    batch: Vec<(Candidate, Box<NewOriginal>)>,
    batch_bytes: u64,
    batch_begun: Instant,
    segment_originals: u64,
    segment_begun: Instant,
    /// Files whose content came twice; they follow its first appearance.
    again: Vec<(Candidate, ContentHash, Settled)>,
    /// This device's memory of files that need no operation.
    rows: Vec<FileRecord>,
    /// Files to take once more, because an object that lay in their way was damaged and is gone.
    retake: Vec<Candidate>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        room: Workroom<'a>,
        source: SourceId,
        root: &'a Path,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            room,
            source,
            root,
            monitor,
            report: ImportReport::default(),
            batch: Vec::new(),
            batch_bytes: 0,
            batch_begun: Instant::now(),
            segment_originals: 0,
            segment_begun: Instant::now(),
            again: Vec::new(),
            rows: Vec::new(),
            retake: Vec::new(),
        }
    }

    /// Takes over what became of one file.
    pub(crate) fn accept(&mut self, candidate: Candidate, taking: Taking) -> Result<()> {
        let bytes = candidate.stamp.size_bytes;
        match taking {
            Taking::New(original) => {
                if self.batch.is_empty() {
                    self.batch_begun = Instant::now();
                }
                self.batch_bytes += original.size_bytes;
                self.batch.push((candidate, original));
            }
            Taking::Again(content, settled) => self.again.push((candidate, content, settled)),
            Taking::Refused(reason, settled) => {
                self.report.refuse(&reason);
                self.monitor.problem(&Problem::notice(&candidate.path, &reason));
                self.remember(candidate, FileState::Refused(reason), Some(settled), None);
            }
            Taking::Unsettled(reason) => {
                self.report.failed += 1;
                self.monitor.problem(&Problem::failure(&candidate.path, &reason));
                self.remember(candidate, FileState::Unsettled(reason), None, None);
            }
        }
        self.monitor.advance(1, bytes);
        let full = self.batch.len() >= BATCH_ORIGINALS || self.batch_bytes >= BATCH_BYTES;
        if full || (!self.batch.is_empty() && self.batch_begun.elapsed() >= BATCH_AGE) {
            self.commit()?;
        }
        Ok(())
    }

    /// Commits what is left; returns what is to be taken once more.
    pub(crate) fn finish(mut self) -> Result<(ImportReport, Vec<Candidate>)> {
        self.commit()?;
        self.commit_again()?;
        self.remember_rows()?;
        self.room.close_segment()?;
        Ok((self.report, self.retake))
    }

    fn commit(&mut self) -> Result<()> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let mut durable = self.commit_objects(batch)?;
        let locations = self.commit_entries(&mut durable)?;
        // The index may know entries that history does not speak of yet, never the other way round.
        self.room.device.record_packed(&locations)?;
        let mut bodies = Vec::with_capacity(durable.len() * 4);
        for (candidate, original) in &mut durable {
            self.speak_of(candidate, original, &mut bodies)?;
        }
        self.room.record(bodies)?;
        let pending: Vec<_> = durable
            .iter()
            .filter(|(_, original)| original.preview_pending)
            .map(|(_, original)| (original.content, RenditionKind::Preview, PREVIEW_RECIPE))
            .collect();
        self.report.previews_pending += pending.len() as u64;
        self.room.device.queue_renditions(pending, 0)?;
        self.segment_originals += durable.len() as u64;
        for (candidate, original) in durable {
            let (settled, content) = (original.settled, original.content);
            self.remember(candidate, FileState::Imported, Some(settled), Some(content));
        }
        self.remember_rows()?;
        if self.segment_originals >= SEGMENT_ORIGINALS || self.segment_begun.elapsed() >= SEGMENT_AGE {
            self.room.close_segment()?;
            self.segment_originals = 0;
            self.segment_begun = Instant::now();
        }
        Ok(())
    }

    /// Gives the sealed parts their names, durably. What was there already is proven before it counts.
    fn commit_objects(
        &mut self,
        batch: Vec<(Candidate, Box<NewOriginal>)>,
    ) -> Result<Vec<(Candidate, Box<NewOriginal>)>> {
        let mut objects = self.room.place.batch();
        let mut owners = Vec::new();
        let mut batch = batch;
        for (index, (_, original)) in batch.iter_mut().enumerate() {
            for (part, object) in original.parts.iter().zip(original.objects.drain(..)) {
                objects.add(object, ObjectPath::original(part.name));
                owners.push(index);
            }
        }
        let mut existed = vec![false; batch.len()];
        for (entry, owner) in objects.commit().into_iter().zip(owners) {
            if entry.result? == Outcome::Existed
                && let Some(existed) = existed.get_mut(owner)
            {
                *existed = true;
            }
        }
        let mut durable = Vec::with_capacity(batch.len());
        for ((candidate, original), existed) in batch.into_iter().zip(existed) {
            if existed && !self.prove_or_remove(&candidate, &original)? {
                self.retake.push(candidate);
            } else {
                durable.push((candidate, original));
            }
        }
        Ok(durable)
    }

    /// An object had its name already: an interrupted import left it, or another one runs beside this one.
    /// Either it opens to the very same content, or it is damaged and makes room.
    fn prove_or_remove(&mut self, candidate: &Candidate, original: &NewOriginal) -> Result<bool> {
        match self.room.prove(original.content, original.size_bytes, &original.parts) {
            Ok(()) => Ok(true),
            Err(error) if !error.is_proven_damage() => Err(error),
            Err(error) => {
                self.monitor.problem(&Problem::notice(
                    &candidate.path,
                    format!("a damaged object lay in its place and was replaced: {error}"),
                ));
                for part in &original.parts {
                    self.room.place.remove_object(&ObjectPath::original(part.name))?;
                }
                self.room.forget_claim(&original.content);
                Ok(false)
            }
        }
    }

    fn commit_entries(&mut self, durable: &mut [(Candidate, Box<NewOriginal>)]) -> Result<Vec<PackLocation>> {
        let mut locations = Vec::new();
        for (_, original) in durable.iter_mut() {
            for entry in &mut original.entries {
                locations.push(self.room.append(original.content, entry)?);
            }
        }
        self.room.packs.sync()?;
        Ok(locations)
    }

    /// The operations about one new original.
    fn speak_of(
        &mut self,
        candidate: &Candidate,
        original: &mut NewOriginal,
        bodies: &mut Vec<OpBody>,
    ) -> Result<()> {
        let content = original.content;
        self.report.imported += 1;
        self.report.imported_bytes += original.size_bytes;
        self.report.undecodable += u64::from(original.undecodable.is_some());
        if let Some(reason) = &original.undecodable {
            self.monitor
                .problem(&Problem::notice(&candidate.path, format!("imported without a preview: {reason}")));
        }
        if self.room.find_content(content)?.is_none() {
            let record = Original {
                content,
                size_bytes: original.size_bytes,
                media_type: original.media_type.clone(),
                epoch: original.epoch,
                parts: original.parts.clone(),
                storage: original.storage,
                source: self.source_path(candidate),
                modified_millis: original.settled.stamp.modified_nanos.div_euclid(1_000_000),
                unread: Default::default(),
            };
            bodies.push(self.addition(candidate, original, record)?);
        } else {
            self.report.imported -= 1;
            self.repair(candidate, &content)?;
        }
        bodies.push(OpBody::Derive {
            content,
            probe: ProbeKind::Metadata,
            version: u64::from(original.probe_version),
            facts: std::mem::take(&mut original.metadata),
        });
        let pixels = std::mem::take(&mut original.pixels);
        if pixels != Facts::default() {
            bodies.push(OpBody::Derive {
                content,
                probe: ProbeKind::Pixels,
                version: PIXELS_VERSION,
                facts: pixels,
            });
        }
        let renditions: Vec<_> = original.entries.iter().filter_map(|entry| entry.rendition).collect();
        if !renditions.is_empty() {
            bodies.push(OpBody::Render { content, renditions });
        }
        Ok(())
    }

    /// An original that was damaged has been sealed again: it counts as whole once it is read back.
    fn repair(&mut self, candidate: &Candidate, content: &ContentHash) -> Result<()> {
        match self.room.prove_recorded(content) {
            Ok(()) => {
                self.report.repaired += 1;
                self.room.forget_damage(content)
            }
            Err(error) => {
                self.report.failed += 1;
                let reason = format!("its sealed copy is still damaged: {error}");
                self.monitor.problem(&Problem::failure(&candidate.path, reason));
                Ok(())
            }
        }
    }

    /// A new asset, or a new version of the one that this path held before (docs/decisions/changed-bytes.md).
    fn addition(
        &mut self,
        candidate: &Candidate,
        original: &NewOriginal,
        record: Original,
    ) -> Result<OpBody> {
        let before = candidate.remembered.as_ref().and_then(|record| record.content);
        if let Some(before) = before.filter(|before| *before != original.content)
            && let Some(asset) = self.room.find_content(before)?
            && !self.is_another_moment(&before, &original.metadata)?
            && let Some(state) = self.room.asset_state(asset)?
            && !state.current().is_purged()
        {
            self.report.versions += 1;
            return Ok(state.add_version(asset, record));
        }
        let asset = AssetId(original.content);
        let state = self.room.asset_state(asset)?.unwrap_or_default();
        Ok(state.add(asset, record))
    }

    fn is_another_moment(&mut self, before: &ContentHash, now: &Facts) -> Result<bool> {
        let before = self.room.content_state(*before)?.map(|state| state.facts().taken);
        let (Some(Some(before)), Some(now)) = (before, now.taken) else { return Ok(false) };
        Ok(before.local_millis.abs_diff(now.local_millis) > SAME_MOMENT_MILLIS)
    }

    /// Files with a content that is in the library already: known by another path, or by this one.
    fn commit_again(&mut self) -> Result<()> {
        let mut bodies = Vec::new();
        for (candidate, content, settled) in std::mem::take(&mut self.again) {
            let Some(asset) = self.room.find_content(content)? else {
                // Its first appearance was not committed; this file is taken at the next import.
                self.report.failed += 1;
                self.monitor
                    .problem(&Problem::failure(&candidate.path, "the file with the same content failed"));
                continue;
            };
            self.report.known += 1;
            let source = self.source_path(&candidate);
            if let Some(state) = self.room.asset_state(asset)? {
                let life = state.current();
                let recorded =
                    life.contents().additions().iter().any(|write| write.value.original.source == source)
                        || life.seen().iter().any(|seen| seen.source == source && seen.content == content);
                if !recorded {
                    self.report.duplicates += 1;
                    bodies.push(OpBody::Seen {
                        asset,
                        life: state.life(),
                        content,
                        source,
                        modified_millis: settled.stamp.modified_nanos.div_euclid(1_000_000),
                    });
                }
            }
            self.remember(candidate, FileState::Imported, Some(settled), Some(content));
        }
        self.room.record(bodies)
    }

    fn source_path(&self, candidate: &Candidate) -> SourcePath {
        let root =
            if candidate.below.is_empty() { self.root.parent().unwrap_or(self.root) } else { self.root };
        let relative = if candidate.below.is_empty() {
            self.root.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default()
        } else {
            candidate.below.clone()
        };
        SourcePath { device: self.room.device_id, root: root.as_os_str().as_bytes().to_vec(), relative }
    }

    fn remember(
        &mut self,
        candidate: Candidate,
        state: FileState,
        settled: Option<Settled>,
        content: Option<ContentHash>,
    ) {
        let stamp = settled.as_ref().map_or(candidate.stamp, |settled| settled.stamp);
        let sampled = settled.map(|settled| settled.sampled);
        // A file that failed keeps the content that its path had, so that it can still become its version.
        let content = content.or(candidate.remembered.and_then(|record| record.content));
        self.rows.push(FileRecord { path: candidate.below, stamp, state, sampled, content });
    }

    fn remember_rows(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        Ok(self.room.device.record_files(self.source, &rows)?)
    }
}
