//! Hostile bytes: no decoder panics, none allocates more than a fixed multiple of what it was given, and
//! whatever is accepted is the only encoding of what was read.
//!
//! Mutants of the saved corpora in `tests/golden` and of generated ops: 20,000 ops and states, 4,000 segments;
//! `SAFELIGHT_FUZZ_SECONDS` runs for that long instead, `SAFELIGHT_SEED` repeats a run.
#![cfg(test)]
#![expect(unsafe_code, reason = "counting what decoders allocate needs an allocator of our own")]

#[expect(dead_code, reason = "only some of the helpers are needed here")]
#[path = "rules/common.rs"]
mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;
use safelight_crypto::{Device, Entropy as _, Epoch, LibraryId, SeededEntropy};
use safelight_model::history::{SealedSegment, Seen, Segment, SegmentBuilder, Tip};
use safelight_model::{EntityId, EntityState, Op};

/// The system's allocator, counting for each thread what it holds and held at most.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is going away no longer counts.
    let held = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        held.get()
    });
    if let Ok(held) = held {
        MOST.try_with(|most| most.set(most.get().max(held))).unwrap_or_default();
    }
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: as for this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: as for this call.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs a decoder and checks how much it held at once.
fn bounded<T>(input: &[u8], decode: impl FnOnce(&[u8]) -> T) -> T {
    let before = HELD.get();
    MOST.set(before);
    let result = decode(input);
    let most = MOST.get() - before;
    let limit = signed(64 * 1024 + 300 * input.len());
    assert!(
        most <= limit,
        "{most} bytes held for {} bytes of input: {}",
        input.len(),
        HEXLOWER.encode(input)
    );
    result
}

