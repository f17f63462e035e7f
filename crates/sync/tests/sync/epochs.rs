//! Epochs that are started at once, and what is sealed under each of them.

use safelight_crypto::{EpochId, Keyring};
use safelight_model::Original;
use safelight_model::history::SealedSegment;
use safelight_sync::{Depth, Problem, fetch_original, start_epoch, verify_remote};

use crate::common::*;

/// Two of three devices start an epoch at once, and one of them seals a photo, and no segment, under the earlier.
async fn two_at_once(place: &TestPlace, seed: u64) -> ([Phone; 3], [EpochId; 2], Original) {
    let (mut one, words) = Phone::founder(seed);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, seed + 1).await.unwrap();
    let mut three = Phone::join(&place.store, &words, seed + 2).await.unwrap();
    for _ in 0..2 {
        for phone in [&mut one, &mut two, &mut three] {
            phone.sync(&place.store).await.unwrap();
        }
    }
    let earlier = start_epoch(&mut one.here(), None).unwrap();
    let photo = one.import("a.jpg", &noise(1, 300));
    three.now = one.now + 5000;
    let later = start_epoch(&mut three.here(), None).unwrap();
    three.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    for name in place.objects("log").into_keys() {
        let bytes = std::fs::read(place.path(&name)).unwrap();
        assert_ne!(SealedSegment::parse(&bytes).unwrap().epoch(), Some(earlier));
    }
    ([one, two, three], [earlier, later], photo)
}

#[tokio::test]
async fn of_epochs_that_were_started_at_once_whoever_was_given_them_holds_all() {
    let place = TestPlace::new();
    let ([_one, mut two, mut three], epochs, photo) = two_at_once(&place, 1200).await;
    for phone in [&mut two, &mut three] {
        phone.sync(&place.store).await.unwrap();
        for epoch in epochs {
            assert!(phone.keys.0.epoch_by_id(&epoch).is_some());
        }
        assert_eq!(phone.keys.0.epoch().id(), epochs[1], "the later is sealed under");
        let at = phone.at(&place.store);
        fetch_original(&mut phone.here(), &[at], &photo, &mut Vec::new()).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_device_has_no_key_for_is_not_damaged() {
    let place = TestPlace::new();
    let ([_one, mut two, _three], [earlier, _later], _photo) = two_at_once(&place, 1210).await;
    two.sync(&place.store).await.unwrap();
    let all = two.keys.0.clone();
    let held: Vec<_> = all.epochs().iter().filter(|epoch| epoch.id() != earlier).cloned().collect();
    let (library, words, own) = (all.library(), all.words().clone(), all.device().clone());
    two.keys.0 = Keyring::join_as(library, words, own, held, &mut two.entropy).unwrap();

    let at = two.at(&place.store);
    let report = verify_remote(&mut two.here(), &at, Depth::All).await.unwrap();
    let [Problem::NoKey { object, epoch }] = report.problems.as_slice() else {
        unreachable!("{:?}", report.problems)
    };
    assert!(object.starts_with("o/") && *epoch == earlier);
    // Nothing is marked, and the secret comes with the next sync.
    two.sync(&place.store).await.unwrap();
    let report = verify_remote(&mut two.here(), &at, Depth::All).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.proven_objects, report.expected_objects);
}
