//! The laws of the fold: order, repetition and grouping change nothing; what a person wrote after having
//! read wins whatever clocks say; what they wrote without having read is kept.

use std::collections::BTreeMap;

use crate::common::{add, asset, at, busy_ops, content, fold, fold_asset, id, original, set};
use proptest::prelude::*;
use safelight_model::view::{AssetStatus, AssetView};
use safelight_model::{
    AssetState, EntityId, EntityState, Field, Forgotten, HybridClock, KindNumber, Life, ModelError, Op,
    OpBody, SetName, Stamp, StateHash, StateHasher, Target, Value,
};

type States = BTreeMap<EntityId, EntityState>;

fn encoded(states: &States) -> Vec<(Vec<u8>, Vec<u8>)> {
    states.iter().map(|(entity, state)| (entity.to_bytes(), state.to_bytes())).collect()
}

fn merged(mut states: States, others: &States) -> States {
    for (entity, other) in others {
        states.entry(entity.clone()).or_insert_with(|| EntityState::new(entity)).merge(other.clone());
    }
    states
}

/// Ops, and the same ops shuffled with some of them doubled.
fn shuffled() -> impl Strategy<Value = (Vec<Op>, Vec<Op>)> {
    busy_ops().prop_flat_map(|ops| {
        let doubled = prop::sample::subsequence(ops.clone(), 0..=ops.len());
        (Just(ops.clone()), doubled).prop_flat_map(|(ops, doubled)| {
            let again: Vec<Op> = ops.iter().cloned().chain(doubled).collect();
            (Just(ops), Just(again).prop_shuffle())
        })
    })
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing((ops, again) in shuffled()) {
        prop_assert_eq!(encoded(&fold(&ops)), encoded(&fold(&again)));
    }

    #[test]
    fn grouping_changes_nothing(ops in busy_ops(), first in any::<prop::sample::Index>(), second in any::<prop::sample::Index>()) {
        let (one, two) = (first.index(ops.len()), second.index(ops.len()));
        let (one, two) = (one.min(two), one.max(two));
        let [a, b, c] = [&ops[..one], &ops[one..two], &ops[two..]].map(fold);
        let left = merged(merged(a.clone(), &b), &c);
        let right = merged(a.clone(), &merged(b.clone(), &c));
        prop_assert_eq!(encoded(&left), encoded(&right));
        prop_assert_eq!(encoded(&left), encoded(&fold(&ops)));
        prop_assert_eq!(encoded(&merged(b.clone(), &a)), encoded(&merged(a.clone(), &b)));
        prop_assert_eq!(encoded(&merged(a.clone(), &a)), encoded(&a));
    }

    #[test]
    fn what_is_forgotten_might_never_have_been_said(ops in busy_ops()) {
        let mut forgotten = Forgotten::default();
        ops.iter().for_each(|op| forgotten.add(op));
        let left: Vec<Op> = ops.iter().filter(|op| !forgotten.covers(op)).cloned().collect();
        let named: Vec<EntityId> = left.iter().flat_map(|op| op.targets().unwrap()).collect();
        let (mut all, left) = (fold(&ops), fold(&left));
        // Nobody but a hostile device writes of a later life before one ended: it ends earlier ones by itself.
        all.retain(|entity, _| named.contains(entity) || !matches!(entity, EntityId::Content(_)));
        prop_assert_eq!(encoded(&all), encoded(&left));
    }

    #[test]
    fn a_fold_says_whether_it_changed_the_state(ops in busy_ops()) {
        let mut states = States::new();
        for op in ops.iter().chain(&ops) {
            for entity in op.targets().unwrap() {
                let state = states.entry(entity.clone()).or_insert_with(|| EntityState::new(&entity));
                let before = state.to_bytes();
                let changed = state.fold(op);
                prop_assert_eq!(changed, state.to_bytes() != before, "{:?}", op);
            }
        }
    }

    #[test]
    fn states_come_back_from_their_bytes_at_every_step(ops in busy_ops()) {
        let mut stored: BTreeMap<EntityId, Vec<u8>> = BTreeMap::new();
        for op in &ops {
            for entity in op.targets().unwrap() {
                let mut state = stored.get(&entity).map_or_else(
                    || EntityState::new(&entity),
                    |bytes| EntityState::from_bytes(bytes).unwrap(),
                );
                state.fold(op);
                stored.insert(entity, state.to_bytes());
            }
        }
        let direct: BTreeMap<_, _> = fold(&ops).into_iter().map(|(entity, state)| (entity, state.to_bytes())).collect();
        prop_assert_eq!(stored, direct);
    }

    #[test]
    fn whoever_read_everything_and_then_writes_wins_whatever_the_clocks_say(
        ops in busy_ops(),
        stamp in any::<u64>(),
    ) {
        let state = fold_asset(&ops);
        let asset_state = state.as_asset().unwrap();
        let body = asset_state.write_field(asset(1), Field::CAPTION, "the last word");
        let last = Op::new(id(1000), Stamp::from_packed(stamp), body);
        let after = fold_asset(ops.iter().chain([&last]));
        let register = after.as_asset().unwrap().current().record().field(Field::CAPTION).cloned().unwrap();
        prop_assert_eq!(&register.winner().unwrap().value, &Value::from("the last word"));
        prop_assert!(register.conflicts().is_empty());
    }

    #[test]
    fn a_clock_in_2099_blocks_nothing(honest in 1_700_000_000_000..1_900_000_000_000_u64, edits in 1..6_u32) {
        let future = Stamp::at(4_100_000_000_000);
        let mut ops = vec![
            Op::new(id(0), Stamp::at(honest), add(1)),
            Op::new(id(1), future, set(Field::CAPTION, "from the future", &[])),
        ];
        let mut clock = HybridClock::new();
        clock.observe(future, honest);
        for edit in 0..edits {
            let state = fold_asset(&ops);
            let text = format!("honest edit {edit}");
            let body = state.as_asset().unwrap().write_field(asset(1), Field::CAPTION, text.as_str());
            let stamp = clock.tick(honest + u64::from(edit));
            prop_assert!(stamp.millis <= honest + u64::from(edit), "the honest clock was advanced");
            ops.push(Op::new(id(10 + edit), stamp, body));
            let state = fold_asset(&ops);
            let view = AssetView::new(asset(1), state.as_asset().unwrap(), None);
            prop_assert_eq!(view.caption.unwrap().value, text);
            prop_assert!(view.conflicts.is_empty());
        }
    }

    #[test]
    fn no_text_that_nobody_replaced_is_ever_lost(
        writes in prop::collection::vec(("[a-c]", any::<u64>()), 1..8),
    ) {
        let ops: Vec<Op> = writes
            .iter()
            .zip(0..)
            .map(|((text, stamp), number)| {
                Op::new(id(number), Stamp::from_packed(*stamp), set(Field::CAPTION, text.as_str(), &[]))
            })
            .collect();
        let state = fold_asset(&ops);
        let register = state.as_asset().unwrap().current().record().field(Field::CAPTION).cloned().unwrap();
        let mut shown: Vec<_> = register.conflicts().iter().map(|write| write.value.clone()).collect();
        shown.push(register.winner().unwrap().value.clone());
        let mut typed: Vec<Value> = writes.iter().map(|(text, _)| text.as_str().into()).collect();
        typed.sort();
        typed.dedup();
        shown.sort();
        prop_assert_eq!(shown, typed);
    }

    #[test]
    fn replicas_that_met_agree_and_the_clock_chooses_only_between_strangers(
        script in prop::collection::vec((0..3_usize, 0..4_u8, any::<u64>()), 1..30),
    ) {
        // Three devices with lying clocks type captions, and now and then take in everything of another.
        let mut devices: [Vec<Op>; 3] = Default::default();
        for (number, (device, action, stamp)) in script.into_iter().enumerate() {
            let number = u32::try_from(number).unwrap();
            if action == 0 {
                let other = devices[(device + 1) % 3].clone();
                devices[device].extend(other);
            } else {
                let state = fold_asset(&devices[device]);
                let text = format!("text {number}");
                let body = state.as_asset().unwrap().write_field(asset(1), Field::CAPTION, text.as_str());
                let op = Op::new(id(number), Stamp::from_packed(stamp), body);
                devices[device].push(op);
                let after = fold_asset(&devices[device]);
                let register = after.as_asset().unwrap().current().record().field(Field::CAPTION).cloned().unwrap();
                prop_assert_eq!(&register.winner().unwrap().value, &Value::from(text));
            }
        }
        let all: Vec<Op> = devices.iter().flatten().cloned().collect();
        let reversed: Vec<Op> = all.iter().rev().cloned().collect();
        prop_assert_eq!(encoded(&fold(&all)), encoded(&fold(&reversed)));
    }
}

