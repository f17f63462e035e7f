//! The body of a segment made small: photos of one day share their camera, their folder and their place, and
//! every op of a photo names the same content.
//!
//! ```text
//! 0 ‖ body            as it is
//! 1 ‖ DEFLATE(body)   RFC 1951; whichever is shorter is written, both are read
//! ```
//!
//! Invariant: unpacking never makes more than [`MAX_BODY_BYTES`]. Packing is no part of a segment's identity:
//! its root is over its ops. Specified in sl1-history §8.1.

use std::borrow::Cow;

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::MAX_BODY_BYTES;
use crate::cbor::Malformed;

const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;
/// zlib's usual compromise between time and size.
const LEVEL: u8 = 6;

/// What is sealed for a body.
pub(crate) fn pack(body: &[u8]) -> Vec<u8> {
    let deflated = compress_to_vec(body, LEVEL);
    let (form, bytes) =
        if deflated.len() < body.len() { (DEFLATED, deflated.as_slice()) } else { (PLAIN, body) };
    let mut packed = Vec::with_capacity(1 + bytes.len());
    packed.push(form);
    packed.extend_from_slice(bytes);
    packed
}

/// The body of what was sealed.
pub(crate) fn unpack(packed: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let broken = |rule| Malformed { rule, offset: 0 };
    match packed.split_first() {
        Some((&PLAIN, body)) if body.len() > MAX_BODY_BYTES => Err(broken(TOO_LONG)),
        Some((&PLAIN, body)) => Ok(Cow::Borrowed(body)),
        Some((&DEFLATED, deflated)) => decompress_to_vec_with_limit(deflated, MAX_BODY_BYTES)
            .map(Cow::Owned)
            .map_err(|_| broken("a deflated body inflates to at most 32 MiB")),
        _ => Err(broken("a body is plain or deflated")),
    }
}

const TOO_LONG: &str = "a segment's body is at most 32 MiB long";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_deflated_and_what_does_not_stays_as_it_is() {
        let repeating = b"IMG_0001.JPG ".repeat(100);
        assert!(pack(&repeating).len() < 100);
        assert_eq!(unpack(&pack(&repeating)), Ok(Cow::Borrowed(repeating.as_slice())));
        assert_eq!(pack(b"x"), [0, b'x']);
        assert_eq!(unpack(&pack(b"x")), Ok(Cow::Borrowed(b"x".as_slice())));
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = compress_to_vec(&vec![0; MAX_BODY_BYTES + 1], 9);
        assert!(bomb.len() < 100_000);
        assert!(unpack(&[&[DEFLATED], bomb.as_slice()].concat()).is_err());
        let largest = compress_to_vec(&vec![0; MAX_BODY_BYTES], 1);
        assert!(unpack(&[&[DEFLATED], largest.as_slice()].concat()).is_ok());
    }

    #[test]
    fn other_forms_and_broken_streams_are_refused() {
        for bytes in [&[][..], &[2, 0], &[DEFLATED], &[DEFLATED, 0xff, 0xff]] {
            assert!(unpack(bytes).is_err(), "{bytes:?}");
        }
    }
}
