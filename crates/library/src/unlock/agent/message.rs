//! What is said over the socket: one frame of fixed size there, one back, then the connection ends.
//!
//! `magic (2) ‖ version (1) ‖ word (1) ‖ key (32) ‖ seconds (8) ‖ idle seconds (8) ‖ flags (1)`, integers big-endian;
//! fields that a word does not use are zero.

use std::io::{self, Read, Write};
use std::time::Duration;

use zeroize::Zeroizing;

use super::Leash;

const MAGIC: [u8; 2] = *b"SA";
const VERSION: u8 = 2;
const FRAME_BYTES: usize = 53;
/// The flag of a key that is remembered although the machine has slept.
const THROUGH_SLEEP: u8 = 1;

/// What is asked or answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Word {
    /// Asks for the key.
    Fetch = 1,
    /// Asks to forget the key and end.
    Lock = 2,
    /// Gives a key and a new lifetime.
    Store = 3,
    /// Asks how long the key is still remembered.
    Remaining = 4,
    /// Answers that it is so.
    Done = 5,
    /// Answers that it cannot be.
    Refused = 6,
    /// Gives another key for what is left of the lifetime.
    Replace = 7,
}

impl Word {
    const ALL: [Self; 7] =
        [Self::Fetch, Self::Lock, Self::Store, Self::Remaining, Self::Done, Self::Refused, Self::Replace];
}

/// A question or an answer.
pub(super) struct Frame {
    pub(super) word: Word,
    pub(super) key: Zeroizing<[u8; 32]>,
    pub(super) seconds: u64,
    pub(super) leash: Leash,
}

impl Frame {
    pub(super) fn new(word: Word) -> Self {
        Self { word, key: Zeroizing::new([0; 32]), seconds: 0, leash: Leash::default() }
    }

    pub(super) fn write(&self, sink: &mut impl Write) -> io::Result<()> {
        let mut bytes = Zeroizing::new([0; FRAME_BYTES]);
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2] = VERSION;
        bytes[3] = self.word as u8;
        bytes[4..36].copy_from_slice(&*self.key);
        bytes[36..44].copy_from_slice(&self.seconds.to_be_bytes());
        bytes[44..].copy_from_slice(&leash_to_bytes(self.leash));
        sink.write_all(&*bytes)?;
        sink.flush()
    }

    pub(super) fn read(source: &mut impl Read) -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; FRAME_BYTES]);
        source.read_exact(&mut *bytes)?;
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, "not a frame of this version");
        if bytes[..2] != MAGIC || bytes[2] != VERSION {
            return Err(unknown());
        }
        let word = Word::ALL.into_iter().find(|word| *word as u8 == bytes[3]).ok_or_else(unknown)?;
        let mut frame = Self::new(word);
        frame.key.copy_from_slice(&bytes[4..36]);
        let mut seconds = [0; 8];
        seconds.copy_from_slice(&bytes[36..44]);
        frame.seconds = u64::from_be_bytes(seconds);
        let mut leash = [0; LEASH_BYTES];
        leash.copy_from_slice(&bytes[44..]);
        frame.leash = leash_from_bytes(leash);
        Ok(frame)
    }
}

/// Bytes of a leash.
pub(super) const LEASH_BYTES: usize = 9;

pub(super) fn leash_to_bytes(leash: Leash) -> [u8; LEASH_BYTES] {
    let mut bytes = [0; LEASH_BYTES];
    bytes[..8].copy_from_slice(&leash.idle.map_or(0, |idle| idle.as_secs().max(1)).to_be_bytes());
    bytes[8] = if leash.through_sleep { THROUGH_SLEEP } else { 0 };
    bytes
}

pub(super) fn leash_from_bytes(bytes: [u8; LEASH_BYTES]) -> Leash {
    let [idle @ .., flags] = bytes;
    let idle = Some(u64::from_be_bytes(idle)).filter(|seconds| *seconds > 0).map(Duration::from_secs);
    Leash { idle, through_sleep: flags & THROUGH_SLEEP != 0 }
}
