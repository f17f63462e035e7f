//! Where the library rests, told to a new device that came over the local network: it met the one that invites, and knows
//! of no place yet. Sealed to the new device alone, signed by the one that invites, and bound to the ask, as the welcome is.

use super::message::{Ask, Offer, begin, end, open_for, seal_for, text};
use crate::codec::{Reader, Writer};
use crate::device::Device;
use crate::entropy::Entropy;
use crate::envelope::Sealed;
use crate::error::{Fault, Result};
use crate::ids::PairingId;
use crate::kem::KemSecret;
use crate::names;

const VERSION: u16 = 1;
/// More remotes than anybody connects.
const MOST_PLACES: usize = 32;
/// Longer than any name of a remote.
const MOST_NAME_BYTES: usize = 255;
/// Longer than any address.
const MOST_ADDRESS_BYTES: usize = 1_500;

/// A place that holds the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingPlace {
    /// What the device that invites calls it.
    pub name: String,
    /// Its address, which carries nothing secret.
    pub address: String,
}

impl PairingPlace {
    /// Whether a message can hold it.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.name.len() <= MOST_NAME_BYTES && self.address.len() <= MOST_ADDRESS_BYTES
    }
}

/// The places that hold the library; the first one is that into which the admission of the new device was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingPlaces {
    ask: [u8; 32],
    /// At least one.
    pub places: Vec<PairingPlace>,
}

impl PairingPlaces {
    /// Places for the device that asked. What a message cannot hold is left out, but for the first one.
    ///
    /// # Errors
    /// [`Fault::BadField`] where there is no first one; [`Fault::TooLarge`] where a message cannot hold it.
    pub fn new(ask: &Ask, mut places: Vec<PairingPlace>) -> Result<Self> {
        let first = places.first().ok_or_else(|| Fault::BadField("places").of("places"))?;
        if !first.fits() {
            return Err(Fault::TooLarge.of("the first place"));
        }
        places.retain(PairingPlace::fits);
        places.truncate(MOST_PLACES);
        Ok(Self { ask: ask.digest(), places })
    }

    /// Writes them, for the device that asked alone.
    ///
    /// # Errors
    /// When that device's key is not valid.
    pub fn seal(
        &self,
        id: PairingId,
        ask: &Ask,
        inviter: &Device,
        entropy: &mut dyn Entropy,
    ) -> Result<Sealed> {
        let count = u8::try_from(self.places.len()).unwrap_or(u8::MAX);
        let mut writer = Writer::new().raw(b"SLPP").u16(VERSION).raw(&self.ask).u8(count);
        for place in &self.places {
            writer = writer.prefixed(place.name.as_bytes()).prefixed(place.address.as_bytes());
        }
        seal_for(&names::pairing_places(&id), id, ask, inviter, writer, entropy)
    }

    /// Opens them with the new device's key.
    ///
    /// # Errors
    /// [`Fault::WrongContext`] for another device's; [`Fault::BadSignature`] when another device than that of the offer
    /// wrote them; [`Fault::BadField`] when they answer another ask, or are none; the first rule that they break.
    pub fn open(id: PairingId, offer: &Offer, ask: &Ask, key: &KemSecret, sealed: &[u8]) -> Result<Self> {
        open_for(names::pairing_places(&id), key, sealed, |bytes| Self::read(bytes, offer, ask))
    }

    fn read(bytes: &[u8], offer: &Offer, to: &Ask) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        begin(&mut reader, b"SLPP")?;
        let ask: [u8; 32] = reader.array()?;
        let count = usize::from(reader.u8()?);
        if !(1..=MOST_PLACES).contains(&count) {
            return Err(Fault::BadField("places"));
        }
        let mut places = Vec::with_capacity(count);
        for _ in 0..count {
            let name = text(&mut reader, MOST_NAME_BYTES, "name")?;
            let address = text(&mut reader, MOST_ADDRESS_BYTES, "address")?;
            places.push(PairingPlace { name, address });
        }
        end(reader, bytes, offer, (ask, to))?;
        Ok(Self { ask, places })
    }
}
