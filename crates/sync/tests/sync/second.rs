//! A second place: filled from the first past this device's disk, compared with it, and a restore rehearsed.

use safelight_catalog::{HowKnown, PolicyKind, RemotePolicy, SyncState};
use safelight_model::{Original, RenditionKind};
use safelight_sync::{
    Depth, ReplicateOptions, SyncError, ThawStep, compare, drill, look_at_thaw, replicate, verify_remote,
};

use crate::common::*;

/// A full first place, an empty second one, and a device that joined and holds no originals.
async fn two_places(seed: u64, photos: u64) -> (TestPlace, TestPlace, Phone, Vec<Original>) {
    let (first, second) = (TestPlace::vouching(), TestPlace::vouching());
    let (mut one, words) = Phone::founder(seed);
    let mut originals = Vec::new();
    for number in 0..photos {
        let photo = one.import(&format!("{number}.jpg"), &noise(seed + number, 3000));
        one.render(&photo, RenditionKind::Thumbnail, &noise(seed + 100 + number, 900));
        originals.push(photo);
    }
    one.import_tiny("tiny.gif", &noise(seed + 500, 300));
    assert_eq!(one.sync(&first.store).await.unwrap().problems, []);
    let mut two = Phone::join(&first.store, &words, seed + 1).await.unwrap();
    two.sync(&first.store).await.unwrap();
    (first, second, two, originals)
}

fn path(original: &Original) -> String {
    let name = original.parts[0].name;
    format!("o/{}/{name}", name.shard())
}

/// The objects that both must hold: all but heads, the ids of the places, and history, which goes on.
fn sealed(place: &TestPlace) -> std::collections::BTreeMap<String, u64> {
    let mut objects = place.objects("");
    objects.retain(|name, _| {
        ["o/", "t/", "p/", "s/", "root/", "keys/"].iter().any(|area| name.starts_with(area))
    });
    objects
}

#[tokio::test]
async fn a_second_place_is_filled_from_the_first_without_local_copies() {
    let (first, second, mut two, originals) = two_places(700, 6).await;
    let (from, to) = (two.at(&first.store), two.at(&second.store));
    let report = replicate(&mut two.here(), &from, &to, &ReplicateOptions::default()).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(
        (report.copied_objects, report.missing_objects),
        (8, 0),
        "six parts and two packs: {report:?}"
    );
    assert_eq!(sealed(&second), sealed(&first));
    let found = verify_remote(&mut two.here(), &to, Depth::All).await.unwrap();
    assert_eq!(found.problems, []);
    assert!(two.place.walk_below("o").unwrap().next().is_none(), "nothing was kept on this disk");
    let rows = two.device.originals_in(to.id, SyncState::CloudOnly, None, 99).unwrap();
    assert_eq!(rows.len(), originals.len() + 1, "the tiny one rests there too");
    let used = two.catalog.content_use(&originals[0].content).unwrap().unwrap();
    assert_eq!(two.catalog.places_of(&used).unwrap().len(), 2, "history knows both places");

    second.requests();
    let again = replicate(&mut two.here(), &from, &to, &ReplicateOptions::default()).await.unwrap();
    assert_eq!((again.copied_objects, again.present_objects), (0, 8));
    assert_eq!(second.requests().iter().filter(|request| request.contains(" o/")).count(), 0);
}

#[tokio::test]
async fn a_copy_that_is_cut_goes_on_with_the_next_part() {
    let (first, second, mut two, originals) = two_places(720, 6).await;
    let (from, to) = (two.at(&first.store), two.at(&second.store));
    // History is there; then the second place goes away in the middle.
    two.sync(&second.store).await.unwrap();
    *second.remote.puts_left.lock().unwrap() = Some(7);
    assert!(matches!(
        replicate(&mut two.here(), &from, &to, &ReplicateOptions::default()).await,
        Err(SyncError::Store(_))
    ));
    *second.remote.puts_left.lock().unwrap() = None;
    let there = second.objects("o").len();
    assert!(there > 0 && there < originals.len(), "{there}");
    second.requests();
    assert_eq!(
        replicate(&mut two.here(), &from, &to, &ReplicateOptions::default()).await.unwrap().problems,
        []
    );
    assert_eq!(sealed(&second), sealed(&first));
    let sent = second.requests().iter().filter(|r| r.starts_with("CREATE") && r.contains(" o/")).count();
    // What was under way when it was cut may be offered once more.
    assert!(sent <= originals.len() - there + 3, "{sent} of {} after {there}", originals.len());
}

#[tokio::test]
async fn damage_does_not_travel_and_the_other_place_heals_what_was_lost() {
    let (first, second, mut two, originals) = two_places(740, 3).await;
    let (from, to) = (two.at(&first.store), two.at(&second.store));
    let damaged = path(&originals[1]);
    first.flip(&damaged, 900);
    let report = replicate(&mut two.here(), &from, &to, &ReplicateOptions::default()).await.unwrap();
    assert_eq!((report.copied_objects, report.missing_objects), (4, 1));
    assert!(report.problems.iter().all(is_damaged) && report.problems.len() == 1, "{report:?}");
    assert!(!second.objects("o").contains_key(&damaged));

    // The other way round: what the first place lost comes back from the second.
    let lost = path(&originals[0]);
    first.remove(&lost);
    verify_remote(&mut two.here(), &from, Depth::All).await.unwrap();
    let report = replicate(&mut two.here(), &to, &from, &ReplicateOptions::default()).await.unwrap();
    assert_eq!((report.copied_objects, report.missing_objects), (1, 1), "{report:?}");
    // Nobody holds its bytes, so its name was marked there: the next one is another.
    assert!(first.objects("o").contains_key(&format!("{lost}-1")), "{:?}", first.objects("o"));
}

