use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use safelight_crypto::{Entropy as _, PairingCode, PairingId, PairingKey, SeededEntropy, names};

use super::wire::{Answer, Request, read_answer, read_request, write_answer, write_request};
use super::*;

const NEW: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn message(id: PairingId, name: &str, entropy: &mut SeededEntropy) -> Bytes {
    let key = PairingKey::derive(&PairingCode::generate(entropy), id);
    Bytes::from(key.seal(name, b"something", entropy).expect("seals").into_bytes())
}

#[tokio::test]
async fn requests_and_answers_are_read_back_and_nothing_else_is_one() {
    let long = Bytes::from(vec![7; 64 << 10]);
    for request in [
        Request::Names,
        Request::Message("pair/a/offer".into()),
        Request::Leave("pair/a/b".into(), long.clone()),
    ] {
        let mut bytes = Vec::new();
        write_request(&mut bytes, &request).await.expect("writes");
        assert_eq!(read_request(&mut bytes.as_slice()).await.expect("reads"), request);
        for cut in [0, 4, 6, 10, bytes.len() - 1] {
            assert!(read_request(&mut &bytes[..cut]).await.is_err(), "cut at {cut}");
        }
        for at in [0, 4, 5, 6] {
            let mut other = bytes.clone();
            other[at] ^= 0x40;
            assert!(read_request(&mut other.as_slice()).await.is_err(), "byte {at}");
        }
    }
    for answer in [Answer::Done(long), Answer::Nothing, Answer::Refused] {
        let mut bytes = Vec::new();
        write_answer(&mut bytes, &answer).await.expect("writes");
        assert_eq!(read_answer(&mut bytes.as_slice()).await.expect("reads"), answer);
    }
    // What says that it is too long is refused before it is waited for.
    let mut bytes = Vec::new();
    write_request(&mut bytes, &Request::Leave("x".into(), Bytes::from(vec![7; (64 << 10) + 1])))
        .await
        .expect("writes");
    let refused = read_request(&mut &bytes[..16]).await.expect_err("too long");
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidData);
    let mut bytes = Vec::new();
    write_request(&mut bytes, &Request::Message("x".repeat(129))).await.expect("writes");
    let refused = read_request(&mut &bytes[..11]).await.expect_err("too long");
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn a_board_takes_asks_of_its_pairing_and_nothing_else() {
    let mut entropy = SeededEntropy::new(1);
    let (id, other) = (PairingId::generate(&mut entropy), PairingId::generate(&mut entropy));
    let board = Board::new(id);
    board.say(names::pairing_offer(&id), Bytes::from_static(b"an offer"));
    let leave = |name: &str, bytes: &Bytes| board.answer(&Request::Leave(name.into(), bytes.clone()), NEW);
    let ask = PairingId::generate(&mut entropy);
    let bytes = message(id, "x", &mut entropy);
    for name in [
        names::pairing_offer(&id),
        names::pairing_reveal(&id),
        names::pairing_ask(&other, &ask),
        format!("{}/more", names::pairing_ask(&id, &ask)),
        format!("log/{id}/{ask}"),
        format!("pair/{id}/../{ask}"),
        String::new(),
    ] {
        assert_eq!(leave(&name, &bytes), Answer::Refused, "{name}");
    }
    let name = names::pairing_ask(&id, &ask);
    assert_eq!(leave(&name, &Bytes::from(vec![0; 500])), Answer::Refused, "no sealed object");
    assert_eq!(board.asks(), []);
    assert_eq!(leave(&name, &bytes), Answer::Done(Bytes::new()));
    assert_eq!(leave(&name, &bytes), Answer::Done(Bytes::new()), "its answer was lost");
    assert_eq!(leave(&name, &message(id, "y", &mut entropy)), Answer::Refused, "the first one stays");
    assert_eq!(board.asks(), [(ask, bytes.clone())]);
    // It holds no more than a few, and none once it is over.
    for _ in 0..7 {
        let ask = PairingId::generate(&mut entropy);
        assert_eq!(leave(&names::pairing_ask(&id, &ask), &bytes), Answer::Done(Bytes::new()));
    }
    let late = names::pairing_ask(&id, &PairingId::generate(&mut entropy));
    assert_eq!(leave(&late, &bytes), Answer::Refused);
    let fresh = Board::new(id);
    fresh.say(names::pairing_closed(&id), Bytes::from_static(b"an end"));
    assert_eq!(fresh.answer(&Request::Leave(name, bytes), NEW), Answer::Refused);
}

