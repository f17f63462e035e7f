//! Changes of several devices on their way through one place.

use safelight_crypto::{Epoch, Recipient, StatementBody, names, seal_keys_file, sha256};
use safelight_store::ObjectPath;
use safelight_sync::{Problem, SyncError};

use crate::common::*;

pub(crate) fn segment(phone: &Phone, seq: u32) -> String {
    format!("log/{}/{seq:010}", phone.catalog.device())
}

#[tokio::test]
async fn two_devices_that_type_one_caption_at_once_agree_and_keep_both_values() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(1);
    let photo = one.import("a.jpg", &noise(1, 3000));
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 2).await.unwrap();
    assert_eq!(one.catalog.asset(asset(&photo)).unwrap().unwrap().size_bytes, 3000);
    assert!(two.catalog.asset(asset(&photo)).unwrap().is_some(), "the joined device knows the photo");

    one.caption(asset(&photo), "typed here");
    two.caption(asset(&photo), "typed there");
    one.history(&place.store).await.unwrap();
    two.history(&place.store).await.unwrap();
    let taken = one.history(&place.store).await.unwrap();
    assert_eq!(taken.problems, []);
    assert!(taken.taken_segments > 0);
    assert_eq!(one.hash(), two.hash());
    for phone in [&one, &two] {
        let captions = phone.captions(asset(&photo));
        assert_eq!(captions.len(), 2, "the conflict is listed with both values: {captions:?}");
    }

    // Whoever saw both and types again ends the conflict.
    two.caption(asset(&photo), "settled");
    two.history(&place.store).await.unwrap();
    one.history(&place.store).await.unwrap();
    assert_eq!(one.captions(asset(&photo)).len(), 1);
    assert_eq!(one.hash(), two.hash());
}

#[tokio::test]
async fn nothing_new_costs_one_request_for_each_device_and_two_more() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(3);
    one.import("a.jpg", &noise(1, 3000));
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 4).await.unwrap();
    let mut three = Phone::join(&place.store, &words, 5).await.unwrap();
    for phone in [&mut one, &mut two, &mut three] {
        phone.sync(&place.store).await.unwrap();
    }
    for phone in [&mut one, &mut two, &mut three] {
        phone.sync(&place.store).await.unwrap();
        place.requests();
        let report = phone.sync(&place.store).await.unwrap();
        let requests = place.requests();
        assert_eq!(requests.len(), 3 + 2, "{requests:#?}");
        assert_eq!((report.history.taken_segments, report.history.sent_segments), (0, 0));
    }
}

#[tokio::test]
async fn a_place_that_went_back_stops_its_sync_and_is_not_changed() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(6);
    one.sync(&place.store).await.unwrap();
    one.import("a.jpg", &noise(1, 3000));
    one.sync(&place.store).await.unwrap();
    place.remove(&segment(&one, 2));
    one.import("b.jpg", &noise(2, 3000));
    let before = place.objects("");
    let error = one.sync(&place.store).await.unwrap_err();
    assert!(matches!(error, SyncError::RolledBack { seq: 2, .. }), "{error}");
    assert!(error.is_rollback());
    assert_eq!(place.objects(""), before);
    let remembered = one.device.remotes().unwrap();
    assert!(remembered[0].last_error.as_ref().unwrap().contains("has gone back"));
    // Its owner knows of it: everything is sent again.
    let at = one.at(&place.store);
    safelight_sync::start_over(&mut one.device, at.id).unwrap();
    assert_eq!(one.sync(&place.store).await.unwrap().history.problems, []);
    assert_eq!(place.objects("log").len(), 3);
}

#[tokio::test]
async fn a_device_restored_from_a_backup_takes_back_what_it_had_said_since_and_goes_on() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(7);
    one.import("a.jpg", &noise(1, 3000));
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 8).await.unwrap();
    let backup = one.back_up();
    let later = one.import("later.jpg", &noise(2, 3000));
    one.caption(asset(&later), "after the backup");
    one.sync(&place.store).await.unwrap();
    drop(one);

    let mut restored = backup.open(70);
    let own = restored.import("own.jpg", &noise(3, 3000));
    // It had closed a segment of its own already, which nobody ever saw.
    restored.close();
    let report = restored.sync(&place.store).await.unwrap();
    assert_eq!(report.history.problems, []);
    for photo in [&later, &own] {
        assert!(restored.catalog.asset(asset(photo)).unwrap().is_some());
    }
    assert_eq!(restored.captions(asset(&later)).len(), 1);
    two.sync(&place.store).await.unwrap();
    restored.sync(&place.store).await.unwrap();
    assert_eq!(two.hash(), restored.hash());
}

