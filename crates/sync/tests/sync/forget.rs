//! Forgetting: nothing of it is found by opening everything that a place or a device holds, with all keys, and nothing else is
//! lost by it.

use std::collections::BTreeSet;
use std::ops::Range;

use safelight_crypto::{Keyring, ObjectName, PackIndex, PackTier, open_entry, pack_index_range};
use safelight_model::checkpoint::{Checkpoint, Page};
use safelight_model::history::SealedSegment;
use safelight_model::{
    AssetId, ContentState, Facts, Life, OpBody, Original, PlaceName, ProbeKind, RenditionKind, SetName,
};
use safelight_sync::{Depth, Problem, SyncOptions, sync, verify_remote};

use crate::common::{Deletes, Phone, TestPlace};

const NAME: &str = "zqx-name.jpg";
const CAPTION: &str = "zqx caption";
const CITY: &str = "Zqxville";
const TAG: &str = "zqxtag";
const THUMBNAIL: &[u8] = b"zqx thumbnail bytes";
const TINY: &[u8] = b"zqx tiny original bytes";

/// What must be found nowhere.
const NEEDLES: [&[u8]; 6] =
    [NAME.as_bytes(), CAPTION.as_bytes(), CITY.as_bytes(), TAG.as_bytes(), THUMBNAIL, TINY];

/// Photos that are to go, and one that stays; everything is in the place.
struct World {
    place: TestPlace,
    founder: Phone,
    words: safelight_crypto::RecoveryWords,
    large: Original,
    tiny: Original,
    stays: Original,
    stays_tiny: Original,
}

async fn world(seed: u64, place: TestPlace) -> World {
    let (mut founder, words) = Phone::founder(seed);
    let content: Vec<u8> = (0..400_000_u32).map(|n| (n % 251) as u8).collect();
    let large = founder.import(NAME, &content);
    let stays = founder.import("stays.jpg", b"a photo that stays");
    let tiny = founder.import_tiny("zqx-name.jpg.small.jpg", TINY);
    let stays_tiny = founder.import_tiny("stays-too.jpg", b"a small photo that stays");
    founder.render(&large, RenditionKind::Thumbnail, THUMBNAIL);
    founder.render(&stays, RenditionKind::Thumbnail, b"a thumbnail that stays");
    founder.render(&large, RenditionKind::Preview, THUMBNAIL);
    describe(&mut founder, &large);
    founder.caption(AssetId(stays.content), "a caption that stays");
    let mut world = World { place, founder, words, large, tiny, stays, stays_tiny };
    world.sync().await;
    world
}

fn describe(phone: &mut Phone, original: &Original) {
    let asset = AssetId(original.content);
    phone.caption(asset, CAPTION);
    let state = phone.catalog.asset_state(asset).unwrap().unwrap();
    let tag = state.put_in(asset, SetName::TAGS, TAG).unwrap();
    let place = PlaceName { city: Some(CITY.into()), ..PlaceName::default() };
    let facts = Facts { place: Some(place), ..Facts::default() };
    let derive = OpBody::Derive {
        life: Life(0),
        content: original.content,
        probe: ProbeKind::Metadata,
        version: 1,
        facts,
    };
    phone.record(vec![tag, derive]);
}

/// A sync that always writes a checkpoint.
async fn sync_all(phone: &mut Phone, place: &TestPlace) -> Vec<Problem> {
    phone.now += 1000;
    let at = phone.at(&place.store);
    let options = SyncOptions {
        checkpoint_after_ops: 1,
        fetch_previews: true,
        fetch_tiny_originals: true,
        ..SyncOptions::default()
    };
    let report = sync(&mut phone.here(), &at, &options).await.unwrap();
    report.history.problems.into_iter().chain(report.problems).collect()
}

impl World {
    async fn sync(&mut self) {
        assert_eq!(sync_all(&mut self.founder, &self.place).await, []);
    }

    fn forget(&mut self) {
        for original in [self.large.clone(), self.tiny.clone()] {
            forget(&mut self.founder, &original);
        }
    }
}

async fn fetch(phone: &mut Phone, place: &TestPlace, original: &Original) {
    let (at, mut problems) = (phone.at(&place.store), Vec::new());
    safelight_sync::fetch_original(&mut phone.here(), &[at], original, &mut problems).await.unwrap();
    assert_eq!(problems, []);
}

fn forget(phone: &mut Phone, original: &Original) {
    let asset = AssetId(original.content);
    let state = phone.catalog.asset_state(asset).unwrap().unwrap();
    let life = phone
        .catalog
        .content_state(original.content)
        .unwrap()
        .map_or(Life(0), |known: ContentState| known.life());
    phone.record(vec![state.forget(asset, vec![original.content], life).unwrap()]);
}

