//! A device lets a new one in over the local network, and everything that somebody else there may try meanwhile. The
//! network is this machine's own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use safelight_crypto::{
    Closing, Keyring, Offer, PairingCode, PairingId, PairingKey, PairingPlace, SeededEntropy, names,
};
use safelight_sync::{
    Asked, Asking, Board, Carrier, Invitation, LanCarrier, Looked, PAIRING_MILLIS, PairingRefusal, Result,
    SyncError, answer_invitation, confirm_admission, find_library_as, serve_board,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::common::*;

/// A place with a device that invites there and on the network, and the new device's side.
struct Pair {
    place: TestPlace,
    one: Phone,
    invitation: Invitation,
    board: Arc<Board>,
    near: LanCarrier,
    address: SocketAddr,
    entropy: SeededEntropy,
    serves: JoinHandle<()>,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.serves.abort();
    }
}

async fn listen(board: Arc<Board>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(async move { serve_board(&[listener], &board).await }))
}

async fn invited(seed: u64) -> Pair {
    let place = TestPlace::new();
    let (mut one, _) = Phone::founder(seed);
    one.sync(&place.store).await.unwrap();
    let at = one.at(&place.store);
    let mut invitation = Invitation::open(&mut one.here(), &at, "Laptop").await.unwrap();
    let known = |name: &str, address: &str| PairingPlace { name: name.into(), address: address.into() };
    let board = invitation.also_on_board(vec![known("nas", "folder:/nas"), known("cloud", "azure://a/b")]);
    let (address, serves) = listen(Arc::clone(&board)).await;
    let near = LanCarrier::new(address);
    Pair { place, one, invitation, board, near, address, entropy: SeededEntropy::new(seed + 1000), serves }
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> PairingRefusal {
    let told = format!("{result:?}");
    let Err(SyncError::Pairing(refusal)) = result else { unreachable!("no refusal: {told}") };
    refusal
}

impl Pair {
    async fn answer(&mut self, code: &PairingCode) -> Result<Asking> {
        answer_invitation(&self.near, code, "Phone", self.one.now, &mut self.entropy).await
    }

    async fn try_another(&mut self) -> PairingRefusal {
        let wrong = PairingCode::generate(&mut self.entropy);
        refusal(self.answer(&wrong).await)
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

    /// Whether the new device, with the right code, is still let in.
    async fn still_lets_in(&mut self) {
        let code = self.invitation.code().clone();
        let asking = self.answer(&code).await.unwrap();
        let asked = self.asked().await;
        assert_eq!(asking.hear(&self.near, self.one.now).await.unwrap(), Some(asked.six_words.clone()));
    }
}

#[tokio::test]
async fn a_device_near_by_is_let_in_learns_where_the_library_rests_and_joins_from_there() {
    let mut pair = invited(1800).await;
    let code = pair.invitation.code().clone();
    let asking = pair.answer(&code).await.unwrap();
    assert!(!pair.board.is_waited_for());
    let asked = pair.asked().await;
    let now = pair.one.now;
    assert_eq!(asking.hear(&pair.near, now).await.unwrap(), Some(asked.six_words.clone()));
    assert!(asking.be_welcomed(&pair.near, now).await.unwrap().is_none(), "nobody compared yet");
    assert_eq!(asking.learn_places(&pair.near, now).await.unwrap(), None);
    // The place never saw the ask.
    assert!(
        pair.place.objects("pair").keys().all(|name| name.ends_with("offer") || name.ends_with("reveal"))
    );
    let at = pair.one.at(&pair.place.store);
    let Pair { ref near, ref place, ref board, ref mut one, .. } = pair;
    // The invitation is spent; another takes its place in the fixture.
    let spare = Invitation::open(&mut one.here(), &at, "spare").await.unwrap();
    let invitation = std::mem::replace(&mut pair.invitation, spare);
    let admitted = invitation.admit(&mut one.here(), &at, &asked, Vec::new()).await.unwrap();
    assert_eq!(admitted.device, asking.device().id());
    assert!(board.is_waited_for() && board.has_welcomed());
    let welcome = asking.be_welcomed(near, now).await.unwrap().unwrap();
    let places = asking.learn_places(near, now).await.unwrap().unwrap();
    let told: Vec<_> = places.iter().map(|place| (place.name.as_str(), place.address.as_str())).collect();
    assert_eq!(told, [("nas", "folder:/nas"), ("cloud", "azure://a/b")]);
    until(|| !board.is_waited_for()).await;
    let joining = find_library_as(&place.store, &asking, &welcome).await.unwrap();
    let mut entropy = SeededEntropy::new(1801);
    let (library, words, epochs) = (joining.library, joining.words.clone(), joining.epochs.clone());
    let keyring = Keyring::join_as(library, words, asking.device().clone(), epochs, &mut entropy).unwrap();
    let mut two = Phone::with(keyring, entropy);
    let at = two.at(&place.store);
    assert_eq!(joining.take_in(&mut two.here(), &at).await.unwrap().problems, []);
    confirm_admission(&mut two.here(), &at).await.unwrap();
    assert_eq!(one.hash(), two.hash());
    // The code is used, here as in the place; and what is near stands in no place.
    let mut entropy = SeededEntropy::new(1802);
    let again = answer_invitation(near, &code, "Thief", now, &mut entropy).await;
    assert_eq!(refusal(again), PairingRefusal::Used);
    let again = answer_invitation(&place.store, &code, "Thief", now, &mut entropy).await;
    assert_eq!(refusal(again), PairingRefusal::Used);
    assert!(place.objects("pair").keys().all(|name| !name.ends_with("places")));
}

#[tokio::test]
async fn three_tries_near_by_end_the_invitation_there_and_not_in_the_place() {
    let mut pair = invited(1810).await;
    let wrong = PairingCode::generate(&mut pair.entropy);
    let tried = answer_invitation(&pair.place.store, &wrong, "Phone", pair.one.now, &mut pair.entropy).await;
    assert!(matches!(refusal(tried), PairingRefusal::WrongCode { .. }));
    assert!(matches!(pair.look().await, Ok(Looked::WrongTry { left: 2 })));
    for left in [2, 1, 0] {
        assert!(matches!(pair.try_another().await, PairingRefusal::WrongCode { .. }));
        let looked = pair.look().await.unwrap();
        assert!(matches!(looked, Looked::WrongTryNear { left: now } if now == left), "{looked:?}");
    }
    // Near by, who has the code reads why; through the place it comes in.
    let code = pair.invitation.code().clone();
    assert_eq!(refusal(pair.answer(&code).await), PairingRefusal::TooManyTries);
    let now = pair.one.now;
    let asking = answer_invitation(&pair.place.store, &code, "Phone", now, &mut pair.entropy).await.unwrap();
    let asked = pair.asked().await;
    assert_eq!(asking.hear(&pair.place.store, now).await.unwrap(), Some(asked.six_words.clone()));
}

#[tokio::test]
async fn an_ask_that_opens_comes_before_all_that_do_not() {
    let mut pair = invited(1815).await;
    for _ in 0..4 {
        pair.try_another().await;
    }
    pair.still_lets_in().await;
}

/// What a connection from that address of this machine is answered.
async fn asked_from(from: [u8; 4], to: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(to).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn get_request(name: &str) -> Vec<u8> {
    let length = u32::try_from(name.len()).unwrap().to_be_bytes();
    [b"SLLN\0\x01\x02".as_slice(), &length, name.as_bytes(), &[0; 4]].concat()
}

#[tokio::test]
async fn a_stranger_who_reads_along_does_not_count_as_the_new_device() {
    let mut pair = invited(1816).await;
    let code = pair.invitation.code().clone();
    let asking = pair.answer(&code).await.unwrap();
    let asked = pair.asked().await;
    let (id, _) = pair.near.messages().await.unwrap()[0].clone();
    let at = pair.one.at(&pair.place.store);
    let spare = Invitation::open(&mut pair.one.here(), &at, "spare").await.unwrap();
    let invitation = std::mem::replace(&mut pair.invitation, spare);
    invitation.admit(&mut pair.one.here(), &at, &asked, Vec::new()).await.unwrap();
    let read = get_request(&names::pairing_places(&id));
    let answer = asked_from([127, 0, 0, 2], pair.address, &read).await.unwrap();
    assert!(answer.len() > 1_000, "he may read what he cannot open");
    // The new device itself, cut off before it has read all.
    let mut cut = TcpStream::connect(pair.address).await.unwrap();
    cut.write_all(&read).await.unwrap();
    cut.read_exact(&mut [0; 8]).await.unwrap();
    drop(cut);
    // Connections are answered one after another: what these are counted as is known by now.
    assert!(pair.near.message(&names::pairing_welcome(&id)).await.unwrap().is_some());
    assert!(pair.board.is_waited_for(), "it has not heard yet");
    assert!(asking.learn_places(&pair.near, pair.one.now).await.unwrap().is_some());
    until(|| !pair.board.is_waited_for()).await;
}

/// Waits until the other task has seen what was done.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(is_so(), "it never came");
}

#[tokio::test]
async fn a_flood_from_other_addresses_does_not_end_the_request_of_the_new_device() {
    let pair = invited(1817).await;
    let (id, _) = pair.near.messages().await.unwrap()[0].clone();
    let request = get_request(&names::pairing_offer(&id));
    let mut honest = TcpStream::connect(pair.address).await.unwrap();
    honest.write_all(&request[..10]).await.unwrap();
    let mut held = Vec::new();
    for number in 0..200_u8 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 2 + number % 10], 0).into()).unwrap();
        let mut stream = socket.connect(pair.address).await.unwrap();
        let _ended = stream.write_all(b"SLLN").await;
        held.push(stream);
    }
    // All of them were taken once one that came after them is answered.
    let after = asked_from([127, 0, 0, 1], pair.address, &request).await.unwrap();
    honest.write_all(&request[10..]).await.unwrap();
    let mut answer = Vec::new();
    honest.read_to_end(&mut answer).await.unwrap();
    assert_eq!((answer.len() > 500, answer), (true, after));
    drop(held);
}

