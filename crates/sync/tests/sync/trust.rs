//! Verifying a remote, and repairing it.

use safelight_catalog::{HowKnown, SyncState};
use safelight_model::RenditionKind;
use safelight_store::ObjectPath;
use safelight_sync::{
    Depth, Problem, SyncError, VerifyReport, fetch_original, rests_at, start_epoch, verify_remote,
};

use crate::common::*;

async fn verify(phone: &mut Phone, place: &TestPlace, depth: Depth) -> VerifyReport {
    let at = phone.at(&place.store);
    verify_remote(&mut phone.here(), &at, depth).await.unwrap()
}

async fn library(seed: u64, photos: u64) -> (TestPlace, Phone) {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(seed);
    for number in 0..photos {
        let photo = one.import(&format!("{number}.jpg"), &noise(number, 3000));
        one.render(&photo, RenditionKind::Thumbnail, &noise(100 + number, 9000));
    }
    assert_eq!(one.sync(&place.store).await.unwrap().problems, []);
    (place, one)
}

#[tokio::test]
async fn a_whole_remote_is_found_whole() {
    let (place, mut one) = library(60, 5).await;
    let report = verify(&mut one, &place, Depth::All).await;
    assert_eq!(report.problems, []);
    assert_eq!(report.proven_objects, report.expected_objects);
    // Card, two keys files, segments, a pack, five parts; heads are only hints.
    let objects = place.objects("").into_keys().filter(|name| !name.starts_with("head")).count();
    assert_eq!(report.expected_objects, objects as u64);
    let remote = one_remote(&mut one, &place);
    let rows = one.device.originals_in(remote, SyncState::Synced, None, 9).unwrap();
    let original = one.catalog.original_of(&rows[0].content).unwrap().unwrap();
    let held = rests_at(&one.device, &original, &[remote]).unwrap();
    assert!(
        matches!(held.as_slice(), [held] if held.how == HowKnown::Opened),
        "held once, and opened: {held:?}"
    );
}

#[tokio::test]
async fn a_photo_that_two_devices_sealed_under_two_epochs_is_found_whole_under_both_names() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(65);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 66).await.unwrap();
    one.sync(&place.store).await.unwrap();
    start_epoch(&mut one.here(), None).unwrap();
    // Neither has heard of the other's; both are put before it is known which was added last.
    let older = two.import("a.jpg", &noise(1, 3000));
    two.sync(&place.store).await.unwrap();
    one.now = two.now + 5000;
    let last = one.import("b.jpg", &noise(1, 3000));
    assert!(older.content == last.content && older.parts != last.parts);
    for _ in 0..2 {
        one.sync(&place.store).await.unwrap();
        two.sync(&place.store).await.unwrap();
    }
    assert_eq!(place.objects("o").len(), 2);
    for phone in [&mut one, &mut two] {
        let report = verify(phone, &place, Depth::All).await;
        assert_eq!(report.problems, []);
        assert_eq!(report.proven_objects, report.expected_objects);
    }

    // What takes the place of another is put again where it is damaged, and of the other one nothing more is asked.
    for (original, repaired) in [(&last, 3), (&older, 3)] {
        let name = ObjectPath::original(original.parts[0].name).to_string();
        place.flip(&name, 1000);
        let report = verify(&mut one, &place, Depth::All).await;
        let damaged =
            |problem: &Problem| matches!(problem, Problem::Damaged { object, .. } if *object == name);
        assert!(matches!(report.problems.as_slice(), [problem] if damaged(problem)), "{:?}", report.problems);
        for _ in 0..2 {
            one.sync(&place.store).await.unwrap();
            two.sync(&place.store).await.unwrap();
        }
        assert_eq!(place.objects("o").len(), repaired);
        for phone in [&mut one, &mut two] {
            assert_eq!(verify(phone, &place, Depth::All).await.problems, []);
        }
    }
}

fn one_remote(phone: &mut Phone, place: &TestPlace) -> safelight_catalog::RemoteId {
    phone.at(&place.store).id
}

#[tokio::test]
async fn every_kind_of_object_that_is_damaged_or_gone_is_named_and_repaired_from_here() {
    for damage in ["gone", "cut", "flipped"] {
        let (place, mut one) = library(61, 3).await;
        let mut names: Vec<String> = place.objects("").into_keys().collect();
        names.retain(|name| !name.starts_with("head"));
        if damage == "gone" {
            // A place without both its root card and its history counts as emptied.
            names.retain(|name| !name.starts_with("root"));
        }
        for name in &names {
            let whole = std::fs::read(place.path(name)).unwrap();
            match damage {
                "gone" => std::fs::remove_file(place.path(name)).unwrap(),
                "cut" => std::fs::write(place.path(name), &whole[..whole.len() / 2]).unwrap(),
                _ => place.flip(name, whole.len() / 2),
            }
        }
        let named = |report: &VerifyReport| {
            let name = |problem: &Problem| match problem {
                Problem::Missing { object } | Problem::Damaged { object, .. } => Some(object.clone()),
                _ => None,
            };
            let mut found: Vec<String> = report.problems.iter().filter_map(name).collect();
            found.sort();
            found
        };
        let report = verify(&mut one, &place, Depth::All).await;
        assert_eq!(named(&report), names, "{damage}");
        one.sync(&place.store).await.unwrap();
        let after = verify(&mut one, &place, Depth::All).await;
        assert_eq!(named(&after), Vec::<String>::new(), "{damage}: {after:?}");
        assert_eq!(after.proven_objects, after.expected_objects, "{damage}: everything is whole again");
    }
}

