//! The brake: when other devices take much from a library at once, nothing is let go here until a person has looked.
//!
//! What they wrote is taken in all the same, so that all devices come to the same; but this device acknowledges no mark,
//! marks nothing, frees nothing and collects nothing, and removes no bytes of what was purged. So whatever history says, the
//! bytes are there as long as the brake is on (sl1-history §10.7).
//!
//! Invariant: what was in history before the brake was first looked after never puts it on, nor does what is well again by
//! the time it is counted.

use std::collections::BTreeMap;

use safelight_catalog::{BrakeCause, DeviceDb, RecentLoss, Shelf};
use safelight_crypto::DeviceId;
use safelight_model::{AssetId, Field, Op, OpBody, Target, Value};

use crate::error::Result;
use crate::here::Here;
use crate::problem::Problem;

/// What comes within so long counts together.
const WINDOW_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// Ops that are read together.
const AT_ONCE: usize = 4096;

/// The settings of a device.
const SHARE: &str = "brake/share";
const PHOTOS: &str = "brake/photos";
/// Up to which op of which catalogue was looked.
const LOOKED: &str = "brake/looked";

/// How much may go at once without a person: what is more than either of the two, and so than the larger, does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrakeLimits {
    /// Percent of all photos; 100 lets everything go.
    pub share_percent: u64,
    /// So many photos are nothing to stop for, however few there are.
    pub photos: u64,
}

impl Default for BrakeLimits {
    fn default() -> Self {
        Self { share_percent: 5, photos: 50 }
    }
}

impl BrakeLimits {
    /// Whether so many of so many may go without a person.
    #[must_use]
    pub fn allow(&self, lost: u64, known: u64) -> bool {
        self.share_percent >= 100 || lost <= self.most(known)
    }

    /// How many of so many may go without a person.
    #[must_use]
    pub fn most(&self, known: u64) -> u64 {
        self.photos.max(known.saturating_mul(self.share_percent) / 100)
    }

    /// What this device was told, or the usual.
    ///
    /// # Errors
    /// Those of the database.
    pub fn of(device: &DeviceDb) -> Result<Self> {
        let number = |name| -> Result<Option<u64>> {
            let kept = device.setting(name)?;
            Ok(kept.and_then(|kept| kept.try_into().ok()).map(u64::from_le_bytes))
        };
        let usual = Self::default();
        Ok(Self {
            share_percent: number(SHARE)?.unwrap_or(usual.share_percent),
            photos: number(PHOTOS)?.unwrap_or(usual.photos),
        })
    }

    /// Keeps them for this device.
    ///
    /// # Errors
    /// Those of the database.
    pub fn keep(&self, device: &mut DeviceDb) -> Result<()> {
        let (share, photos) = (self.share_percent.to_le_bytes(), self.photos.to_le_bytes());
        Ok(device.set_settings(&[(SHARE, Some(&share[..])), (PHOTOS, Some(&photos[..]))])?)
    }
}

/// The photo that an op takes something from: it goes into the trash, or for good, or its content is replaced.
#[must_use]
pub fn taken_from(op: &Op) -> Option<AssetId> {
    match &op.body {
        OpBody::Set { target: Target::Asset(asset, _), field, value: Value::Bool(true), .. }
            if field.code() == Field::TRASHED =>
        {
            Some(*asset)
        }
        OpBody::Purge { asset, .. } | OpBody::AddVersion { asset, .. } => Some(*asset),
        OpBody::Forget(forget) => Some(forget.asset),
        _ => None,
    }
}

/// Whether nothing is let go here.
///
/// # Errors
/// Those of the database.
pub fn is_braked(device: &DeviceDb) -> Result<bool> {
    Ok(!device.brake_causes()?.is_empty())
}

