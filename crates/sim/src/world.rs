//! One run: devices do things, the place fails, and after it is quiet everything must be there.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use safelight_crypto::{ContentHash, DeviceId, RecoveryWords};
use safelight_store::SealedRemote;

use crate::chance::Chance;
use crate::device::{Broken, SimDevice};
use crate::place::{Bug, SimPlace};
use crate::trust::{Kind, More, Seen, Trust};
use pair::Pairings;

mod leave;
mod pair;
mod quiet;
mod silence;

/// What devices do in one run.
const STEPS: u64 = 24;
/// Kinds of what they do in all runs, some of them several times.
const ACTIONS: u64 = 27;

/// A little more than what is marked must rest.
const GRACE_MILLIS: u64 = 31 * 86_400_000;
/// The most devices, copies counted.
const MOST_DEVICES: usize = 4;
/// The most devices when one is let in by another.
const MOST_PAIRED: usize = 5;
/// Checkpoints are written often, so that joins begin with old and new ones, and find torn ones.
const CHECKPOINT_AFTER_OPS: u64 = 4;
const NOW: u64 = 1_795_000_000_000;

/// A run that broke a promise.
#[derive(Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step after which it was seen.
    pub step: u64,
    /// What was promised and is not so.
    pub what: String,
    /// The mistake that was made on purpose.
    pub bug: Option<Bug>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "step {}: {} — again: SIM_SEED={}{} cargo test -p safelight-sim --test seeds one_seed",
            self.step,
            self.what,
            self.seed,
            self.bug.map(|bug| format!(" SIM_BUG={bug:?}")).unwrap_or_default()
        )
    }
}

struct World<'t> {
    chance: Chance,
    /// Hears what happens, in the order in which it does.
    tell: &'t mut dyn FnMut(fmt::Arguments<'_>),
    /// Two places: a device that was copied forks where its copies publish in different ones.
    places: Vec<(SimPlace, SealedRemote)>,
    words: RecoveryWords,
    kind: Kind,
    devices: Vec<SimDevice>,
    /// Everything that somebody imported on a disk that was not lost afterwards.
    imported: BTreeSet<ContentHash>,
    /// What was lost with a disk before it was synced, although history already spoke of it.
    lost: BTreeSet<ContentHash>,
    backup: Option<(usize, SimDevice)>,
    trust: Trust,
    pairings: Pairings,
    /// Those that somebody waits for no longer, and that did not sync since.
    lapsed: BTreeSet<DeviceId>,
    lapses: u64,
    bug: Option<Bug>,
    /// What somebody marked in some place: a device that has it need not put it there again.
    dropped: BTreeSet<ContentHash>,
    /// Whether anything was ever to leave a place.
    has_marked: bool,
    has_rotted: bool,
    has_restored: bool,
}

/// Runs one seed; answers what it met.
///
/// # Errors
/// The first promise that was broken.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<Seen, Failure> {
    run_aloud(seed, bug, &mut |_| {})
}

/// Runs one seed, and tells what happens in it, line by line.
///
/// # Errors
/// As [`run`].
pub fn run_aloud(
    seed: u64,
    bug: Option<Bug>,
    tell: &mut dyn FnMut(fmt::Arguments<'_>),
) -> Result<Seen, Failure> {
    let fail = |step: u64, what: String| Failure { seed, step, what, bug };
    let mut world = World::new(seed, bug, tell).map_err(|error| fail(0, error.to_string()))?;
    world.begin().map_err(|error| fail(0, error.to_string()))?;
    for step in 1..=STEPS {
        let may_acknowledge = world.step(step).map_err(|error| fail(step, error.to_string()))?;
        if may_acknowledge {
            world.check_acknowledged().map_err(|error| fail(step, error.to_string()))?;
        }
    }
    if let Err(error) = world.quiet() {
        if !world.are_kept_apart().map_err(|error| fail(STEPS + 1, error.to_string()))? {
            return Err(fail(STEPS + 1, error.to_string()));
        }
        world.trust.seen.kept_apart += 1;
    }
    Ok(world.trust.seen)
}

/// What a number of a step means, one that is no number of what happens in all runs aside.
fn action(what: u64) -> &'static str {
    match what {
        0..=4 => "imports",
        5..=7 => "edits",
        8 => "closes a segment",
        9..=14 => "syncs",
        15 => "is there when another device joins",
        16 => "is backed up",
        17 => "is there when a backup is restored",
        18 => "is cloned",
        19 => "is there when a bit rots",
        20 | 21 => "drops an original from a place",
        22 => "purges",
        23 => "frees",
        24 | 25 => "collects",
        _ => "is killed",
    }
}

