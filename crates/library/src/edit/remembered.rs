//! The changes that were made on this device, remembered in `device.db`, so that any process can take them back.
//!
//! Invariant: a change is remembered by the ids of its first and its last operation; between them lie its operations and
//! no others. What this device forgot, or another device made, is still in history and is not offered.

use safelight_catalog::Change;
use safelight_model::{EntityId, OpId};
use serde::{Deserialize, Serialize};

use super::change::EditReport;
use super::is_held;
use super::undo::{Made, target_of};
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::history::{sentence, shown_time};
use crate::library::Library;

/// Prefix of the settings that name changes; what follows sorts as they were made.
const PREFIX: &str = "change/";
/// More than this are not remembered.
const MOST: usize = 500;

/// What sort of change it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sort {
    /// Somebody typed something.
    Edit,
    /// Duplicates were settled.
    Settling,
    /// A change was taken back.
    Undo,
    /// Taking a change back was taken back: the change stands again.
    Redo,
}

/// The first and the last operation of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ends {
    first: (u64, u32),
    last: (u64, u32),
}

impl Ends {
    /// Those of what was made; `None` if that is nothing.
    pub(super) fn of(change: &mut Change<'_>, made: Made) -> Result<Option<Self>> {
        let numbers = made.numbers();
        if numbers.is_empty() {
            return Ok(None);
        }
        let first = change.op_numbered(*numbers.start())?;
        let last = change.op_numbered(*numbers.end())?;
        let pair = |id: OpId| (id.session, id.counter);
        Ok(first.zip(last).map(|(first, last)| Self { first: pair(first.id), last: pair(last.id) }))
    }

    /// Where its operations are now; `None` if this catalogue does not hold them as they were made.
    fn made(&self, change: &mut Change<'_>) -> Result<Option<Made>> {
        let first = change.number_of(id(self.first))?;
        let last = change.number_of(id(self.last))?;
        let made = first.zip(last).map(|(first, last)| Made::of_numbers(first, last));
        let is_whole = |made: &Made| {
            let numbers = made.numbers();
            numbers.end() - numbers.start() == i64::from(self.last.1) - i64::from(self.first.1)
        };
        Ok(made.filter(|_| self.first.0 == self.last.0).filter(is_whole))
    }

    /// The ids of all its operations.
    fn ids(&self) -> impl Iterator<Item = OpId> + use<> {
        let session = self.first.0;
        (self.first.1..=self.last.1).map(move |counter| id((session, counter)))
    }
}

fn id((session, counter): (u64, u32)) -> OpId {
    OpId { session, counter }
}

/// One change, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Remembered {
    #[serde(flatten)]
    ends: Ends,
    millis: u64,
    sort: Sort,
    #[serde(default)]
    taken_back: bool,
}

