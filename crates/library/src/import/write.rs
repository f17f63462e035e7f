//! Makes what was taken durable, in the one order that loses nothing: objects first, then the operations
//! that speak of them, then this device's memory of the files.
//!
//! Killed between any two steps, an import leaves at most objects that nothing speaks of; the next import of
//! the same files finds them, proves them and goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use safelight_catalog::{FileRecord, FileState, PackLocation, SourceId};
use safelight_crypto::ContentHash;
use safelight_media::NotMedia;
use safelight_model::{
    AssetId, AssetState, DeviceId, Facts, Life, OpBody, Original, PartRef, ProbeKind, RenditionKind,
    SourcePath, Storage,
};
use safelight_store::{ObjectPath, Outcome};

use super::rendition::PREVIEW_RECIPE;
use super::settle::STILL_CHANGING;
use super::take::{NewOriginal, Settled, Taking};
use super::{ImportReport, Workroom};
use crate::error::{LibraryError, Result};
use crate::folder_lock::AddingTurn;
use crate::known_files::{KnownFiles, Mark, outdate_elsewhere, source_path};
use crate::linked;
use crate::monitor::{Monitor, Problem};
use crate::objects;
use crate::scan::Candidate;
use crate::whereabouts::{doubt_left, leave, link_elsewhere, remember_left};

/// A batch becomes durable when it has so many sealed objects, which are open until then,
const BATCH_OBJECTS: usize = 64;
/// or so many originals: small ones lie in a pack, and the more of them wait the fewer are the waits for the disk,
const BATCH_ORIGINALS: usize = 512;
/// or so many other files,
const BATCH_FILES: usize = 1024;
/// or so many bytes,
const BATCH_BYTES: u64 = 128 << 20;
/// or is so old.
const BATCH_AGE: Duration = Duration::from_secs(2);

/// So many originals close a segment of history,
const SEGMENT_ORIGINALS: u64 = 1000;
/// or so much time.
const SEGMENT_AGE: Duration = Duration::from_secs(30);

/// The version of what is computed from pixels.
pub(crate) const PIXELS_VERSION: u64 = 2;

/// How far apart two dates may be and still be the same moment, written by two programs.
const SAME_MOMENT_MILLIS: u64 = 2_000;

