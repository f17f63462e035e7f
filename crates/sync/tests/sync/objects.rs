//! Packs and originals: sent, found, fetched.

use safelight_catalog::{HowKnown, RemoteId, SyncState};
use safelight_model::{PackKind, RenditionKind};
use safelight_store::{Area, ObjectPath, StoreError, Tier};
use safelight_sync::{Problem, SyncError, SyncOptions, fetch_entry, fetch_original, plan};

use crate::common::*;

fn totals(phone: &Phone, remote: RemoteId, state: SyncState) -> u64 {
    let totals = phone.device.sync_totals(remote).unwrap();
    totals.iter().find(|(known, _)| *known == state).unwrap().1.originals
}

/// The first uploads of parts, by name.
fn created(requests: &[String]) -> Vec<String> {
    requests
        .iter()
        .filter(|request| request.starts_with("CREATE") && request.contains(" o/"))
        .cloned()
        .collect()
}

#[tokio::test]
async fn originals_go_cool_part_by_part_and_only_once() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(30);
    let small = one.import("small.jpg", &noise(1, 4000));
    let large = one.import("large.mp4", &noise(2, (33 << 20) + 5));
    assert_eq!(large.parts.len(), 2);
    let at = one.at(&place.store);
    let planned = plan(&mut one.here(), &at, &SyncOptions::default()).unwrap();
    assert_eq!(planned.original_sizes, [4000, (33 << 20) + 5]);
    assert_eq!(totals(&one, at.id, SyncState::Waiting), 0, "nothing goes before history speaks of it");

    let report = one.sync(&place.store).await.unwrap();
    assert_eq!((report.synced_originals, report.problems.as_slice()), (2, [].as_slice()));
    let requests = place.requests();
    let parts = created(&requests);
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|part| part.contains("Cool")), "{parts:?}");
    assert!(requests.iter().any(|request| request.starts_with("CREATE None log/")));
    assert_eq!(totals(&one, at.id, SyncState::Synced), 2);
    for part in small.parts.iter().chain(&large.parts) {
        let name = format!("o/{}/{}", part.name.shard(), part.name);
        assert_eq!(size_of(&place.path(&name)), part.sealed_bytes);
        let replica = one.device.replica(at.id, &name).unwrap().unwrap();
        assert_eq!(replica.proven_millis, None, "an acknowledgement is no proof");
    }
    one.sync(&place.store).await.unwrap();
    assert_eq!(created(&place.requests()), Vec::<String>::new());
}

#[tokio::test]
async fn what_could_not_be_sent_is_named_and_tried_again_by_the_next_sync() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(36);
    let photo = one.import("a.jpg", &noise(36, 4000));
    let at = one.at(&place.store);
    *place.remote.refused.lock().unwrap() = Some("o/".to_owned());
    let report = one.sync(&place.store).await.unwrap();
    let named = report
        .problems
        .iter()
        .filter(|problem| matches!(problem, Problem::NotSent { object, .. } if object.contains("a.jpg")));
    assert_eq!((named.count(), report.problems.len()), (1, 1), "{:?}", report.problems);
    assert_eq!(totals(&one, at.id, SyncState::Failed), 1);
    let planned = plan(&mut one.here(), &at, &SyncOptions::default()).unwrap();
    assert_eq!(planned.original_sizes, [photo.size_bytes], "it is still to be sent");

    *place.remote.refused.lock().unwrap() = None;
    // Who follows by itself waits for its time; who is started by somebody does not.
    let by_itself = SyncOptions { retry_failed: false, ..SyncOptions::default() };
    assert_eq!(safelight_sync::sync(&mut one.here(), &at, &by_itself).await.unwrap().synced_originals, 0);
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!((report.synced_originals, report.problems), (1, vec![]));
}