fn seed() -> u64 {
    std::env::var("SAFELIGHT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

struct Mutator {
    entropy: SeededEntropy,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    fn number(&mut self, below: usize) -> usize {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        usize::try_from(u64::from_be_bytes(bytes) % (below.max(1) as u64)).unwrap_or_default()
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.number(length + 1);
        start..start + self.number((length - start).min(40) + 1)
    }

    /// One of the corpus with one to four things done to it.
    fn mutant(&mut self) -> Vec<u8> {
        let chosen = self.number(self.corpus.len());
        let mut bytes = self.corpus[chosen].clone();
        for _ in 0..=self.number(4) {
            self.mutate(&mut bytes);
        }
        bytes
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const INTERESTING: [u8; 14] =
            [0x00, 0x17, 0x18, 0x1b, 0x3b, 0x40, 0x5b, 0x7b, 0x80, 0x9b, 0xa0, 0xbb, 0xf6, 0xff];
        let place = self.number(bytes.len());
        match self.number(7) {
            0 if !bytes.is_empty() => bytes[place] ^= 1 << self.number(8),
            1 if !bytes.is_empty() => bytes[place] = INTERESTING[self.number(INTERESTING.len())],
            2 if !bytes.is_empty() => bytes[place] = bytes[place].wrapping_add(1),
            3 => bytes.truncate(place),
            4 => drop(bytes.drain(self.range(bytes.len()))),
            5 => {
                let again = bytes[self.range(bytes.len())].to_vec();
                bytes.splice(place..place, again);
            }
            _ => {
                let other = self.number(self.corpus.len());
                let range = self.range(self.corpus[other].len());
                let part = self.corpus[other][range].to_vec();
                bytes.splice(place..place, part);
            }
        }
    }
}

/// Tries mutants for as long as was asked; counts those that were accepted.
fn attack(corpus: Vec<Vec<u8>>, times: u64, mut target: impl FnMut(&[u8]) -> bool) -> (u64, u64) {
    let mut mutator = Mutator { entropy: SeededEntropy::new(seed()), corpus };
    let seconds = std::env::var("SAFELIGHT_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    // Three targets share the time, on two threads at least.
    let until = seconds.map(|seconds: u64| Instant::now() + Duration::from_secs(seconds.div_ceil(2)));
    let (mut tried, mut accepted) = (0_u64, 0);
    while until.map_or(tried < times, |until| Instant::now() < until) {
        accepted += u64::from(target(&mutator.mutant()));
        tried += 1;
    }
    (tried, accepted)
}

fn saved(file: &str, name: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(found, _)| name(found))
        .map(|(_, hex)| HEXLOWER.decode(hex.as_bytes()).unwrap())
        .collect()
}

fn generated<T>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn hostile_ops_are_refused_or_are_their_own_encoding() {
    let mut corpus = saved("ops-1.txt", |_| true);
    corpus.extend(generated(common::op(), 100).iter().map(|op| op.to_bytes().unwrap()));
    let (tried, accepted) = attack(corpus, 20_000, |bytes| match bounded(bytes, Op::from_bytes) {
        Ok(op) => {
            assert_eq!(op.to_bytes().unwrap(), bytes);
            for entity in op.targets().unwrap_or_default() {
                assert_eq!(EntityId::from_bytes(&entity.to_bytes()), Some(entity.clone()));
                let mut state = EntityState::new(&entity);
                state.fold(&op);
                assert_eq!(EntityState::from_bytes(&state.to_bytes()).unwrap(), state);
            }
            true
        }
        Err(_) => false,
    });
    println!("ops: {tried} tried, {accepted} accepted");
    assert!(accepted > 0, "mutants that are all refused test only the first rule");
}

#[test]
fn hostile_states_are_refused_or_are_their_own_encoding() {
    let ops = generated(common::busy_ops(), 60);
    let corpus =
        ops.iter().flat_map(|ops| common::fold(ops).into_values()).map(|state| state.to_bytes()).collect();
    let (tried, accepted) = attack(corpus, 20_000, |bytes| match bounded(bytes, EntityState::from_bytes) {
        Ok(state) => {
            assert_eq!(state.to_bytes(), bytes);
            true
        }
        Err(_) => false,
    });
    println!("states: {tried} tried, {accepted} accepted");
    assert!(accepted > 0);
}

#[test]
fn hostile_segments_are_refused() {
    let mut entropy = SeededEntropy::new(4);
    let (device, epoch) = (Device::generate(&mut entropy), Epoch::generate(&mut entropy));
    let library = LibraryId::from_bytes([1; 20]);
    let mut builder = SegmentBuilder::new(library, Tip::default(), Seen::default());
    generated(common::op(), 5).iter().for_each(|op| builder.push(op).unwrap());
    let closed = builder.close(&device, &epoch, &mut entropy).unwrap();
    let key = *device.card().verifying_key();
    let (clear, signature) = (*closed.segment.clear(), *closed.segment.signature());

    // Whole segments, and bodies as someone with the keys might put them under an honest signature.
    let mut corpus = saved("segment-1.txt", |name| name.starts_with("body"));
    let plain_body = [&[0], cbor_of(&closed.segment.body_bytes()).as_slice()].concat();
    corpus.extend([closed.segment.body_bytes(), plain_body, closed.bytes.clone()]);
    let (tried, accepted) = attack(corpus, 4_000, |bytes| {
        // A deflated body may inflate to its own limit, so what it holds is bounded by that.
        let body = Segment::from_opened(library, clear, signature, bytes, &key).ok();
        let whole = bounded(bytes, |bytes| {
            let sealed = SealedSegment::parse(bytes).ok()?.verify(library, &key).ok()?;
            sealed.open(&epoch).ok()
        });
        let believed: Vec<Segment> = body.into_iter().chain(whole).collect();
        let forged = believed.iter().any(|segment| *segment != closed.segment);
        assert!(!forged, "a mutant was believed: {}", HEXLOWER.encode(bytes));
        !believed.is_empty()
    });
    println!("segments: {tried} tried, {accepted} the same segment in spite of it");
}

/// The CBOR in a packed body.
fn cbor_of(packed: &[u8]) -> Vec<u8> {
    match packed.split_first() {
        Some((1, deflated)) => miniz_oxide::inflate::decompress_to_vec(deflated).unwrap_or_default(),
        Some((_, plain)) => plain.to_vec(),
        None => Vec::new(),
    }
}
