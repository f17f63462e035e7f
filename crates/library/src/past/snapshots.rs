//! Snapshots: moments with a name, by hand or by a schedule that all devices share.
//!
//! Invariant: what a snapshot shows outside of the trash is not removed for good while the snapshot is there
//! ([`Holders`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use safelight_catalog::{Catalog, Until};
use safelight_crypto::{DeviceId, Entropy as _, OsEntropy};
use safelight_model::history::Seen;
use safelight_model::{
    AssetState, EntityId, Field, OpId, Record, Register, SegmentSeq, Snapshot, Target, Value,
};
use serde::Serialize;

use super::Moment;
use super::moment::{When, unknown};
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::library::Library;

/// The setting that says when snapshots are made.
const SCHEDULE: &str = "snapshots";
/// A name is one line of at most so many letters.
const MOST_NAME_CHARS: usize = 100;
/// Snapshots that one library may have: each is looked at whenever the trash is emptied.
const MOST: usize = 1000;

/// A snapshot, as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownSnapshot {
    /// What it is called.
    pub name: String,
    /// When it was made: `2026-05-14 10:11:12`, UTC.
    pub made: String,
    /// Whether the schedule made it, which also removes it.
    pub scheduled: bool,
    /// Whether all of its history is on this device.
    pub is_here: bool,
}

/// How many scheduled snapshots are kept: the newest of so many days, weeks and months that have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct SnapshotKeep {
    /// Days.
    pub days: u32,
    /// Weeks.
    pub weeks: u32,
    /// Months.
    pub months: u32,
}

/// When snapshots are made by themselves, by the first sync or import of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct SnapshotSchedule {
    /// Whether once a week, not once a day.
    pub weekly: bool,
    /// How many stay.
    pub keep: SnapshotKeep,
}

/// One that is in the history, with its id.
struct Known {
    id: u64,
    snapshot: Snapshot,
}

impl Default for SnapshotKeep {
    fn default() -> Self {
        Self { days: 7, weeks: 4, months: 12 }
    }
}

impl SnapshotKeep {
    /// Reads `7d,4w,12m`; what is not named is not kept.
    #[must_use]
    pub fn parse(words: &str) -> Option<Self> {
        let mut keep = Self { days: 0, weeks: 0, months: 0 };
        for word in words.split(',') {
            let (number, unit) = word.trim().split_at_checked(word.trim().len().checked_sub(1)?)?;
            let number: u32 = number.parse().ok().filter(|number| (1..=1000).contains(number))?;
            let place = match unit {
                "d" => &mut keep.days,
                "w" => &mut keep.weeks,
                "m" => &mut keep.months,
                _ => return None,
            };
            if std::mem::replace(place, number) != 0 {
                return None;
            }
        }
        Some(keep)
    }

    /// Which of some snapshots stay: the newest of each day, week and month that counts.
    fn stay(&self, made: &[(u64, Date)]) -> BTreeSet<u64> {
        let mut newest_first = made.to_vec();
        newest_first.sort_by_key(|(id, day)| std::cmp::Reverse((*day, *id)));
        let mut stay = BTreeSet::new();
        let mut keep_each = |count: u32, period: &dyn Fn(Date) -> Date| {
            let mut met = BTreeSet::new();
            for (id, day) in &newest_first {
                if met.len() == count as usize {
                    break;
                }
                if met.insert(period(*day)) {
                    stay.insert(*id);
                }
            }
        };
        keep_each(self.days, &|day| day);
        keep_each(self.weeks, &monday);
        keep_each(self.months, &Date::first_of_month);
        stay
    }
}

impl fmt::Display for SnapshotKeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.days, 'd'), (self.weeks, 'w'), (self.months, 'm')];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        f.write_str(&parts.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(","))
    }
}

impl SnapshotSchedule {
    fn value(self) -> Value {
        Value::from(format!("{} {}", self.word(), self.keep))
    }

