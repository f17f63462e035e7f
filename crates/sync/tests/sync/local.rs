//! Freeing local bytes against proofs, coming back, and reading parts of what is elsewhere.

use safelight_catalog::SyncState;
use safelight_crypto::{ContentHash, OriginalSealer};
use safelight_model::{Original, PartRef};
use safelight_store::{ObjectPath, Sealed, SealedRemote};
use safelight_sync::{
    Depth, FreeOptions, Freeing, Living, OLDEST_PROOF_MILLIS, OriginalReader, Problem, SyncError, WhyNot,
    fetch_original, finish_freeing, verify_remote,
};

use crate::common::{NOW, Phone, TestPlace, noise};

const DAY: u64 = 86_400_000;

fn options(download: bool) -> FreeOptions {
    FreeOptions { proof_millis: OLDEST_PROOF_MILLIS, download, is_enough: false }
}

async fn free(
    phone: &mut Phone,
    store: &SealedRemote,
    original: &Original,
    options: FreeOptions,
) -> Result<u64, WhyNot> {
    let at = phone.at(store);
    let mut here = phone.here();
    let ready = Freeing::begin(&mut here, &at, options, &mut Vec::new()).await.unwrap();
    let proof = ready.prove(&mut here, &at, original, &mut Vec::new()).await.unwrap()?;
    Ok(proof.free(&mut here).unwrap())
}

async fn verify(phone: &mut Phone, store: &SealedRemote) {
    let at = phone.at(store);
    let report = verify_remote(&mut phone.here(), &at, Depth::All).await.unwrap();
    assert_eq!(report.problems, []);
}

fn parts_here(phone: &Phone, original: &Original) -> usize {
    let is_here = |part: &&PartRef| phone.place.contains(&ObjectPath::original(part.name)).unwrap();
    original.parts.iter().filter(is_here).count()
}

fn state(phone: &Phone, original: &Original) -> SyncState {
    phone.device.original_at_remotes(&original.content).unwrap()[0].1.state
}

#[tokio::test]
async fn an_acknowledgement_is_no_proof_and_a_download_is_one() {
    let place = TestPlace::new();
    let (mut phone, _) = Phone::founder(1);
    let photo = phone.import("a.jpg", &noise(1, 200_000));
    assert_eq!(free(&mut phone, &place.store, &photo, options(true)).await, Err(WhyNot::NotThere));
    phone.sync(&place.store).await.unwrap();
    assert_eq!(free(&mut phone, &place.store, &photo, options(false)).await, Err(WhyNot::NoProof));
    assert_eq!(parts_here(&phone, &photo), 1);
    assert!(free(&mut phone, &place.store, &photo, options(true)).await.is_ok());
    assert_eq!((parts_here(&phone, &photo), state(&phone, &photo)), (0, SyncState::CloudOnly));
    assert_eq!(free(&mut phone, &place.store, &photo, options(true)).await, Err(WhyNot::NotHere));
    let at = phone.at(&place.store);
    fetch_original(&mut phone.here(), &[at], &photo, &mut Vec::new()).await.unwrap();
    assert_eq!((parts_here(&phone, &photo), state(&phone, &photo)), (1, SyncState::Synced));
}

#[tokio::test]
async fn a_proof_dies_of_age_of_absence_and_of_a_clock_that_went_back() {
    let place = TestPlace::new();
    let (mut phone, _) = Phone::founder(2);
    let photo = phone.import("a.jpg", &noise(2, 200_000));
    for (later, why) in [(31 * DAY, WhyNot::StaleProof), (46 * DAY, WhyNot::NoProof)] {
        phone.now = NOW + 100 * later;
        phone.sync(&place.store).await.unwrap();
        verify(&mut phone, &place.store).await;
        phone.now += later;
        assert_eq!(free(&mut phone, &place.store, &photo, options(false)).await, Err(why));
    }
    phone.sync(&place.store).await.unwrap();
    verify(&mut phone, &place.store).await;
    phone.now -= DAY;
    assert_eq!(free(&mut phone, &place.store, &photo, options(false)).await, Err(WhyNot::NoProof));
    phone.now += 2 * DAY;
    verify(&mut phone, &place.store).await;
    assert!(free(&mut phone, &place.store, &photo, options(false)).await.is_ok());
}

