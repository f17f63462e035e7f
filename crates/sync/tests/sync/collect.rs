//! Dropping and collecting with whole devices: the stories that the model checker found, told to the shipping code.

use std::collections::BTreeSet;

use safelight_catalog::{HowKnown, PolicyKind, RemotePolicy, Replica, SyncState};
use safelight_model::{
    AssetId, Field, MarkReason, OpBody, Original, PlaceId, PlacedObject, RenditionKind, Replicas,
};
use safelight_sync::{
    CollectReport, DAY_MILLIS, Depth, Problem, SyncError, Waits, collect, fetch_original, mark, place_id,
    plan_collection, rests_at, verify_remote,
};

use crate::common::*;

const DAY: u64 = DAY_MILLIS.unsigned_abs();

async fn collected(phone: &mut Phone, place: &TestPlace) -> CollectReport {
    let at = phone.at(&place.store);
    let report = collect(&mut phone.here(), &at, &[], None).await.unwrap();
    assert_eq!(report.plan.hindrances, Vec::<String>::new());
    report
}

async fn planned(phone: &mut Phone, place: &TestPlace) -> CollectReport {
    let at = phone.at(&place.store);
    plan_collection(&mut phone.here(), &at, &[]).await.unwrap()
}

async fn settled(phone: &mut Phone, place: &TestPlace) {
    let report = phone.sync(&place.store).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.history.problems, []);
}

async fn id(phone: &mut Phone, place: &TestPlace) -> PlaceId {
    let at = phone.at(&place.store);
    place_id(&mut phone.here(), &at, &mut Vec::new()).await.unwrap().unwrap()
}

fn first(original: &Original) -> PlacedObject {
    PlacedObject::original(original.parts[0].name, 0)
}

fn path(original: &Original, generation: u32) -> String {
    let name = original.parts[0].name;
    let shard = name.shard();
    if generation == 0 { format!("o/{shard}/{name}") } else { format!("o/{shard}/{name}-{generation}") }
}

fn trash(phone: &mut Phone, original: &Original, is_trashed: bool) {
    let asset = asset(original);
    let state = phone.catalog.asset_state(asset).unwrap().unwrap();
    phone.record(vec![state.write_field(asset, Field::TRASHED, is_trashed)]);
}

fn purge(phone: &mut Phone, original: &Original) {
    trash(phone, original, true);
    let asset = asset(original);
    let state = phone.catalog.asset_state(asset).unwrap().unwrap();
    phone.record(vec![state.purge(asset).unwrap()]);
}

/// Imports it again after a purge: a new life.
fn import_again(phone: &mut Phone, original: &Original) {
    let asset = asset(original);
    let state = phone.catalog.asset_state(asset).unwrap().unwrap();
    phone.record(vec![state.add(asset, original.clone())]);
}

/// Frees the bytes on this device, as `local free` does.
fn free(phone: &Phone, original: &Original) {
    for part in &original.parts {
        phone.place.remove_object(&safelight_store::ObjectPath::original(part.name)).unwrap();
    }
}

async fn fetches(phone: &mut Phone, place: &TestPlace, original: &Original) -> bool {
    let at = phone.at(&place.store);
    fetch_original(&mut phone.here(), &[at], original, &mut Vec::new()).await.is_ok()
}

fn let_pass(phones: &mut [&mut Phone], days: u64) {
    phones.iter_mut().for_each(|phone| phone.now += days * DAY);
}

/// A place, two devices in step, and a photo that the first imported and the place vouches for.
async fn two(seed: u64) -> (TestPlace, Phone, Phone, Original) {
    let place = TestPlace::vouching();
    let (mut one, words) = Phone::founder(seed);
    let photo = one.import("a.jpg", &noise(seed, 3000));
    settled(&mut one, &place).await;
    let mut two = Phone::join(&place.store, &words, seed + 1).await.unwrap();
    settled(&mut two, &place).await;
    settled(&mut one, &place).await;
    (place, one, two, photo)
}

#[tokio::test]
async fn what_nothing_needs_any_more_goes_after_everybody_agreed_and_thirty_days() {
    let (place, mut one, mut two, photo) = two(400).await;
    purge(&mut one, &photo);
    settled(&mut one, &place).await;
    let device = two.catalog.device();
    let report = collected(&mut one, &place).await;
    assert_eq!(report.deleted.objects, 0);
    let waits: Vec<_> = report.plan.waiting.into_keys().collect();
    assert_eq!(waits, [Waits::ForDevices(BTreeSet::from([device]))], "it names who it waits for");

    settled(&mut two, &place).await;
    let report = collected(&mut one, &place).await;
    let waits: Vec<_> = report.plan.waiting.into_keys().collect();
    assert!(matches!(waits.as_slice(), [Waits::Until(until)] if until.unsigned_abs() > one.now + 29 * DAY));

    let_pass(&mut [&mut one, &mut two], 31);
    let plan = planned(&mut one, &place).await.plan;
    assert_eq!((plan.ready.objects, plan.ready.bytes), (1, photo.parts[0].sealed_bytes));
    assert!(place.objects("o").contains_key(&path(&photo, 0)), "a plan deletes nothing");
    let report = collected(&mut one, &place).await;
    assert_eq!((report.deleted.objects, report.problems), (1, vec![]));
    assert_eq!(place.objects("o").len(), 0);
    assert_eq!(collected(&mut two, &place).await.deleted.objects, 0);
}