#[tokio::test]
async fn copies_of_one_device_interleave_and_lose_nothing() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(9);
    one.sync(&place.store).await.unwrap();
    let mut copy = one.back_up().open(90);
    let mut photos = Vec::new();
    for round in 0..3_u64 {
        photos.push(one.import(&format!("one {round}.jpg"), &noise(10 + round, 2000)));
        photos.push(copy.import(&format!("copy {round}.jpg"), &noise(20 + round, 2000)));
        // Both close their segments before they hear of each other.
        for phone in [&mut one, &mut copy] {
            phone.close();
        }
        assert_eq!(one.sync(&place.store).await.unwrap().history.problems, []);
        let report = copy.sync(&place.store).await.unwrap();
        assert_eq!(report.history.problems, []);
        assert!(report.history.renumbered_segments > 0, "round {round}");
    }
    one.sync(&place.store).await.unwrap();
    assert_eq!(one.hash(), copy.hash());
    for photo in &photos {
        assert!(one.catalog.asset(asset(photo)).unwrap().is_some());
    }
    assert_eq!(one.catalog.tips().unwrap(), copy.catalog.tips().unwrap());
}

#[tokio::test]
async fn a_fork_that_others_may_have_seen_gives_a_new_name_and_nothing_of_it_is_renumbered() {
    let (first, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, _words) = Phone::founder(10);
    one.sync(&first.store).await.unwrap();
    one.sync(&second.store).await.unwrap();
    let mut copy = one.back_up().open(91);
    one.import("one.jpg", &noise(1, 2000));
    copy.import("copy.jpg", &noise(2, 2000));
    one.sync(&first.store).await.unwrap();
    copy.sync(&second.store).await.unwrap();
    // Each published its own segment 2 somewhere.
    let old = one.catalog.device();
    let report = one.sync(&second.store).await.unwrap();
    let new = one.catalog.device();
    assert!(report.history.problems.contains(&Problem::WentOnAs { old, new, seq: 2 }), "{report:?}");
    assert_eq!(report.history.renumbered_segments, 0);
    assert_eq!(one.sync(&first.store).await.unwrap().history.problems, [], "the other place goes on");
}

#[tokio::test]
async fn a_withheld_segment_is_named_by_who_has_read_it() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(11);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 12).await.unwrap();
    let mut three = Phone::join(&place.store, &words, 13).await.unwrap();
    let photo = one.import("a.jpg", &noise(1, 2000));
    one.sync(&place.store).await.unwrap();
    two.sync(&place.store).await.unwrap();
    two.caption(asset(&photo), "I saw it");
    two.sync(&place.store).await.unwrap();

    let hidden = segment(&one, 2);
    let bytes = place.remove(&hidden);
    let report = three.history(&place.store).await.unwrap();
    let device = one.catalog.device();
    let is_named = |problem: &Problem| {
        matches!(problem, Problem::Withheld { device: d, seq: 2, named_by, .. }
            if *d == device && named_by.starts_with("log/"))
    };
    assert!(report.problems.iter().any(is_named), "{:?}", report.problems);
    assert!(three.catalog.asset(asset(&photo)).unwrap().is_none());

    std::fs::write(place.path(&hidden), bytes).unwrap();
    assert_eq!(three.history(&place.store).await.unwrap().problems, []);
    assert_eq!(three.captions(asset(&photo)).len(), 1);
}

