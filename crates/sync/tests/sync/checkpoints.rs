//! Checkpoints: written, shared, begun with, and never believed more than history.

use std::collections::BTreeSet;
use std::sync::Arc;

use safelight_catalog::{ListOptions, Query};
use safelight_crypto::{Entropy, ObjectName, SeededEntropy, StatementBody};
use safelight_model::checkpoint::{Bucket, Checkpoint, Page, PageRef};
use safelight_model::{
    AlbumId, AssetId, EntityId, Facts, Field, Life, MediaKind, OpBody, ProbeKind, Rendition, RenditionKind,
    SetName, Taken, TakenSource, Target, Value,
};
use safelight_store::SealedRemote;
use safelight_sync::{
    Depth, FreeOptions, Freeing, OLDEST_PROOF_MILLIS, Problem, SyncError, SyncOptions, SyncReport, WhyNot,
    fetch_first_thumbnails, find_library, prepare_admission, repair, start_over, sync, verify_remote,
};

use crate::common::*;
use crate::latency::Latency;

/// A checkpoint after every sync with news.
const EAGER: u64 = 1;
const MONTH_MILLIS: u64 = 31 * 86_400_000;

async fn sync_and_write(phone: &mut Phone, store: &SealedRemote) -> SyncReport {
    let at = phone.at(store);
    let options = SyncOptions { checkpoint_after_ops: EAGER, ..SyncOptions::default() };
    sync(&mut phone.here(), &at, &options).await.unwrap()
}

/// Joins as far as a person sees something: nothing of the log was replayed.
async fn begin(store: &SealedRemote, words: &safelight_crypto::RecoveryWords, seed: u64) -> (Phone, bool) {
    let joining = find_library(store, words).await.unwrap();
    let mut phone = Phone::new_joined(&joining, seed);
    let at = phone.at(store);
    let taken = joining.take_in(&mut phone.here(), &at).await.unwrap();
    prepare_admission(&mut phone.here(), &at, words).await.unwrap();
    (phone, taken.began_with_checkpoint)
}

fn remove_checkpoints(place: &TestPlace) {
    for area in ["ckpt", "page"] {
        for name in place.objects(area).into_keys() {
            place.remove(&name);
        }
    }
}

struct Dice(SeededEntropy);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_be_bytes(bytes) % sides as u64).unwrap()
    }
}

/// Anything that a person or an import may do.
fn do_something(phone: &mut Phone, dice: &mut Dice) {
    let assets = phone.catalog.assets_after(None, 1000).unwrap();
    if assets.is_empty() || dice.below(4) == 0 {
        // Few contents, so that devices import the same ones, and purged ones come back.
        let number = dice.below(12) as u64;
        phone.now += MONTH_MILLIS * dice.below(3) as u64;
        let content = noise(number, 700);
        let asset = AssetId(safelight_crypto::ContentHash::of(&content));
        let original = phone.import_unrecorded("a.jpg", &content);
        let state = phone.catalog.asset_state(asset).unwrap().unwrap_or_default();
        phone.record(vec![state.add(asset, original.clone())]);
        phone.render(&original, RenditionKind::Thumbnail, &noise(number + 500, 300));
        return;
    }
    let (asset, state) = &assets[dice.below(assets.len())];
    let other = assets[dice.below(assets.len())].0;
    let album = AlbumId([u8::try_from(dice.below(3)).unwrap(); 16]);
    let body = match dice.below(11) {
        0 => Some(state.write_field(*asset, Field::CAPTION, format!("caption {}", dice.below(50)))),
        1 => Some(state.write_field(*asset, Field::TRASHED, true)),
        2 => Some(state.write_field(*asset, Field::TRASHED, dice.below(2) == 0)),
        3 | 4 => state.purge(*asset),
        5 => (other != *asset).then(|| state.merge_into(*asset, Some(other))),
        6 => Some(state.merge_into(*asset, None)),
        7 => state.put_in(*asset, SetName::TAGS, format!("tag {}", dice.below(3))),
        8 => state.take_out(*asset, SetName::TAGS, format!("tag {}", dice.below(3))),
        9 => Some(OpBody::Set {
            target: Target::Album(album),
            field: Field::NAME.into(),
            value: Value::Text(format!("album {}", dice.below(9))),
            supersedes: Default::default(),
        }),
        _ => {
            let content = noise(100 + dice.below(9) as u64, 800);
            let original = phone.import_unrecorded("b.jpg", &content);
            Some(state.add_version(*asset, original))
        }
    };
    phone.record(body.into_iter().collect());
}