/// The one writer of an import.
pub(crate) struct Writer<'a> {
    room: Workroom<'a>,
    /// Whose files they are; none where they came by the inbox, of which nothing is remembered here.
    source: Option<SourceId>,
    /// The device that has the files.
    owner: DeviceId,
    /// The source's folder, as history records it.
    root: &'a Path,
    monitor: &'a dyn Monitor,
    report: ImportReport,
    batch: Vec<(Candidate, Box<NewOriginal>)>,
    batch_bytes: u64,
    batch_objects: usize,
    /// When the oldest of what waits came.
    batch_begun: Option<Instant>,
    segment_originals: u64,
    segment_begun: Instant,
    /// Files whose content came twice; they follow its first appearance.
    again: Vec<(Candidate, ContentHash, Settled)>,
    /// This device's memory of files that need no operation.
    rows: Vec<FileRecord>,
    /// Files to take once more, because an object that lay in their way was damaged and is gone.
    retake: Vec<Candidate>,
    /// Originals that were damaged and are not once this batch is recorded.
    whole_again: Vec<ContentHash>,
    /// Assets of which a file was found at another path than before.
    found_elsewhere: Vec<AssetId>,
    /// Contents of which one file became a new version in this batch.
    edited: HashSet<ContentHash>,
    /// Known contents of this batch whose recorded original is still damaged, and why.
    unproven: HashMap<ContentHash, String>,
    /// Assets of which this import has said that they are in the library.
    added: HashSet<AssetId>,
    /// Paths that hold the content of another asset than before.
    taken_over: Vec<(AssetId, SourcePath)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        room: Workroom<'a>,
        source: Option<SourceId>,
        owner: DeviceId,
        root: &'a Path,
        monitor: &'a dyn Monitor,
    ) -> Self {
        Self {
            room,
            source,
            owner,
            root,
            monitor,
            report: ImportReport::default(),
            batch: Vec::new(),
            batch_bytes: 0,
            batch_objects: 0,
            batch_begun: None,
            segment_originals: 0,
            segment_begun: Instant::now(),
            again: Vec::new(),
            rows: Vec::new(),
            retake: Vec::new(),
            whole_again: Vec::new(),
            found_elsewhere: Vec::new(),
            edited: HashSet::new(),
            unproven: HashMap::new(),
            added: HashSet::new(),
            taken_over: Vec::new(),
        }
    }

    /// Takes over what became of one file.
    pub(crate) fn accept(&mut self, candidate: Candidate, taking: Taking) -> Result<()> {
        let bytes = candidate.stamp.size_bytes;
        match taking {
            Taking::New(original) => {
                self.batch_bytes += original.waiting_bytes();
                self.batch_objects += original.objects.len();
                self.batch.push((candidate, original));
            }
            Taking::Again(content, settled) => self.again.push((candidate, content, settled)),
            Taking::Refused(reason, settled) => {
                let said = reason.to_string();
                self.report.refuse(&said);
                self.monitor.problem(&if reason == NotMedia::Disguised {
                    let next = "if it is a damaged photo that you want to keep, --all-files takes it";
                    Problem::omission(&candidate.path, format!("{said}; {next}"))
                } else {
                    Problem::notice(&candidate.path, &said)
                });
                let reason = said;
                self.remember(candidate, FileState::Refused(reason), Some(settled), None);
            }
            Taking::Unsettled(reason) => self.leave(candidate, reason),
            Taking::Young(_) => self.leave(candidate, STILL_CHANGING.to_owned()),
        }
        self.monitor.advance(1, bytes);
        let begun = *self.batch_begun.get_or_insert_with(Instant::now);
        let is_full = self.batch_objects >= BATCH_OBJECTS
            || self.batch.len() >= BATCH_ORIGINALS
            || self.batch_bytes >= BATCH_BYTES
            || self.again.len() + self.rows.len() >= BATCH_FILES;
        if is_full || begun.elapsed() >= BATCH_AGE { self.commit() } else { Ok(()) }
    }

    /// Names a file that was not taken; the next import looks at it again.
    fn leave(&mut self, candidate: Candidate, reason: String) {
        self.report.failed += 1;
        self.monitor.problem(&Problem::failure(&candidate.path, &reason));
        self.remember(candidate, FileState::Unsettled(reason), None, None);
    }

    /// Commits what is left; returns what is to be taken once more.
    pub(crate) fn finish(mut self) -> Result<(ImportReport, Vec<Candidate>)> {
        self.commit()?;
        // Whoever had the content first was not committed; these files are taken at the next import.
        for (candidate, ..) in std::mem::take(&mut self.again) {
            self.report.failed += 1;
            self.monitor.problem(&Problem::failure(&candidate.path, "the file with the same content failed"));
        }
        self.room.close_segment()?;
        Ok((self.report, self.retake))
    }

    /// Commits what waits. When some of it fails, the rest is kept all the same, and the first failure is the answer.
    fn commit(&mut self) -> Result<()> {
        self.batch_bytes = 0;
        self.batch_objects = 0;
        self.batch_begun = None;
        let batch = std::mem::take(&mut self.batch);
        let mut failure = None;
        // Held until history speaks of what is added.
        let _turn = AddingTurn::take(self.room.place, self.monitor)?;
        let batch = self.leave_out_known(batch)?;
        let mut durable = self.commit_objects(batch, &mut failure)?;
        let locations = self.commit_entries(&mut durable, &mut failure)?;
        // The index may know entries that history does not speak of yet, never the other way round.
        self.room.device.record_packed(&locations)?;
        let pending: Vec<_> = durable
            .iter()
            .filter(|(_, original)| original.preview_pending)
            .map(|(_, original)| (original.content, RenditionKind::Preview, PREVIEW_RECIPE))
            .collect();
        self.report.previews_pending += pending.len() as u64;
        self.room.device.queue_renditions(pending, 0)?;
        self.doubt_what_changes(&durable)?;
        self.prove_known(&durable)?;
        // Memory of it all or of nothing: a file whose history a kill cut short is met once more.
        self.room.device.begin_as_one()?;
        let spoken = self.speak_and_remember(durable);
        self.room.device.end_as_one(spoken)?;
        if self.segment_originals >= SEGMENT_ORIGINALS || self.segment_begun.elapsed() >= SEGMENT_AGE {
            self.room.close_segment()?;
            self.segment_originals = 0;
            self.segment_begun = Instant::now();
        }
        failure.map_or(Ok(()), Err)
    }

    /// Doubts what is remembered of the paths of which this batch says something, the files that hold other bytes than
    /// before and those that its photos have left: should a kill cut it short, they are read once more.
    fn doubt_what_changes(&mut self, durable: &[(Candidate, Box<NewOriginal>)]) -> Result<()> {
        let new = durable.iter().map(|(candidate, original)| (candidate, original.content));
        let again = self.again.iter().map(|(candidate, content, _)| (candidate, *content));
        let (mut changed, mut met) = (Vec::new(), BTreeMap::new());
        for (candidate, content) in new.chain(again) {
            let before = candidate.remembered.as_ref();
            let before = before.filter(|before| before.content.is_some_and(|before| before != content));
            changed.extend(before.zip(self.source).map(|(before, source)| (source, before.clone())));
            if let Some(asset) = self.room.find_content(content)?
                && !met.contains_key(&asset)
                && let Some(state) = self.room.asset_state(asset)?
            {
                met.insert(asset, state);
            }
        }
        Mark::Doubted.put(self.room.device, changed)?;
        if met.is_empty() {
            return Ok(());
        }
        doubt_left(self.room.device, self.room.device_id, met.values())
    }

    /// Reads back those originals of a batch that history knows to rest as they do now: before anything is locked, for
    /// they may be large.
    fn prove_known(&mut self, durable: &[(Candidate, Box<NewOriginal>)]) -> Result<()> {
        self.unproven.clear();
        for (candidate, original) in durable {
            let Some(recorded) = self.room.original_of(&original.content)? else { continue };
            let source = self.source_path(candidate);
            if rests_alike(&recorded, original.storage, &original.parts, &source)
                && let Err(error) = self.room.prove_recorded(&original.content)
            {
                self.unproven.insert(original.content, error.to_string());
            }
        }
        Ok(())
    }

    /// Records what there is to say of a batch whose objects are durable, and then what this device remembers of its files.
    fn speak_and_remember(&mut self, mut durable: Vec<(Candidate, Box<NewOriginal>)>) -> Result<()> {
        // What is known already comes first: a photo that moved makes no versions of what lies at its old path.
        self.commit_again()?;
        self.remember_rows()?;
        let mut bodies = Vec::with_capacity(durable.len() * 4);
        for (candidate, original) in &mut durable {
            self.speak_of(candidate, original, &mut bodies)?;
        }
        self.room.record(bodies)?;
        for content in std::mem::take(&mut self.whole_again) {
            self.room.forget_damage(&content)?;
            self.room.came_here(&content)?;
        }
        self.segment_originals += durable.len() as u64;
        for (candidate, original) in durable {
            let (settled, content) = (original.settled, original.content);
            self.remember(candidate, FileState::Imported, Some(settled), Some(content));
        }
        self.commit_again()?;
        self.edited.clear();
        self.remember_rows()?;
        self.leave_paths()
    }

    /// Another import may have added a content since this one looked. What was sealed of it here is dropped, nameless
    /// as it still is, and its file counts as one whose content is known.
    fn leave_out_known(
        &mut self,
        batch: Vec<(Candidate, Box<NewOriginal>)>,
    ) -> Result<Vec<(Candidate, Box<NewOriginal>)>> {
        let mut new = Vec::with_capacity(batch.len());
        if !batch.is_empty() {
            self.room.damaged.read_again(self.room.device)?;
        }
        for (candidate, original) in batch {
            if self.room.kept.has(&original.content)? {
                self.again.push((candidate, original.content, original.settled));
            } else {
                new.push((candidate, original));
            }
        }
        Ok(new)
    }

    /// Gives the sealed parts their names, durably. What was there already is proven before it counts.
    fn commit_objects(
        &mut self,
        batch: Vec<(Candidate, Box<NewOriginal>)>,
        failure: &mut Option<LibraryError>,
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
        let mut failed = vec![false; batch.len()];
        for (entry, owner) in objects.commit().into_iter().zip(owners) {
            let marks = match entry.result {
                Ok(Outcome::Existed) => &mut existed,
                Ok(_) => continue,
                Err(error) => {
                    failure.get_or_insert(error.into());
                    &mut failed
                }
            };
            if let Some(mark) = marks.get_mut(owner) {
                *mark = true;
            }
        }
        let mut durable = Vec::with_capacity(batch.len());
        for ((candidate, original), (existed, failed)) in
            batch.into_iter().zip(existed.into_iter().zip(failed))
        {
            if failed {
                continue;
            }
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
                // The parts that are good stay: the next attempt proves them and fills the gaps between them.
                for part in self.room.bad_parts(original.content, original.size_bytes, &original.parts)? {
                    self.room.place.remove_object(&ObjectPath::original(part.name))?;
                }
                self.room.forget_claim(&original.content);
                Ok(false)
            }
        }
    }

    /// Appends renditions and small originals to the local pack, durably. Where it takes no more, the originals from
    /// there on are left out.
    fn commit_entries(
        &mut self,
        durable: &mut Vec<(Candidate, Box<NewOriginal>)>,
        failure: &mut Option<LibraryError>,
    ) -> Result<Vec<PackLocation>> {
        let mut locations = Vec::new();
        for index in 0..durable.len() {
            let Some((_, original)) = durable.get_mut(index) else { break };
            let appended = self.append_all(original);
            match appended {
                Ok(appended) => locations.extend(appended),
                Err(error) => {
                    durable.truncate(index);
                    failure.get_or_insert(error);
                    break;
                }
            }
        }
        self.room.packs.sync()?;
        Ok(locations)
    }

    fn append_all(&mut self, original: &mut NewOriginal) -> Result<Vec<PackLocation>> {
        let content = original.content;
        original.entries.iter_mut().map(|entry| self.room.append(content, entry)).collect()
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
        if let Some(stated) = original.metadata.stated_bytes {
            let reason = format!(
                "it ends early: {} of {stated} bytes; all that is there was imported",
                original.size_bytes
            );
            self.monitor.problem(&Problem::notice(&candidate.path, reason));
        }
        if let Some(damage) = &original.pixels.damage {
            let reason = format!("it is cut off or damaged: {damage}; all that is there was imported");
            self.monitor.problem(&Problem::notice(&candidate.path, reason));
        }
        if let Some(reason) = &original.undecodable {
            self.monitor
                .problem(&Problem::notice(&candidate.path, format!("imported without a preview: {reason}")));
        }
        let record = Original {
            content,
            size_bytes: original.size_bytes,
            media_type: original.media_type.clone(),
            epoch: original.epoch,
            parts: original.parts.clone(),
            storage: original.storage,
            source: self.source_path(candidate),
            modified_millis: original.settled.modified_millis(),
            unread: Default::default(),
        };
        if let Some(asset) = self.room.find_content(content)? {
            self.report.imported -= 1;
            bodies.extend(self.bring_back(candidate, asset, record)?);
        } else {
            let addition = self.addition(candidate, original, record)?;
            if let OpBody::AddAsset { asset, .. } | OpBody::AddVersion { asset, .. } = &addition {
                self.added.insert(*asset);
            }
            bodies.push(addition);
        }
        bodies.push(OpBody::Derive {
            life: Life::default(),
            content,
            probe: ProbeKind::Metadata,
            version: u64::from(original.probe_version),
            facts: std::mem::take(&mut original.metadata),
        });
        let pixels = std::mem::take(&mut original.pixels);
        if pixels != Facts::default() {
            bodies.push(OpBody::Derive {
                life: Life::default(),
                content,
                probe: ProbeKind::Pixels,
                version: PIXELS_VERSION,
                facts: pixels,
            });
        }
        bodies.extend(candidate.taken.clone());
        let renditions: Vec<_> = original.entries.iter().filter_map(|entry| entry.rendition).collect();
        if !renditions.is_empty() {
            bodies.push(OpBody::Render { life: Life::default(), content, renditions });
        }
        Ok(())
    }

    /// The library speaks of this content already, and nothing of it was fit: the original was damaged, or it was
    /// linked and is now copied. Where it rests in another way than recorded, an operation says so.
    fn bring_back(&mut self, candidate: &Candidate, asset: AssetId, record: Original) -> Result<Vec<OpBody>> {
        let content = record.content;
        let state = self.room.asset_state(asset)?.unwrap_or_default();
        self.note_found(asset);
        self.take_over(candidate, asset, &record.source)?;
        let mut bodies = state.return_to_path(asset, &record.source);
        match self.say_where_it_rests(asset, &state, record)? {
            Rest::Said(said) => {
                self.report.repaired += 1;
                bodies.insert(0, said);
            }
            Rest::Seen(seen) => {
                self.report.known += 1;
                bodies.splice(0..0, state.add_again(asset).into_iter().chain(seen));
            }
            Rest::AsRecorded => {
                bodies.splice(0..0, state.add_again(asset));
                if let Some(error) = self.unproven.get(&content) {
                    self.report.failed += 1;
                    let reason = format!("its sealed copy is still damaged: {error}");
                    self.monitor.problem(&Problem::failure(&candidate.path, reason));
                    return Ok(bodies);
                }
                self.report.repaired += 1;
            }
        }
        self.whole_again.push(content);
        Ok(bodies)
    }

    /// What history does not say yet of where a known content rests.
    fn say_where_it_rests(&mut self, asset: AssetId, state: &AssetState, record: Original) -> Result<Rest> {
        let life = state.current();
        if self.is_the_last_left(state, &record.content)? {
            return Ok(Rest::Said(state.add_version(asset, record)));
        }
        if let Some(restated) = self.restate(asset, state, &record)? {
            return Ok(Rest::Said(restated));
        }
        let recorded = self.room.original_of(&record.content)?;
        if recorded
            .is_some_and(|recorded| rests_alike(&recorded, record.storage, &record.parts, &record.source))
        {
            return Ok(Rest::AsRecorded);
        }
        if let Some(beside) = add_beside(state, asset, record.clone()) {
            return Ok(Rest::Said(beside));
        }
        if record.storage != Storage::Linked {
            return Ok(Rest::Said(state.add_version(asset, record)));
        }
        // An earlier version: its file is one more at which it was seen.
        let Original { content, source, modified_millis, .. } = record;
        let is_known = life.paths().any(|(known, path)| known == content && path.is_same_file(&source));
        let seen = OpBody::Seen { asset, life: state.life(), content, source, modified_millis };
        Ok(Rest::Seen((!is_known).then_some(seen)))
    }

    /// Whether what a photo shows was linked and taken away, and another content of it is all that is left.
    fn is_the_last_left(&self, state: &AssetState, content: &ContentHash) -> Result<bool> {
        let current = state.current().contents().current().map(|current| &current.value.original);
        let (here, device) = (self.room.device_id, &*self.room.device);
        match current {
            Some(shown) if shown.content != *content && linked::is_taken_away(shown, here, device) => {
                Ok(!objects::are_parts_here(self.room.place, shown)?
                    && device.count_remotes_holding(&shown.content)? == 0)
            }
            _ => Ok(false),
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
            && !self.is_one_copy(&before, &state, &record.source)?
        {
            self.report.versions += 1;
            self.edited.insert(before);
            let earlier = objects::newest(state.current().contents(), &before);
            if let Some(earlier) = earlier.filter(|earlier| {
                earlier.storage == Storage::Linked && earlier.source.is_same_file(&record.source)
            }) {
                self.write_over(earlier)?;
            }
            return Ok(state.add_version(asset, record));
        }
        let asset = AssetId(original.content);
        self.take_over(candidate, asset, &record.source)?;
        let state = self.room.asset_state(asset)?.unwrap_or_default();
        Ok(state.add(asset, record))
    }

    /// Whether a file that changed was one of several copies, of which another still shows the photo: then it is no edit
    /// of that photo, but a picture of its own.
    fn is_one_copy(&self, before: &ContentHash, state: &AssetState, path: &SourcePath) -> Result<bool> {
        if self.edited.contains(before) {
            return Ok(true);
        }
        let files = self.known_files()?;
        let contents = state.current().contents();
        let current = contents.current().map(|addition| &addition.value.original);
        let Some(shown) = current.filter(|shown| shown.source.device == files.here()) else {
            return Ok(false);
        };
        if shown.content != *before {
            // The copy at the other path was edited first.
            let is_at_another = !shown.source.is_same_file(path);
            return Ok(is_at_another && files.content_at(&shown.source)? == Some(shown.content));
        }
        Ok(files.other_file(shown.content, path)?.is_some())
    }

    /// A file holds a known content where another one of the same photo was found last. If that is what the photo shows
    /// and it is nowhere else, this is an edit that was undone, and the known content shows again; else it is said where
    /// it is now, which for an earlier edit can only be said by showing it.
    fn restate(&mut self, asset: AssetId, state: &AssetState, there: &Original) -> Result<Option<OpBody>> {
        let contents = state.current().contents();
        let Some(last) = contents.last_at(&there.source).map(|last| last.value.original.clone()) else {
            return Ok(None);
        };
        if last.content == there.content {
            return Ok(None);
        }
        let shows = contents.current().is_some_and(|shown| shown.value.original.content == last.content);
        let is_elsewhere = self.lies_elsewhere(&last)?;
        if !shows || is_elsewhere {
            let beside = add_beside(state, asset, there.clone());
            return Ok(Some(beside.unwrap_or_else(|| state.add_version(asset, there.clone()))));
        }
        if last.storage == Storage::Linked {
            self.write_over(&last)?;
        }
        Ok(Some(state.add_version(asset, there.clone())))
    }

    /// A linked file holds other bytes now. What it held before is named, unless another file has it.
    fn write_over(&mut self, before: &Original) -> Result<()> {
        if self.lies_elsewhere(before)? {
            return Ok(());
        }
        self.report.written_over += 1;
        self.monitor.problem(&Problem::notice(
            linked::path_of(before),
            "it was linked and has been changed in place; what it held before is in no copy here",
        ));
        self.room.forget_damage(&before.content)
    }

    fn known_files(&self) -> Result<KnownFiles<'_>> {
        KnownFiles::of(self.room.device, self.room.device_id)
    }

    /// Whether another file on this device than the one of an original has what it held.
    fn lies_elsewhere(&self, original: &Original) -> Result<bool> {
        Ok(self.known_files()?.other_file(original.content, &original.source)?.is_some())
    }

    fn is_another_moment(&mut self, before: &ContentHash, now: &Facts) -> Result<bool> {
        let before = self.room.content_state(*before)?.map(|state| state.facts().taken);
        let (Some(Some(before)), Some(now)) = (before, now.taken) else { return Ok(false) };
        Ok(before.local_millis.abs_diff(now.local_millis) > SAME_MOMENT_MILLIS)
    }

    /// Files with a content that is in the library already: known by another path, or by this one. Those whose content
    /// is still on its way wait.
    fn commit_again(&mut self) -> Result<()> {
        self.add_again()?;
        let mut bodies = Vec::new();
        let mut early = Vec::new();
        for (candidate, content, settled) in std::mem::take(&mut self.again) {
            let Some(asset) = self.room.find_content(content)? else {
                early.push((candidate, content, settled));
                continue;
            };
            self.report.known += 1;
            bodies.extend(candidate.taken.clone());
            let source = self.source_path(&candidate);
            if let Some(state) = self.room.asset_state(asset)? {
                let life = state.current();
                if let Some(again) = objects::newest(life.contents(), &content) {
                    let modified_millis = settled.modified_millis();
                    let there = Original { source: source.clone(), modified_millis, ..again.clone() };
                    let restated = self.restate(asset, &state, &there)?;
                    let is_version = matches!(restated, Some(OpBody::AddVersion { .. }));
                    let before = candidate.remembered.as_ref().and_then(|record| record.content);
                    // Of copies that were edited in the same way, the first one was counted.
                    let is_counted = before.is_some_and(|before| self.edited.contains(&before));
                    self.report.versions += u64::from(is_version && !is_counted);
                    bodies.extend(restated);
                }
                let recorded =
                    life.paths().any(|(known, path)| known == content && path.is_same_file(&source));
                bodies.extend(state.return_to_path(asset, &source));
                self.note_found(asset);
                self.take_over(&candidate, asset, &source)?;
                if !recorded {
                    self.report.duplicates += 1;
                    bodies.push(OpBody::Seen {
                        asset,
                        life: state.life(),
                        content,
                        source,
                        modified_millis: settled.modified_millis(),
                    });
                }
            }
            self.remember(candidate, FileState::Imported, Some(settled), Some(content));
        }
        self.again = early;
        self.room.record(bodies)
    }

    /// Says once more, and once an import, that photos are in the library of which a file came in at a path where none
    /// was: another device may have purged them and not have said so here yet (docs/decisions/imported-again.md). It comes
    /// before what is said of the path, which is what history tells.
    fn add_again(&mut self) -> Result<()> {
        let mut bodies = Vec::new();
        for (candidate, content, _) in &self.again {
            let Some(asset) = self.room.find_content(*content)? else { continue };
            if self.added.contains(&asset) {
                continue;
            }
            let Some(state) = self.room.asset_state(asset)? else { continue };
            let (life, source) = (state.current(), self.source_path(candidate));
            if life.paths().any(|(_, path)| path.is_same_file(&source) && life.is_there(path)) {
                continue;
            }
            bodies.extend(state.add_again(asset));
            self.added.insert(asset);
        }
        self.room.record(bodies)
    }

    /// A file of this device at another path may be one that moved; one of another device says nothing of those here.
    fn note_found(&mut self, asset: AssetId) {
        if self.source.is_some() {
            self.found_elsewhere.push(asset);
        }
    }

    fn source_path(&self, candidate: &Candidate) -> SourcePath {
        source_path(self.owner, self.root, &candidate.below)
    }

    /// An asset lies at a path: another one that the path held before is no longer there.
    fn take_over(&mut self, candidate: &Candidate, asset: AssetId, source: &SourcePath) -> Result<()> {
        let Some(before) = candidate.remembered.as_ref().and_then(|record| record.content) else {
            return Ok(());
        };
        let another = self.room.find_content(before)?.filter(|before| *before != asset);
        self.taken_over.extend(another.map(|before| (before, source.clone())));
        Ok(())
    }

    /// Says which paths the assets of this batch have left, now that it is recorded where they are.
    fn leave_paths(&mut self) -> Result<()> {
        let taken_over = std::mem::take(&mut self.taken_over);
        let found: BTreeSet<_> = std::mem::take(&mut self.found_elsewhere).into_iter().collect();
        if taken_over.is_empty() && found.is_empty() {
            return Ok(());
        }
        let files = self.known_files()?;
        let mut bodies = Vec::new();
        for (asset, source) in taken_over {
            let state = self.room.asset_state(asset)?.unwrap_or_default();
            bodies.extend(link_elsewhere(asset, &state, &source, &files)?);
            bodies.extend(state.give_way(asset, &source));
        }
        self.room.record(bodies)?;
        let files = self.known_files()?;
        let mut met = Vec::with_capacity(found.len());
        for asset in found {
            met.push((asset, self.room.asset_state(asset)?.unwrap_or_default()));
        }
        let (bodies, all_left) = leave(met, &files)?;
        self.room.record(bodies)?;
        remember_left(self.room.device, self.room.device_id, &all_left)
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
        let Some(source) = self.source.filter(|_| !rows.is_empty()) else { return Ok(()) };
        self.room.device.record_files(source, &rows)?;
        let files = rows.iter().map(|row| (row.path.as_slice(), row.content));
        outdate_elsewhere(self.room.device, source, self.root, files)
    }
}

/// How what a file brought back rests.
enum Rest {
    /// As history says, so that only its copy was to be mended.
    AsRecorded,
    /// In another way than history said.
    Said(OpBody),
    /// Where it was linked; its file is one at which it was seen, which is new or was said before.
    Seen(Option<OpBody>),
}

/// Whether an original rests as is recorded: in the same bytes on the disk.
fn rests_alike(recorded: &Original, storage: Storage, parts: &[PartRef], source: &SourcePath) -> bool {
    recorded.storage == storage
        && recorded.parts.iter().map(|part| part.name).eq(parts.iter().map(|part| part.name))
        && (storage != Storage::Linked || recorded.source == *source)
}

/// The op that says of a known content that it rests in another way now. A version that is no longer the current one
/// cannot be added again without becoming it, so there is none.
pub(crate) fn add_beside(state: &AssetState, asset: AssetId, original: Original) -> Option<OpBody> {
    let contents = state.current().contents();
    let is_current = contents.current().is_some_and(|now| now.value.original.content == original.content);
    let is_version = contents.of_content(original.content).any(|addition| addition.value.is_version);
    if !is_version {
        Some(state.add(asset, original))
    } else {
        is_current.then(|| state.add_version(asset, original))
    }
}
