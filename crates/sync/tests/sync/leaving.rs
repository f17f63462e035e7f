//! Devices that leave: who is shut out of what, whatever comes in whichever order, and wherever a sync ends.

use safelight_crypto::{Recipient, RecoveryWords, Standing, StatementBody};
use safelight_model::OpBody;
use safelight_sync::{Problem, settle_epoch_here, start_epoch};

use crate::common::*;

/// So many segments that they are asked for in several rounds.
const MANY_SEGMENTS: u64 = 40;

/// A founder and two devices that joined, each of which has read of the others.
async fn three_devices(place: &TestPlace, seed: u64) -> ([Phone; 3], RecoveryWords) {
    let (mut one, words) = Phone::founder(seed);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, seed + 1).await.unwrap();
    let mut three = Phone::join(&place.store, &words, seed + 2).await.unwrap();
    for _ in 0..2 {
        for phone in [&mut one, &mut two, &mut three] {
            phone.sync(&place.store).await.unwrap();
        }
    }
    ([one, two, three], words)
}

/// That one device is not trusted any more, as far as another has read it.
fn revocation(by: &Phone, of: &Phone) -> StatementBody {
    let device = of.catalog.device();
    let tip = by.catalog.tip(device).unwrap();
    StatementBody::Revoke { device, last_seq: tip.seq.0, last_root: tip.root.0 }
}

fn is_revoked(phone: &mut Phone, other: &Phone) -> bool {
    let roster = phone.here().roster().unwrap().unwrap();
    let standing = roster.member(&other.catalog.device()).unwrap().standing;
    matches!(standing, Standing::Revoked { .. })
}

/// Whether what a device seals opens for another, if the statements are right about who was given what.
fn seals_for(phone: &mut Phone, other: &Phone) -> bool {
    let (roster, epoch) = (phone.here().roster().unwrap().unwrap(), phone.keys.0.epoch().id());
    let recipient = Recipient::Device(other.catalog.device());
    let first = roster.epochs().iter().position(|announced| announced.epoch == epoch).unwrap();
    roster.epochs()[first..].iter().any(|announced| announced.files.contains_key(&recipient))
}

/// Lets a device know what another has stated, without a sync: as one has left it that ended right after it took them in.
fn take_statements(phone: &mut Phone, from: &Phone) {
    let known = phone.catalog.statements().unwrap();
    let new = from.catalog.statements().unwrap().into_iter().filter(|bytes| !known.contains(bytes));
    phone.record(new.map(OpBody::Statement).collect());
}

#[tokio::test]
async fn a_revocation_is_heard_before_what_was_said_after_it_however_much_there_is_to_read() {
    let place = TestPlace::new();
    let ([mut one, mut two, mut three], _) = three_devices(&place, 1000).await;
    for number in 0..MANY_SEGMENTS {
        one.import(&format!("{number}.jpg"), &noise(number, 300));
        one.close();
    }
    let body = revocation(&one, &two);
    one.state(&body);
    one.sync(&place.store).await.unwrap();
    // It has not heard of it, or does not care.
    let photo = two.import("late.jpg", &noise(500, 300));
    two.close();
    two.place_all();
    two.put_segments(&place);
    let seq = two.catalog.tip(two.catalog.device()).unwrap().seq.0;

    let report = three.sync(&place.store).await.unwrap();
    let quarantined = Problem::Quarantined { device: two.catalog.device(), seq };
    assert_eq!(report.history.problems, [quarantined]);
    assert!(three.catalog.asset(asset(&photo)).unwrap().is_none());
    assert_eq!(
        three.catalog.tip(one.catalog.device()).unwrap(),
        one.catalog.tip(one.catalog.device()).unwrap()
    );
}

#[tokio::test]
async fn what_counts_of_the_words_of_a_device_that_left_counts_after_the_sync_that_read_it() {
    let place = TestPlace::new();
    let ([mut one, mut two, three], words) = three_devices(&place, 1010).await;
    // Two says first that three is not to be trusted; before anybody reads it, one says so of two.
    let body = revocation(&two, &three);
    two.state(&body);
    two.close();
    two.place_all();
    let body = revocation(&one, &two);
    one.now = two.now + 5000;
    start_epoch(&mut one.here(), Some(&body)).unwrap();
    one.sync(&place.store).await.unwrap();
    assert!(!is_revoked(&mut one, &three) && seals_for(&mut one, &three));

    two.put_segments(&place);
    one.sync(&place.store).await.unwrap();
    assert!(is_revoked(&mut one, &two));
    assert!(is_revoked(&mut one, &three), "its segment is not taken in, and its statement counts");
    assert!(!seals_for(&mut one, &three));
    // That goes wherever one's history goes.
    let elsewhere = TestPlace::new();
    one.sync(&elsewhere.store).await.unwrap();
    let mut four = Phone::join(&elsewhere.store, &words, 1013).await.unwrap();
    assert!(is_revoked(&mut four, &two) && is_revoked(&mut four, &three));
    // Nobody says it twice.
    let count = one.catalog.statements().unwrap().len();
    one.sync(&place.store).await.unwrap();
    assert_eq!(one.catalog.statements().unwrap().len(), count);
}

#[tokio::test]
async fn nothing_is_sealed_for_who_left_wherever_a_sync_ended() {
    let place = TestPlace::new();
    let ([mut one, two, mut three], _) = three_devices(&place, 1020).await;
    let before = three.keys.0.epoch().id();
    // Nobody has started another epoch, and there is no network.
    let body = revocation(&one, &two);
    one.state(&body);
    take_statements(&mut three, &one);
    settle_epoch_here(&mut three.here()).unwrap();
    assert_ne!(three.keys.0.epoch().id(), before);
    assert!(!seals_for(&mut three, &two));
    let own = three.keys.0.epoch().id();
    settle_epoch_here(&mut three.here()).unwrap();
    assert_eq!(three.keys.0.epoch().id(), own, "once is enough");
    three.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    three.sync(&place.store).await.unwrap();
    assert_eq!(one.keys.0.epoch().id(), three.keys.0.epoch().id());
}

#[tokio::test]
async fn while_the_secret_of_the_newest_epoch_is_not_here_a_fit_one_is_kept_and_an_unfit_one_left() {
    let place = TestPlace::new();
    let ([mut one, two, mut three], _) = three_devices(&place, 1030).await;
    let before = three.keys.0.epoch().id();
    let newest = start_epoch(&mut one.here(), None).unwrap();
    take_statements(&mut three, &one);
    settle_epoch_here(&mut three.here()).unwrap();
    assert_eq!(three.keys.0.epoch().id(), before, "nobody has left");

    let body = revocation(&one, &two);
    start_epoch(&mut one.here(), Some(&body)).unwrap();
    take_statements(&mut three, &one);
    settle_epoch_here(&mut three.here()).unwrap();
    let own = three.keys.0.epoch().id();
    assert!(own != before && own != newest);
    assert!(!seals_for(&mut three, &two));
}