/// What is listed, in order, with what people typed.
fn shown(phone: &Phone) -> String {
    let options = ListOptions { limit: 1000, ..ListOptions::default() };
    let rows = phone.catalog.list(&Query::default(), &options).unwrap().rows;
    let rows: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row.asset, row.content, row.local_millis)).collect();
    format!("{rows:?} {:?}", phone.catalog.totals(safelight_catalog::Shelf::Shown).unwrap())
}

#[tokio::test]
async fn whoever_begins_with_a_checkpoint_ends_like_whoever_replayed_everything() {
    for seed in 0..8_u64 {
        let place = TestPlace::new();
        let mut dice = Dice(SeededEntropy::new(900 + seed));
        let (mut one, words) = Phone::founder(1000 + seed);
        sync_and_write(&mut one, &place.store).await;
        let mut two = Phone::join(&place.store, &words, 2000 + seed).await.unwrap();
        for _ in 0..60 {
            let phone = if dice.below(2) == 0 { &mut one } else { &mut two };
            match dice.below(7) {
                0 => drop(sync_and_write(phone, &place.store).await),
                1 => drop(phone.sync(&place.store).await.unwrap()),
                _ => do_something(phone, &mut dice),
            }
        }
        sync_and_write(&mut one, &place.store).await;
        // What comes after the checkpoint is folded ahead.
        do_something(&mut two, &mut dice);
        two.sync(&place.store).await.unwrap();
        one.sync(&place.store).await.unwrap();
        assert_eq!(one.hash(), two.hash(), "seed {seed}");

        let (mut begun, has_begun) = begin(&place.store, &words, 3000 + seed).await;
        assert!(has_begun, "seed {seed}");
        let at = begun.at(&place.store);
        let _pages = sync_pages(&mut begun, &at).await;
        assert_eq!(begun.hash(), one.hash(), "seed {seed}: before any segment was taken in");
        assert_eq!(shown(&begun), shown(&one), "seed {seed}");
        assert!(begun.catalog.segments().unwrap().is_empty(), "seed {seed}");

        // It is used at once, while others go on.
        for _ in 0..6 {
            do_something(&mut begun, &mut dice);
            do_something(&mut one, &mut dice);
        }
        assert!(begun.catalog.plan_checkpoint().unwrap().is_none(), "it vouches for nothing yet");
        let report = begun.sync(&place.store).await.unwrap();
        assert_eq!(report.history.problems, [], "seed {seed}");
        assert_eq!(report.problems, [], "seed {seed}");
        assert_eq!(begun.catalog.begun_with().unwrap(), None, "seed {seed}: it is proven");
        remove_checkpoints(&place);
        let mut replayed = Phone::join(&place.store, &words, 4000 + seed).await.unwrap();
        assert_eq!(replayed.catalog.begun_with().unwrap(), None);
        for _ in 0..2 {
            for phone in [&mut one, &mut two, &mut begun, &mut replayed] {
                phone.sync(&place.store).await.unwrap();
            }
        }
        for (name, phone) in [("two", &two), ("begun", &begun), ("replayed", &replayed)] {
            assert_eq!(phone.hash(), one.hash(), "seed {seed}: {name}");
            assert_eq!(shown(phone), shown(&one), "seed {seed}: {name}");
        }
        let before = begun.hash();
        begun.rebuild_all();
        assert_eq!(begun.hash(), before, "seed {seed}: made anew from its folder");
    }
}

/// The pages that still wait, without the rest of a sync.
async fn sync_pages(phone: &mut Phone, at: &safelight_sync::RemotePlace) -> u64 {
    let mut problems = Vec::new();
    let count = safelight_sync::take_waiting_pages(&mut phone.here(), at, &mut problems).await.unwrap();
    assert_eq!(problems, []);
    count
}

/// Photos of so many months, so many a month, without bytes.
fn fill_months(phone: &mut Phone, months: u64, photos: u64) {
    for month in 0..months {
        phone.now = NOW - (months - month) * MONTH_MILLIS;
        phone.add_many(month * 1000, photos);
    }
    phone.now = NOW;
}

