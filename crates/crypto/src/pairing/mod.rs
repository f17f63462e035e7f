//! Pairing: a device of the library lets a new one in by a one-time code, through a place that neither trusts.
//!
//! The code is 80 random bits, typed as eight words or read from a QR code. Who has it can make and open the messages
//! of one pairing, and nobody else: the place and whoever writes there are shut out by the code alone. Six words over
//! both sides' keys, fixed before either could choose them by the other's (a commitment), show on both screens that
//! nobody who read the code over a shoulder stands between. What the new device gets is sealed to its own key, so a
//! code that becomes known later opens nothing.
//!
//! Spec: sl1.md §1.14.

mod code;
mod message;
mod places;

pub use code::{CODE_WORDS, PairingCode};
pub use message::{Ask, Closing, Offer, PAIRING_TRIES, Reveal, Welcome, pairing_words};
pub use places::{PairingPlace, PairingPlaces};

use crate::entropy::Entropy;
use crate::envelope::{Kind, ObjectContext, Sealed, open, open_from, seal_to, seal_under};
use crate::epoch::{EpochSecrets, SealingSecret};
use crate::error::Result;
use crate::ids::{KeyId, LibraryId, PairingId};
use crate::kem::{KemPublic, KemSecret};

/// A side of a pairing does not know of which library the other is, so messages are bound to none.
const NO_LIBRARY: LibraryId = LibraryId::from_bytes([0; LibraryId::LEN]);

/// What the messages of one pairing are sealed under.
#[derive(Debug, Clone)]
pub struct PairingKey {
    id: PairingId,
    secret: SealingSecret,
}

impl PairingKey {
    /// The key of a pairing for whoever has its code.
    #[must_use]
    pub fn derive(code: &PairingCode, id: PairingId) -> Self {
        Self { id, secret: code.sealing_secret(&id) }
    }

    /// Which pairing it is of.
    #[must_use]
    pub fn id(&self) -> PairingId {
        self.id
    }

    /// Seals a message under its name.
    ///
    /// # Errors
    /// None that a message can cause; sealing is fallible by type.
    pub fn seal(&self, name: &str, content: &[u8], entropy: &mut dyn Entropy) -> Result<Sealed> {
        let context = ObjectContext::named(NO_LIBRARY, name);
        seal_under(Kind::Pairing, self.id.into(), &self.secret, &context, content, entropy)
    }

    /// Opens what rests under a name.
    ///
    /// # Errors
    /// [`Fault::WrongContext`](crate::Fault::WrongContext) under another code, and for a message that was moved here from
    /// another name or pairing; the first rule that the bytes break.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        open(sealed, Kind::Pairing, self, &ObjectContext::named(NO_LIBRARY, name))
    }
}

impl EpochSecrets for PairingKey {
    fn sealing_secret(&self, key: &KeyId) -> Option<SealingSecret> {
        (KeyId::from(self.id) == *key).then(|| self.secret.clone())
    }
}

/// Seals a message to the new device alone.
pub(crate) fn seal_welcome(
    id: PairingId,
    name: &str,
    recipient: &KemPublic,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Sealed> {
    seal_to(Kind::Welcome, id.into(), recipient, &ObjectContext::named(NO_LIBRARY, name), content, entropy)
}

/// Opens what is for the new device alone with its key.
pub(crate) fn open_welcome(name: &str, sealed: &[u8], recipient: &KemSecret) -> Result<Vec<u8>> {
    open_from(sealed, Kind::Welcome, recipient, &ObjectContext::named(NO_LIBRARY, name))
}

#[cfg(test)]
mod tests;
