//! The history as it rests in the library folder: every device's segments, in order, checked.
//!
//! A segment is believed only after its signature, its chain and its root were checked. The first key is this
//! device's own, out of the keyring; the statements in its segments tell the others' (SL1 §4).

use std::collections::BTreeMap;
use std::path::PathBuf;

use safelight_crypto::{DeviceId, Keyring, Roster, Statement, VerifyingKey};
use safelight_model::history::{SealedSegment, Standing, Tip};
use safelight_model::{Segment, SegmentSeq};
use safelight_store::{Area, FolderPlace, ObjectPath};

use crate::error::Result;
use crate::verify::Damage;

/// Larger than any segment: 32 MiB of body and what seals it.
pub(crate) const SEGMENT_BYTES: u64 = 40 << 20;

/// What reading the log came to.
#[derive(Debug, Default)]
pub(crate) struct LogReading {
    pub(crate) devices: u64,
    pub(crate) segments: u64,
    pub(crate) operations: u64,
    pub(crate) bytes: u64,
    pub(crate) damaged: Vec<Damage>,
    /// The end of each device's chain.
    pub(crate) tips: BTreeMap<DeviceId, Tip>,
    /// What all statements together say; none when not even the birth of the library can be read.
    pub(crate) roster: Option<Roster>,
}

/// Reads all segments, giving each good one to `each`; a chain ends before its first damaged or missing one, and those behind
/// that are read only to be named if they are damaged too.
pub(crate) fn read_log(
    place: &FolderPlace,
    keyring: &Keyring,
    each: &mut dyn FnMut(Segment) -> Result<()>,
) -> Result<LogReading> {
    let mut waiting = numbered_segments(place)?;
    let mut keys: BTreeMap<DeviceId, VerifyingKey> = BTreeMap::new();
    keys.insert(keyring.device().id(), *keyring.device().card().verifying_key());
    let mut statements: Vec<Statement> = Vec::new();
    let mut reading = LogReading::default();
    // Each round reads the chains whose keys are known; their statements may tell more keys.
    let mut has_peeked = false;
    loop {
        let Some(device) = waiting.keys().find(|device| keys.contains_key(device)).copied() else {
            // A device that joined was admitted by the words, in its own first segment. Statements carry their own
            // signatures: they are taken out of chains that are not believed yet, and judged by the replay.
            if has_peeked || waiting.is_empty() {
                break;
            }
            has_peeked = true;
            for (device, numbers) in &waiting {
                statements.extend(peek(place, keyring, *device, numbers));
            }
            learn(keyring, &statements, &mut keys, &mut reading);
            continue;
        };
        let (Some(numbers), Some(key)) = (waiting.remove(&device), keys.get(&device).copied()) else { break };
        reading.devices += 1;
        let chain = Chain { place, keyring, device, key };
        chain.read(&numbers, &mut reading, &mut |segment| {
            let carried = segment.statements().filter_map(|bytes| Statement::from_bytes(&bytes).ok());
            statements.extend(carried);
            each(segment)
        })?;
        learn(keyring, &statements, &mut keys, &mut reading);
    }
    for device in waiting.keys() {
        let path = PathBuf::from("objects/log").join(device.to_string());
        reading.damaged.push(Damage::new(path, "no statement admits this device"));
    }
    Ok(reading)
}

/// This device's own segments behind the end of what could be read of its chain: what they say stands under its signature,
/// whatever is missing before them.
pub(crate) fn own_segments_behind(
    place: &FolderPlace,
    keyring: &Keyring,
    end: SegmentSeq,
) -> Result<Vec<Segment>> {
    let own = keyring.device();
    let numbers = numbered_segments(place)?.remove(&own.id()).unwrap_or_default();
    let mut behind = Vec::new();
    for number in numbers.into_iter().filter(|number| *number > end.0) {
        let path = ObjectPath::segment(own.id(), number);
        let read = place.open_object(&path).and_then(|object| object.read_all(SEGMENT_BYTES));
        let opened = read.ok().and_then(|bytes| {
            let sealed = SealedSegment::parse(&bytes).ok()?;
            sealed.verify(keyring.library(), own.card().verifying_key()).ok()?.open(keyring).ok()
        });
        behind.extend(opened);
    }
    Ok(behind)
}

/// Replays what the statements say, and learns the keys of the devices that they admit.
fn learn(
    keyring: &Keyring,
    statements: &[Statement],
    keys: &mut BTreeMap<DeviceId, VerifyingKey>,
    reading: &mut LogReading,
) {
    if let Some(roster) = Roster::replay(keyring.library(), statements) {
        for (id, member) in roster.members() {
            keys.entry(*id).or_insert_with(|| *member.card.verifying_key());
        }
        reading.roster = Some(roster);
    }
}

