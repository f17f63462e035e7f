//! Verifies originals and packs, on all cores.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use safelight_catalog::{FileState, Shelf};
use safelight_crypto::{
    ContentHash, FRAME_LEN, Keyring, LocalEntry, OriginalOpener, open_entry, scan_local_pack,
};
use safelight_model::{AssetState, Original, RenditionKind, Storage};
use safelight_store::{Area, FolderPlace, FoundKind, ObjectPath};

use super::{Damage, VerifyReport, VerifyRequest};
use crate::error::Result;
use crate::import::rendition::{PackReader, locations, pack_paths};
use crate::library::Library;
use crate::monitor::{Monitor, Task};
use crate::objects::{check_linked, linked_path, stream_parts};

/// How many assets are taken from the catalogue at a time.
const STRETCH_ASSETS: usize = 2000;

thread_local! {
    /// One buffer a thread, for all the originals that it reads.
    static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// What became of one original.
struct Checked {
    content: ContentHash,
    name: String,
    outcome: std::result::Result<u64, (PathBuf, String)>,
    offline: bool,
}

/// What all threads of a verification share.
struct Checker<'a> {
    place: &'a FolderPlace,
    keyring: &'a Keyring,
    request: VerifyRequest,
    monitor: &'a dyn Monitor,
}