#[tokio::test]
async fn kopia_a_photo_that_was_taken_up_again_is_copied_before_it_may_go() {
    let (place, mut one, mut two, photo) = two(410).await;
    // The first device finds it unneeded and marks it; the second, which holds no copy, restored it meanwhile.
    purge(&mut one, &photo);
    trash(&mut two, &photo, false);
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    settled(&mut one, &place).await;
    assert!(place.objects("o").contains_key(&path(&photo, 1)), "{:?}", place.objects("o"));
    free(&one, &photo);
    let_pass(&mut [&mut one, &mut two], 31);
    let at = one.at(&place.store);
    let report = collected(&mut one, &place).await;
    assert_eq!(report.deleted.objects, 0, "the copy was not proven by the one that deletes: {report:?}");
    assert!(report.plan.waiting.contains_key(&Waits::ForProof(BTreeSet::from([at.id]))), "{report:?}");
    verify_remote(&mut one.here(), &at, Depth::All).await.unwrap();
    let report = collected(&mut one, &place).await;
    assert_eq!(report.deleted.objects, 1, "{report:?}");
    assert_eq!(place.objects("o").into_keys().collect::<Vec<_>>(), [path(&photo, 1)]);
    assert!(fetches(&mut two, &place, &photo).await && fetches(&mut one, &place, &photo).await);
}

#[tokio::test]
async fn restic_prune_a_proof_of_what_is_marked_is_dropped_before_it_is_acknowledged() {
    let (place, mut one, mut two, photo) = two(420).await;
    let at = two.at(&place.store);
    let proven = verify_remote(&mut two.here(), &at, Depth::All).await.unwrap();
    assert_eq!(proven.problems, []);
    let remote = at.id;
    assert!(two.device.replica(remote, &path(&photo, 0)).unwrap().unwrap().proven_millis.is_some());
    purge(&mut one, &photo);
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    assert_eq!(two.device.replica(remote, &path(&photo, 0)).unwrap(), None);
    // Not even what is seen there again counts.
    let report = verify_remote(&mut two.here(), &at, Depth::All).await.unwrap();
    assert_eq!(report.problems, [], "what waits to be collected is no stranger");
    assert_eq!(two.device.replica(remote, &path(&photo, 0)).unwrap(), None);
}

#[tokio::test]
async fn slatedb_a_deletion_that_is_carried_out_late_meets_another_name() {
    let (place, mut one, mut two, photo) = two(430).await;
    purge(&mut one, &photo);
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    settled(&mut one, &place).await;
    let_pass(&mut [&mut one, &mut two], 31);
    settled(&mut two, &place).await;
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 1);
    import_again(&mut one, &photo);
    settled(&mut one, &place).await;
    assert_eq!(place.objects("o").into_keys().collect::<Vec<_>>(), [path(&photo, 1)]);
    free(&one, &photo);
    // The writer that stalled, or the place that deletes when it likes.
    let late = safelight_store::ObjectPath::parse(&path(&photo, 0)).unwrap();
    place.store.delete(&late).await.unwrap();
    settled(&mut two, &place).await;
    assert!(fetches(&mut two, &place, &photo).await);
}

#[tokio::test]
async fn three_devices_that_each_rely_on_another_one_keep_a_replica() {
    let (place, mut one, mut two, photo) = two(440).await;
    let place_id = id(&mut one, &place).await;
    assert!(fetches(&mut two, &place, &photo).await);
    for phone in [&mut one, &mut two] {
        // Nothing is sent before somebody asks.
        let remote = phone.at(&place.store).id;
        let policy = RemotePolicy { kind: PolicyKind::OnDemand, ..RemotePolicy::default() };
        phone.device.set_policy(remote, &policy).unwrap();
    }
    // Both hold a copy, both say that the place need not, and then both free theirs.
    for phone in [&mut one, &mut two] {
        let at = phone.at(&place.store);
        mark(&mut phone.here(), &at, place_id, MarkReason::Dropped, [first(&photo)]).unwrap();
        settled(phone, &place).await;
    }
    settled(&mut one, &place).await;
    for phone in [&one, &two] {
        free(phone, &photo);
    }
    let_pass(&mut [&mut one, &mut two], 31);
    for phone in [&mut one, &mut two] {
        let report = collected(phone, &place).await;
        assert_eq!(report.deleted.objects, 0);
        assert!(report.plan.waiting.contains_key(&Waits::StillNeeded), "{report:?}");
    }
    assert!(fetches(&mut one, &place, &photo).await);
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 1, "who holds it itself may delete it");
    assert!(!fetches(&mut two, &place, &photo).await);
}