#[tokio::test]
async fn what_came_here_from_elsewhere_is_not_held_to_rest_in_a_place_without_it() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(37);
    let photo = one.import("a.jpg", &noise(37, 4000));
    one.sync(&first.store).await.unwrap();
    let mut two = Phone::join(&first.store, &words, 38).await.unwrap();
    two.sync(&first.store).await.unwrap();
    two.sync(&second.store).await.unwrap();
    let at = two.at(&second.store);
    assert_eq!(totals(&two, at.id, SyncState::Elsewhere), 1);
    // An import beside the sync has made its parts durable, and said nothing of it yet.
    let same = two.import_unrecorded("a.jpg", &noise(37, 4000));
    assert_eq!(same.parts[0].name, photo.parts[0].name);
    let keeps_all = SyncOptions { fetch_originals: true, ..SyncOptions::default() };
    let report = safelight_sync::sync(&mut two.here(), &at, &keeps_all).await.unwrap();
    assert_eq!((report.fetched_originals, totals(&two, at.id, SyncState::Synced)), (0, 0));
    assert_eq!(two.sync(&second.store).await.unwrap().synced_originals, 1);
    assert_eq!(second.objects("o").len(), 1);
}

#[tokio::test]
async fn what_a_place_lost_is_named_by_whoever_keeps_all() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(39);
    let photo = one.import("a.jpg", &noise(39, 4000));
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 40).await.unwrap();
    two.sync(&place.store).await.unwrap();
    let at = two.at(&place.store);
    assert_eq!(totals(&two, at.id, SyncState::CloudOnly), 1);
    place.remove(&format!("o/{}/{}", photo.parts[0].name.shard(), photo.parts[0].name));
    let keeps_all = SyncOptions { fetch_originals: true, ..SyncOptions::default() };
    let report = safelight_sync::sync(&mut two.here(), &at, &keeps_all).await.unwrap();
    assert!(
        matches!(&report.problems[..], [Problem::Missing { object }] if object.contains("a.jpg")),
        "{:?}",
        report.problems
    );
    assert_eq!(totals(&two, at.id, SyncState::Lost), 1);
}

#[tokio::test]
async fn a_plan_for_a_second_place_counts_the_packs_that_the_first_has() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, _words) = Phone::founder(45);
    let photo = one.import("a.jpg", &noise(45, 4000));
    one.render(&photo, RenditionKind::Thumbnail, &noise(46, 500));
    one.import_tiny("small.png", &noise(47, 900));
    one.sync(&first.store).await.unwrap();
    let at = one.at(&second.store);
    let planned = plan(&mut one.here(), &at, &SyncOptions::default()).unwrap();
    assert_eq!(planned.entries.map(|(entries, _)| entries), [1, 0, 1]);
    assert_eq!(planned.original_sizes, [photo.size_bytes]);
    one.sync(&second.store).await.unwrap();
    let planned = plan(&mut one.here(), &at, &SyncOptions::default()).unwrap();
    assert_eq!((planned.entries, planned.original_sizes), ([(0, 0); 3], vec![]));
}

#[tokio::test]
async fn small_originals_are_never_archived() {
    let place = TestPlace::tiered();
    let (mut one, _words) = Phone::founder(41);
    one.import_tiny("small.png", &noise(41, 900));
    one.import("large.jpg", &noise(42, 4000));
    let at = one.at(&place.store);
    let archive = SyncOptions { originals_tier: Some(Tier::Archive), ..SyncOptions::default() };
    safelight_sync::sync(&mut one.here(), &at, &archive).await.unwrap();
    let requests = place.requests();
    let tier_of = |start: &str| {
        let put = requests.iter().find(|request| request.starts_with("CREATE") && request.contains(start));
        put.unwrap().trim_start_matches("CREATE ").split(' ').next().unwrap().to_owned()
    };
    assert_eq!((tier_of(" s/").as_str(), tier_of(" o/").as_str()), ("Some(Cold)", "Some(Archive)"));
}

#[tokio::test]
async fn what_another_device_put_and_archived_counts_as_there() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(43);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 44).await.unwrap();
    one.import("a.jpg", &noise(43, 4000));
    one.sync(&place.store).await.unwrap();
    *place.remote.archived.lock().unwrap() = Some("o/".to_owned());
    let same = two.import("a.jpg", &noise(43, 4000));
    let report = two.sync(&place.store).await.unwrap();
    assert_eq!(report.problems, vec![]);
    let at = two.at(&place.store);
    assert_eq!((totals(&two, at.id, SyncState::Synced), totals(&two, at.id, SyncState::Failed)), (1, 0));
    let name = format!("o/{}/{}", same.parts[0].name.shard(), same.parts[0].name);
    assert_eq!(two.device.replica(at.id, &name).unwrap().unwrap().how, HowKnown::Found);
}

