//! The one encoding of everything in history: deterministic CBOR (RFC 8949 §4.2.1), and less of it.
//!
//! Invariant: for every value there is exactly one byte string, and the reader accepts no other. Lengths
//! are definite, heads are the shortest, text is UTF-8, map keys ascend, and there are no tags, no floating
//! point numbers and no simple values beside false, true and null. So "decode, encode again, compare" can
//! never differ, and hashes over encoded bytes are hashes over values.
//!
//! Why our own reader: a general decoder accepts long heads, unsorted and doubled keys, and allocates what a
//! hostile length asks for. This one never allocates more than the bytes in front of it and borrows the rest.
//! The tests compare it with an independent implementation (ciborium). Specified in sl1-history §1.

/// How deep arrays and maps may nest.
pub(crate) const MAX_DEPTH: usize = 16;

/// A rule of the encoding that some bytes break, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}, at byte {offset}")]
pub struct Malformed {
    /// The rule that is broken.
    pub rule: &'static str,
    /// How many bytes had been read.
    pub offset: usize,
}

/// What can be written in this encoding.
pub(crate) trait Encode {
    fn encode(&self, to: &mut Writer);
}

/// What can be read back from this encoding.
pub(crate) trait Decode: Sized {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed>;
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Writes values, each in its only encoding.
#[derive(Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn head(&mut self, major: u8, argument: u64) {
        let (head, length) = encode_head(major, argument);
        self.out.extend_from_slice(&head[..length]);
    }

    pub(crate) fn unsigned(&mut self, value: u64) {
        self.head(UNSIGNED, value);
    }

    pub(crate) fn signed(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.head(UNSIGNED, value),
            Err(_) => self.head(NEGATIVE, !value.cast_unsigned()),
        }
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.out.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.out.push(if value { TRUE } else { FALSE });
    }

    pub(crate) fn null(&mut self) {
        self.out.push(NULL);
    }

    pub(crate) fn array(&mut self, items: usize) {
        self.head(ARRAY, items as u64);
    }

    pub(crate) fn value(&mut self, value: &impl Encode) {
        value.encode(self);
    }

    /// A value, or null.
    pub(crate) fn optional(&mut self, value: Option<&impl Encode>) {
        match value {
            Some(value) => value.encode(self),
            None => self.null(),
        }
    }

    pub(crate) fn list(&mut self, items: &[impl Encode]) {
        self.array(items.len());
        for item in items {
            item.encode(self);
        }
    }

    /// Bytes that are known to be one encoded value.
    pub(crate) fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    /// A map with small unsigned keys; the closure writes the entries in ascending order of their keys.
    pub(crate) fn map(&mut self, entries: impl FnOnce(&mut MapWriter<'_>)) {
        let start = self.out.len();
        self.out.push(0);
        let mut map = MapWriter { writer: self, entries: 0 };
        entries(&mut map);
        let count = map.entries;
        let (head, length) = encode_head(MAP, count);
        self.out.splice(start..=start, head[..length].iter().copied());
    }
}

fn encode_head(major: u8, argument: u64) -> ([u8; 9], usize) {
    let mut head = [0; 9];
    let bytes = argument.to_be_bytes();
    let (information, skip) = match argument {
        0..=23 => (bytes[7], 8),
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    head[0] = major << 5 | information;
    let tail = &bytes[skip..];
    head[1..=tail.len()].copy_from_slice(tail);
    (head, 1 + tail.len())
}

/// Writes the entries of one map.
pub(crate) struct MapWriter<'a> {
    writer: &'a mut Writer,
    entries: u64,
}

