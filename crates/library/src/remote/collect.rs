//! Collecting at a remote, for the people who ask for it: what may go, what is waited for, what went.

use safelight_catalog::{RemoteId, RemoteRow};
use safelight_crypto::{DeviceId, OsEntropy};
use safelight_store::{Capability, Finding};
use safelight_sync::{CollectPlan, CollectReport, Stop, SyncError, Waits, collect, plan_collection};
use serde::Serialize;

use super::at::{Surroundings, reconnect, runtime};
use super::lock::SyncLock;
use super::run::{Told, here, until_stopped};
use crate::devices::DeviceNames;
use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::monitor::{Monitor, Task};

/// What some marked objects wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CollectWait {
    /// What: `devices`, `history`, `time`, `proof`, `needed` or `showing`.
    pub waits_for: &'static str,
    /// The devices that have not agreed, or whose last history was not read here.
    pub devices: Vec<String>,
    /// What these are called, in the same order: their names, or their ids where nobody gave them one.
    pub called: Vec<String>,
    /// The remotes that are said to hold them too, and that this device must read back first.
    pub remotes: Vec<String>,
    /// Until when: `2026-12-24`, UTC.
    pub until: Option<String>,
    /// How many objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a collection found and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CollectOutcome {
    #[serde(skip)]
    plan: CollectPlan,
    /// The remote.
    pub remote: String,
    /// Objects that could be deleted when they were looked at.
    pub ready_objects: u64,
    /// Their bytes.
    pub ready_bytes: u64,
    /// Marked objects that wait, by what they wait for.
    pub waiting: Vec<CollectWait>,
    /// Objects that stay.
    pub kept_objects: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Objects that were marked now, or in a plan would be, because nothing needs or knows them any more.
    pub newly_marked: u64,
    /// Objects that were deleted.
    pub deleted_objects: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// Devices that are not waited for any more, because they were silent for 90 days.
    pub lapsed_devices: Vec<String>,
    /// What these are called, in the same order.
    pub lapsed_called: Vec<String>,
    /// Why nothing can be deleted at all.
    pub hindrances: Vec<String>,
    /// What can be done about them, where a command does it.
    pub hint: Option<String>,
    /// What is wrong with single objects, in words.
    pub problems: Vec<String>,
}

impl Library {
    /// Tells what collecting at a remote would delete, and what the rest waits for. History is synced for it.
    ///
    /// # Errors
    /// As [`Library::collect`].
    pub fn plan_collection(
        &mut self,
        remote: &str,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<CollectOutcome> {
        self.collection(remote, None, surroundings, monitor)
    }

    /// Deletes from a remote what is marked, what every device has agreed to, and what has rested for 30 days, and
    /// marks what nothing needs any more: of both at most what the plan shows.
    ///
    /// # Errors
    /// [`crate::LibraryError::NoSuchRemote`]; [`SyncError::MayNotDelete`] in place of the remote's own refusal; what the
    /// remote answers. What was deleted before stays deleted, and the next collection goes on.
    pub fn collect(
        &mut self,
        plan: &CollectOutcome,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<CollectOutcome> {
        self.collection(&plan.remote, Some(&plan.plan), surroundings, monitor)
    }

    fn collection(
        &mut self,
        remote: &str,
        shown: Option<&CollectPlan>,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<CollectOutcome> {
        self.folder.require_writable()?;
        let row = self.remote_row(remote)?;
        let others: Vec<RemoteRow> =
            self.device.remotes()?.into_iter().filter(|other| other.id != row.id).collect();
        let _only = SyncLock::take_to_remove(&self.folder)?;
        let runtime = runtime()?;
        let stop = Stop::default();
        monitor.begin(Task::Sync, None, None);
        let report = runtime.block_on(async {
            let (at, _) = reconnect(&row, self.keeper(&row)?, surroundings).await?;
            let (mut places, mut unreachable) = (Vec::new(), Vec::new());
            for other in &others {
                match reconnect(other, self.keeper(other)?, surroundings).await {
                    Ok((place, _)) => places.push(place),
                    Err(error) => unreachable.push(format!("{}: {error}", other.name)),
                }
            }
            let (told, mut keys) = (Told(monitor), None);
            let mut entropy = OsEntropy;
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            let work = async {
                // With a remote that cannot be asked only a plan is made: a device that lapsed may have spoken there.
                let mut report = match shown {
                    Some(shown) if unreachable.is_empty() => {
                        collect(&mut here, &at, &places, Some(shown)).await?
                    }
                    _ => plan_collection(&mut here, &at, &places).await?,
                };
                report.plan.hindrances.extend(unreachable);
                Ok::<_, SyncError>(report)
            };
            let report = until_stopped(work, &stop, monitor).await?;
            let may_not_delete =
                matches!(at.store.capabilities().finding(Capability::Delete), Finding::Missing(_));
            Ok::<_, LibraryError>((report, may_not_delete))
        });
        monitor.end();
        let names = |id: &RemoteId| {
            let row = others.iter().chain([&row]).find(|row| row.id == *id);
            row.map_or_else(String::new, |row| row.name.clone())
        };
        let (report, may_not_delete) = report?;
        let mut outcome = outcome(row.name.clone(), report, &names, &self.device_names()?);
        if may_not_delete {
            let error = LibraryError::from(SyncError::MayNotDelete { place: row.name.clone() });
            outcome.hint = error.hint_at(&row.name);
        }
        Ok(outcome)
    }
}

fn outcome(
    remote: String,
    report: CollectReport,
    name: &dyn Fn(&RemoteId) -> String,
    devices_are: &DeviceNames,
) -> CollectOutcome {
    let waiting = report.plan.waiting.iter().map(|(waits, held)| {
        let mut remotes = Vec::new();
        let (waits_for, devices, until) = match waits {
            Waits::ForDevices(devices) => ("devices", devices.iter().copied().collect(), None),
            Waits::ForHistory(devices) => ("history", devices.iter().copied().collect(), None),
            Waits::Until(until) => ("time", Vec::new(), Some(day(*until))),
            Waits::ForProof(unproven) => {
                remotes.extend(unproven.iter().map(name));
                ("proof", Vec::new(), None)
            }
            Waits::StillNeeded => ("needed", Vec::new(), None),
            Waits::NotShown => ("showing", Vec::new(), None),
        };
        CollectWait {
            waits_for,
            called: devices.iter().map(|device: &DeviceId| devices_are.called(*device)).collect(),
            devices: devices.iter().map(ToString::to_string).collect(),
            remotes,
            until,
            objects: held.objects,
            bytes: held.bytes,
        }
    });
    CollectOutcome {
        remote,
        ready_objects: report.plan.ready.objects,
        ready_bytes: report.plan.ready.bytes,
        waiting: waiting.collect(),
        kept_objects: report.plan.kept.objects,
        kept_bytes: report.plan.kept.bytes,
        newly_marked: report.plan.newly_marked.len() as u64,
        deleted_objects: report.deleted.objects,
        deleted_bytes: report.deleted.bytes,
        lapsed_called: report.lapsed.iter().map(|device| devices_are.called(*device)).collect(),
        lapsed_devices: report.lapsed.iter().map(ToString::to_string).collect(),
        hindrances: report.plan.hindrances.clone(),
        hint: None,
        plan: report.plan,
        problems: report.problems.iter().map(ToString::to_string).collect(),
    }
}

fn day(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| String::new(), |when| when.strftime("%Y-%m-%d").to_string())
}
