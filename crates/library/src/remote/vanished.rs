//! What lay in the library folder and is there no more, although nobody here removed it: noticed by a sync, so that it comes
//! back with the same sync.
//!
//! Asked are names alone: the folders of objects tell when a name last came or went in them, so nothing new costs one look
//! at each folder (about a thousand in any large library), and what was imported costs listing the folders that it went
//! into. Only where a name is missing everything is looked for, as `verify --quick` does: by names and sizes. What is
//! damaged in its place is `verify`'s to find.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use safelight_catalog::RememberedShard;
use safelight_store::{Area, Shard};
use safelight_sync::is_held;

use crate::error::Result;
use crate::library::Library;
use crate::monitor::Monitor;

/// A folder that changed so shortly ago may change once more within the same tick of its clock.
const SETTLED: Duration = Duration::from_secs(3);

/// What changed in the folders of objects since the last look.
#[derive(Debug, Default)]
struct Changes {
    /// Whether nobody looked before.
    is_first: bool,
    /// Names that were there and are not.
    missing: usize,
    changed: Vec<RememberedShard>,
    gone: Vec<String>,
}

impl Library {
    /// Notes originals and renditions that are gone as damaged, so that they are fetched or made again.
    pub(super) fn notice_vanished(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let changes = self.changes_of_shards()?;
        // Who looks for the first time may have joined just now, and keeps what it does not hold elsewhere.
        if changes.missing > 0 {
            self.look_for_lost(monitor)?;
            if monitor.cancelled() {
                // The next sync looks again.
                return Ok(());
            }
        }
        self.keep_shards(&changes)
    }

    /// Remembers what is in the folder now: what is missing since the last look was removed by this process.
    pub(super) fn remember_shards(&mut self) -> Result<()> {
        let changes = self.changes_of_shards()?;
        self.keep_shards(&changes)
    }

    fn keep_shards(&mut self, changes: &Changes) -> Result<()> {
        if changes.is_first || !changes.changed.is_empty() || !changes.gone.is_empty() {
            self.device.remember_shards(&changes.changed, &changes.gone)?;
        }
        Ok(())
    }

    /// What to say after the folder of objects was made anew and everything was looked for: what was in it, and how it comes
    /// back.
    pub(crate) fn say_lost_objects(&self) -> Result<String> {
        let (mut held, mut lost, mut remotes) = (0_u64, 0_u64, BTreeSet::new());
        let rows = self.device.remotes()?;
        for content in self.damaged.contents() {
            if self.catalog().content_use(&content)?.is_some_and(|used| !used.is_referenced) {
                continue;
            }
            let states = self.device.original_at_remotes(&content)?;
            let holding = states.iter().filter(|(_, row)| is_held(row.state)).map(|(id, _)| *id);
            let named: Vec<&str> = rows
                .iter()
                .filter(|row| holding.clone().any(|id| id == row.id))
                .map(|row| &*row.name)
                .collect();
            if named.is_empty() {
                lost += 1;
            } else {
                held += 1;
            }
            remotes.extend(named.into_iter().map(str::to_owned));
        }
        let anew = format!("{} was missing and is made anew", self.path().join("objects").display());
        let mut said = vec![anew];
        if held > 0 {
            let remotes: Vec<String> = remotes.into_iter().collect();
            said.push(format!(
                "safelight sync fetches {} and the history from {}",
                originals(held),
                remotes.join(", ")
            ));
        } else if !rows.is_empty() {
            said.push("safelight sync fetches the history".to_owned());
        }
        if lost > 0 {
            said.push(format!(
                "of {} that lay in it no remote holds a copy: put the folder back from a backup, or import their files again; \
                 safelight verify names them",
                originals(lost)
            ));
        }
        Ok(said.join("; "))
    }

    fn changes_of_shards(&self) -> Result<Changes> {
        let remembered = self.device.remembered_shards()?;
        let mut changes = Changes { is_first: remembered.is_none(), ..Changes::default() };
        let mut before: HashMap<String, i64> = remembered.unwrap_or_default().into_iter().collect();
        let settled = SystemTime::now().checked_sub(SETTLED);
        let settled = settled.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let settled = settled.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        let mut shards = self.place.shards(Area::Local)?;
        shards.extend(self.place.shards(Area::Original)?);
        for Shard { folder, changed_nanos } in shards {
            let known = before.remove(&folder);
            if known == Some(changed_nanos) {
                continue;
            }
            let names = self.place.names_in(&folder)?;
            let old = self.device.remembered_names(&folder)?;
            changes.missing += old.iter().filter(|name| names.binary_search(name).is_err()).count();
            let changed_nanos = if changed_nanos < settled { changed_nanos } else { 0 };
            if known != Some(changed_nanos) || names != old {
                changes.changed.push(RememberedShard { folder, changed_nanos, names });
            }
        }
        for folder in before.into_keys() {
            changes.missing += self.device.remembered_names(&folder)?.len();
            changes.gone.push(folder);
        }
        Ok(changes)
    }
}

fn originals(count: u64) -> String {
    if count == 1 { "1 original".to_owned() } else { format!("{count} originals") }
}