fn stretch<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let at = |position: u64| usize::try_from(position).unwrap();
    &bytes[at(range.start)..at(range.end)]
}

/// Opens everything that a place holds, with all keys; answers it with its names.
fn open_everything(place: &TestPlace, keyring: &Keyring) -> Vec<(String, Vec<u8>)> {
    let library = keyring.library();
    let mut opened = Vec::new();
    let mut roots = Vec::new();
    for name in place.objects("").into_keys() {
        let bytes = std::fs::read(place.path(&name)).unwrap();
        let (area, rest) = name.split_once('/').unwrap_or(("", &name));
        match area {
            "log" => {
                let sealed = SealedSegment::parse(&bytes).unwrap();
                let segment = sealed.open_known(library, sealed.clear().root, keyring).unwrap();
                opened.push((name.clone(), segment.body_bytes()));
                opened.extend(segment.encoded_ops().map(|op| (name.clone(), op.to_vec())));
            }
            "t" | "p" | "s" => {
                let tier = match area {
                    "t" => PackTier::Thumbnails,
                    "p" => PackTier::Previews,
                    _ => PackTier::TinyOriginals,
                };
                let file = rest.rsplit('/').next().unwrap();
                let part: ObjectName = file.split('-').next().unwrap().parse().unwrap();
                let logical = tier.logical(&part);
                let (length, head) = (bytes.len() as u64, &bytes[..24]);
                let range =
                    pack_index_range(&logical, length, head, bytes.last_chunk().unwrap(), keyring).unwrap();
                let index = stretch(&bytes, &range);
                let index = PackIndex::open(index, &range, library, &logical, keyring).unwrap();
                for entry in index.entries() {
                    let sealed = stretch(&bytes, &entry.range);
                    opened.push((name.clone(), open_entry(sealed, library, &entry.record, keyring).unwrap()));
                }
            }
            "ckpt" => {
                let part: ObjectName = rest.parse().unwrap();
                roots.push(Checkpoint::open(&bytes, library, &part, keyring.epochs()).unwrap());
            }
            _ => {}
        }
    }
    let mut pages = BTreeSet::new();
    for page in roots.iter().flat_map(|root| &root.claimed().pages) {
        let name = keyring.epoch().naming_key().page(&page.sha256);
        let text = name.to_string();
        let file = format!("page/{}/{text}", &text[..2]);
        let bytes = std::fs::read(place.path(&file)).unwrap();
        let opened_page = Page::open(&bytes, library, &name, page, keyring.epochs()).unwrap();
        opened.push((file.clone(), opened_page.body()));
        pages.insert(file);
    }
    // A page that no root names cannot be opened without its hash: there must be none.
    let there: BTreeSet<String> = place.objects("page").into_keys().collect();
    assert_eq!(there, pages);
    assert!(!roots.is_empty() && !opened.is_empty());
    opened
}

fn finds(opened: &[(String, Vec<u8>)], needle: &[u8]) -> Vec<String> {
    let holds = |bytes: &Vec<u8>| bytes.windows(needle.len()).any(|window| window == needle);
    opened.iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name.clone()).collect()
}

fn assert_nothing_left(world: &World) {
    let opened = open_everything(&world.place, &world.founder.keys.0);
    for needle in NEEDLES {
        assert_eq!(finds(&opened, needle), Vec::<String>::new(), "{}", String::from_utf8_lossy(needle));
    }
    assert!(!finds(&opened, b"a caption that stays").is_empty());
    assert!(!finds(&opened, b"a thumbnail that stays").is_empty());
    assert!(!finds(&opened, b"a small photo that stays").is_empty());
    let originals = world.place.objects("o");
    for part in &world.large.parts {
        assert!(!originals.keys().any(|name| name.contains(&part.name.to_string())), "{}", part.name);
    }
    for part in &world.stays.parts {
        assert!(originals.keys().any(|name| name.contains(&part.name.to_string())), "{}", part.name);
    }
}

/// What rests in the segments of a device's own folder.
fn opened_here(phone: &Phone) -> Vec<(String, Vec<u8>)> {
    let mut opened = Vec::new();
    for found in phone.place.walk_below("log").unwrap() {
        let path = found.unwrap().relative;
        let bytes = std::fs::read(phone.folder.path().join("objects").join(&path)).unwrap();
        let sealed = SealedSegment::parse(&bytes).unwrap();
        let segment = sealed.open_known(phone.keys.0.library(), sealed.clear().root, &phone.keys.0).unwrap();
        opened.extend(segment.encoded_ops().map(|op| (path.display().to_string(), op.to_vec())));
    }
    opened
}