#[tokio::test]
async fn two_places_that_are_each_dropped_because_of_the_other_keep_one_copy() {
    let (first_place, mut one, mut two, photo) = two(450).await;
    let second_place = TestPlace::vouching();
    settled(&mut one, &second_place).await;
    settled(&mut two, &second_place).await;
    settled(&mut two, &first_place).await;
    settled(&mut one, &first_place).await;
    let ids = [id(&mut one, &first_place).await, id(&mut one, &second_place).await];
    let used = one.catalog.content_use(&photo.content).unwrap().unwrap();
    assert_eq!(one.catalog.places_of(&used).unwrap(), BTreeSet::from(ids));
    free(&one, &photo);
    // In good faith, before either has heard of the other's mark.
    let places = [&first_place, &second_place];
    for ((phone, place), place_id) in [&mut one, &mut two].into_iter().zip(places).zip(ids) {
        let at = phone.at(&place.store);
        mark(&mut phone.here(), &at, place_id, MarkReason::Dropped, [first(&photo)]).unwrap();
    }
    for _ in 0..2 {
        for phone in [&mut one, &mut two] {
            for place in places {
                phone.sync(&place.store).await.unwrap();
            }
        }
    }
    let_pass(&mut [&mut one, &mut two], 31);
    for phone in [&mut one, &mut two] {
        for place in places {
            collected(phone, place).await;
        }
    }
    assert!(fetches(&mut one, &first_place, &photo).await || fetches(&mut one, &second_place, &photo).await);
}

/// A photo at two places, of which no device holds the bytes, marked at the first and acknowledged by all.
async fn dropped_for_another_place(seed: u64) -> (TestPlace, TestPlace, Phone, Original) {
    let (first_place, mut one, mut two, photo) = two(seed).await;
    let second_place = TestPlace::vouching();
    settled(&mut one, &second_place).await;
    settled(&mut two, &second_place).await;
    settled(&mut one, &first_place).await;
    free(&one, &photo);
    let place_id = id(&mut one, &first_place).await;
    let at = one.at(&first_place.store);
    mark(&mut one.here(), &at, place_id, MarkReason::Dropped, [first(&photo)]).unwrap();
    one.sync(&first_place.store).await.unwrap();
    two.sync(&first_place.store).await.unwrap();
    one.sync(&first_place.store).await.unwrap();
    let_pass(&mut [&mut one, &mut two], 31);
    settled(&mut two, &first_place).await;
    (first_place, second_place, one, photo)
}

#[tokio::test]
async fn the_last_known_copy_stays_until_the_other_place_is_proven_afresh() {
    let (place, second_place, mut one, photo) = dropped_for_another_place(900).await;
    let other = one.at(&second_place.store);
    // A record of 31 days ago, in a place that has lost everything since.
    let kept = second_place.remove(&path(&photo, 0));
    let report = collected(&mut one, &place).await;
    assert_eq!(report.deleted.objects, 0, "{report:?}");
    assert!(report.plan.waiting.contains_key(&Waits::ForProof(BTreeSet::from([other.id]))), "{report:?}");
    // What is there by name and size is no proof either.
    std::fs::write(second_place.path(&path(&photo, 0)), kept).unwrap();
    verify_remote(&mut one.here(), &other, Depth::Presence).await.unwrap();
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 0);
    verify_remote(&mut one.here(), &other, Depth::All).await.unwrap();
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 1);
    assert!(fetches(&mut one, &second_place, &photo).await);
}

#[tokio::test]
async fn no_proof_counts_that_is_stale_of_the_future_or_of_what_was_found_bad_since() {
    let (place, second_place, mut one, photo) = dropped_for_another_place(905).await;
    let other = one.at(&second_place.store);
    let name = path(&photo, 0);
    let proven = |one: &mut Phone, millis: Option<i64>| {
        let replica = Replica {
            object: name.clone(),
            sealed_bytes: photo.parts[0].sealed_bytes,
            placed_millis: 0,
            proven_millis: millis,
            how: HowKnown::Opened,
        };
        one.device.forget_replicas(other.id, [name.as_str()]).unwrap();
        one.device.record_replicas(other.id, [&replica]).unwrap();
    };
    let now = i64::try_from(one.now).unwrap();
    for millis in [None, Some(now - 30 * DAY_MILLIS - 1), Some(now + 1)] {
        proven(&mut one, millis);
        let plan = planned(&mut one, &place).await.plan;
        assert_eq!(plan.ready.objects, 0, "{millis:?}");
        assert!(plan.waiting.contains_key(&Waits::ForProof(BTreeSet::from([other.id]))), "{millis:?}");
    }
    proven(&mut one, Some(now - 30 * DAY_MILLIS));
    assert_eq!(planned(&mut one, &place).await.plan.ready.objects, 1, "thirty days are young enough");
    one.device.mark_bad(other.id, &name).unwrap();
    assert_eq!(planned(&mut one, &place).await.plan.ready.objects, 0);
    one.device.forget_replicas(other.id, [name.as_str()]).unwrap();
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 0);
}