#[tokio::test]
async fn after_one_changed_month_two_pages_at_most_and_a_root_are_put() {
    let place = TestPlace::new();
    let (mut one, _) = Phone::founder(31);
    fill_months(&mut one, 24, 40);
    let first = sync_and_write(&mut one, &place.store).await;
    assert!(first.wrote_checkpoint && first.sent_pages >= 24, "{first:?}");
    place.requests();

    // Nothing new: no checkpoint.
    assert!(!sync_and_write(&mut one, &place.store).await.wrote_checkpoint);
    place.requests();

    // Every photo of one month is changed, some are new, some are gone.
    let options = ListOptions { limit: 1000, ..ListOptions::default() };
    let rows = one.catalog.list(&Query::default(), &options).unwrap().rows;
    let month: Vec<AssetId> = rows.iter().skip(40 * 11).take(40).map(|row| row.asset).collect();
    for (number, asset) in month.iter().enumerate() {
        one.caption(*asset, &format!("typed {number}"));
    }
    one.now = NOW - 12 * MONTH_MILLIS;
    one.add_many(11 * 1000 + 500, 30);
    one.now = NOW + 1000;
    let second = sync_and_write(&mut one, &place.store).await;
    assert!(second.wrote_checkpoint);
    let put: Vec<String> =
        place.requests().into_iter().filter(|request| request.starts_with("CREATE")).collect();
    let pages = put.iter().filter(|request| request.contains(" page/")).count();
    let roots = put.iter().filter(|request| request.contains(" ckpt/")).count();
    assert!((1..=2).contains(&pages), "{put:?}");
    assert_eq!(roots, 1);
    assert_eq!(second.sent_pages, pages as u64);
}

#[tokio::test]
async fn devices_in_one_state_make_the_same_pages() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(41);
    fill_months(&mut one, 3, 20);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 42).await.unwrap();
    two.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    let first = sync_and_write(&mut one, &place.store).await;
    assert!(first.sent_pages >= 3);
    let pages: BTreeSet<String> = place.objects("page").into_keys().collect();
    let second = sync_and_write(&mut two, &place.store).await;
    assert!(second.wrote_checkpoint);
    assert_eq!(second.sent_pages, 0, "all of them were there");
    assert_eq!(place.objects("page").into_keys().collect::<BTreeSet<_>>(), pages);
    assert_eq!(place.objects("ckpt").len(), 2, "each signs its own root");
}

#[tokio::test]
async fn the_first_page_of_thumbnails_takes_six_round_trips_at_most() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(51);
    for number in 0..130_u64 {
        one.now = NOW - (130 - number) * MONTH_MILLIS / 8;
        let photo = one.import(&format!("{number}.jpg"), &noise(number, 900));
        one.render(&photo, RenditionKind::Thumbnail, &noise(number + 9000, 3000));
        if number % 40 == 39 {
            one.sync(&place.store).await.unwrap();
        }
    }
    let mut two = Phone::join(&place.store, &words, 52).await.unwrap();
    two.caption(two.catalog.assets_after(None, 1).unwrap()[0].0, "typed by the second device");
    two.sync(&place.store).await.unwrap();
    one.now = NOW;
    sync_and_write(&mut one, &place.store).await;
    // Both go on after the checkpoint.
    one.import("last.jpg", &noise(777, 900));
    one.sync(&place.store).await.unwrap();
    two.sync(&place.store).await.unwrap();

    for has_checkpoint in [true, false] {
        if !has_checkpoint {
            remove_checkpoints(&place);
        }
        let latency = Latency::around(Arc::<Counting>::clone(&place.remote));
        let store = SealedRemote::new(Arc::new(latency.clone()));
        let work = async {
            // Each time another device.
            let seed = if has_checkpoint { 53 } else { 54 };
            let (mut phone, has_begun) = begin(&store, &words, seed).await;
            let (at, mut problems) = (phone.at(&store), Vec::new());
            let count = fetch_first_thumbnails(&mut phone.here(), &at, 100, &mut problems).await.unwrap();
            assert_eq!(problems, []);
            assert_eq!(has_begun, has_checkpoint);
            assert!(count >= 99, "{count}");
            phone
        };
        let (mut phone, trips) = latency.count(work).await;
        assert!((4..=6).contains(&trips), "{trips} round trips");
        let rows = phone.catalog.list(&Query::default(), &ListOptions::default()).unwrap().rows;
        assert!(rows.len() >= 100, "{}", rows.len());
        let report = phone.sync(&place.store).await.unwrap();
        assert_eq!((report.history.problems, report.problems), (vec![], vec![]));
        assert_eq!(phone.hash(), {
            one.sync(&place.store).await.unwrap();
            one.hash()
        });
    }
}

type Harm = fn(&TestPlace, &str, &str);

