//! Ops, segments, rebuild, several processes: the way in.

use std::collections::BTreeSet;

use crate::common::*;
use proptest::prelude::*;
use safelight_catalog::{
    Access, Catalog, CatalogError, CheckDepth, Durability, ItemLookup, ListOptions, Query, Rescued,
};
use safelight_crypto::{Device, EpochSecrets, SeededEntropy};
use safelight_model::history::{SealedSegment, Segment};
use safelight_model::{
    AlbumId, EntityId, Facts, Field, Life, MediaKind, OpBody, OpIds, Rendition, RenditionKind, SetName,
    Target, Value,
};

pub(crate) fn verified(world: &World, device: &Device, bytes: &[u8]) -> Segment {
    let secrets: &dyn EpochSecrets = &world.epoch;
    SealedSegment::parse(bytes)
        .unwrap()
        .verify(world.library, device.card().verifying_key())
        .unwrap()
        .open(secrets)
        .unwrap()
}

fn set(number: u32, field: impl Into<Field>, value: impl Into<Value>) -> OpBody {
    OpBody::Set { target: target(number), field: field.into(), value: value.into(), supersedes: OpIds::new() }
}

/// Random numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// An op of any kind about one of forty assets, as the library would make it from what it knows.
pub(crate) fn random_op(world: &World, dice: &mut Dice) -> Option<OpBody> {
    let number = u32::try_from(dice.below(40)).unwrap();
    let asset = asset(number);
    let state = world.catalog.asset_state(asset).unwrap().unwrap_or_default();
    let album = AlbumId([u8::try_from(dice.below(4)).unwrap(); 16]);
    let at = |dice: &mut Dice| {
        format!("20{:02}-{:02}-{:02}", dice.below(24), dice.below(12) + 1, dice.below(28) + 1)
    };
    Some(match dice.below(17) {
        0..=2 => state
            .add(asset, original(asset.0, &world.device, &format!("folder {}/IMG_{number}.jpg", number % 3))),
        3 | 4 => {
            let facts = canon(&at(dice));
            derive(number, at_random(dice, facts))
        }
        5 => OpBody::Derive {
            life: Life(0),
            content: asset.0,
            probe: safelight_model::ProbeKind::Pixels,
            version: dice.below(3),
            facts: Facts {
                thumbhash: Some(safelight_model::Placeholder(number.to_be_bytes().to_vec())),
                ..Facts::default()
            },
        },
        6 => {
            let kind = if dice.below(2) == 0 { RenditionKind::Thumbnail } else { RenditionKind::Preview };
            let made = Rendition {
                kind,
                recipe: u16::try_from(dice.below(3)).unwrap(),
                sha256: [1; 32],
                length_bytes: 5,
                width: 3,
                height: 4,
            };
            OpBody::Render { life: Life(0), content: asset.0, renditions: vec![made] }
        }
        7 => state.write_field(asset, Field::CAPTION, format!("caption {} of {number}", dice.below(5))),
        8 => state.write_field(asset, Field::RATING, i64::try_from(dice.below(6)).unwrap()),
        9 => state.write_field(asset, Field::TRASHED, dice.below(3) == 0),
        10 => state.write_field(asset, Field::HIDDEN, dice.below(3) == 0),
        11 => return state.put_in(asset, SetName::TAGS, format!("tag {}", dice.below(6)).as_str()),
        12 => return state.take_out(asset, SetName::TAGS, format!("tag {}", dice.below(6)).as_str()),
        13 => return state.put_in(asset, SetName::ALBUMS, album),
        14 if dice.below(3) == 0 => match dice.below(3) {
            0 => state.write_field(asset, Field::STACK, crate::common::asset((number + 7) % 40)),
            1 => state.write_field(asset, Field::STACK, false),
            _ => state.write_field(asset, Field::STACK, Value::None),
        },
        14 => {
            let target = Target::Album(album);
            let record = world.catalog.record(&EntityId::Album(album)).unwrap().unwrap_or_default();
            record.write_field(target, Field::NAME, format!("album {}", dice.below(9)))
        }
        15 => match dice.below(4) {
            0 => return state.purge(asset),
            1 => state.merge_into(asset, Some(crate::common::asset((number + 1) % 40))),
            2 => state.merge_into(asset, None),
            _ => {
                let content = crate::common::asset(1000 + u32::try_from(dice.below(60)).unwrap());
                state.add_version(asset, original(content.0, &world.device, &format!("edit {number}.jpg")))
            }
        },
        _ => {
            let source =
                original(asset.0, &world.device, &format!("copies/{number}-{}.jpg", dice.below(3))).source;
            OpBody::Seen { asset, life: state.life(), content: asset.0, source, modified_millis: 5 }
        }
    })
}