#[tokio::test]
async fn bytes_held_here_count_only_if_they_open() {
    let (place, second_place, mut one, photo) = dropped_for_another_place(907).await;
    assert!(fetches(&mut one, &second_place, &photo).await);
    let other = one.at(&second_place.store);
    one.device.remove_remote(other.id).unwrap();
    assert_eq!(planned(&mut one, &place).await.plan.ready.objects, 1);
    let local = one.folder.path().join("objects").join(path(&photo, 0));
    let mut bytes = std::fs::read(&local).unwrap();
    bytes[700] ^= 1;
    std::fs::set_permissions(&local, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&local, bytes).unwrap();
    assert!(planned(&mut one, &place).await.plan.waiting.contains_key(&Waits::StillNeeded));
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 0);
}

#[tokio::test]
async fn the_last_known_copy_stays_when_the_other_place_is_not_connected_here() {
    let (place, second_place, mut one, photo) = dropped_for_another_place(910).await;
    let other = one.at(&second_place.store);
    verify_remote(&mut one.here(), &other, Depth::All).await.unwrap();
    one.device.remove_remote(other.id).unwrap();
    let report = collected(&mut one, &place).await;
    assert_eq!(report.deleted.objects, 0, "{report:?}");
    assert!(report.plan.waiting.contains_key(&Waits::StillNeeded), "{report:?}");
    assert!(place.objects("o").contains_key(&path(&photo, 0)));
}

#[tokio::test]
async fn a_part_that_is_missing_and_not_held_here_stops_counting() {
    let (place, mut one, mut two, photo) = two(920).await;
    let place_id = id(&mut two, &place).await;
    place.remove(&path(&photo, 0));
    let at = two.at(&place.store);
    let found = verify_remote(&mut two.here(), &at, Depth::Presence).await.unwrap();
    assert_eq!(found.problems, [Problem::Missing { object: path(&photo, 0) }]);
    let used = two.catalog.content_use(&photo.content).unwrap().unwrap();
    assert!(!two.catalog.has_replica(place_id, &used, &photo.parts[0].name).unwrap());
    assert_eq!(two.catalog.marks_of(place_id, &first(&photo)).unwrap()[0].why, MarkReason::Damaged);
    // Who holds the bytes hears of it and sends them again.
    two.sync(&place.store).await.unwrap();
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    assert!(place.objects("o").contains_key(&path(&photo, 1)), "{:?}", place.objects("o"));
    assert!(fetches(&mut two, &place, &photo).await);
}

#[tokio::test]
async fn a_place_that_does_not_show_its_id_has_nothing_marked_as_gone() {
    let (place, _one, mut two, photo) = two(925).await;
    let place_id = id(&mut two, &place).await;
    place.remove(&path(&photo, 0));
    let names: Vec<String> = place.objects("remote").into_keys().collect();
    names.iter().for_each(|name| drop(place.remove(name)));
    let at = two.at(&place.store);
    let found = verify_remote(&mut two.here(), &at, Depth::Presence).await.unwrap();
    assert!(found.problems.contains(&Problem::Missing { object: path(&photo, 0) }), "{found:?}");
    assert_eq!(two.catalog.marks_of(place_id, &first(&photo)).unwrap(), []);
}

#[tokio::test]
async fn a_place_of_which_it_is_not_known_whether_it_vouches_is_not_believed() {
    let place = TestPlace::unasked();
    let (mut one, _words) = Phone::founder(930);
    let photo = one.import("a.jpg", &noise(1, 3000));
    settled(&mut one, &place).await;
    let used = one.catalog.content_use(&photo.content).unwrap().unwrap();
    assert_eq!(one.catalog.places_of(&used).unwrap(), BTreeSet::new());
}

#[tokio::test]
async fn a_plan_counts_what_would_be_marked_and_marks_nothing() {
    let (place, mut one, _two, _photo) = two(940).await;
    let unknown = orphan(&mut one, &place, 941);
    let place_id = id(&mut one, &place).await;
    assert_eq!(planned(&mut one, &place).await.plan.newly_marked, BTreeSet::from([first(&unknown)]));
    assert!(!one.catalog.is_marked(place_id, &first(&unknown)).unwrap());
    assert_eq!(collected(&mut one, &place).await.plan.newly_marked.len(), 1);
    assert!(one.catalog.is_marked(place_id, &first(&unknown)).unwrap());
}

