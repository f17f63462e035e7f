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

/// Reads all segments, giving each good one to `each`; a chain ends at its first damaged or missing one.
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
        let mut tip = Tip::default();
        for (expected, number) in (1..).zip(numbers) {
            let path = ObjectPath::segment(self.device, *number);
            let blame = |reason: String| Damage::new(PathBuf::from("objects").join(path.as_str()), reason);
            if *number != expected {
                reading.damaged.push(blame(format!("segment {expected} before it is missing")));
                break;
            }
            let bytes = match self.place.open_object(&path).and_then(|object| object.read_all(SEGMENT_BYTES))
            {
                Ok(bytes) => bytes,
                Err(error) => {
                    reading.damaged.push(blame(error.to_string()));
                    break;
                }
            };
            reading.bytes += bytes.len() as u64;
            match self.open(&bytes, &tip) {
                Ok(segment) => {
                    tip = segment.clear().tip();
                    reading.segments += 1;
                    reading.operations += segment.len() as u64;
                    each(segment)?;
                }
                Err(reason) => {
                    reading.damaged.push(blame(reason));
                    break;
                }
            }
        }
        reading.tips.insert(self.device, tip);
        Ok(())
    }

    fn open(&self, bytes: &[u8], tip: &Tip) -> Result<Segment, String> {
        let told = |error: safelight_model::ModelError| error.to_string();
        let sealed = SealedSegment::parse(bytes).map_err(told)?;
        let clear = *sealed.clear();
        if clear.device != self.device {
            return Err("it is of another device".into());
        }
        let segment = sealed
            .verify(self.keyring.library(), &self.key)
            .and_then(|signed| signed.open(self.keyring))
            .map_err(told)?;
        match tip.judge(&clear) {
            Standing::Next => Ok(segment),
            _ => Err("it does not follow the segment before it".into()),
        }
    }
}