#[tokio::test]
async fn a_cut_in_the_middle_of_an_original_sends_no_finished_part_again() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(31);
    one.sync(&place.store).await.unwrap();
    let large = one.import("large.mp4", &noise(3, 100 << 20));
    assert_eq!(large.parts.len(), 4);
    let at = one.at(&place.store);
    place.requests();
    // The segment of history and its head, then two parts.
    *place.remote.puts_left.lock().unwrap() = Some(4);
    let options = SyncOptions { concurrency: 1, ..Default::default() };
    let error = safelight_sync::sync(&mut one.here(), &at, &options).await.unwrap_err();
    assert!(matches!(error, SyncError::Store(_)), "{error}");
    let done: Vec<_> = place.objects("o").into_keys().collect();
    assert_eq!(done.len(), 2);
    assert_eq!(totals(&one, at.id, SyncState::Synced), 0, "half of it is not safe");

    *place.remote.puts_left.lock().unwrap() = None;
    place.requests();
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 1);
    let again = created(&place.requests());
    assert_eq!(again.len(), 2);
    assert!(done.iter().all(|name| !again.iter().any(|request| request.ends_with(name.as_str()))));
}

#[tokio::test]
async fn a_part_whose_reply_was_lost_is_recognised_as_ours() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(32);
    one.sync(&place.store).await.unwrap();
    one.import("a.jpg", &noise(1, 5000));
    *place.remote.lose_reply.lock().unwrap() = Some("o/".into());
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!(report.synced_originals, 0);
    let at = one.at(&place.store);
    assert_eq!(totals(&one, at.id, SyncState::Failed), 1);
    one.now += 120_000;
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!(report.synced_originals, 1);
    assert_eq!(place.objects("o").len(), 1, "no repair was needed");
}

#[tokio::test]
async fn a_torn_part_stays_where_it_is_and_a_repair_lies_beside_it() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(33);
    one.sync(&place.store).await.unwrap();
    let photo = one.import("a.jpg", &noise(1, 5000));
    let part = &photo.parts[0];
    let name = format!("o/{}/{}", part.name.shard(), part.name);
    let path = place.path(&name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, b"half of something").unwrap();
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!(report.synced_originals, 1);
    assert!(matches!(&report.problems[0], Problem::Damaged { object, .. } if *object == name));
    assert_eq!(std::fs::read(&path).unwrap(), b"half of something", "nothing is overwritten");
    assert_eq!(size_of(&place.path(&format!("{name}-1"))), part.sealed_bytes);

    let mut two = Phone::join(&place.store, &words, 34).await.unwrap();
    let at = two.at(&place.store);
    let fetched = fetch_original(&mut two.here(), &[at], &photo, &mut Vec::new()).await.unwrap();
    assert_eq!(fetched, part.sealed_bytes);
}

#[tokio::test]
async fn two_devices_that_import_one_photo_need_its_bytes_in_the_place_once() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(35);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 36).await.unwrap();
    let content = noise(1, 5000);
    one.import("a.jpg", &content);
    let twin = two.import("copy of a.jpg", &content);
    one.sync(&place.store).await.unwrap();
    let report = two.sync(&place.store).await.unwrap();
    assert_eq!((report.synced_originals, report.problems.as_slice()), (1, [].as_slice()));
    assert_eq!(place.objects("o").len(), 1);
    // What lies there opens for both, although each sealed it with its own key.
    let part = &twin.parts[0];
    std::fs::remove_file(two.place.path().join(format!("o/{}/{}", part.name.shard(), part.name))).unwrap();
    let at = two.at(&place.store);
    fetch_original(&mut two.here(), &[at], &twin, &mut Vec::new()).await.unwrap();
}