impl MapWriter<'_> {
    pub(crate) fn entry(&mut self, key: u64, value: &impl Encode) {
        self.key(key);
        value.encode(self.writer);
    }

    /// Leaves the entry out when there is no value.
    pub(crate) fn some(&mut self, key: u64, value: Option<&impl Encode>) {
        if let Some(value) = value {
            self.entry(key, value);
        }
    }

    pub(crate) fn list(&mut self, key: u64, items: &[impl Encode]) {
        self.key(key);
        self.writer.list(items);
    }

    /// Leaves the entry out when the list is empty.
    pub(crate) fn some_list(&mut self, key: u64, items: &[impl Encode]) {
        if !items.is_empty() {
            self.list(key, items);
        }
    }

    pub(crate) fn bytes(&mut self, key: u64, value: &[u8]) {
        self.key(key);
        self.writer.bytes(value);
    }

    pub(crate) fn unread(&mut self, unread: &Unread) {
        for (key, value) in &unread.0 {
            self.key(*key);
            self.writer.raw(value);
        }
    }

    fn key(&mut self, key: u64) {
        self.entries += 1;
        self.writer.unsigned(key);
    }
}

/// Entries of a map that this version does not know, kept as they came so that nothing is lost.
///
/// New entries get higher keys than all before them, so the unread ones always follow the known ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unread(Vec<(u64, Box<[u8]>)>);

impl Unread {
    /// Whether everything was understood.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads values and refuses every encoding but the only one.
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// Decodes exactly one value that fills the whole input.
    pub(crate) fn whole<T: Decode>(input: &'a [u8]) -> Result<T, Malformed> {
        let mut reader = Self::new(input);
        let value = T::decode(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.at == self.input.len() { Ok(()) } else { Err(self.broken("bytes follow the end")) }
    }

    pub(crate) fn broken(&self, rule: &'static str) -> Malformed {
        Malformed { rule, offset: self.at }
    }

    pub(crate) fn ensure(&self, holds: bool, rule: &'static str) -> Result<(), Malformed> {
        if holds { Ok(()) } else { Err(self.broken(rule)) }
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let taken = rest.get(..bytes).ok_or(self.broken("the bytes end too early"))?;
        self.at += bytes;
        Ok(taken)
    }

    pub(crate) fn peek(&self) -> Result<u8, Malformed> {
        self.input.get(self.at).copied().ok_or(self.broken("the bytes end too early"))
    }

    fn head(&mut self) -> Result<(u8, u64), Malformed> {
        let first = self.peek()?;
        self.at += 1;
        let information = first & 0x1f;
        let (width, least) = match information {
            0..=23 => return Ok((first >> 5, u64::from(information))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(self.broken("lengths are definite")),
        };
        let argument = self.take(width)?.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        self.ensure(argument >= least, "heads are the shortest possible")?;
        Ok((first >> 5, argument))
    }

    fn expect(&mut self, major: u8, rule: &'static str) -> Result<u64, Malformed> {
        match self.head()? {
            (found, argument) if found == major => Ok(argument),
            _ => Err(self.broken(rule)),
        }
    }

    /// A count of things of which each takes at least one more byte.
    fn length(&self, argument: u64) -> Result<usize, Malformed> {
        usize::try_from(argument)
            .ok()
            .filter(|length| *length <= self.input.len() - self.at)
            .ok_or(self.broken("a length exceeds the bytes there are"))
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Malformed> {
        self.expect(UNSIGNED, "an unsigned integer belongs here")
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let (major, argument) = self.head()?;
        let magnitude = i64::try_from(argument).map_err(|_| self.broken("integers have 64 signed bits"))?;
        match major {
            UNSIGNED => Ok(magnitude),
            NEGATIVE => Ok(!magnitude),
            _ => Err(self.broken("an integer belongs here")),
        }
    }

    pub(crate) fn bytes(&mut self, limit: usize) -> Result<&'a [u8], Malformed> {
        let argument = self.expect(BYTES, "a byte string belongs here")?;
        let length = self.length(argument)?;
        self.ensure(length <= limit, "the byte string is too long")?;
        self.take(length)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let rule = "the byte string has another length";
        let bytes = self.bytes(usize::MAX)?;
        bytes.try_into().map_err(|_| self.broken(rule))
    }

    pub(crate) fn text(&mut self, limit: usize) -> Result<&'a str, Malformed> {
        let argument = self.expect(TEXT, "text belongs here")?;
        let length = self.length(argument)?;
        self.ensure(length <= limit, "the text is too long")?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.broken("text is UTF-8"))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.peek()? {
            FALSE => self.at += 1,
            TRUE => {
                self.at += 1;
                return Ok(true);
            }
            _ => return Err(self.broken("false or true belongs here")),
        }
        Ok(false)
    }

