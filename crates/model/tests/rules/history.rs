//! Segments: nothing is believed before it was checked, and forgetting keeps the root.

use std::sync::OnceLock;

use crate::common::{add, asset, at, id, op, original, set};
use proptest::prelude::*;
use safelight_crypto::{Device, Epoch, LibraryId, SeededEntropy};
use safelight_model::history::{
    ClosedSegment, SealedSegment, Seen, Segment, SegmentBuilder, Standing, TRAILER_LEN, Tip,
};
use safelight_model::{DeviceId, Field, ModelError, Op, OpBody, OpIds, SegmentRoot, SegmentSeq, SetName};

struct World {
    library: LibraryId,
    device: Device,
    epoch: Epoch,
}

/// One device in one library, made once.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut entropy = SeededEntropy::new(1);
        World {
            library: LibraryId::from_bytes([7; 20]),
            device: Device::generate(&mut entropy),
            epoch: Epoch::generate(&mut entropy),
        }
    })
}

fn close(prev: Tip, ops: &[Op], seed: u64) -> ClosedSegment {
    let world = world();
    let seen =
        Seen::new([(DeviceId::from_bytes([9; 16]), Tip { seq: SegmentSeq(4), root: SegmentRoot([4; 32]) })]);
    let mut builder = SegmentBuilder::new(world.library, prev, seen);
    ops.iter().for_each(|op| builder.push(op).unwrap());
    builder.close(&world.device, &world.epoch, &mut SeededEntropy::new(seed)).unwrap()
}

fn read(bytes: &[u8]) -> Result<Segment, ModelError> {
    let world = world();
    let sealed = SealedSegment::parse(bytes)?;
    sealed.verify(world.library, world.device.card().verifying_key())?.open(&world.epoch)
}