#[tokio::test]
async fn presence_is_seen_without_downloading_and_strangers_are_left_alone() {
    let (place, mut one) = library(62, 2).await;
    std::fs::write(place.path("o/stranger.txt"), b"what is this").unwrap();
    place.requests();
    let report = verify(&mut one, &place, Depth::Presence).await;
    assert_eq!(place.count("GET"), 0);
    assert!(matches!(report.problems.as_slice(), [Problem::Stranger { .. }]), "{:?}", report.problems);
    assert_eq!(report.present_objects, report.expected_objects);
    assert!(place.path("o/stranger.txt").exists());
}

#[tokio::test]
async fn a_sweep_of_samples_reaches_everything() {
    let (place, mut one) = library(63, 7).await;
    let all = verify(&mut one, &place, Depth::Presence).await.expected_objects;
    let victim = place.objects("o").into_keys().last().unwrap();
    place.flip(&victim, 1000);
    let mut proven = 0;
    let mut found = 0;
    for _ in 0..4 {
        let report = verify(&mut one, &place, Depth::Sample(0.25)).await;
        assert!(report.proven_objects < all, "a sample is not everything");
        proven += report.proven_objects;
        found += report.problems.len();
    }
    assert!(found >= 1, "it is named until it is whole again");
    assert!(proven >= all - 1);
}

#[tokio::test]
async fn a_local_original_that_is_lost_is_fetched_again_and_proven() {
    let (place, mut one) = library(64, 1).await;
    let remote = one_remote(&mut one, &place);
    let row = one.device.originals_in(remote, SyncState::Synced, None, 1).unwrap().remove(0);
    let photo = one.catalog.original_of(&row.content).unwrap().unwrap();
    let part = &photo.parts[0];
    let name = format!("o/{}/{}", part.name.shard(), part.name);
    let local = one.place.path().join(&name);
    let whole = std::fs::read(&local).unwrap();
    std::fs::remove_file(&local).unwrap();
    let at = one.at(&place.store);
    fetch_original(&mut one.here(), std::slice::from_ref(&at), &photo, &mut Vec::new()).await.unwrap();
    assert_eq!(std::fs::read(&local).unwrap(), whole);
    assert!(one.device.replica(remote, &name).unwrap().unwrap().proven_millis.is_some());

    std::fs::remove_file(&local).unwrap();
    place.flip(&name, whole.len() - 1);
    let mut problems = Vec::new();
    let error = fetch_original(&mut one.here(), &[at], &photo, &mut problems).await.unwrap_err();
    assert!(matches!(error, SyncError::Unbelievable { .. }), "{error}");
    assert!(is_damaged(&problems[0]));
    assert!(!local.exists(), "nothing that is not whole gets the name");
}

/// Run by hand: `cargo nextest run -p safelight-sync --run-ignored only --no-capture`.
#[tokio::test]
#[ignore = "measures 100,000 assets, which takes a while to make"]
async fn nothing_new_is_quick_at_a_hundred_thousand_assets() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(70);
    for thousand in 0..100_u64 {
        one.add_many(thousand * 1000, 1000);
    }
    let begun = std::time::Instant::now();
    one.sync(&place.store).await.unwrap();
    println!("first sync, without objects: {:?}", begun.elapsed());
    let history: u64 = place.objects("log").values().sum();
    println!("history: {} MB in {} segments", history >> 20, place.objects("log").len());
    for _ in 0..3 {
        place.requests();
        let begun = std::time::Instant::now();
        one.sync(&place.store).await.unwrap();
        println!("nothing new: {:?}, {} requests", begun.elapsed(), place.requests().len());
    }
}

#[tokio::test]
async fn a_repair_of_history_that_ends_half_way_is_told_and_the_next_sync_fills_the_hole() {
    let (place, mut one) = library(90, 2).await;
    one.import("later.jpg", &noise(77, 3000));
    one.sync(&place.store).await.unwrap();
    let names: Vec<String> = place.objects("log").into_keys().collect();
    assert!(names.len() > 1);
    for name in names {
        place.flip(&name, 300);
        // The delete is done, and the put is not.
        *place.remote.puts_left.lock().unwrap() = Some(1);
        let report = verify(&mut one, &place, Depth::All).await;
        *place.remote.puts_left.lock().unwrap() = None;
        assert!(!place.path(&name).exists());
        assert!(
            report.problems.contains(&Problem::Missing { object: name.clone() }),
            "{:?}",
            report.problems
        );
        one.sync(&place.store).await.unwrap();
        assert!(place.path(&name).exists(), "{name} is there again");
        assert_eq!(verify(&mut one, &place, Depth::All).await.problems, []);
    }
}