#[tokio::test]
async fn an_expired_code_lets_nobody_in_from_near_by() {
    let mut pair = invited(1820).await;
    let code = pair.invitation.code().clone();
    let asking = pair.answer(&code).await.unwrap();
    pair.one.now += PAIRING_MILLIS;
    assert_eq!(refusal(pair.answer(&code).await), PairingRefusal::Expired);
    assert_eq!(refusal(pair.look().await), PairingRefusal::Expired);
    // Who asked in time reads how it ended, whatever its own clock says.
    assert_eq!(refusal(asking.hear(&pair.near, NOW).await), PairingRefusal::Expired);
    pair.one.now -= PAIRING_MILLIS;
    assert_eq!(refusal(pair.answer(&code).await), PairingRefusal::Expired);
}

/// Somebody between the two: passes on what each says, and puts a card of his own in place of the offer.
async fn exchanging(to: SocketAddr, offer: String, card: Vec<u8>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let relays = async move {
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            let mut said = Vec::new();
            let mut part = [0; 4096];
            // A request is whole once nothing more comes for a moment; its length is in it.
            while !is_whole(&said) {
                let read = from.read(&mut part).await.unwrap();
                said.extend_from_slice(&part[..read]);
            }
            let answer = if said[6] == 2 && said.windows(offer.len()).any(|bytes| bytes == offer.as_bytes()) {
                let length = u32::try_from(card.len()).unwrap().to_be_bytes();
                [b"SLLN\0\x01\0".as_slice(), &length, &card].concat()
            } else {
                let mut there = TcpStream::connect(to).await.unwrap();
                there.write_all(&said).await.unwrap();
                let mut answer = Vec::new();
                there.read_to_end(&mut answer).await.unwrap();
                answer
            };
            from.write_all(&answer).await.unwrap();
        }
    };
    (address, tokio::spawn(relays))
}

