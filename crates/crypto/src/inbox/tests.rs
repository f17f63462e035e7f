use super::*;
use crate::entropy::SeededEntropy;

const LIBRARY: LibraryId = LibraryId::from_bytes([7; LibraryId::LEN]);

struct Sent {
    device: Device,
    epoch: Epoch,
    name: InboxName,
    bytes: Vec<u8>,
}

fn manifest(content: &[u8]) -> InboxManifest {
    InboxManifest {
        root: b"/dcim".to_vec(),
        relative: b"100/IMG_1.jpg".to_vec(),
        modified_millis: -5,
        size_bytes: content.len() as u64,
        content: ContentHash::of(content),
        pieces: Vec::new(),
    }
}

fn send(content: &[u8]) -> Sent {
    let mut entropy = SeededEntropy::new(11);
    let (device, epoch) = (Device::generate(&mut entropy), Epoch::generate(&mut entropy));
    let key = InboxKey::of(&epoch);
    let bytes = seal_inbox_head(LIBRARY, &device, 41, &key, &manifest(content), content, &mut entropy)
        .expect("seals");
    let name = InboxName { device: device.id(), counter: 41, piece: 0 };
    Sent { device, epoch, name, bytes }
}

impl Sent {
    fn verify<'a>(&self, name: InboxName, bytes: &'a [u8]) -> Result<SignedInboxHead<'a>> {
        SignedInboxHead::verify(LIBRARY, name, self.device.card().verifying_key(), bytes)
    }
}

#[test]
fn an_item_opens_for_the_epoch_and_says_what_it_is() {
    let sent = send(b"a photo");
    let head = sent.verify(sent.name, &sent.bytes).expect("signed");
    assert_eq!(head.epoch().expect("its epoch"), sent.epoch.id());
    let (manifest_read, first) = head.open(&sent.epoch).expect("opens");
    assert_eq!((manifest_read, first.as_slice()), (manifest(b"a photo"), b"a photo".as_slice()));
}

#[test]
fn an_item_of_another_device_library_counter_or_with_a_flipped_bit_is_refused() {
    let sent = send(b"a photo");
    let another = Device::generate(&mut SeededEntropy::new(12));
    let is_bad = |result: Result<SignedInboxHead<'_>>| {
        assert_eq!(result.expect_err("refused").fault(), Some(&Fault::BadSignature));
    };
    is_bad(SignedInboxHead::verify(LIBRARY, sent.name, another.card().verifying_key(), &sent.bytes));
    let stranger = LibraryId::from_bytes([8; LibraryId::LEN]);
    is_bad(SignedInboxHead::verify(stranger, sent.name, sent.device.card().verifying_key(), &sent.bytes));
    is_bad(sent.verify(InboxName { counter: 42, ..sent.name }, &sent.bytes));
    is_bad(sent.verify(sent.name, &sent.bytes[..sent.bytes.len() - 1]));
    for at in [0, 200, 2000, sent.bytes.len() - 1] {
        let mut flipped = sent.bytes.clone();
        flipped[at] ^= 1;
        is_bad(sent.verify(sent.name, &flipped));
    }
    let short = sent.verify(sent.name, &[0; 63]).expect_err("too short");
    assert_eq!(short.fault(), Some(&Fault::Truncated));
}

#[test]
fn nobody_but_the_epoch_opens_an_item_not_even_the_device_that_sealed_it() {
    let sent = send(b"a photo");
    let head = sent.verify(sent.name, &sent.bytes).expect("signed");
    let another = Epoch::generate(&mut SeededEntropy::new(13));
    assert!(matches!(
        head.open(&another).expect_err("another epoch").fault(),
        Some(Fault::UnknownKey { .. })
    ));
    // The device has its own two secrets and the public key.
    let same_id = Epoch::from_parts(sent.epoch.id(), *sent.device.kem_secret().seed().as_bytes());
    assert_eq!(head.open(&same_id).expect_err("its own key").fault(), Some(&Fault::WrongContext));
}

#[test]
fn a_manifest_that_does_not_fit_its_pieces_is_not_written_and_not_read() {
    let mut wrong = manifest(b"a photo");
    wrong.size_bytes = INBOX_PIECE_LEN + 1;
    assert_eq!(wrong.write(b"a photo").expect_err("pieces"), Fault::BadField("pieces"));
    wrong.pieces = vec![[0; 32]];
    assert!(matches!(wrong.write(b"a photo").expect_err("first piece"), Fault::SizeMismatch { .. }));
    let absolute = InboxManifest { relative: b"/etc".to_vec(), ..manifest(b"x") };
    assert_eq!(absolute.write(b"x").expect_err("path"), Fault::BadField("path"));
}

#[test]
fn names_of_pieces_are_read_back_and_nothing_else_is() {
    let sent = send(b"a photo");
    for piece in [0, 1, MOST_INBOX_PIECES] {
        let name = sent.name.piece(piece);
        assert_eq!(InboxName::parse(&names::inbox(&name)), Some(name));
    }
    let long = names::inbox(&sent.name.piece(MOST_INBOX_PIECES + 1));
    let device = sent.name.device;
    for other in [long, format!("inbox/{device}/abc"), "inbox/abc/abc".into(), format!("log/{device}/0")] {
        assert_eq!(InboxName::parse(&other), None, "{other}");
    }
}

#[test]
fn the_identity_of_an_upload_device_is_read_back_and_holds_no_secret_of_the_library() {
    let sent = send(b"a photo");
    let identity =
        UploadIdentity { library: LIBRARY, device: sent.device.clone(), key: InboxKey::of(&sent.epoch) };
    let bytes = identity.to_bytes();
    let read = UploadIdentity::from_bytes(&bytes).expect("reads back");
    assert_eq!((read.card(), &read.key), (identity.card(), &identity.key));
    assert!(UploadIdentity::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    let secret = sent.epoch.secret().as_bytes();
    assert!(!bytes.windows(32).any(|window| window == secret));
}

#[test]
fn pieces_cover_a_file_and_no_more() {
    for (size, further) in
        [(0, 0), (1, 0), (INBOX_PIECE_LEN, 0), (INBOX_PIECE_LEN + 1, 1), (3 * INBOX_PIECE_LEN, 2)]
    {
        assert_eq!(further_pieces(size), further, "{size}");
        let covered: u64 = (0..=further)
            .map(|piece| {
                let range = piece_range(size, piece);
                range.end - range.start
            })
            .sum();
        assert_eq!(covered, size);
    }
}