    /// Whether null comes next; it is read if so.
    pub(crate) fn null(&mut self) -> Result<bool, Malformed> {
        let found = self.peek()? == NULL;
        self.at += usize::from(found);
        Ok(found)
    }

    pub(crate) fn array(&mut self, limit: usize) -> Result<usize, Malformed> {
        let argument = self.expect(ARRAY, "an array belongs here")?;
        let items = self.length(argument)?;
        self.ensure(items <= limit, "the array has too many items")?;
        Ok(items)
    }

    pub(crate) fn array_of(&mut self, items: usize) -> Result<(), Malformed> {
        let found = self.array(usize::MAX)?;
        self.ensure(found == items, "the array has another number of items")
    }

    pub(crate) fn optional<T: Decode>(&mut self) -> Result<Option<T>, Malformed> {
        if self.null()? { Ok(None) } else { T::decode(self).map(Some) }
    }

    pub(crate) fn list<T: Decode>(&mut self, limit: usize) -> Result<Vec<T>, Malformed> {
        let items = self.array(limit)?;
        let mut list = Vec::with_capacity(items.min(16));
        for _ in 0..items {
            list.push(T::decode(self)?);
        }
        Ok(list)
    }

    /// A list whose items strictly ascend.
    pub(crate) fn sorted<T: Decode + Ord>(&mut self, limit: usize) -> Result<Vec<T>, Malformed> {
        let list = self.list(limit)?;
        self.ensure(list.is_sorted_by(|a, b| a < b), "the list ascends without repetitions")?;
        Ok(list)
    }

    /// Reads a map with unsigned keys. The closure reads the value of each key it knows and answers true, or
    /// reads nothing and answers false; what it does not know is returned.
    pub(crate) fn map(
        &mut self,
        mut entry: impl FnMut(u64, &mut Self) -> Result<bool, Malformed>,
    ) -> Result<Unread, Malformed> {
        let argument = self.expect(MAP, "a map belongs here")?;
        let entries = self.length(argument)?;
        let mut unread = Vec::new();
        let mut previous = None;
        for _ in 0..entries {
            let key = self.unsigned()?;
            self.ensure(previous.is_none_or(|previous| previous < key), "keys ascend without repetitions")?;
            previous = Some(key);
            if entry(key, self)? {
                self.ensure(unread.is_empty(), "known keys come before unknown ones")?;
            } else {
                unread.push((key, self.item()?.into()));
            }
        }
        Ok(Unread(unread))
    }

    /// Any one value, checked and returned as the bytes that encode it.
    pub(crate) fn item(&mut self) -> Result<&'a [u8], Malformed> {
        let start = self.at;
        self.skip(0)?;
        Ok(self.input.get(start..self.at).unwrap_or_default())
    }

    fn skip(&mut self, depth: usize) -> Result<(), Malformed> {
        self.ensure(depth < MAX_DEPTH, "values nest too deep")?;
        let first = self.peek()?;
        if matches!(first, FALSE | TRUE | NULL) {
            self.at += 1;
            return Ok(());
        }
        match first >> 5 {
            UNSIGNED => self.unsigned().map(drop),
            NEGATIVE => self.signed().map(drop),
            BYTES => self.bytes(usize::MAX).map(drop),
            TEXT => self.text(usize::MAX).map(drop),
            ARRAY => (0..self.array(usize::MAX)?).try_for_each(|_| self.skip(depth + 1)),
            MAP => self.skip_map(depth),
            _ => Err(self.broken("tags, floating point and other simple values are not used")),
        }
    }

    fn skip_map(&mut self, depth: usize) -> Result<(), Malformed> {
        let argument = self.expect(MAP, "a map belongs here")?;
        let mut previous: Option<&[u8]> = None;
        for _ in 0..self.length(argument)? {
            let start = self.at;
            self.skip(depth + 1)?;
            let key = self.input.get(start..self.at).unwrap_or_default();
            self.ensure(previous.is_none_or(|previous| previous < key), "keys ascend without repetitions")?;
            previous = Some(key);
            self.skip(depth + 1)?;
        }
        Ok(())
    }
}

