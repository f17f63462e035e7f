//! Sealing content that is in memory. Spec: sl1.md §2.2–2.5.

use super::geometry::{self, TRAILER_LEN, padded_carried, padded_entry, sealed_body_len};
use super::header::{HEADER_LEN, Kind, ObjectContext, ObjectKey, Prefix, fresh_salt};
use super::nonce;
use crate::entropy::Entropy;
use crate::epoch::{Epoch, SealingSecret};
use crate::error::{Fault, Result};
use crate::ids::KeyId;
use crate::kem::KemPublic;
use crate::primitive::sha256;

/// The bytes of a sealed object: the only thing that may be handed to a place.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, given up.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Seals `content` under an epoch.
///
/// # Errors
/// When `kind` is sealed to a public key, or `context` does not fit the kind or the content.
pub fn seal(
    kind: Kind,
    epoch: &Epoch,
    context: &ObjectContext<'_>,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Sealed> {
    seal_under(kind, epoch.id().into(), &epoch.sealing_secret(), context, content, entropy)
}

/// Seals `content` under any secret with its key id: an unlock key, a share.
///
/// # Errors
/// As [`seal`].
pub fn seal_under(
    kind: Kind,
    key: KeyId,
    secret: &SealingSecret,
    context: &ObjectContext<'_>,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Sealed> {
    if kind.is_encapsulated() {
        return Err(context.error(Fault::OutOfOrder("this kind is sealed to a public key")));
    }
    let plain = Plain::of(kind, context, content)?;
    Ok(Sealed(seal_padded(Prefix::new(kind, key), secret, &[], context, &plain, entropy)))
}

/// Seals `content` to a public key: keys files, inbox items.
///
/// # Errors
/// When `kind` is not sealed to a public key, or the key is not valid.
pub fn seal_to(
    kind: Kind,
    key: KeyId,
    recipient: &KemPublic,
    context: &ObjectContext<'_>,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Sealed> {
    if !kind.is_encapsulated() {
        return Err(context.error(Fault::OutOfOrder("this kind is sealed under a secret")));
    }
    let plain = Plain::of(kind, context, content)?;
    let about = sha256(&[context.name.as_bytes(), content]);
    let (encapsulation, shared) =
        recipient.encapsulate(&about, entropy).map_err(|fault| context.error(fault))?;
    let prefix = Prefix::new(kind, key);
    Ok(Sealed(seal_padded(prefix, &SealingSecret(shared), &encapsulation, context, &plain, entropy)))
}

/// Content with the padding that its kind asks for: `content ‖ zeros ‖ trailer`.
pub(crate) struct Plain<'a> {
    pub(crate) content: &'a [u8],
    /// Plaintext bytes in all.
    pub(crate) plain_len: u64,
    /// True when the last eight bytes are the content's length.
    pub(crate) has_trailer: bool,
}

impl<'a> Plain<'a> {
    fn of(kind: Kind, context: &ObjectContext<'_>, content: &'a [u8]) -> Result<Self> {
        let content_len = content.len() as u64;
        let expect = |expected: u64| {
            if content_len == expected {
                Ok(())
            } else {
                Err(context.error(Fault::SizeMismatch { expected, found: content_len }))
            }
        };
        let plain_len = match kind {
            Kind::OriginalPart => {
                let (due, padded) = geometry::part_lengths(context.total_len, context.part, context.parts)
                    .map_err(|fault| context.error(fault))?;
                expect(due)?;
                padded
            }
            Kind::PackEntry => {
                expect(context.total_len)?;
                padded_entry(content_len)
            }
            _ => padded_carried(content_len),
        };
        Ok(Self { content, plain_len, has_trailer: !kind.length_is_recorded() })
    }

    /// Appends plaintext bytes `start..end` to `out`.
    fn append(&self, start: u64, end: u64, out: &mut Vec<u8>) {
        let target = out.len() + usize_of(end - start);
        let content = self.content.get(usize_of(start)..).unwrap_or_default();
        out.extend_from_slice(&content[..content.len().min(usize_of(end - start))]);
        out.resize(target, 0);
        if self.has_trailer {
            // The trailer may straddle two segments.
            let trailer = (self.content.len() as u64).to_be_bytes();
            let trailer_start = self.plain_len - TRAILER_LEN;
            for (place, byte) in (trailer_start..).zip(trailer) {
                if (start..end).contains(&place) {
                    let at = target - usize_of(end - place);
                    out[at] = byte;
                }
            }
        }
    }
}

/// Seals a padded plaintext in one buffer: room for the header, the encapsulation, then segment by segment
/// copied in once and sealed where it lies.
pub(crate) fn seal_padded(
    prefix: Prefix,
    secret: &SealingSecret,
    encapsulation: &[u8],
    context: &ObjectContext<'_>,
    plain: &Plain<'_>,
    entropy: &mut dyn Entropy,
) -> Vec<u8> {
    let digest = sha256(&[plain.content]);
    let about: [&[u8]; 3] = [&prefix.to_bytes(), context.name.as_bytes(), &digest];
    let object_key = ObjectKey::generate(&about, entropy);
    let salt = fresh_salt(&about, entropy);

    let sealed_len =
        HEADER_LEN + encapsulation.len() + usize_of(sealed_body_len(plain.plain_len, prefix.segment_size));
    let mut sealed = Vec::with_capacity(sealed_len);
    sealed.extend_from_slice(&object_key.bind(prefix, &salt, secret, context));
    sealed.extend_from_slice(encapsulation);

    let gcm = object_key.segment_key();
    let segment_len = prefix.segment_size.bytes() as u64;
    for index in 0..plain.plain_len.div_ceil(segment_len) {
        let start = index * segment_len;
        let end = (start + segment_len).min(plain.plain_len);
        let at = sealed.len();
        plain.append(start, end, &mut sealed);
        let tag = gcm.seal_in_place(&nonce(index, end == plain.plain_len), &mut sealed[at..]);
        sealed.extend_from_slice(&tag);
    }
    sealed
}

#[expect(clippy::cast_possible_truncation, reason = "lengths of what lies in memory")]
pub(crate) fn usize_of(length: u64) -> usize {
    length as usize
}
