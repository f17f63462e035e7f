//! Recovery words that are replaced by others.

use safelight_crypto::{
    EpochId, LibraryId, Recipient, RecoveryWords, RootCard, SeededEntropy, StatementBody, names,
    open_keys_file,
};
use safelight_store::{ObjectPath, Sealed};
use safelight_sync::{
    Problem, Result, SyncError, SyncOptions, find_library, start_epoch, state_new_words, take_words_in_force,
};

use crate::common::*;

/// The day on which all of this happens.
const DAY: &str = "2026-11-18";

fn new_words(seed: u64) -> RecoveryWords {
    RecoveryWords::generate(&mut SeededEntropy::new(seed))
}

fn replace(phone: &mut Phone, old: &RecoveryWords, new: &RecoveryWords) -> Result<()> {
    phone.now += 1;
    state_new_words(&mut phone.here(), old, new)?;
    take_words_in_force(&mut phone.here()).map(drop)
}

/// The epochs whose secrets the keys files of a place give to words.
fn opened_by(place: &TestPlace, library: LibraryId, words: &RecoveryWords) -> Vec<EpochId> {
    let recipient = Recipient::Words(words.library_id());
    let mut opened = Vec::new();
    for name in place.objects("keys").into_keys() {
        let epoch: EpochId = name.split('/').nth(1).unwrap().parse().unwrap();
        if name == names::keys_file(&epoch, &recipient) {
            let bytes = std::fs::read(place.path(&name)).unwrap();
            let epochs = open_keys_file(&bytes, library, &epoch, recipient, &words.kem_key()).unwrap();
            opened.extend(epochs.iter().map(safelight_crypto::Epoch::id));
        }
    }
    opened
}

fn refused_as_replaced(result: Result<Phone>) -> String {
    match result {
        Err(error @ SyncError::WordsReplaced { .. }) => error.to_string(),
        Err(error) => format!("another refusal: {error}"),
        Ok(_) => "they were let in".to_owned(),
    }
}

#[tokio::test]
async fn what_comes_after_new_words_the_old_ones_do_not_open_and_the_new_ones_open_all() {
    // With a checkpoint of before and one of after, and without any.
    for checkpoint_after_ops in [1, u64::MAX] {
        let options = SyncOptions { checkpoint_after_ops, ..SyncOptions::default() };
        let place = TestPlace::new();
        let (mut one, old) = Phone::founder(900);
        let library = one.keys.0.library();
        let before = one.import("before.jpg", &noise(1, 5000));
        let at = one.at(&place.store);
        safelight_sync::sync(&mut one.here(), &at, &options).await.unwrap();
        let mut two = Phone::join(&place.store, &old, 901).await.unwrap();
        two.sync(&place.store).await.unwrap();

        let new = new_words(902);
        one.now += 60_000;
        one.import("unsent.jpg", &noise(2, 5000));
        one.sync(&place.store).await.unwrap();
        replace(&mut one, &old, &new).unwrap();
        let first = one.keys.0.epoch().id();
        assert_eq!(*one.keys.0.words(), new.card());
        safelight_sync::sync(&mut one.here(), &at, &options).await.unwrap();

        let report = two.sync(&place.store).await.unwrap();
        let told = Problem::WordsReplaced { day: DAY.into() };
        assert_eq!(report.history.problems, [told]);
        assert_eq!((two.keys.0.words().clone(), two.keys.0.epoch().id()), (new.card(), first));
        let again = two.sync(&place.store).await.unwrap();
        assert_eq!(again.history.problems, [], "it is said once");
        two.now = one.now + 1000;
        let after = two.import("after.jpg", &noise(3, 5000));
        two.caption(asset(&before), "of later");
        let at_two = two.at(&place.store);
        safelight_sync::sync(&mut two.here(), &at_two, &options).await.unwrap();
        assert_eq!(after.epoch, first);
        assert!(!opened_by(&place, library, &old).contains(&after.epoch), "the old words open nothing of it");
        let opened = opened_by(&place, library, &new);
        assert!(one.keys.0.epochs().iter().all(|epoch| opened.contains(&epoch.id())), "and the new ones all");

        let refused = refused_as_replaced(Phone::join(&place.store, &old, 903).await);
        assert!(refused.contains(DAY), "{refused}");
        let mut three = Phone::join(&place.store, &new, 904).await.unwrap();
        three.sync(&place.store).await.unwrap();
        one.sync(&place.store).await.unwrap();
        assert_eq!(three.hash(), one.hash());
        assert_eq!(three.captions(asset(&before)), ["Text(\"of later\")"]);
        for photo in [&before, &after] {
            let at = three.at(&place.store);
            let mut problems = Vec::new();
            let fetched =
                safelight_sync::fetch_original(&mut three.here(), &[at], photo, &mut problems).await;
            assert!(fetched.unwrap() > 0);
        }
    }
}

