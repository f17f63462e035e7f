//! The five messages of a pairing. Each rests under a name of its own, so none can be taken for another.
//!
//! The device that invites signs all that it says with its device key, and the new device its ask: whoever else has the
//! code cannot go on in the name of either after the six words were compared.

use crate::codec::{Reader, Writer};
use crate::device::{Device, DeviceCard};
use crate::entropy::{Entropy, draw};
use crate::envelope::Sealed;
use crate::error::{Fault, Result};
use crate::ids::{EpochId, LibraryId, PairingId};
use crate::inbox::{InboxKey, InboxWelcome};
use crate::kem::KemSecret;
use crate::names;
use crate::pairing::{PairingKey, open_welcome, seal_welcome};
use crate::primitive::sha256;
use crate::sign::{Domain, SIGNATURE_LEN, Signature, VerifyingKey};
use crate::words::word_of;

/// How many asks that do not open end a pairing.
pub const PAIRING_TRIES: usize = 3;

const VERSION: u16 = 1;
/// Longer than any name of a device.
const MOST_NAME_BYTES: usize = 1024;
/// Longer than any credential.
const MOST_STORAGE_BYTES: usize = 16 << 10;

/// What the device that invites says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The library.
    pub library: LibraryId,
    /// The id of the recovery words in force: where the root card rests.
    pub words: LibraryId,
    /// The device that invites.
    pub inviter: DeviceCard,
    /// When the offer ends, in milliseconds since 1970, by the clock of the device that invites.
    pub expires_millis: u64,
    /// SHA-256 of what [`Reveal`] will tell.
    commitment: [u8; 32],
    /// What people call the device that invites.
    pub name: String,
    digest: [u8; 32],
}

/// What the new device answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// SHA-256 of the offer that it answers.
    offer: [u8; 32],
    /// The new device.
    pub device: DeviceCard,
    /// What people shall call it.
    pub name: String,
    digest: [u8; 32],
}

/// What the device that invites had committed itself to, told after the ask: now both know the six words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reveal {
    ask: [u8; 32],
    nonce: [u8; 32],
}

/// What the new device needs besides what rests in the place; sealed to it alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Welcome {
    ask: [u8; 32],
    /// The epoch whose keys file is for the new device.
    pub epoch: EpochId,
    /// SHA-256 of that keys file.
    pub keys_file: [u8; 32],
    /// The six words of the history with the admission: a floor for what the place must show.
    pub history: String,
    /// A credential of the new device's own for the place, as in a credential file; empty where it brings its own.
    pub storage: Vec<u8>,
}

impl std::fmt::Debug for Welcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Welcome").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// Why a pairing ended. The card that says so stays where the offer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// A device was let in.
    Used,
    /// Too many asks did not open.
    TooManyTries,
    /// Nobody came in time.
    Expired,
    /// Whoever invited called it off, or said that the words differ.
    CalledOff,
}

/// The six words that both sides show, of 66 bits. Neither side can choose them: each is bound before it hears what the
/// other adds.
#[must_use]
pub fn pairing_words(offer: &Offer, ask: &Ask, reveal: &Reveal) -> String {
    let hash = sha256(&[b"safelight/1 pairing words", &offer.digest, &ask.digest, &reveal.nonce]);
    let bit = |at: usize| u16::from(hash[at / 8] >> (7 - at % 8) & 1);
    let word =
        |word: usize| word_of((word * 11..(word + 1) * 11).fold(0, |number, at| number << 1 | bit(at)));
    (0..6).map(word).collect::<Vec<_>>().join(" ")
}

fn sign(device: &Device, writer: Writer) -> Vec<u8> {
    let mut bytes = writer.finish();
    let signature = device.sign(Domain::Pairing, &bytes);
    bytes.extend_from_slice(signature.as_bytes());
    bytes
}

fn check(bytes: &[u8], key: &VerifyingKey) -> Result<(), Fault> {
    let (message, signature) = bytes.split_last_chunk::<SIGNATURE_LEN>().ok_or(Fault::Truncated)?;
    key.verify(Domain::Pairing, message, &Signature::from_bytes(*signature))
}

