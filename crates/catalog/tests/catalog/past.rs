//! The catalogue as it was at a moment.

use std::collections::{BTreeMap, HashSet};

use crate::common::*;
use crate::history::{Dice, answers, random_op, same, verified};
use safelight_catalog::{Catalog, CatalogError, Until};
use safelight_crypto::SeededEntropy;
use safelight_model::{EntityState, Field, Op, SegmentSeq, StateHash, StateHasher};

/// What a catalogue of a moment is made with, and its file.
fn as_it_was(catalog: &Catalog, moment: u64) -> (tempfile::TempDir, Catalog, safelight_catalog::Past) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("past.db");
    let (past, known) = catalog
        .as_it_was(&Until::Moment(moment), &HashSet::new(), &path, &key(), &mut SeededEntropy::new(moment))
        .unwrap();
    (folder, past, known)
}

/// Ops folded by the rules alone, with no database.
fn fresh_fold<'a>(ops: impl IntoIterator<Item = &'a Op>) -> StateHash {
    let mut states: BTreeMap<Vec<u8>, EntityState> = BTreeMap::new();
    for op in ops {
        for target in op.targets().unwrap() {
            let state = states.entry(target.to_bytes()).or_insert_with(|| EntityState::new(&target));
            state.fold(op);
        }
    }
    let mut hasher = StateHasher::new();
    for (entity, state) in &states {
        hasher.add(entity, &state.to_bytes()).unwrap();
    }
    hasher.finish()
}

#[test]
fn a_hundred_moments_of_two_devices_equal_a_fresh_fold_of_the_ops_up_to_then() {
    let (mut here, mut there) = (World::new(41), World::new(42));
    there.library = here.library;
    let mut dice = Dice(41);
    let mut chains: [Vec<Op>; 2] = [Vec::new(), Vec::new()];
    let mut segments: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
    let mut now = NOW;
    while chains.iter().map(Vec::len).sum::<usize>() < 600 {
        now += 1 + dice.below(5_000);
        let which = usize::from(dice.below(3) == 0);
        let world = if which == 0 { &mut here } else { &mut there };
        let bodies: Vec<_> = (0..=dice.below(5)).filter_map(|_| random_op(world, &mut dice)).collect();
        // One device's clock is an hour slow now and then: its chain ascends all the same.
        let told = if which == 1 && dice.below(8) == 0 { now - 3_600_000 } else { now };
        world.catalog.append(told, bodies).unwrap();
        let open = world.catalog.open_op_bytes().unwrap();
        let known = &mut chains[which];
        let fresh = open.iter().map(|bytes| Op::from_bytes(bytes).unwrap());
        let fresh: Vec<_> = fresh.filter(|op| known.iter().all(|known| known.id != op.id)).collect();
        known.extend(fresh);
        if dice.below(6) == 0 {
            segments[which].extend(world.close_segments());
        }
    }
    // A third device gets everything afterwards, one chain before the other.
    let mut late = World::new(43);
    late.library = here.library;
    for (world, closed) in [&mut here, &mut there].into_iter().zip(&mut segments) {
        closed.extend(world.close_segments());
    }
    let closed_by = [(&here, &segments[0]), (&there, &segments[1])];
    for (world, closed) in closed_by.iter().rev() {
        for bytes in *closed {
            late.catalog.fold_segment(&verified(world, &world.device, bytes), now).unwrap();
        }
    }
    let all = answers(&late.catalog);
    // Up to the segments of a snapshot it is the same as if no more had ever come.
    for _ in 0..10 {
        let mut early = World::new(44);
        early.library = here.library;
        let mut heads = BTreeMap::new();
        for (world, closed) in &closed_by {
            let known = usize::try_from(dice.below(closed.len() as u64 + 1)).unwrap();
            heads.insert(world.device.id(), SegmentSeq(u32::try_from(known).unwrap()));
            for bytes in &closed[..known] {
                early.catalog.fold_segment(&verified(world, &world.device, bytes), now).unwrap();
            }
        }
        let (past, _) = late
            .catalog
            .as_it_was_in_memory(&Until::Heads(heads), &HashSet::new(), &mut SeededEntropy::new(2))
            .unwrap();
        assert_eq!(past.state_hash().unwrap(), early.catalog.state_hash().unwrap());
    }
    for _ in 0..100 {
        let moment = NOW + dice.below(now - NOW + 2);
        let until = chains.iter().flat_map(|chain| {
            let mut latest = 0;
            chain.iter().take_while(move |op| {
                latest = op.stamp.millis.max(latest);
                latest <= moment
            })
        });
        let until: Vec<_> = until.collect();
        let (_folder, past, known) = as_it_was(&late.catalog, moment);
        assert_eq!(known.ops, until.len() as u64);
        assert_eq!(known.since, late.catalog.count_ops().unwrap() - known.ops);
        assert_eq!(past.state_hash().unwrap(), fresh_fold(until));
    }
    let (_folder, past, known) = as_it_was(&late.catalog, now);
    assert_eq!(known.since, 0);
    same(&all, &answers(&past));
    let (past, _) = late
        .catalog
        .as_it_was_in_memory(&Until::Moment(now), &HashSet::new(), &mut SeededEntropy::new(1))
        .unwrap();
    same(&all, &answers(&past));
}

#[test]
fn a_moment_before_everything_is_an_empty_library_and_its_catalogue_takes_no_change() {
    let mut world = World::new(44);
    world.append(vec![add(&world.device, 1, "a.jpg")]);
    let (_folder, mut past, known) = as_it_was(&world.catalog, NOW - 1);
    assert_eq!((known.ops, names(&past, "")), (0, Vec::new()));
    let state = world.catalog.asset_state(asset(1)).unwrap().unwrap();
    past.append(NOW, vec![state.write_field(asset(1), Field::RATING, 3)]).unwrap_err();
}

#[test]
fn what_was_trashed_and_named_otherwise_since_is_as_it_was() {
    let mut world = World::new(45);
    world.append(vec![add(&world.device, 1, "a.jpg"), derive(1, photo("2020-01-01"))]);
    let state = world.catalog.asset_state(asset(1)).unwrap().unwrap();
    world.catalog.append(NOW + 10, vec![state.write_field(asset(1), Field::CAPTION, "before")]).unwrap();
    let state = world.catalog.asset_state(asset(1)).unwrap().unwrap();
    let since = vec![
        state.write_field(asset(1), Field::CAPTION, "after"),
        state.write_field(asset(1), Field::TRASHED, true),
    ];
    world.catalog.append(NOW + 20, since).unwrap();
    assert_eq!(world.names("after"), Vec::<String>::new());
    let (_folder, past, _) = as_it_was(&world.catalog, NOW + 19);
    assert_eq!((names(&past, "before"), names(&past, "after").len()), (vec!["a.jpg".to_owned()], 0));
}

#[test]
fn a_file_that_is_in_the_way_is_left_alone() {
    let world = World::new(46);
    let path = world.folder.path().join("past.db");
    std::fs::write(&path, "something else").unwrap();
    let error = world
        .catalog
        .as_it_was(&Until::Moment(NOW), &HashSet::new(), &path, &key(), &mut SeededEntropy::new(1))
        .unwrap_err();
    assert!(matches!(error, CatalogError::Exists { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
}