#[tokio::test]
async fn thumbnails_come_in_packs_that_history_names() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(37);
    let mut photos = Vec::new();
    for number in 0..12_u64 {
        let photo = one.import(&format!("{number}.jpg"), &noise(number, 3000));
        one.render(&photo, RenditionKind::Thumbnail, &noise(100 + number, 9000));
        one.render(&photo, RenditionKind::Preview, &noise(200 + number, 30_000));
        photos.push(photo);
    }
    let tiny = one.import_tiny("tiny.png", &noise(50, 900));
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!((report.sent_packs, report.problems.as_slice()), (3, [].as_slice()));
    assert_eq!(place.objects("t").len(), 1);
    assert_eq!(place.objects("p").len(), 1);
    assert_eq!(place.objects("s").len(), 1);
    assert_eq!(one.catalog.remote_packs(Some(PackKind::Thumbnails)).unwrap().len(), 1);
    let at = one.at(&place.store);
    assert_eq!(totals(&one, at.id, SyncState::Synced), 13);
    place.requests();
    assert_eq!(one.sync(&place.store).await.unwrap().sent_packs, 0, "nothing is packed twice");

    let mut two = Phone::join(&place.store, &words, 38).await.unwrap();
    place.requests();
    let report = two.sync(&place.store).await.unwrap();
    assert_eq!((report.learnt_packs, report.problems.as_slice()), (3, [].as_slice()));
    assert!(!place.requests().iter().any(|request| request == "LIST t"), "no listing is needed");
    for photo in &photos {
        assert!(two.device.packed(&photo.content, RenditionKind::Thumbnail).unwrap().is_some());
        assert!(two.device.packed(&photo.content, RenditionKind::Preview).unwrap().is_none());
        assert_eq!(two.device.packs_with(&photo.content, RenditionKind::Preview).unwrap().len(), 1);
    }
    let at = two.at(&place.store);
    assert_eq!(totals(&two, at.id, SyncState::CloudOnly), 13, "each of them was seen to be there");
    assert_eq!(totals(&two, at.id, SyncState::Elsewhere), 0);
    assert_eq!(two.device.count_remotes_holding(&tiny.content).unwrap(), 1);
    assert_eq!(two.sync(&place.store).await.unwrap().sent_packs, 0, "what came is not packed again");
}

#[tokio::test]
async fn a_damaged_pack_is_named_and_taken_once_it_is_whole() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(39);
    for number in 0..3_u64 {
        let photo = one.import(&format!("{number}.jpg"), &noise(number, 3000));
        one.render(&photo, RenditionKind::Thumbnail, &noise(100 + number, 9000));
    }
    one.sync(&place.store).await.unwrap();
    let name = place.objects("t").into_keys().next().unwrap();
    let whole = std::fs::read(place.path(&name)).unwrap();
    place.flip(&name, 3000);
    let mut two = Phone::join(&place.store, &words, 40).await.unwrap();
    let report = two.sync(&place.store).await.unwrap();
    assert!(report.problems.iter().any(is_damaged), "{:?}", report.problems);
    std::fs::write(place.path(&name), &whole).unwrap();
    let report = two.sync(&place.store).await.unwrap();
    assert_eq!((report.learnt_packs, report.problems.as_slice()), (1, [].as_slice()));
}

#[tokio::test]
async fn a_second_place_gets_the_same_packs_and_parts() {
    let (place, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, _words) = Phone::founder(41);
    let photo = one.import("a.jpg", &noise(1, 3000));
    one.render(&photo, RenditionKind::Thumbnail, &noise(2, 9000));
    one.sync(&place.store).await.unwrap();
    assert_eq!(one.sync(&second.store).await.unwrap().problems, []);
    let names = |place: &TestPlace| {
        place.objects("").into_keys().filter(|name| !name.starts_with("head")).collect::<Vec<_>>()
    };
    assert_eq!(names(&place), names(&second));
    assert_eq!(one.device.count_remotes_holding(&photo.content).unwrap(), 2);
}

#[tokio::test]
async fn asking_to_stop_leaves_everything_recorded_and_the_next_sync_goes_on() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(42);
    one.import("a.jpg", &noise(1, 3000));
    one.stop.ask();
    assert!(matches!(one.sync(&place.store).await.unwrap_err(), SyncError::Stopped));
    one.stop = safelight_sync::Stop::default();
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 1);
}

