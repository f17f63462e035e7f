//! Photos that are there more than once: found, shown with the one to keep, settled.
//!
//! The same bytes at several paths are one photo already. Here are other bytes that show the same: `exact` ones, whose
//! pixels are equal, and `near` ones, that were saved again, resized, retouched or cut; and `burst`s, several shots of one
//! moment, which are offered as a stack and never for the trash. Fingerprints find what may be alike ([`nearness`]), pixels
//! of the thumbnails decide ([`likeness`]); two dates of a camera are two pictures, whatever they look like.
//!
//! Invariant: of a group nothing goes to the trash before the one that stays was read back whole and has its hash, and a
//! group is *safe* only if nothing but the number of copies is lost by settling it. The figures behind all thresholds:
//! docs/decisions/duplicates.md.

mod choice;
mod closely;
mod groups;
mod likeness;
mod looking;
mod nearness;
mod photo;
mod settle;
mod showing;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::mpsc::sync_channel;

use safelight_catalog::Shelf;
use safelight_crypto::ContentHash;
use safelight_model::AssetId;
use serde::Serialize;

pub use choice::KeepReason;
pub use settle::{ChosenGroup, ChosenStack, DedupeReport};
pub use showing::{ShownDuplicate, ShownGroup, ShownIn};

use crate::error::Result;
use crate::library::Library;
use crate::monitor::{Monitor, Task};
use closely::Apart;
use looking::{Looked, Looker};
use photo::{Names, Photo};

/// So many photos may be fetched and not yet read.
const FETCHED_AHEAD: usize = 1024;

/// What the photos of a group have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DuplicateKind {
    /// The same pixels in other bytes.
    Exact,
    /// The same picture, saved again, resized, retouched or cut.
    Near,
    /// Several shots of one moment.
    Burst,
}

/// A photo of a group.
#[derive(Debug, Clone)]
struct Member {
    asset: AssetId,
    /// The content that was looked at; with another one it is another photo.
    content: ContentHash,
    size_bytes: u64,
    /// How alike it is to the one to keep, 0 to 100.
    likeness: u8,
}

/// Photos that belong together, the one to keep first.
#[derive(Debug, Clone)]
struct Group {
    kind: DuplicateKind,
    members: Vec<Member>,
    reason: KeepReason,
    /// The reason in words.
    told: String,
    /// Why it is not settled with all the others at once.
    unsafe_because: Option<String>,
}

impl Group {
    fn dropped(&self) -> &[Member] {
        self.members.get(1..).unwrap_or_default()
    }

    fn has(&self, asset: AssetId) -> bool {
        self.members.iter().any(|member| member.asset == asset)
    }
}

/// How many groups there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct GroupCounts {
    /// The same pixels.
    pub exact: u64,
    /// The same picture.
    pub near: u64,
    /// Shots of one moment.
    pub burst: u64,
}

/// All groups of a library, as they were at one [revision](Library::revision): exact ones, near ones, bursts, each newest
/// first.
#[derive(Debug, Default)]
pub struct Duplicates {
    revision: u64,
    groups: Vec<Group>,
    /// What was seen of pairs, so that nothing is looked at twice.
    looked: HashMap<(ContentHash, ContentHash), Looked>,
    /// What closer looks have shown, also of earlier searches.
    apart: Apart,
}

impl Duplicates {
    /// The revision at which they were found.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many groups of each kind.
    #[must_use]
    pub fn counts(&self) -> GroupCounts {
        let of = |kind| self.groups.iter().filter(|group| group.kind == kind).count() as u64;
        GroupCounts {
            exact: of(DuplicateKind::Exact),
            near: of(DuplicateKind::Near),
            burst: of(DuplicateKind::Burst),
        }
    }

    /// How many groups can be settled at once.
    #[must_use]
    pub fn safe_groups(&self) -> u64 {
        self.safe().count() as u64
    }

    /// Bytes of the originals that settling the safe groups puts into the trash.
    #[must_use]
    pub fn safe_bytes(&self) -> u64 {
        self.safe().flat_map(Group::dropped).map(|member| member.size_bytes).sum()
    }

    fn safe(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| self.doubt(group).is_none())
    }

    /// Why a group is not settled with all the others at once.
    fn doubt<'a>(&self, group: &'a Group) -> Option<&'a str> {
        let closely =
            || self.apart.has(group).then_some("they differ in a small place, such as a word or a number");
        group.unsafe_because.as_deref().or_else(closely)
    }
}

impl Library {
    /// Finds all photos in the timeline that are there more than once. What was found before spares looking again.
    ///
    /// # Errors
    /// Those of the catalogue, and of thumbnails that are damaged.
    pub fn find_duplicates(&self, before: Option<&Duplicates>, monitor: &dyn Monitor) -> Result<Duplicates> {
        let revision = self.revision()?;
        let photos = self.comparable_photos()?;
        let sets = groups::candidates(&photos);
        let apart = before.map(|before| before.apart.clone()).unwrap_or_default();
        let mut looker = Looker::new(self, before.map(|before| before.looked.clone()).unwrap_or_default());
        monitor.begin(Task::Compare, Some(sets.iter().map(|set| set.len() as u64).sum()), None);
        let found = groups::find(self, &photos, &sets, &mut looker, monitor);
        monitor.end();
        Ok(Duplicates { revision, groups: found?, looked: looker.finish(), apart })
    }

    /// All photos of the timeline, newest first: while some are fetched, another thread reads those before them.
    fn comparable_photos(&self) -> Result<Vec<Photo>> {
        let (sender, fetched) = sync_channel(FETCHED_AHEAD);
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut names = Names::default();
                fetched.into_iter().map(|one| Photo::of(&one, &mut names)).collect::<Result<Vec<_>>>()
            });
            // Whoever reads has stopped only where it has an error to tell.
            self.catalog().each_comparable(Shelf::Shown, |one| drop(sender.send(one)))?;
            drop(sender);
            reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Remembers which photos look alike, so that `is:duplicate` finds them.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn remember_alike(&mut self, found: &Duplicates) -> Result<()> {
        self.folder.require_writable()?;
        let alike = found.groups.iter().filter(|group| group.kind != DuplicateKind::Burst);
        let clusters: Vec<Vec<AssetId>> =
            alike.map(|group| group.members.iter().map(|member| member.asset).collect()).collect();
        Ok(self.catalog().set_alike(&clusters)?)
    }
}