/// The end of an answer of the inviter: its signature, and that it answers this ask and no other.
pub(super) fn end(
    mut reader: Reader<'_>,
    bytes: &[u8],
    offer: &Offer,
    (answers, to): ([u8; 32], &Ask),
) -> Result<(), Fault> {
    reader.raw(SIGNATURE_LEN)?;
    reader.finish()?;
    check(bytes, offer.inviter.verifying_key())?;
    if answers == to.digest { Ok(()) } else { Err(Fault::BadField("ask")) }
}

/// Signs a message and seals it under its name, for the device that asked alone.
pub(super) fn seal_for(
    object: &str,
    id: PairingId,
    ask: &Ask,
    inviter: &Device,
    welcome: Writer,
    entropy: &mut dyn Entropy,
) -> Result<Sealed> {
    let bytes = zeroize::Zeroizing::new(sign(inviter, welcome));
    seal_welcome(id, object, ask.device.kem_public(), &bytes, entropy)
}

/// Opens what is for the new device alone with its key, and reads it.
pub(super) fn open_for<T>(
    object: String,
    key: &KemSecret,
    sealed: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Result<T> {
    let bytes = zeroize::Zeroizing::new(open_welcome(&object, sealed, key)?);
    read(&bytes).map_err(|fault| fault.of(object))
}

pub(super) fn begin(reader: &mut Reader<'_>, magic: &[u8; 4]) -> Result<(), Fault> {
    reader.magic(magic)?;
    match reader.u16()? {
        VERSION => Ok(()),
        other => Err(Fault::UnknownVersion(other)),
    }
}

pub(super) fn text(reader: &mut Reader<'_>, limit: usize, field: &'static str) -> Result<String, Fault> {
    String::from_utf8(reader.prefixed(limit)?.to_vec()).map_err(|_| Fault::BadField(field))
}

impl Offer {
    /// Writes an offer, and what it commits to.
    ///
    /// # Errors
    /// None that an offer can cause; sealing is fallible by type.
    pub fn seal(
        key: &PairingKey,
        (library, words): (LibraryId, LibraryId),
        inviter: &Device,
        expires_millis: u64,
        name: &str,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, [u8; 32], Sealed)> {
        let nonce: [u8; 32] = draw(entropy);
        let commitment = commit(&nonce);
        let writer = Writer::new()
            .raw(b"SLPO")
            .u16(VERSION)
            .raw(library.as_bytes())
            .raw(words.as_bytes())
            .raw(&inviter.card().to_bytes())
            .u64(expires_millis)
            .raw(&commitment)
            .prefixed(name.as_bytes());
        let bytes = sign(inviter, writer);
        let object = names::pairing_offer(&key.id());
        let offer = Self::read(&bytes).map_err(|fault| fault.of(object.as_str()))?;
        Ok((offer, nonce, key.seal(&object, &bytes, entropy)?))
    }

    /// Opens the offer of a pairing.
    ///
    /// # Errors
    /// [`Fault::WrongContext`] under another code; the first rule that it breaks.
    pub fn open(key: &PairingKey, sealed: &[u8]) -> Result<Self> {
        let object = names::pairing_offer(&key.id());
        let bytes = key.open(&object, sealed)?;
        Self::read(&bytes).map_err(|fault| fault.of(object))
    }

    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        begin(&mut reader, b"SLPO")?;
        let library = LibraryId::from_bytes(reader.array()?);
        let words = LibraryId::from_bytes(reader.array()?);
        let inviter = DeviceCard::read(&mut reader)?;
        let expires_millis = reader.u64()?;
        let commitment = reader.array()?;
        let name = text(&mut reader, MOST_NAME_BYTES, "name")?;
        reader.raw(SIGNATURE_LEN)?;
        reader.finish()?;
        check(bytes, inviter.verifying_key())?;
        Ok(Self { library, words, inviter, expires_millis, commitment, name, digest: sha256(&[bytes]) })
    }
}

fn commit(nonce: &[u8; 32]) -> [u8; 32] {
    sha256(&[b"safelight/1 pairing commitment", nonce])
}