/// What may happen to an object: itself, and another of its kind.
const HARMS: [(&str, Harm); 6] = [
    ("flipped", |place, page, _| place.flip(page, 400)),
    ("truncated", |place, page, _| {
        let bytes = place.remove(page);
        std::fs::write(place.path(page), &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("missing", |place, page, _| drop(place.remove(page))),
    ("another page", |place, page, other| {
        std::fs::copy(place.path(other), place.path(page)).unwrap();
    }),
    ("too long", |place, page, _| {
        let mut bytes = place.remove(page);
        bytes.resize(bytes.len() + (1 << 20), 0);
        std::fs::write(place.path(page), bytes).unwrap();
    }),
    ("its own root", |place, page, _| {
        let root = place.objects("ckpt").into_keys().next().unwrap();
        std::fs::copy(place.path(&root), place.path(page)).unwrap();
    }),
];

#[tokio::test]
async fn pages_and_roots_that_are_not_right_are_named_and_history_serves() {
    for (number, (what, harm)) in (0..).zip(HARMS) {
        let place = TestPlace::new();
        let (mut one, words) = Phone::founder(61);
        fill_months(&mut one, 2, 20);
        sync_and_write(&mut one, &place.store).await;
        let pages: Vec<String> = place.objects("page").into_keys().collect();
        let which = number % pages.len();
        harm(&place, &pages[which], &pages[(which + 1) % pages.len()]);
        let joining = find_library(&place.store, &words).await.unwrap();
        let mut two = Phone::new_joined(&joining, 62);
        let at = two.at(&place.store);
        let taken = joining.take_in(&mut two.here(), &at).await.unwrap();
        assert!(taken.began_with_checkpoint, "{what}");
        assert!(taken.problems.iter().any(is_damaged), "{what}: {:?}", taken.problems);
        prepare_admission(&mut two.here(), &at, &words).await.unwrap();
        let report = two.sync(&place.store).await.unwrap();
        assert_eq!(report.history.problems, [], "{what}");
        assert_eq!(two.catalog.begun_with().unwrap(), None, "{what}: history proved the rest");
        one.sync(&place.store).await.unwrap();
        assert_eq!(two.hash(), one.hash(), "{what}");
    }
    // A root that is not right is no checkpoint.
    for harm in [0, 300] {
        let place = TestPlace::new();
        let (mut one, words) = Phone::founder(63);
        fill_months(&mut one, 2, 5);
        sync_and_write(&mut one, &place.store).await;
        let root = place.objects("ckpt").into_keys().next().unwrap();
        place.flip(&root, harm);
        let (mut two, has_begun) = begin(&place.store, &words, 64).await;
        assert!(!has_begun);
        assert_eq!(two.sync(&place.store).await.unwrap().history.problems, []);
        one.sync(&place.store).await.unwrap();
        assert_eq!(two.hash(), one.hash());
    }
}

#[tokio::test]
async fn verifying_everything_finds_harmed_pages_and_roots_and_they_are_written_again() {
    let root_harms: [(&str, Harm); 6] = [
        ("root flipped", |place, _, _| {
            let root = place.objects("ckpt").into_keys().next().unwrap();
            place.flip(&root, 300);
        }),
        ("root emptied", |place, _, _| {
            let root = place.objects("ckpt").into_keys().next().unwrap();
            place.remove(&root);
            std::fs::write(place.path(&root), b"").unwrap();
        }),
        ("root truncated", |place, _, _| {
            let root = place.objects("ckpt").into_keys().next().unwrap();
            let bytes = place.remove(&root);
            std::fs::write(place.path(&root), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("another object for the root", |place, _, _| {
            let root = place.objects("ckpt").into_keys().next().unwrap();
            let length = place.remove(&root).len();
            let segment = place.objects("log").into_keys().next().unwrap();
            let mut bytes = std::fs::read(place.path(&segment)).unwrap();
            bytes.resize(length, 0);
            std::fs::write(place.path(&root), bytes).unwrap();
        }),
        ("root missing", |place, _, _| {
            let root = place.objects("ckpt").into_keys().next().unwrap();
            place.remove(&root);
        }),
        ("everything overwritten", |place, _, _| {
            for name in place.objects("page").into_keys().chain(place.objects("ckpt").into_keys()) {
                let length = place.remove(&name).len();
                std::fs::write(place.path(&name), vec![0x5a; length]).unwrap();
            }
        }),
    ];
    for (number, (what, harm)) in (0..).zip(HARMS.into_iter().chain(root_harms)) {
        let place = TestPlace::new();
        let (mut one, words) = Phone::founder(67);
        fill_months(&mut one, 2, 20);
        sync_and_write(&mut one, &place.store).await;
        let pages: Vec<String> = place.objects("page").into_keys().collect();
        let which = number % pages.len();
        let at = one.at(&place.store);
        let whole = verify_remote(&mut one.here(), &at, Depth::All).await.unwrap();
        assert_eq!(whole.problems, [], "{what}");
        harm(&place, &pages[which], &pages[(which + 1) % pages.len()]);
        // A root that is written later has another name.
        one.now += 60_000;
        let mut report = verify_remote(&mut one.here(), &at, Depth::All).await.unwrap();
        let is_named = report.problems.iter().any(|problem| match problem {
            Problem::Damaged { object, .. } | Problem::Missing { object } => {
                *object == pages[which] || object.starts_with("ckpt/")
            }
            _ => false,
        });
        assert!(is_named && report.may_be_repaired(), "{what}: {report:?}");
        repair(&mut one.here(), &at, None, &mut report).await.unwrap();
        let repaired = report.problems.iter().filter(|problem| matches!(problem, Problem::Repaired { .. }));
        assert!(repaired.count() > 0, "{what}: {:?}", report.problems);
        let again = verify_remote(&mut one.here(), &at, Depth::All).await.unwrap();
        assert_eq!(again.problems, [], "{what}");
        // Whoever joins begins with it, and meets nothing that is not right.
        let joining = find_library(&place.store, &words).await.unwrap();
        let mut two = Phone::new_joined(&joining, 68);
        let at = two.at(&place.store);
        let taken = joining.take_in(&mut two.here(), &at).await.unwrap();
        assert!(taken.began_with_checkpoint, "{what}");
        assert_eq!(taken.problems, [], "{what}");
    }
}

#[tokio::test]
async fn a_page_that_was_lost_is_put_again_after_a_verification() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(65);
    fill_months(&mut one, 2, 5);
    sync_and_write(&mut one, &place.store).await;
    let page = place.objects("page").into_keys().next().unwrap();
    place.remove(&page);
    let at = one.at(&place.store);
    let report = verify_remote(&mut one.here(), &at, Depth::Presence).await.unwrap();
    assert!(report.problems.contains(&Problem::Missing { object: page.clone() }), "{:?}", report.problems);
    one.add_many(5000, 1);
    sync_and_write(&mut one, &place.store).await;
    assert!(place.objects("page").contains_key(&page));
    let (mut two, has_begun) = begin(&place.store, &words, 66).await;
    assert!(has_begun);
    let at = two.at(&place.store);
    sync_pages(&mut two, &at).await;
}

#[tokio::test]
async fn a_place_that_went_back_behind_its_checkpoint_is_told() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(71);
    fill_months(&mut one, 2, 5);
    one.sync(&place.store).await.unwrap();
    one.add_many(9000, 5);
    sync_and_write(&mut one, &place.store).await;
    // The log went back, the checkpoint did not.
    let newest = place.objects("log").into_keys().max().unwrap();
    place.remove(&newest);
    let (mut two, has_begun) = begin(&place.store, &words, 72).await;
    assert!(has_begun);
    let report = two.sync(&place.store).await.unwrap();
    let is_withheld = |problem: &Problem| matches!(problem, Problem::Withheld { named_by, .. } if named_by == "the checkpoint");
    assert!(report.history.problems.iter().any(is_withheld), "{:?}", report.history.problems);
    assert!(two.catalog.begun_with().unwrap().is_some(), "it stays provisional");
    // What it has not read may be marks, so it frees nothing.
    let photo = two.import("a.jpg", &noise(72, 200_000));
    two.sync(&place.store).await.unwrap();
    let at = two.at(&place.store);
    let options = FreeOptions { proof_millis: OLDEST_PROOF_MILLIS, download: true, is_enough: true };
    let ready = Freeing::begin(&mut two.here(), &at, options, &mut Vec::new()).await.unwrap();
    let refused = ready.prove(&mut two.here(), &at, &photo, &mut Vec::new()).await.unwrap();
    assert_eq!(refused.err(), Some(WhyNot::Provisional));
}

/// Puts a checkpoint of these pages into the place, as a device of the library may.
async fn forge(phone: &mut Phone, place: &TestPlace, change: impl Fn(&Page) -> Option<Page>) {
    let plan = phone.catalog.plan_checkpoint().unwrap().unwrap();
    let keyring = phone.keys.0.clone();
    let mut pages = Vec::new();
    for planned in &plan.pages {
        let page = phone.catalog.checkpoint_page(planned).unwrap().unwrap();
        let page = change(&page).unwrap_or(page);
        let sealed = page.seal(keyring.library(), keyring.epoch(), &mut phone.entropy).unwrap();
        put(place, &format!("page/{}/{}", sealed.name.shard(), sealed.name), &sealed.bytes);
        pages.push(sealed.page);
    }
    let root = Checkpoint::new(plan.heads, plan.statements, pages, phone.now + 1_000_000);
    let (name, bytes): (ObjectName, Vec<u8>) =
        root.seal(keyring.library(), keyring.device(), keyring.epoch(), &mut phone.entropy).unwrap();
    put(place, &format!("ckpt/{name}"), &bytes);
}

fn put(place: &TestPlace, name: &str, bytes: &[u8]) {
    let path = place.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_checkpoint_that_says_what_history_does_not_is_found_out() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(81);
    fill_months(&mut one, 1, 5);
    one.sync(&place.store).await.unwrap();
    forge(&mut one, &place, |page| {
        let states = page.states().ok()?;
        if !page.bucket().holds_photos() {
            return None;
        }
        // A caption that nobody typed.
        let mut entries: Vec<(Vec<u8>, Vec<u8>)> = page.entries().to_vec();
        let (entity, mut state) =
            states.into_iter().find(|(entity, _)| matches!(entity, EntityId::Asset(_)))?;
        let EntityId::Asset(asset) = entity else { return None };
        let body = state.as_asset()?.write_field(asset, Field::CAPTION, "nobody typed this");
        let id = safelight_model::OpId { session: 1, counter: 1 };
        state.fold(&safelight_model::Op::new(id, safelight_model::Stamp::at(NOW), body));
        let entry = entries.iter_mut().find(|(key, _)| *key == entity.to_bytes())?;
        entry.1 = state.to_bytes();
        Some(Page::new(page.bucket(), entries))
    })
    .await;
    let (mut two, has_begun) = begin(&place.store, &words, 82).await;
    assert!(has_begun);
    let report = two.sync(&place.store).await.unwrap();
    let wrong = Problem::WrongCheckpoint { signer: one.catalog.device(), things: 1 };
    assert_eq!(report.history.problems, [wrong]);
    assert!(two.catalog.begun_with().unwrap().is_some());
    // The catalogue that is made anew from history is right.
    two.rebuild_all();
    one.sync(&place.store).await.unwrap();
    two.sync(&place.store).await.unwrap();
    assert_eq!(two.hash(), one.hash());
}

#[tokio::test]
async fn the_checkpoint_of_a_revoked_device_is_not_begun_with() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(91);
    fill_months(&mut one, 1, 5);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 92).await.unwrap();
    two.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    sync_and_write(&mut two, &place.store).await;
    assert_eq!(place.objects("ckpt").len(), 1);
    one.sync(&place.store).await.unwrap();
    let device = two.catalog.device();
    let tip = one.catalog.tip(device).unwrap();
    one.state(&StatementBody::Revoke { device, last_seq: tip.seq.0, last_root: tip.root.0 });
    one.sync(&place.store).await.unwrap();
    let (mut three, has_begun) = begin(&place.store, &words, 93).await;
    assert!(!has_begun);
    three.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    assert_eq!(three.hash(), one.hash());
}

#[tokio::test]
async fn a_join_that_was_cut_off_goes_on_with_the_pages_that_wait() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(95);
    fill_months(&mut one, 70, 12);
    sync_and_write(&mut one, &place.store).await;
    let (mut two, has_begun) = begin(&place.store, &words, 96).await;
    assert!(has_begun);
    let waiting = two.catalog.waiting_pages().unwrap().len();
    assert!(waiting > 10, "{waiting}");
    let newest = two.catalog.list(&Query::default(), &ListOptions::default()).unwrap().rows;
    let all = one.catalog.list(&Query::default(), &ListOptions::default()).unwrap().rows;
    assert_eq!(
        newest[..50].iter().map(|row| row.asset).collect::<Vec<_>>(),
        all[..50].iter().map(|row| row.asset).collect::<Vec<_>>()
    );
    two.stop.ask();
    let at = two.at(&place.store);
    assert!(sync(&mut two.here(), &at, &SyncOptions::default()).await.is_err());
    two.stop = safelight_sync::Stop::default();
    two.sync(&place.store).await.unwrap();
    assert_eq!(two.catalog.begun_with().unwrap(), None);
    one.sync(&place.store).await.unwrap();
    assert_eq!(two.hash(), one.hash());
}

#[tokio::test]
async fn a_credential_that_only_creates_writes_checkpoints() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(97);
    fill_months(&mut one, 1, 5);
    sync_and_write(&mut one, &place.store).await;
    one.add_many(700, 2);
    sync_and_write(&mut one, &place.store).await;
    let asked = place.requests();
    let touched = |verb: &str| {
        asked.iter().any(|one| one.starts_with(verb) && (one.contains("page/") || one.contains("ckpt/")))
    };
    assert!(!touched("PUT") && !touched("DELETE"), "{asked:?}");
    assert!(begin(&place.store, &words, 98).await.1);
}

