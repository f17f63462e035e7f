//! A segment whose signature and root were checked: its ops, what it had seen, what was forgotten.

use safelight_crypto::{
    DeviceId, Domain, Entropy, Epoch, Kind, LibraryId, ObjectContext, Signature, VerifyingKey, seal,
};

use super::merkle::{self, Hash, SALT_LEN};
use super::{ClearPart, MAX_SEEN, MAX_SEGMENT_OPS, Tip, packed};
use crate::cbor::{self, Decode, Encode, Malformed, Reader, Writer};
use crate::error::ModelError;
use crate::ids::{OpIds, SegmentRoot, SegmentSeq};
use crate::op::{MAX_OP_BYTES, Op, OpBody};

/// The version of the body's format.
const BODY_VERSION: u64 = 1;

/// How far a device had read the others when it closed a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(Vec<(DeviceId, Tip)>);

impl Seen {
    /// Builds it from the known ends of the other devices' chains.
    #[must_use]
    pub fn new(tips: impl IntoIterator<Item = (DeviceId, Tip)>) -> Self {
        let mut tips: Vec<_> = tips.into_iter().filter(|(_, tip)| tip.seq != SegmentSeq(0)).collect();
        tips.sort_by_key(|(device, tip)| (*device, tip.seq, tip.root));
        tips.reverse();
        tips.dedup_by_key(|(device, _)| *device);
        tips.reverse();
        Self(tips)
    }

    /// The ends of chains, by device.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceId, Tip)> {
        self.0.iter().copied()
    }

    /// How far it had read one device.
    #[must_use]
    pub fn of(&self, device: DeviceId) -> Option<Tip> {
        let place = self.0.binary_search_by_key(&device, |(known, _)| *known).ok()?;
        self.0.get(place).map(|(_, tip)| *tip)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// One place in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// An op with its salt.
    Op { salt: [u8; SALT_LEN], op: Vec<u8> },
    /// The hash of an op that was forgotten.
    Forgotten(Hash),
}

impl Entry {
    fn leaf(&self) -> Hash {
        match self {
            Self::Op { salt, op } => merkle::leaf(salt, op),
            Self::Forgotten(leaf) => *leaf,
        }
    }
}

/// What lies sealed in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) seen: Seen,
    pub(super) header_salt: [u8; SALT_LEN],
    pub(super) entries: Vec<Entry>,
}

impl Body {
    /// The encoding of where the segment stands, as it is hashed with its salt.
    fn header(&self, device: DeviceId, seq: SegmentSeq, prev: SegmentRoot) -> Vec<u8> {
        let mut header = Writer::default();
        header.array(5);
        header.unsigned(BODY_VERSION);
        header.value(&device);
        header.value(&seq);
        header.value(&prev);
        header.value(&self.seen);
        header.finish()
    }

    /// The root over everything that the segment says and where it stands.
    pub(super) fn root(&self, device: DeviceId, seq: SegmentSeq, prev: SegmentRoot) -> SegmentRoot {
        let header = merkle::leaf(&self.header_salt, &self.header(device, seq, prev));
        SegmentRoot(merkle::segment_root(&header, self.entries.iter().map(Entry::leaf).collect()))
    }
}

/// What the signature of a segment stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The clear part and its signature: the last 152 bytes of the segment.
    pub signed: Vec<u8>,
    /// The encoding of where the segment stands.
    pub header: Vec<u8>,
    /// Its salt.
    pub header_salt: [u8; SALT_LEN],
    /// The hashes of the entries, forgotten ones too, in their order.
    pub leaves: Vec<[u8; 32]>,
}

/// A segment whose signature and root were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub(super) library: LibraryId,
    pub(super) clear: ClearPart,
    pub(super) signature: Signature,
    pub(super) body: Body,
}

impl Segment {
    pub(super) fn from_body(
        library: LibraryId,
        clear: ClearPart,
        signature: Signature,
        bytes: &[u8],
    ) -> Result<Self, ModelError> {
        let body = Self::decode_body(bytes).map_err(ModelError::malformed("segment body"))?;
        if body.root(clear.device, clear.seq, clear.prev) != clear.root {
            return Err(clear.broken("its body has another root than was signed"));
        }
        Ok(Self { library, clear, signature, body })
    }

