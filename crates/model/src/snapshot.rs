//! A snapshot: the ends of all chains as one device knew them, with a name.
//!
//! It is a value of a setting that all devices share, so it merges as any other; what the library was then is the fold of
//! what these heads reach. Specified in sl1-history §5.1.

use crate::cbor::{self, Decode, Encode, Malformed, Reader, Writer};
use crate::field::Field;
use crate::history::Seen;
use crate::value::{MAX_TEXT_BYTES, Value};

/// How settings of snapshots begin; 16 digits follow.
const SETTING: &str = "snapshot/";
/// How many devices a snapshot can be of: what one value holds.
const MOST_HEADS: usize = MAX_TEXT_BYTES / 64;

/// A named moment of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What people call it.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub made_millis: u64,
    /// Whether it was made by a schedule, which may remove it again.
    pub is_scheduled: bool,
    /// How far each device's chain went.
    pub heads: Seen,
}

impl Snapshot {
    /// The setting that holds the snapshot of an id.
    #[must_use]
    pub fn field(id: u64) -> Field {
        Field::setting(&format!("{SETTING}{id:016x}"))
    }

    /// The id of the snapshot that a setting holds; `None` for any other field.
    #[must_use]
    pub fn id_of(field: &Field) -> Option<u64> {
        if field.code() != Field::SETTING {
            return None;
        }
        let digits = std::str::from_utf8(field.key()).ok()?.strip_prefix(SETTING)?;
        let id = u64::from_str_radix(digits, 16).ok()?;
        (Self::field(id) == *field).then_some(id)
    }

    /// The value of the setting; `None` if more devices belong to the library than a value holds.
    #[must_use]
    pub fn to_value(&self) -> Option<Value> {
        (self.heads.iter().count() <= MOST_HEADS).then(|| Value::Bytes(cbor::to_bytes(self)))
    }

    /// Reads the value of a setting; `None` if it is no snapshot.
    #[must_use]
    pub fn of_value(value: &Value) -> Option<Self> {
        let Value::Bytes(bytes) = value else { return None };
        Reader::whole(bytes).ok()
    }
}

/// `{0: name, 1: made, 2: heads, 3?: scheduled}`.
impl Encode for Snapshot {
    fn encode(&self, to: &mut Writer) {
        to.map(|map| {
            map.entry(0, &self.name);
            map.entry(1, &self.made_millis);
            map.entry(2, &self.heads);
            map.some(3, self.is_scheduled.then_some(&true));
        });
    }
}

impl Decode for Snapshot {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut name, mut made_millis, mut heads, mut is_scheduled) = (None, None, None, false);
        from.map(|key, from| {
            match key {
                0 => name = Some(String::decode(from)?),
                1 => made_millis = Some(from.unsigned()?),
                2 => heads = Some(Seen::decode(from)?),
                3 => {
                    is_scheduled = from.boolean()?;
                    from.ensure(is_scheduled, "what no schedule made does not say so")?;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let whole = || Some(Self { name: name?, made_millis: made_millis?, is_scheduled, heads: heads? });
        whole().ok_or(from.broken("a snapshot has a name, a time and heads"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Tip;
    use crate::ids::{DeviceId, SegmentRoot, SegmentSeq};

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let tip = Tip { seq: SegmentSeq(7), root: SegmentRoot([3; 32]) };
        for is_scheduled in [false, true] {
            let heads = Seen::new([(DeviceId::from_bytes([1; 16]), tip)]);
            let snapshot = Snapshot { name: "Before".into(), made_millis: 1 << 40, is_scheduled, heads };
            let value = snapshot.to_value().unwrap();
            assert_eq!(Snapshot::of_value(&value), Some(snapshot));
        }
        assert_eq!(Snapshot::of_value(&Value::Bytes(vec![0xa0])), None);
        assert_eq!(Snapshot::of_value(&"Before".to_owned().into()), None);
    }

    #[test]
    fn settings_of_snapshots_have_sixteen_digits() {
        assert_eq!(Snapshot::id_of(&Snapshot::field(0xabc)), Some(0xabc));
        for other in ["snapshot/abc", "snapshot/", "device/00", "snapshot/0000000000000ABC"] {
            assert_eq!(Snapshot::id_of(&Field::setting(other)), None, "{other}");
        }
        assert_eq!(Snapshot::id_of(&Field::CAPTION.into()), None);
    }
}