#[tokio::test]
async fn a_head_that_could_not_be_replaced_keeps_nobody_who_joins_from_what_came_after_it() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(99);
    one.add_many(0, 3);
    one.sync(&place.store).await.unwrap();
    let head = place.objects("head").into_keys().next().unwrap();
    let stale = std::fs::read(place.path(&head)).unwrap();
    for number in 1..4 {
        one.add_many(number * 100, 3);
        one.sync(&place.store).await.unwrap();
    }
    std::fs::write(place.path(&head), stale).unwrap();
    let joining = find_library(&place.store, &words).await.unwrap();
    let mut two = Phone::new_joined(&joining, 100);
    let at = two.at(&place.store);
    joining.take_in(&mut two.here(), &at).await.unwrap();
    assert_eq!(two.hash(), one.hash());
}

#[test]
fn a_page_is_named_by_what_is_in_it_and_opens_as_nothing_else() {
    let (mut one, _) = Phone::founder(99);
    one.add_many(1, 3);
    one.close();
    let plan = one.catalog.plan_checkpoint().unwrap().unwrap();
    let keyring = one.keys.0.clone();
    let planned = plan.pages.iter().find(|page| page.bucket.holds_photos()).unwrap();
    let page = one.catalog.checkpoint_page(planned).unwrap().unwrap();
    let seal = |entropy: &mut SeededEntropy| page.seal(keyring.library(), keyring.epoch(), entropy).unwrap();
    let (first, second) = (seal(&mut one.entropy), seal(&mut one.entropy));
    assert_eq!(first.name, second.name);
    assert_ne!(first.bytes, second.bytes);
    let open = |name: ObjectName, expected: PageRef| {
        Page::open(&first.bytes, keyring.library(), &name, &expected, &keyring)
    };
    assert_eq!(open(first.name, first.page).unwrap(), page);
    assert!(open(ObjectName::from_bytes([1; 20]), first.page).is_err());
    let mut other = first.page;
    other.bucket = Bucket(other.bucket.0 + 1);
    assert!(open(first.name, other).is_err());
    other = first.page;
    other.sha256[0] ^= 1;
    assert!(open(first.name, other).is_err());
}