#[tokio::test]
async fn nothing_goes_while_the_place_hides_history_that_others_have_read() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(40);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 41).await.unwrap();
    let mut three = Phone::join(&place.store, &words, 42).await.unwrap();
    let photo = three.import("a.jpg", &noise(40, 200_000));
    three.sync(&place.store).await.unwrap();
    verify(&mut three, &place.store).await;
    // What the first wrote, a mark perhaps, is withheld; the second has read it.
    let named = one.import("b.jpg", &noise(41, 3000));
    one.sync(&place.store).await.unwrap();
    two.sync(&place.store).await.unwrap();
    two.caption(crate::common::asset(&named), "I saw it");
    two.sync(&place.store).await.unwrap();
    let hidden = crate::history::segment(&one, 2);
    let bytes = place.remove(&hidden);
    let refused = free(&mut three, &place.store, &photo, options(true)).await;
    assert_eq!((refused, parts_here(&three, &photo)), (Err(WhyNot::HistoryHidden), 1));
    // Who was away cannot come back by what it is shown.
    three.now += 46 * DAY;
    let refused = free(&mut three, &place.store, &photo, options(true)).await;
    assert_eq!((refused, parts_here(&three, &photo)), (Err(WhyNot::Away), 1));
    std::fs::write(place.path(&hidden), bytes).unwrap();
    assert!(free(&mut three, &place.store, &photo, options(true)).await.is_ok());
}

#[tokio::test]
async fn nothing_goes_at_a_place_that_is_not_known_to_be_the_one_that_was_proven() {
    let place = TestPlace::new();
    let (mut phone, _) = Phone::founder(43);
    let photo = phone.import("a.jpg", &noise(43, 200_000));
    phone.sync(&place.store).await.unwrap();
    verify(&mut phone, &place.store).await;
    let id = format!("remote/{}", phone.keys.0.library());
    let sealed = std::fs::read(place.path(&id)).unwrap();
    // Another place took its name: history names the first one.
    let keyring = phone.keys.0.clone();
    let another = safelight_model::history::seal_place_id(
        keyring.library(),
        safelight_model::PlaceId([9; 16]),
        keyring.epoch(),
        &mut phone.entropy,
    );
    let at = phone.at(&place.store);
    let known = phone.device.place_id(at.id).unwrap().unwrap();
    let objects = vec![safelight_model::PlacedObject::original(photo.parts[0].name, 7)];
    let why = safelight_model::MarkReason::Dropped;
    phone.record(vec![safelight_model::OpBody::Mark(safelight_model::Mark { place: known, why, objects })]);
    std::fs::write(place.path(&id), another.unwrap()).unwrap();
    let refused = free(&mut phone, &place.store, &photo, options(true)).await;
    assert_eq!((refused, parts_here(&phone, &photo)), (Err(WhyNot::UnknownPlace), 1));
    std::fs::write(place.path(&id), sealed).unwrap();
    assert!(free(&mut phone, &place.store, &photo, options(false)).await.is_ok());
}

#[tokio::test]
async fn a_place_that_may_overwrite_vouches_only_while_nobody_else_may_write_there() {
    let place = TestPlace::lax();
    let (mut phone, words) = Phone::founder(3);
    let (first, second) =
        (phone.import("a.jpg", &noise(3, 200_000)), phone.import("b.jpg", &noise(4, 200_000)));
    phone.sync(&place.store).await.unwrap();
    assert!(free(&mut phone, &place.store, &first, options(true)).await.is_ok());
    Phone::join(&place.store, &words, 33).await.unwrap();
    // The other device is known as soon as history was read, which freeing does first.
    let refused = free(&mut phone, &place.store, &second, options(true)).await;
    assert_eq!((refused, parts_here(&phone, &second)), (Err(WhyNot::MayBeOverwritten), 1));
}

