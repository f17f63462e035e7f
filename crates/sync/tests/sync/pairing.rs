//! A device lets a new one in by a code; and everything that somebody else in the place may try meanwhile. No test waits:
//! both sides look when they are told to, and the clock is set.

use safelight_crypto::{
    Ask, Closing, Keyring, Offer, PairingCode, PairingId, PairingKey, Reveal, SeededEntropy, StatementBody,
    names, pairing_words,
};
use safelight_sync::{
    Admitted, Asked, Asking, Invitation, Joining, Looked, PAIRING_MILLIS, PairingRefusal, Result, SyncError,
    answer_invitation, confirm_admission, find_library_as, start_epoch,
};

use crate::common::*;

/// A place with a device that invites, and the new device's side.
struct Pair {
    place: TestPlace,
    one: Phone,
    invitation: Invitation,
    entropy: SeededEntropy,
}

async fn invited(seed: u64) -> Pair {
    let (one, _) = Phone::founder(seed);
    invite(TestPlace::new(), one, seed).await
}

async fn invite(place: TestPlace, mut one: Phone, seed: u64) -> Pair {
    one.sync(&place.store).await.unwrap();
    let at = one.at(&place.store);
    let invitation = Invitation::open(&mut one.here(), &at, "Laptop").await.unwrap();
    Pair { place, one, invitation, entropy: SeededEntropy::new(seed + 1000) }
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> PairingRefusal {
    let told = format!("{result:?}");
    let Err(SyncError::Pairing(refusal)) = result else { unreachable!("no refusal: {told}") };
    refusal
}

impl Pair {
    fn code(&self) -> PairingCode {
        self.invitation.code().clone()
    }

    fn other_code(&mut self) -> PairingCode {
        PairingCode::generate(&mut self.entropy)
    }

    async fn answer(&mut self, code: &PairingCode) -> Result<Asking> {
        answer_invitation(&self.place.store, code, "Phone", self.one.now, &mut self.entropy).await
    }

    async fn look(&mut self) -> Result<Looked> {
        self.invitation.look(&mut self.one.here(), &self.place.store).await
    }

    async fn asked(&mut self) -> Asked {
        let looked = self.look().await.unwrap();
        assert!(matches!(looked, Looked::Asked(_)), "nobody asks: {looked:?}");
        let Looked::Asked(asked) = looked else { unreachable!() };
        *asked
    }

    async fn admit(self, asked: &Asked) -> (TestPlace, Phone, Result<Admitted>) {
        let Self { place, mut one, invitation, .. } = self;
        let at = one.at(&place.store);
        let admitted = invitation.admit(&mut one.here(), &at, asked, Vec::new()).await;
        (place, one, admitted)
    }
}

/// What lies below `pair/`, by its last name; asks have names of their own.
fn left(place: &TestPlace) -> Vec<String> {
    let last = |name: String| name.rsplit('/').next().unwrap_or_default().to_owned();
    let mut left: Vec<String> = place.objects("pair").into_keys().map(last).collect();
    left.sort();
    left
}

/// The one object below `pair/` with that name.
fn object(place: &TestPlace, last: &str) -> String {
    place.objects("pair").into_keys().find(|name| name.ends_with(last)).unwrap()
}

fn new_device(joining: &Joining, asking: &Asking, seed: u64) -> Phone {
    let mut entropy = SeededEntropy::new(seed);
    let (library, words, epochs) = (joining.library, joining.words.clone(), joining.epochs.clone());
    let keyring = Keyring::join_as(library, words, asking.device().clone(), epochs, &mut entropy).unwrap();
    Phone::with(keyring, entropy)
}

async fn let_in(mut pair: Pair, seed: u64) -> (TestPlace, Phone, Phone) {
    let code = pair.code();
    let asking = pair.answer(&code).await.unwrap();
    let asked = pair.asked().await;
    let now = pair.one.now;
    assert_eq!(asking.hear(&pair.place.store, now).await.unwrap(), Some(asked.six_words.clone()));
    let (place, one, admitted) = pair.admit(&asked).await;
    assert_eq!(admitted.unwrap().device, asking.device().id());
    let welcome = asking.be_welcomed(&place.store, now).await.unwrap().unwrap();
    let joining = find_library_as(&place.store, &asking, &welcome).await.unwrap();
    let mut two = new_device(&joining, &asking, seed);
    let at = two.at(&place.store);
    assert_eq!(joining.take_in(&mut two.here(), &at).await.unwrap().problems, []);
    confirm_admission(&mut two.here(), &at).await.unwrap();
    (place, one, two)
}

#[tokio::test]
async fn a_device_that_comes_in_by_a_code_has_all_history_and_every_epoch_and_writes_for_all() {
    let (mut one, words) = Phone::founder(800);
    let photo = one.import("a.jpg", b"a photo");
    let place = TestPlace::new();
    one.sync(&place.store).await.unwrap();
    // A second epoch, and the secrets of both are given.
    let mut gone = Phone::join(&place.store, &words, 801).await.unwrap();
    gone.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    let tip = one.catalog.tip(gone.keys.0.device().id()).unwrap();
    let body = StatementBody::Revoke {
        device: gone.keys.0.device().id(),
        last_seq: tip.seq.0,
        last_root: tip.root.0,
    };
    start_epoch(&mut one.here(), Some(&body)).unwrap();
    let (place, mut one, mut two) = let_in(invite(place, one, 802).await, 803).await;
    assert_eq!(two.hash(), one.hash());
    for epoch in one.keys.0.epochs() {
        assert!(two.keys.0.epoch_by_id(&epoch.id()).is_some(), "every epoch is held");
    }
    assert_eq!(two.keys.0.epoch().id(), one.keys.0.epoch().id());
    two.caption(asset(&photo), "from the phone");
    two.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    assert_eq!(one.captions(asset(&photo)), ["Text(\"from the phone\")"]);
    // It can be shut out as any other; and the words still bring a third in.
    let tip = one.catalog.tip(two.keys.0.device().id()).unwrap();
    let body = StatementBody::Revoke {
        device: two.keys.0.device().id(),
        last_seq: tip.seq.0,
        last_root: tip.root.0,
    };
    let epoch = start_epoch(&mut one.here(), Some(&body)).unwrap();
    one.sync(&place.store).await.unwrap();
    two.sync(&place.store).await.unwrap();
    assert!(two.keys.0.epoch_by_id(&epoch).is_none(), "the new epoch is not for it");
    let three = Phone::join(&place.store, &words, 804).await.unwrap();
    assert_eq!(three.captions(asset(&photo)), ["Text(\"from the phone\")"]);
}

#[tokio::test]
async fn what_is_left_of_a_pairing_says_that_it_is_used_and_lets_nobody_in_again() {
    let pair = invited(810).await;
    let code = pair.code();
    let (place, one, _) = let_in(pair, 811).await;
    assert_eq!(left(&place), ["closed", "reveal", "welcome"]);
    let mut entropy = SeededEntropy::new(812);
    let again = answer_invitation(&place.store, &code, "Thief", one.now, &mut entropy).await;
    assert_eq!(refusal(again), PairingRefusal::Used);
}

#[tokio::test]
async fn where_nothing_can_be_deleted_the_card_that_closes_shuts_the_offer() {
    let pair = invited(820).await;
    *pair.place.remote.deletes.lock().unwrap() = Deletes::Denied;
    let code = pair.code();
    let (place, one, _) = let_in(pair, 821).await;
    let names = left(&place);
    assert!(["closed", "offer", "reveal", "welcome"].iter().all(|name| names.contains(&(*name).to_owned())));
    let mut entropy = SeededEntropy::new(822);
    let again = answer_invitation(&place.store, &code, "Thief", one.now, &mut entropy).await;
    assert_eq!(refusal(again), PairingRefusal::Used);
}

#[tokio::test]
async fn an_expired_code_lets_nobody_in_on_either_side() {
    let mut pair = invited(830).await;
    let code = pair.code();
    pair.one.now += PAIRING_MILLIS;
    assert_eq!(refusal(pair.answer(&code).await), PairingRefusal::Expired);
    assert_eq!(refusal(pair.look().await), PairingRefusal::Expired);
    assert_eq!(left(&pair.place), ["closed"]);
    // Who comes with a clock that is behind reads it from the card.
    pair.one.now -= PAIRING_MILLIS;
    assert_eq!(refusal(pair.answer(&code).await), PairingRefusal::Expired);

    // Whoever asked in time and is answered too late is not let in.
    let mut pair = invited(831).await;
    let code = pair.code();
    let asking = pair.answer(&code).await.unwrap();
    let asked = pair.asked().await;
    let members = pair.one.here().roster().unwrap().unwrap().members().len();
    pair.one.now += PAIRING_MILLIS;
    let now = pair.one.now;
    let (place, mut one, admitted) = pair.admit(&asked).await;
    assert_eq!(refusal(admitted), PairingRefusal::Expired);
    assert_eq!(refusal(asking.be_welcomed(&place.store, now).await), PairingRefusal::Expired);
    assert_eq!(one.here().roster().unwrap().unwrap().members().len(), members);
}

#[tokio::test]
async fn a_wrong_code_is_counted_and_the_third_closes_the_invitation() {
    let mut pair = invited(840).await;
    let code = pair.code();
    for tried in 1..=3 {
        let wrong = pair.other_code();
        assert!(matches!(refusal(pair.answer(&wrong).await), PairingRefusal::WrongCode { .. }));
        match (tried, pair.look().await) {
            (1 | 2, Ok(Looked::WrongTry { left })) => assert_eq!(left, 3 - tried),
            (3, ended) => assert_eq!(refusal(ended), PairingRefusal::TooManyTries),
            (_, other) => panic!("try {tried}: {other:?}"),
        }
    }
    // The right one comes too late.
    assert_eq!(refusal(pair.answer(&code).await), PairingRefusal::TooManyTries);
    assert_eq!(left(&pair.place), ["closed"]);
}

#[tokio::test]
async fn one_wrong_code_does_not_keep_the_right_one_out() {
    let mut pair = invited(845).await;
    let wrong = pair.other_code();
    assert!(matches!(refusal(pair.answer(&wrong).await), PairingRefusal::WrongCode { .. }));
    assert!(matches!(pair.look().await, Ok(Looked::WrongTry { left: 2 })));
    let (_, one, two) = let_in(pair, 846).await;
    assert_eq!(one.hash(), two.hash());
}

#[tokio::test]
async fn without_an_invitation_there_is_nothing_to_answer() {
    let place = TestPlace::new();
    let (mut one, _) = Phone::founder(850);
    one.sync(&place.store).await.unwrap();
    let mut entropy = SeededEntropy::new(851);
    let code = PairingCode::generate(&mut entropy);
    let answered = answer_invitation(&place.store, &code, "Phone", one.now, &mut entropy).await;
    assert!(matches!(refusal(answered), PairingRefusal::NoInvitation { .. }));
    assert_eq!(left(&place), [""; 0]);
}

#[tokio::test]
async fn a_card_that_was_exchanged_is_refused_by_both_sides() {
    let mut pair = invited(860).await;
    let code = pair.code();
    // Somebody who may write to the place puts a card of his own there: he has no code, so it is sealed under another.
    let card = object(&pair.place, "offer");
    let id: PairingId = card.split('/').nth(1).unwrap().parse().unwrap();
    let (mallory, _) = Phone::founder(861);
    let theirs = mallory.keys.0.clone();
    let key = PairingKey::derive(&pair.other_code(), id);
    let ids = (theirs.library(), theirs.words().id());
    let expires = pair.one.now + PAIRING_MILLIS;
    let (_, _, sealed) =
        Offer::seal(&key, ids, theirs.device(), expires, "Laptop", &mut pair.entropy).unwrap();
    std::fs::write(pair.place.path(&card), sealed.as_bytes()).unwrap();
    assert!(matches!(refusal(pair.answer(&code).await), PairingRefusal::WrongCode { .. }));
    let refused = refusal(pair.look().await);
    assert!(matches!(&refused, PairingRefusal::Exchanged { object, .. } if *object == card), "{refused}");
    assert_eq!(refusal(pair.answer(&code).await), PairingRefusal::CalledOff);
}

#[tokio::test]
async fn an_answer_that_somebody_else_put_there_first_ends_the_pairing() {
    let mut pair = invited(865).await;
    let code = pair.code();
    let asking = pair.answer(&code).await.unwrap();
    let reveal = object(&pair.place, "offer").replace("offer", "reveal");
    std::fs::write(pair.place.path(&reveal), b"of somebody else").unwrap();
    let refused = refusal(pair.look().await);
    assert!(matches!(&refused, PairingRefusal::Exchanged { object, .. } if *object == reveal), "{refused}");
    assert_eq!(refusal(asking.hear(&pair.place.store, NOW).await), PairingRefusal::CalledOff);
}

#[tokio::test]
async fn who_read_the_code_and_stands_between_makes_the_words_differ() {
    let mut pair = invited(870).await;
    let code = pair.code();
    // He answers the offer himself, and makes an offer of his own under the same code for the phone.
    let middle = pair.answer(&code).await.unwrap();
    let asked = pair.asked().await;
    let heard = middle.hear(&pair.place.store, pair.one.now).await.unwrap();
    assert_eq!(heard.as_ref(), Some(&asked.six_words), "between those two all is well");
    let theirs = invite_under(&code, 871).await;
    let mut entropy = SeededEntropy::new(872);
    let phone = answer_invitation(&theirs.0.store, &code, "Phone", pair.one.now, &mut entropy).await.unwrap();
    let shown = theirs.1(&phone);
    assert_ne!(shown, asked.six_words, "the phone shows other words than the laptop");
    // The laptop's owner says no: nobody is admitted.
    pair.invitation.close(&pair.place.store, Closing::CalledOff, &mut entropy).await.unwrap();
    let ended = middle.be_welcomed(&pair.place.store, pair.one.now).await;
    assert_eq!(refusal(ended), PairingRefusal::CalledOff);
}

/// Somebody else's place with an offer under a code that he has read, and the words that he can make a device show.
async fn invite_under(code: &PairingCode, seed: u64) -> (TestPlace, impl Fn(&Asking) -> String) {
    let place = TestPlace::new();
    let (mallory, _) = Phone::founder(seed);
    let mut entropy = SeededEntropy::new(seed + 50);
    let keyring = mallory.keys.0.clone();
    let key = PairingKey::derive(code, PairingId::generate(&mut entropy));
    let ids = (keyring.library(), keyring.words().id());
    let (offer, nonce, sealed) =
        Offer::seal(&key, ids, keyring.device(), NOW + PAIRING_MILLIS, "Laptop", &mut entropy).unwrap();
    let path = place.path(&names::pairing_offer(&key.id()));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, sealed.as_bytes()).unwrap();
    let at = place.clone();
    let shows = move |_: &Asking| {
        let name = at.objects("pair").into_keys().find(|name| !name.ends_with("offer")).unwrap();
        let ask_name: PairingId = name.rsplit('/').next().unwrap().parse().unwrap();
        let bytes = std::fs::read(at.path(&name)).unwrap();
        let ask = Ask::open(&key, &ask_name, &offer, &bytes).unwrap();
        let mut entropy = SeededEntropy::new(9);
        let (reveal, _) = Reveal::seal(&key, &ask, nonce, keyring.device(), &mut entropy).unwrap();
        pairing_words(&offer, &ask, &reveal)
    };
    (place, shows)
}

