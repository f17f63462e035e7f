//! Passphrases to secrets, slowly: Argon2id with costs that are stored with the slot and bounded on both
//! sides, so that a stranger's file can make it neither weak nor endless. Spec: sl1.md §1.9.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::Fault;
use crate::secret::Secret;

/// What one guess at a passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassphraseCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that may run at once.
    pub lanes: u32,
}

impl PassphraseCost {
    /// 256 MiB, 3 passes, 4 lanes: about a second of one core.
    pub const DESKTOP: Self = Self { memory_kib: 256 << 10, passes: 3, lanes: 4 };
    /// 64 MiB, 3 passes, 1 lane: for browsers.
    pub const BROWSER: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 1 };
    /// The least that is accepted (OWASP's minimum): 19 MiB, 2 passes, 1 lane. Tests use it.
    pub const MINIMUM: Self = Self { memory_kib: 19 << 10, passes: 2, lanes: 1 };
    /// The most that is accepted: 1 GiB, 16 passes, 16 lanes.
    pub const MAXIMUM: Self = Self { memory_kib: 1 << 20, passes: 16, lanes: 16 };

    /// Checks the bounds.
    ///
    /// # Errors
    /// [`Fault::CostOutOfBounds`].
    pub fn check(&self) -> Result<(), Fault> {
        let within = (Self::MINIMUM.memory_kib..=Self::MAXIMUM.memory_kib).contains(&self.memory_kib)
            && (Self::MINIMUM.passes..=Self::MAXIMUM.passes).contains(&self.passes)
            && (Self::MINIMUM.lanes..=Self::MAXIMUM.lanes).contains(&self.lanes);
        if within { Ok(()) } else { Err(Fault::CostOutOfBounds) }
    }
}

impl Default for PassphraseCost {
    fn default() -> Self {
        Self::DESKTOP
    }
}

/// The secret of a passphrase: Argon2id over its NFC form.
pub(crate) fn stretch(passphrase: &str, salt: &[u8; 32], cost: &PassphraseCost) -> Result<Secret, Fault> {
    cost.check()?;
    let normal: Zeroizing<String> = Zeroizing::new(passphrase.nfc().collect());
    if normal.is_empty() {
        return Err(Fault::BadField("passphrase"));
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .map_err(|_| Fault::CostOutOfBounds)?;
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(normal.as_bytes(), salt, &mut out)
        .map_err(|_| Fault::CostOutOfBounds)?;
    let secret = Secret::from_bytes(out);
    out.zeroize();
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accent_gives_the_same_secret_however_it_was_typed() {
        let cost = PassphraseCost::MINIMUM;
        let composed = stretch("caf\u{e9}", &[1; 32], &cost).expect("within bounds");
        let decomposed = stretch("cafe\u{301}", &[1; 32], &cost).expect("within bounds");
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
    }

    #[test]
    fn costs_outside_the_bounds_are_refused_before_any_work() {
        let endless = PassphraseCost { memory_kib: u32::MAX, ..PassphraseCost::MAXIMUM };
        let weak = PassphraseCost { memory_kib: 8, ..PassphraseCost::MINIMUM };
        for cost in [endless, weak, PassphraseCost { passes: 1, ..PassphraseCost::DESKTOP }] {
            assert_eq!(stretch("x", &[0; 32], &cost).err(), Some(Fault::CostOutOfBounds));
        }
    }
}
