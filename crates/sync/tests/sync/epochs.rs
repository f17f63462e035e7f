//! Epochs that are started at once, and what is sealed under each of them.

use safelight_crypto::{EpochId, Keyring};
use safelight_model::history::SealedSegment;
use safelight_model::{Original, RenditionKind};
use safelight_sync::{Depth, Problem, fetch_original, start_epoch, verify_remote};

use crate::common::*;

/// Three devices that have read of each other.
async fn three_devices(place: &TestPlace, seed: u64) -> [Phone; 3] {
    let (mut one, words) = Phone::founder(seed);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, seed + 1).await.unwrap();
    let mut three = Phone::join(&place.store, &words, seed + 2).await.unwrap();
    for _ in 0..2 {
        for phone in [&mut one, &mut two, &mut three] {
            phone.sync(&place.store).await.unwrap();
        }
    }
    [one, two, three]
}

/// Two devices start an epoch at once, and one of them seals a photo with its thumbnail, and no segment, under the earlier.
async fn start_two(place: &TestPlace, one: &mut Phone, three: &mut Phone) -> ([EpochId; 2], Original) {
    let earlier = start_epoch(&mut one.here(), None).unwrap();
    let photo = one.import("a.jpg", &noise(1, 300));
    one.render(&photo, RenditionKind::Thumbnail, &noise(2, 300));
    three.now = one.now + 5000;
    let later = start_epoch(&mut three.here(), None).unwrap();
    three.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    for name in place.objects("log").into_keys() {
        let bytes = std::fs::read(place.path(&name)).unwrap();
        assert_ne!(SealedSegment::parse(&bytes).unwrap().epoch(), Some(earlier));
    }
    ([earlier, later], photo)
}

#[tokio::test]
async fn of_epochs_that_were_started_at_once_whoever_was_given_them_holds_all() {
    let place = TestPlace::new();
    let [mut one, mut two, mut three] = three_devices(&place, 1200).await;
    let (epochs, photo) = start_two(&place, &mut one, &mut three).await;
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
    let [mut one, mut two, mut three] = three_devices(&place, 1210).await;
    let ([earlier, _later], _photo) = start_two(&place, &mut one, &mut three).await;
    two.sync(&place.store).await.unwrap();
    let all = two.keys.0.clone();
    let held: Vec<_> = all.epochs().iter().filter(|epoch| epoch.id() != earlier).cloned().collect();
    let (library, words, own) = (all.library(), all.words().clone(), all.device().clone());
    two.keys.0 = Keyring::join_as(library, words, own, held, &mut two.entropy).unwrap();

    let at = two.at(&place.store);
    let report = verify_remote(&mut two.here(), &at, Depth::All).await.unwrap();
    // The pack is sealed under the later epoch, and the thumbnail in it is not.
    let mut areas = Vec::new();
    for problem in &report.problems {
        let Problem::NoKey { object, epoch } = problem else { unreachable!("{:?}", report.problems) };
        assert_eq!(*epoch, earlier);
        areas.push(&object[..2]);
    }
    assert_eq!(areas, ["o/", "t/"]);
    // Nothing is marked, and the secret comes with the next sync.
    two.sync(&place.store).await.unwrap();
    let report = verify_remote(&mut two.here(), &at, Depth::All).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.proven_objects, report.expected_objects);
}

#[tokio::test]
async fn a_device_that_goes_on_under_another_name_takes_along_what_was_given_to_it() {
    let place = TestPlace::new();
    let [mut one, _two, mut three] = three_devices(&place, 1220).await;
    let mut copy = one.back_up().open(1223);
    let (epochs, photo) = start_two(&place, &mut one, &mut three).await;
    // It has published the same numbers elsewhere.
    copy.import("b.jpg", &noise(3, 300));
    copy.sync(&TestPlace::new().store).await.unwrap();
    let before = copy.keys.0.device().id();
    copy.sync(&place.store).await.unwrap();
    assert_ne!(copy.keys.0.device().id(), before);
    for epoch in epochs {
        assert!(copy.keys.0.epoch_by_id(&epoch).is_some());
    }
    let at = copy.at(&place.store);
    fetch_original(&mut copy.here(), &[at], &photo, &mut Vec::new()).await.unwrap();
}