impl<'t> World<'t> {
    fn new(seed: u64, bug: Option<Bug>, tell: &'t mut dyn FnMut(fmt::Arguments<'_>)) -> Result<Self, Broken> {
        let mut chance = Chance::new(seed);
        let places = ["first", "second"].map(|label| {
            let place = SimPlace::new(label, chance.next(), bug);
            let store = SealedRemote::new(Arc::new(place.clone()));
            (place, store)
        });
        let (mut founder, words) = SimDevice::founder(chance.next(), NOW)?;
        founder.bug = bug;
        Ok(Self {
            chance,
            tell,
            places: places.into(),
            words,
            kind: Kind::of(seed),
            devices: vec![founder],
            imported: BTreeSet::new(),
            lost: BTreeSet::new(),
            backup: None,
            trust: Trust::default(),
            pairings: Pairings::default(),
            lapsed: BTreeSet::new(),
            lapses: 0,
            bug,
            dropped: BTreeSet::new(),
            has_marked: false,
            has_rotted: false,
            has_restored: false,
        })
    }

    /// One thing happens. Answers whether it may change what devices say of places, or what those hold.
    fn step(&mut self, step: u64) -> Result<bool, Broken> {
        let which = self.chance.index(self.devices.len());
        let more = self.kind.more();
        let what = self.chance.below(ACTIONS + more.len() as u64);
        let more = what.checked_sub(ACTIONS).and_then(|what| more.get(usize::try_from(what).ok()?)).copied();
        let name = self.devices[which].to_string();
        (self.tell)(format_args!("step {step}: {name} {}", more.map_or_else(|| action(what), More::name)));
        let is_of_places = self.watching(which, |world| match more {
            Some(more) => world.do_more(which, more),
            None => world.do_usual(which, what, step),
        })?;
        self.hear_statements()?;
        self.tell_places();
        Ok(is_of_places)
    }

    fn do_usual(&mut self, which: usize, what: u64, step: u64) -> Result<bool, Broken> {
        match what {
            0..=4 => self.import(which, step)?,
            5..=7 => self.edit(which)?,
            8 => self.devices[which].close_segment()?,
            9..=14 => self.sync(which)?,
            15 if self.devices.len() < MOST_DEVICES => self.join(step)?,
            16 if self.backup.is_none() => self.back_up(which)?,
            17 if !self.has_rotted => self.restore()?,
            18 if self.devices.len() < MOST_DEVICES => {
                let seed = self.chance.next();
                let copy = self.devices[which].copy("clone", seed)?;
                self.devices[which].has_copies = true;
                self.devices.push(copy);
            }
            19 => self.rot(),
            20 | 21 => drop(self.drop_from(which)?),
            22 if self.is_waited_for(which)? => {
                self.devices[which].purge(&mut self.chance)?;
                self.has_marked = true;
            }
            23 => self.free(which)?,
            24 | 25 => {
                if self.chance.once_in(2) {
                    self.let_pass(GRACE_MILLIS);
                }
                let at = self.some_place();
                self.collect(which, at)?;
            }
            _ => self.devices[which].kill(),
        }
        Ok(matches!(what, 9..=15 | 17 | 19..=21 | 23..=25))
    }

    /// A device joins by the words, if the place lets it.
    fn join(&mut self, step: u64) -> Result<(), Broken> {
        // Clocks are off by up to a day, before or behind.
        let skew = self.chance.below(2 * 86_400_000);
        let (seed, now) = (self.chance.next(), NOW - 86_400_000 + skew + step * 10_000);
        let which = self.some_place();
        let joined = SimDevice::join(&self.places[which].1, &self.words, seed, now)?;
        self.devices.extend(joined.map(|device| device.with_bug(self.bug)));
        Ok(())
    }

    fn back_up(&mut self, which: usize) -> Result<(), Broken> {
        let seed = self.chance.next();
        self.backup = Some((which, self.devices[which].copy("restored", seed)?));
        Ok(())
    }

    /// A bit rots, where somebody can bring right again what it is in.
    fn rot(&mut self) {
        let place = self.some_place();
        if self.trust.departures() > 0 || !self.may_rot_and_drop(self.has_marked) {
            // Those who left bring nothing right again.
            return;
        }
        // Only what somebody holds can be repaired; a pack is built again by whoever built it.
        let (devices, restored) = (&self.devices, self.has_restored);
        let may_rot = |name: &str, bytes: &[u8]| match name.split('/').next() {
            Some("o") => devices.iter().any(|device| device.holds(name)),
            Some("log") => devices.iter().any(|device| device.keeps_segment(name, bytes)),
            Some("t") => !restored,
            // Segments serve whoever meets a bad page or root.
            Some("page" | "ckpt") => true,
            _ => false,
        };
        self.has_rotted |= self.places[place].0.rot(may_rot).is_some();
    }

    /// Whether something may rot, or leave a place, after the other happened: what was proven before it rotted may be what
    /// another place is to hold. Only where everything begins with one device nobody has proven much.
    fn may_rot_and_drop(&self, other: bool) -> bool {
        self.kind.more().is_empty() || !other
    }

    /// A device marks an original in a place, which is to leave it. Answers in which, if it may.
    fn drop_from(&mut self, which: usize) -> Result<Option<usize>, Broken> {
        let place = self.some_place();
        if self.has_left(which) || !self.may_rot_and_drop(self.has_rotted) {
            return Ok(None);
        }
        let dropped = self.devices[which].drop_from(&self.places[place].1, &mut self.chance)?;
        (self.tell)(format_args!("  from {}: {dropped:?}", self.places[place].1.label()));
        self.has_marked |= dropped.is_some();
        if dropped.is_some() && self.chance.once_in(2) {
            // Nobody else has heard of it.
            self.collect(which, place)?;
        }
        self.dropped.extend(dropped);
        Ok(dropped.map(|_| place))
    }

    /// Tells what happened in the places.
    fn tell_places(&mut self) {
        for (place, store) in &self.places {
            for event in place.take_events() {
                (self.tell)(format_args!("    {}: {event}", store.label()));
            }
        }
    }

    fn edit(&mut self, which: usize) -> Result<(), Broken> {
        let is_waited_for = self.is_waited_for(which)?;
        self.devices[which].edit(&mut self.chance, is_waited_for)
    }

    /// Whether others wait for what a device may have to say: not for one of which nobody has heard, which is away, has left,
    /// or is a copy. What such a one threw away again or took out of the trash may be gone by the time it says so.
    fn is_waited_for(&mut self, which: usize) -> Result<bool, Broken> {
        let id = self.devices[which].id();
        let is_alone = self.devices.iter().filter(|device| device.id() == id).count() == 1;
        let is_alone = is_alone && !self.has_left(which);
        let mut is_known = false;
        for (_, store) in &self.places {
            is_known |= is_alone && self.devices[which].speaks_for_itself(store)?;
        }
        Ok(is_known)
    }

    fn import(&mut self, which: usize, step: u64) -> Result<(), Broken> {
        // Sometimes two devices import one photo.
        let number = if self.chance.once_in(4) { self.chance.below(step) } else { step };
        let content = [b"planted content ".as_slice(), &number.to_be_bytes()].concat().repeat(60);
        self.import_content(which, &content)
    }

    fn import_content(&mut self, which: usize, content: &[u8]) -> Result<(), Broken> {
        let content = self.devices[which].import(content)?;
        self.imported.insert(content);
        Ok(())
    }

    /// A sync that is killed at some request, or at some moment between, or runs to its end.
    fn sync(&mut self, which: usize) -> Result<(), Broken> {
        let at = self.some_place();
        let (place, store) = &self.places[at];
        let polls = self.chance.once_in(3).then(|| self.chance.below(120));
        let requests = self.chance.once_in(3).then(|| self.chance.below(30));
        place.crash_in(requests);
        let writes =
            self.kind.more().first().and_then(|_| self.chance.once_in(8).then(|| self.chance.below(3)));
        if let Some(writes) = writes {
            self.devices[which].crash_at_keys(writes);
        }
        let result = self.devices[which].sync(store, polls, CHECKPOINT_AFTER_OPS)?;
        let is_killed = result.is_none() || requests.is_some() || writes.is_some();
        if matches!(result, Some(Ok(_))) {
            self.note_return(which);
        }
        let (place, store) = &self.places[at];
        let label = store.label();
        match &result {
            None => (self.tell)(format_args!("  with {label}: killed")),
            Some(Ok(report)) => (self.tell)(format_args!("  with {label}: {report:?}")),
            Some(Err(error)) => (self.tell)(format_args!("  with {label}: {error}")),
        }
        if is_killed {
            place.kill();
            self.devices[which].kill();
        } else {
            place.flush();
        }
        place.crash_in(None);
        Ok(())
    }

    /// Time goes by for everybody.
    fn let_pass(&mut self, millis: u64) {
        self.devices.iter_mut().for_each(|device| device.now += millis);
    }

    /// A device frees what it can against a place, and may be killed at it.
    fn free(&mut self, which: usize) -> Result<(), Broken> {
        let at = self.some_place();
        let polls = self.chance.once_in(3).then(|| self.chance.below(60));
        let (place, store) = &self.places[at];
        let freed = self.devices[which].free(store, polls)?;
        (self.tell)(format_args!("  against {}: {freed:?}", store.label()));
        if freed.is_some() {
            place.flush();
        } else {
            place.kill();
        }
        Ok(())
    }

    fn collect_everywhere(&mut self) -> Result<(), Broken> {
        for which in 0..self.devices.len() {
            for at in 0..self.places.len() {
                self.watching(which, |world| world.collect(which, at))?;
                self.check_acknowledged()?;
            }
        }
        Ok(())
    }

    /// A device collects in a place, and may be killed at it.
    fn collect(&mut self, which: usize, at: usize) -> Result<(), Broken> {
        let polls = self.chance.once_in(3).then(|| self.chance.below(60));
        self.collect_until(which, at, polls).map(drop)
    }

    /// The same, killed after so many polls. Answers whether it came to its end, and nothing was in its way.
    fn collect_until(&mut self, which: usize, at: usize, polls: Option<u64>) -> Result<bool, Broken> {
        if self.has_left(which) {
            return Ok(true);
        }
        let others: Vec<SealedRemote> = self
            .places
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .map(|(_, (_, store))| store.clone())
            .collect();
        let (place, store) = &self.places[at];
        let collected = self.devices[which].collect(store, &others, polls)?;
        (self.tell)(format_args!("  in {}: {collected:?}", store.label()));
        for (place, _) in &self.places {
            if collected.is_some() { place.flush() } else { place.kill() }
        }
        if self.bug == Some(Bug::CollectedUnasked) {
            let names: Vec<String> =
                place.objects().into_keys().filter(|name| name.starts_with("o/")).collect();
            let elsewhere: Vec<_> = self
                .places
                .iter()
                .filter(|(_, other)| other.label() != store.label())
                .map(|(place, _)| place.objects())
                .collect();
            let is_elsewhere = |name: &str| elsewhere.iter().any(|objects| objects.contains_key(name));
            self.devices[which].collect_unasked(store, &names, is_elsewhere)?;
        }
        Ok(matches!(&collected, Some(Ok(report)) if report.plan.hindrances.is_empty()))
    }

    /// Mostly the first place: copies that publish in one place take turns, in two they fork.
    fn some_place(&mut self) -> usize {
        usize::from(self.chance.once_in(4))
    }

    /// A disk is lost and its backup takes its place. What was only on the disk is lost with it: what it had
    /// imported since counts only if it was synced.
    fn restore(&mut self) -> Result<(), Broken> {
        let Some((which, backup)) = self.backup.take() else { return Ok(()) };
        let mut safe = BTreeSet::new();
        for which in 0..self.devices.len() {
            for at in 0..self.places.len() {
                if !self.is_heard(which, at)? {
                    continue;
                }
                let (device, store) = (&mut self.devices[which], &self.places[at].1);
                safe.extend(device.synced(store)?.iter().map(|original| original.content));
            }
        }
        self.has_restored = true;
        self.trust.seen.restored_after_departures += u64::from(self.trust.departures() > 0);
        let now = self.devices.iter().map(|device| device.now).max().unwrap_or(NOW);
        self.devices[which] = backup;
        // Its clock is that of today.
        self.devices[which].now = now;
        for device in &mut self.devices {
            for content in &self.imported {
                if device.has(content)? {
                    safe.insert(*content);
                }
            }
        }
        self.lost.extend(self.imported.difference(&safe));
        self.imported.retain(|content| safe.contains(content));
        Ok(())
    }

    /// Whatever a device says is in the place, is there, and opens.
    fn check_acknowledged(&mut self) -> Result<(), Broken> {
        if self.has_rotted {
            // Bytes rot in places that keep their word; verifying finds that.
            return Ok(());
        }
        for at in 0..self.places.len() {
            let objects = self.places[at].0.objects();
            for which in 0..self.devices.len() {
                if !self.is_heard(which, at)? {
                    continue;
                }
                let (device, store) = (&mut self.devices[which], &self.places[at].1);
                for original in device.synced(store)? {
                    for part in &original.parts {
                        let first = format!("o/{}/{}", part.name.shard(), part.name);
                        let is_whole = objects
                            .range(first.clone()..)
                            .take_while(|(name, _)| name.starts_with(&first))
                            .any(|(name, bytes)| {
                                (*name == first || name.starts_with(&format!("{first}-")))
                                    && bytes.len() as u64 == part.sealed_bytes
                            });
                        if !is_whole {
                            let who = &device.name;
                            return Err(format!("{who} says that {first} is safe, and it is not").into());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether what a device says of a place counts. Once things may leave places that of one does not which others do
    /// not wait for, since it is away, nor that of a copy: what one of them acknowledged the others hear of later.
    fn is_heard(&mut self, which: usize, at: usize) -> Result<bool, Broken> {
        if self.has_left(which) {
            return Ok(false);
        }
        if !self.has_marked {
            return Ok(true);
        }
        let id = self.devices[which].id();
        let is_one_of_many = self.devices.iter().filter(|device| device.id() == id).count() > 1;
        Ok(!is_one_of_many && self.devices[which].speaks_for_itself(&self.places[at].1)?)
    }
}