#[tokio::test]
async fn a_place_that_was_emptied_stops_its_sync_until_its_owner_says_so_and_is_filled_again() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(121);
    for number in 0..5_u64 {
        let photo = one.import(&format!("{number}.jpg"), &noise(number, 2000));
        one.render(&photo, RenditionKind::Thumbnail, &noise(number + 50, 900));
    }
    one.import_tiny("tiny.jpg", b"tiny");
    sync_and_write(&mut one, &place.store).await;
    let kinds = |place: &TestPlace| {
        ["root", "keys", "log", "head", "o", "t", "s", "page", "ckpt"].map(|area| place.objects(area).len())
    };
    let before = kinds(&place);
    for name in place.objects("").into_keys() {
        place.remove(&name);
    }
    one.import("later.jpg", &noise(9, 2000));
    let error = one.sync(&place.store).await.unwrap_err();
    assert!(matches!(error, SyncError::Emptied { .. }), "{error}");
    assert_eq!(place.objects("").len(), 0, "nothing was put");

    let at = one.at(&place.store);
    start_over(&mut one.device, at.id).unwrap();
    let report = sync_and_write(&mut one, &place.store).await;
    assert_eq!((report.history.problems, report.problems), (vec![], vec![]));
    for (now, before) in kinds(&place).into_iter().zip(before) {
        assert!(now >= before, "{:?} is less than {before:?}", kinds(&place));
    }
    let found = verify_remote(&mut one.here(), &at, Depth::All).await.unwrap();
    assert_eq!(found.problems, []);
    let two = Phone::join(&place.store, &words, 122).await.unwrap();
    one.sync(&place.store).await.unwrap();
    assert_eq!(two.catalog.assets_after(None, 100).unwrap().len(), 7);
}