impl Checker<'_> {
    fn original(&self, original: &Original) -> Checked {
        let name = original.source.display();
        let mut checked = Checked { content: original.content, name, outcome: Ok(0), offline: false };
        if self.monitor.cancelled() {
            return checked;
        }
        match original.storage {
            Storage::Packed => {}
            Storage::Linked => {
                let path = linked_path(original);
                match check_linked(original, self.request.quick) {
                    Ok(bytes) => checked.outcome = Ok(bytes),
                    Err(error) if error.kind() == crate::ErrorKind::NotFound => checked.offline = true,
                    Err(error) => checked.outcome = Err((path, error.to_string())),
                }
            }
            _ => checked.outcome = self.parts(original),
        }
        self.monitor.advance(1, *checked.outcome.as_ref().unwrap_or(&0));
        checked
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
        let mut report = VerifyReport::default();
        let mut expected: HashSet<String> = HashSet::new();
        let mut small: HashMap<ContentHash, String> = HashMap::new();
        let total = [Shelf::Shown, Shelf::Hidden, Shelf::Trashed]
            .into_iter()
            .map(|shelf| Ok(self.catalog().totals(shelf)?.assets()))
            .sum::<Result<u64>>()?;
        monitor.begin(Task::Verify, Some(total), None);
        let mut after = None;
        while !monitor.cancelled() {
            let stretch = self.catalog().assets_after(after, STRETCH_ASSETS)?;
            let Some((last, _)) = stretch.last() else { break };
            after = Some(*last);
            let originals: Vec<Original> =
                stretch.iter().flat_map(|(_, state)| held_originals(state)).collect();
            for original in &originals {
                expected.extend(part_paths(original));
                if original.storage == Storage::Packed {
                    small.insert(original.content, original.source.display());
                }
            }
            let checker = Checker { place: &self.place, keyring: self.keyring(), request: *request, monitor };
            let checked: Vec<Checked> =
                originals.par_iter().map(|original| checker.original(original)).collect();
            self.report_originals(checked, &mut report)?;
        }
        monitor.end();
        report.absorb(self.verify_packs(request, &mut small, monitor)?);
        for (content, name) in small {
            let mut damage = Damage::new("objects/local", "a small original lies in no pack");
            damage.photos.push(name);
            self.note_damage(&content)?;
            report.damaged.push(damage);
        }
        report.notices.extend(self.strangers(&expected)?);
        Ok(report)
    }

    fn report_originals(&mut self, checked: Vec<Checked>, report: &mut VerifyReport) -> Result<()> {
        for original in checked {
            report.originals += 1;
            if original.offline {
                report.notices.push(Damage {
                    photos: vec![original.name],
                    ..Damage::new("linked originals", "this disk or folder is not connected")
                });
                continue;
            }
            match original.outcome {
                Ok(bytes) => report.bytes += bytes,
                Err((path, reason)) => {
                    self.note_damage(&original.content)?;
                    report.damaged.push(Damage { photos: vec![original.name], ..Damage::new(path, reason) });
                }
            }
        }
        Ok(())
    }

    /// Remembers that an original is damaged, so that the next import of its file repairs it.
    fn note_damage(&mut self, content: &ContentHash) -> Result<()> {
        if self.is_read_only() {
            return Ok(());
        }
        self.damaged.note(&mut self.device, content)?;
        for (source, mut record) in self.device.files_of_content(content)? {
            record.state = FileState::Unsettled("its sealed copy is damaged".into());
            self.device.record_files(source, [&record])?;
        }
        Ok(())
    }

    fn verify_packs(
        &mut self,
        request: &VerifyRequest,
        small: &mut HashMap<ContentHash, String>,
        monitor: &dyn Monitor,
    ) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        let checker = Checker { place: &self.place, keyring: self.keyring(), request: *request, monitor };
        for path in pack_paths(&self.place)? {
            let blame = |reason: String| Damage::new(PathBuf::from("objects").join(path.as_str()), reason);
            let mut reader = PackReader::open(&self.place, &path)?;
            let scan = scan_local_pack(&mut reader, self.id(), self.keyring())?;
            let known = self.device.entries_of_pack(path.as_str())?;
            let known_end = known.last().map_or(0, |last| last.position + last.length);
            for damaged in &scan.damaged {
                report
                    .damaged
                    .push(blame(format!("bytes {} to {} are no entry", damaged.start, damaged.end)));
            }
            if scan.end < known_end {
                report.damaged.push(blame(format!("it ends at byte {} instead of {known_end}", scan.end)));
            } else if scan.end < scan.len {
                report
                    .notices
                    .push(blame("an interrupted run left a torn end; the next import cuts it off".into()));
            }
            let found: HashSet<u64> =
                locations(&path, &scan.entries).into_iter().map(|location| location.position).collect();
            for lost in known.iter().filter(|location| !found.contains(&location.position)) {
                report.damaged.push(blame(format!("the entry at byte {} cannot be found", lost.position)));
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
                    Ok(()) if is_original => {
                        small.remove(&entry.record.name.content);
                    }
                    Ok(()) => {}
                    Err(reason) => {
                        let reason = format!("the entry at byte {}: {reason}", entry.range.start);
                        let position = entry.range.start.saturating_sub(FRAME_LEN as u64);
                        let in_use = known.iter().any(|location| location.position == position);
                        if in_use { &mut report.damaged } else { &mut report.notices }.push(blame(reason));
                    }
                }
            }
        }
        Ok(report)
    }

    /// Objects that no record speaks of, and files that are no objects.
    fn strangers(&self, expected: &HashSet<String>) -> Result<Vec<Damage>> {
        let mut strangers = Vec::new();
        for found in self.place.walk() {
            let found = found?;
            let known = match &found.kind {
                FoundKind::Object(path) => !is_leftover(path, expected),
                _ => false,
            };
            if !known {
                let full = PathBuf::from("objects").join(&found.relative);
                strangers.push(Damage::new(full, "nothing in the library speaks of it"));
            }
        }
        Ok(strangers)
    }

    /// Sealed parts that no record speaks of.
    pub(crate) fn leftover_objects(&self, monitor: &dyn Monitor) -> Result<Vec<ObjectPath>> {
        let mut expected = HashSet::new();
        let mut after = None;
        loop {
            let stretch = self.catalog().assets_after(after, STRETCH_ASSETS)?;
            let Some((last, _)) = stretch.last() else { break };
            after = Some(*last);
            for (_, state) in &stretch {
                expected.extend(held_originals(state).iter().flat_map(part_paths));
            }
        }
        let mut leftovers = Vec::new();
        for found in self.place.walk() {
            if monitor.cancelled() {
                return Ok(Vec::new());
            }
            if let FoundKind::Object(path) = found?.kind
                && is_leftover(&path, &expected)
            {
                leftovers.push(path);
            }
        }
        Ok(leftovers)
    }
}

fn is_leftover(path: &ObjectPath, expected: &HashSet<String>) -> bool {
    match path.area() {
        Area::Original => !expected.contains(path.as_str()),
        // What other versions may keep here is not this version's to judge.
        _ => false,
    }
}

fn part_paths(original: &Original) -> impl Iterator<Item = String> + '_ {
    original.parts.iter().map(|part| ObjectPath::original(part.name).as_str().to_owned())
}

/// The originals that an asset has, versions included, each content once. A purged asset has none.
fn held_originals(state: &AssetState) -> Vec<Original> {
    let life = state.current();
    if life.is_purged() {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let additions = life.contents().additions().iter();
    additions
        .map(|write| &write.value.original)
        .filter(|original| seen.insert(original.content))
        .cloned()
        .collect()
}