#[test]
fn a_board_is_waited_for_until_whoever_asked_has_read_the_last_word() {
    let mut entropy = SeededEntropy::new(2);
    let id = PairingId::generate(&mut entropy);
    let board = Board::new(id);
    let read = |name: String, from: IpAddr| {
        let request = Request::Message(name);
        board.note_read(&request, &board.answer(&request, from), from);
    };
    assert!(!board.is_waited_for(), "nobody asked");
    let ask = PairingId::generate(&mut entropy);
    let left = Request::Leave(names::pairing_ask(&id, &ask), message(id, "x", &mut entropy));
    assert_eq!(board.answer(&left, NEW), Answer::Done(Bytes::new()));
    board.expect_reader(ask);
    read(names::pairing_closed(&id), NEW);
    assert!(board.is_waited_for(), "there was nothing to read yet");
    let said = Bytes::from_static(b"said");
    for name in [names::pairing_places(&id), names::pairing_welcome(&id), names::pairing_closed(&id)] {
        board.say(name, said.clone());
    }
    read(names::pairing_closed(&id), NEW);
    read(names::pairing_welcome(&id), NEW);
    assert!(board.is_waited_for() && board.has_welcomed(), "it does not know yet where the library rests");
    read(names::pairing_places(&id), STRANGER);
    assert!(board.is_waited_for(), "somebody else read it");
    read(names::pairing_places(&id), NEW);
    assert!(!board.is_waited_for());
}

#[tokio::test]
async fn whatever_bytes_come_are_refused_or_read_as_what_says_the_same_again() {
    let mut entropy = SeededEntropy::new(3);
    let (mut read, mut refused) = (0, 0);
    for round in 0..20_000_usize {
        let mut bytes = Vec::new();
        let content = Bytes::from(vec![7; round % 50]);
        let request = match round % 3 {
            0 => Request::Names,
            1 => Request::Message("pair/a/offer".into()),
            _ => Request::Leave("pair/a/b".into(), content.clone()),
        };
        write_request(&mut bytes, &request).await.expect("writes");
        let mut answer = Vec::new();
        write_answer(&mut answer, &Answer::Done(content)).await.expect("writes");
        let mut drawn = [0; 4];
        for bytes in [&mut bytes, &mut answer] {
            entropy.fill(&mut drawn);
            let at = usize::from(drawn[0]) % bytes.len();
            bytes[at] ^= drawn[1];
            if drawn[2] < 64 {
                bytes.truncate(usize::from(drawn[3]) % bytes.len());
            }
        }
        match read_request(&mut bytes.as_slice()).await {
            Ok(request) => {
                let mut again = Vec::new();
                write_request(&mut again, &request).await.expect("writes");
                assert_eq!(read_request(&mut again.as_slice()).await.expect("reads"), request);
                assert!(again.len() <= bytes.len(), "nothing is made of nothing");
                read += 1;
            }
            Err(_) => refused += 1,
        }
        if let Ok(read) = read_answer(&mut answer.as_slice()).await {
            let mut again = Vec::new();
            write_answer(&mut again, &read).await.expect("writes");
            assert!(again.len() <= answer.len() && answer.starts_with(&again[..7]), "{read:?}");
        }
    }
    assert!(read > 1_000 && refused > 1_000, "{read} read, {refused} refused");
}

#[test]
fn only_networks_at_hand_are_local() {
    for near in
        ["192.168.1.5", "10.0.0.1", "172.31.0.1", "169.254.3.3", "127.0.0.1", "fd00::1", "fe80::1", "::1"]
    {
        assert!(is_local(near.parse().expect("an address")), "{near}");
    }
    for far in ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "0.0.0.0", "::", "::ffff:8.8.8.8"] {
        assert!(!is_local(far.parse().expect("an address")), "{far}");
    }
    assert!(!is_local(Ipv4Addr::BROADCAST.into()) && !is_local(Ipv6Addr::UNSPECIFIED.into()));
}