#[tokio::test]
async fn a_card_that_is_put_there_again_lets_nobody_in() {
    let mut pair = invited(880).await;
    let code = pair.code();
    let (card, now) = (object(&pair.place, "offer"), pair.one.now);
    let recorded = std::fs::read(pair.place.path(&card)).unwrap();
    let first = pair.answer(&code).await.unwrap();
    let asked = pair.asked().await;
    let reveal = object(&pair.place, "reveal");
    let revealed = std::fs::read(pair.place.path(&reveal)).unwrap();
    assert!(first.hear(&pair.place.store, now).await.unwrap().is_some());
    let (place, mut one, admitted) = pair.admit(&asked).await;
    admitted.unwrap();
    let members = one.here().roster().unwrap().unwrap().members().len();
    // Everything of that pairing comes back, and what says that it is closed goes.
    std::fs::write(place.path(&card), recorded.clone()).unwrap();
    std::fs::write(place.path(&reveal), revealed).unwrap();
    place.remove(&object(&place, "closed"));
    let mut entropy = SeededEntropy::new(881);
    let again = answer_invitation(&place.store, &code, "Second", now, &mut entropy).await.unwrap();
    let refused = refusal(again.hear(&place.store, now).await);
    assert!(
        matches!(&refused, PairingRefusal::NotForUs { reason, .. } if reason == "it answers another device"),
        "{refused}"
    );
    let refused = refusal(again.be_welcomed(&place.store, now).await);
    assert!(matches!(refused, PairingRefusal::NotForUs { .. }));
    place.remove(&reveal);
    assert_eq!(refusal(again.hear(&place.store, now + PAIRING_MILLIS).await), PairingRefusal::NoAnswer);
    one.sync(&place.store).await.unwrap();
    assert_eq!(one.here().roster().unwrap().unwrap().members().len(), members, "nobody else came in");
    // Under the name of another pairing it does not open at all.
    let elsewhere =
        card.replace(card.split('/').nth(1).unwrap(), &PairingId::generate(&mut entropy).to_string());
    place.remove(&card);
    std::fs::create_dir_all(place.path(&elsewhere).parent().unwrap()).unwrap();
    std::fs::write(place.path(&elsewhere), recorded).unwrap();
    let moved = answer_invitation(&place.store, &code, "Third", now, &mut entropy).await;
    assert!(matches!(refusal(moved), PairingRefusal::WrongCode { .. }));
}

