//! What history can say about one content, as a set.
//!
//! Merging histories is joining sets, and no fact is ever taken back, so that a view of history is a number of 64 bits.

use std::fmt;

/// A device, by number.
pub type Device = u8;

/// At most this many devices.
pub const MAX_DEVICES: usize = 3;
/// At most this many remotes.
pub const REMOTES: u8 = 2;
/// Generations of one name that the model can tell apart.
pub const GENERATIONS: u8 = 3;

/// One sealed object: a replica of the content at a remote, in one generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// Where it rests.
    pub remote: u8,
    /// Which time it was written there.
    pub generation: u8,
}

impl Object {
    /// All objects at the first `remotes` remotes.
    pub fn all(remotes: u8) -> impl Iterator<Item = Self> {
        (0..remotes).flat_map(|remote| (0..GENERATIONS).map(move |generation| Self { remote, generation }))
    }

    /// Its bit in a set of objects.
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << (self.remote * GENERATIONS + self.generation)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "r{}g{}", self.remote, self.generation)
    }
}

/// What an op says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The content came in (the n-th time): a reference that must resolve.
    Added(u8),
    /// The n-th reference was purged.
    Purged(u8),
    /// A replica is at a remote (op kind 13).
    Stored(Object),
    /// It is to be dropped (op kind 20).
    Marked(Object),
    /// A device relies on it no more (op kind 9).
    Acknowledged(Device, Object),
    /// A device freed its local bytes.
    Freed(Device),
    /// A device is not waited for (op kind 11).
    Lapsed(Device),
    /// It published something after what the lapse names.
    Returned(Device),
}

const ADDED: u32 = 0;
const PURGED: u32 = 3;
const STORED: u32 = 6;
const MARKED: u32 = 12;
const ACKNOWLEDGED: u32 = 18;
const FREED: u32 = 36;
const LAPSED: u32 = 39;
const RETURNED: u32 = 42;

impl Fact {
    const fn position(self) -> u32 {
        const fn place(object: Object) -> u32 {
            (object.remote * GENERATIONS + object.generation) as u32
        }
        match self {
            Self::Added(n) => ADDED + n as u32,
            Self::Purged(n) => PURGED + n as u32,
            Self::Stored(object) => STORED + place(object),
            Self::Marked(object) => MARKED + place(object),
            Self::Acknowledged(device, object) => ACKNOWLEDGED + device as u32 * 6 + place(object),
            Self::Freed(device) => FREED + device as u32,
            Self::Lapsed(device) => LAPSED + device as u32,
            Self::Returned(device) => RETURNED + device as u32,
        }
    }
}

/// A set of facts: a view of history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Facts(u64);

impl Facts {
    /// Whether a fact is known.
    #[must_use]
    pub const fn has(self, fact: Fact) -> bool {
        self.0 >> fact.position() & 1 != 0
    }

    /// Adds a fact.
    pub const fn add(&mut self, fact: Fact) {
        self.0 |= 1 << fact.position();
    }

    /// Joins two views.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether everything in `other` is known here.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// References that are not purged, as bits.
    #[must_use]
    pub const fn live_references(self) -> u8 {
        ((self.0 >> ADDED) & !(self.0 >> PURGED) & 0b111) as u8
    }

    /// Whether the content is referenced.
    #[must_use]
    pub const fn live(self) -> bool {
        self.live_references() != 0
    }

    /// How many times the content came in.
    #[must_use]
    pub fn references(self) -> u8 {
        (0..3).filter(|&n| self.has(Fact::Added(n))).fold(0, |count, _| count + 1)
    }

    /// How many objects are marked.
    #[must_use]
    pub const fn marks(self) -> u32 {
        (self.0 >> MARKED & 0b11_1111).count_ones()
    }

    /// Recorded objects, as bits of [`Object::bit`].
    #[must_use]
    pub const fn stored(self) -> u8 {
        (self.0 >> STORED & 0b11_1111) as u8
    }

    /// Marked objects.
    #[must_use]
    pub const fn marked(self) -> u8 {
        (self.0 >> MARKED & 0b11_1111) as u8
    }

    /// Recorded objects that no mark makes void, in whatever order the two came.
    #[must_use]
    pub const fn replicas(self) -> u8 {
        self.stored() & !self.marked()
    }

    /// Whether a device need not be waited for: it lapsed and published nothing since.
    #[must_use]
    pub const fn lapsed(self, device: Device) -> bool {
        self.has(Fact::Lapsed(device)) && !self.has(Fact::Returned(device))
    }

    /// The generation that a writer who knows this gives to its next object at a remote.
    #[must_use]
    pub fn next_generation(self, remote: u8) -> u8 {
        (0..GENERATIONS)
            .rev()
            .find(|&generation| self.has(Fact::Marked(Object { remote, generation })))
            .map_or(0, |generation| generation + 1)
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "live {:03b} stored {:06b} marked {:06b} all {:x}",
            self.live_references(),
            self.stored(),
            self.marked(),
            self.0
        )
    }
}