/// What an import records of a photo: where it was, what was read in it, what was made of it.
fn whole_photo(phone: &Phone, number: u64, millis: i64) -> Vec<OpBody> {
    let name = format!("{}/IMG_{number:06}.jpg", 2004 + number / 5000);
    let digest = safelight_crypto::sha256(&[&number.to_be_bytes()]);
    let original = phone.described(&name, &digest, millis);
    let content = original.content;
    let facts = Facts {
        media: Some(MediaKind::Photo),
        format: Some("jpeg".into()),
        width: Some(4032),
        height: Some(3024),
        orientation: Some(1),
        taken: Some(Taken {
            local_millis: millis,
            offset_minutes: Some(60),
            source: TakenSource::ExifOriginal,
        }),
        taken_utc_millis: Some(millis - 3_600_000),
        camera_make: Some("Apple".into()),
        camera_model: Some("iPhone 12".into()),
        lens: Some("iPhone 12 back dual wide camera 4.2mm f/1.6".into()),
        iso: Some(u32::try_from(number % 900).unwrap()),
        ..Facts::default()
    };
    let pixels = Facts { phash64: digest.first_chunk().copied(), pdq256: Some(digest), ..Facts::default() };
    let rendition = |kind, length_bytes| Rendition {
        kind,
        recipe: 1,
        sha256: safelight_crypto::sha256(&[&digest, &[u8::try_from(length_bytes % 7).unwrap()]]),
        length_bytes,
        width: 320,
        height: 240,
    };
    let renditions =
        vec![rendition(RenditionKind::Thumbnail, 9_000), rendition(RenditionKind::Preview, 120_000)];
    vec![
        OpBody::AddAsset { asset: AssetId(content), life: Life(0), original },
        OpBody::Derive { life: Life(0), content, probe: ProbeKind::Metadata, version: 1, facts },
        OpBody::Derive { life: Life(0), content, probe: ProbeKind::Pixels, version: 1, facts: pixels },
        OpBody::Render { life: Life(0), content, renditions },
    ]
}

