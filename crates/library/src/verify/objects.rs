//! Verifies originals and packs, on all cores.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use safelight_catalog::{FileState, PackLocation, Shelf};
use safelight_crypto::{
    ContentHash, FRAME_LEN, Keyring, LOCAL_PACK_HEADER, LocalEntry, OriginalOpener, open_entry,
    scan_local_pack,
};
use safelight_model::{AssetState, Original, RenditionKind, Storage};
use safelight_store::{Area, FolderPlace, FoundKind, ObjectPath};

use super::{Damage, VerifyReport, VerifyRequest};
use crate::error::{LibraryError, Result};
use crate::import::rendition::{PREVIEW_RECIPE, PackReader, locations, pack_paths};
use crate::known_files::KnownFiles;
use crate::library::Library;
use crate::linked;
use crate::monitor::{Monitor, Task};
use crate::objects::{are_parts_here, lies_sealed, newest, stream_parts};

/// How many assets are taken from the catalogue at a time.
const STRETCH_ASSETS: usize = 2000;

/// Why a file is read again whose sealed copy was found damaged.
const DAMAGED_COPY: &str = "its sealed copy is damaged";
/// Why a linked file is read again.
pub(super) const LINK_CHANGED: &str = "it was linked and no longer holds what was imported";

/// What is said of a linked original whose file is not there.
const LINK_ABSENT: &str = "it is linked and not there; the library holds no copy of it";
/// What is said of one whose place a newer version has taken.
const WRITTEN_OVER: &str = "an earlier version was linked here and has been written over by the newer one";

/// What is said of one whose place something else has taken.
const REPLACED: &str =
    "what was linked here has been written over by something else, and this library knows no copy of it";

/// Why files are read again for the sake of an original that a verification found damaged.
const DAMAGE_REASONS: [&str; 2] = [DAMAGED_COPY, LINK_CHANGED];

thread_local! {
    /// One buffer a thread, for all the originals that it reads.
    static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// An original that an asset has, as it rests now.
struct Held {
    original: Original,
    /// Where it is or was last, for people.
    name: String,
    /// It was linked, and a newer content was found at its very place.
    is_written_over: bool,
    /// Where its file is, if it is linked and no sealed copy of it is here.
    linked_at: Option<Result<PathBuf>>,
}

/// What became of one original.
struct Checked<'a> {
    held: &'a Held,
    outcome: Outcome,
    /// Whether its content was read and compared, as against not looked at.
    was_read: bool,
}

enum Outcome {
    /// It is what was recorded, or was not looked at; with the bytes that were looked at.
    Well(u64),
    /// It is linked, and its file is not there, or may not be read for the reason given.
    Absent(Option<String>),
    /// A file is damaged or missing, for this reason.
    Damaged(PathBuf, String),
}

/// What all threads of a verification share.
struct Checker<'a> {
    place: &'a FolderPlace,
    keyring: &'a Keyring,
    request: VerifyRequest,
    monitor: &'a dyn Monitor,
}