fn permutations(ops: &[Op]) -> Vec<Vec<Op>> {
    if ops.is_empty() {
        return vec![Vec::new()];
    }
    (0..ops.len())
        .flat_map(|first| {
            let mut rest = ops.to_vec();
            let op = rest.remove(first);
            permutations(&rest).into_iter().map(move |tail| [vec![op.clone()], tail].concat())
        })
        .collect()
}

fn status_in_every_order(ops: &[Op]) -> AssetStatus {
    let statuses: Vec<_> = permutations(ops)
        .iter()
        .map(|ops| {
            let state = fold_asset(ops);
            AssetView::new(asset(1), state.as_asset().unwrap(), None).status
        })
        .collect();
    assert!(statuses.iter().all(|status| *status == statuses[0]), "{statuses:?}");
    statuses[0]
}

fn asset_state(ops: &[Op]) -> AssetState {
    fold_asset(ops).as_asset().unwrap().clone()
}

/// An asset that came in, was trashed and purged, each step with the one before in sight.
fn purged() -> Vec<Op> {
    let mut ops = vec![Op::new(id(0), at(1), add(1))];
    ops.push(Op::new(id(1), at(2), asset_state(&ops).write_field(asset(1), Field::TRASHED, true)));
    ops.push(Op::new(id(2), at(3), asset_state(&ops).purge(asset(1)).unwrap()));
    ops
}

