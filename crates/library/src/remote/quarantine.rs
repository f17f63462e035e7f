//! What devices wrote after they had left, for people: listed, and taken over one by one by whoever believes it.

use std::collections::BTreeSet;

use safelight_crypto::OsEntropy;
use safelight_model::{AssetId, Op, OpBody};
use safelight_sync::{QuarantinedSegment, Stop, quarantined, take_over, taken_from};
use serde::Serialize;

use super::at::{Surroundings, reconnect, runtime};
use super::lock::SyncLock;
use super::run::{Told, here};
use crate::error::{LibraryError, Result};
use crate::history::shown_time;
use crate::library::Library;
use crate::monitor::Monitor;

/// A segment of a device that left, which came after the last that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct ShownQuarantined {
    /// The remote that it rests in.
    pub remote: String,
    /// The device that wrote it.
    pub device: String,
    /// What people call that device.
    pub device_name: Option<String>,
    /// Its number in the chain of its device.
    pub segment: u32,
    /// When the last of it was written, by that device's clock: `2026-05-14 10:11:12`, UTC.
    pub when: Option<String>,
    /// How many photos it adds.
    pub adds: u64,
    /// How many photos it trashes, removes or replaces.
    pub takes: u64,
    /// How many other changes it makes.
    pub changes: u64,
    /// How much of it this version cannot read.
    pub unreadable: u64,
    /// Its sealed bytes.
    pub bytes: u64,
    /// Whether it builds on history that is not here: sync first.
    pub is_ahead: bool,
}

/// What was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct TakenOver {
    /// The segment.
    #[serde(flatten)]
    pub segment: ShownQuarantined,
    /// How many of its operations were new here.
    pub new_operations: u64,
}

impl Library {
    /// What remotes hold of devices that left, after the last segment of each that counts.
    ///
    /// # Errors
    /// [`LibraryError::NoRemote`]; what a remote answers.
    pub fn quarantined(
        &mut self,
        remote: Option<&str>,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<Vec<ShownQuarantined>> {
        let found = self.look_for_quarantined(remote, surroundings, monitor)?;
        found.iter().map(|(remote, segment)| self.shown_quarantined(remote, segment)).collect()
    }

    /// Takes one such segment over: from now on this device says what it says, and all who stay hear it with the next sync.
    /// One that takes more photos at once than may go without asking needs `consent`.
    ///
    /// # Errors
    /// [`LibraryError::Refused`] where it is not there, not the next of its device, or builds on history that is not here;
    /// [`LibraryError::TakesMuch`].
    pub fn take_over(
        &mut self,
        device: &str,
        number: u32,
        consent: bool,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<TakenOver> {
        self.prepare_to_write()?;
        let device = self.find_device(device)?;
        let _only = SyncLock::take(&self.folder)?;
        let found = self.look_for_quarantined(None, surroundings, monitor)?;
        let mut of_it = found.iter().filter(|(_, segment)| segment.device.to_string() == device.id);
        let refused = |reason: String| LibraryError::Refused {
            reason,
            hint: "safelight device quarantine lists what there is".into(),
        };
        let (remote, segment) = of_it.next().ok_or_else(|| {
            refused(format!("no remote holds anything that {} wrote after it left", device.called()))
        })?;
        if segment.seq.0 != number {
            return Err(refused(format!(
                "segment {number} of {} is not the next that can be taken over: that is {}, and what comes later builds on it",
                device.called(),
                segment.seq.0
            )));
        }
        let shown = self.shown_quarantined(remote, segment)?;
        if segment.is_ahead {
            return Err(LibraryError::Refused {
                reason: format!("segment {number} of {} builds on history that is not here", device.called()),
                hint: "sync first, then take it over".into(),
            });
        }
        if let Some(watch) = self.watch()?.filter(|_| !consent) {
            watch.judge_count(taken_by(&segment.ops))?;
        }
        let (stop, told, mut keys, mut entropy) = (Stop::default(), Told(monitor), None, OsEntropy);
        let new_operations = take_over(&mut here(self, &mut keys, &mut entropy, &told, &stop), segment)?;
        let details = vec![
            ("device".to_owned(), device.id.as_str().into()),
            ("segment".to_owned(), number.to_string().into()),
        ];
        self.record(vec![OpBody::Note {
            event: "quarantine accepted".into(),
            details: details.into_iter().collect(),
        }])?;
        self.close_segment()?;
        Ok(TakenOver { segment: shown, new_operations })
    }

    fn look_for_quarantined(
        &mut self,
        remote: Option<&str>,
        surroundings: &Surroundings,
        monitor: &dyn Monitor,
    ) -> Result<Vec<(String, QuarantinedSegment)>> {
        let (runtime, stop, told) = (runtime()?, Stop::default(), Told(monitor));
        let mut found: Vec<(String, QuarantinedSegment)> = Vec::new();
        for row in self.remote_rows(remote)? {
            let (at, _) = runtime.block_on(reconnect(&row, self.keeper(&row)?, surroundings))?;
            let (mut keys, mut entropy) = (None, OsEntropy);
            let mut here = here(self, &mut keys, &mut entropy, &told, &stop);
            for segment in runtime.block_on(quarantined(&mut here, &at, &mut Vec::new()))? {
                // Several remotes hold the same.
                let is_known = |(_, known): &(String, QuarantinedSegment)| {
                    (known.device, known.seq) == (segment.device, segment.seq)
                };
                if !found.iter().any(is_known) {
                    found.push((row.name.clone(), segment));
                }
            }
        }
        found.sort_by_key(|(_, segment)| (segment.device, segment.seq));
        Ok(found)
    }

    fn shown_quarantined(&self, remote: &str, segment: &QuarantinedSegment) -> Result<ShownQuarantined> {
        let ops = &segment.ops;
        let adds = ops.iter().filter(|op| matches!(op.body, OpBody::AddAsset { .. })).count() as u64;
        let taking = ops.iter().filter(|op| taken_from(op).is_some()).count() as u64;
        Ok(ShownQuarantined {
            remote: remote.to_owned(),
            device: segment.device.to_string(),
            device_name: self.device_names()?.of(segment.device),
            segment: segment.seq.0,
            when: ops.iter().map(|op| op.stamp.millis).max().map(shown_time),
            adds,
            takes: taken_by(ops),
            changes: (ops.len() as u64).saturating_sub(adds + taking),
            unreadable: segment.unreadable,
            bytes: segment.sealed_bytes,
            is_ahead: segment.is_ahead,
        })
    }
}

/// How many photos ops trash, remove or replace.
fn taken_by(ops: &[Op]) -> u64 {
    ops.iter().filter_map(taken_from).collect::<BTreeSet<AssetId>>().len() as u64
}
