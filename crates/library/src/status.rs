//! How many photos are safe, and what waits or failed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::Serialize;

use safelight_catalog::{FileState, Shelf, ShelfTotals, SyncState};
use safelight_crypto::ContentHash;
use safelight_model::{Original, Storage};
use safelight_sync::HAS_FREED;

use crate::backup::ShownBackup;
use crate::brake::ShownBrake;
use crate::error::Result;
use crate::library::Library;
use crate::linked;
use crate::objects::are_parts_here;
use crate::remote::{Capped, Safety};
use crate::scan::path_below;
use crate::verify::is_for_damage;

/// How many failures a status names.
const NAMED_FAILURES: usize = 20;

/// How many rows are looked at together.
const STRETCH_FILES: usize = 1000;

/// What is said of an original whose sealed copy here is damaged and that rests in no other place.
const DAMAGED_COPY: &str = "its sealed copy is damaged; importing the file again repairs it";
/// What is said of one that is linked.
const CHANGED_LINK: &str = "it is linked and the file no longer holds what was imported; import it again to take what it holds now as a new version";

/// A file that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct FailedFile {
    /// The file.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// How the library stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct Status {
    /// The library's id.
    pub library: String,
    /// Its folder.
    pub folder: String,
    /// All photos and videos.
    pub assets: u64,
    /// Photos among them, RAW included.
    pub photos: u64,
    /// Videos among them.
    pub videos: u64,
    /// What is neither, by what is known of it, and kept all the same.
    pub others: u64,
    /// Photos and videos of which an original was found damaged and is not repaired yet.
    pub damaged: u64,
    /// Photos and videos that are safe: whole in one place at least. A linked file that is there counts.
    pub safe: u64,
    /// In how many places each of the safe ones is at least.
    pub places: u64,
    /// Photos and videos whose originals rest whole in fewer than two places, linked files not counted; none where there
    /// is no remote.
    pub in_fewer_than_two_places: Option<u64>,
    /// What waits to be sent somewhere.
    pub waiting: u64,
    /// Files that should have been taken and were not, originals that are damaged, and such as could not be sent.
    pub failed: u64,
    /// The first twenty of them.
    pub failures: Vec<FailedFile>,
    /// Bytes of the originals.
    pub original_bytes: u64,
    /// Originals that stayed where they were.
    pub linked: u64,
    /// Their bytes; of these the library holds no copy.
    pub linked_bytes: u64,
    /// Those of them that are not there now, because a disk is not connected, they are gone, or something else lies in
    /// their place.
    pub linked_absent: u64,
    /// Some of these files, of the first two kinds.
    pub absent: Vec<String>,
    /// Some of these files, of the third.
    pub replaced: Vec<String>,
    /// Photos whose pixels cannot be decoded.
    pub undecodable: u64,
    /// Previews still to be made.
    pub previews_pending: u64,
    /// Watched folders.
    pub sources: u64,
    /// Operations in the history.
    pub operations: u64,
    /// Segments of history that are closed.
    pub segments: u64,
    /// Six words to compare with another device: the same words, the same history.
    pub six_words: String,
    /// What is left in remotes of segments that copies of devices wrote, and that nobody can read: told once by the sync that found it.
    pub leftovers: Vec<FailedFile>,
    /// Whether nobody but the place that this library was joined from has shown its history.
    pub unwitnessed: bool,
    /// Whether this device began with a checkpoint that the history has not proven yet.
    pub provisional: bool,
    /// Remotes that may still hold what was forgotten: the next sync takes it out where the credential may delete.
    pub forgetting_waits_for: Vec<String>,
    /// Remotes to which nothing of photos goes for now, because their daily cap is reached.
    pub capped: Vec<Capped>,
    /// Why nothing is let go on this device, where the brake is on.
    pub brake: Vec<ShownBrake>,
    /// When the recovery words in force replaced others, `2026-05-14 10:11:12`, UTC; none: they are those that the library was
    /// made with.
    pub recovery_words_since: Option<String>,
    /// When the recovery words in force were last tried out on this device, `2026-05-14 10:11:12`, UTC; none: never.
    pub recovery_tested: Option<String>,
    /// The backups of this device, and when each was last made and last proven.
    pub backups: Vec<ShownBackup>,
    /// Whether nothing may be written.
    pub read_only: bool,
}

/// Counts failures, and names the first of them.
#[derive(Default)]
struct Failures {
    count: u64,
    named: Vec<FailedFile>,
}

impl Failures {
    /// Whether as many are named as will be.
    fn are_named(&self) -> bool {
        self.named.len() >= NAMED_FAILURES
    }

    fn add(&mut self, path: impl FnOnce() -> String, reason: impl Into<String>) {
        self.count += 1;
        if !self.are_named() {
            self.named.push(FailedFile { path: path(), reason: reason.into() });
        }
    }
}

