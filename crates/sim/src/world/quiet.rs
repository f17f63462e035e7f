//! After the last step: no more faults, everybody syncs until nobody has anything to say, and everything must be there.

use std::collections::{BTreeMap, BTreeSet};

use safelight_crypto::ContentHash;
use safelight_model::history::{SealedSegment, Tip};
use safelight_store::ObjectPath;

use super::{CHECKPOINT_AFTER_OPS, GRACE_MILLIS, World};
use crate::device::Broken;
use crate::place::segment_named;

/// Rounds in which it becomes quiet at the latest: nobody has anything to say to any place, nor hears anything.
const QUIET_ROUNDS: usize = 16;
/// Rounds in which those who left sync as well.
const ROUNDS_OF_THE_OTHERS: usize = 2;

/// What came of the last sync of a device with a place.
struct Meeting {
    /// The version of the place after it.
    place: u64,
    /// How often the device had heard or said something until then.
    heard: u64,
    has_news: bool,
    wrong: Vec<String>,
}

impl Meeting {
    fn is_over(&self, place: u64, heard: u64) -> bool {
        !self.has_news && self.wrong.is_empty() && (self.place, self.heard) == (place, heard)
    }
}

impl World<'_> {
    /// No more faults; everybody syncs, verifies and syncs again.
    pub(super) fn quiet(&mut self) -> Result<(), Broken> {
        self.places.iter().for_each(|(place, _)| place.calm());
        for which in 0..self.devices.len() {
            // What a lost copy tore stays under a number until its device writes that number.
            self.edit(which)?;
        }
        if self.has_marked {
            // Before everybody has heard of the last marks, and after.
            self.collect_everywhere()?;
        }
        self.let_all_brakes_go()?;
        let mut wrong = self.settle()?;
        if self.trust.departures() > 0 {
            self.learn_who_belongs()?;
            wrong = self.settle()?;
        }
        if self.has_marked {
            // What all have acknowledged by now goes, and everything else stays.
            self.let_pass(GRACE_MILLIS);
            self.collect_everywhere()?;
            wrong = self.settle()?;
        }
        if let Some(said) = self.let_those_who_left_speak()? {
            wrong = self.settle()?;
            self.check_left(&said)?;
        }
        // What nobody can bring back is named at every sync, as it should be.
        let lost = self.names_of_lost()?;
        wrong.retain(|wrong| !lost.iter().any(|name| wrong.contains(name.as_str())));
        if !wrong.is_empty() {
            return Err(format!("it is not quiet: {wrong:?}").into());
        }
        self.check_equal()?;
        self.check_found()?;
        self.check_sealed()
    }

    /// Lets everybody sync with every place until nobody has anything to say; answers what is still wrong then. Those who
    /// left sync a few times until it is known who did, and whatever they find is of no importance.
    fn settle(&mut self) -> Result<Vec<String>, Broken> {
        // Bytes rot in places that keep their word: whoever verifies finds that. Else it finds what was torn.
        let verifies = self.has_rotted || self.chance.once_in(3);
        let mut meetings: BTreeMap<(usize, usize), Meeting> = BTreeMap::new();
        let mut heard = vec![0_u64; self.devices.len()];
        let mut silent_rounds = 0;
        for round in 0..QUIET_ROUNDS {
            let mut is_news = false;
            for (which, heard) in heard.iter_mut().enumerate() {
                self.devices[which].now += 86_400_000;
                for at in 0..self.places.len() {
                    if self.has_left(which) {
                        if round < ROUNDS_OF_THE_OTHERS && !self.trust.is_true() {
                            self.let_one_who_left_sync(which, at)?;
                        }
                        continue;
                    }
                    // Where neither side changed since they had nothing to say, they have nothing to say.
                    let known = meetings.get(&(which, at));
                    let version = self.places[at].0.version();
                    if known.is_some_and(|met| met.is_over(version, *heard)) {
                        continue;
                    }
                    let (has_news, wrong) = self.meet(which, at, round, verifies && round % 3 == 0)?;
                    is_news |= has_news;
                    *heard += u64::from(has_news);
                    let place = self.places[at].0.version();
                    meetings.insert((which, at), Meeting { place, heard: *heard, has_news, wrong });
                }
            }
            self.hear_statements()?;
            // Whoever has nothing to say after everybody was heard has nothing to say tomorrow; what was in the way of
            // a sync may be out of it the next time.
            let is_over = silent_rounds > 0 || meetings.values().all(|met| met.wrong.is_empty());
            if round > 0 && !is_news && is_over {
                return Ok(meetings.into_values().flat_map(|met| met.wrong).collect());
            }
            silent_rounds = if is_news { 0 } else { silent_rounds + 1 };
        }
        Err(format!("after {QUIET_ROUNDS} rounds there is still news").into())
    }

    /// One sync of a device with a place, to its end. Answers whether one of them had news, and what is wrong.
    fn meet(
        &mut self,
        which: usize,
        at: usize,
        round: usize,
        verifies: bool,
    ) -> Result<(bool, Vec<String>), Broken> {
        let (place, store) = &self.places[at];
        let device = &mut self.devices[which];
        let label = store.label();
        let synced = device.sync(store, None, CHECKPOINT_AFTER_OPS)?;
        (self.tell)(format_args!("round {round}: {device} with {label}: {synced:?}"));
        let mut wrong = Vec::new();
        let mut has_news = false;
        match synced {
            Some(Ok(report)) => {
                let found = report.history.problems.iter().chain(&report.problems);
                let found = found.filter(|problem| !self.trust.is_of_one_who_left(problem));
                wrong.extend(found.map(|problem| format!("{}: {problem}", device.name)));
                self.trust.seen.returns += u64::from(self.lapsed.remove(&device.id()));
                has_news |= report.history.taken_segments + report.history.sent_segments > 0
                    || report.sent_packs + report.synced_originals + report.learnt_packs > 0;
            }
            Some(Err(error)) => wrong.push(format!("{} is stuck: {error}", device.name)),
            None => return Err("a sync does not end".into()),
        }
        if verifies {
            let found = device.verify(store)?;
            (self.tell)(format_args!("  verified: {found:?}"));
            has_news |= found.iter().any(|problem| !self.trust.is_of_one_who_left(problem));
        }
        for event in place.take_events() {
            (self.tell)(format_args!("    {event}"));
        }
        Ok((has_news, wrong))
    }

    /// The names of what was lost with a disk and no device holds again, and of wrecks that nobody can put right.
    fn names_of_lost(&mut self) -> Result<BTreeSet<String>, Broken> {
        let mut names = BTreeSet::new();
        let required = self.required();
        let left_over: Vec<_> = self.imported.difference(&required).chain(&self.lost).copied().collect();
        for content in &left_over {
            let mut is_held = false;
            let mut parts = Vec::new();
            for device in self.devices.iter_mut().filter(|device| !self.trust.has_left(device.id())) {
                is_held |= device.has(content)?;
                parts.extend(device.parts_of(content)?);
            }
            if !is_held {
                names.extend(parts);
            }
        }
        names.extend(self.names_of_wrecks()?);
        Ok(names)
    }

    /// The names of what is left of segments in places where nobody holds a segment that could take the name: whoever
    /// wrote it lost its disk, and all copies go on under other names. A segment fits behind the one that is there.
    fn names_of_wrecks(&mut self) -> Result<BTreeSet<String>, Broken> {
        let mut names = BTreeSet::new();
        for (place, _) in &self.places {
            let objects = place.objects();
            let root_of = |device, seq| {
                let bytes = objects.get(&ObjectPath::segment(device, seq).to_string())?;
                Some(SealedSegment::parse(bytes).ok()?.clear().root)
            };
            for name in objects.keys() {
                let Some((device, seq)) = segment_named(name) else { continue };
                let before = if seq.0 > 1 { root_of(device, seq.0 - 1) } else { Some(Tip::default().root) };
                let mut is_held = false;
                for holder in self.devices.iter_mut().filter(|holder| !self.trust.has_left(holder.id())) {
                    is_held |= before.is_some_and(|before| holder.holds_segment_after(device, seq, before));
                }
                if !is_held {
                    names.insert(name.clone());
                }
            }
        }
        Ok(names)
    }

    fn check_equal(&mut self) -> Result<(), Broken> {
        let (mut hash, mut ends, mut roster) = (None, None, None);
        for device in self.devices.iter_mut().filter(|device| !self.trust.has_left(device.id())) {
            if device.is_provisional()? {
                return Err(format!("{} never proved what it began with", device.name).into());
            }
            let its = device.hash()?;
            if *hash.get_or_insert_with(|| its.clone()) != its {
                return Err(format!("{} shows another library than the first", device.name).into());
            }
            let its = device.ends()?;
            if *ends.get_or_insert_with(|| its.clone()) != its {
                return Err(format!("{} shows other words than the first", device.name).into());
            }
            let its = device.roster()?;
            if *roster.get_or_insert_with(|| its.clone()) != its {
                return Err(format!("{} knows other devices than the first", device.name).into());
            }
        }
        Ok(())
    }

    /// What must be found: everything that was imported; once somebody left, what those imported who stay.
    fn required(&self) -> BTreeSet<ContentHash> {
        if self.trust.departures() == 0 {
            return self.imported.clone();
        }
        let staying = self.devices.iter().filter(|device| !self.trust.has_left(device.id()));
        staying
            .flat_map(|device| &device.imported)
            .filter(|content| !self.lost.contains(content))
            .copied()
            .collect()
    }

    fn check_found(&mut self) -> Result<(), Broken> {
        let stores: Vec<_> = self.places.iter().map(|(_, store)| store.clone()).collect();
        let staying: Vec<usize> = (0..self.devices.len()).filter(|which| !self.has_left(*which)).collect();
        for content in self.required() {
            let mut is_held = false;
            for which in &staying {
                is_held |= self.devices[*which].has(&content)?;
            }
            for which in &staying {
                let device = &mut self.devices[*which];
                match device.references(&content)? {
                    None => return Err(format!("{} does not know {content}", device.name).into()),
                    Some(false) => continue,
                    Some(true) => {}
                }
                // What was dropped on purpose need not be in any place, as long as somebody has it.
                let may_be_elsewhere = is_held && self.dropped.contains(&content);
                if let Err(error) = device.resolve(&stores, &content)
                    && !may_be_elsewhere
                {
                    return Err(format!("{} cannot get {content}: {error}", device.name).into());
                }
            }
        }
        Ok(())
    }

    /// Nothing that was planted shows in what the place holds.
    fn check_sealed(&self) -> Result<(), Broken> {
        for (name, bytes) in self.places.iter().flat_map(|(place, _)| place.objects()) {
            if bytes.windows(7).any(|window| window == b"planted") {
                return Err(format!("{name} shows what it should hide").into());
            }
        }
        Ok(())
    }
}