    fn decode_body(bytes: &[u8]) -> Result<Body, Malformed> {
        Reader::whole(&packed::unpack(bytes)?)
    }

    /// Takes a segment apart that this device keeps opened, checking everything again.
    ///
    /// # Errors
    /// As [`super::SealedSegment::verify`] and [`super::SignedSegment::open`].
    pub fn from_opened(
        library: LibraryId,
        clear: ClearPart,
        signature: Signature,
        body: &[u8],
        key: &VerifyingKey,
    ) -> Result<Self, ModelError> {
        key.verify(Domain::Segment, &clear.signed_bytes(&library), &signature)
            .map_err(|_| clear.broken("its signature is not that of its device"))?;
        Self::from_body(library, clear, signature, body)
    }

    /// Which segment it is.
    #[must_use]
    pub fn clear(&self) -> &ClearPart {
        &self.clear
    }

    /// Its device's signature over the clear part.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// How far its device had read the others.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.body.seen
    }

    /// The encoded ops, in the order of the segment, without the forgotten ones.
    pub fn encoded_ops(&self) -> impl Iterator<Item = &[u8]> {
        self.body.entries.iter().filter_map(|entry| match entry {
            Entry::Op { op, .. } => Some(op.as_slice()),
            Entry::Forgotten(_) => None,
        })
    }

    /// The ops, in the order of the segment, without the forgotten ones. One that cannot be read is an error
    /// of its own; the others stand.
    pub fn ops(&self) -> impl Iterator<Item = Result<Op, ModelError>> {
        self.encoded_ops().map(Op::from_bytes)
    }

    /// The statements carried in it, to be replayed before anything else of any segment is believed.
    pub fn statements(&self) -> impl Iterator<Item = Vec<u8>> {
        self.ops().filter_map(|op| match op.ok()?.body {
            OpBody::Statement(statement) => Some(statement),
            _ => None,
        })
    }

    /// What its signature stands for, for whoever checks it without this library (§8.2).
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let signature = self.signature.as_bytes().as_slice();
        Evidence {
            signed: [self.clear.to_bytes().as_slice(), signature].concat(),
            header: self.body.header(self.clear.device, self.clear.seq, self.clear.prev),
            header_salt: self.body.header_salt,
            leaves: self.body.entries.iter().map(Entry::leaf).collect(),
        }
    }

    /// The encoded ops with their salts, each with its number among the entries.
    pub fn salted_ops(&self) -> impl Iterator<Item = (usize, &[u8; SALT_LEN], &[u8])> {
        self.body.entries.iter().enumerate().filter_map(|(number, entry)| match entry {
            Entry::Op { salt, op } => Some((number, salt, op.as_slice())),
            Entry::Forgotten(_) => None,
        })
    }

    /// How many places it has, forgotten ops included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.entries.len()
    }

    /// Whether it has no ops at all; such a segment still says what its device had seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.body.entries.is_empty()
    }

    /// How many of its ops were forgotten.
    #[must_use]
    pub fn forgotten(&self) -> usize {
        self.forgotten_leaves().count()
    }

    /// The hashes that stand for forgotten ops.
    pub fn forgotten_leaves(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.body.entries.iter().filter_map(|entry| match entry {
            Entry::Op { .. } => None,
            Entry::Forgotten(leaf) => Some(leaf),
        })
    }

    /// Replaces ops by their hashes, with their salts: what they said can no longer be found out from this
    /// segment. It stays the same segment. Statements are never forgotten. Answers how many ops were.
    pub fn forget(&mut self, ops: &OpIds) -> usize {
        self.forget_if(|op| ops.contains(op.id))
    }

    /// The same for the ops of which this says so.
    pub fn forget_if(&mut self, is_meant: impl Fn(&Op) -> bool) -> usize {
        let mut count = 0;
        for entry in &mut self.body.entries {
            let Entry::Op { op, .. } = entry else { continue };
            let Ok(op) = Op::from_bytes(op) else { continue };
            if is_meant(&op) && !matches!(op.body, OpBody::Statement(_)) {
                *entry = Entry::Forgotten(entry.leaf());
                count += 1;
            }
        }
        count
    }

    /// The body's plaintext, as it is sealed.
    #[must_use]
    pub fn body_bytes(&self) -> Vec<u8> {
        packed::pack(&cbor::to_bytes(&self.body))
    }

    /// Seals the segment into the bytes that rest under its name: after closing and after forgetting.
    ///
    /// # Errors
    /// [`ModelError::Sealed`].
    pub fn seal(&self, epoch: &Epoch, entropy: &mut dyn Entropy) -> Result<Vec<u8>, ModelError> {
        let name = self.clear.name();
        let context = ObjectContext::named(self.library, &name);
        let sealed =
            seal(Kind::Segment, epoch, &context, &self.body_bytes(), entropy).map_err(ModelError::Sealed)?;
        let mut bytes = sealed.into_bytes();
        bytes.extend_from_slice(&self.clear.to_bytes());
        bytes.extend_from_slice(self.signature.as_bytes());
        Ok(bytes)
    }
}

