//! Where random bytes come from. Randomness is an effect, so it enters through an argument: the rim of
//! the program hands in [`OsEntropy`], tests and simulations a [`SeededEntropy`].

use zeroize::Zeroize as _;

use crate::primitive::hmac_sha256;

/// A source of bytes that nobody else can guess.
pub trait Entropy {
    /// Fills `out` with fresh random bytes.
    fn fill(&mut self, out: &mut [u8]);
}

impl<T: Entropy + ?Sized> Entropy for &mut T {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

/// Draws `N` fresh bytes.
pub(crate) fn draw<const N: usize>(entropy: &mut dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// The operating system's generator. Not there on wasm32, where the host page provides its own.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug, Default, Clone, Copy)]
pub struct OsEntropy;

#[cfg(not(target_arch = "wasm32"))]
impl Entropy for OsEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        #[expect(clippy::panic, reason = "a machine without randomness must not seal or make keys")]
        if let Err(error) = getrandom::fill(out) {
            panic!("the operating system gives no random bytes: {error}");
        }
    }
}

/// A reproducible stream from a seed: HMAC-SHA-256(seed, counter). For tests, vectors and simulation only.
#[derive(Clone)]
pub struct SeededEntropy {
    seed: [u8; 32],
    counter: u64,
}

impl SeededEntropy {
    /// Starts the stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        Self { seed: key, counter: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let mut block = hmac_sha256(&self.seed, &[&self.counter.to_be_bytes()]);
            self.counter += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
            block.zeroize();
        }
    }
}