#[tokio::test]
async fn nothing_goes_without_the_place_nor_when_the_place_has_lost_it_since_the_proof() {
    let place = TestPlace::new();
    let (mut phone, _) = Phone::founder(4);
    let photos = [5, 6].map(|seed| phone.import(&format!("{seed}.jpg"), &noise(seed, 200_000)));
    phone.sync(&place.store).await.unwrap();
    verify(&mut phone, &place.store).await;
    // What was done since then cannot be published.
    phone.caption(crate::common::asset(&photos[0]), "new");
    *place.remote.puts_left.lock().unwrap() = Some(0);
    let at = phone.at(&place.store);
    let begun = Freeing::begin(&mut phone.here(), &at, options(true), &mut Vec::new()).await;
    assert!(begun.is_err());
    *place.remote.puts_left.lock().unwrap() = None;
    let lost =
        place.objects("o").into_keys().find(|name| name.ends_with(&photos[0].parts[0].name.to_string()));
    place.remove(&lost.unwrap());
    assert_eq!(free(&mut phone, &place.store, &photos[0], options(false)).await, Err(WhyNot::FoundBad));
    assert_eq!((parts_here(&phone, &photos[0]), state(&phone, &photos[0])), (1, SyncState::Waiting));
    assert!(free(&mut phone, &place.store, &photos[1], options(false)).await.is_ok());
    phone.sync(&place.store).await.unwrap();
    assert_eq!(state(&phone, &photos[0]), SyncState::Synced);
}

#[tokio::test]
async fn a_removal_that_was_cut_short_is_undone_or_ends_by_the_same_way() {
    let place = TestPlace::new();
    let (mut phone, _) = Phone::founder(5);
    let video = phone.import("a.mov", &noise(7, 70_000_000));
    assert_eq!(video.parts.len(), 3);
    phone.sync(&place.store).await.unwrap();
    verify(&mut phone, &place.store).await;
    // Killed before the first part went: nothing happened.
    phone.device.begin_freeing(&video.content).unwrap();
    assert_eq!(state(&phone, &video), SyncState::CloudOnly);
    assert_eq!(finish_freeing(&mut phone.here()).unwrap(), []);
    assert_eq!(state(&phone, &video), SyncState::Synced);
    // Killed in between: it is in the cloud, opens from there, and the rest goes against the proof.
    phone.device.begin_freeing(&video.content).unwrap();
    phone.place.remove_object(&ObjectPath::original(video.parts[2].name)).unwrap();
    assert_eq!(finish_freeing(&mut phone.here()).unwrap(), [video.content]);
    assert_eq!(state(&phone, &video), SyncState::CloudOnly);
    assert!(free(&mut phone, &place.store, &video, options(false)).await.is_ok());
    assert_eq!(parts_here(&phone, &video), 0);
    assert_eq!(finish_freeing(&mut phone.here()).unwrap(), []);
}

#[tokio::test]
async fn a_fetch_that_is_stopped_goes_on_with_the_next_part() {
    let place = TestPlace::new();
    let (mut phone, words) = Phone::founder(6);
    let video = phone.import("a.mov", &noise(8, 70_000_000));
    phone.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 66).await.unwrap();
    two.sync(&place.store).await.unwrap();
    let at = two.at(&place.store);
    let last = place.objects("o").into_keys().find(|name| name.ends_with(&video.parts[2].name.to_string()));
    let last = last.unwrap();
    let kept = place.remove(&last);
    let failed = fetch_original(&mut two.here(), std::slice::from_ref(&at), &video, &mut Vec::new()).await;
    assert!(matches!(failed, Err(SyncError::NotHeld { .. })), "{failed:?}");
    assert_eq!(parts_here(&two, &video), 2);
    std::fs::write(place.path(&last), kept).unwrap();
    place.requests();
    let fetched = fetch_original(&mut two.here(), &[at], &video, &mut Vec::new()).await.unwrap();
    assert_eq!(fetched, video.parts[2].sealed_bytes);
    assert_eq!(place.count("GET o/"), 1);
    assert_eq!(state(&two, &video), SyncState::Synced);
}

