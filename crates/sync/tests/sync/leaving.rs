//! Devices that leave: who is shut out of what, whatever comes in whichever order, and wherever a sync ends.

use safelight_crypto::{
    Device, Epoch, Keyring, Recipient, RecoveryWords, SeededEntropy, Standing, StatementBody, names,
    seal_keys_file,
};
use safelight_model::OpBody;
use safelight_store::ObjectPath;
use safelight_sync::{
    Problem, SyncError, SyncOptions, find_library, prepare_admission, settle_epoch_here, start_epoch, sync,
};

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
async fn what_counts_of_the_words_of_a_device_that_left_counts_however_far_behind_its_end_they_are() {
    let place = TestPlace::new();
    let ([mut one, mut two, mut three], words) = three_devices(&place, 1015).await;
    // Three says first that two is not to be trusted; two, which has not heard of it, says something else before it says so of
    // one. Nobody reads further than that in its chain.
    let (earlier, later) = (revocation(&two, &one), revocation(&three, &two));
    two.import("late.jpg", &noise(1, 300));
    two.close();
    two.state(&earlier);
    two.close();
    two.place_all();
    two.put_segments(&place);
    three.now = two.now + 5000;
    start_epoch(&mut three.here(), Some(&later)).unwrap();
    three.sync(&place.store).await.unwrap();
    assert!(is_revoked(&mut three, &two) && is_revoked(&mut three, &one));
    assert!(!seals_for(&mut three, &one) && !seals_for(&mut three, &two));
    let elsewhere = TestPlace::new();
    three.sync(&elsewhere.store).await.unwrap();
    let mut four = Phone::join(&elsewhere.store, &words, 1018).await.unwrap();
    assert!(is_revoked(&mut four, &two) && is_revoked(&mut four, &one));
    // Nobody says it twice.
    let count = three.catalog.statements().unwrap().len();
    three.sync(&place.store).await.unwrap();
    assert_eq!(three.catalog.statements().unwrap().len(), count);
    one.sync(&place.store).await.unwrap();
    assert!(!seals_for(&mut three, &one));
}

