use super::*;
use crate::device::Device;
use crate::entropy::SeededEntropy;
use crate::error::Fault;
use crate::ids::{EpochId, base32};
use crate::inbox::{InboxKey, InboxWelcome};

struct Both {
    entropy: SeededEntropy,
    key: PairingKey,
    inviter: Device,
    new: Device,
    offer: Offer,
    nonce: [u8; 32],
    sealed: Sealed,
}

fn both(seed: u64) -> Both {
    let mut entropy = SeededEntropy::new(seed);
    let (inviter, new) = (Device::generate(&mut entropy), Device::generate(&mut entropy));
    let key = PairingKey::derive(&PairingCode::generate(&mut entropy), PairingId::generate(&mut entropy));
    let library = LibraryId::from_bytes([3; 20]);
    let made = Offer::seal(&key, (library, library), &inviter, 600_000, "Laptop", &mut entropy);
    let (offer, nonce, sealed) = made.expect("seals");
    Both { entropy, key, inviter, new, offer, nonce, sealed }
}

fn ask(both: &mut Both, name: &PairingId) -> (Ask, Sealed) {
    Ask::seal(&both.key, name, &both.offer, &both.new, "Phone", &mut both.entropy).expect("seals")
}

#[test]
fn a_code_is_typed_back_however_untidily_and_a_slip_is_found() {
    let mut entropy = SeededEntropy::new(1);
    for _ in 0..50 {
        let code = PairingCode::generate(&mut entropy);
        let words = code.words();
        assert_eq!(words.split(' ').count(), CODE_WORDS);
        let typed = format!("  {}\n", words.to_uppercase().replace(' ', "  "));
        assert_eq!(*PairingCode::parse(&typed).expect("reads back").words(), *words);
    }
    let words = PairingCode::generate(&mut entropy).words();
    let fault = |text: &str| PairingCode::parse(text).expect_err("refused").fault().cloned();
    assert_eq!(fault("abandon ability"), Some(Fault::WordCount(2)));
    // One slip in 256 passes, by chance.
    let mut list: Vec<&str> = words.split(' ').collect();
    let slips = (0..7).map(|at| {
        let mut list = list.clone();
        list.swap(at, at + 1);
        PairingCode::parse(&list.join(" ")).is_err_and(|error| error.fault() == Some(&Fault::WordsChecksum))
    });
    assert!(slips.filter(|is_found| *is_found).count() >= 6, "{list:?}");
    list[3] = "safelight";
    assert_eq!(fault(&list.join(" ")), Some(Fault::UnknownWord(4)));
}

#[test]
fn both_sides_show_the_same_six_words_and_the_welcome_opens_for_the_new_device_alone() {
    let mut both = both(2);
    let name = PairingId::generate(&mut both.entropy);
    let seen = Offer::open(&both.key, both.sealed.as_bytes()).expect("opens");
    assert_eq!(seen, both.offer);
    let (asked, sealed) = ask(&mut both, &name);
    let heard = Ask::open(&both.key, &name, &both.offer, sealed.as_bytes()).expect("opens");
    let (told, sealed) =
        Reveal::seal(&both.key, &heard, both.nonce, &both.inviter, &mut both.entropy).expect("seals");
    let reveal = Reveal::open(&both.key, &seen, &asked, sealed.as_bytes()).expect("opens");
    let words = pairing_words(&seen, &asked, &reveal);
    assert_eq!((words.split(' ').count(), &words), (6, &pairing_words(&both.offer, &heard, &told)));

    let epoch = EpochId::generate(&mut both.entropy);
    let welcome = Welcome::new(&heard, epoch, [7; 32], words, b"sv=1&sig=2".to_vec());
    let id = both.key.id();
    let sealed = welcome.seal(id, &heard, &both.inviter, &mut both.entropy).expect("seals");
    let open = |device: &Device| Welcome::open(id, &seen, &asked, device.kem_secret(), sealed.as_bytes());
    assert_eq!(open(&both.new).expect("opens"), welcome);
    assert_eq!(open(&both.inviter).expect_err("not its own").fault(), Some(&Fault::WrongContext));
}