impl Remembered {
    /// Whether something that it changed has not been removed for good since.
    fn is_about_something(&self, change: &mut Change<'_>) -> Result<bool> {
        let Some(made) = self.ends.made(change)? else { return Ok(true) };
        for number in made.numbers() {
            let op = change.op_numbered(number)?;
            let Some(target) = op.as_ref().and_then(target_of) else { return Ok(true) };
            let EntityId::Asset(asset) = target.entity() else { return Ok(true) };
            if change.asset(asset)?.is_some_and(|state| is_held(&state)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A change that was made on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownChange {
    /// What it is called here.
    pub id: String,
    /// When, by this device's clock: `2026-05-14 10:11:12`, UTC.
    pub when: String,
    /// What its first operation did.
    pub what: String,
    /// How many more operations it was.
    pub more: u64,
    /// Whether it took another change back.
    pub is_undo: bool,
    /// Whether it was taken back itself.
    pub taken_back: bool,
}

/// Which changes are to be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichChanges {
    /// So many, the newest first, of those that stand.
    Last(usize),
    /// What took a change back last: that change stands again.
    LastUndo,
    /// The one of this id.
    Called(String),
}

impl Library {
    /// The changes that were made on this device, newest first.
    ///
    /// # Errors
    /// Those of the databases.
    pub fn changes_made(&self, limit: usize) -> Result<Vec<ShownChange>> {
        let remembered = self.remembered()?;
        let mut shown = Vec::new();
        let mut catalog = self.catalog();
        catalog.change(now_stamp_millis(), |change| {
            for (name, remembered) in remembered.into_iter().rev() {
                if shown.len() == limit {
                    break;
                }
                shown.extend(show(change, &name, &remembered)?);
            }
            Ok::<_, LibraryError>(())
        })?;
        Ok(shown)
    }

    /// The changes that [`Library::undo_changes`] would take back, in that order.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if there is none such.
    pub fn changes_to_undo(&self, which: &WhichChanges) -> Result<Vec<ShownChange>> {
        let chosen = self.chosen(which)?;
        let mut catalog = self.catalog();
        let shown: Vec<_> = catalog.change(now_stamp_millis(), |change| {
            chosen.iter().map(|(name, remembered)| show(change, name, remembered)).collect::<Result<_>>()
        })?;
        Ok(shown.into_iter().flatten().collect())
    }

    /// Takes changes of this device back, each as a change of its own, until one cannot be taken back at all.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if there is none such, or what would be first cannot be taken back.
    pub fn undo_changes(&mut self, which: &WhichChanges) -> Result<Vec<EditReport>> {
        self.folder.require_writable()?;
        let mut reports: Vec<EditReport> = Vec::new();
        for (name, remembered) in self.chosen(which)? {
            let made = self.catalog().change(now_stamp_millis(), |change| remembered.ends.made(change))?;
            let report = made.map(|made| self.undo(made)).transpose()?;
            match report.filter(|report| !report.changed.is_empty()) {
                Some(report) => reports.push(report),
                None if reports.is_empty() => {
                    return Err(LibraryError::Refused {
                        reason: format!("change {} was written over since, or is so already", short(&name)),
                        hint: "safelight undo --list shows the others; safelight undo --change ID takes one back".into(),
                    });
                }
                None => break,
            }
        }
        Ok(reports)
    }

    fn chosen(&self, which: &WhichChanges) -> Result<Vec<(String, Remembered)>> {
        let mut known = self.remembered()?;
        known.reverse();
        known.retain(|(_, remembered)| !remembered.taken_back);
        let (chosen, what) = match which {
            WhichChanges::Last(count) => {
                known.retain(|(_, remembered)| remembered.sort != Sort::Undo);
                let what = "no change that stands is remembered on this device".to_owned();
                (self.first_standing(known, *count)?, what)
            }
            WhichChanges::LastUndo => {
                known.retain(|(_, remembered)| remembered.sort == Sort::Undo);
                (self.first_standing(known, 1)?, "nothing was taken back".to_owned())
            }
            WhichChanges::Called(id) => {
                known.retain(|(name, _)| short(name) == *id);
                (known, format!("no change that stands is called {id}"))
            }
        };
        if chosen.is_empty() {
            return Err(LibraryError::Refused {
                reason: what,
                hint:
                    "safelight undo --list shows what was changed here; safelight history, what everybody did"
                        .into(),
            });
        }
        Ok(chosen)
    }

    /// The first of them that were about something that is still there: of what was removed for good nothing is taken back.
    fn first_standing(
        &self,
        known: Vec<(String, Remembered)>,
        most: usize,
    ) -> Result<Vec<(String, Remembered)>> {
        self.catalog().change(now_stamp_millis(), |change| {
            let mut standing = Vec::new();
            for (name, remembered) in known {
                if standing.len() == most {
                    break;
                }
                if remembered.is_about_something(change)? {
                    standing.push((name, remembered));
                }
            }
            Ok(standing)
        })
    }

    /// Every change that is remembered, oldest first. What a newer version wrote is passed over.
    fn remembered(&self) -> Result<Vec<(String, Remembered)>> {
        let kept = self.device.settings(PREFIX)?.into_iter();
        Ok(kept.filter_map(|(name, bytes)| Some((name, serde_json::from_slice(&bytes).ok()?))).collect())
    }

    /// Remembers a change that was recorded. It stands also where it cannot be remembered.
    pub(super) fn remember(&mut self, sort: Sort, ends: Ends) {
        if let Err(error) = self.try_to_remember(sort, ends) {
            tracing::warn!(%error, "a change is recorded and safelight undo will not know of it");
        }
    }

    fn try_to_remember(&mut self, sort: Sort, ends: Ends) -> Result<()> {
        let millis = now_stamp_millis();
        let known = self.device.settings(PREFIX)?;
        // A clock that was set back does not change what came last.
        let last = known.last().and_then(|(name, _)| name.strip_prefix(PREFIX)?.parse::<u64>().ok());
        let number = last.map_or(1, |last| last + 1);
        let kept = Remembered { ends, millis, sort, taken_back: false };
        let kept = serde_json::to_vec(&kept).map_err(|error| LibraryError::Io {
            path: self.folder.device_path(),
            action: "written",
            source: error.into(),
        })?;
        let name = format!("{PREFIX}{number:020}");
        let mut settings = vec![(name.as_str(), Some(kept.as_slice()))];
        let too_many = (known.len() + 1).saturating_sub(MOST);
        settings.extend(known.iter().take(too_many).map(|(name, _)| (name.as_str(), None)));
        Ok(self.device.set_settings(&settings)?)
    }

    /// What taking this change back is, how it is remembered, and what earlier processes wrote when they took something back.
    pub(super) fn before_undo(&mut self, made: Made) -> Result<(Sort, Option<(String, Remembered)>)> {
        let ends = self.catalog().change(now_stamp_millis(), |change| Ends::of(change, made))?;
        let remembered = self.remembered()?;
        let undone =
            remembered.iter().filter(|(_, remembered)| matches!(remembered.sort, Sort::Undo | Sort::Redo));
        self.put_back.extend(undone.flat_map(|(_, remembered)| remembered.ends.ids()));
        let found = remembered.into_iter().find(|(_, remembered)| Some(remembered.ends) == ends);
        let is_undo = found.as_ref().is_some_and(|(_, remembered)| remembered.sort == Sort::Undo);
        Ok((if is_undo { Sort::Redo } else { Sort::Undo }, found))
    }

    /// Notes that a change was taken back.
    pub(super) fn after_undo(&mut self, name: &str, mut remembered: Remembered) -> Result<()> {
        remembered.taken_back = true;
        let Ok(kept) = serde_json::to_vec(&remembered) else { return Ok(()) };
        Ok(self.device.set_setting(name, Some(&kept))?)
    }

    /// The settling of duplicates that was made last on this device and stands.
    pub(crate) fn last_settling(&self) -> Result<Option<WhichChanges>> {
        let mut remembered = self.remembered()?.into_iter().rev();
        let last =
            remembered.find(|(_, remembered)| remembered.sort == Sort::Settling && !remembered.taken_back);
        Ok(last.map(|(name, _)| WhichChanges::Called(short(&name).to_owned())))
    }
}

fn show(change: &mut Change<'_>, name: &str, remembered: &Remembered) -> Result<Option<ShownChange>> {
    let Some(made) = remembered.ends.made(change)? else { return Ok(None) };
    let first = change.op_numbered(*made.numbers().start())?;
    Ok(first.map(|op| ShownChange {
        id: short(name).to_owned(),
        when: shown_time(remembered.millis),
        what: sentence(&op),
        more: u64::try_from(made.numbers().end() - made.numbers().start()).unwrap_or(0),
        is_undo: remembered.sort == Sort::Undo,
        taken_back: remembered.taken_back,
    }))
}

/// The number of a change, as people type it.
fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name).trim_start_matches('0')
}