    fn of_value(value: &Value) -> Option<Self> {
        let Value::Text(words) = value else { return None };
        let (often, keep) = words.split_once(' ')?;
        let weekly = match often {
            "daily" => false,
            "weekly" => true,
            _ => return None,
        };
        Some(Self { weekly, keep: SnapshotKeep::parse(keep)? })
    }

    /// The word for how often.
    #[must_use]
    pub fn word(self) -> &'static str {
        if self.weekly { "weekly" } else { "daily" }
    }

    /// What the snapshot of a day is called.
    fn name(self, today: Date) -> String {
        format!("{} {}", self.word(), if self.weekly { monday(today) } else { today })
    }
}

impl Library {
    /// All snapshots, newest first.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn snapshots(&self) -> Result<Vec<ShownSnapshot>> {
        let catalog = self.catalog();
        let shown = known(&catalog)?.into_iter().map(|Known { snapshot, .. }| {
            Ok(ShownSnapshot {
                made: shown_time(snapshot.made_millis),
                scheduled: snapshot.is_scheduled,
                is_here: are_here(&catalog, &snapshot.heads)?,
                name: snapshot.name,
            })
        });
        shown.collect()
    }

    /// When snapshots are made by themselves; none: never.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn snapshot_schedule(&self) -> Result<Option<SnapshotSchedule>> {
        let record = self.catalog().record(&EntityId::Library)?.unwrap_or_default();
        Ok(record.value(Field::setting(SCHEDULE)).and_then(SnapshotSchedule::of_value))
    }

    /// Makes a snapshot of what the library is now; without a name it is called after the minute.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] for a name that is taken, or reads as a moment; those of the catalogue.
    pub fn add_snapshot(&mut self, name: Option<&str>) -> Result<ShownSnapshot> {
        let now = Zoned::now();
        let name = match name.map(str::trim) {
            Some(name) => name.to_owned(),
            None => format!("snapshot {}", now.strftime("%Y-%m-%d %H:%M:%S")),
        };
        let refused = |reason: String| LibraryError::Refused { reason, hint: "give it another name".into() };
        if name.is_empty() || name.chars().count() > MOST_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(refused(format!("a name is one line of at most {MOST_NAME_CHARS} letters")));
        }
        if Moment::parse(&name, &TimeZone::system(), now.timestamp()).is_ok() {
            return Err(refused(format!("{name} already means a moment")));
        }
        let taken = known(&self.catalog())?;
        if taken.iter().any(|known| known.snapshot.name == name) {
            return Err(refused(format!("there is a snapshot {name} already")));
        }
        if taken.len() >= MOST {
            return Err(LibraryError::Refused {
                reason: format!("there are {MOST} snapshots, and no library has more"),
                hint: "safelight snapshot remove NAME makes room".into(),
            });
        }
        self.make_snapshot(name, false, Vec::new())
    }

    /// Removes a snapshot: what only it held may then be removed for good.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] if there is none of that name.
    pub fn remove_snapshot(&mut self, name: &str) -> Result<ShownSnapshot> {
        let found = self.snapshots()?.into_iter().find(|snapshot| snapshot.name == name.trim());
        let Some(shown) = found else { return Err(no_such(name)) };
        let gone: Vec<u64> = known(&self.catalog())?
            .into_iter()
            .filter(|known| known.snapshot.name == shown.name)
            .map(|known| known.id)
            .collect();
        self.change(|change| {
            let record = change.record(&EntityId::Library)?.unwrap_or_default();
            for id in gone {
                change.push(record.write_field(Target::Library, Snapshot::field(id), Value::None))?;
            }
            Ok(())
        })?;
        Ok(shown)
    }

    /// Says when snapshots are made by themselves, on all devices; none: never. Those that are there stay.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn schedule_snapshots(&mut self, schedule: Option<SnapshotSchedule>) -> Result<()> {
        let value = schedule.map_or(Value::None, SnapshotSchedule::value);
        self.change(|change| {
            let record = change.record(&EntityId::Library)?.unwrap_or_default();
            change.push(record.write_field(Target::Library, Field::setting(SCHEDULE), value))?;
            Ok(())
        })
    }

    /// Makes the snapshot that is due, and removes those that the schedule keeps no longer. The first device of the day does it.
    pub(crate) fn keep_snapshots(&mut self) -> Result<()> {
        // Who has left, or may only look, makes none.
        if self.is_read_only() || self.require_membership().is_err() {
            return Ok(());
        }
        let Some(schedule) = self.snapshot_schedule()? else { return Ok(()) };
        let today = Zoned::now().date();
        let name = schedule.name(today);
        let all = known(&self.catalog())?;
        if all.iter().any(|known| known.snapshot.name == name) {
            return Ok(());
        }
        let scheduled = all.iter().filter(|known| known.snapshot.is_scheduled);
        let made: Vec<(u64, Date)> = scheduled.map(|known| (known.id, day_of(&known.snapshot))).collect();
        // The one that is made now is the newest of its day, week and month.
        let mut with_today = made.clone();
        with_today.push((u64::MAX, today));
        let stay = schedule.keep.stay(&with_today);
        let gone = made.into_iter().map(|(id, _)| id).filter(|id| !stay.contains(id)).collect();
        self.make_snapshot(name, true, gone).map(drop)
    }

    fn make_snapshot(&mut self, name: String, is_scheduled: bool, gone: Vec<u64>) -> Result<ShownSnapshot> {
        self.folder.require_writable()?;
        self.close_segment()?;
        let heads = Seen::new(self.catalog().tips()?);
        let snapshot = Snapshot { name, made_millis: now_stamp_millis(), is_scheduled, heads };
        let value = snapshot.to_value().ok_or_else(|| LibraryError::Refused {
            reason: "more devices belong to this library than a snapshot can be of".into(),
            hint: "safelight device retire takes those out that are gone".into(),
        })?;
        let mut id = [0; 8];
        OsEntropy.fill(&mut id);
        self.change(|change| {
            let record = change.record(&EntityId::Library)?.unwrap_or_default();
            change.push(record.write_field(
                Target::Library,
                Snapshot::field(u64::from_be_bytes(id)),
                value,
            ))?;
            for id in gone {
                change.push(record.write_field(Target::Library, Snapshot::field(id), Value::None))?;
            }
            Ok(())
        })?;
        Ok(ShownSnapshot {
            name: snapshot.name,
            made: shown_time(snapshot.made_millis),
            scheduled: is_scheduled,
            is_here: true,
        })
    }

    /// Up to where history is folded for a moment.
    pub(super) fn until(&self, moment: &Moment) -> Result<Until> {
        let name = match moment.when() {
            When::Millis(millis) => return Ok(Until::Moment(*millis)),
            When::Snapshot(name) => name,
        };
        let catalog = self.catalog();
        let found = known(&catalog)?.into_iter().find(|known| known.snapshot.name == *name);
        let Some(Known { snapshot, .. }) = found else { return Err(unknown(name)) };
        if !are_here(&catalog, &snapshot.heads)? {
            return Err(LibraryError::Refused {
                reason: format!("not all of the history that snapshot {name} is of is on this device"),
                hint: "safelight sync brings it; then ask again".into(),
            });
        }
        Ok(Until::Heads(snapshot.heads.iter().map(|(device, tip)| (device, tip.seq)).collect()))
    }

    /// What the snapshots hold, to be asked of many photos.
    pub(crate) fn holders(&self) -> Result<Holders> {
        let snapshots = known(&self.catalog())?.into_iter().map(|known| known.snapshot.heads);
        Ok(Holders { heads: snapshots.collect(), segments: BTreeMap::new() })
    }
}