fn assert_nothing_here(phone: &Phone) {
    let opened = opened_here(phone);
    for needle in NEEDLES {
        assert_eq!(finds(&opened, needle), Vec::<String>::new(), "{}", String::from_utf8_lossy(needle));
    }
    let forgotten = phone.catalog.forgotten().unwrap();
    assert!(phone.catalog.covered_ops(&forgotten, 0).unwrap().is_empty());
}

#[tokio::test]
async fn nothing_of_what_is_forgotten_is_found_by_opening_everything_with_all_keys() {
    let mut world = world(500, TestPlace::new()).await;
    let before = open_everything(&world.place, &world.founder.keys.0);
    for needle in NEEDLES {
        assert!(!finds(&before, needle).is_empty(), "{}", String::from_utf8_lossy(needle));
    }
    let mut second = Phone::join(&world.place.store, &world.words, 501).await.unwrap();
    assert_eq!(sync_all(&mut second, &world.place).await, []);
    world.sync().await;

    world.forget();
    world.sync().await;
    assert_nothing_left(&world);
    assert_nothing_here(&world.founder);

    // The other device does the same by itself, and both are in one state.
    assert_eq!(sync_all(&mut second, &world.place).await, []);
    assert_nothing_here(&second);
    world.sync().await;
    assert_eq!(second.hash(), world.founder.hash());
    assert_nothing_left(&world);

    // Whoever joins afterwards reads segments with hashes in the place of ops, and comes to the same.
    let mut third = Phone::join(&world.place.store, &world.words, 502).await.unwrap();
    assert_eq!(sync_all(&mut third, &world.place).await, []);
    assert_eq!(third.hash(), world.founder.hash());
    assert!(third.catalog.begun_with().unwrap().is_none());
    assert_eq!(third.captions(AssetId(world.stays.content)).len(), 1);
    let at = third.at(&world.place.store);
    let verified = verify_remote(&mut third.here(), &at, Depth::All).await.unwrap();
    assert_eq!(verified.problems, []);
    assert_nothing_left(&world);
}

#[tokio::test]
async fn an_edit_by_a_device_that_had_not_heard_of_it_brings_nothing_back() {
    let mut world = world(510, TestPlace::new()).await;
    let mut second = Phone::join(&world.place.store, &world.words, 511).await.unwrap();
    assert_eq!(sync_all(&mut second, &world.place).await, []);
    world.sync().await;
    world.forget();
    world.sync().await;

    // It edits, adds another version, and publishes both before it has read anything.
    let asset = AssetId(world.large.content);
    second.caption(asset, "zqx caption again");
    let edited = second.import_unrecorded("zqx-name-edited.jpg", b"zqx edited bytes");
    let state = second.catalog.asset_state(asset).unwrap().unwrap();
    second.record(vec![state.add_version(asset, edited.clone())]);
    second.close();
    second.place_all();
    second.put_segments(&world.place);
    assert_eq!(sync_all(&mut second, &world.place).await, []);
    world.sync().await;
    assert_eq!(sync_all(&mut second, &world.place).await, []);
    world.sync().await;

    for phone in [&world.founder, &second] {
        let state = phone.catalog.asset_state(asset).unwrap().unwrap();
        assert!(state.current().contents().additions().is_empty());
        assert_nothing_here(phone);
    }
    assert_eq!(second.hash(), world.founder.hash());
    assert_nothing_left(&world);
    let opened = open_everything(&world.place, &world.founder.keys.0);
    assert_eq!(finds(&opened, b"zqx"), Vec::<String>::new());
    let part = edited.parts[0].name.to_string();
    assert!(!world.place.objects("o").keys().any(|name| name.contains(&part)), "what it added late went too");
}

