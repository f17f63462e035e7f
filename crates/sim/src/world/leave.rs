//! Devices that leave: somebody says so, perhaps killed at it, and in the end nothing of theirs counts and nothing opens for them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use safelight_crypto::{ContentHash, DeviceId, EpochId};

use super::{CHECKPOINT_AFTER_OPS, World};
use crate::device::{Broken, Death, Leaving, SimDevice};
use crate::trust::More;

/// More who leave say no more.
const MOST_DEPARTURES: u64 = 2;
/// The areas of objects that are sealed under an epoch, and say so in their first bytes.
const SEALED: [&str; 8] = ["o", "t", "p", "s", "log", "head", "page", "ckpt"];

/// What was there when those who left had spoken once more.
pub(super) struct Said {
    /// What they imported, of which nobody is to hear.
    contents: Vec<ContentHash>,
    /// Everything that rests in any place.
    there: BTreeSet<Bytes>,
}

impl World<'_> {
    /// Where something may happen between devices, there are some before the first step.
    pub(super) fn begin(&mut self) -> Result<(), Broken> {
        if self.kind.more().is_empty() {
            return Ok(());
        }
        self.import(0, 0)?;
        for which in 0..=1 + self.chance.index(2) {
            if which > 0 {
                self.join(0)?;
            }
            if which < self.devices.len() {
                self.look_everywhere(which)?;
                if self.kind.has_brakes() && self.chance.once_in(2) {
                    self.be_careful(which)?;
                }
            }
        }
        self.hear_statements()?;
        self.tell_places();
        Ok(())
    }

    fn be_careful(&mut self, which: usize) -> Result<(), Broken> {
        let photos = self.chance.below(2);
        self.devices[which].be_careful(photos)
    }

    /// Something of what happens in runs of some kinds only. Answers as a step does.
    pub(super) fn do_more(&mut self, which: usize, more: More) -> Result<bool, Broken> {
        match more {
            More::Revoke => self.say_left(which, Leaving::Revoked)?,
            More::Retire => self.say_left(which, Leaving::Retired)?,
            More::Leave => self.leave(which)?,
            More::BackUp if self.backup.is_none() => self.back_up(which)?,
            More::Restore if !self.has_rotted => self.restore()?,
            More::BackUp | More::Restore => {}
            More::Pair => self.pair(which)?,
            More::Lapse => self.wait_no_longer(which)?,
            More::BeCareful => self.be_careful(which)?,
            More::PurgeMuch => self.purge_much(which)?,
            More::LetBrakeGo => self.let_brake_go(which)?,
        }
        Ok(matches!(more, More::Restore | More::Pair | More::Lapse))
    }

    pub(super) fn has_left(&self, which: usize) -> bool {
        self.trust.has_left(self.devices[which].id())
    }

    /// Takes note of everything that devices know of each other.
    pub(super) fn hear_statements(&mut self) -> Result<(), Broken> {
        if self.trust.departures() == 0 {
            return Ok(());
        }
        let library = self.words.library_id();
        for device in &mut self.devices {
            let (id, statements) = (device.id(), device.statements()?);
            if !self.trust.is_true() || self.trust.may_add_to_truth(id, &statements) {
                self.trust.hear(library, &statements);
            }
        }
        Ok(())
    }

    /// Whether one more may leave: what rotted is brought right by whoever holds it, who must not go before.
    fn may_leave(&self) -> bool {
        self.trust.departures() < MOST_DEPARTURES && !self.has_rotted
    }

    /// A device says of another that it left.
    fn say_left(&mut self, which: usize, leaving: Leaving) -> Result<(), Broken> {
        let own = self.devices[which].id();
        let others: BTreeSet<DeviceId> =
            self.devices.iter().map(SimDevice::id).filter(|id| *id != own).collect();
        let others: Vec<DeviceId> = others.into_iter().collect();
        let accused = others.get(self.chance.index(others.len())).copied();
        let death = self.chance.once_in(3).then(|| match self.chance.below(3) {
            0 => Death::Unheld,
            1 => Death::Unsaid,
            _ => Death::Unsealed,
        });
        // That two may say so of one device after different segments is not tried yet.
        let accused = accused.filter(|accused| self.may_leave() && !self.trust.is_accused(*accused));
        let Some(accused) = accused else { return Ok(()) };
        let is_said = self.devices[which].say_left(accused, leaving, death)?;
        (self.tell)(format_args!("  {leaving:?}: {accused}, killed {death:?}: said {is_said}"));
        if is_said {
            self.trust.accuse(own, accused);
            if self.chance.once_in(2) {
                self.devices[which].close_segment()?;
            }
        }
        Ok(())
    }

    /// A device leaves in peace, if another stays. One of which there are copies may not know yet how far it went,
    /// and its last word would be none.
    fn leave(&mut self, which: usize) -> Result<(), Broken> {
        let own = self.devices[which].id();
        let stays = |device: &SimDevice| device.id() != own && !self.trust.has_left(device.id());
        if !self.may_leave()
            || self.devices[which].may_have_copies()
            || !self.devices.iter().any(stays)
            || self.trust.is_accused(own)
            || !self.devices[which].believes_to_belong()?
        {
            return Ok(());
        }
        self.devices[which].leave()?;
        self.trust.accuse(own, own);
        Ok(())
    }

    /// Whoever joins by the words finds who belongs, and everybody else finds the same in the end.
    pub(super) fn learn_who_belongs(&mut self) -> Result<(), Broken> {
        let (seed, now) = (self.chance.next(), self.devices.iter().map(|device| device.now).max());
        let at = self.some_place();
        let joined = SimDevice::join(&self.places[at].1, &self.words, seed, now.unwrap_or_default())?;
        let mut last = joined.ok_or("nobody can join any more")?.with_bug(self.bug);
        "last".clone_into(&mut last.name);
        for (_, store) in &self.places {
            if let Some(Err(error)) = last.sync(store, None, CHECKPOINT_AFTER_OPS)? {
                return Err(format!("the last device is stuck: {error}").into());
            }
        }
        (self.tell)(format_args!("{last} joins and finds {}", last.tell_roster()?));
        self.trust.learn_truth(self.words.library_id(), &last.statements()?);
        self.devices.push(last);
        Ok(())
    }

    /// Whether some who stay do not know all that was ever stated, although everybody has synced.
    pub(super) fn are_kept_apart(&mut self) -> Result<bool, Broken> {
        if self.trust.departures() == 0 {
            return Ok(false);
        }
        let mut first = None;
        for which in (0..self.devices.len()).filter(|which| !self.has_left(*which)).collect::<Vec<_>>() {
            let mut known = self.devices[which].statements()?;
            known.sort();
            // Before anybody has joined again, what those who left said that counts is known from them alone.
            let knows_all = self.trust.is_true() || self.trust.knows_no_more_than(&known);
            if !knows_all || *first.get_or_insert_with(|| known.clone()) != known {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Those who left import and sync once more, and those who stay import. None if nobody left.
    pub(super) fn let_those_who_left_speak(&mut self) -> Result<Option<Said>, Broken> {
        let gone: Vec<usize> = (0..self.devices.len()).filter(|which| self.has_left(*which)).collect();
        if gone.is_empty() {
            return Ok(None);
        }
        let mut contents = Vec::new();
        for which in gone {
            contents.push(self.devices[which].import(&last_photo(b"of one who left ", which))?);
            for at in 0..self.places.len() {
                self.let_one_who_left_sync(which, at)?;
            }
        }
        let there = self.places.iter().flat_map(|(place, _)| place.objects().into_values()).collect();
        for which in (0..self.devices.len()).filter(|which| !self.has_left(*which)).collect::<Vec<_>>() {
            self.import_content(which, &last_photo(b"of one who stays ", which))?;
        }
        Ok(Some(Said { contents, there }))
    }

    /// One who left syncs, whatever comes of it.
    pub(super) fn let_one_who_left_sync(&mut self, which: usize, at: usize) -> Result<(), Broken> {
        let (device, (place, store)) = (&mut self.devices[which], &self.places[at]);
        let synced = device.sync(store, None, CHECKPOINT_AFTER_OPS)?;
        (self.tell)(format_args!("  {device}, which left, with {}: {synced:?}", store.label()));
        for event in place.take_events() {
            (self.tell)(format_args!("    {event}"));
        }
        Ok(())
    }

    /// Nobody who stays has heard what those who left said at the end, and nothing that was put since opens for them.
    pub(super) fn check_left(&mut self, said: &Said) -> Result<(), Broken> {
        let (gone, staying): (Vec<usize>, Vec<usize>) =
            (0..self.devices.len()).partition(|which| self.has_left(*which));
        self.trust.seen.departures_heard += gone.len() as u64;
        self.trust.seen.epochs_by_others += self.trust.epochs_by_others();
        for which in staying {
            for content in &said.contents {
                let device = &mut self.devices[which];
                if device.references(content)?.is_some() {
                    return Err(format!("{} took in what one who left said then", device.name).into());
                }
            }
        }
        let mut open = BTreeMap::new();
        for which in gone {
            let device = &self.devices[which];
            open.extend(device.epochs().into_iter().map(|epoch| (epoch, device.name.clone())));
            for epoch in self.places.iter().flat_map(|(place, _)| wrapped_to(&place.objects(), device.id())) {
                open.insert(epoch, device.name.clone());
            }
        }
        for (name, bytes) in self.places.iter().flat_map(|(place, _)| place.objects()) {
            if said.there.contains(&bytes) || !SEALED.contains(&name.split('/').next().unwrap_or_default()) {
                continue;
            }
            let epoch = bytes.get(8..24).and_then(|id| id.try_into().ok()).map(EpochId::from_bytes);
            if let Some(left) = epoch.and_then(|epoch| open.get(&epoch)) {
                return Err(format!("{name} was put after {left} had left, and opens for it").into());
            }
        }
        Ok(())
    }
}

fn last_photo(whose: &[u8], which: usize) -> Vec<u8> {
    [b"planted content ".as_slice(), whose, &which.to_be_bytes()].concat().repeat(40)
}

/// The epochs that some keys file wraps to a device.
fn wrapped_to(objects: &BTreeMap<String, Bytes>, device: DeviceId) -> BTreeSet<EpochId> {
    let device = device.to_string();
    let keys = objects.keys().filter_map(|name| name.strip_prefix("keys/")?.split_once('/'));
    keys.filter(|(_, recipient)| *recipient == device).filter_map(|(epoch, _)| epoch.parse().ok()).collect()
}