#[tokio::test]
async fn nothing_that_a_place_holds_shows_a_name_or_a_caption() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(43);
    let photo = one.import("holiday in Brittany.jpg", b"\xff\xd8\xff\xe0 JFIF Exif planted content");
    one.render(&photo, RenditionKind::Thumbnail, b"RIFF....WEBP planted thumbnail");
    one.caption(asset(&photo), "planted caption");
    one.sync(&place.store).await.unwrap();
    let planted: [&[u8]; 6] = [b"Brittany", b"planted", b"JFIF", b"Exif", b"WEBP", b"image/jpeg"];
    for name in place.objects("").into_keys() {
        let bytes = std::fs::read(place.path(&name)).unwrap();
        for word in planted {
            assert!(!bytes.windows(word.len()).any(|window| window == word), "{name}");
        }
    }
}

#[tokio::test]
async fn a_part_that_is_damaged_here_is_not_sent_and_says_why() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(44);
    one.sync(&place.store).await.unwrap();
    let photo = one.import("a.jpg", &noise(1, 5000));
    let part = &photo.parts[0];
    let local = one.place.path().join(format!("o/{}/{}", part.name.shard(), part.name));
    let whole = std::fs::read(&local).unwrap();
    std::fs::write(&local, &whole[..3000]).unwrap();
    let report = one.sync(&place.store).await.unwrap();
    assert!(is_damaged(&report.problems[0]));
    assert_eq!((report.synced_originals, place.objects("o").len()), (0, 0));
    let at = one.at(&place.store);
    let failed = one.device.originals_in(at.id, SyncState::Failed, None, 5).unwrap();
    assert!(failed[0].reason.as_ref().unwrap().contains("3000 bytes"), "{failed:?}");
    assert!(failed[0].next_try_millis > i64::try_from(one.now).unwrap());
    std::fs::write(&local, &whole).unwrap();
    one.now += 3_600_000;
    assert_eq!(one.sync(&place.store).await.unwrap().synced_originals, 1);
}

#[tokio::test]
async fn a_preview_and_a_tiny_original_come_one_by_one_when_they_are_wanted() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(45);
    let mut photos = Vec::new();
    for number in 0..5_u64 {
        let photo = one.import(&format!("{number}.jpg"), &noise(number, 3000));
        one.render(&photo, RenditionKind::Preview, &noise(200 + number, 30_000));
        photos.push(photo);
    }
    let tiny = one.import_tiny("tiny.png", &noise(50, 900));
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 46).await.unwrap();
    two.sync(&place.store).await.unwrap();
    place.requests();
    let at = [two.at(&place.store)];
    let mut problems = Vec::new();
    let preview =
        fetch_entry(&mut two.here(), &at, &photos[2].content, RenditionKind::Preview, &mut problems).await;
    assert_eq!(preview.unwrap(), noise(202, 30_000));
    assert_eq!(place.requests().len(), 3, "the ends of the pack, and the entry");
    assert!(two.device.packed(&photos[2].content, RenditionKind::Preview).unwrap().is_some());
    let original =
        fetch_entry(&mut two.here(), &at, &tiny.content, RenditionKind::Original, &mut problems).await;
    assert_eq!(original.unwrap(), noise(50, 900));
    assert_eq!((totals(&two, at[0].id, SyncState::CloudOnly), problems.as_slice()), (5, [].as_slice()));
    assert_eq!(totals(&two, at[0].id, SyncState::Synced), 1);
    assert_eq!(two.sync(&place.store).await.unwrap().sent_packs, 0, "what came is not packed again");
    let none =
        fetch_entry(&mut two.here(), &at, &photos[2].content, RenditionKind::Proxy, &mut problems).await;
    assert!(matches!(none.unwrap_err(), SyncError::NotHeld { .. }));
}