#[test]
fn a_purge_of_what_was_trashed_has_effect() {
    assert_eq!(status_in_every_order(&purged()), AssetStatus::Purged);
    assert_eq!(asset_state(&purged()).purge(asset(1)), None);
}

#[test]
fn a_purge_yields_to_a_concurrent_restore() {
    let mut ops = purged();
    let before_purge = asset_state(&ops[..2]);
    ops.push(Op::new(id(9), at(1), before_purge.write_field(asset(1), Field::TRASHED, false)));
    assert_eq!(status_in_every_order(&ops), AssetStatus::Live);
}

#[test]
fn a_purge_yields_to_a_restore_that_was_trashed_again() {
    let mut ops = purged();
    ops.push(Op::new(id(9), at(4), asset_state(&ops[..2]).write_field(asset(1), Field::TRASHED, false)));
    let unpurged = [&ops[..2], &ops[3..]].concat();
    ops.push(Op::new(id(10), at(5), asset_state(&unpurged).write_field(asset(1), Field::TRASHED, true)));
    assert_eq!(status_in_every_order(&ops), AssetStatus::Trashed(at(5)));
}

#[test]
fn a_purge_yields_to_a_content_that_it_did_not_know() {
    let mut ops = purged();
    ops.push(Op::new(id(9), at(1), asset_state(&ops[..1]).add_version(asset(1), original(2))));
    assert_eq!(status_in_every_order(&ops), AssetStatus::Trashed(at(2)));
    let body = asset_state(&ops).purge(asset(1)).unwrap();
    ops.push(Op::new(id(11), at(9), body));
    assert_eq!(status_in_every_order(&ops), AssetStatus::Purged);
}