#[tokio::test]
async fn a_damaged_part_is_replaced_by_one_that_opened() {
    let place = TestPlace::new();
    let (mut phone, _) = Phone::founder(7);
    let photo = phone.import("a.jpg", &noise(9, 200_000));
    phone.sync(&place.store).await.unwrap();
    let path = phone.place.path().join(ObjectPath::original(photo.parts[0].name).as_str());
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[9000] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let at = phone.at(&place.store);
    // While the place has nothing better, what is here stays.
    let there = place.objects("o").into_keys().next().unwrap();
    let kept = place.remove(&there);
    assert!(
        fetch_original(&mut phone.here(), std::slice::from_ref(&at), &photo, &mut Vec::new()).await.is_err()
    );
    assert!(path.exists());
    std::fs::write(place.path(&there), kept).unwrap();
    fetch_original(&mut phone.here(), &[at], &photo, &mut Vec::new()).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

/// Seals content without keeping it: a gigabyte of zeros, of which the place gets only the parts that are asked for.
fn gigabyte(phone: &mut Phone, place: &TestPlace, wanted: u32) -> Original {
    let keyring = phone.keys.0.clone();
    let mut body = Vec::new();
    let mut sink = |part: u32, bytes: &[u8]| {
        if part == wanted {
            body.extend_from_slice(bytes);
        }
        Ok(())
    };
    let size_bytes = 1_u64 << 30;
    let mut sealer = OriginalSealer::new(keyring.epoch(), keyring.library(), b"big", &mut phone.entropy);
    let piece = vec![0; 4 << 20];
    let mut content = safelight_crypto::Sha256::new();
    for _ in 0..size_bytes / piece.len() as u64 {
        content.update(&piece);
        sealer.push(&piece, &mut sink).unwrap();
    }
    let sealed = sealer.finish(&mut sink).unwrap();
    let mut original = phone.import("small.mov", b"stands for the large one");
    original.content = ContentHash::from_bytes(content.finish());
    original.size_bytes = size_bytes;
    original.parts = sealed
        .parts
        .iter()
        .map(|part| PartRef { name: part.name, sealed_bytes: part.sealed_bytes, tags: None })
        .collect();
    let part = &sealed.parts[wanted as usize];
    let path = ObjectPath::original(part.name);
    let bytes = Sealed::from_bytes([part.header.as_slice(), &body].concat()).unwrap();
    let target = place.path(path.as_str());
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::fs::write(target, bytes_of(&bytes)).unwrap();
    original
}

fn bytes_of(sealed: &Sealed) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(sealed.length_bytes()).unwrap()];
    sealed.body().read_at(0, &mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn seeking_in_a_sealed_gigabyte_reads_a_few_megabytes() {
    let place = TestPlace::new();
    let (mut phone, _) = Phone::founder(8);
    let position = (1_u64 << 30) / 10 * 9;
    let original = gigabyte(&mut phone, &place, u32::try_from(position / (32 << 20)).unwrap());
    let at = phone.at(&place.store);
    let keyring = phone.keys.0.clone();
    let mut reader = OriginalReader::new(&keyring, &phone.place, &[at], Living::default(), &original);
    let read = reader.read(position..position + (2 << 20)).await.unwrap();
    assert_eq!(read, vec![0; 2 << 20]);
    let first = *place.remote.range_bytes.lock().unwrap();
    assert!(first <= 8 << 20, "{first} bytes for two megabytes at nine tenths");
    assert_eq!(place.requests().len(), 2, "a header and its segments");
    reader.read(position + (2 << 20)..position + (3 << 20)).await.unwrap();
    assert_eq!(place.requests().len(), 1, "the header is known");
    // Beyond the end there is nothing, and a part that the place lost is an error, not zeros.
    assert_eq!(reader.read(original.size_bytes..original.size_bytes + 5).await.unwrap(), Vec::<u8>::new());
    assert!(matches!(reader.read(0..10).await, Err(SyncError::NotHeld { .. })));
}

#[tokio::test]
async fn what_is_read_elsewhere_is_what_was_imported_wherever_its_parts_rest() {
    let place = TestPlace::new();
    let (mut phone, words) = Phone::founder(9);
    let content = noise(10, 70_000_000);
    let video = phone.import("a.mov", &content);
    let tiny = phone.import_tiny("t.jpg", b"tiny");
    phone.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 99).await.unwrap();
    two.sync(&place.store).await.unwrap();
    let at = two.at(&place.store);
    // The middle part is here already, and damaged.
    let middle = ObjectPath::original(video.parts[1].name);
    let mut bytes = phone.place.open_object(&middle).unwrap().read_all(64 << 20).unwrap();
    bytes[5000] ^= 1;
    let _outcome = two.place.put_new(&middle, &Sealed::from_bytes(bytes).unwrap()).unwrap();
    let keyring = two.keys.0.clone();
    let mut reader =
        OriginalReader::new(&keyring, &two.place, std::slice::from_ref(&at), Living::default(), &video);
    let mut written = Vec::new();
    reader.stream(&mut written).await.unwrap().unwrap();
    assert_eq!(written, content);
    for range in [0..10, 33_554_430..33_554_440, 69_999_990..80_000_000] {
        let end = range.end.min(70_000_000);
        assert_eq!(
            reader.read(range.start as u64..range.end as u64).await.unwrap(),
            content[range.start..end]
        );
    }
    // A tiny one comes out of its pack.
    let fetched = fetch_original(&mut two.here(), &[at], &tiny, &mut Vec::new()).await.unwrap();
    assert_eq!((fetched, state(&two, &tiny)), (4, SyncState::Synced));
}