#[tokio::test]
async fn a_device_that_wants_everything_gets_every_original_that_was_sent() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(47);
    let mut photos: Vec<_> =
        (0..4_u64).map(|number| one.import(&format!("{number}.jpg"), &noise(number, 3000))).collect();
    photos.push(one.import_tiny("tiny.png", &noise(50, 900)));
    one.sync(&place.store).await.unwrap();
    let later = one.import("later.jpg", &noise(60, 3000));
    one.history(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 48).await.unwrap();
    let at = two.at(&place.store);
    let options = SyncOptions { fetch_originals: true, ..SyncOptions::default() };
    let report = safelight_sync::sync(&mut two.here(), &at, &options).await.unwrap();
    assert_eq!((report.fetched_originals, report.problems.as_slice()), (5, [].as_slice()));
    assert_eq!(totals(&two, at.id, SyncState::Synced), 5);
    assert_eq!(totals(&two, at.id, SyncState::Elsewhere), 1, "one is still where it was imported");
    one.sync(&place.store).await.unwrap();
    let report = safelight_sync::sync(&mut two.here(), &at, &options).await.unwrap();
    assert_eq!(report.fetched_originals, 1);
    let part = &later.parts[0];
    assert!(two.place.path().join(format!("o/{}/{}", part.name.shard(), part.name)).exists());
}

#[tokio::test]
#[ignore = "prints figures: what a change of policy costs at a hundred thousand photos"]
async fn a_policy_changes_within_a_second_at_a_hundred_thousand_photos() {
    use safelight_catalog::{PolicyKind, RemotePolicy};
    let place = TestPlace::new();
    let (mut one, _) = Phone::founder(70);
    for thousand in 0..100 {
        one.add_many(thousand * 1000, 1000);
    }
    one.close();
    let at = one.at(&place.store);
    one.history(&place.store).await.unwrap();
    // Of this thread, so that a busy machine tells the same.
    let cpu = || {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        std::time::Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
    };
    let began = cpu();
    one.sync(&place.store).await.unwrap();
    eprintln!("first look: {:?}", cpu() - began);
    let everything: Vec<_> = one.device.contents_in(at.id, &[SyncState::Elsewhere]).unwrap();
    let here = everything.iter().map(|content| (content, SyncState::Waiting, None));
    one.device.set_original_states(at.id, here).unwrap();
    for (kind, only) in [
        (PolicyKind::Selective, None),
        (PolicyKind::Selective, Some("name:IMG_01*")),
        (PolicyKind::Selective, Some("type:other size:<2GB")),
        (PolicyKind::ArchiveOnly, None),
        (PolicyKind::OnDemand, None),
        (PolicyKind::Full, None),
    ] {
        let policy = RemotePolicy { kind, only: only.map(str::to_owned), ..RemotePolicy::default() };
        one.device.set_policy(at.id, &policy).unwrap();
        let now = i64::try_from(one.now).unwrap();
        let began = cpu();
        safelight_sync::apply_policy(&one.catalog, &mut one.device, at.id, false, true, now).unwrap();
        let taken = cpu() - began;
        let waiting = totals(&one, at.id, SyncState::Waiting);
        eprintln!("{kind:?} {only:?}: {taken:?}, {waiting} waiting");
        let began = cpu();
        safelight_sync::apply_policy(&one.catalog, &mut one.device, at.id, false, true, now).unwrap();
        eprintln!("    again: {:?}", cpu() - began);
    }
}

#[tokio::test]
async fn what_lies_bad_under_a_wanted_name_is_marked_before_the_rest_is_sent() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(47);
    one.import("first.jpg", &noise(1, 5000));
    one.sync(&place.store).await.unwrap();
    let photos: Vec<_> = (2..6).map(|seed| one.import(&format!("{seed}.jpg"), &noise(seed, 5000))).collect();
    for photo in &photos {
        let path = place.path(&ObjectPath::original(photo.parts[0].name).to_string());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"half of something").unwrap();
    }
    let at = one.at(&place.store);
    // The segment of history and its head, then each part is tried twice: under its name and beside it.
    *place.remote.puts_left.lock().unwrap() = Some(7);
    let options = SyncOptions { concurrency: 1, ..Default::default() };
    safelight_sync::sync(&mut one.here(), &at, &options).await.unwrap_err();
    let names = photos.iter().map(|photo| ObjectPath::original(photo.parts[0].name).to_string());
    let repaired: Vec<String> = names.filter(|name| place.path(&format!("{name}-1")).exists()).collect();
    assert_eq!(repaired.len(), 2);
    for name in &repaired {
        assert!(one.device.is_bad(at.id, name).unwrap());
    }
    let id = one.device.place_id(at.id).unwrap().unwrap();
    assert_eq!(one.catalog.marks_at(id, 0, 9).unwrap().len(), 2);
}