#[tokio::test]
async fn a_revoked_device_invites_nobody() {
    let place = TestPlace::new();
    let (mut one, words) = Phone::founder(890);
    one.sync(&place.store).await.unwrap();
    let mut two = Phone::join(&place.store, &words, 891).await.unwrap();
    two.sync(&place.store).await.unwrap();
    one.sync(&place.store).await.unwrap();
    let revoked = two.keys.0.device().id();
    let revoke = |one: &mut Phone| {
        let tip = one.catalog.tip(revoked).unwrap();
        let body = StatementBody::Revoke { device: revoked, last_seq: tip.seq.0, last_root: tip.root.0 };
        start_epoch(&mut one.here(), Some(&body)).unwrap();
    };
    // It is revoked while its invitation is open: it hears of that before it would let anybody in.
    let mut pair = invite(place.clone(), two, 892).await;
    let code = pair.code();
    let asking = pair.answer(&code).await.unwrap();
    let asked = pair.asked().await;
    revoke(&mut one);
    one.sync(&place.store).await.unwrap();
    let (_, mut two, admitted) = pair.admit(&asked).await;
    assert_eq!(refusal(admitted), PairingRefusal::InviterLeft { device: revoked });
    let ended = asking.be_welcomed(&place.store, NOW).await;
    assert_eq!(refusal(ended), PairingRefusal::CalledOff);
    // And it makes no other.
    let at = two.at(&place.store);
    let again = Invitation::open(&mut two.here(), &at, "Stolen").await;
    assert_eq!(refusal(again), PairingRefusal::InviterLeft { device: revoked });
}

#[tokio::test]
async fn what_older_pairings_left_is_cleared_by_the_next_invitation() {
    let mut pair = invited(898).await;
    pair.invitation.close(&pair.place.store, Closing::CalledOff, &mut pair.entropy).await.unwrap();
    assert_eq!(left(&pair.place), ["closed"]);
    let at = pair.one.at(&pair.place.store);
    // The folder's clock is the machine's: a day and a bit later.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    pair.one.now = u64::try_from(now.as_millis()).unwrap() + 90_000_000;
    let again = Invitation::open(&mut pair.one.here(), &at, "Laptop").await.unwrap();
    assert_eq!(left(&pair.place), ["offer"]);
    again.close(&pair.place.store, Closing::CalledOff, &mut pair.entropy).await.unwrap();
}
