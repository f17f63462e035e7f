//! How a device stops when others take much, and stops waiting for those that are silent.

use std::collections::BTreeSet;

use safelight_crypto::DeviceId;
use safelight_model::{Lapse, OpBody, OpId};
use safelight_sync::{BrakeLimits, is_braked, lapse_silent};

use super::{Broken, SimDevice};
use crate::place::Bug;

/// What a device holds back, or would.
pub(crate) struct Brakes {
    device: DeviceId,
    pub(crate) is_on: bool,
    /// Whether it reads what it wrote itself: before its disk was lost, or as another copy.
    has_copies: bool,
    unacknowledged: BTreeSet<OpId>,
    originals: BTreeSet<String>,
}

impl Brakes {
    pub(crate) fn is_same_device(&self, after: &Self) -> bool {
        (self.device, self.has_copies) == (after.device, after.has_copies)
    }

    /// Whether everything that was held back is so still.
    pub(crate) fn must_hold(&self, after: &Self) -> Result<(), String> {
        if !self.has_copies && !after.unacknowledged.is_superset(&self.unacknowledged) {
            return Err("acknowledged a mark".to_owned());
        }
        match self.originals.difference(&after.originals).next() {
            Some(gone) => Err(format!("freed {gone}")),
            None => Ok(()),
        }
    }
}

impl SimDevice {
    pub(crate) fn brakes(&mut self) -> Result<Brakes, Broken> {
        let (device, has_copies) = (self.id(), self.may_have_copies());
        let open = self.opened()?;
        let mut originals = BTreeSet::new();
        for found in open.place.walk_below("o")? {
            originals.insert(found?.relative.to_string_lossy().into_owned());
        }
        let is_on = is_braked(&open.device)?;
        let marks = open.catalog.unacknowledged_marks(0, 10_000)?;
        let unacknowledged = marks.into_iter().map(|mark| mark.op).collect();
        Ok(Brakes { device, is_on, has_copies, unacknowledged, originals })
    }

    /// From now on it stops when others take more than so many photos within a day.
    pub(crate) fn be_careful(&mut self, photos: u64) -> Result<(), Broken> {
        Ok(BrakeLimits { share_percent: 0, photos }.keep(&mut self.opened()?.device)?)
    }

    /// Somebody has looked. Answers whether its brake was on.
    pub(crate) fn let_brake_go(&mut self) -> Result<bool, Broken> {
        let open = self.opened()?;
        let was_on = is_braked(&open.device)?;
        open.device.let_brake_go()?;
        Ok(was_on)
    }

    /// Somebody has looked, and it stops for nothing any more.
    pub(crate) fn be_careless(&mut self) -> Result<bool, Broken> {
        BrakeLimits { share_percent: 100, photos: 0 }.keep(&mut self.opened()?.device)?;
        self.let_brake_go()
    }

    /// Waits no longer for those that were silent for so long that it may. Answers which.
    pub(crate) fn lapse_silent(&mut self) -> Result<Vec<DeviceId>, Broken> {
        if self.bug == Some(Bug::LapsedTooSoon) {
            return self.lapse_all();
        }
        Ok(self.here(lapse_silent)??)
    }

    /// The mistake: waits for nobody any more.
    fn lapse_all(&mut self) -> Result<Vec<DeviceId>, Broken> {
        let (own, Some(roster)) = (self.id(), self.roster()?) else { return Ok(Vec::new()) };
        let others: Vec<DeviceId> =
            roster.members().keys().copied().filter(|device| *device != own).collect();
        let mut bodies = Vec::new();
        for device in &others {
            let seq = self.opened()?.catalog.tip(*device)?.seq;
            bodies.push(OpBody::Lapse(Lapse { device: *device, seq }));
        }
        self.record(bodies)?;
        Ok(others)
    }

    /// The mistake: does something as if its brake were off.
    pub(super) fn without_brake<T>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        let causes = self.opened()?.device.brake_causes()?;
        self.let_brake_go()?;
        let result = run(self);
        let open = self.opened()?;
        causes.iter().try_for_each(|cause| open.device.put_brake_on(cause))?;
        result
    }
}