#[tokio::test]
async fn old_words_are_told_also_where_a_checkpoint_and_what_follows_it_say_nothing_of_it() {
    let place = TestPlace::new();
    let (mut one, old) = Phone::founder(905);
    let photo = one.import("before.jpg", &noise(1, 5000));
    let at = one.at(&place.store);
    let options = SyncOptions { checkpoint_after_ops: 1, ..SyncOptions::default() };
    safelight_sync::sync(&mut one.here(), &at, &options).await.unwrap();
    // More than whoever joins reads behind a checkpoint.
    for number in 0..270 {
        one.caption(asset(&photo), &number.to_string());
        one.close();
    }
    replace(&mut one, &old, &new_words(906)).unwrap();
    one.sync(&place.store).await.unwrap();
    let refused = refused_as_replaced(Phone::join(&place.store, &old, 907).await);
    assert!(refused.contains(DAY), "{refused}");
}

#[tokio::test]
async fn words_that_are_replaced_open_no_epoch_that_a_revocation_begins_later() {
    let place = TestPlace::new();
    let (mut one, old) = Phone::founder(910);
    let library = one.keys.0.library();
    one.sync(&place.store).await.unwrap();
    let mut gone = Phone::join(&place.store, &old, 911).await.unwrap();
    gone.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    let new = new_words(912);
    replace(&mut one, &old, &new).unwrap();
    let device = gone.keys.0.device().id();
    let tip = one.catalog.tip(device).unwrap();
    let body = StatementBody::Revoke { device, last_seq: tip.seq.0, last_root: tip.root.0 };
    let epoch = start_epoch(&mut one.here(), Some(&body)).unwrap();
    one.sync(&place.store).await.unwrap();
    assert!(opened_by(&place, library, &new).contains(&epoch));
    assert!(!opened_by(&place, library, &old).contains(&epoch));
}

#[tokio::test]
async fn only_the_words_in_force_put_new_ones_in_force_and_none_come_back() {
    let place = TestPlace::new();
    let (mut one, first) = Phone::founder(920);
    let (second, third) = (new_words(921), new_words(922));
    assert!(replace(&mut one, &third, &second).is_err(), "strangers");
    assert_eq!(*one.keys.0.words(), first.card());
    assert_eq!(*one.here().roster().unwrap().unwrap().words(), first.card());
    replace(&mut one, &first, &second).unwrap();
    assert!(replace(&mut one, &first, &third).is_err(), "those before");
    replace(&mut one, &second, &third).unwrap();
    assert!(replace(&mut one, &third, &first).is_err(), "they were in force");
    // A second time changes nothing.
    let epochs = one.keys.0.epochs().len();
    replace(&mut one, &second, &third).unwrap();
    assert_eq!((one.keys.0.epochs().len(), one.keys.0.words().clone()), (epochs, third.card()));
    one.sync(&place.store).await.unwrap();
    for replaced in [&first, &second] {
        let refused = refused_as_replaced(Phone::join(&place.store, replaced, 923).await);
        assert!(refused.contains(DAY), "{refused}");
    }
    Phone::join(&place.store, &third, 924).await.unwrap();
}