#[test]
fn nothing_opens_under_another_code_another_pairing_or_another_name() {
    let mut both = both(3);
    let other_code = PairingKey::derive(&PairingCode::generate(&mut both.entropy), both.key.id());
    let refused = Offer::open(&other_code, both.sealed.as_bytes()).expect_err("another code");
    assert_eq!(refused.fault(), Some(&Fault::WrongContext));
    let (one, other) = (PairingId::generate(&mut both.entropy), PairingId::generate(&mut both.entropy));
    let (_, sealed) = ask(&mut both, &one);
    let moved = Ask::open(&both.key, &other, &both.offer, sealed.as_bytes()).expect_err("moved");
    assert_eq!(moved.fault(), Some(&Fault::WrongContext));
    let code = PairingCode::generate(&mut both.entropy);
    let (here, there) = (PairingKey::derive(&code, one), PairingKey::derive(&code, other));
    let closed = Closing::Used.seal(&here, &mut both.entropy).expect("seals");
    assert_eq!(Closing::open(&here, closed.as_bytes()).expect("opens"), Closing::Used);
    assert!(matches!(
        Closing::open(&there, closed.as_bytes()).expect_err("another pairing").fault(),
        Some(Fault::UnknownKey { .. })
    ));
}

#[test]
fn whoever_has_the_code_cannot_speak_for_either_side() {
    let mut both = both(4);
    let name = PairingId::generate(&mut both.entropy);
    let (asked, _) = ask(&mut both, &name);
    let mallory = Device::generate(&mut both.entropy);
    let (_, sealed) =
        Reveal::seal(&both.key, &asked, both.nonce, &mallory, &mut both.entropy).expect("seals");
    let refused = Reveal::open(&both.key, &both.offer, &asked, sealed.as_bytes()).expect_err("forged");
    assert_eq!(refused.fault(), Some(&Fault::BadSignature));
    let (_, sealed) =
        Reveal::seal(&both.key, &asked, [9; 32], &both.inviter, &mut both.entropy).expect("seals");
    let refused = Reveal::open(&both.key, &both.offer, &asked, sealed.as_bytes()).expect_err("not committed");
    assert_eq!(refused.fault(), Some(&Fault::BadField("commitment")));
    let epoch = EpochId::generate(&mut both.entropy);
    let welcome = Welcome::new(&asked, epoch, [7; 32], String::new(), Vec::new());
    let sealed = welcome.seal(both.key.id(), &asked, &mallory, &mut both.entropy).expect("seals");
    let opened = Welcome::open(both.key.id(), &both.offer, &asked, both.new.kem_secret(), sealed.as_bytes());
    assert_eq!(opened.expect_err("forged").fault(), Some(&Fault::BadSignature));
}

#[test]
fn an_answer_to_another_ask_is_refused_and_other_keys_give_other_words() {
    let mut both = both(5);
    let name = PairingId::generate(&mut both.entropy);
    let (first, _) = ask(&mut both, &name);
    let (second, _) = ask(&mut both, &name);
    let (reveal, sealed) =
        Reveal::seal(&both.key, &first, both.nonce, &both.inviter, &mut both.entropy).expect("seals");
    let refused = Reveal::open(&both.key, &both.offer, &second, sealed.as_bytes()).expect_err("replayed");
    assert_eq!(refused.fault(), Some(&Fault::BadField("ask")));
    assert_ne!(pairing_words(&both.offer, &first, &reveal), pairing_words(&both.offer, &second, &reveal));
}

#[test]
fn one_side_alone_cannot_make_a_device_one_that_only_uploads() {
    let mut both = both(9);
    let name = PairingId::generate(&mut both.entropy);
    let (ask, _) = ask(&mut both, &name);
    let epoch = crate::epoch::Epoch::generate(&mut both.entropy);
    let id = both.key.id();
    let upload = InboxWelcome::new(&ask, InboxKey::of(&epoch), b"a credential".to_vec());
    let sealed = upload.seal(id, &ask, &both.inviter, &mut both.entropy).expect("seals");
    let key = both.new.kem_secret();
    let opened = InboxWelcome::open(id, &both.offer, &ask, key, sealed.as_bytes()).expect("opens");
    assert_eq!(opened, upload);
    let as_member = Welcome::open(id, &both.offer, &ask, key, sealed.as_bytes()).expect_err("another form");
    assert_eq!(as_member.fault(), Some(&Fault::BadMagic));
    let member = Welcome::new(&ask, epoch.id(), [1; 32], "six words".into(), Vec::new());
    let sealed = member.seal(id, &ask, &both.inviter, &mut both.entropy).expect("seals");
    let as_upload =
        InboxWelcome::open(id, &both.offer, &ask, key, sealed.as_bytes()).expect_err("another form");
    assert_eq!(as_upload.fault(), Some(&Fault::BadMagic));
    // Nobody else than the device that invited lets one upload.
    let forged = upload.seal(id, &ask, &both.new, &mut both.entropy).expect("seals");
    let forged = InboxWelcome::open(id, &both.offer, &ask, key, forged.as_bytes()).expect_err("forged");
    assert_eq!(forged.fault(), Some(&Fault::BadSignature));
}