#[tokio::test]
async fn what_is_published_while_a_chain_is_read_is_not_withheld() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(15);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 16).await.unwrap();
    let mut three = Phone::join(&place.store, &words, 17).await.unwrap();
    two.sync(&place.store).await.unwrap();
    three.sync(&place.store).await.unwrap();
    let photo = one.import("a.jpg", &noise(1, 2000));
    one.sync(&place.store).await.unwrap();
    two.sync(&place.store).await.unwrap();
    two.caption(asset(&photo), "I saw it");
    two.sync(&place.store).await.unwrap();
    // The second device has seen what came a moment too late for the third one.
    let late = |one: &Phone, number| *place.remote.late_once.lock().unwrap() = Some(segment(one, number));
    late(&one, 2);
    assert_eq!(three.history(&place.store).await.unwrap().problems, []);
    assert_eq!(three.captions(asset(&photo)).len(), 1);

    // A head may tell of more than there was when its chain was read.
    for caption in ["first", "second"] {
        one.caption(asset(&photo), caption);
        one.sync(&place.store).await.unwrap();
    }
    late(&one, 4);
    assert_eq!(three.history(&place.store).await.unwrap().problems, []);
    assert_eq!(three.history(&place.store).await.unwrap().problems, []);
    assert_eq!(three.catalog.tips().unwrap(), one.catalog.tips().unwrap());
}

#[tokio::test]
async fn a_damaged_segment_is_named_tried_again_and_healed_by_another_holder() {
    let (place, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(14);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 15).await.unwrap();
    let photo = one.import("a.jpg", &noise(1, 2000));
    one.sync(&place.store).await.unwrap();
    one.sync(&second.store).await.unwrap();
    let name = segment(&one, 2);
    let whole = std::fs::read(place.path(&name)).unwrap();
    for at in [30, 150, 4000, whole.len() - 200, whole.len() - 100, whole.len() - 1] {
        place.flip(&name, at);
        let report = two.history(&place.store).await.unwrap();
        assert!(report.problems.iter().any(is_damaged), "a flip at {at}: {:?}", report.problems);
        assert!(two.catalog.asset(asset(&photo)).unwrap().is_none(), "a flip at {at}");
        std::fs::write(place.path(&name), &whole).unwrap();
    }
    place.flip(&name, 4000);
    // From the second place it comes whole, and the first is healed by whoever has it.
    assert_eq!(two.history(&second.store).await.unwrap().problems, []);
    assert!(two.catalog.asset(asset(&photo)).unwrap().is_some());
    two.history(&place.store).await.unwrap();
    assert_eq!(std::fs::read(place.path(&name)).unwrap(), whole);
    let mut three = Phone::join(&place.store, &words, 16).await.unwrap();
    three.history(&place.store).await.unwrap();
    assert_eq!(two.history(&place.store).await.unwrap().problems, []);
    assert!(three.catalog.asset(asset(&photo)).unwrap().is_some());
}

#[tokio::test]
async fn a_put_whose_reply_was_lost_is_recognised() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(17);
    one.sync(&place.store).await.unwrap();
    one.import("a.jpg", &noise(1, 2000));
    *place.remote.lose_reply.lock().unwrap() = Some("log/".into());
    assert!(one.sync(&place.store).await.unwrap_err().is_transient());
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!(report.history.problems, []);
    assert_eq!(report.history.renumbered_segments, 0);
    assert_eq!(report.synced_originals, 1);
}

#[tokio::test]
async fn a_library_that_is_not_there_is_not_joined() {
    let place = TestPlace::new();
    let (_one, words) = Phone::founder(18);
    let error = Phone::join(&place.store, &words, 19).await.err().unwrap();
    assert!(matches!(error, SyncError::NoLibrary { .. }), "{error}");
}