#[tokio::test]
async fn what_came_to_be_unneeded_after_it_was_shown_is_marked_after_the_next_showing() {
    let (place, mut one, _two, photo) = two(945).await;
    let early = orphan(&mut one, &place, 946);
    let plan = planned(&mut one, &place).await.plan;
    // Meanwhile another orphan grew old.
    let later = orphan(&mut one, &place, 947);
    let (place_id, at) = (id(&mut one, &place).await, one.at(&place.store));
    let report = collect(&mut one.here(), &at, &[], Some(&plan)).await.unwrap();
    assert_eq!(report.plan.newly_marked, BTreeSet::from([first(&early)]));
    assert!(!one.catalog.is_marked(place_id, &first(&later)).unwrap());
    let plan = planned(&mut one, &place).await.plan;
    let report = collect(&mut one.here(), &at, &[], Some(&plan)).await.unwrap();
    assert_eq!(report.plan.newly_marked, BTreeSet::from([first(&later)]));
    assert!(!one.catalog.is_marked(place_id, &first(&photo)).unwrap(), "it is needed");
}

/// An object that lies in the place for 40 days, and of which nothing speaks.
fn orphan(one: &mut Phone, place: &TestPlace, seed: u64) -> Original {
    let unknown = one.import_unrecorded(&format!("orphan-{seed}.jpg"), &noise(seed, 3000));
    let lost = place.path(&path(&unknown, 0));
    std::fs::create_dir_all(lost.parent().unwrap()).unwrap();
    let local = one.place.open_object(&safelight_store::ObjectPath::original(unknown.parts[0].name)).unwrap();
    std::fs::write(&lost, local.read_all(1 << 20).unwrap()).unwrap();
    let month = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(NOW - 40 * DAY);
    std::fs::File::options().write(true).open(&lost).unwrap().set_modified(month).unwrap();
    unknown
}

#[tokio::test]
async fn a_silent_device_is_not_waited_for_and_says_that_it_is_back_before_it_reads() {
    let (place, mut one, mut two, photo) = two(460).await;
    purge(&mut one, &photo);
    settled(&mut one, &place).await;
    for _ in 0..4 {
        one.now += 24 * DAY;
        settled(&mut one, &place).await;
    }
    let device = two.catalog.device();
    let report = collected(&mut one, &place).await;
    assert_eq!(report.lapsed, [device]);
    assert_eq!(report.deleted.objects, 1, "the own acknowledgement is old enough");

    two.now = one.now;
    let before = two.catalog.tip(device).unwrap().seq;
    place.requests();
    settled(&mut two, &place).await;
    assert!(two.catalog.tip(device).unwrap().seq > before, "an empty segment, if need be");
    let requests = place.requests();
    let of = |what: &str| requests.iter().position(|request| request.contains(what)).unwrap();
    let own = format!("log/{device}");
    let put =
        requests.iter().position(|request| request.starts_with("CREATE") && request.contains(&own)).unwrap();
    let other = format!("log/{}", one.catalog.device());
    let read =
        requests.iter().rposition(|request| request.starts_with("GET") && request.contains(&other)).unwrap();
    assert!(put < read && of("log/") < read, "published, then read: {requests:?}");
    settled(&mut one, &place).await;
    assert!(!one.catalog.is_lapsed(device).unwrap());
}

#[tokio::test]
async fn a_device_that_was_away_marks_nothing_before_it_has_come_back() {
    let (place, mut one, _, photo) = two(470).await;
    let place_id = id(&mut one, &place).await;
    let at = one.at(&place.store);
    one.now += 46 * DAY;
    let refused = mark(&mut one.here(), &at, place_id, MarkReason::Dropped, [first(&photo)]);
    assert!(matches!(refused, Err(SyncError::Away { .. })));
    settled(&mut one, &place).await;
    assert_eq!(mark(&mut one.here(), &at, place_id, MarkReason::Dropped, [first(&photo)]).unwrap(), 1);
    assert_eq!(mark(&mut one.here(), &at, place_id, MarkReason::Dropped, [first(&photo)]).unwrap(), 0);
    // So is one whose clock went backwards, until it has synced.
    one.now -= 3 * DAY;
    settled(&mut one, &place).await;
    assert!(!safelight_sync::is_away(&one.here(), &at).unwrap());
}

#[tokio::test]
async fn a_device_that_is_there_publishes_before_a_month_has_passed() {
    let (place, mut one, _, _) = two(475).await;
    let own = one.catalog.device();
    let before = one.catalog.tip(own).unwrap().seq;
    one.now += 20 * DAY;
    settled(&mut one, &place).await;
    assert_eq!(one.catalog.tip(own).unwrap().seq, before, "nothing to say yet");
    one.now += 6 * DAY;
    settled(&mut one, &place).await;
    assert!(one.catalog.tip(own).unwrap().seq > before);
}