#[tokio::test]
async fn what_one_who_left_said_under_an_epoch_that_does_not_count_is_kept_by_whoever_can_read_it() {
    let place = TestPlace::new();
    let ([mut one, two, mut three], words) = three_devices(&place, 1025).await;
    // One and three say so at once, one of two and three of one; one's epoch does not count, for it had left by then.
    let (earlier, later) = (revocation(&one, &two), revocation(&three, &one));
    start_epoch(&mut one.here(), Some(&earlier)).unwrap();
    one.sync(&place.store).await.unwrap();
    three.now = one.now + 5000;
    start_epoch(&mut three.here(), Some(&later)).unwrap();
    three.sync(&place.store).await.unwrap();
    assert!(is_revoked(&mut three, &one) && is_revoked(&mut three, &two));
    assert!(!seals_for(&mut three, &two));
    // Whoever joins reads it in the chain of who stays.
    let elsewhere = TestPlace::new();
    three.sync(&elsewhere.store).await.unwrap();
    let mut four = Phone::join(&elsewhere.store, &words, 1028).await.unwrap();
    assert!(is_revoked(&mut four, &one) && is_revoked(&mut four, &two));
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

/// A sync after which there is a checkpoint.
async fn sync_and_write(phone: &mut Phone, place: &TestPlace) {
    let at = phone.at(&place.store);
    let options = SyncOptions { checkpoint_after_ops: 1, ..SyncOptions::default() };
    assert!(sync(&mut phone.here(), &at, &options).await.unwrap().wrote_checkpoint);
}

/// A device that has read the history of a place, and that nobody has let in yet.
async fn newcomer(place: &TestPlace, words: &RecoveryWords, seed: u64) -> Phone {
    let (joining, mut entropy) = (find_library(&place.store, words).await.unwrap(), SeededEntropy::new(seed));
    let (library, words, epochs) = (joining.library, joining.words.clone(), joining.epochs.clone());
    let device = Device::generate(&mut entropy);
    let mut phone =
        Phone::with(Keyring::join_as(library, words, device, epochs, &mut entropy).unwrap(), entropy);
    let at = phone.at(&place.store);
    assert_eq!(joining.take_in(&mut phone.here(), &at).await.unwrap().problems, []);
    phone
}

#[tokio::test]
async fn what_was_read_of_a_device_that_one_who_had_left_let_in_everybody_has_who_stays() {
    let place = TestPlace::new();
    let ([mut one, mut two, mut three], words) = three_devices(&place, 1040).await;
    let body = revocation(&three, &two);
    // Nobody has heard of that yet: two lets another in, and one reads what that one says.
    let mut four = newcomer(&place, &words, 1043).await;
    two.state(&StatementBody::Admit(four.keys.0.device().card().clone()));
    two.sync(&place.store).await.unwrap();
    four.sync(&place.store).await.unwrap();
    let photo = four.import("four.jpg", &noise(1, 300));
    four.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    assert!(one.catalog.asset(asset(&photo)).unwrap().is_some());

    start_epoch(&mut three.here(), Some(&body)).unwrap();
    three.sync(&place.store).await.unwrap();
    assert!(three.here().roster().unwrap().unwrap().member(&four.catalog.device()).is_none());
    assert!(three.catalog.asset(asset(&photo)).unwrap().is_none(), "nobody carries it yet");
    for _ in 0..2 {
        one.sync(&place.store).await.unwrap();
        three.sync(&place.store).await.unwrap();
    }
    one.sync(&place.store).await.unwrap();
    assert!(three.catalog.asset(asset(&photo)).unwrap().is_some());
    assert_eq!(one.hash(), three.hash());
    assert_eq!(one.catalog.ends().unwrap(), three.catalog.ends().unwrap());
}

#[tokio::test]
async fn what_builds_on_the_words_of_one_who_left_is_read_with_them_in_whichever_order_they_come() {
    let mut orders = std::collections::BTreeSet::new();
    for seed in (1050..1090).step_by(4) {
        let place = TestPlace::new();
        let ([mut one, mut two, mut three], _) = three_devices(&place, seed).await;
        orders.insert(one.catalog.device() < two.catalog.device());
        let body = revocation(&three, &two);
        // One says something before it reads the last words of two, and something after; then it is not heard of any more, so
        // that nobody carries what it had read.
        one.import("before.jpg", &noise(1, 300));
        one.close();
        let late = two.import("late.jpg", &noise(2, 300));
        two.sync(&place.store).await.unwrap();
        one.sync(&place.store).await.unwrap();
        let after = one.import("after.jpg", &noise(3, 300));
        one.sync(&place.store).await.unwrap();

        start_epoch(&mut three.here(), Some(&body)).unwrap();
        three.sync(&place.store).await.unwrap();
        assert!(is_revoked(&mut three, &two));
        for photo in [&late, &after] {
            assert!(three.catalog.asset(asset(photo)).unwrap().is_some(), "seed {seed}");
        }
        let own = one.catalog.device();
        assert_eq!(three.catalog.tip(own).unwrap(), one.catalog.tip(own).unwrap(), "seed {seed}");
        // What nobody had read by then nobody reads.
        let unread = two.import("unread.jpg", &noise(4, 300));
        two.close();
        two.place_all();
        two.put_segments(&place);
        three.sync(&place.store).await.unwrap();
        assert!(three.catalog.asset(asset(&unread)).unwrap().is_none(), "seed {seed}");
    }
    assert_eq!(orders.len(), 2, "both orders were met");
}

#[tokio::test]
async fn a_checkpoint_of_one_who_left_that_covers_more_than_counts_is_not_begun_with() {
    let place = TestPlace::new();
    let ([mut one, mut two, _], words) = three_devices(&place, 1100).await;
    let (device, last_seq) = (two.catalog.device(), one.catalog.tip(two.catalog.device()).unwrap().seq.0);
    start_epoch(&mut one.here(), Some(&StatementBody::Retire { device, last_seq })).unwrap();
    // Two has not heard that it left.
    let photo = two.import("late.jpg", &noise(1, 300));
    sync_and_write(&mut two, &place).await;
    one.sync(&place.store).await.unwrap();

    assert!(find_library(&place.store, &words).await.unwrap().has_checkpoint(), "there is no other");
    let mut four = Phone::join(&place.store, &words, 1103).await.unwrap();
    assert!(four.catalog.begun_with().unwrap().is_none());
    assert!(four.catalog.asset(asset(&photo)).unwrap().is_none());
    one.sync(&place.store).await.unwrap();
    four.sync(&place.store).await.unwrap();
    assert_eq!(one.hash(), four.hash());
}

#[tokio::test]
async fn keys_of_an_epoch_that_nobody_announced_are_sent_nowhere() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(1110);
    // It was killed before it said so.
    let (epoch, keyring) = (Epoch::generate(&mut one.entropy), one.keys.0.clone());
    let recipient = Recipient::Words(words.library_id());
    let epochs = [keyring.epochs(), std::slice::from_ref(&epoch)].concat();
    let (library, words_key) = (keyring.library(), words.kem_key());
    let sealed = seal_keys_file(library, &epochs, recipient, &words_key.public(), &mut one.entropy);
    let name = names::keys_file(&epoch.id(), &recipient);
    let _created = one.place.put_new(&ObjectPath::parse(&name).unwrap(), &sealed.unwrap().into()).unwrap();
    one.sync(&place.store).await.unwrap();
    assert!(!place.objects("keys").contains_key(&name) && !place.objects("keys").is_empty());
    // Nobody who joins finds what no statement vouches for.
    let two = Phone::join(&place.store, &words, 1111).await.unwrap();
    assert_eq!(two.keys.0.epochs().len(), keyring.epochs().len());
    let announced = start_epoch(&mut one.here(), None).unwrap();
    one.sync(&place.store).await.unwrap();
    assert!(place.objects("keys").contains_key(&names::keys_file(&announced, &recipient)));
}