/// Looks at what other devices took since the last time, and puts the brake on if it is too much. Says so as long as it is on.
pub(crate) fn look_after_brake(here: &mut Here<'_>, problems: &mut Vec<Problem>) -> Result<()> {
    // Who began with a checkpoint reads what happened long ago.
    if here.catalog.begun_with()?.is_none() {
        let losses = new_losses(here)?;
        if !losses.is_empty() {
            here.device.record_losses(&losses, here.now_millis().saturating_sub(WINDOW_MILLIS))?;
            count(here)?;
        }
    }
    for cause in here.device.brake_causes()? {
        if let Some(device) = cause.device {
            here.note(problems, Problem::Braked { device, lost: cause.lost, known: cause.known });
        }
    }
    Ok(())
}

/// What others took behind the op that was looked at last; nothing when the brake is looked after for the first time.
fn new_losses(here: &mut Here<'_>) -> Result<Vec<RecentLoss>> {
    let (instance, last) = (here.catalog.instance()?, here.catalog.last_op()?);
    let kept = here.device.setting(LOOKED)?.unwrap_or_default();
    let looked = kept.strip_prefix(&instance.to_be_bytes()).and_then(|number| number.try_into().ok());
    let looked = looked.map(i64::from_be_bytes);
    if looked == Some(last) {
        return Ok(Vec::new());
    }
    let mut losses: BTreeMap<AssetId, RecentLoss> = BTreeMap::new();
    if let Some(looked) = looked {
        let (mut after, own, now) = (looked, here.catalog.device(), here.now_millis());
        loop {
            let ops = here.catalog.taking_ops_after(after, AT_ONCE)?;
            let Some((number, ..)) = ops.last() else { break };
            after = *number;
            for (_, device, op) in ops.into_iter().filter(|(_, device, _)| *device != own) {
                let Some(asset) = taken_from(&op) else { continue };
                let stamp_millis = i64::try_from(op.stamp.millis).unwrap_or(i64::MAX);
                let loss = RecentLoss { asset, device, stamp_millis, read_millis: now };
                losses.entry(asset).or_insert(loss);
            }
        }
    }
    here.device.set_setting(LOOKED, Some(&[instance.to_be_bytes(), last.to_be_bytes()].concat()))?;
    Ok(losses.into_values().collect())
}

/// Counts what is lost still of what others took within a day, and puts the brake on if it is too much.
fn count(here: &mut Here<'_>) -> Result<()> {
    // How many are hidden is nobody's business who only reads what a sync says.
    let known = here.catalog.totals(Shelf::Shown)?.assets();
    let limits = BrakeLimits::of(here.device)?;
    let recent = here.device.recent_losses()?;
    if limits.allow(recent.len() as u64, known) {
        return Ok(());
    }
    let mut by_device: BTreeMap<DeviceId, (u64, i64)> = BTreeMap::new();
    let (mut lost, mut gone) = (0, 0);
    for loss in recent {
        let Some(state) = here.catalog.asset_state(loss.asset)? else { continue };
        let is_gone = state.current().is_trashed() || state.is_gone();
        let is_replaced = state.current().contents().additions().len() > 1;
        if !(is_gone || is_replaced) {
            continue;
        }
        lost += 1;
        gone += u64::from(is_gone);
        let (count, first) = by_device.entry(loss.device).or_insert((0, i64::MAX));
        *count += 1;
        *first = (*first).min(loss.stamp_millis);
    }
    let known = known + gone;
    if limits.allow(lost, known) {
        return Ok(());
    }
    for (device, (lost, first_millis)) in by_device {
        here.device.put_brake_on(&BrakeCause {
            device: Some(device),
            folder: Vec::new(),
            since_millis: here.now_millis(),
            before_millis: first_millis.saturating_sub(1),
            lost,
            known,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_the_two_limits_counts_and_all_means_off() {
        let usual = BrakeLimits::default();
        assert!(usual.allow(50, 60) && !usual.allow(51, 60));
        assert!(usual.allow(500, 10_000) && !usual.allow(501, 10_000));
        assert!(!usual.allow(u64::MAX, u64::MAX));
        assert!(BrakeLimits { share_percent: 100, photos: 0 }.allow(60, 60));
    }
}