#[tokio::test]
async fn a_whole_import_is_recorded_as_one_range() {
    let place = TestPlace::vouching();
    let (mut one, _words) = Phone::founder(480);
    let mut photos = Vec::new();
    for number in 0..20 {
        let photo = one.import(&format!("{number}.jpg"), &noise(number, 2000));
        one.render(&photo, RenditionKind::Thumbnail, &noise(100 + number, 900));
        photos.push(photo);
    }
    settled(&mut one, &place).await;
    let place_id = id(&mut one, &place).await;
    let mut ranges = 0;
    for seq in 1.. {
        let path = safelight_store::ObjectPath::segment(one.catalog.device(), seq);
        let Ok(object) = one.place.open_object(&path) else { break };
        let bytes = object.read_all(1 << 20).unwrap();
        let sealed = safelight_model::history::SealedSegment::parse(&bytes).unwrap();
        let keyring = one.keys.0.clone();
        let signed = sealed.verify(keyring.library(), keyring.device().card().verifying_key()).unwrap();
        let segment = signed.open(&keyring).unwrap();
        for op in segment.ops() {
            if let OpBody::Replicas(Replicas { place, additions, except, .. }) = op.unwrap().body {
                assert_eq!((place, except.len()), (place_id, 0));
                ranges += additions.len();
            }
        }
    }
    assert_eq!(ranges, 1);
    for photo in &photos {
        let used = one.catalog.content_use(&photo.content).unwrap().unwrap();
        assert_eq!(one.catalog.places_of(&used).unwrap(), BTreeSet::from([place_id]));
    }
    // What comes later is not in it, and nothing is told twice.
    let later = one.import("later.jpg", &noise(900, 2000));
    let used = one.catalog.content_use(&later.content).unwrap().unwrap();
    assert_eq!(one.catalog.places_of(&used).unwrap(), BTreeSet::new());
    settled(&mut one, &place).await;
    let ops = one.catalog.open_ops().unwrap().ops;
    settled(&mut one, &place).await;
    assert_eq!((ops, one.catalog.open_ops().unwrap().ops), (0, 0));
}

#[tokio::test]
async fn a_place_that_does_not_vouch_is_told_of_only_after_it_was_read_back() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(485);
    let photo = one.import("a.jpg", &noise(1, 3000));
    settled(&mut one, &place).await;
    let used = one.catalog.content_use(&photo.content).unwrap().unwrap();
    assert_eq!(one.catalog.places_of(&used).unwrap(), BTreeSet::new(), "a folder cannot prove an upload");
    let at = one.at(&place.store);
    assert_eq!(verify_remote(&mut one.here(), &at, Depth::All).await.unwrap().problems, []);
    settled(&mut one, &place).await;
    assert_eq!(one.catalog.places_of(&used).unwrap().len(), 1);
}

#[tokio::test]
async fn damage_is_marked_and_the_next_generation_takes_its_place() {
    let (place, mut one, mut two, photo) = two(490).await;
    place.flip(&path(&photo, 0), 700);
    let at = two.at(&place.store);
    let found = verify_remote(&mut two.here(), &at, Depth::All).await.unwrap();
    assert!(found.problems.iter().any(is_damaged), "{found:?}");
    // The second device holds no copy, so it cannot acknowledge; the first repairs.
    two.sync(&place.store).await.unwrap();
    settled(&mut one, &place).await;
    assert!(place.objects("o").contains_key(&path(&photo, 1)));
    settled(&mut two, &place).await;
    assert!(fetches(&mut two, &place, &photo).await);
    settled(&mut one, &place).await;
    let_pass(&mut [&mut one, &mut two], 31);
    settled(&mut two, &place).await;
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 1);
    assert_eq!(place.objects("o").into_keys().collect::<Vec<_>>(), [path(&photo, 1)]);
}

#[tokio::test]
async fn what_came_to_be_ready_after_it_was_shown_waits_for_the_next_showing() {
    let (place, mut one, mut two, photo) = two(520).await;
    purge(&mut one, &photo);
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    settled(&mut one, &place).await;
    let early = planned(&mut one, &place).await.plan;
    assert_eq!(early.ready.objects, 0);
    let_pass(&mut [&mut one, &mut two], 31);
    let at = one.at(&place.store);
    let report = collect(&mut one.here(), &at, &[], Some(&early)).await.unwrap();
    assert_eq!(report.deleted.objects, 0);
    assert!(report.plan.waiting[&Waits::NotShown].objects > 0);
    assert_eq!(place.objects("o").len(), 1);
    let shown = planned(&mut one, &place).await.plan;
    let report = collect(&mut one.here(), &at, &[], Some(&shown)).await.unwrap();
    assert_eq!(report.deleted, shown.ready);
    assert_eq!(place.objects("o").len(), 0);
}