/// The statements in a chain whose device is not known yet. What cannot be read is named when the chain is.
fn peek(place: &FolderPlace, keyring: &Keyring, device: DeviceId, numbers: &[u32]) -> Vec<Statement> {
    let mut found = Vec::new();
    for number in numbers {
        let path = ObjectPath::segment(device, *number);
        let bytes = place.open_object(&path).and_then(|object| object.read_all(SEGMENT_BYTES));
        let Ok(bytes) = bytes else { continue };
        let peeked = SealedSegment::parse(&bytes)
            .and_then(|sealed| sealed.peek_statements(keyring.library(), keyring));
        for statement in peeked.unwrap_or_default() {
            found.extend(Statement::from_bytes(&statement).ok());
        }
    }
    found
}

/// The numbers of the segments that there are, by device, ascending.
fn numbered_segments(place: &FolderPlace) -> Result<BTreeMap<DeviceId, Vec<u32>>> {
    let mut numbered: BTreeMap<DeviceId, Vec<u32>> = BTreeMap::new();
    for found in place.walk_below(Area::Log.as_str())? {
        let found = found?;
        let Some(path) = found.relative.to_str().and_then(|path| ObjectPath::parse(path).ok()) else {
            continue;
        };
        let device = path.as_str().split('/').nth(1).and_then(|device| device.parse().ok());
        if let (Some(device), Ok(number)) = (device, path.name().parse()) {
            numbered.entry(device).or_default().push(number);
        }
    }
    for numbers in numbered.values_mut() {
        numbers.sort_unstable();
    }
    Ok(numbered)
}

struct Chain<'a> {
    place: &'a FolderPlace,
    keyring: &'a Keyring,
    device: DeviceId,
    key: VerifyingKey,
}

impl Chain<'_> {
    fn read(
        &self,
        numbers: &[u32],
        reading: &mut LogReading,
        each: &mut dyn FnMut(Segment) -> Result<()>,
    ) -> Result<()> {
        // What follows damage stands on nothing, so that nobody is given it; it is read to be named if it is damaged too.
        let (mut tip, mut is_broken, mut before) = (Tip::default(), false, 0);
        for number in numbers.iter().copied() {
            if number > before + 1 {
                let reason = match number - 1 {
                    last if last == before + 1 => "it is missing".to_owned(),
                    last => format!("it is missing, and all after it up to {last}"),
                };
                reading.damaged.push(self.blame(before + 1, reason));
                is_broken = true;
            }
            before = number;
            let path = ObjectPath::segment(self.device, number);
            let read = self.place.open_object(&path).and_then(|object| object.read_all(SEGMENT_BYTES));
            let opened = read.map_err(|error| error.to_string()).and_then(|bytes| {
                reading.bytes += bytes.len() as u64;
                self.open(&bytes, number)
            });
            match opened {
                Ok(_) if is_broken => {}
                Ok(segment) if matches!(tip.judge(segment.clear()), Standing::Next) => {
                    tip = segment.clear().tip();
                    reading.segments += 1;
                    reading.operations += segment.len() as u64;
                    each(segment)?;
                }
                opened => {
                    let reason = opened.map_or_else(
                        |reason| reason,
                        |_| "it does not follow the segment before it".to_owned(),
                    );
                    reading.damaged.push(self.blame(number, reason));
                    is_broken = true;
                }
            }
        }
        reading.tips.insert(self.device, tip);
        Ok(())
    }

    fn blame(&self, number: u32, reason: impl Into<String>) -> Damage {
        let path = ObjectPath::segment(self.device, number);
        Damage::new(PathBuf::from("objects").join(path.as_str()), reason)
    }

    /// A segment that stands under its author's signature and has the number of its name.
    fn open(&self, bytes: &[u8], number: u32) -> Result<Segment, String> {
        let told = |error: safelight_model::ModelError| error.to_string();
        let sealed = SealedSegment::parse(bytes).map_err(told)?;
        let clear = *sealed.clear();
        if clear.device != self.device {
            return Err("it is of another device".into());
        }
        if clear.seq.0 != number {
            return Err(format!("it is segment {}", clear.seq));
        }
        let signed = sealed.verify(self.keyring.library(), &self.key);
        signed.and_then(|signed| signed.open(self.keyring)).map_err(told)
    }
}
