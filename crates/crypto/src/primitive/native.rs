//! The primitives through aws-lc: AES-NI, CLMUL and SHA extensions, chosen at run time.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac};

use super::{TAG_LEN, TagMismatch};

/// A running SHA-256.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl Sha256 {
    /// Starts an empty hash.
    #[must_use]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Ends the hash.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        to_array(self.0.finish().as_ref())
    }
}

pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    to_array(context.sign().as_ref())
}

pub(crate) fn hkdf_extract(salt: &[u8], secret: &[u8]) -> [u8; 32] {
    // Extract is HMAC(salt, secret) by definition (RFC 5869 §2.2); aws-lc hands out no PRK bytes.
    hmac_sha256(salt, &[secret])
}

#[expect(clippy::expect_used, reason = "N is 16 or 32: far below the limit of 255 blocks")]
pub(crate) fn hkdf_expand<const N: usize>(prk: &[u8; 32], info: &[&[u8]]) -> [u8; N] {
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = [0; N];
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, prk)
        .expand(info, Len(N))
        .and_then(|okm| okm.fill(&mut out))
        .expect("BUG: an HKDF output of at most 255 blocks");
    out
}

pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// An AES-256-GCM key with its schedule.
pub(crate) struct Gcm(LessSafeKey);

#[expect(clippy::expect_used, reason = "keys are 32 bytes by type, messages at most 1 MiB")]
impl Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("BUG: AES-256 takes 32 bytes")))
    }

    /// Seals `bytes` where they are and returns the tag.
    pub(crate) fn seal_in_place(&self, nonce: &[u8; 12], bytes: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*nonce), Aad::empty(), bytes)
            .expect("BUG: a segment is far below GCM's limit");
        to_array(tag.as_ref())
    }

    /// Seals `plain` into `sealed`, which is `TAG_LEN` bytes longer, without touching `plain`.
    pub(crate) fn seal_into(&self, nonce: &[u8; 12], plain: &[u8], sealed: &mut [u8]) {
        let (body, tag) = sealed.split_at_mut(plain.len());
        self.0
            .seal_out_of_place_scatter(
                Nonce::assume_unique_for_key(*nonce),
                Aad::empty(),
                plain,
                body,
                &[],
                tag,
            )
            .expect("BUG: a segment is far below GCM's limit");
    }

    /// Opens `sealed` where it is; the plaintext is all but the last `TAG_LEN` bytes.
    pub(crate) fn open_in_place<'a>(
        &self,
        nonce: &[u8; 12],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], TagMismatch> {
        self.0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), sealed)
            .map_err(|_| TagMismatch)
    }

    /// Opens `sealed` into `plain`, which is `TAG_LEN` bytes shorter, without touching `sealed`.
    pub(crate) fn open_into(
        &self,
        nonce: &[u8; 12],
        sealed: &[u8],
        plain: &mut [u8],
    ) -> Result<(), TagMismatch> {
        let (body, tag) = sealed.split_at_checked(plain.len()).ok_or(TagMismatch)?;
        self.0
            .open_separate_gather(Nonce::assume_unique_for_key(*nonce), Aad::empty(), body, tag, plain)
            .map_err(|_| TagMismatch)
    }
}

#[expect(clippy::expect_used, reason = "outputs have their standard's length")]
fn to_array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("BUG: a primitive's output has its standard's length")
}