#[tokio::test]
async fn a_replacement_that_was_killed_anywhere_goes_on_and_ends_right() {
    let cut_short = |one: &mut Phone, old: &RecoveryWords, new: &RecoveryWords, step: u8| {
        let (library, id) = (one.keys.0.library(), new.library_id());
        let path = ObjectPath::parse(&names::root_card(&id)).unwrap();
        match step {
            // With an epoch that nobody hears of, and a card.
            0 | 1 => {
                let epoch = safelight_crypto::Epoch::generate(&mut one.entropy);
                one.keys.0.hold_epoch(epoch);
                let mut card = RootCard::sign(new, library, [1; 32], 5);
                if step == 1 {
                    // Half of it was written before names were exchanged.
                    card.truncate(200);
                }
                let _created = one.place.put_new(&path, &Sealed::from_root_card(card).unwrap()).unwrap();
            }
            // After the statements, before anything else.
            2 => state_new_words(&mut one.here(), old, new).unwrap(),
            // The same, and the keys cannot be kept.
            _ => {
                state_new_words(&mut one.here(), old, new).unwrap();
                one.keys.1 = true;
                assert!(take_words_in_force(&mut one.here()).is_err());
                one.keys.1 = false;
            }
        }
    };
    for step in 0..4 {
        for is_synced_first in [false, true] {
            if step == 1 && is_synced_first {
                continue;
            }
            let place = TestPlace::new();
            let (mut one, old) = Phone::founder(930);
            one.import("before.jpg", &noise(1, 5000));
            one.sync(&place.store).await.unwrap();
            let (library, new) = (one.keys.0.library(), new_words(931));
            cut_short(&mut one, &old, &new, step);
            if is_synced_first {
                one.sync(&place.store).await.unwrap();
                // What was stated is in force without being asked for again.
                let words = if step < 2 { old.card() } else { new.card() };
                assert_eq!(*one.keys.0.words(), words, "step {step}");
            }
            replace(&mut one, &old, &new).unwrap();
            assert_eq!(*one.keys.0.words(), new.card(), "step {step}");
            let photo = one.import("after.jpg", &noise(2, 5000));
            one.sync(&place.store).await.unwrap();
            assert!(!opened_by(&place, library, &old).contains(&photo.epoch), "step {step}");
            let refused = refused_as_replaced(Phone::join(&place.store, &old, 932).await);
            assert!(refused.contains(DAY), "step {step}: {refused}");
            let mut two = Phone::join(&place.store, &new, 933).await.unwrap();
            two.sync(&place.store).await.unwrap();
            one.sync(&place.store).await.unwrap();
            assert_eq!(two.hash(), one.hash(), "step {step}");
        }
    }
}

#[tokio::test]
async fn of_two_devices_that_replace_the_words_at_once_the_earlier_counts_and_nothing_is_lost() {
    let place = TestPlace::new();
    let (mut one, old) = Phone::founder(940);
    let library = one.keys.0.library();
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &old, 941).await.unwrap();
    two.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    let (first, second) = (new_words(942), new_words(943));
    replace(&mut one, &old, &first).unwrap();
    two.now = one.now + 5000;
    replace(&mut two, &old, &second).unwrap();
    // The later one publishes first, and seals under its own epoch.
    let photo = two.import("meanwhile.jpg", &noise(1, 5000));
    two.sync(&place.store).await.unwrap();
    let report = one.sync(&place.store).await.unwrap();
    assert_eq!(report.history.problems, [], "nothing of it concerns the first");
    let report = two.sync(&place.store).await.unwrap();
    assert!(report.history.problems.contains(&Problem::WordsDoNotCount { day: DAY.into() }));
    for _ in 0..2 {
        one.sync(&place.store).await.unwrap();
        two.sync(&place.store).await.unwrap();
    }
    for phone in [&one, &two] {
        assert_eq!(*phone.keys.0.words(), first.card());
    }
    assert_eq!(one.keys.0.epoch().id(), two.keys.0.epoch().id());
    let epochs = one.here().roster().unwrap().unwrap().epochs().len();
    one.sync(&place.store).await.unwrap();
    assert_eq!(one.here().roster().unwrap().unwrap().epochs().len(), epochs, "there is an end to it");
    assert!(!opened_by(&place, library, &old).contains(&photo.epoch));
    // What was sealed for words that never counted comes back with those that do.
    assert!(find_library(&place.store, &second).await.is_err());
    let mut three = Phone::join(&place.store, &first, 944).await.unwrap();
    three.sync(&place.store).await.unwrap();
    let at = three.at(&place.store);
    let mut problems = Vec::new();
    let fetched = safelight_sync::fetch_original(&mut three.here(), &[at], &photo, &mut problems).await;
    assert!(fetched.unwrap() > 0);
    one.sync(&place.store).await.unwrap();
    assert_eq!(three.hash(), one.hash());
}