fn some_ops() -> Vec<Op> {
    vec![
        Op::new(id(1), at(1), add(1)),
        Op::new(id(2), at(2), set(Field::CAPTION, "by the sea", &[])),
        Op::new(
            id(3),
            at(3),
            OpBody::AddTo { target: asset(1).into(), set: SetName::TAGS, element: "sea".into() },
        ),
        Op::new(id(4), at(4), OpBody::Statement(b"epoch 2 begins".to_vec())),
        Op::new(id(5), at(5), set(Field::RATING, 5, &[])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn ops_come_back_from_a_segment_as_they_went_in(ops in prop::collection::vec(op(), 0..20), seed in any::<u64>()) {
        let closed = close(Tip::default(), &ops, seed);
        let segment = read(&closed.bytes).unwrap();
        prop_assert_eq!(&segment, &closed.segment);
        let read: Vec<Op> = segment.ops().map(|op| op.unwrap()).collect();
        prop_assert_eq!(read, ops);
    }

    #[test]
    fn forgetting_keeps_the_root_and_the_signature(
        ops in prop::collection::vec(op(), 1..12),
        which in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        seed in any::<u64>(),
    ) {
        let mut segment = close(Tip::default(), &ops, seed).segment;
        let clear = *segment.clear();
        let chosen: OpIds = which.iter().map(|index| ops[index.index(ops.len())].id).collect();
        let forgotten = segment.forget(&chosen);
        let statements = ops.iter().filter(|op| chosen.contains(op.id) && matches!(op.body, OpBody::Statement(_)));
        prop_assert_eq!(forgotten, ops.iter().filter(|op| chosen.contains(op.id)).count() - statements.count());
        prop_assert_eq!(segment.forgotten(), forgotten);
        let resealed = segment.seal(&world().epoch, &mut SeededEntropy::new(seed ^ 1)).unwrap();
        let again = read(&resealed).unwrap();
        prop_assert_eq!(again.clear(), &clear);
        prop_assert_eq!(&again, &segment);
        let survives = |op: Op| !chosen.contains(op.id) || matches!(op.body, OpBody::Statement(_));
        let all_survive = again.ops().all(|op| survives(op.unwrap()));
        prop_assert!(all_survive);
    }
}

#[test]
fn a_forgotten_op_leaves_nothing_of_what_it_said() {
    let mut segment = close(Tip::default(), &some_ops(), 3).segment;
    let holds = |segment: &Segment| {
        let ops: Vec<u8> = segment.encoded_ops().flatten().copied().collect();
        ops.windows(10).any(|window| window == b"by the sea")
    };
    assert!(holds(&segment));
    assert_eq!(segment.forget(&[id(2), id(4)].into_iter().collect()), 1);
    assert!(!holds(&segment));
    assert_eq!(segment.len(), 5);
    assert_eq!(segment.statements().collect::<Vec<_>>(), [b"epoch 2 begins".to_vec()]);
    assert_eq!(segment.forget(&[id(2)].into_iter().collect()), 0);
}

#[test]
fn equal_entropy_gives_equal_bytes_and_other_entropy_another_root() {
    let (first, second, third) = (
        close(Tip::default(), &some_ops(), 3),
        close(Tip::default(), &some_ops(), 3),
        close(Tip::default(), &some_ops(), 4),
    );
    assert_eq!(first.bytes, second.bytes);
    assert_ne!(first.segment.clear().root, third.segment.clear().root);
}

#[test]
fn every_flipped_bit_of_a_segment_is_found() {
    let bytes = close(Tip::default(), &some_ops()[..2], 3).bytes;
    for place in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[place] ^= 1 << (place % 8);
        assert!(read(&broken).is_err(), "byte {place} of {}", bytes.len());
    }
}

#[test]
fn segments_of_another_library_device_or_number_are_refused() {
    let world = world();
    let bytes = close(Tip::default(), &some_ops(), 3).bytes;
    let sealed = || SealedSegment::parse(&bytes).unwrap();
    let key = world.device.card().verifying_key();
    let error = sealed().verify(LibraryId::from_bytes([8; 20]), key).unwrap_err();
    assert!(error.to_string().contains("segment 0000000001 of device"), "{error}");
    let other = Device::generate(&mut SeededEntropy::new(99));
    assert!(sealed().verify(world.library, other.card().verifying_key()).is_err());

    // The body of one segment under the clear part of another.
    let second = close(*tip_of(&bytes), &some_ops(), 5).bytes;
    let (envelope, _) = bytes.split_at(bytes.len() - TRAILER_LEN);
    let (_, trailer) = second.split_at(second.len() - TRAILER_LEN);
    let error = read(&[envelope, trailer].concat()).unwrap_err();
    assert!(matches!(error, ModelError::Sealed(_)), "{error}");
}

fn tip_of(bytes: &[u8]) -> Box<Tip> {
    Box::new(SealedSegment::parse(bytes).unwrap().clear().tip())
}

#[test]
fn a_body_that_was_exchanged_by_someone_with_the_keys_is_found_by_its_root() {
    let world = world();
    let honest = close(Tip::default(), &some_ops(), 3);
    let forged = close(Tip::default(), &some_ops()[..1], 4);
    let error = Segment::from_opened(
        world.library,
        *honest.segment.clear(),
        *honest.segment.signature(),
        &forged.segment.body_bytes(),
        world.device.card().verifying_key(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("another root"), "{error}");
}

#[test]
fn short_strange_and_unnumbered_bytes_are_not_a_segment() {
    for bytes in [&[][..], &[0; TRAILER_LEN - 1], &[0; TRAILER_LEN], &[0xff; 500]] {
        assert!(matches!(SealedSegment::parse(bytes), Err(ModelError::NotASegment)));
    }
}

#[test]
fn a_chain_tells_next_same_earlier_gap_and_fork_apart() {
    let first = *close(Tip::default(), &some_ops(), 1).segment.clear();
    let second = *close(first.tip(), &some_ops(), 2).segment.clear();
    let other_second = *close(first.tip(), &some_ops(), 3).segment.clear();
    let third = *close(second.tip(), &some_ops(), 4).segment.clear();
    let third_of_the_fork = *close(other_second.tip(), &some_ops(), 5).segment.clear();
    assert_eq!(second.seq, SegmentSeq(2));
    assert_eq!(Tip::default().judge(&first), Standing::Next);
    assert_eq!(Tip::default().judge(&second), Standing::Gap);
    assert_eq!(first.tip().judge(&second), Standing::Next);
    assert_eq!(second.tip().judge(&second), Standing::Same);
    assert_eq!(second.tip().judge(&first), Standing::Earlier);
    assert_eq!(second.tip().judge(&other_second), Standing::Fork);
    assert_eq!(second.tip().judge(&third), Standing::Next);
    assert_eq!(second.tip().judge(&third_of_the_fork), Standing::Fork);
}

#[test]
fn an_empty_segment_still_says_what_was_seen() {
    let closed = close(Tip::default(), &[], 1);
    let segment = read(&closed.bytes).unwrap();
    assert!(segment.is_empty());
    let seen = segment.seen().of(DeviceId::from_bytes([9; 16]));
    assert_eq!(seen, Some(Tip { seq: SegmentSeq(4), root: SegmentRoot([4; 32]) }));
    assert_eq!(segment.seen().of(DeviceId::from_bytes([8; 16])), None);
}

#[test]
fn of_two_ends_of_one_chain_the_later_was_seen() {
    let device = DeviceId::from_bytes([9; 16]);
    let tip = |seq| Tip { seq: SegmentSeq(seq), root: SegmentRoot([1; 32]) };
    let seen = Seen::new([(device, tip(4)), (device, tip(7)), (DeviceId::from_bytes([1; 16]), tip(0))]);
    assert_eq!(seen.iter().collect::<Vec<_>>(), [(device, tip(7))]);
}

#[test]
fn a_full_segment_says_so_and_an_unreadable_op_does_not_get_in() {
    let world = world();
    let mut builder = SegmentBuilder::new(world.library, Tip::default(), Seen::default());
    assert!(builder.push_encoded(&[0x80]).is_err());
    let big = |number| Op::new(id(number), at(1), OpBody::Statement(vec![0; 1_000_000]));
    let fitted = (0..).take_while(|number| builder.push(&big(*number)).is_ok()).count();
    assert!((30..34).contains(&fitted), "{fitted}");
    assert!(!builder.has_room());
    assert!(matches!(builder.push(&big(99)), Err(ModelError::SegmentFull)));
    let closed = builder.close(&world.device, &world.epoch, &mut SeededEntropy::new(1)).unwrap();
    assert_eq!(read(&closed.bytes).unwrap().len(), fitted);
}

#[test]
fn a_chain_ends_at_its_last_number() {
    let world = world();
    let last = Tip { seq: SegmentSeq(u32::MAX), root: SegmentRoot([1; 32]) };
    let builder = SegmentBuilder::new(world.library, last, Seen::default());
    let closed = builder.close(&world.device, &world.epoch, &mut SeededEntropy::new(1));
    assert!(matches!(closed, Err(ModelError::ChainFull)));
}

#[test]
fn every_op_has_a_salt_of_its_own() {
    // Whoever knows the salt of one op must not be able to test guesses about a forgotten one.
    let op = &some_ops()[0];
    let mut segment = close(Tip::default(), &[op.clone(), op.clone(), some_ops()[1].clone()], 8).segment;
    assert_eq!(segment.forget(&[op.id].into_iter().collect()), 2);
    let leaves = segment.forgotten_leaves().collect::<Vec<_>>();
    assert_eq!(leaves.len(), 2);
    assert_ne!(leaves[0], leaves[1]);
}

#[test]
fn photos_of_one_day_take_less_than_their_ops() {
    let ops: Vec<Op> =
        (0..1000).map(|number| Op::new(id(number), at(u64::from(number)), photo_of(number))).collect();
    let plain: usize = ops.iter().map(|op| op.to_bytes().unwrap().len() + 20).sum();
    let sealed = close(Tip::default(), &ops, 1).bytes.len();
    assert!(sealed * 10 < plain * 8, "{sealed} of {plain}");
}

/// An imported photo with hashes that do not repeat.
fn photo_of(number: u32) -> OpBody {
    let hash = safelight_crypto::ContentHash::of(&number.to_be_bytes());
    let mut original = original(1);
    original.content = hash;
    original.source.relative = format!("2023/05/IMG_{number:04}.JPG").into_bytes();
    OpBody::AddAsset { asset: safelight_model::AssetId(hash), life: Default::default(), original }
}