#[tokio::test]
async fn a_pack_whose_names_all_hold_garbage_keeps_nothing_else_from_going_and_goes_with_the_next_sync() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(52);
    let photo = one.import("a.jpg", &noise(1, 5000));
    one.render(&photo, RenditionKind::Thumbnail, &noise(2, 9000));
    one.sync(&first.store).await.unwrap();
    let pack = first.objects("t").into_keys().next().unwrap();
    for name in [pack.clone(), format!("{pack}-1"), format!("{pack}-2"), format!("{pack}-3")] {
        let path = second.path(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"half of something").unwrap();
    }
    let report = one.sync(&second.store).await.unwrap();
    assert_eq!((report.synced_originals, report.sent_packs), (1, 0));
    let damaged = report.problems.iter().filter(|problem| matches!(problem, Problem::Damaged { .. }));
    assert_eq!(damaged.count(), 4, "{:?}", report.problems);
    let report = one.sync(&second.store).await.unwrap();
    assert_eq!((report.sent_packs, report.problems), (1, vec![]));
    let mut two = Phone::join(&second.store, &words, 152).await.unwrap();
    assert_eq!(two.sync(&second.store).await.unwrap().problems, []);
    let is_shown = two.device.packs_with(&photo.content, RenditionKind::Thumbnail).unwrap();
    assert_eq!(is_shown.len(), 1);
}

#[tokio::test]
async fn a_listing_that_does_not_end_is_not_followed_for_ever() {
    let place = TestPlace::new();
    *place.remote.lists_endlessly.lock().unwrap() = true;
    let first = place.store.list(Area::Log, None).await.unwrap();
    let error = place.store.list(Area::Log, first.next.as_ref()).await.unwrap_err();
    assert!(error.to_string().contains("does not come to an end"), "{error}");
}

#[tokio::test]
async fn a_network_that_goes_away_is_no_damage_to_packs() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(48);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 148).await.unwrap();
    let photo = one.import("a.jpg", &noise(1, 5000));
    one.render(&photo, RenditionKind::Thumbnail, &noise(2, 9000));
    one.sync(&place.store).await.unwrap();
    *place.remote.unreachable.lock().unwrap() = Some("t/".into());
    let error = two.sync(&place.store).await.unwrap_err();
    assert!(matches!(error, SyncError::Store(StoreError::Network { .. })), "{error}");
    *place.remote.unreachable.lock().unwrap() = None;
    let report = two.sync(&place.store).await.unwrap();
    assert_eq!((report.problems, report.learnt_packs), (vec![], 1));
}

#[tokio::test]
async fn a_keys_file_that_was_hurt_on_its_way_only_is_not_replaced() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(49);
    one.sync(&place.store).await.unwrap();
    let at = one.at(&place.store);
    one.device.forget_contents(at.id).unwrap();
    *place.remote.hurt_once.lock().unwrap() = Some("keys/".into());
    place.requests();
    assert_eq!(one.sync(&place.store).await.unwrap().problems, []);
    assert!(place.remote.hurt_once.lock().unwrap().is_none(), "it was read");
    assert_eq!(place.count("DELETE"), 0);
}

#[tokio::test]
async fn two_parts_of_large_originals_travel_at_once_and_small_originals_all_the_time() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(50);
    one.sync(&place.store).await.unwrap();
    for seed in 0..2 {
        assert_eq!(one.import(&format!("{seed}.mp4"), &noise(seed, 100 << 20)).parts.len(), 4);
    }
    for seed in 10..50 {
        one.import(&format!("{seed}.jpg"), &noise(seed, 300_000));
    }
    *place.remote.under_way.lock().unwrap() = Some(Default::default());
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!((report.synced_originals, report.problems), (42, vec![]));
    let [(small, _), (large, _)] = place.remote.under_way.lock().unwrap().unwrap();
    assert_eq!(large, 2, "whoever is cut has sent all but two parts whole");
    assert!(small >= 6, "small ones do not wait for them: {small}");
}