impl Checker<'_> {
    fn original<'a>(&self, held: &'a Held) -> Checked<'a> {
        let original = &held.original;
        let mut checked = Checked { held, outcome: Outcome::Well(0), was_read: false };
        if self.monitor.cancelled() {
            return checked;
        }
        checked.was_read = !self.request.quick && original.storage != Storage::Packed;
        checked.outcome = match original.storage {
            Storage::Packed => Outcome::Well(0),
            Storage::Linked if held.linked_at.is_some() => self.linked(held),
            _ => match self.parts(original) {
                Ok(bytes) => Outcome::Well(bytes),
                Err((path, reason)) => Outcome::Damaged(path, reason),
            },
        };
        let bytes = if let Outcome::Well(bytes) = checked.outcome { bytes } else { 0 };
        self.monitor.advance(1, bytes);
        checked
    }

    fn linked(&self, held: &Held) -> Outcome {
        let path = match &held.linked_at {
            Some(Ok(path)) => path,
            Some(Err(error)) => return unread(&held.original, error),
            None => return Outcome::Absent(None),
        };
        if self.request.quick {
            return Outcome::Well(held.original.size_bytes);
        }
        let read = linked::write_from(path, &held.original, &mut std::io::sink());
        read.map_or_else(|error| unread(&held.original, &error), Outcome::Well)
    }

    fn parts(&self, original: &Original) -> std::result::Result<u64, (PathBuf, String)> {
        let mut sealed_bytes = 0;
        for part in &original.parts {
            let path = ObjectPath::original(part.name);
            let blame = |reason: String| (PathBuf::from("objects").join(path.as_str()), reason);
            match self.place.open_object(&path) {
                Ok(object) if object.length_bytes() != part.sealed_bytes => {
                    let found = object.length_bytes();
                    return Err(blame(format!("it has {found} bytes instead of {}", part.sealed_bytes)));
                }
                Ok(object) => sealed_bytes += object.length_bytes(),
                Err(error) if error.is_not_found() => return Err(blame("it is missing".into())),
                Err(error) => return Err(blame(error.to_string())),
            }
        }
        if self.request.quick {
            return Ok(sealed_bytes);
        }
        BUFFER.with_borrow_mut(|buffer| {
            let (content, size) = (original.content, original.size_bytes);
            match stream_parts(self.place, self.keyring, content, size, &original.parts, buffer, &mut |_| {
                Ok(())
            }) {
                Ok(()) => Ok(sealed_bytes),
                Err(error) => Err((self.guilty_part(original), error.to_string())),
            }
        })
    }

    /// The first part that does not open; of an original whose parts all open, the first.
    fn guilty_part(&self, original: &Original) -> PathBuf {
        let mut opener = OriginalOpener::new(self.keyring.library(), original.content, original.size_bytes);
        let mut guilty = original.parts.first();
        for part in &original.parts {
            let Ok(object) = self.place.open_object(&ObjectPath::original(part.name)) else {
                guilty = Some(part);
                break;
            };
            let length = object.length_bytes();
            let mut source = object.into_file();
            let mut buffer = Vec::new();
            let opened =
                opener.open_part(&part.name, length, self.keyring, &mut source, &mut buffer, &mut |_| Ok(()));
            if opened.is_err() {
                guilty = Some(part);
                break;
            }
        }
        let path = guilty.map(|part| ObjectPath::original(part.name).as_str().to_owned());
        PathBuf::from("objects").join(path.unwrap_or_default())
    }

    fn entry(&self, reader: &PackReader, entry: &LocalEntry) -> std::result::Result<(), String> {
        let bytes = reader.reader().read_range(entry.range.clone()).map_err(|error| error.to_string())?;
        open_entry(&bytes, self.keyring.library(), &entry.record, self.keyring)
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

impl Library {
    pub(super) fn verify_objects(
        &mut self,
        request: &VerifyRequest,
        monitor: &dyn Monitor,
    ) -> Result<VerifyReport> {
        let mut expected: HashSet<String> = HashSet::new();
        let mut report = self.check_objects(request, &mut expected, monitor)?;
        if !monitor.cancelled() {
            self.name_strangers(&expected, &mut report)?;
        }
        Ok(report)
    }

    /// Looks whether everything that should be here is, by names and sizes, and notes what is not, so that it is fetched or
    /// made again.
    pub(crate) fn look_for_lost(&mut self, monitor: &dyn Monitor) -> Result<u64> {
        let report = self.check_objects(&VerifyRequest { quick: true }, &mut HashSet::new(), monitor)?;
        Ok(report.damaged.len() as u64)
    }

    /// Checks originals and packs. The names of all parts that some photo speaks of go to `expected`.
    fn check_objects(
        &mut self,
        request: &VerifyRequest,
        expected: &mut HashSet<String>,
        monitor: &dyn Monitor,
    ) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let mut small: HashMap<ContentHash, String> = HashMap::new();
        let total = [Shelf::Shown, Shelf::Hidden, Shelf::Trashed]
            .into_iter()
            .map(|shelf| Ok(self.catalog().totals(shelf)?.assets()))
            .sum::<Result<u64>>()?;
        monitor.begin(Task::Verify, Some(total), None);
        let (mut elsewhere, mut unseen, mut linked_elsewhere) = (0_u64, 0_u64, 0_u64);
        let (to_come, is_alone) = (self.still_to_come()?, self.is_alone()?);
        let mut after = None;
        while !monitor.cancelled() {
            let stretch = self.catalog().assets_after(after, STRETCH_ASSETS)?;
            let Some((last, _)) = stretch.last() else { break };
            after = Some(*last);
            let mut originals: Vec<Held> = Vec::new();
            for mut held in stretch.iter().flat_map(|(_, state)| held_originals(state)) {
                let content = held.original.content;
                let is_linked = held.original.storage == Storage::Linked;
                if is_linked && !are_parts_here(&self.place, &held.original)? {
                    let here = self.keyring().device().id();
                    held.linked_at = Some(linked::find(&held.original, here, &self.device));
                }
                let is_away = to_come.contains(&content) || self.rests_only_elsewhere(&content)?;
                let is_held = is_away && self.is_in_some_remote(&content)?;
                // Where no other device ever was, none will send what no place holds.
                if is_away && (is_held || !is_alone) {
                    if is_held { elsewhere += 1 } else { unseen += 1 }
                } else if self.is_linked_elsewhere(&held) {
                    linked_elsewhere += 1;
                } else {
                    originals.push(held);
                }
            }
            expected.extend(stretch.iter().flat_map(|(_, state)| part_paths(state)));
            for Held { original, name, .. } in &originals {
                if original.storage == Storage::Packed {
                    small.insert(original.content, name.clone());
                }
            }
            let checker = Checker { place: &self.place, keyring: self.keyring(), request: *request, monitor };
            let checked: Vec<Checked<'_>> = originals.par_iter().map(|held| checker.original(held)).collect();
            self.report_originals(checked, request, &mut report)?;
        }
        monitor.end();
        if monitor.cancelled() {
            // Of what was not looked at nothing is known, least of all that nothing speaks of it.
            return Ok(report);
        }
        if elsewhere > 0 {
            let reason = match elsewhere {
                1 => "1 original rests there and not here; verify --remote checks it".to_owned(),
                _ => format!("{elsewhere} originals rest there and not here; verify --remote checks them"),
            };
            report.notices.push(Damage::new("remotes", reason));
        }
        if unseen > 0 {
            let reason = match unseen {
                1 => "1 original is not here and was not seen in any remote yet; the device that has it sends it"
                    .to_owned(),
                _ => format!(
                    "{unseen} originals are not here and were not seen in any remote yet; the device that has them sends them"
                ),
            };
            report.notices.push(Damage::new("other devices", reason));
        }
        if linked_elsewhere > 0 {
            let reason = match linked_elsewhere {
                1 => "1 original is linked there, and only there can it be checked".to_owned(),
                _ => format!(
                    "{linked_elsewhere} originals are linked there, and only there can they be checked"
                ),
            };
            report.notices.push(Damage::new("other devices", reason));
        }
        report.absorb(self.verify_packs(request, &mut small, monitor)?);
        for (content, name) in small {
            let mut damage = Damage::new("objects/local", "a small original lies in no pack");
            damage.photos.push(name);
            self.note_damaged_copy(&content)?;
            report.damaged.push(damage);
        }
        Ok(report)
    }

    fn report_originals(
        &mut self,
        checked: Vec<Checked<'_>>,
        request: &VerifyRequest,
        report: &mut VerifyReport,
    ) -> Result<()> {
        for Checked { held, outcome, was_read } in checked {
            let (content, name) = (held.original.content, held.name.clone());
            report.originals += 1;
            match outcome {
                Outcome::Well(bytes) => {
                    report.bytes += bytes;
                    if !request.quick && was_read {
                        self.clear_damage(&content)?;
                    }
                }
                Outcome::Absent(_) | Outcome::Damaged(..)
                    if held.is_written_over && !self.may_lie_elsewhere(&held.original)? =>
                {
                    self.clear_damage(&content)?;
                    let path = linked::path_of(&held.original);
                    report.notices.push(Damage { photos: vec![name], ..Damage::new(path, WRITTEN_OVER) });
                }
                Outcome::Damaged(..)
                    if self.is_replaced(&held.original)? && !self.may_lie_elsewhere(&held.original)? =>
                {
                    if !self.is_read_only() {
                        // A copy of it is taken in wherever an import meets one.
                        self.damaged.note(&mut self.device, &content)?;
                    }
                    let path = linked::path_of(&held.original);
                    report.notices.push(Damage { photos: vec![name], ..Damage::new(path, REPLACED) });
                }
                Outcome::Absent(reason) => {
                    let path = linked::path_of(&held.original);
                    let reason = match (reason, self.rests_elsewhere(&held.original)?) {
                        (Some(reason), _) => reason,
                        (None, Some(remotes)) => format!("it is linked and not there; {remotes}"),
                        (None, None) => LINK_ABSENT.to_owned(),
                    };
                    report.absent.push(Damage { photos: vec![name], ..Damage::new(path, reason) });
                }
                Outcome::Damaged(path, reason) => {
                    let is_linked = held.original.storage == Storage::Linked;
                    self.note_damage(&content, if is_linked { LINK_CHANGED } else { DAMAGED_COPY })?;
                    report.damaged.push(Damage { photos: vec![name], ..Damage::new(path, reason) });
                }
            }
        }
        Ok(())
    }

    /// Whether an original is a file on another device, and on this one in no form.
    fn is_linked_elsewhere(&self, held: &Held) -> bool {
        held.original.source.device != self.keyring().device().id() && matches!(held.linked_at, Some(Err(_)))
    }

    /// Whether this device knows another file with the content of a linked original.
    pub(crate) fn may_lie_elsewhere(&self, original: &Original) -> Result<bool> {
        let files = KnownFiles::of(&self.device, self.keyring().device().id())?;
        let known = files.other_paths(original.content, &original.source)?;
        Ok(known.iter().any(|(_, record)| record.state != FileState::Gone))
    }

    /// Remembers that the sealed copy of an original is damaged, so that the next import of its file repairs it.
    pub(crate) fn note_damaged_copy(&mut self, content: &ContentHash) -> Result<()> {
        self.note_damage(content, DAMAGED_COPY)
    }

    fn note_damage(&mut self, content: &ContentHash, reason: &str) -> Result<()> {
        if self.is_read_only() {
            return Ok(());
        }
        self.damaged.note(&mut self.device, content)?;
        for (source, mut record) in self.device.files_of_content(content)? {
            record.state = FileState::Unsettled(reason.to_owned());
            self.device.record_files(source, [&record])?;
        }
        Ok(())
    }

    /// Forgets that an original was damaged: it was read back whole.
    pub(crate) fn clear_damage(&mut self, content: &ContentHash) -> Result<()> {
        if self.is_read_only() || !self.damaged.has(content) {
            return Ok(());
        }
        for (source, mut record) in self.device.files_of_content(content)? {
            if is_for_damage(&record.state) {
                record.state = FileState::Imported;
                self.device.record_files(source, [&record])?;
            }
        }
        self.damaged.forget(&mut self.device, content)
    }

    /// Has renditions fetched or made again that cannot be read any more.
    fn queue_again(&mut self, lost: &[PackLocation]) -> Result<()> {
        if !self.is_read_only() {
            for original in lost.iter().filter(|location| location.kind == RenditionKind::Original) {
                // One of a photo that was removed for good is missed by nobody.
                if !self.is_referenced(&original.content)? {
                    self.device.give_up_lost(original)?;
                }
            }
        }
        let lost: Vec<&PackLocation> =
            lost.iter().filter(|location| location.kind != RenditionKind::Original).collect();
        if self.is_read_only() || lost.is_empty() {
            return Ok(());
        }
        let (mut missed, mut contents) = (Vec::with_capacity(lost.len()), HashSet::new());
        for location in lost {
            let content = location.content;
            let is_drawn = matches!(location.kind, RenditionKind::Thumbnail | RenditionKind::Preview);
            let is_used = self.device.packed(&content, location.kind)?.as_ref() == Some(location);
            if !is_drawn || !is_used || !self.is_referenced(&content)? {
                // A newer one is shown, it is made when somebody asks for it, or nobody will.
                self.device.give_up_lost(location)?;
                continue;
            }
            missed.push(location);
            if !contents.contains(&content) && self.can_be_drawn(&content)? {
                contents.insert(content);
            }
        }
        self.device.record_lost(missed)?;
        // One job makes all renditions of a content.
        let jobs = contents.into_iter().map(|content| (content, RenditionKind::Preview, PREVIEW_RECIPE));
        Ok(self.device.queue_renditions(jobs, 0)?)
    }

    /// Whether some photo has a content.
    fn is_referenced(&self, content: &ContentHash) -> Result<bool> {
        Ok(self.catalog().content_use(content)?.is_none_or(|used| used.is_referenced))
    }

    /// Whether an original is here to draw its renditions from.
    pub(crate) fn can_be_drawn(&self, content: &ContentHash) -> Result<bool> {
        let Some(original) = self.original_of(content)? else { return Ok(false) };
        let is_linked = original.storage == Storage::Linked
            && linked::look(&original, self.keyring().device().id(), &self.device).is_ok();
        Ok(is_linked || lies_sealed(&self.place, &self.device, &original)? && !self.damaged.has(content))
    }

    fn verify_packs(
        &mut self,
        request: &VerifyRequest,
        small: &mut HashMap<ContentHash, String>,
        monitor: &dyn Monitor,
    ) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let (mut lost, mut proven) = (Vec::new(), Vec::new());
        let paths = pack_paths(&self.place)?;
        for path in &paths {
            self.verify_pack(path, request, monitor, &mut report, &mut lost, &mut |content| {
                if small.remove(&content).is_some() && !request.quick {
                    proven.push(content);
                }
            })?;
        }
        for pack in self.device.packs()? {
            if !paths.iter().any(|path| path.as_str() == pack.pack) {
                report.damaged.push(Damage::new(PathBuf::from("objects").join(&pack.pack), "it is missing"));
                lost.extend(self.device.entries_of_pack(&pack.pack)?);
            }
        }
        for content in proven {
            self.clear_damage(&content)?;
        }
        self.queue_again(&lost)?;
        Ok(report)
    }

    /// Verifies one pack. What the index points to and cannot be read goes to `lost`; damage to bytes that nothing
    /// points to any more, because they were made again, is worth a notice only.
    fn verify_pack(
        &self,
        path: &ObjectPath,
        request: &VerifyRequest,
        monitor: &dyn Monitor,
        report: &mut VerifyReport,
        lost: &mut Vec<PackLocation>,
        each_original: &mut dyn FnMut(ContentHash),
    ) -> Result<()> {
        let checker = Checker { place: &self.place, keyring: self.keyring(), request: *request, monitor };
        let (mut harms, mut notes) = (Vec::new(), Vec::new());
        let mut reader = PackReader::open(&self.place, path)?;
        let scan = scan_local_pack(&mut reader, self.id(), self.keyring())?;
        let known = self.device.entries_of_pack(path.as_str())?;
        let known_end = known.last().map_or(0, |last| last.position + last.length);
        for damaged in &scan.damaged {
            let is_header = damaged.start < LOCAL_PACK_HEADER.len() as u64;
            let is_used = known
                .iter()
                .any(|entry| entry.position < damaged.end && damaged.start < entry.position + entry.length);
            let reason = format!("bytes {} to {} are no entry", damaged.start, damaged.end);
            if is_header || is_used { &mut harms } else { &mut notes }.push(reason);
        }
        if scan.end < known_end {
            harms.push(format!("it ends at byte {} instead of {known_end}", scan.end));
        } else if scan.end < scan.len {
            notes.push("an interrupted run left a torn end; the next import cuts it off".to_owned());
        }
        let found: HashSet<u64> =
            locations(path, &scan.entries).into_iter().map(|location| location.position).collect();
        for entry in known.iter().filter(|location| !found.contains(&location.position)) {
            harms.push(format!("the entry at byte {} cannot be found", entry.position));
            lost.push(entry.clone());
        }
        let outcomes: Vec<(&LocalEntry, std::result::Result<(), String>)> = scan
            .entries
            .par_iter()
            .map(|entry| (entry, if request.quick { Ok(()) } else { checker.entry(&reader, entry) }))
            .collect();
        for (entry, outcome) in outcomes {
            report.objects += 1;
            report.bytes += entry.range.end - entry.range.start + FRAME_LEN as u64;
            let is_original = u16::from(entry.record.name.kind) == RenditionKind::Original.code();
            match outcome {
                Ok(()) if is_original => each_original(entry.record.name.content),
                Ok(()) => {}
                Err(reason) => {
                    let reason = format!("the entry at byte {}: {reason}", entry.range.start);
                    let position = entry.range.start.saturating_sub(FRAME_LEN as u64);
                    let in_use = known.iter().find(|location| location.position == position);
                    if in_use.is_some() { &mut harms } else { &mut notes }.push(reason);
                    lost.extend(in_use.cloned());
                }
            }
        }
        let full = PathBuf::from("objects").join(path.as_str());
        report.damaged.extend(as_one(&full, harms));
        report.notices.extend(as_one(&full, notes));
        Ok(())
    }

    /// Names objects that no record speaks of, and files that are no objects.
    fn name_strangers(&self, expected: &HashSet<String>, report: &mut VerifyReport) -> Result<()> {
        for found in self.place.walk() {
            let found = found?;
            let is_known = match found.kind {
                FoundKind::Object(path) if is_leftover(&path, expected) => {
                    report.leftovers.push(path);
                    false
                }
                FoundKind::Object(_) => true,
                _ => false,
            };
            if !is_known {
                let full = PathBuf::from("objects").join(&found.relative);
                let mut notice = Damage::new(full, "nothing in the library speaks of it");
                notice.is_stray = true;
                report.notices.push(notice);
            }
        }
        Ok(())
    }
}