/// `[[device, seq, root], …]` by device.
impl Encode for Seen {
    fn encode(&self, to: &mut Writer) {
        to.array(self.0.len());
        for (device, tip) in &self.0 {
            to.array(3);
            to.value(device);
            to.value(&tip.seq);
            to.value(&tip.root);
        }
    }
}

impl Decode for Seen {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let items = from.array(MAX_SEEN)?;
        let mut tips: Vec<(DeviceId, Tip)> = Vec::with_capacity(items.min(16));
        for _ in 0..items {
            from.array_of(3)?;
            let device = DeviceId::decode(from)?;
            let tip = Tip { seq: SegmentSeq::decode(from)?, root: SegmentRoot::decode(from)? };
            from.ensure(tip.seq != SegmentSeq(0), "segments are numbered from 1")?;
            from.ensure(tips.last().is_none_or(|(last, _)| *last < device), "devices ascend")?;
            tips.push((device, tip));
        }
        Ok(Self(tips))
    }
}

/// `[salt, op]`, or the hash of a forgotten op.
impl Encode for Entry {
    fn encode(&self, to: &mut Writer) {
        match self {
            Self::Op { salt, op } => {
                to.array(2);
                to.bytes(salt);
                to.bytes(op);
            }
            Self::Forgotten(leaf) => to.bytes(leaf),
        }
    }
}

impl Decode for Entry {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.peek()? >> 5 == 2 {
            return from.fixed().map(Self::Forgotten);
        }
        from.array_of(2)?;
        Ok(Self::Op { salt: from.fixed()?, op: from.bytes(MAX_OP_BYTES)?.to_vec() })
    }
}

/// `{0: version, 1: seen, 2: salt of the header, 3: entries}`.
impl Encode for Body {
    fn encode(&self, to: &mut Writer) {
        to.map(|map| {
            map.entry(0, &BODY_VERSION);
            map.entry(1, &self.seen);
            map.bytes(2, &self.header_salt);
            map.list(3, &self.entries);
        });
    }
}

impl Decode for Body {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mut version, mut seen, mut header_salt, mut entries) = (None, None, None, None);
        let unread = from.map(|key, from| {
            match key {
                0 => version = Some(from.unsigned()?),
                1 => seen = Some(Seen::decode(from)?),
                2 => header_salt = Some(from.fixed()?),
                3 => entries = Some(from.list(MAX_SEGMENT_OPS)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        from.ensure(version == Some(BODY_VERSION), "the body is of another version")?;
        from.ensure(unread.is_empty(), "a body of this version has no other entries")?;
        let whole = || Some(Self { seen: seen?, header_salt: header_salt?, entries: entries? });
        whole().ok_or(from.broken("a segment's body has all of its entries"))
    }
}
