//! Devices that may only upload, and what of theirs was taken in.
//!
//! Both are typed values that all devices share, so they merge like any other: who may upload is a setting of the library,
//! and what was taken in is a set that nothing is ever taken out of. Specified in sl1-history §5.2.

use safelight_crypto::DeviceCard;

use crate::cbor::{self, Decode, Encode, Malformed, Reader, Writer};
use crate::field::{Field, SetName, Target};
use crate::ids::{ContentHash, DeviceId};
use crate::value::Value;

/// How settings of devices that upload begin; the device's id follows.
const SETTING: &str = "uploader/";
/// What stands behind the id in the setting that ends it.
const ENDED: &str = "/ended";
/// The kind of entity that stands for a device.
const DEVICE_ENTITY: u8 = 6;
/// Counters are milliseconds where nobody says otherwise: this many bits of them, a day and a half, share an entity.
const BLOCK_BITS: u32 = 27;
/// Bytes of an element: counter, hash of the head, content.
const TAKEN_BYTES: usize = 8 + 32 + 32;

impl SetName {
    /// The uploads of a device that were taken in (`Bytes`); nothing is ever taken out of it.
    pub const TAKEN_IN: Self = Self(4);
}

/// A device that may only upload: its public keys, and how much of it is taken in on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploader {
    /// Its public keys.
    pub card: DeviceCard,
    /// When it was let in, in milliseconds since 1970.
    pub since_millis: u64,
    /// So many items of it are taken in on one day.
    pub items_a_day: u64,
    /// So many bytes of it are taken in on one day.
    pub bytes_a_day: u64,
}

impl Uploader {
    /// The setting that holds a device that may upload.
    #[must_use]
    pub fn field(device: DeviceId) -> Field {
        Field::setting(&format!("{SETTING}{device}"))
    }

    /// The setting that says that a device may upload no more. It is never cleared.
    #[must_use]
    pub fn ended_field(device: DeviceId) -> Field {
        Field::setting(&format!("{SETTING}{device}{ENDED}"))
    }

    /// The device whose setting it is; `None` for any other field.
    #[must_use]
    pub fn device_of(field: &Field) -> Option<DeviceId> {
        if field.code() != Field::SETTING {
            return None;
        }
        let name = std::str::from_utf8(field.key()).ok()?.strip_prefix(SETTING)?;
        name.strip_suffix(ENDED).unwrap_or(name).parse().ok()
    }

    /// The value of the setting.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Bytes(cbor::to_bytes(self))
    }

    /// Reads the value of the setting of a device; `None` if it is none, or of another device.
    #[must_use]
    pub fn of_value(device: DeviceId, value: &Value) -> Option<Self> {
        let Value::Bytes(bytes) = value else { return None };
        let read: Self = Reader::whole(bytes).ok()?;
        (read.card.id() == device).then_some(read)
    }
}

/// `{0: card, 1: since, 2: items a day, 3: bytes a day}`.
impl Encode for Uploader {
    fn encode(&self, to: &mut Writer) {
        to.map(|map| {
            map.bytes(0, &self.card.to_bytes());
            map.entry(1, &self.since_millis);
            map.entry(2, &self.items_a_day);
            map.entry(3, &self.bytes_a_day);
        });
    }
}

impl Decode for Uploader {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut card, mut since_millis, mut items, mut bytes) = (None, None, None, None);
        from.map(|key, from| {
            match key {
                0 => {
                    let read = DeviceCard::from_bytes(from.bytes(safelight_crypto::DEVICE_CARD_LEN)?);
                    card = Some(read.map_err(|_| from.broken("the card is that of its device"))?);
                }
                1 => since_millis = Some(from.unsigned()?),
                2 => items = Some(from.unsigned()?),
                3 => bytes = Some(from.unsigned()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let whole = || {
            Some(Self { card: card?, since_millis: since_millis?, items_a_day: items?, bytes_a_day: bytes? })
        };
        whole().ok_or(from.broken("a device that uploads has a card, a time and two quotas"))
    }
}

/// An upload that was taken in: which it was, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TakenUpload {
    /// Its number.
    pub counter: u64,
    /// SHA-256 of the bytes of its head: another item under the same number is no repetition.
    pub head: [u8; 32],
    /// What it held.
    pub content: ContentHash,
}

impl TakenUpload {
    /// Where it is said of a device that an upload with that number was taken in.
    #[must_use]
    pub fn target(device: DeviceId, counter: u64) -> Target {
        let block = counter >> BLOCK_BITS;
        let id = [device.as_bytes().as_slice(), &block.to_be_bytes()].concat();
        Target::Other { kind: DEVICE_ENTITY, id }
    }

    /// Whether a target is one of these.
    #[must_use]
    pub fn device_of(target: &Target) -> Option<DeviceId> {
        match target {
            Target::Other { kind: DEVICE_ENTITY, id } => {
                let (device, block) = id.split_first_chunk::<{ DeviceId::LEN }>()?;
                (block.len() == 8).then(|| DeviceId::from_bytes(*device))
            }
            _ => None,
        }
    }

    /// The element that says it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Bytes([&self.counter.to_be_bytes()[..], &self.head, self.content.as_bytes()].concat())
    }

    /// Reads an element; `None` for anything else.
    #[must_use]
    pub fn of_value(value: &Value) -> Option<Self> {
        let Value::Bytes(bytes) = value else { return None };
        let bytes: &[u8; TAKEN_BYTES] = bytes.as_slice().try_into().ok()?;
        let (counter, rest) = bytes.split_first_chunk::<8>()?;
        let (head, content) = rest.split_first_chunk::<32>()?;
        Some(Self {
            counter: u64::from_be_bytes(*counter),
            head: *head,
            content: ContentHash::from_bytes(content.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use safelight_crypto::{Device, SeededEntropy};

    use super::*;

    #[test]
    fn what_is_written_is_read_and_of_no_other_device() {
        let device = Device::generate(&mut SeededEntropy::new(1));
        let uploader =
            Uploader { card: device.card().clone(), since_millis: 5, items_a_day: 9, bytes_a_day: 1 << 40 };
        assert_eq!(Uploader::of_value(device.id(), &uploader.to_value()), Some(uploader.clone()));
        assert_eq!(Uploader::of_value(DeviceId::from_bytes([1; 16]), &uploader.to_value()), None);
        for field in [Uploader::field(device.id()), Uploader::ended_field(device.id())] {
            assert_eq!(Uploader::device_of(&field), Some(device.id()));
        }
        assert_eq!(Uploader::device_of(&Field::setting("device/abc/name")), None);
    }

    #[test]
    fn an_upload_that_was_taken_in_is_read_back_and_named_with_its_device() {
        let device = DeviceId::from_bytes([4; 16]);
        let taken =
            TakenUpload { counter: 1 << 40, head: [2; 32], content: ContentHash::from_bytes([3; 32]) };
        assert_eq!(TakenUpload::of_value(&taken.to_value()), Some(taken));
        assert_eq!(TakenUpload::of_value(&Value::Bytes(vec![0; 71])), None);
        let target = TakenUpload::target(device, taken.counter);
        assert_eq!(TakenUpload::device_of(&target), Some(device));
        assert_ne!(target, TakenUpload::target(device, taken.counter + (1 << BLOCK_BITS)));
        assert_eq!(TakenUpload::device_of(&Target::Library), None);
    }
}