/// What is wrong with one file, as one finding: the first of it, and how much more there is.
fn as_one(path: &Path, reasons: Vec<String>) -> Option<Damage> {
    let more = reasons.len().saturating_sub(1);
    let first = reasons.into_iter().next()?;
    let reason = if more == 0 { first } else { format!("{first}, and {more} more of the kind") };
    Some(Damage::new(path, reason))
}

fn is_leftover(path: &ObjectPath, expected: &HashSet<String>) -> bool {
    match path.area() {
        Area::Original => !expected.contains(path.as_str()),
        // What other versions may keep here is not this version's to judge.
        _ => false,
    }
}

/// The names of all parts that an asset's additions speak of, also of those that a newer addition of the same content
/// has taken over from. A purged asset has none.
fn part_paths(state: &AssetState) -> Vec<String> {
    let life = state.current();
    if life.is_purged() {
        return Vec::new();
    }
    let parts = life.contents().additions().iter().flat_map(|addition| &addition.value.original.parts);
    parts.map(|part| ObjectPath::original(part.name).as_str().to_owned()).collect()
}

/// Whether a file is to be read again only because its original was found damaged.
pub(crate) fn is_for_damage(state: &FileState) -> bool {
    matches!(state, FileState::Unsettled(reason) if DAMAGE_REASONS.contains(&reason.as_str()))
}

/// What it says of a linked original that its file could not be read: what may not be read is not damaged.
fn unread(original: &Original, error: &LibraryError) -> Outcome {
    match error {
        error if error.is_absence() => Outcome::Absent(None),
        LibraryError::LinkChanged { path } => Outcome::Damaged(path.clone(), LINK_CHANGED.to_owned()),
        LibraryError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Outcome::Absent(Some(format!("it is linked and may not be read: {source}")))
        }
        error => Outcome::Damaged(linked::path_of(original), error.to_string()),
    }
}

/// The originals that an asset has, versions included, each content once, as it rests now. A purged asset has none.
fn held_originals(state: &AssetState) -> Vec<Held> {
    let life = state.current();
    if life.is_purged() {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let contents = life.contents();
    let each = contents.additions().iter().map(|addition| addition.value.original.content);
    each.filter(|content| seen.insert(*content))
        .filter_map(|content| newest(contents, &content))
        .map(|original| {
            let is_written_over = linked::is_written_over(contents, original);
            let paths = life.paths_of(original.content);
            let name = paths.first().map_or(&original.source, |(source, _)| source).display();
            Held { original: original.clone(), name, is_written_over, linked_at: None }
        })
        .collect()
}