#[tokio::test]
async fn a_sweep_that_was_cut_goes_on_behind_what_it_looked_at() {
    let (place, mut one) = library(91, 5).await;
    let at = one.at(&place.store);
    *place.remote.unreachable.lock().unwrap() = Some("keys/".into());
    let cut = verify_remote(&mut one.here(), &at, Depth::Sample(0.9)).await;
    assert!(cut.is_err());
    assert_eq!(one.device.sweep_position(at.id).unwrap(), "", "nothing was looked at");
    *place.remote.unreachable.lock().unwrap() = Some("o/".into());
    let cut = verify_remote(&mut one.here(), &at, Depth::Sample(0.9)).await;
    assert!(cut.is_err());
    let position = one.device.sweep_position(at.id).unwrap();
    assert!(position.starts_with("log/"), "the last name before originals: {position}");
    *place.remote.unreachable.lock().unwrap() = None;
    verify(&mut one, &place, Depth::Sample(0.1)).await;
    assert!(one.device.sweep_position(at.id).unwrap().starts_with("o/"));
}

#[tokio::test]
async fn who_only_read_its_own_chain_has_not_come_back() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(670);
    one.sync(&place.store).await.unwrap();
    let backup = one.back_up();
    one.import("a.jpg", &noise(670, 4000));
    one.sync(&place.store).await.unwrap();
    let segments = place.objects("log").len();
    drop(one);
    // Five months later, on a new disk: what it published after the backup is read back, and says nothing of today.
    let mut back = backup.open(671);
    back.now += 150 * 24 * 3_600_000;
    back.sync(&place.store).await.unwrap();
    assert_eq!(place.objects("log").len(), segments + 1, "a sign of life");
    let at = back.at(&place.store);
    assert!(!safelight_sync::is_away(&back.here(), &at).unwrap());
}

#[tokio::test]
async fn what_one_device_filled_again_is_not_held_to_have_what_others_sent() {
    // History names a place whose word proves an upload, and no other.
    for (is_emptied, is_named) in [(true, true), (true, false), (false, true), (false, false)] {
        let place = if is_named { TestPlace::vouching() } else { TestPlace::new() };
        let (mut one, words) = Phone::founder(680);
        one.import("one.jpg", &noise(680, 4000));
        one.sync(&place.store).await.unwrap();
        let mut two = Phone::join(&place.store, &words, 681).await.unwrap();
        two.sync(&place.store).await.unwrap();
        one.sync(&place.store).await.unwrap();
        let before = tempfile::tempdir().unwrap();
        copy_all(&place.remote.root, before.path());
        let photo = two.import("two.jpg", &noise(682, 4000));
        let tiny = two.import_tiny("tiny.jpg", &noise(684, 400));
        two.sync(&place.store).await.unwrap();
        one.sync(&place.store).await.unwrap();

        // It goes back, or is emptied; only one of the two finds that out and fills it again.
        for entry in std::fs::read_dir(&place.remote.root).unwrap() {
            let entry = entry.unwrap();
            // Where the folder itself writes new objects first.
            if !entry.file_name().to_str().unwrap().starts_with('.') {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        if !is_emptied {
            copy_all(before.path(), &place.remote.root);
        }
        one.sync(&place.store).await.unwrap_err();
        let at = one.at(&place.store);
        safelight_sync::start_over(&mut one.device, at.id).unwrap();
        one.sync(&place.store).await.unwrap();
        one.sync(&place.store).await.unwrap();

        // Another joins in between, and knows of photos that rest nowhere.
        let mut three = Phone::join(&place.store, &words, 683).await.unwrap();
        three.sync(&place.store).await.unwrap();

        if is_named {
            let error = two.sync(&place.store).await.unwrap_err();
            assert!(matches!(error, SyncError::AnotherPlace { .. }), "{error}");
            let at = two.at(&place.store);
            safelight_sync::start_over(&mut two.device, at.id).unwrap();
        }
        let case = format!("emptied {is_emptied}, named {is_named}");
        let again = two.sync(&place.store).await.unwrap();
        assert_eq!(again.problems, vec![], "{case}");
        let name = format!("o/{}/{}", photo.parts[0].name.shard(), photo.parts[0].name);
        assert!(place.objects("o").contains_key(&name), "{case}: {again:?}");
        // The other one is not told a second time.
        one.sync(&place.store).await.unwrap();
        three.now += 2 * 3_600_000;
        three.sync(&place.store).await.unwrap();
        let at = three.at(&place.store);
        for (name, content) in [("photo", photo.content), ("tiny", tiny.content)] {
            let rows = three.device.original_at_remotes(&content).unwrap();
            let state = rows.iter().find(|(id, _)| *id == at.id).map(|(_, row)| row.state);
            assert_eq!(state, Some(SyncState::CloudOnly), "{case}: {name}");
        }
    }
}