fn megabytes(objects: &std::collections::BTreeMap<String, u64>) -> String {
    let bytes: u64 = objects.values().sum();
    format!(
        "{} objects, {:.1} MB, largest {} KB",
        objects.len(),
        bytes as f64 / 1e6,
        objects.values().max().unwrap_or(&0) / 1000
    )
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().replace('\t', " ")
}

#[tokio::test]
#[ignore = "prints figures of a hundred thousand photos; SAFELIGHT_PHOTOS sets how many"]
async fn the_sizes_and_times_of_a_large_library() {
    let photos: u64 =
        std::env::var("SAFELIGHT_PHOTOS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(131);
    let timed = |what: &str, started: std::time::Instant| {
        println!("{what}: {:.2} s, {}", started.elapsed().as_secs_f64(), peak_memory());
    };
    let started = std::time::Instant::now();
    for batch in 0..photos / 1000 {
        let mut bodies = Vec::new();
        for number in batch * 1000..(batch + 1) * 1000 {
            // Twenty years.
            let millis = 1_072_915_200_000 + i64::try_from(number * 630_000_000_000 / photos).unwrap();
            bodies.extend(whole_photo(&one, number, millis));
        }
        one.record(bodies);
        if batch % 4 == 3 {
            one.close();
        }
    }
    timed("recorded", started);
    let started = std::time::Instant::now();
    let first = one.sync(&place.store).await.unwrap();
    timed("first sync", started);
    println!("{first:?}");
    println!("log: {}", megabytes(&place.objects("log")));
    let started = std::time::Instant::now();
    println!("planned pages: {}", one.catalog.plan_checkpoint().unwrap().map_or(0, |plan| plan.pages.len()));
    timed("planned a checkpoint", started);
    let started = std::time::Instant::now();
    sync_and_write(&mut one, &place.store).await;
    timed("wrote a checkpoint", started);
    println!("pages: {}; roots: {}", megabytes(&place.objects("page")), megabytes(&place.objects("ckpt")));
    for _ in 0..2 {
        let started = std::time::Instant::now();
        one.sync(&place.store).await.unwrap();
        timed("nothing new", started);
    }
    let started = std::time::Instant::now();
    let (mut two, _) = begin(&place.store, &words, 132).await;
    timed("began with the newest pages", started);
    let at = two.at(&place.store);
    let started = std::time::Instant::now();
    sync_pages(&mut two, &at).await;
    timed("took all pages in", started);
    assert_eq!(two.hash(), one.hash());
    let started = std::time::Instant::now();
    let report = two.sync(&place.store).await.unwrap();
    timed("replayed and proved", started);
    assert_eq!(report.history.problems, []);
    assert_eq!(two.catalog.begun_with().unwrap(), None);
}