#[test]
fn places_are_for_the_device_that_asked_and_from_the_one_that_invited() {
    let mut both = both(10);
    let name = PairingId::generate(&mut both.entropy);
    let (first, _) = ask(&mut both, &name);
    let (second, _) = ask(&mut both, &name);
    let id = both.key.id();
    let place = |name: &str, address: &str| PairingPlace { name: name.into(), address: address.into() };
    let listed = vec![place("nas", "folder:/a place/with spaces"), place("cloud", "azure://a/b")];
    let places = PairingPlaces::new(&first, listed.clone()).expect("they fit");
    let sealed = places.seal(id, &first, &both.inviter, &mut both.entropy).expect("seals");
    let open = |to: &Ask, device: &Device| {
        PairingPlaces::open(id, &both.offer, to, device.kem_secret(), sealed.as_bytes())
    };
    assert_eq!(open(&first, &both.new).expect("opens").places, listed);
    assert_eq!(open(&first, &both.inviter).expect_err("not its own").fault(), Some(&Fault::WrongContext));
    assert_eq!(open(&second, &both.new).expect_err("replayed").fault(), Some(&Fault::BadField("ask")));
    let forged = places.seal(id, &first, &both.new, &mut both.entropy).expect("seals");
    let key = both.new.kem_secret();
    let opened = PairingPlaces::open(id, &both.offer, &first, key, forged.as_bytes());
    assert_eq!(opened.expect_err("forged").fault(), Some(&Fault::BadSignature));
    // Neither is it a welcome, nor are no places places.
    let as_welcome = Welcome::open(id, &both.offer, &first, key, sealed.as_bytes());
    assert_eq!(as_welcome.expect_err("moved").fault(), Some(&Fault::WrongContext));
    let none = PairingPlaces::new(&first, Vec::new()).expect_err("none");
    assert_eq!(none.fault(), Some(&Fault::BadField("places")));
    // The first one is where the new device goes on: it is never left out in favour of another. Others are.
    let long = place("x", &"x".repeat(1_501));
    let refused = PairingPlaces::new(&first, vec![long.clone(), listed[0].clone()]).expect_err("too long");
    assert_eq!(refused.fault(), Some(&Fault::TooLarge));
    let kept = PairingPlaces::new(&first, vec![listed[0].clone(), long, listed[1].clone()]);
    assert_eq!(kept.expect("they fit").places, listed);
    // As many and as long as they may be still fit into a message.
    let most = (0..40).map(|_| place(&"n".repeat(255), &"a".repeat(1_500))).collect();
    let most = PairingPlaces::new(&first, most).expect("they fit");
    let sealed = most.seal(id, &first, &both.inviter, &mut both.entropy).expect("seals");
    let opened = PairingPlaces::open(id, &both.offer, &first, key, sealed.as_bytes()).expect("opens");
    assert_eq!((opened.places.len(), sealed.as_bytes().len() < 64 << 10), (32, true));
}

#[test]
fn a_name_on_the_local_network_is_the_same_for_who_has_the_code_and_another_for_everybody_else() {
    let mut entropy = SeededEntropy::new(11);
    let code = PairingCode::generate(&mut entropy);
    let typed = PairingCode::parse(&code.words()).expect("reads back");
    assert_eq!((code.local_name(), code.local_name().len()), (typed.local_name(), 26));
    assert_ne!(code.local_name(), PairingCode::generate(&mut entropy).local_name());
    // Nothing of what messages are sealed under stands in it.
    let id = PairingId::from_bytes(*b"local network!!!");
    let secret = code.sealing_secret(&id);
    assert!(!code.local_name().starts_with(&base32(&secret.as_bytes()[..8])[..12]));
}