/// The snapshots, and where the ops lie that were asked about.
pub(crate) struct Holders {
    heads: Vec<Seen>,
    segments: BTreeMap<OpId, Option<(DeviceId, SegmentSeq)>>,
}

impl Holders {
    /// Whether some snapshot shows a photo outside of the trash that lies there now, so that it is not removed for good.
    pub(crate) fn hold(&mut self, catalog: &Catalog, state: &AssetState) -> Result<bool> {
        let Self { heads, segments } = self;
        let mut reaches = |heads: &Seen, op: OpId| -> Result<bool> {
            let segment = match segments.get(&op) {
                Some(segment) => *segment,
                None => *segments.entry(op).or_insert(catalog.segment_of(op)?),
            };
            Ok(segment.is_some_and(|(device, seq)| heads.of(device).is_some_and(|head| seq <= head.seq)))
        };
        let trash = state.current().record().field(Field::TRASHED).map(Register::heads).unwrap_or_default();
        for heads in heads {
            let (mut was_there, mut was_in_trash) = (false, !trash.is_empty());
            for addition in state.current().contents().additions() {
                was_there |= reaches(heads, addition.op)?;
            }
            for head in trash {
                was_in_trash &= reaches(heads, head.op)?;
            }
            if was_there && !was_in_trash {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// All that stand, newest first.
fn known(catalog: &Catalog) -> Result<Vec<Known>> {
    let record: Record = catalog.record(&EntityId::Library)?.unwrap_or_default();
    let mut all: Vec<Known> = record
        .fields()
        .filter_map(|(field, _)| {
            let id = Snapshot::id_of(field)?;
            Some(Known { id, snapshot: Snapshot::of_value(record.value(field.clone())?)? })
        })
        .collect();
    all.sort_by_key(|known| std::cmp::Reverse((known.snapshot.made_millis, known.id)));
    Ok(all)
}

/// Whether the segments that a snapshot names are all known.
fn are_here(catalog: &Catalog, heads: &Seen) -> Result<bool> {
    for (device, tip) in heads.iter() {
        if catalog.segment_root(device, tip.seq)? != Some(tip.root) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The Monday of a day's week.
fn monday(day: Date) -> Date {
    day.checked_sub(i32::from(day.weekday().to_monday_zero_offset()).days()).unwrap_or(day)
}

fn day_of(snapshot: &Snapshot) -> Date {
    let millis = i64::try_from(snapshot.made_millis).unwrap_or(i64::MAX);
    let made = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    made.to_zoned(TimeZone::system()).date()
}

fn no_such(name: &str) -> LibraryError {
    LibraryError::Refused {
        reason: format!("there is no snapshot {name}"),
        hint: "safelight snapshot lists them".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_written() {
        let keep = SnapshotKeep::parse("7d,4w,12m").unwrap();
        assert_eq!(keep, SnapshotKeep::default());
        assert_eq!(keep.to_string(), "7d,4w,12m");
        assert_eq!(SnapshotKeep::parse("2m").unwrap().to_string(), "2m");
        for words in ["", "7", "0d", "7d,7d", "7y", "-1d", "d", "7d;4w", "9999d", "7é"] {
            assert_eq!(SnapshotKeep::parse(words), None, "{words}");
        }
    }

    #[test]
    fn the_newest_of_each_day_week_and_month_stay() {
        let first: Date = "2026-01-01".parse().unwrap();
        let day = |number: i32| first.checked_add(number.days()).unwrap();
        // One a day for a year; the numbers are days.
        let made: Vec<(u64, Date)> =
            (0..365).map(|number: u16| (u64::from(number), day(number.into()))).collect();
        let stay = SnapshotKeep { days: 3, weeks: 2, months: 3 }.stay(&made);
        let stay: Vec<String> = stay.iter().map(|id| day(i32::try_from(*id).unwrap()).to_string()).collect();
        // 2026-12-31 is a Thursday.
        let expected = ["2026-10-31", "2026-11-30", "2026-12-27", "2026-12-29", "2026-12-30", "2026-12-31"];
        assert_eq!(stay, expected);
        assert!(SnapshotKeep { days: 0, weeks: 0, months: 0 }.stay(&made).is_empty());
    }
}