/// How the linked files of a library stand.
#[derive(Default)]
struct Links {
    bytes: u64,
    absent: u64,
    named: Vec<String>,
    replaced: Vec<String>,
    contents: HashSet<ContentHash>,
}

impl Links {
    fn add(&mut self, content: ContentHash, path: &Path, is_replaced: bool) {
        self.absent += 1;
        self.contents.insert(content);
        let named = if is_replaced { &mut self.replaced } else { &mut self.named };
        if named.len() < NAMED_FAILURES {
            named.push(path.to_string_lossy().into_owned());
        }
    }
}

impl Library {
    /// How many photos and videos stand in one part of the library; costs nothing.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn count_on(&self, shelf: Shelf) -> Result<u64> {
        Ok(self.catalog().totals(shelf)?.assets())
    }

    /// How the library stands.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn status(&self) -> Result<Status> {
        let (timeline, mut hidden, operations, segments) = {
            let catalog = self.catalog();
            let tips = catalog.tips()?;
            let segments = tips.iter().map(|(_, tip)| u64::from(tip.seq.0)).sum();
            (catalog.totals(Shelf::Shown)?, catalog.totals(Shelf::Hidden)?, catalog.count_ops()?, segments)
        };
        if self.keeps_hidden_back() {
            hidden = ShelfTotals::default();
        }
        let mut failures = Failures::default();
        self.count_damaged(&mut failures)?;
        self.count_unsettled(&mut failures)?;
        let (waiting, unsent) = self.sync_standing()?;
        self.count_unsent(unsent, &mut failures)?;
        let linked = timeline.linked + hidden.linked;
        let photos = timeline.photos + timeline.raws + hidden.photos + hidden.raws;
        let (videos, assets) = (timeline.videos + hidden.videos, timeline.assets() + hidden.assets());
        let links = self.look_at_links()?;
        let queue = self.device.render_queue()?;
        let (damaged, has_remotes) = (self.count_damaged_assets()?, !self.device.remotes()?.is_empty());
        let may_be_away = has_remotes || !self.is_alone()? || self.device.setting(HAS_FREED)?.is_some();
        let safety = if may_be_away {
            self.safety(&links.contents)?
        } else {
            // All that is not known to be missing is here, without looking at each.
            let safe = assets.saturating_sub(links.absent + damaged);
            Safety { safe, places: (safe > 0).then_some(1), in_few_places: assets }
        };
        Ok(Status {
            library: self.id().to_string(),
            folder: self.path().to_string_lossy().into_owned(),
            assets,
            photos,
            videos,
            others: assets.saturating_sub(photos + videos),
            damaged,
            safe: safety.safe,
            places: safety.places.unwrap_or(u64::from(assets == 0)),
            in_fewer_than_two_places: has_remotes.then_some(safety.in_few_places),
            waiting,
            failed: failures.count,
            failures: failures.named,
            original_bytes: timeline.bytes + hidden.bytes,
            linked,
            linked_bytes: links.bytes,
            linked_absent: links.absent,
            absent: links.named,
            replaced: links.replaced,
            undecodable: timeline.undecodable + hidden.undecodable,
            previews_pending: queue.waiting_jobs,
            sources: self.sources()?.len() as u64,
            operations,
            segments,
            six_words: self.six_words()?,
            leftovers: self.leftovers()?,
            unwitnessed: self.is_unwitnessed()?,
            provisional: self.is_provisional()?,
            forgetting_waits_for: self.forgetting_waits_for()?,
            capped: self.capped_remotes()?,
            brake: self.brake()?.causes,
            recovery_words_since: self.recovery_words_since()?,
            recovery_tested: self.recovery_tested()?,
            backups: self.backups()?,
            read_only: self.is_read_only(),
        })
    }

    /// Photos and videos of which an original is damaged.
    fn count_damaged_assets(&self) -> Result<u64> {
        let mut assets = HashSet::new();
        for (content, _) in self.damaged_originals()? {
            assets.extend(self.catalog().find_content(content)?);
        }
        Ok(assets.len() as u64)
    }

    /// Originals that were found damaged and that something can be done about. A linked one that is gone, or in whose
    /// place something else lies, is absent.
    fn damaged_originals(&self) -> Result<Vec<(ContentHash, Option<Original>)>> {
        let mut damaged = Vec::new();
        let here = self.keyring().device().id();
        for content in self.damaged.contents() {
            if self.is_purged(&content)? {
                continue;
            }
            let original = self.original_of(&content)?;
            let is_absent = match &original {
                Some(original) if original.storage == Storage::Linked && original.source.device == here => {
                    linked::find(original, here, &self.device).is_err_and(|error| error.is_absence())
                        || self.is_replaced(original)?
                }
                _ => false,
            };
            if !is_absent {
                damaged.push((content, original));
            }
        }
        Ok(damaged)
    }

    /// Originals that a verification found damaged.
    fn count_damaged(&self, failures: &mut Failures) -> Result<()> {
        for (content, original) in self.damaged_originals()? {
            let is_linked = original.as_ref().is_some_and(|original| original.storage == Storage::Linked);
            if self.is_content_kept_back(&content)? || failures.are_named() {
                failures.count += 1;
                continue;
            }
            let path = || match &original {
                Some(original) => linked::path_of(original).to_string_lossy().into_owned(),
                None => content.to_string(),
            };
            let reason = match self.names_of_holders(&content)?.first() {
                _ if is_linked => CHANGED_LINK.to_owned(),
                Some(remote) => {
                    format!(
                        "its sealed copy here is damaged; it rests in {remote} too, and safelight sync brings it back"
                    )
                }
                None => DAMAGED_COPY.to_owned(),
            };
            failures.add(path, reason);
        }
        Ok(())
    }

    /// Files that could not be taken. Those that wait to be read again for a damaged original were counted with it.
    fn count_unsettled(&self, failures: &mut Failures) -> Result<()> {
        for source in self.device.sources()? {
            let mut after: Option<Vec<u8>> = None;
            loop {
                let files = self.device.unsettled_files(source.id, after.as_deref(), STRETCH_FILES)?;
                let Some(last) = files.last() else { break };
                after = Some(last.path.clone());
                for file in files.into_iter().filter(|file| !is_for_damage(&file.state)) {
                    let FileState::Unsettled(reason) = file.state else { continue };
                    let root = Path::new(OsStr::from_bytes(&source.path));
                    let path = || path_below(root, &file.path).to_string_lossy().into_owned();
                    failures.add(path, reason);
                }
            }
        }
        Ok(())
    }

    /// Whether a content is of photos that were removed for good, and of none that is left: nobody misses it.
    fn is_purged(&self, content: &ContentHash) -> Result<bool> {
        Ok(self.catalog().content_use(content)?.is_some_and(|used| !used.is_referenced))
    }

    /// What is left of segments in remotes, which nobody can read.
    fn leftovers(&self) -> Result<Vec<FailedFile>> {
        let mut found = Vec::new();
        for remote in self.device.remotes()? {
            found.extend(self.device.leftovers(remote.id)?.into_iter().map(|left| FailedFile {
                path: format!("{}: {}", remote.name, left.object),
                reason: left.reason,
            }));
        }
        Ok(found)
    }

    /// Originals that could not be sent to a remote, and those that one lost and that are not here.
    fn count_unsent(&self, unsent: u64, failures: &mut Failures) -> Result<()> {
        let mut named = 0;
        for remote in self.device.remotes()? {
            for row in self.device.originals_in(remote.id, SyncState::Failed, None, NAMED_FAILURES)? {
                if self.is_content_kept_back(&row.content)? || self.is_purged(&row.content)? {
                    continue;
                }
                let original = self.original_of(&row.content)?;
                let path = || original.map_or(row.content.to_string(), |original| original.source.display());
                let reason = row.reason.unwrap_or_else(|| "it could not be sent".into());
                failures.add(path, format!("{}: {reason}", remote.name));
                named += 1;
            }
            for row in self.device.originals_in(remote.id, SyncState::Lost, None, NAMED_FAILURES)? {
                if self.is_content_kept_back(&row.content)? || self.is_purged(&row.content)? {
                    continue;
                }
                let original = self.original_of(&row.content)?;
                let path = || original.map_or(row.content.to_string(), |original| original.source.display());
                failures.add(path, format!("{}: {}", remote.name, self.why_lost(&remote.name, &row)?));
                named += 1;
            }
        }
        failures.count += unsent.saturating_sub(named);
        Ok(())
    }

    /// Looks whether the linked files are there; opens none of those that are where they were.
    fn look_at_links(&self) -> Result<Links> {
        let mut links = Links::default();
        self.each_linked(|row| {
            links.bytes += row.size_bytes;
            let path = Path::new(OsStr::from_bytes(&row.path));
            let is_there = path.exists();
            if is_there && !self.damaged.has(&row.content) {
                return Ok(());
            }
            let Some(original) = self.original_of(&row.content)? else { return Ok(()) };
            if self.is_content_kept_back(&row.content)? {
                return Ok(());
            }
            if is_there && self.is_replaced(&original)? {
                links.add(row.content, path, true);
            }
            let here = self.keyring().device().id();
            if !is_there
                && original.source.device == here
                && !are_parts_here(&self.place, &original)?
                && linked::find(&original, here, &self.device).is_err()
            {
                links.add(row.content, path, false);
            }
            Ok(())
        })?;
        Ok(links)
    }
}