impl Ask {
    /// SHA-256 of its content.
    pub(super) const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Writes the ask of a new device under a name that nobody else uses.
    ///
    /// # Errors
    /// None that an ask can cause; sealing is fallible by type.
    pub fn seal(
        key: &PairingKey,
        name_of_ask: &PairingId,
        offer: &Offer,
        device: &Device,
        name: &str,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Sealed)> {
        let writer = Writer::new()
            .raw(b"SLPA")
            .u16(VERSION)
            .raw(&offer.digest)
            .raw(&device.card().to_bytes())
            .raw(&draw::<32>(entropy))
            .prefixed(name.as_bytes());
        let bytes = sign(device, writer);
        let object = names::pairing_ask(&key.id(), name_of_ask);
        let ask = Self::read(&bytes, offer).map_err(|fault| fault.of(object.as_str()))?;
        Ok((ask, key.seal(&object, &bytes, entropy)?))
    }

    /// Opens an ask.
    ///
    /// # Errors
    /// [`Fault::WrongContext`] under another code; [`Fault::BadField`] when it answers another offer; the first rule that
    /// it breaks.
    pub fn open(key: &PairingKey, name_of_ask: &PairingId, offer: &Offer, sealed: &[u8]) -> Result<Self> {
        let object = names::pairing_ask(&key.id(), name_of_ask);
        let bytes = key.open(&object, sealed)?;
        Self::read(&bytes, offer).map_err(|fault| fault.of(object))
    }

    fn read(bytes: &[u8], to: &Offer) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        begin(&mut reader, b"SLPA")?;
        let offer: [u8; 32] = reader.array()?;
        let device = DeviceCard::read(&mut reader)?;
        reader.raw(32)?;
        let name = text(&mut reader, MOST_NAME_BYTES, "name")?;
        reader.raw(SIGNATURE_LEN)?;
        reader.finish()?;
        check(bytes, device.verifying_key())?;
        if offer != to.digest {
            return Err(Fault::BadField("offer"));
        }
        Ok(Self { offer, device, name, digest: sha256(&[bytes]) })
    }
}