#[tokio::test]
async fn history_and_keys_that_the_folder_lost_come_back_from_a_place() {
    let place = TestPlace::new();
    let (mut phone, _) = Phone::founder(71);
    phone.add_many(0, 5);
    phone.sync(&place.store).await.unwrap();
    phone.add_many(10, 5);
    phone.sync(&place.store).await.unwrap();
    let objects = phone.folder.path().join("objects");
    let count = |area: &str| {
        let names = phone_files(&objects.join(area));
        assert!(!names.is_empty(), "{area}");
        names.len()
    };
    let before = [count("log"), count("root"), count("keys")];
    for area in ["log", "root", "keys"] {
        std::fs::remove_dir_all(objects.join(area)).unwrap();
    }
    let report = phone.sync(&place.store).await.unwrap();
    assert_eq!([count("log"), count("root"), count("keys")], before);
    let is_repair = |problem: &&Problem| matches!(problem, Problem::Repaired { object, was: "missing" } if object.starts_with("objects/"));
    assert_eq!(report.problems.iter().filter(is_repair).count(), before.iter().sum::<usize>());
    // What is hurt in the place, too, is not believed.
    std::fs::remove_dir_all(objects.join("log")).unwrap();
    let hurt = place.objects("log").into_keys().next().unwrap();
    place.flip(&hurt, 300);
    phone.sync(&place.store).await.unwrap();
    assert_eq!(phone_files(&objects.join("log")).len(), before[0] - 1);
}

fn phone_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(phone_files(&path)) } else { found.push(path) }
    }
    found
}