#[tokio::test]
async fn a_new_epoch_reaches_the_other_devices_with_their_keys_files() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(20);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 21).await.unwrap();
    one.sync(&place.store).await.unwrap();

    let epoch = Epoch::generate(&mut one.entropy);
    one.keys.0.add_epoch(epoch.clone());
    let keyring = one.keys.0.clone();
    let mut files = Vec::new();
    let recipients = [
        (Recipient::Words(words.library_id()), words.kem_key().public().clone()),
        (Recipient::Device(keyring.device().id()), keyring.device().card().kem_public().clone()),
        (Recipient::Device(two.catalog.device()), two.keys.0.device().card().kem_public().clone()),
    ];
    for (recipient, key) in recipients {
        let sealed =
            seal_keys_file(keyring.library(), keyring.epochs(), recipient, &key, &mut one.entropy).unwrap();
        files.push((recipient, sha256(&[sealed.as_bytes()])));
        let path = ObjectPath::parse(&names::keys_file(&epoch.id(), &recipient)).unwrap();
        let _created = one.place.put_new(&path, &sealed.into()).unwrap();
    }
    files.sort_unstable_by_key(|(recipient, _)| *recipient);
    one.state(&StatementBody::Epoch { epoch: epoch.id(), files });
    let photo = one.import("a.jpg", &noise(1, 2000));
    // The statement that vouches for the keys is itself sealed under the new epoch.
    one.sync(&place.store).await.unwrap();
    let report = two.sync(&place.store).await.unwrap();
    assert_eq!(report.history.problems, []);
    assert_eq!(two.keys.0.epoch().id(), epoch.id());
    assert!(two.catalog.asset(asset(&photo)).unwrap().is_some());
}

#[tokio::test]
async fn an_epoch_whose_keys_nobody_vouches_for_is_not_believed() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(22);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 23).await.unwrap();
    let before = two.keys.0.epochs().len();
    let epoch = Epoch::generate(&mut one.entropy);
    one.keys.0.add_epoch(epoch.clone());
    let keyring = one.keys.0.clone();
    let recipient = Recipient::Device(two.catalog.device());
    let key = two.keys.0.device().card().kem_public().clone();
    let sealed =
        seal_keys_file(keyring.library(), keyring.epochs(), recipient, &key, &mut one.entropy).unwrap();
    let path = ObjectPath::parse(&names::keys_file(&epoch.id(), &recipient)).unwrap();
    let _created = one.place.put_new(&path, &sealed.into()).unwrap();
    one.import("a.jpg", &noise(1, 2000));
    // A sync would not seal under an epoch that nobody announced.
    one.close();
    one.sync(&place.store).await.unwrap();
    let report = two.sync(&place.store).await.unwrap();
    let is_named = |problem: &Problem| matches!(problem, Problem::NoKey { epoch: e, .. } if *e == epoch.id());
    assert!(report.history.problems.iter().any(is_named), "{:?}", report.history.problems);
    assert_eq!(two.keys.0.epochs().len(), before);
}

#[tokio::test]
async fn what_a_revoked_device_publishes_later_is_named_and_not_taken_in() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(24);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 25).await.unwrap();
    one.sync(&place.store).await.unwrap();
    let device = two.catalog.device();
    let tip = one.catalog.tip(device).unwrap();
    let body = StatementBody::Revoke { device, last_seq: tip.seq.0, last_root: tip.root.0 };
    one.state(&body);
    let photo = two.import("after.jpg", &noise(1, 2000));
    two.sync(&place.store).await.unwrap();
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!(report.history.problems, [Problem::Quarantined { device, seq: tip.seq.0 + 1 }]);
    assert!(one.catalog.asset(asset(&photo)).unwrap().is_none());
    let three = Phone::join(&place.store, &words, 26).await.unwrap();
    assert!(three.catalog.asset(asset(&photo)).unwrap().is_none());
}

#[tokio::test]
async fn a_library_that_demands_a_newer_version_is_read_and_not_written() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(27);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 28).await.unwrap();
    two.state(&StatementBody::RequireFeature("tomorrow".into()));
    let photo = two.import("a.jpg", &noise(1, 2000));
    // It says so itself before it knows better; here only to get the statement into the place.
    let error = two.sync(&place.store).await.unwrap_err();
    assert!(matches!(&error, SyncError::NeedsNewerVersion { feature } if feature == "tomorrow"), "{error}");
    assert!(one.sync(&place.store).await.is_ok());
    assert!(one.catalog.asset(asset(&photo)).unwrap().is_none(), "nothing was published");
}

