//! Bytes that may leave the library: only those that are in the envelope format (SL1 §2), or signed cards.
//!
//! Invariant: a [`Sealed`] begins with a well-formed SL1 header, or is a signed public card that SL1 §3
//! keeps in the open. A photo, a database or a text cannot become one by mistake. It is no proof that the
//! sealing was done well; the type exists so that no code path can hand an opened byte to a store.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use safelight_crypto::HEADER_LEN;

use crate::remote::Body;

/// The first four bytes of every sealed object.
const MAGIC: &[u8; 4] = b"SLO1";
/// The first four bytes of a root card.
const ROOT_CARD_MAGIC: &[u8; 4] = b"SLRC";
/// More than any card has.
const MOST_CARD_BYTES: usize = 64 << 10;
/// The shortest segment: one byte and its tag.
const SHORTEST_BODY_BYTES: u64 = 17;
/// HKDF-SHA-256 with AES-256-GCM, the only suite so far.
const SUITE: u8 = 1;

/// Why some bytes are not a sealed object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotSealed {
    /// Shorter than a header and one segment.
    #[error("{length_bytes} bytes are too few for a sealed object")]
    TooShort {
        /// The length found.
        length_bytes: u64,
    },
    /// The header breaks a rule of SL1 §2.
    #[error("the header is not that of a sealed object: {0}")]
    Header(&'static str),
    /// The bytes are not a root card, the one thing that SL1 §3 keeps in the open.
    #[error("these bytes are not a root card")]
    Card,
    /// The file could not be read.
    #[error("the file of a sealed object could not be read")]
    Io(#[from] io::Error),
}

/// Sealed bytes, or a signed public card: what a library hands to a place.
#[derive(Debug, Clone)]
pub struct Sealed(Body);

impl From<safelight_crypto::Sealed> for Sealed {
    fn from(sealed: safelight_crypto::Sealed) -> Self {
        Self(Body::Bytes(sealed.into_bytes().into()))
    }
}

impl Sealed {
    /// Takes a whole sealed object (or a segment of history: envelope, clear part, signature).
    ///
    /// # Errors
    /// [`NotSealed`] when the bytes do not begin with an SL1 header.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, NotSealed> {
        let bytes = bytes.into();
        check_length(bytes.len() as u64)?;
        check_header(bytes.get(..HEADER_LEN).unwrap_or_default())?;
        Ok(Self(Body::Bytes(bytes)))
    }

    /// Takes a sealed object that rests in a file, without reading more than its header.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and [`NotSealed::Io`].
    pub fn from_file(file: File) -> Result<Self, NotSealed> {
        let body = Body::from_file(file)?;
        check_length(body.length_bytes())?;
        let mut header = [0; HEADER_LEN];
        if let Body::File { file, .. } = &body {
            file.read_exact_at(&mut header, 0)?;
        }
        check_header(&header)?;
        Ok(Self(body))
    }

    /// Takes a root card: signed, public, and never an envelope.
    ///
    /// # Errors
    /// [`NotSealed::Card`] unless the bytes begin like a root card and are at most 64 KiB.
    pub fn from_root_card(bytes: impl Into<Bytes>) -> Result<Self, NotSealed> {
        let bytes = bytes.into();
        let is_card = bytes.starts_with(ROOT_CARD_MAGIC) && bytes.len() <= MOST_CARD_BYTES;
        if is_card { Ok(Self(Body::Bytes(bytes))) } else { Err(NotSealed::Card) }
    }

    /// The number of bytes.
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        self.0.length_bytes()
    }

    /// The bytes on their way to a place.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.0
    }
}

const fn check_length(length_bytes: u64) -> Result<(), NotSealed> {
    if length_bytes < HEADER_LEN as u64 + SHORTEST_BODY_BYTES {
        return Err(NotSealed::TooShort { length_bytes });
    }
    Ok(())
}

/// Checks the open fields of a header (SL1 §2).
pub(crate) fn check_header(header: &[u8]) -> Result<(), NotSealed> {
    let &[m0, m1, m2, m3, kind, suite, segment_bits, ..] = header else {
        return Err(NotSealed::TooShort { length_bytes: header.len() as u64 });
    };
    if [m0, m1, m2, m3] != *MAGIC {
        return Err(NotSealed::Header("it does not begin with SLO1"));
    }
    if kind == 0 {
        return Err(NotSealed::Header("its kind is 0"));
    }
    if suite != SUITE {
        return Err(NotSealed::Header("its suite is unknown"));
    }
    if !matches!(segment_bits, 16 | 20) {
        return Err(NotSealed::Header("its segment size is neither 64 KiB nor 1 MiB"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed_like() -> Vec<u8> {
        let mut bytes = vec![0; 200];
        bytes[..8].copy_from_slice(b"SLO1\x01\x01\x10\x00");
        bytes
    }

    #[test]
    fn only_bytes_with_a_header_become_sealed() {
        assert!(Sealed::from_bytes(sealed_like()).is_ok());
        assert!(Sealed::from_bytes(b"\xff\xd8\xff\xe0 a photo ".repeat(20)).is_err());
        assert!(Sealed::from_bytes(sealed_like()[..152].to_vec()).is_err());
        for (index, value) in [(0, b'X'), (4, 0), (5, 2), (6, 17)] {
            let mut wrong = sealed_like();
            wrong[index] = value;
            assert!(Sealed::from_bytes(wrong).is_err(), "byte {index} set to {value} must be refused");
        }
    }

    #[test]
    fn a_real_root_card_is_taken_and_nothing_else_is() {
        let words = safelight_crypto::RecoveryWords::generate(&mut safelight_crypto::SeededEntropy::new(2));
        let card = safelight_crypto::RootCard::sign(&words, words.library_id(), [0; 32], 1);
        assert!(Sealed::from_root_card(card).is_ok());
        assert!(Sealed::from_root_card(b"SLO1".repeat(100)).is_err());
        assert!(Sealed::from_root_card([b"SLRC".as_slice(), &[0; 70_000]].concat()).is_err());
    }

    #[test]
    fn a_sealed_file_is_told_from_a_plain_one_by_its_header() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("object");
        std::fs::write(&path, sealed_like()).expect("write");
        assert_eq!(Sealed::from_file(File::open(&path).expect("open")).expect("sealed").length_bytes(), 200);
        std::fs::write(&path, vec![7; 200]).expect("write");
        assert!(Sealed::from_file(File::open(&path).expect("open")).is_err());
    }
}