impl Reveal {
    /// Tells what the offer committed to.
    ///
    /// # Errors
    /// None that it can cause; sealing is fallible by type.
    pub fn seal(
        key: &PairingKey,
        ask: &Ask,
        nonce: [u8; 32],
        inviter: &Device,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Sealed)> {
        let writer = Writer::new().raw(b"SLPR").u16(VERSION).raw(&ask.digest).raw(&nonce);
        let bytes = sign(inviter, writer);
        let sealed = key.seal(&names::pairing_reveal(&key.id()), &bytes, entropy)?;
        Ok((Self { ask: ask.digest, nonce }, sealed))
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Fault::BadField`] when it answers another ask, or tells something else than the offer committed to;
    /// [`Fault::BadSignature`] when another device than that of the offer wrote it; the first rule that it breaks.
    pub fn open(key: &PairingKey, offer: &Offer, ask: &Ask, sealed: &[u8]) -> Result<Self> {
        let object = names::pairing_reveal(&key.id());
        let bytes = key.open(&object, sealed)?;
        Self::read(&bytes, offer, ask).map_err(|fault| fault.of(object))
    }

    fn read(bytes: &[u8], offer: &Offer, to: &Ask) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        begin(&mut reader, b"SLPR")?;
        let ask: [u8; 32] = reader.array()?;
        let nonce: [u8; 32] = reader.array()?;
        end(reader, bytes, offer, (ask, to))?;
        if commit(&nonce) != offer.commitment {
            return Err(Fault::BadField("commitment"));
        }
        Ok(Self { ask, nonce })
    }
}

impl Welcome {
    /// A welcome for the device that asked.
    #[must_use]
    pub fn new(ask: &Ask, epoch: EpochId, keys_file: [u8; 32], history: String, storage: Vec<u8>) -> Self {
        Self { ask: ask.digest, epoch, keys_file, history, storage }
    }

    /// Writes the welcome, for the device that asked alone.
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
        let writer = Writer::new()
            .raw(b"SLPW")
            .u16(VERSION)
            .raw(&self.ask)
            .raw(self.epoch.as_bytes())
            .raw(&self.keys_file)
            .prefixed(self.history.as_bytes())
            .prefixed(&self.storage);
        seal_for(&names::pairing_welcome(&id), id, ask, inviter, writer, entropy)
    }

    /// Opens it with the new device's key.
    ///
    /// # Errors
    /// [`Fault::WrongContext`] for another device's; [`Fault::BadSignature`] when another device than that of the offer
    /// wrote it; [`Fault::BadField`] when it answers another ask; the first rule that it breaks.
    pub fn open(id: PairingId, offer: &Offer, ask: &Ask, key: &KemSecret, sealed: &[u8]) -> Result<Self> {
        open_for(names::pairing_welcome(&id), key, sealed, |bytes| Self::read(bytes, offer, ask))
    }

    fn read(bytes: &[u8], offer: &Offer, to: &Ask) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        begin(&mut reader, b"SLPW")?;
        let ask: [u8; 32] = reader.array()?;
        let epoch = EpochId::from_bytes(reader.array()?);
        let keys_file = reader.array()?;
        let history = text(&mut reader, MOST_NAME_BYTES, "history")?;
        let storage = reader.prefixed(MOST_STORAGE_BYTES)?.to_vec();
        end(reader, bytes, offer, (ask, to))?;
        Ok(Self { ask, epoch, keys_file, history, storage })
    }
}

impl InboxWelcome {
    /// A welcome for the device that asked.
    #[must_use]
    pub fn new(ask: &Ask, key: InboxKey, storage: Vec<u8>) -> Self {
        Self { ask: ask.digest, key, storage }
    }

    /// Writes the welcome, for the device that asked alone. It rests where a [`Welcome`] would.
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
        let writer = Writer::new().raw(b"SLPU").u16(VERSION).raw(&self.ask).raw(&self.key.to_bytes());
        let writer = writer.prefixed(&self.storage);
        seal_for(&names::pairing_welcome(&id), id, ask, inviter, writer, entropy)
    }

    /// Opens it with the new device's key.
    ///
    /// # Errors
    /// As [`Welcome::open`]; [`Fault::BadMagic`] for the welcome of a device that may read.
    pub fn open(id: PairingId, offer: &Offer, ask: &Ask, key: &KemSecret, sealed: &[u8]) -> Result<Self> {
        open_for(names::pairing_welcome(&id), key, sealed, |bytes| Self::read(bytes, offer, ask))
    }

    fn read(bytes: &[u8], offer: &Offer, to: &Ask) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        begin(&mut reader, b"SLPU")?;
        let ask: [u8; 32] = reader.array()?;
        let key = InboxKey::read(&mut reader)?;
        let storage = reader.prefixed(MOST_STORAGE_BYTES)?.to_vec();
        end(reader, bytes, offer, (ask, to))?;
        Ok(Self { ask, key, storage })
    }
}

impl Closing {
    /// Writes the card that stays.
    ///
    /// # Errors
    /// None that it can cause; sealing is fallible by type.
    pub fn seal(self, key: &PairingKey, entropy: &mut dyn Entropy) -> Result<Sealed> {
        let bytes = Writer::new().raw(b"SLPC").u16(VERSION).u8(self.number()).finish();
        key.seal(&names::pairing_closed(&key.id()), &bytes, entropy)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Fault::WrongContext`] under another code; the first rule that it breaks.
    pub fn open(key: &PairingKey, sealed: &[u8]) -> Result<Self> {
        let object = names::pairing_closed(&key.id());
        let bytes = key.open(&object, sealed)?;
        let read = || {
            let mut reader = Reader::new(&bytes);
            begin(&mut reader, b"SLPC")?;
            let number = reader.u8()?;
            reader.finish()?;
            let all = [Self::Used, Self::TooManyTries, Self::Expired, Self::CalledOff];
            all.into_iter().find(|closing| closing.number() == number).ok_or(Fault::BadField("reason"))
        };
        read().map_err(|fault| fault.of(object))
    }

    const fn number(self) -> u8 {
        match self {
            Self::Used => 1,
            Self::TooManyTries => 2,
            Self::Expired => 3,
            Self::CalledOff => 4,
        }
    }
}
