use super::*;
use crate::entropy::{Entropy as _, SeededEntropy};
use crate::epoch::Epoch;
use crate::error::Fault;
use crate::ids::{ContentHash, LibraryId};
use crate::kem::KemSecret;

const LIBRARY: LibraryId = LibraryId::from_bytes([3; 20]);
const KIB64: usize = 64 << 10;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|place| u8::try_from((place * 31 + place / 251) % 251).unwrap_or_default()).collect()
}

#[test]
fn objects_of_every_length_around_the_boundaries_open_again() {
    let mut entropy = SeededEntropy::new(30);
    let epoch = Epoch::generate(&mut entropy);
    let context = ObjectContext::named(LIBRARY, "log/x/0000000001");
    for len in [0, 1, 4087, 4088, 4089, KIB64 - 8, KIB64 - 1, KIB64, KIB64 + 1, (1 << 20) + 1] {
        let content = content(len);
        let sealed = seal(Kind::Segment, &epoch, &context, &content, &mut entropy).expect("seals");
        let opened = open(sealed.as_bytes(), Kind::Segment, &epoch, &context).expect("opens");
        assert!(opened == content, "{len}");
        let padded = padme(len as u64 + 8).max(MIN_CARRIED_LEN);
        assert_eq!(sealed.as_bytes().len() as u64, 136 + padded + 16 * padded.div_ceil(KIB64 as u64));
    }
}

#[test]
fn originals_of_every_length_around_the_boundaries_open_again() {
    let mut entropy = SeededEntropy::new(31);
    let epoch = Epoch::generate(&mut entropy);
    let part = usize::try_from(PART_LEN).expect("fits");
    for len in [0, 1, 1023, 1024, 1025, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, part - 1, part, part + 1] {
        let content = content(len);
        let (original, sealed) = seal_original(&epoch, LIBRARY, &content, &mut entropy).expect("seals");
        assert_eq!(original.content, ContentHash::of(&content));
        assert_eq!(original.parts.len(), original_parts(len as u64) as usize);
        let named: Vec<_> = original.parts.iter().zip(&sealed).map(|(p, s)| (p.name, s.as_bytes())).collect();
        for (part, sealed) in original.parts.iter().zip(&sealed) {
            assert_eq!(part.sealed_bytes, sealed.as_bytes().len() as u64);
        }
        // Names and sizes are known before anything is sealed.
        let known: Vec<_> = original.parts.iter().map(|part| (part.name, part.sealed_bytes)).collect();
        assert_eq!(original_part_names(&epoch, &original.content, len as u64), known);
        assert_eq!(sealed_original_len(len as u64), known.iter().map(|(_, bytes)| bytes).sum::<u64>());
        let opened = open_original(&named, LIBRARY, original.content, len as u64, &epoch).expect("opens");
        assert!(opened == content, "{len}");
    }
}

#[test]
fn how_the_content_is_cut_when_pushed_does_not_matter() {
    let epoch = Epoch::generate(&mut SeededEntropy::new(32));
    let content = content((3 << 20) + 17);
    let seal_in = |pieces: usize| {
        let mut body = Vec::new();
        let mut sink = |_: u32, bytes: &[u8]| {
            body.extend_from_slice(bytes);
            Ok(())
        };
        let mut sealer = OriginalSealer::new(&epoch, LIBRARY, b"about", &mut SeededEntropy::new(33));
        for piece in content.chunks(pieces) {
            sealer.push(piece, &mut sink).expect("pushes");
        }
        (sealer.finish(&mut sink).expect("finishes"), body)
    };
    let whole = seal_in(content.len());
    for pieces in [1 << 20, 1_000_003, 65_536, (2 << 20) + 1] {
        assert!(seal_in(pieces) == whole, "{pieces}");
    }
}

#[test]
fn a_cloned_machine_repeats_no_key_for_other_content() {
    let epoch = Epoch::generate(&mut SeededEntropy::new(34));
    let seal_one = |content: &[u8]| {
        let sealed = seal_original(&epoch, LIBRARY, content, &mut SeededEntropy::new(35));
        sealed.expect("seals").1.remove(0).into_bytes()
    };
    let (one, other) = (seal_one(b"one photo"), seal_one(b"two photo"));
    assert_ne!(one[24..56], other[24..56], "salts differ");
    // Equal keystreams would leave equal bytes where the contents are equal.
    assert_ne!(one[HEADER_LEN + 3..HEADER_LEN + 9], other[HEADER_LEN + 3..HEADER_LEN + 9]);
    assert_eq!(one, seal_one(b"one photo"), "the test's randomness does repeat");
}

#[test]
fn any_range_can_be_opened_alone() {
    let mut entropy = SeededEntropy::new(36);
    let epoch = Epoch::generate(&mut entropy);
    let content = content((2 << 20) + 5);
    let (original, sealed) = seal_original(&epoch, LIBRARY, &content, &mut entropy).expect("seals");
    let logical = crate::names::original(&original.parts[0].name);
    let context = ObjectContext::original_part(LIBRARY, &logical, 0, original.size_bytes);
    let sealed = sealed[0].as_bytes();
    let opener =
        Opener::new(&sealed[..HEADER_LEN], sealed.len() as u64, Kind::OriginalPart, &epoch, &context)
            .expect("opens");
    for range in [0..1, 0..content.len(), 1_048_575..1_048_577, 2_000_000..2_097_157, 7..7, 5..usize::MAX] {
        let wanted = range.start as u64..range.end as u64;
        let bytes = opener.sealed_range(&wanted);
        let bytes =
            &sealed[usize::try_from(bytes.start).expect("fits")..usize::try_from(bytes.end).expect("fits")];
        let opened = opener.open_range(&wanted, bytes).expect("opens");
        assert!(opened == content[range.start..range.end.min(content.len())], "{range:?}");
    }
}

#[test]
fn objects_sealed_to_a_public_key_open_with_its_secret_only() {
    let mut entropy = SeededEntropy::new(37);
    let (recipient, stranger) = (KemSecret::generate(&mut entropy), KemSecret::generate(&mut entropy));
    let context = ObjectContext::named(LIBRARY, "inbox/x/1");
    let key = Epoch::generate(&mut entropy).id().into();
    let sealed = seal_to(Kind::InboxItem, key, &recipient.public(), &context, b"a photo", &mut entropy)
        .expect("seals");
    let opened = open_from(sealed.as_bytes(), Kind::InboxItem, &recipient, &context).expect("opens");
    assert_eq!(opened, b"a photo");
    let error = open_from(sealed.as_bytes(), Kind::InboxItem, &stranger, &context).expect_err("a stranger");
    assert_eq!(error.fault(), Some(&Fault::WrongContext));
}

#[test]
fn a_sink_that_fails_stops_the_sealing_with_its_error() {
    let mut entropy = SeededEntropy::new(38);
    let epoch = Epoch::generate(&mut entropy);
    let mut sealer = OriginalSealer::new(&epoch, LIBRARY, b"", &mut entropy);
    let mut full = |_: u32, _: &[u8]| Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let mut content = vec![0; (1 << 20) + 1];
    entropy.fill(&mut content);
    let error = sealer.push(&content, &mut full).expect_err("full");
    assert!(matches!(error, crate::CryptoError::Write { .. }));
}