#[test]
fn a_purge_yields_to_an_import_of_the_same_that_it_did_not_know_and_nothing_shows_otherwise() {
    let edit = |ops: &[Op]| Op::new(id(12), at(2), asset_state(ops).add_version(asset(1), original(2)));
    for is_edited in [false, true] {
        let mut ops = vec![Op::new(id(0), at(1), add(1))];
        if is_edited {
            ops.push(edit(&ops));
        }
        let before = asset_state(&ops);
        let again = Op::new(id(9), at(3), before.add_again(asset(1)).unwrap());
        ops.push(Op::new(id(1), at(4), before.write_field(asset(1), Field::TRASHED, true)));
        ops.push(Op::new(id(2), at(5), asset_state(&ops).purge(asset(1)).unwrap()));
        assert_eq!(status_in_every_order(&ops), AssetStatus::Purged);
        assert_eq!(asset_state(&ops).add_again(asset(1)), None);
        ops.push(again);
        assert_eq!(status_in_every_order(&ops), AssetStatus::Trashed(at(4)));
        let after = asset_state(&ops);
        let content = |state: &AssetState| AssetView::content_of(state);
        assert_eq!(content(&after), content(&before));
        assert_eq!(after.current().path(), before.current().path());
        let view = AssetView::new(asset(1), &after, None);
        assert!(!view.has_content_conflict);
        assert_eq!(view.added, Some(at(1)));
    }
}

#[test]
fn a_purge_that_names_only_one_of_two_trash_writes_waits() {
    let mut ops = purged();
    ops.push(Op::new(id(9), at(7), asset_state(&ops[..1]).write_field(asset(1), Field::TRASHED, true)));
    assert_eq!(status_in_every_order(&ops), AssetStatus::Trashed(at(7)));
}

#[test]
fn what_comes_back_after_a_purge_is_a_new_life_without_the_old_words() {
    let mut ops = purged();
    ops.insert(1, Op::new(id(20), at(2), set(Field::CAPTION, "old words", &[])));
    let body = asset_state(&ops).add(asset(1), original(1));
    assert!(matches!(body, OpBody::AddAsset { life: Life(1), .. }));
    ops.push(Op::new(id(30), at(10), body));
    assert_eq!(status_in_every_order(&ops), AssetStatus::Live);
    let state = asset_state(&ops);
    assert_eq!(AssetView::new(asset(1), &state, None).caption, None);
    assert_eq!(state.target(asset(1)), Target::Asset(asset(1), Life(1)));
    assert_eq!(state.lives().count(), 2);
}

#[test]
fn a_tag_put_in_while_another_device_takes_it_out_stays() {
    let add_tag = || OpBody::AddTo { target: asset(1).into(), set: SetName::TAGS, element: "sea".into() };
    let first = Op::new(id(1), at(1), add_tag());
    let seen = asset_state(std::slice::from_ref(&first));
    let removal = Op::new(id(2), at(9), seen.take_out(asset(1), SetName::TAGS, "sea").unwrap());
    let concurrent = Op::new(id(3), at(2), add_tag());
    for ops in permutations(&[first.clone(), removal.clone(), concurrent]) {
        let tags = asset_state(&ops);
        assert!(tags.current().record().set(SetName::TAGS).unwrap().contains(&"sea".into()));
    }
    for ops in permutations(&[first, removal]) {
        let tags = asset_state(&ops);
        assert!(!tags.current().record().set(SetName::TAGS).unwrap().contains(&"sea".into()));
        assert_eq!(tags.take_out(asset(1), SetName::TAGS, "sea"), None);
    }
}

#[test]
fn the_old_file_found_again_elsewhere_does_not_undo_an_edit() {
    let mut ops = vec![Op::new(id(0), at(1), add(1))];
    ops.push(Op::new(id(1), at(2), asset_state(&ops).add_version(asset(1), original(2))));
    ops.push(Op::new(id(2), at(99), add(1)));
    for ops in permutations(&ops) {
        let state = asset_state(&ops);
        let view = AssetView::new(asset(1), &state, None);
        assert_eq!(view.current.unwrap().original.content, content(2));
        assert!(!view.has_content_conflict);
        assert_eq!(view.versions.len(), 3);
    }
}

#[test]
fn going_back_to_the_first_content_is_a_version_too() {
    let mut ops = vec![Op::new(id(0), at(1), add(1))];
    for (number, content) in [(1, 2), (2, 1)] {
        let body = asset_state(&ops).add_version(asset(1), original(content));
        ops.push(Op::new(id(number), at(u64::from(number)), body));
    }
    for ops in permutations(&ops) {
        let state = asset_state(&ops);
        assert_eq!(AssetView::content_of(&state), Some(content(1)));
    }
}

