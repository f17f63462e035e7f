//! The primitives in pure Rust, for wasm32. In a browser the page hands bulk work to WebCrypto; this is
//! what everything else, and every test vector, runs on there.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Tag};
use hmac::{Hmac, Mac as _};
use sha2::Digest as _;

use super::{TAG_LEN, TagMismatch};

/// A running SHA-256.
#[derive(Clone, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Starts an empty hash.
    #[must_use]
    pub fn new() -> Self {
        Self(sha2::Sha256::new())
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Ends the hash.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("BUG: HMAC takes any key");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

pub(crate) fn hkdf_extract(salt: &[u8], secret: &[u8]) -> [u8; 32] {
    hmac_sha256(salt, &[secret])
}

#[expect(clippy::expect_used, reason = "N is 16 or 32: far below the limit of 255 blocks")]
pub(crate) fn hkdf_expand<const N: usize>(prk: &[u8; 32], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    hkdf::Hkdf::<sha2::Sha256>::from_prk(prk)
        .expect("BUG: a PRK is 32 bytes")
        .expand_multi_info(info, &mut out)
        .expect("BUG: an HKDF output of at most 255 blocks");
    out
}

/// Compares without stopping at the first difference.
pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    a.len() == b.len() && std::hint::black_box(difference) == 0
}

/// An AES-256-GCM key with its schedule.
pub(crate) struct Gcm(Aes256Gcm);

#[expect(clippy::expect_used, reason = "keys are 32 bytes by type, messages at most 1 MiB")]
impl Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Seals `bytes` where they are and returns the tag.
    pub(crate) fn seal_in_place(&self, nonce: &[u8; 12], bytes: &mut [u8]) -> [u8; TAG_LEN] {
        self.0
            .encrypt_inout_detached(nonce.into(), &[], bytes.into())
            .expect("BUG: a segment is far below GCM's limit")
            .into()
    }

    /// Seals `plain` into `sealed`, which is `TAG_LEN` bytes longer, without touching `plain`.
    pub(crate) fn seal_into(&self, nonce: &[u8; 12], plain: &[u8], sealed: &mut [u8]) {
        let (body, tag) = sealed.split_at_mut(plain.len());
        body.copy_from_slice(plain);
        tag.copy_from_slice(&self.seal_in_place(nonce, body));
    }

    /// Opens `sealed` where it is; the plaintext is all but the last `TAG_LEN` bytes.
    pub(crate) fn open_in_place<'a>(
        &self,
        nonce: &[u8; 12],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], TagMismatch> {
        let body_len = sealed.len().checked_sub(TAG_LEN).ok_or(TagMismatch)?;
        let (body, tag) = sealed.split_at_mut(body_len);
        let tag: [u8; TAG_LEN] = (&*tag).try_into().map_err(|_| TagMismatch)?;
        self.0
            .decrypt_inout_detached(nonce.into(), &[], (&mut *body).into(), &Tag::from(tag))
            .map_err(|_| TagMismatch)?;
        Ok(body)
    }

    /// Opens `sealed` into `plain`, which is `TAG_LEN` bytes shorter, without touching `sealed`.
    pub(crate) fn open_into(
        &self,
        nonce: &[u8; 12],
        sealed: &[u8],
        plain: &mut [u8],
    ) -> Result<(), TagMismatch> {
        let (body, tag) = sealed.split_at_checked(plain.len()).ok_or(TagMismatch)?;
        let tag: [u8; TAG_LEN] = tag.try_into().map_err(|_| TagMismatch)?;
        plain.copy_from_slice(body);
        self.0
            .decrypt_inout_detached(nonce.into(), &[], plain.into(), &Tag::from(tag))
            .map_err(|_| TagMismatch)
    }
}