#[tokio::test]
async fn who_joins_after_a_repair_that_nothing_records_yet_finds_it() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(495);
    let photo = one.import("a.jpg", &noise(1, 3000));
    settled(&mut one, &place).await;
    place.flip(&path(&photo, 0), 700);
    let at = one.at(&place.store);
    let found = verify_remote(&mut one.here(), &at, Depth::All).await.unwrap();
    assert!(found.problems.iter().any(is_damaged), "{found:?}");
    settled(&mut one, &place).await;
    assert!(place.objects("o").contains_key(&path(&photo, 1)));

    // It needs the photo and holds nothing of it: what it reads itself is enough.
    let mut late = Phone::join(&place.store, &words, 496).await.unwrap();
    settled(&mut late, &place).await;
    let used = late.catalog.content_use(&photo.content).unwrap().unwrap();
    assert_eq!(late.catalog.places_of(&used).unwrap().len(), 1);
    assert!(fetches(&mut late, &place, &photo).await);
}

#[tokio::test]
async fn a_credential_without_delete_says_so_and_deletes_nothing() {
    let (place, mut one, mut two, photo) = two(500).await;
    purge(&mut one, &photo);
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    settled(&mut one, &place).await;
    let_pass(&mut [&mut one, &mut two], 31);
    *place.remote.deletes.lock().unwrap() = Deletes::Denied;
    let at = one.at(&place.store);
    let refused = collect(&mut one.here(), &at, &[], None).await;
    assert!(matches!(refused, Err(SyncError::MayNotDelete { .. })), "{refused:?}");
    assert_eq!(place.objects("o").len(), 1);
}

#[tokio::test]
async fn places_that_lie_about_what_they_hold_or_deleted_lose_nothing() {
    let (place, mut one, mut two, photo) = two(510).await;
    let kept = one.import("kept.jpg", &noise(511, 3000));
    purge(&mut one, &photo);
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    settled(&mut one, &place).await;
    let_pass(&mut [&mut one, &mut two], 31);
    settled(&mut two, &place).await;

    // A listing that hides the object: it stays until it is shown.
    *place.remote.hidden.lock().unwrap() = Some(path(&photo, 0));
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 0);
    *place.remote.hidden.lock().unwrap() = None;

    // A deletion that is reported done and was not.
    *place.remote.deletes.lock().unwrap() = Deletes::Pretended;
    let report = collected(&mut one, &place).await;
    assert_eq!(report.deleted.objects, 0);
    assert_eq!(report.problems, [Problem::NotDeleted { object: path(&photo, 0) }]);
    *place.remote.deletes.lock().unwrap() = Deletes::Done;

    // A place that went back after the collection: what was marked goes again, what was kept is there.
    let old = std::fs::read(place.path(&path(&photo, 0))).unwrap();
    assert_eq!(collected(&mut one, &place).await.deleted.objects, 1);
    std::fs::create_dir_all(place.path(&path(&photo, 0)).parent().unwrap()).unwrap();
    std::fs::write(place.path(&path(&photo, 0)), old).unwrap();
    assert_eq!(collected(&mut two, &place).await.deleted.objects, 1);
    assert_eq!(place.objects("o").into_keys().collect::<Vec<_>>(), [path(&kept, 0)]);
    assert!(fetches(&mut two, &place, &kept).await);
}

#[tokio::test]
async fn what_another_library_keeps_in_the_same_place_is_never_an_orphan() {
    let (place, mut one, mut two, photo) = two(520).await;
    let (mut other, _words) = Phone::founder(529);
    let theirs = other.import("theirs.jpg", &noise(529, 3000));
    // An earlier version let it in.
    let theirs_alone = TestPlace::new();
    other.sync(&theirs_alone.store).await.unwrap();
    copy_all(&theirs_alone.path(""), &place.path(""));
    // An upload of ours whose op was never made.
    let orphan = one.import("orphan.jpg", &noise(521, 3000));
    let lost = place.path(&path(&orphan, 0));
    std::fs::create_dir_all(lost.parent().unwrap()).unwrap();
    let local = one.place.open_object(&safelight_store::ObjectPath::original(orphan.parts[0].name)).unwrap();
    std::fs::write(&lost, local.read_all(1 << 20).unwrap()).unwrap();
    let month = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(NOW - 40 * DAY);
    for name in place.objects("o").into_keys() {
        std::fs::File::options().write(true).open(place.path(&name)).unwrap().set_modified(month).unwrap();
    }
    let report = collected(&mut two, &place).await;
    assert_eq!(report.plan.newly_marked.len(), 1, "ours alone");
    // Its device makes the op at last: the orphan was marked, so the next generation is sent.
    one.sync(&place.store).await.unwrap();
    assert!(place.objects("o").contains_key(&path(&orphan, 1)), "{:?}", place.objects("o"));
    two.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    two.sync(&place.store).await.unwrap();
    let_pass(&mut [&mut one, &mut two], 31);
    one.sync(&place.store).await.unwrap();
    let at = two.at(&place.store);
    verify_remote(&mut two.here(), &at, Depth::All).await.unwrap();
    collected(&mut two, &place).await;
    let names = BTreeSet::from([path(&photo, 0), path(&theirs, 0), path(&orphan, 1)]);
    assert_eq!(place.objects("o").into_keys().collect::<BTreeSet<_>>(), names);
}