#[tokio::test]
async fn a_comparison_counts_what_each_place_lacks() {
    let (first, second, mut two, originals) = two_places(760, 4).await;
    let (from, to) = (two.at(&first.store), two.at(&second.store));
    let alone = compare(&two.here(), &from, None).await.unwrap();
    assert_eq!((alone.originals.expected.objects, alone.originals.in_first.objects), (4, 4));
    assert_eq!((alone.packs.expected.objects, alone.originals.in_neither.objects), (2, 0));

    replicate(&mut two.here(), &from, &to, &ReplicateOptions::default()).await.unwrap();
    first.remove(&path(&originals[0]));
    second.remove(&path(&originals[1]));
    let cut = second.path(&path(&originals[2]));
    std::fs::write(&cut, &std::fs::read(&cut).unwrap()[..500]).unwrap();
    std::fs::write(second.path(&format!("{}-1", path(&originals[3]))), b"something else").unwrap();
    let found = compare(&two.here(), &from, Some(&to)).await.unwrap().originals;
    let counts = [found.expected, found.in_first, found.in_second, found.only_first, found.only_second];
    assert_eq!(counts.map(|held| held.objects), [4, 3, 2, 2, 1]);
    assert_eq!(found.in_neither.objects, 0);
    assert_eq!(found.only_second.bytes, originals[0].parts[0].sealed_bytes);
}

#[tokio::test]
async fn a_drill_restores_in_memory_and_names_what_does_not_come_back() {
    let (first, _, mut two, originals) = two_places(780, 5).await;
    let at = two.at(&first.store);
    verify_remote(&mut two.here(), &at, Depth::Presence).await.unwrap();
    let report = drill(&mut two.here(), &at, 3).await.unwrap();
    assert_eq!((report.drawn_originals, report.restored_originals), (3, 3), "{report:?}");
    assert_eq!((report.content_bytes, report.problems.len()), (9000, 0));
    first.flip(&path(&originals[2]), 900);
    first.remove(&path(&originals[3]));
    let report = drill(&mut two.here(), &at, 100).await.unwrap();
    assert_eq!((report.drawn_originals, report.restored_originals, report.problems.len()), (5, 3, 2));
    assert!(two.place.walk_below("o").unwrap().next().is_none(), "nothing was kept on this disk");
}

#[tokio::test]
async fn what_rests_archived_in_the_second_place_is_not_sent_again() {
    let (first, second, mut two, originals) = two_places(760, 2).await;
    let (from, to) = (two.at(&first.store), two.at(&second.store));
    // Another device had sent one, and it was archived there; of the other, something shorter lies there.
    for (photo, bytes) in originals.iter().zip([None, Some(b"short".to_vec())]) {
        let target = second.path(&path(photo));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let whole = std::fs::read(first.path(&path(photo))).unwrap();
        std::fs::write(target, bytes.unwrap_or(whole)).unwrap();
    }
    *second.remote.archived.lock().unwrap() = Some("o/".to_owned());
    let report = replicate(&mut two.here(), &from, &to, &ReplicateOptions::default()).await.unwrap();
    assert_eq!((report.missing_objects, report.problems), (0, vec![]));
    let names = second.objects("o");
    let again = |photo: &Original| format!("{}-1", path(photo));
    assert!(!names.contains_key(&again(&originals[0])), "{names:?}");
    assert!(names.contains_key(&again(&originals[1])), "{names:?}");
    // A place that names no tier says with HEAD that it is there, and not that it can be read.
    let at = two.at(&second.store);
    assert_eq!(look_at_thaw(&mut two.here(), &at, &originals[0]).await.unwrap(), ThawStep::Archived);
    // Its name and size are no proof.
    let found = two.device.replica(to.id, &path(&originals[0])).unwrap().unwrap();
    assert_eq!((found.how, found.proven_millis), (HowKnown::Found, None));
    *second.remote.archived.lock().unwrap() = None;
    assert_eq!(look_at_thaw(&mut two.here(), &at, &originals[0]).await.unwrap(), ThawStep::Readable);
    std::fs::write(second.path(&path(&originals[0])), b"short").unwrap();
    assert_eq!(look_at_thaw(&mut two.here(), &at, &originals[0]).await.unwrap(), ThawStep::NotThere);
}

#[tokio::test]
async fn thumbnails_of_what_another_device_holds_do_not_go_where_nothing_was_asked_for() {
    let (first, second) = (TestPlace::vouching(), TestPlace::vouching());
    let (mut one, words) = Phone::founder(790);
    let photo = one.import("a.jpg", &noise(790, 3000));
    one.render(&photo, RenditionKind::Thumbnail, &noise(791, 500));
    one.sync(&first.store).await.unwrap();
    let mut two = Phone::join(&first.store, &words, 791).await.unwrap();
    two.sync(&first.store).await.unwrap();
    assert!(two.device.packed(&photo.content, RenditionKind::Thumbnail).unwrap().is_some());
    let at = two.at(&second.store);
    let policy = RemotePolicy { kind: PolicyKind::Selective, ..RemotePolicy::default() };
    two.device.set_policy(at.id, &policy).unwrap();
    two.sync(&second.store).await.unwrap();
    two.sync(&second.store).await.unwrap();
    assert_eq!((second.objects("t").len(), second.objects("o").len()), (0, 0));
    assert!(!second.objects("log").is_empty(), "history goes everywhere");
}