#[tokio::test]
async fn the_same_file_imported_afterwards_is_a_new_life() {
    let mut world = world(520, TestPlace::new()).await;
    world.forget();
    world.sync().await;
    // As the library's clearing does, once it is alone in the folder.
    world.founder.device.forget_packed([&world.large.content, &world.tiny.content]).unwrap();
    let asset = AssetId(world.large.content);
    let content: Vec<u8> = (0..400_000_u32).map(|n| (n % 251) as u8).collect();
    let again = world.founder.import_unrecorded("again.jpg", &content);
    let state = world.founder.catalog.asset_state(asset).unwrap().unwrap();
    world.founder.record(vec![state.add(asset, again.clone())]);
    world.founder.render(&again, RenditionKind::Thumbnail, b"made again");
    world.founder.caption(asset, "named anew");
    world.sync().await;
    world.sync().await;

    let mut second = Phone::join(&world.place.store, &world.words, 521).await.unwrap();
    assert_eq!(sync_all(&mut second, &world.place).await, []);
    for phone in [&world.founder, &second] {
        let state = phone.catalog.asset_state(asset).unwrap().unwrap();
        assert_eq!(state.life(), Life(1));
        assert_eq!(phone.captions(asset).len(), 1);
        let made = phone.catalog.content_state(asset.0).unwrap().unwrap();
        assert_eq!((made.life(), made.renditions().len()), (Life(1), 1));
        assert!(made.facts().place.is_none());
    }
    let opened = open_everything(&world.place, &world.founder.keys.0);
    for needle in [CAPTION.as_bytes(), CITY.as_bytes(), NAME.as_bytes(), THUMBNAIL] {
        assert_eq!(finds(&opened, needle), Vec::<String>::new());
    }
    assert!(!finds(&opened, b"named anew").is_empty() && !finds(&opened, b"made again").is_empty());
    fetch(&mut second, &world.place, &again).await;
}

#[tokio::test]
async fn a_place_that_may_not_delete_is_named_and_done_by_a_later_sync() {
    let mut world = world(530, TestPlace::new()).await;
    world.forget();
    *world.place.remote.deletes.lock().unwrap() = Deletes::Denied;
    let problems = sync_all(&mut world.founder, &world.place).await;
    assert!(problems.iter().any(|problem| matches!(problem, Problem::NotForgotten { .. })), "{problems:?}");
    *world.place.remote.deletes.lock().unwrap() = Deletes::Done;
    world.sync().await;
    assert_nothing_left(&world);
    // Then nothing is asked any more.
    world.place.requests();
    world.sync().await;
    assert!(world.place.count("delete") == 0);
}

#[tokio::test]
async fn whatever_put_it_is_cut_at_it_is_finished_by_the_next_sync() {
    for puts in 0..14 {
        let mut world = world(540 + u64::from(puts), TestPlace::new()).await;
        world.forget();
        *world.place.remote.puts_left.lock().unwrap() = Some(puts);
        let at = world.founder.at(&world.place.store);
        let options = SyncOptions { checkpoint_after_ops: 1, ..SyncOptions::default() };
        let cut = sync(&mut world.founder.here(), &at, &options).await;
        *world.place.remote.puts_left.lock().unwrap() = None;
        tracing::debug!(?cut, puts, "cut");
        world.sync().await;
        world.sync().await;
        assert_nothing_left(&world);
        let mut second = Phone::join(&world.place.store, &world.words, 1540 + u64::from(puts)).await.unwrap();
        assert_eq!(sync_all(&mut second, &world.place).await, []);
        assert_eq!(second.hash(), world.founder.hash());
        fetch(&mut second, &world.place, &world.stays_tiny).await;
    }
}

#[tokio::test]
async fn another_device_s_flood_of_forgetting_waits_for_a_person() {
    let (mut founder, words) = Phone::founder(560);
    let place = TestPlace::new();
    let photos: Vec<Original> =
        (0..80_u8).map(|number| founder.import(&format!("{number}.jpg"), &[number; 40])).collect();
    assert_eq!(sync_all(&mut founder, &place).await, []);
    let mut second = Phone::join(&place.store, &words, 561).await.unwrap();
    assert_eq!(sync_all(&mut second, &place).await, []);
    second.caption(AssetId(photos[0].content), "looked at");
    assert_eq!(sync_all(&mut second, &place).await, []);
    photos.iter().take(70).for_each(|original| forget(&mut founder, original));
    founder.close();
    founder.place_all();
    founder.put_segments(&place);

    let problems = sync_all(&mut second, &place).await;
    assert!(
        problems.iter().any(|problem| matches!(problem, Problem::Braked { lost: 70, .. })),
        "{problems:?}"
    );
    let forgotten = second.catalog.forgotten().unwrap();
    assert!(!second.catalog.covered_ops(&forgotten, 0).unwrap().is_empty(), "what it says is still here");
    assert!(!finds(&opened_here(&second), b"looked at").is_empty());
    second.device.let_brake_go().unwrap();
    let problems = sync_all(&mut second, &place).await;
    assert!(!problems.iter().any(|problem| matches!(problem, Problem::NotForgotten { .. })), "{problems:?}");
    assert!(second.catalog.covered_ops(&forgotten, 0).unwrap().is_empty());
    assert!(finds(&opened_here(&second), b"looked at").is_empty());
}