#[tokio::test]
async fn a_rebuilt_catalogue_publishes_to_a_new_place_what_others_can_read_at_every_moment() {
    let (place, second) = (TestPlace::new(), TestPlace::new());
    let (mut one, words) = Phone::founder(50);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 51).await.unwrap();
    for round in 0..3_u64 {
        one.import(&format!("{round}.jpg"), &noise(round, 2000));
        one.history(&place.store).await.unwrap();
        two.history(&place.store).await.unwrap();
        two.import(&format!("two {round}.jpg"), &noise(10 + round, 2000));
        two.history(&place.store).await.unwrap();
        one.history(&place.store).await.unwrap();
    }
    let hash = one.hash();
    one.rebuild(two.keys.0.device());
    assert_eq!(one.hash(), hash);
    second.requests();
    one.history(&second.store).await.unwrap();
    let created: Vec<String> =
        second.requests().into_iter().filter(|request| request.starts_with("CREATE None log/")).collect();
    assert_eq!(created.len(), 8);
    let own = format!("log/{}", one.catalog.device());
    let turns = created.windows(2).filter(|pair| pair[0].contains(&own) != pair[1].contains(&own)).count();
    assert!(turns >= 6, "each waits for what its device had seen: {created:#?}");
}

#[tokio::test]
async fn a_device_that_nobody_admitted_is_named_and_little_of_it_is_held() {
    let place = TestPlace::new();
    let (mut one, _words) = Phone::founder(52);
    one.sync(&place.store).await.unwrap();
    let (mut stranger, _other_words) = Phone::founder(53);
    for number in 0..30_u64 {
        stranger.import(&format!("{number}.jpg"), &noise(number, 500));
        stranger.close();
    }
    let elsewhere = TestPlace::new();
    stranger.history(&elsewhere.store).await.unwrap();
    for (name, _) in elsewhere.objects("").into_iter().filter(|(name, _)| !name.starts_with("root")) {
        std::fs::create_dir_all(place.path(&name).parent().unwrap()).unwrap();
        std::fs::copy(elsewhere.path(&name), place.path(&name)).unwrap();
    }
    place.requests();
    let report = one.history(&place.store).await.unwrap();
    let device = stranger.catalog.device();
    // Sealed under an epoch of another library, it cannot even be looked at.
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    let asked = place.requests().iter().filter(|request| request.contains(&device.to_string())).count();
    assert!(asked < 16, "{asked} requests for a stranger's history");
    assert_eq!(report.taken_segments, 0);
}

#[tokio::test]
async fn a_device_that_was_killed_before_it_wrote_its_head_hides_nobody_whom_others_met_through_it() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(70);
    one.sync(&place.store).await.unwrap();
    // Its first segment, which admits it, is there; it never hears so, and is not heard of again.
    let joining = safelight_sync::find_library(&place.store, &words).await.unwrap();
    let mut gone = Phone::new_joined(&joining, 71);
    let at = gone.at(&place.store);
    joining.take_in(&mut gone.here(), &at).await.unwrap();
    *place.remote.lose_reply.lock().unwrap() = Some("log/".to_owned());
    safelight_sync::admit_by_words(&mut gone.here(), &at, &words).await.unwrap_err();
    let name = format!("log/{}/0000000001", gone.catalog.device());
    assert!(place.path(&name).exists() && !place.path(&format!("head/{}", gone.catalog.device())).exists());

    let mut three = Phone::join(&place.store, &words, 72).await.unwrap();
    let photo = three.import("late.jpg", &noise(72, 2000));
    three.sync(&place.store).await.unwrap();
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!(report.history.problems, []);
    assert!(one.catalog.asset(asset(&photo)).unwrap().is_some());
}

#[tokio::test]
async fn a_head_that_was_not_written_is_written_by_the_next_sync() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(73);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 74).await.unwrap();
    two.sync(&place.store).await.unwrap();
    let head = format!("head/{}", two.catalog.device());
    place.remove(&head);
    let report = two.sync(&place.store).await.unwrap();
    assert_eq!((report.history.sent_segments, report.history.problems), (0, vec![]));
    assert!(place.path(&head).exists());
    // Whoever came when it was not there finds it now.
    place.requests();
    two.sync(&place.store).await.unwrap();
    assert_eq!(place.count("PUT"), 0);
}
