//! The envelope: one sealed format for everything that rests anywhere.
//!
//! A random object key seals the segments; the header wraps that key under a secret *and* everything the
//! object is — library, name, part, length — and commits to it. So bytes that were altered, cut, reordered,
//! moved to another name or sealed under a second key do not open, and each refusal has its own
//! [`Fault`](crate::Fault). The header is made last: content is read once, sealed while it is hashed, and
//! bound to its name when the hash is known.
//!
//! Spec: sl1.md §2.

mod geometry;
mod header;
mod opener;
mod original;
mod sealer;

pub(crate) use geometry::sealed_body_len;
pub use geometry::{
    ENTRY_UNIT, Geometry, MAX_CONTENT_LEN, MIN_CARRIED_LEN, MIN_ORIGINAL_LEN, PART_LEN, original_parts,
    padded_original, padme, sealed_original_len,
};
pub(crate) use geometry::{TRAILER_LEN, padded_entry, plain_len_of_body};
pub(crate) use header::SEAL_LEN;
pub use header::{HEADER_LEN, Kind, ObjectContext, PREFIX_LEN, Prefix, SegmentSize};
pub(crate) use opener::is_zero;
pub use opener::{Opener, open, open_from};
pub use original::{
    OriginalOpener, OriginalSealer, PartSink, SealedOriginal, SealedPart, open_original, original_part_names,
    part_content_range, seal_original,
};
pub(crate) use sealer::{Plain, seal_padded, usize_of};
pub use sealer::{Sealed, seal, seal_to, seal_under};

/// The nonce of a segment: an 11-byte counter, then whether it is the last.
fn nonce(index: u64, is_last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&index.to_be_bytes());
    nonce[11] = u8::from(is_last);
    nonce
}

#[cfg(test)]
mod tests;