#[tokio::test]
async fn a_device_that_has_not_read_all_history_says_of_nobody_that_it_left() {
    let place = TestPlace::new();
    let ([mut one, mut two, _], words) = three_devices(&place, 1120).await;
    let photo = two.import("two.jpg", &noise(1, 300));
    two.sync(&place.store).await.unwrap();
    sync_and_write(&mut one, &place).await;
    // It begins with the checkpoint: it knows the photo, and has read nothing of the chain.
    let joining = find_library(&place.store, &words).await.unwrap();
    let mut four = Phone::new_joined(&joining, 1123);
    let at = four.at(&place.store);
    assert!(joining.take_in(&mut four.here(), &at).await.unwrap().began_with_checkpoint);
    prepare_admission(&mut four.here(), &at, &words).await.unwrap();
    let (body, before) = (revocation(&four, &two), four.catalog.statements().unwrap());
    let refused = start_epoch(&mut four.here(), Some(&body));
    assert!(matches!(refused, Err(SyncError::Keys { .. })), "{refused:?}");
    assert_eq!(four.catalog.statements().unwrap(), before);

    // Once it has read it, what two had said until then goes on counting for everybody.
    four.sync(&place.store).await.unwrap();
    let body = revocation(&four, &two);
    start_epoch(&mut four.here(), Some(&body)).unwrap();
    four.sync(&place.store).await.unwrap();
    let mut five = Phone::join(&place.store, &words, 1124).await.unwrap();
    assert!(is_revoked(&mut five, &two));
    let device = two.catalog.device();
    assert_eq!(five.catalog.tip(device).unwrap(), two.catalog.tip(device).unwrap());
    assert!(five.catalog.asset(asset(&photo)).unwrap().is_some());
}