fn at_random(dice: &mut Dice, facts: Facts) -> Facts {
    let live = dice.below(4);
    Facts {
        live_id: (live == 0).then(|| format!("live {}", dice.below(5))),
        media: Some(if live == 0 && dice.below(2) == 0 { MediaKind::Video } else { MediaKind::Photo }),
        ..at(facts, dice.below(80) as f64, dice.below(80) as f64, "Somewhere")
    }
}

const QUERIES: &[&str] = &[
    "",
    "caption",
    "caption -canon",
    "\"tag 3\"",
    "tag:\"tag 2\"",
    "album:\"album 5\"",
    "album:album*",
    "rating:>=3",
    "is:hidden",
    "is:trashed",
    "is:duplicate",
    "is:edited",
    "is:live",
    "date:2010..",
    "near:40,40,2000km",
    "img",
    "folder",
    "path:copies",
    "name:edit",
    "has:tag -has:gps",
    "somewhere size:>1MB",
    "is:undated",
];

/// Everything that the catalogue answers, as text.
pub(crate) fn answers(catalog: &Catalog) -> Vec<String> {
    let mut all = everything(catalog);
    for query in QUERIES {
        for covers_only in [false, true] {
            let options = ListOptions { covers_only, ..ListOptions::default() };
            let page = catalog.list(&Query::parse(query).unwrap(), &options).unwrap();
            all.push(format!("{query}: {:?}", page.rows));
        }
    }
    for number in 0..40 {
        all.push(format!("{:?}", catalog.find_content(asset(number).0).unwrap()));
        all.push(format!("{:?}", catalog.stack_of(asset(number)).unwrap()));
        all.push(format!("{:?}", catalog.find_item(format!("IMG_{number}.jpg").as_bytes(), 9).unwrap()));
    }
    for shelf in safelight_catalog::Shelf::ALL {
        all.push(format!("{:?} {:?}", catalog.totals(shelf).unwrap(), catalog.months(shelf).unwrap()));
    }
    all.push(format!("{:?} {:?}", catalog.tags().unwrap(), catalog.named_albums().unwrap()));
    all
}