/// Encodes one value.
pub(crate) fn to_bytes(value: &impl Encode) -> Vec<u8> {
    let mut writer = Writer::with_capacity(256);
    value.encode(&mut writer);
    writer.finish()
}

impl Encode for bool {
    fn encode(&self, to: &mut Writer) {
        to.boolean(*self);
    }
}

impl Decode for bool {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.boolean()
    }
}

impl Encode for String {
    fn encode(&self, to: &mut Writer) {
        to.text(self);
    }
}

/// How long any text may be, in bytes of UTF-8.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;

impl Decode for String {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.text(MAX_TEXT_BYTES).map(str::to_owned)
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, to: &mut Writer) {
        to.bytes(self);
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.fixed()
    }
}

macro_rules! unsigned_codec {
    ($($kind:ty)*) => {$(
        impl Encode for $kind {
            fn encode(&self, to: &mut Writer) {
                to.unsigned(u64::from(*self));
            }
        }

        impl Decode for $kind {
            fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                Self::try_from(from.unsigned()?).map_err(|_| from.broken("the integer is too large"))
            }
        }
    )*};
}

macro_rules! signed_codec {
    ($($kind:ty)*) => {$(
        impl Encode for $kind {
            fn encode(&self, to: &mut Writer) {
                to.signed(i64::from(*self));
            }
        }

        impl Decode for $kind {
            fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                Self::try_from(from.signed()?).map_err(|_| from.broken("the integer is too large"))
            }
        }
    )*};
}

unsigned_codec!(u8 u16 u32 u64);
signed_codec!(i8 i16 i32 i64);

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(bytes);
        reader.item()?;
        reader.end()
    }

    #[test]
    fn long_heads_are_refused() {
        for bytes in [&[0x18, 0x17][..], &[0x19, 0, 0xff], &[0x1a, 0, 0, 0xff, 0xff], &[0x58, 1, 0]] {
            assert!(item(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(item(&[0x18, 0x18]), Ok(()));
    }

    #[test]
    fn indefinite_lengths_tags_floats_and_undefined_are_refused() {
        for bytes in [&[0x9f, 0xff][..], &[0x5f, 0xff], &[0xc0, 0], &[0xf9, 0, 0], &[0xf7], &[0xf8, 0xff]] {
            assert!(item(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn map_keys_must_ascend_without_repetitions() {
        assert_eq!(item(&[0xa2, 0, 0, 1, 0]), Ok(()));
        assert!(item(&[0xa2, 1, 0, 0, 0]).is_err());
        assert!(item(&[0xa2, 1, 0, 1, 0]).is_err());
    }

    #[test]
    fn a_huge_length_is_refused_before_anything_is_allocated() {
        for head in [0x5b_u8, 0x7b, 0x9b, 0xbb] {
            let mut bytes = vec![head];
            bytes.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
            assert!(item(&bytes).is_err());
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        assert!(item(&[0x81; 100_000]).is_err());
    }

    #[test]
    fn every_integer_of_64_signed_bits_comes_back() {
        for value in [0, 1, 23, 24, 255, 256, 65_535, 65_536, i64::MAX, -1, -24, -25, -256, -257, i64::MIN] {
            let bytes = to_bytes(&value);
            assert_eq!(Reader::whole::<i64>(&bytes), Ok(value));
            let independent: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
            assert_eq!(independent, ciborium::Value::from(value));
        }
    }

    #[test]
    fn maps_of_more_than_23_entries_have_a_longer_head() {
        let mut writer = Writer::default();
        writer.map(|map| (0..300_u64).for_each(|key| map.entry(key, &key)));
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        let mut entries = 0;
        reader
            .map(|key, from| {
                Ok(from.unsigned()? == key && {
                    entries += 1;
                    true
                })
            })
            .unwrap();
        assert_eq!(entries, 300);
        assert_eq!(reader.end(), Ok(()));
    }
}