#[tokio::test]
async fn records_and_marks_survive_a_rebuild_of_the_catalogue() {
    let (place, mut one, mut two, photo) = two(530).await;
    let kept = one.import("kept.jpg", &noise(531, 3000));
    purge(&mut one, &photo);
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    settled(&mut one, &place).await;
    let place_id = id(&mut one, &place).await;
    let other = two.keys.0.device().clone();
    let ask = |phone: &Phone| {
        let used = phone.catalog.content_use(&kept.content).unwrap().unwrap();
        let gone = phone.catalog.content_use(&photo.content).unwrap().unwrap();
        let marks = phone.catalog.marks_of(place_id, &first(&photo)).unwrap();
        let acknowledged: Vec<_> =
            marks.iter().map(|mark| phone.catalog.acknowledgements(mark.op).unwrap().into_keys()).collect();
        (
            phone.catalog.places_of(&used).unwrap(),
            phone.catalog.places_of(&gone).unwrap(),
            phone.catalog.next_generation(place_id, b'o', &photo.parts[0].name).unwrap(),
            acknowledged.into_iter().flatten().collect::<BTreeSet<_>>(),
        )
    };
    let before = ask(&one);
    assert_eq!(before.0, BTreeSet::from([place_id]));
    assert_eq!((before.1.len(), before.2, before.3.len()), (0, 1, 2));
    one.rebuild(&other);
    assert_eq!(ask(&one), before);
    let at = one.at(&place.store);
    let held = rests_at(&one.device, &kept, &[at.id]).unwrap();
    assert_eq!((held.len(), held[0].remote), (1, at.id));
    let rows = one.device.originals_in(at.id, SyncState::Synced, None, 9).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(AssetId(rows[0].content), asset(&kept));
}

#[tokio::test]
async fn a_restored_device_believes_its_own_acknowledgement_more_than_its_records() {
    let place = TestPlace::vouching();
    let (mut one, _words) = Phone::founder(490);
    let photo = one.import("a.jpg", &noise(490, 3000));
    settled(&mut one, &place).await;
    settled(&mut one, &place).await;
    let backup = one.back_up();
    let (remote, name) = (one.at(&place.store), id(&mut one, &place).await);
    let marked = mark(&mut one.here(), &remote, name, MarkReason::Dropped, [first(&photo)]).unwrap();
    assert_eq!(marked, 1);
    settled(&mut one, &place).await;
    let now = one.now;
    drop(one);

    let mut restored = backup.open(491);
    restored.now = now + 60_000;
    let at = restored.at(&place.store);
    let counts = |phone: &Phone| {
        let rows = phone.device.original_at_remotes(&photo.content).unwrap();
        rows.iter().any(|(remote, row)| *remote == at.id && row.state == SyncState::Synced)
    };
    assert!(counts(&restored), "as it was backed up");
    // It reads that it has acknowledged the mark, and only reads: the policy has not let it send anything again.
    restored.history(&place.store).await.unwrap();
    let report = plan_collection(&mut restored.here(), &at, &[]).await.unwrap();
    assert_eq!(report.plan.hindrances, Vec::<String>::new());
    assert!(!counts(&restored), "nothing that is to leave counts as synced");
    let_pass(&mut [&mut restored], 31);
    assert_eq!(collected(&mut restored, &place).await.deleted.objects, 1);
    assert!(!counts(&restored) && !place.path(&path(&photo, 0)).exists());
}

#[tokio::test]
async fn what_was_restored_before_its_purge_was_heard_of_goes_to_the_place_again() {
    let (place, mut one, mut two, photo) = two(495).await;
    trash(&mut one, &photo, true);
    settled(&mut one, &place).await;
    settled(&mut two, &place).await;
    let state = one.catalog.asset_state(asset(&photo)).unwrap().unwrap();
    one.record(vec![state.purge(asset(&photo)).unwrap()]);
    settled(&mut one, &place).await;
    // Meanwhile the other takes it out of the trash: it stays in the library, and the object is marked already.
    trash(&mut two, &photo, false);
    for _ in 0..2 {
        settled(&mut two, &place).await;
        settled(&mut one, &place).await;
    }
    let at = one.at(&place.store);
    let rows = one.device.original_at_remotes(&photo.content).unwrap();
    let state = rows.iter().find(|(remote, _)| *remote == at.id).map(|(_, row)| row.state);
    assert_eq!(state, Some(SyncState::Synced), "it counts again where it is");
    let_pass(&mut [&mut one, &mut two], 31);
    collected(&mut one, &place).await;
    assert!(!place.path(&path(&photo, 0)).exists() && place.path(&path(&photo, 1)).exists());
    assert!(fetches(&mut two, &place, &photo).await);
}
