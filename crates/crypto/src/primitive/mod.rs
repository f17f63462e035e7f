//! The four primitives that everything else is made of — SHA-256, HMAC, HKDF, AES-256-GCM — with one face
//! over two implementations: aws-lc natively, RustCrypto on wasm32. The vectors run over both.
//!
//! Nothing here knows the format. Spec: sl1.md §2.1.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod portable;

#[cfg(not(target_arch = "wasm32"))]
use native as backend;
#[cfg(target_arch = "wasm32")]
use portable as backend;

pub use backend::Sha256;
pub(crate) use backend::{Gcm, constant_time_eq, hkdf_expand, hkdf_extract, hmac_sha256};

/// Bytes of an AES-GCM tag.
pub(crate) const TAG_LEN: usize = 16;

/// HKDF: extract with `salt`, expand with the parts of `info`.
pub(crate) fn hkdf<const N: usize>(secret: &[u8], salt: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut prk = hkdf_extract(salt, secret);
    let out = hkdf_expand(&prk, info);
    zeroize::Zeroize::zeroize(&mut prk);
    out
}

/// SHA-256 of the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// An AEAD tag did not match. The caller knows of which object and says so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TagMismatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_abc_is_the_published_one() {
        let digest = data_encoding::HEXLOWER.encode(&sha256(&[b"a", b"bc"]));
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn hkdf_is_rfc_5869_case_1() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let prk = hkdf_extract(&salt, &[0x0b; 22]);
        let okm: [u8; 32] = hkdf_expand(&prk, &[&info[..4], &info[4..]]);
        let hex = data_encoding::HEXLOWER.encode(&okm);
        assert_eq!(hex, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    }

    #[test]
    fn gcm_opens_only_what_it_sealed_under_the_same_nonce() {
        let gcm = Gcm::new(&[7; 32]);
        let mut sealed = b"a photo".to_vec();
        let tag = gcm.seal_in_place(&[1; 12], &mut sealed);
        sealed.extend_from_slice(&tag);
        assert!(gcm.open_in_place(&[2; 12], &mut sealed.clone()).is_err());
        assert_eq!(gcm.open_in_place(&[1; 12], &mut sealed).expect("opens"), b"a photo");
    }
}