#[test]
fn two_edits_of_one_file_are_a_conflict_of_contents_that_a_third_settles() {
    let mut ops = vec![Op::new(id(0), at(1), add(1))];
    for number in [2, 3_u8] {
        let body = asset_state(&ops[..1]).add_version(asset(1), original(number));
        ops.push(Op::new(id(u32::from(number)), at(u64::from(number)), body));
    }
    let state = asset_state(&ops);
    let view = AssetView::new(asset(1), &state, None);
    assert!(view.has_content_conflict);
    assert_eq!(view.current.unwrap().original.content, content(3));
    ops.push(Op::new(id(9), at(0), state.add_version(asset(1), original(2))));
    let state = asset_state(&ops);
    let view = AssetView::new(asset(1), &state, None);
    assert!(!view.has_content_conflict);
    assert_eq!(view.current.unwrap().original.content, content(2));
}

#[test]
fn an_unknown_op_that_must_be_understood_is_named_and_an_optional_one_is_left_out() {
    let unknown = |kind| OpBody::Unknown { kind: KindNumber(kind), body: [0x80].into() };
    let required = Op::new(id(5), at(1), unknown(1000));
    let error = required.targets().unwrap_err();
    assert!(matches!(error, ModelError::NeedsNewerVersion { kind: 1000, .. }));
    assert!(error.to_string().contains("kind 1000"), "{error}");
    let optional = Op::new(id(6), at(1), unknown(1001));
    assert_eq!(optional.targets().unwrap(), []);
    let known = Op::new(id(0), at(1), add(1));
    assert_eq!(state_hash(&fold([&known])), state_hash(&fold([&optional, &known])));
}

fn state_hash(states: &States) -> StateHash {
    let mut hasher = StateHasher::new();
    for (entity, state) in states {
        hasher.add(&entity.to_bytes(), &state.to_bytes()).unwrap();
    }
    hasher.finish()
}

#[test]
fn the_state_hash_depends_on_every_state_and_refuses_disorder() {
    let states = fold(&[Op::new(id(0), at(1), add(1)), Op::new(id(1), at(1), add(2))]);
    let mut fewer = states.clone();
    fewer.pop_first();
    assert_ne!(state_hash(&states), state_hash(&fewer));
    let mut hasher = StateHasher::new();
    hasher.add(&[1, 2], b"state").unwrap();
    assert!(matches!(hasher.add(&[1, 2], b"state"), Err(ModelError::StatesOutOfOrder)));
    assert!(matches!(hasher.add(&[1, 1], b"state"), Err(ModelError::StatesOutOfOrder)));
}

#[test]
fn the_finding_with_the_higher_version_stays_and_equal_versions_settle_by_hash() {
    let derive = |number: u32, version, width| {
        let facts = safelight_model::Facts { width: Some(width), ..Default::default() };
        let probe = safelight_model::ProbeKind::Metadata;
        Op::new(
            id(number),
            at(u64::from(number)),
            OpBody::Derive { life: Life(0), content: content(1), probe, version, facts },
        )
    };
    let widths = |ops: &[Op]| -> Vec<_> {
        permutations(ops)
            .iter()
            .map(|ops| fold(ops)[&EntityId::Content(content(1))].as_content().unwrap().facts().width)
            .collect()
    };
    assert!(widths(&[derive(1, 2, 100), derive(2, 1, 200)]).iter().all(|width| *width == Some(100)));
    let tied = widths(&[derive(1, 2, 100), derive(2, 2, 200), derive(3, 2, 300)]);
    assert!(tied.iter().all(|width| *width == tied[0]));
}

#[test]
fn ops_may_name_what_comes_later() {
    let ops = [
        Op::new(id(2), at(1), set(Field::CAPTION, "second", &[id(1)])),
        Op::new(id(1), at(9), set(Field::CAPTION, "first", &[])),
    ];
    let state = asset_state(&ops);
    let register = state.current().record().field(Field::CAPTION).unwrap();
    assert_eq!(register.winner().unwrap().value, "second".into());
    assert!(register.conflicts().is_empty());
}
