//! Devices that are silent for long and come back, and devices that stop when others take much at once.

use std::collections::BTreeSet;

use super::{CHECKPOINT_AFTER_OPS, World};
use crate::device::Broken;
use crate::place::Bug;

/// Three times this is more than after what a silent device lapses, and less than after what one is away.
const MONTH_MILLIS: u64 = 31 * 86_400_000;
/// More that lapse say no more, and take their time.
const MOST_LAPSES: u64 = 2;
/// Behind the numbers of photos that are imported in a step.
const NUMBER_OF_WHO_WAITS: u64 = 100;
/// Syncs that are tried until one of them reaches its end.
const TRIES: usize = 4;

impl World<'_> {
    /// Three months go by, in which a device looks into every place; then it waits no longer for those that were silent, and
    /// what it wanted to leave a place may go.
    pub(super) fn wait_no_longer(&mut self, which: usize) -> Result<(), Broken> {
        if self.has_left(which) || self.lapses >= MOST_LAPSES {
            return Ok(());
        }
        self.lapses += 1;
        let dropped_from = self.drop_what_others_count_on(which)?;
        self.look_everywhere(which)?;
        if self.bug != Some(Bug::LapsedTooSoon) {
            for _ in 0..3 {
                self.let_pass(MONTH_MILLIS);
                self.look_everywhere(which)?;
            }
        }
        let lapsed = self.devices[which].lapse_silent()?;
        (self.tell)(format_args!("  lapsed: {lapsed:?}"));
        self.trust.seen.lapses += lapsed.len() as u64;
        self.lapsed.extend(lapsed);
        if self.chance.once_in(2) || dropped_from.is_some() {
            self.let_brake_go(which)?;
            // Once to say so, and once to delete what all have acknowledged for long enough; where something is to go, first.
            let first = dropped_from.unwrap_or_default();
            for at in (first..self.places.len()).chain(0..first) {
                self.collect_at_last(which, at)?;
                self.let_pass(MONTH_MILLIS);
                self.collect_at_last(which, at)?;
                // Before the others were silent for so long that nothing counts any more of what they say.
                self.check_acknowledged()?;
            }
        }
        Ok(())
    }

    /// A device imports a photo, others see it in every place, and then it is, or another one, to leave one of these. Answers
    /// which.
    fn drop_what_others_count_on(&mut self, which: usize) -> Result<Option<usize>, Broken> {
        self.import(which, NUMBER_OF_WHO_WAITS + self.lapses)?;
        self.look_everywhere(which)?;
        for other in (0..self.devices.len()).filter(|other| *other != which) {
            self.look_everywhere(other)?;
        }
        self.drop_from(which)
    }

    /// A device collects in a place, if need be several times.
    fn collect_at_last(&mut self, which: usize, at: usize) -> Result<(), Broken> {
        for _ in 0..2 * TRIES {
            if self.collect_until(which, at, None)? {
                break;
            }
        }
        Ok(())
    }

    /// A device syncs with every place.
    pub(super) fn look_everywhere(&mut self, which: usize) -> Result<(), Broken> {
        (0..self.places.len()).try_for_each(|at| self.look(which, at))
    }

    /// A device syncs with a place, if need be several times.
    fn look(&mut self, which: usize, at: usize) -> Result<(), Broken> {
        for _ in 0..TRIES {
            let (device, (_, store)) = (&mut self.devices[which], &self.places[at]);
            let synced = device.sync(store, None, CHECKPOINT_AFTER_OPS)?;
            (self.tell)(format_args!("  with {}: {synced:?}", store.label()));
            self.places[at].0.flush();
            if matches!(synced, Some(Ok(_))) {
                break;
            }
        }
        Ok(())
    }

    /// A device has synced: if it was waited for no longer it is back.
    pub(super) fn note_return(&mut self, which: usize) {
        if self.lapsed.remove(&self.devices[which].id()) {
            self.trust.seen.returns += 1;
        }
    }

    /// Does something with a device, and makes sure that it lets nothing go while its brake is on.
    pub(super) fn watching<T>(
        &mut self,
        which: usize,
        run: impl FnOnce(&mut Self) -> Result<T, Broken>,
    ) -> Result<T, Broken> {
        if !self.kind.has_brakes() {
            return run(self);
        }
        let before = self.devices[which].brakes()?;
        let objects = before.is_on.then(|| self.collectable());
        let result = run(self)?;
        let after = self.devices[which].brakes()?;
        if !before.is_same_device(&after) {
            return Ok(result);
        }
        self.trust.seen.brakes_on += u64::from(after.is_on && !before.is_on);
        if let Some(objects) = objects.filter(|_| after.is_on) {
            let name = &self.devices[which].name;
            if let Some(gone) = objects.difference(&self.collectable()).next() {
                return Err(format!("{name} deleted {gone} while its brake was on").into());
            }
            before.must_hold(&after).map_err(|what| format!("{name} {what} while its brake was on"))?;
        }
        Ok(result)
    }

    /// The names of what may be collected in any place.
    fn collectable(&self) -> BTreeSet<String> {
        let named = self.places.iter().flat_map(|(place, store)| {
            place.objects().into_keys().map(|name| format!("{} in {}", name, store.label()))
        });
        named.filter(|name| ["o/", "t/", "p/", "s/"].iter().any(|area| name.starts_with(area))).collect()
    }

    /// A device purges more than one photo.
    pub(super) fn purge_much(&mut self, which: usize) -> Result<(), Broken> {
        if self.is_waited_for(which)? {
            for _ in 0..3 {
                self.devices[which].purge(&mut self.chance)?;
            }
            self.has_marked = true;
            if self.chance.once_in(2) {
                self.let_somebody_brake(which)?;
            }
        }
        Ok(())
    }

    /// Another device hears at once of what one purged, stops for it, and syncs on.
    fn let_somebody_brake(&mut self, which: usize) -> Result<(), Broken> {
        let other = self.chance.index(self.devices.len());
        if other == which || self.has_left(other) {
            return Ok(());
        }
        self.look_everywhere(which)?;
        self.devices[other].be_careful(0)?;
        for at in (0..self.places.len()).cycle().take(2 * self.places.len()) {
            self.watching(other, |world| world.look(other, at))?;
        }
        Ok(())
    }

    /// Somebody has looked: what is held back on a device goes on.
    pub(super) fn let_brake_go(&mut self, which: usize) -> Result<(), Broken> {
        let was_on = self.devices[which].let_brake_go()?;
        self.trust.seen.brakes_released += u64::from(was_on);
        Ok(())
    }

    /// Somebody has looked everywhere, and nobody stops for anything any more.
    pub(super) fn let_all_brakes_go(&mut self) -> Result<(), Broken> {
        if self.kind.has_brakes() {
            for device in &mut self.devices {
                self.trust.seen.brakes_released += u64::from(device.be_careless()?);
            }
        }
        Ok(())
    }
}