/// Names the first answer that differs.
pub(crate) fn same(one: &[String], other: &[String]) {
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn after_a_thousand_random_ops_a_rebuilt_catalogue_is_the_same() {
    for seed in 1..=3 {
        let mut world = World::new(seed);
        let mut dice = Dice(seed);
        let mut segments = Vec::new();
        let mut made = 0;
        while made < 1_000 {
            // Batches of several sizes, so that projections are refreshed both singly and together.
            let size = dice.below(9) + 1;
            let mut bodies = Vec::new();
            for _ in 0..size {
                bodies.extend(random_op(&world, &mut dice));
            }
            made += bodies.len();
            world.append(bodies);
            if dice.below(12) == 0 {
                segments.extend(world.close_segments());
            }
        }
        segments.extend(world.close_segments());
        let (hash, old) = (world.catalog.state_hash().unwrap(), answers(&world.catalog));
        assert!(everything(&world.catalog).len() > 15, "the test is about something");
        let ops = world.catalog.count_ops().unwrap();

        let segments: Vec<_> = segments.iter().map(|bytes| verified(&world, &world.device, bytes)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let mut entropy = SeededEntropy::new(99);
        let (rebuilt, report) = Catalog::rebuild(
            &path,
            &key(),
            world.device.id(),
            &mut entropy,
            segments,
            Rescued::default(),
            NOW,
        )
        .unwrap();
        assert_eq!((report.ops, report.left_out.as_slice()), (ops, [].as_slice()));
        assert_eq!(rebuilt.state_hash().unwrap(), hash);
        same(&old, &answers(&rebuilt));
        assert_eq!(rebuilt.tips().unwrap(), world.catalog.tips().unwrap());
        assert_eq!(rebuilt.check(&key(), CheckDepth::Structure).unwrap(), Vec::<String>::new());
        drop(rebuilt);
        assert!(files_in(folder.path()).iter().all(|name| !name.contains("rebuilding")));
    }
}

#[test]
fn a_rebuild_replaces_a_damaged_catalogue_and_keeps_what_was_not_yet_closed() {
    let mut world = World::new(5);
    world.append(vec![add(&world.device, 1, "a.jpg"), derive(1, photo("2020-01-01"))]);
    let segments = world.close_segments();
    world.append(vec![set(1, Field::CAPTION, "typed later")]);
    let open = world.catalog.open_op_bytes().unwrap();
    assert_eq!((world.catalog.open_ops().unwrap().ops, op_count(&open)), (1, 1));
    let hash = world.catalog.state_hash().unwrap();
    let path = world.path();
    let next = World::new(6);
    std::mem::replace(&mut world.catalog, next.catalog).close().unwrap();

    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5000] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let segments: Vec<_> = segments.iter().map(|bytes| verified(&world, &world.device, bytes)).collect();
    let device = world.device.id();
    let rescued = Rescued { open_ops: open, closed: Vec::new() };
    let (catalog, _) =
        Catalog::rebuild(&path, &key(), device, &mut world.entropy, segments, rescued, NOW).unwrap();
    assert_eq!(catalog.state_hash().unwrap(), hash);
    assert_eq!(names(&catalog, "\"typed later\""), ["a.jpg"]);
    assert_eq!(catalog.open_ops().unwrap().ops, 1);
}

#[test]
fn a_rebuild_names_what_it_cannot_take_in() {
    let mut world = World::new(7);
    let mut segments = Vec::new();
    for number in 1..=3 {
        world.append(vec![add(&world.device, number, "a.jpg")]);
        segments.extend(world.close_segments());
    }
    let chosen = [&segments[0], &segments[2]];
    let chosen: Vec<_> = chosen.iter().map(|bytes| verified(&world, &world.device, bytes)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let device = world.device.id();
    let (_, report) =
        Catalog::rebuild(&path, &key(), device, &mut world.entropy, chosen, Rescued::default(), NOW).unwrap();
    assert_eq!(report.segments, 1);
    assert_eq!(report.left_out.len(), 1);
    assert!(report.left_out[0].contains("one before it is missing"), "{:?}", report.left_out);
}

#[test]
fn a_closed_segment_stays_in_the_outbox_until_it_is_placed() {
    let mut world = World::new(8);
    world.append(vec![add(&world.device, 1, "a.jpg")]);
    let close = |world: &mut World| {
        world.catalog.close_segment(world.library, &world.device, &world.epoch, &mut world.entropy).unwrap()
    };
    let first = close(&mut world).unwrap();
    assert_eq!(close(&mut world), None);
    let catalog = world.reopen();
    assert_eq!(catalog.outbox().unwrap(), std::slice::from_ref(&first));
    drop(catalog);
    world.catalog.mark_placed(first.device, first.seq).unwrap();
    assert_eq!(world.catalog.outbox().unwrap(), []);
    assert_eq!(world.catalog.tip(world.device.id()).unwrap().seq, first.seq);
    assert_eq!(world.catalog.open_ops().unwrap().ops, 0);

    let stranger = Device::generate(&mut world.entropy);
    let error = world.catalog.close_segment(world.library, &stranger, &world.epoch, &mut world.entropy);
    assert!(matches!(error, Err(CatalogError::NotThisDevice { .. })));
}

#[test]
fn what_is_recorded_and_closed_at_once_is_nowhere_without_its_segment() {
    let mut world = World::new(8);
    world.append(vec![add(&world.device, 1, "a.jpg")]);
    let statement = || vec![OpBody::Statement(b"one".to_vec())];
    let stranger = Device::generate(&mut world.entropy);
    let by_stranger = (world.library, &stranger, &world.epoch);
    let refused = world.catalog.append_and_close(NOW, statement(), by_stranger, &mut world.entropy);
    assert!(matches!(refused, Err(CatalogError::NotThisDevice { .. })));
    assert_eq!((world.catalog.open_ops().unwrap().ops, world.catalog.outbox().unwrap().len()), (1, 0));

    let own = (world.library, &world.device, &world.epoch);
    world.catalog.append_and_close(NOW, statement(), own, &mut world.entropy).unwrap();
    assert_eq!(world.catalog.open_ops().unwrap().ops, 0);
    let outbox = world.catalog.outbox().unwrap();
    assert_eq!(outbox.len(), 1, "with what was open before");
    let sealed = SealedSegment::parse(&outbox[0].bytes).unwrap();
    assert_eq!(sealed.epoch(), Some(world.epoch.id()));
    assert_eq!(sealed.peek_statements(world.library, &world.epoch).unwrap(), [b"one"]);
}

#[test]
fn statements_go_into_a_segment_before_whatever_else_is_open() {
    let mut world = World::new(9);
    world.append(vec![add(&world.device, 1, "a.jpg"), set(1, Field::CAPTION, "before")]);
    world.append(vec![OpBody::Statement(b"one".to_vec()), set(1, Field::RATING, 4)]);
    world.append(vec![OpBody::Statement(b"another".to_vec())]);
    let closed = world.close_segments();
    let segment = verified(&world, &world.device, &closed[0]);
    let bodies: Vec<OpBody> = segment.ops().map(|op| op.unwrap().body).collect();
    assert_eq!(bodies[0], OpBody::Statement(b"one".to_vec()));
    assert_eq!(bodies[1], OpBody::Statement(b"another".to_vec()));
    assert!(
        matches!(bodies[2..], [OpBody::AddAsset { .. }, OpBody::Set { .. }, OpBody::Set { .. }]),
        "{bodies:?}"
    );
}

#[test]
fn two_devices_that_exchange_segments_agree_in_any_order() {
    let mut one = World::new(10);
    let mut two = World::new(11);
    two.library = one.library;
    one.append(vec![add(&one.device, 1, "a.jpg"), set(1, Field::CAPTION, "from one")]);
    let first = one.close_segments();
    let first = verified(&one, &one.device, &first[0]);
    two.catalog.fold_segment(&first, NOW).unwrap();
    two.append(vec![add(&two.device, 2, "b.jpg"), set(1, Field::RATING, 4)]);
    let second = two.close_segments();
    let second = verified(&two, &two.device, &second[0]);
    one.append(vec![set(1, Field::TITLE, "meanwhile")]);
    let third = one.close_segments();
    let third = verified(&one, &one.device, &third[0]);

    // Not before what it had seen; not twice; not without the one before it.
    let mut newcomer = World::new(12);
    let early = newcomer.catalog.fold_segment(&second, NOW);
    assert!(
        matches!(&early, Err(CatalogError::OutOfOrder { missing, .. }) if missing.starts_with("segment 1 of device"))
    );
    let gap = newcomer.catalog.fold_segment(&third, NOW);
    assert!(matches!(gap, Err(CatalogError::OutOfOrder { .. })));
    assert_eq!(newcomer.catalog.count_ops().unwrap(), 0);
    for segment in [&first, &first, &third, &second, &first, &third] {
        newcomer.catalog.fold_segment(segment, NOW).unwrap();
    }
    one.catalog.fold_segment(&second, NOW).unwrap();
    two.catalog.fold_segment(&third, NOW).unwrap();
    let hashes: BTreeSet<_> = [&one, &two, &newcomer]
        .map(|world| world.catalog.state_hash().unwrap().to_string())
        .into_iter()
        .collect();
    assert_eq!(hashes.len(), 1);
    assert_eq!(names(&newcomer.catalog, "meanwhile rating:4"), ["a.jpg"]);
    let page = newcomer.catalog.history(None, None, 100).unwrap();
    assert_eq!(page.entries.len(), 5);
    assert!(page.entries.iter().all(|entry| entry.segment.is_some() && entry.op.is_ok()));
}

#[test]
fn a_fork_is_refused_and_leaves_nothing_behind() {
    let mut world = World::new(13);
    world.append(vec![add(&world.device, 1, "a.jpg")]);
    let mut clone = World::new(14);
    clone.library = world.library;
    clone.catalog =
        Catalog::create(&clone.folder.path().join("clone.db"), &key(), world.device.id(), &mut clone.entropy)
            .unwrap();
    clone.catalog.append(NOW, vec![add(&world.device, 2, "b.jpg")]).unwrap();
    let honest = world.close_segments();
    let honest = verified(&world, &world.device, &honest[0]);
    let forked = clone
        .catalog
        .close_segment(world.library, &world.device, &world.epoch, &mut clone.entropy)
        .unwrap()
        .unwrap();
    let forked = verified(&world, &world.device, &forked.bytes);
    let mut reader = World::new(15);
    reader.catalog.fold_segment(&honest, NOW).unwrap();
    let before = reader.catalog.state_hash().unwrap();
    assert!(matches!(reader.catalog.fold_segment(&forked, NOW), Err(CatalogError::Forked { .. })));
    assert_eq!(reader.catalog.state_hash().unwrap(), before);
}

#[test]
fn a_change_that_fails_leaves_nothing_behind() {
    let mut world = World::new(16);
    world.append(vec![add(&world.device, 1, "a.jpg")]);
    let before =
        (world.catalog.state_hash().unwrap(), world.catalog.count_ops().unwrap(), everything(&world.catalog));
    let device = &world.device;
    let failed: Result<(), CatalogError> = world.catalog.change(NOW, |change| {
        change.push(add(device, 2, "b.jpg"))?;
        change.push(OpBody::AddTo { target: target(2), set: SetName::TAGS, element: "new tag".into() })?;
        assert!(change.asset(asset(2))?.is_some(), "what was pushed can be read back");
        Err(CatalogError::Row { what: "a test".into(), found: "it fails on purpose".into() })
    });
    assert!(failed.is_err());
    assert_eq!(
        (world.catalog.state_hash().unwrap(), world.catalog.count_ops().unwrap(), everything(&world.catalog)),
        before
    );
    // The label given out in the failed change is not used again by mistake.
    world.append(vec![OpBody::AddTo { target: target(1), set: SetName::TAGS, element: "new tag".into() }]);
    assert_eq!(world.names("tag:\"new tag\""), ["a.jpg"]);
}

#[test]
fn the_history_is_newest_first_and_comes_in_pages() {
    let mut world = World::new(17);
    for number in 1..=25 {
        world.append(vec![
            add(&world.device, number, &format!("{number}.jpg")),
            derive(number, photo("2020-01-01")),
            set(number, Field::CAPTION, "x"),
        ]);
    }
    let mut stamps = Vec::new();
    let mut after = None;
    loop {
        let page = world.catalog.history(None, after, 7).unwrap();
        stamps.extend(page.entries.iter().map(|entry| {
            let op = entry.op.as_ref().unwrap();
            (op.stamp, op.id)
        }));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(stamps.len(), 50, "what programs derived is not listed");
    assert!(stamps.is_sorted_by(|one, next| one > next));
    let of_one = world.catalog.history(Some(&EntityId::Asset(asset(3))), None, 10).unwrap();
    assert_eq!(of_one.entries.len(), 2);
    assert!(of_one.entries.iter().all(|entry| entry.device == world.device.id() && entry.segment.is_none()));
    let nothing = world.catalog.history(Some(&EntityId::Asset(asset(999))), None, 10).unwrap();
    assert!(nothing.entries.is_empty());
}

#[test]
fn items_are_found_by_id_path_end_of_path_and_name() {
    let mut world = World::new(18);
    world.append(vec![
        add(&world.device, 1, "2020/IMG_1.jpg"),
        add(&world.device, 2, "2021/IMG_1.jpg"),
        add(&world.device, 3, "line\nbreak.jpg"),
    ]);
    let find = |item: &str| world.catalog.find_item(item.as_bytes(), 10).unwrap();
    let id = asset(1).to_string();
    assert_eq!(find(&id), ItemLookup::One(asset(1)));
    assert_eq!(find(&id[..9]), ItemLookup::One(asset(1)));
    assert_eq!(find(&id[..3]), ItemLookup::None);
    assert_eq!(find("/home/anna/Pictures/2021/IMG_1.jpg"), ItemLookup::One(asset(2)));
    assert_eq!(find("2020/IMG_1.jpg"), ItemLookup::One(asset(1)));
    assert_eq!(find("20/IMG_1.jpg"), ItemLookup::None);
    assert_eq!(find("line\nbreak.jpg"), ItemLookup::One(asset(3)));
    assert!(matches!(find("IMG_1.jpg"), ItemLookup::Many(found) if found.len() == 2));
    assert_eq!(find(""), ItemLookup::None);
}

#[test]
fn all_assets_and_contents_are_met_once_in_a_stable_order() {
    let mut world = World::new(19);
    world.append((0..100).map(|number| add(&world.device, number, "x.jpg")).collect());
    world.append((0..50).map(|number| derive(number, photo("2020-01-01"))).collect());
    let mut met = Vec::new();
    while let Some(more) = Some(world.catalog.assets_after(met.last().copied(), 7).unwrap())
        && !more.is_empty()
    {
        met.extend(more.into_iter().map(|(asset, _)| asset));
        if met.len() == 49 {
            world.append(vec![add(&world.device, 1000, "late.jpg")]);
        }
    }
    assert!(met.is_sorted_by(|one, next| one < next));
    let expected: BTreeSet<_> = (0..100).map(asset).collect();
    assert!(expected.is_subset(&met.iter().copied().collect()));
    assert_eq!(world.catalog.contents_after(None, 1000).unwrap().len(), 50);
}

#[test]
fn two_processes_that_write_at_once_both_succeed() {
    let mut world = World::new(20);
    let path = world.path();
    let device = world.device.id();
    let threads: Vec<_> = (0..4_u32)
        .map(|worker| {
            let path = path.clone();
            let maker = Device::generate(&mut world.entropy);
            std::thread::spawn(move || {
                // Each thread has a catalogue of its own, as a process has.
                let mut entropy = SeededEntropy::new(u64::from(worker) + 100);
                let mut catalog = Catalog::open(&path, &key(), device, &mut entropy).unwrap();
                for round in 0..15 {
                    let number = worker * 1000 + round;
                    let ops = vec![add(&maker, number, "x.jpg"), derive(number, photo("2020-01-01"))];
                    catalog.append(NOW, ops).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(everything(&world.catalog).len(), 60);
    let page = world.catalog.history(None, None, 1000).unwrap();
    let stamps: BTreeSet<_> = page.entries.iter().map(|entry| entry.op.as_ref().unwrap().stamp).collect();
    assert_eq!(stamps.len(), 60, "stamps go on from those of the other process");
    let segments = world.close_segments();
    assert_eq!(segments.len(), 1);
    assert_eq!(world.catalog.open_ops().unwrap().ops, 0);
}

#[test]
fn segments_closed_by_two_processes_get_numbers_of_their_own() {
    let mut world = World::new(21);
    let mut other = world.reopen();
    let mut seqs = Vec::new();
    for round in 0..4 {
        let catalog = if round % 2 == 0 { &mut world.catalog } else { &mut other };
        catalog.append(NOW, vec![add(&world.device, round, "x.jpg")]).unwrap();
        let placed = catalog
            .close_segment(world.library, &world.device, &world.epoch, &mut world.entropy)
            .unwrap()
            .unwrap();
        seqs.push(placed.seq.0);
    }
    assert_eq!(seqs, [1, 2, 3, 4]);
}

#[test]
fn what_was_relaxed_is_durable_after_closing_and_no_log_stays() {
    let mut world = World::new(22);
    world.catalog.set_durability(Durability::Relaxed).unwrap();
    world.append(vec![add(&world.device, 1, "a.jpg")]);
    let other = World::new(23);
    std::mem::replace(&mut world.catalog, other.catalog).close().unwrap();
    assert_eq!(files_in(world.folder.path()), ["catalog.db"]);
    let catalog =
        Catalog::open_as(&world.path(), &key(), world.device.id(), &mut world.entropy, Access::ReadOnly)
            .unwrap();
    assert_eq!(names(&catalog, ""), ["a.jpg"]);
    assert_eq!(names(&catalog, "a*"), ["a.jpg"]);
}

#[test]
fn a_flipped_bit_anywhere_in_the_catalogue_is_found() {
    let mut world = World::new(24);
    world.append((0..300).map(|number| add(&world.device, number, "Pictures/secret name.jpg")).collect());
    world.append(
        (0..300).map(|number| derive(number, at(canon("2021-02-03"), 1.0, 2.0, "Planted"))).collect(),
    );
    // Leaves free pages behind.
    world.append((0..300).map(|number| set(number, Field::CAPTION, "long words ".repeat(200))).collect());
    world.append(
        (0..300)
            .map(|number| {
                let state = world.catalog.asset_state(asset(number)).unwrap().unwrap();
                state.write_field(asset(number), Field::CAPTION, "short")
            })
            .collect(),
    );
    let other = World::new(25);
    std::mem::replace(&mut world.catalog, other.catalog).close().unwrap();
    let good = std::fs::read(world.path()).unwrap();
    for planted in [b"secret name".as_slice(), b"Planted", b"Canon EOS"] {
        assert!(!good.windows(planted.len()).any(|window| window == planted));
    }
    let mut dice = Dice(24);
    for _ in 0..120 {
        let place = usize::try_from(dice.below(good.len() as u64)).unwrap();
        let mut bad = good.clone();
        bad[place] ^= 1 << dice.below(8);
        std::fs::write(world.path(), &bad).unwrap();
        let opened =
            Catalog::open_as(&world.path(), &key(), world.device.id(), &mut world.entropy, Access::ReadOnly);
        let found = match opened {
            Ok(catalog) => !catalog.check(&key(), CheckDepth::Pages).unwrap().is_empty(),
            Err(error) => error.is_cured_by_rebuild(),
        };
        assert!(found, "the flipped bit at byte {place} of {} was not found", good.len());
    }
}

#[test]
fn ops_that_cannot_be_written_are_refused_by_name() {
    let mut world = World::new(26);
    let removal = OpBody::RemoveFrom {
        target: target(1),
        set: SetName::TAGS,
        element: "x".into(),
        removes: OpIds::new(),
    };
    let error = world.catalog.append(NOW, vec![removal]).unwrap_err();
    assert!(matches!(error, CatalogError::Model(_)), "{error}");
    assert_eq!(world.catalog.count_ops().unwrap(), 0);
}

#[test]
fn an_import_of_a_known_content_finds_its_asset_unless_it_was_purged() {
    let mut world = World::new(27);
    world.append(vec![add(&world.device, 1, "a.jpg")]);
    let find = |world: &mut World, number: u32| {
        world.catalog.change(NOW, |change| change.asset_with(asset(number).0)).unwrap()
    };
    assert_eq!(find(&mut world, 1), Some(asset(1)));
    assert_eq!(find(&mut world, 2), None);
    world.append(vec![set(1, Field::TRASHED, true)]);
    assert_eq!(find(&mut world, 1), Some(asset(1)));
    let purge = world.catalog.asset_state(asset(1)).unwrap().unwrap().purge(asset(1)).unwrap();
    world.append(vec![purge]);
    assert_eq!(find(&mut world, 1), None);
    assert!(everything(&world.catalog).is_empty());
    let again = OpBody::AddAsset {
        asset: asset(1),
        life: Life(1),
        original: original(asset(1).0, &world.device, "again.jpg"),
    };
    world.append(vec![again]);
    assert_eq!(world.names(""), ["again.jpg"]);
}

#[test]
fn a_merged_asset_shows_as_the_other_with_what_people_typed() {
    let mut world = World::new(28);
    world.append(vec![
        add(&world.device, 1, "a.jpg"),
        add(&world.device, 2, "b.jpg"),
        OpBody::AddTo { target: target(1), set: SetName::TAGS, element: "kept".into() },
    ]);
    let state = world.catalog.asset_state(asset(1)).unwrap().unwrap();
    world.append(vec![state.merge_into(asset(1), Some(asset(2)))]);
    assert_eq!(world.names(""), ["b.jpg"]);
    assert_eq!(world.names("tag:kept"), ["b.jpg"]);
    let state = world.catalog.asset_state(asset(1)).unwrap().unwrap();
    world.append(vec![state.merge_into(asset(1), None)]);
    assert_eq!(world.names("").len(), 2);
    assert_eq!(world.names("tag:kept"), ["a.jpg"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_projection_does_not_depend_on_how_ops_are_batched(seed in 1_u64..1_000_000) {
        let mut one = World::new(seed);
        let mut dice = Dice(seed);
        let mut bodies = Vec::new();
        for _ in 0..60 {
            let Some(body) = random_op(&one, &mut dice) else { continue };
            one.append(vec![body.clone()]);
            bodies.push(body);
        }
        // The same ops (ids and stamps too), all in one transaction.
        let segments = one.close_segments();
        let mut two = World::new(seed + 1);
        for bytes in &segments {
            two.catalog.fold_segment(&verified(&one, &one.device, bytes), NOW).unwrap();
        }
        prop_assert_eq!(one.catalog.state_hash().unwrap(), two.catalog.state_hash().unwrap());
        same(&answers(&one.catalog), &answers(&two.catalog));
    }
}