fn is_whole(request: &[u8]) -> bool {
    let field = |at: usize| {
        let length = request.get(at..at + 4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        request.get(at + 4..at + 4 + length).map(|_| at + 4 + length)
    };
    field(7).and_then(field).is_some()
}

#[tokio::test]
async fn a_card_that_somebody_between_exchanged_is_refused_and_both_sides_hear_of_it() {
    let mut pair = invited(1830).await;
    let code = pair.invitation.code().clone();
    let names = pair.near.messages().await.unwrap();
    let id: PairingId = names[0].0;
    let (mallory, _) = Phone::founder(1831);
    let theirs = mallory.keys.0.clone();
    let key = PairingKey::derive(&PairingCode::generate(&mut pair.entropy), id);
    let ids = (theirs.library(), theirs.words().id());
    let expires = pair.one.now + PAIRING_MILLIS;
    let (_, _, card) = Offer::seal(&key, ids, theirs.device(), expires, "Laptop", &mut pair.entropy).unwrap();
    let offer = names::pairing_offer(&id);
    let (address, relays) = exchanging(pair.address, offer, card.as_bytes().to_vec()).await;
    let between = LanCarrier::new(address);
    let answered = answer_invitation(&between, &code, "Phone", pair.one.now, &mut pair.entropy).await;
    let refused = refusal(answered);
    assert!(
        matches!(&refused, PairingRefusal::WrongCode { place } if place.contains(&address.to_string())),
        "{refused}"
    );
    assert!(refused.to_string().contains("somebody exchanged the card"), "{refused}");
    assert!(matches!(pair.look().await, Ok(Looked::WrongTryNear { left: 2 })), "who invites hears of it");
    // Past him the device is let in.
    pair.still_lets_in().await;
    relays.abort();
}

#[tokio::test]
async fn garbage_and_what_is_too_long_is_nobodys_try() {
    let mut pair = invited(1840).await;
    let long = [b"SLLN\0\x01\x03\0\0\0\x01x".as_slice(), &u32::MAX.to_be_bytes(), &[7; 5000]].concat();
    let huge_name = [b"SLLN\0\x01\x02".as_slice(), &0x1000_u32.to_be_bytes(), &[b'a'; 5000]].concat();
    for garbage in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0xff; 100_000], long, huge_name, Vec::new()] {
        let mut stream = TcpStream::connect(pair.address).await.unwrap();
        // It may be cut off before all is written.
        let _cut = stream.write_all(&garbage).await;
        let _cut = stream.shutdown().await;
        let mut answer = Vec::new();
        let _cut = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "nothing is answered to {garbage:.8?}");
    }
    // A whole request with a message that can be none.
    let (id, _) = pair.near.messages().await.unwrap()[0].clone();
    let name = names::pairing_ask(&id, &PairingId::generate(&mut pair.entropy));
    let field = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let request = [b"SLLN\0\x01\x03".as_slice(), &field(name.as_bytes()), &field(&[9; 1000])].concat();
    let mut stream = TcpStream::connect(pair.address).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"SLLN\0\x01\x02\0\0\0\0");
    // Other messages than asks cannot be left, nor read what is none of this pairing.
    let key = PairingKey::derive(&PairingCode::generate(&mut pair.entropy), id);
    let sealed = Closing::Used.seal(&key, &mut pair.entropy).unwrap();
    let left = pair.near.leave(&names::pairing_closed(&id), sealed).await;
    assert!(left.is_err(), "{left:?}");
    assert_eq!(pair.near.message("log/x").await.unwrap(), None);
    assert!(matches!(pair.look().await, Ok(Looked::Nothing)));
    pair.still_lets_in().await;
}

#[tokio::test]
async fn who_holds_many_connections_open_keeps_the_new_device_out_no_more_than_the_clock() {
    let mut pair = invited(1850).await;
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(pair.address).await.unwrap();
        let _ended = stream.write_all(b"SLLN").await;
        held.push(stream);
    }
    // It is let in while all of them are held, long before any of them runs out of time.
    tokio::time::timeout(Duration::from_secs(4), pair.still_lets_in()).await.unwrap();
    drop(held);
}

#[tokio::test]
async fn a_device_that_is_gone_is_named_as_the_network_that_failed() {
    let mut pair = invited(1860).await;
    let code = pair.invitation.code().clone();
    pair.serves.abort();
    while !pair.serves.is_finished() {
        tokio::task::yield_now().await;
    }
    let Err(SyncError::Store(error)) = pair.answer(&code).await else { unreachable!("nobody is there") };
    assert!(error.is_network() && error.to_string().contains("the local network (127.0.0.1:"), "{error}");
}
