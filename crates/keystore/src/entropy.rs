//! Names that stores find a secret by: random, and not secret.

use safelight_crypto::{Entropy as _, OsEntropy};

pub(crate) fn draw<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsEntropy.fill(&mut bytes);
    bytes
}
