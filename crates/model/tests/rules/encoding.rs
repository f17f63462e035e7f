//! Every op has one encoding, which an independent CBOR library makes too, and no other is read.

use crate::common::{add, asset, at, busy_ops, content, fold, fold_asset, id, op, original, set, value};
use proptest::prelude::*;
use safelight_model::{
    AssetId, EntityId, EntityState, Field, Life, MAX_OP_BYTES, Mark, MarkReason, ModelError, ObjectName, Op,
    OpBody, OpId, OpIds, OpRange, PlaceId, PlacedObject, Replicas, SetName, Stamp, Target, Value,
};

/// Decodes and encodes with ciborium, which writes the shortest heads and definite lengths.
fn through_ciborium(bytes: &[u8]) -> Vec<u8> {
    let value: ciborium::Value = ciborium::from_reader(bytes).unwrap();
    let mut again = Vec::new();
    ciborium::into_writer(&value, &mut again).unwrap();
    again
}

proptest! {
    #[test]
    fn every_op_comes_back_from_its_only_encoding(op in op()) {
        let bytes = op.to_bytes().unwrap();
        prop_assert_eq!(&Op::from_bytes(&bytes).unwrap(), &op);
        prop_assert_eq!(through_ciborium(&bytes), bytes);
    }

    #[test]
    fn states_have_the_same_encoding_in_an_independent_library(ops in busy_ops()) {
        for state in fold(&ops).values() {
            let bytes = state.to_bytes();
            prop_assert_eq!(through_ciborium(&bytes), bytes);
        }
    }

    #[test]
    fn what_is_read_is_what_would_be_written(
        op in op(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = op.to_bytes().unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(read) = Op::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn an_op_cut_short_or_continued_is_refused(op in op(), cut in any::<prop::sample::Index>()) {
        let mut bytes = op.to_bytes().unwrap();
        prop_assert!(Op::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(Op::from_bytes(&bytes).is_err());
    }

    #[test]
    fn values_sort_as_their_encodings_do(a in value(), b in value()) {
        let encoded = |value: &Value| {
            let body = OpBody::AddTo { target: Target::Library, set: SetName::TAGS, element: value.clone() };
            Op::new(id(0), at(0), body).to_bytes().unwrap()
        };
        prop_assert_eq!(a.cmp(&b), encoded(&a).cmp(&encoded(&b)));
    }
}

/// An op of today with one more entry in its body, as a later version might write it.
fn with_later_entry(op: &Op) -> Vec<u8> {
    let value: ciborium::Value = ciborium::from_reader(&op.to_bytes().unwrap()[..]).unwrap();
    let mut parts = value.into_array().unwrap();
    let body = parts.last_mut().and_then(ciborium::Value::as_map_mut).unwrap();
    body.push((500.into(), "of a later version".into()));
    let mut bytes = Vec::new();
    ciborium::into_writer(&ciborium::Value::Array(parts), &mut bytes).unwrap();
    bytes
}

#[test]
fn entries_of_a_later_version_are_kept_and_fold_like_before() {
    let op = Op::new(id(1), at(1), set(Field::CAPTION, "today", &[]));
    let later = with_later_entry(&op);
    let read = Op::from_bytes(&later).unwrap();
    assert!(!read.unread.is_empty());
    assert_eq!(read.body, op.body);
    assert_eq!(read.to_bytes().unwrap(), later);
    assert_eq!(fold([&read]), fold([&op]));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let target = || Target::from(asset(1));
    let long = "x".repeat(64 * 1024 + 1);
    let many: OpIds = (1..5000).map(id).collect();
    let caption = |supersedes: OpIds, value: Value| OpBody::Set {
        target: target(),
        field: Field::CAPTION.into(),
        value,
        supersedes,
    };
    let nothing = || OpIds::new();
    let bodies = [
        caption([id(0)].into_iter().collect(), Value::None),
        caption(many, Value::None),
        caption(nothing(), long.as_str().into()),
        OpBody::RemoveFrom { target: target(), set: SetName::TAGS, element: "a".into(), removes: nothing() },
        OpBody::Purge { asset: asset(1), life: Life(0), trash: nothing(), contents: nothing() },
        OpBody::Alias { asset: asset(1), life: Life(0), into: Some(asset(1)), supersedes: nothing() },
        OpBody::Render { life: Life(0), content: content(1), renditions: Vec::new() },
        OpBody::Note { event: long, details: Vec::new() },
        OpBody::Statement(vec![0; MAX_OP_BYTES]),
        OpBody::AddTo {
            target: Target::Other { kind: 1, id: Vec::new() },
            set: SetName::TAGS,
            element: Value::None,
        },
    ];
    for body in bodies {
        let error = Op::new(id(0), at(0), body.clone()).to_bytes().unwrap_err();
        assert!(matches!(error, ModelError::Unwritable { .. }), "{body:?}");
    }
}

#[test]
fn records_and_marks_that_break_a_rule_are_not_written() {
    let place = PlaceId([1; 16]);
    let object = |number| PlacedObject::original(ObjectName::from_bytes([number; 20]), 0);
    let range = |first, last| OpRange { session: 7, first, last };
    let replicas = |additions: &[OpRange], except: &[u32], objects: &[PlacedObject]| {
        let except = except.iter().map(|counter| OpId { session: 7, counter: *counter }).collect();
        OpBody::Replicas(Replicas { place, additions: additions.to_vec(), except, objects: objects.to_vec() })
    };
    let mark = |objects: Vec<PlacedObject>| OpBody::Mark(Mark { place, why: MarkReason::Dropped, objects });
    let many = (0..4097).map(|generation| PlacedObject { generation, ..object(1) }).collect();
    let bad = [
        replicas(&[], &[], &[]),
        replicas(&[range(3, 2)], &[], &[]),
        replicas(&[range(0, 2), range(2, 5)], &[], &[]),
        replicas(&[range(0, 2), range(3, 5)], &[], &[]),
        replicas(&[range(4, 5), range(0, 2)], &[], &[]),
        replicas(&[range(0, 2), range(0, 2)], &[], &[]),
        replicas(&[range(0, 2), range(4, 5)], &[3], &[]),
        replicas(&[], &[3], &[object(1)]),
        replicas(&[], &[], &[object(2), object(1)]),
        replicas(&[], &[], &[object(1), object(1)]),
        mark(Vec::new()),
        mark(vec![object(1), object(1)]),
        mark(many),
        OpBody::Acknowledged { marks: OpIds::new() },
    ];
    for body in bad {
        assert!(Op::new(id(0), at(0), body.clone()).to_bytes().is_err(), "{body:?}");
    }
    for body in [
        replicas(&[range(0, 2), range(4, u32::MAX)], &[1, 9], &[object(1)]),
        mark((0..4096).map(|generation| PlacedObject { generation, ..object(1) }).collect()),
    ] {
        let op = Op::new(id(0), at(0), body);
        assert_eq!(Op::from_bytes(&op.to_bytes().unwrap()).unwrap(), op);
    }
}

#[test]
fn the_shorter_form_is_the_only_one() {
    // An AddAsset that spells out the asset its content names, by the independent encoder.
    let op = Op::new(id(1), at(1), add(1));
    let value: ciborium::Value = ciborium::from_reader(&op.to_bytes().unwrap()[..]).unwrap();
    let mut parts = value.into_array().unwrap();
    let body = parts.last_mut().and_then(ciborium::Value::as_map_mut).unwrap();
    body.insert(0, (0.into(), ciborium::Value::Bytes(vec![1; 32])));
    let mut bytes = Vec::new();
    ciborium::into_writer(&ciborium::Value::Array(parts), &mut bytes).unwrap();
    assert!(Op::from_bytes(&bytes).is_err());
    assert!(Op::from_bytes(&op.to_bytes().unwrap()).is_ok());
}

#[test]
fn an_asset_named_by_another_content_comes_back() {
    let body = OpBody::AddAsset { asset: AssetId(content(9)), life: Life(3), original: original(1) };
    let op = Op::new(id(1), Stamp { millis: 5, counter: 6 }, body);
    assert_eq!(Op::from_bytes(&op.to_bytes().unwrap()).unwrap(), op);
    assert_eq!(op.targets().unwrap(), [EntityId::Asset(asset(9))]);
}

#[test]
fn a_state_of_another_fold_version_is_refused() {
    let bytes = fold_asset(&[Op::new(id(1), at(1), add(1))]).to_bytes();
    assert!(EntityState::from_bytes(&bytes).is_ok());
    let value: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
    let text = format!("{value:?}");
    assert!(text.contains("image/jpeg"), "{text}");
    assert!(EntityState::from_bytes(&[0x82, 0x09, 0xa0]).is_err());
    assert!(EntityState::from_bytes(&[0x82, 0x03, 0xa1, 0x09, 0x00]).is_err());
}
