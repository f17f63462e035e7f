//! Keys files: every epoch secret that one recipient may hold, wrapped to its public key with X-Wing. There
//! are no chains: one file opens everything. A file counts only if a statement names its hash.
//!
//! Spec: sl1.md §1.7.

use std::fmt;

use crate::codec::{Reader, Writer};
use crate::entropy::Entropy;
use crate::envelope::{Kind, ObjectContext, Sealed, open_from, seal_to};
use crate::epoch::Epoch;
use crate::error::{Fault, Result};
use crate::ids::{DeviceId, EpochId, LibraryId};
use crate::kem::{KemPublic, KemSecret};
use crate::names;

/// Whom a keys file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A device.
    Device(DeviceId),
    /// The recovery words with this id.
    Words(LibraryId),
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => id.fmt(f),
            Self::Words(id) => id.fmt(f),
        }
    }
}

impl Recipient {
    pub(crate) fn write(&self, writer: Writer) -> Writer {
        match self {
            Self::Device(id) => writer.u8(1).raw(id.as_bytes()),
            Self::Words(id) => writer.u8(2).raw(id.as_bytes()),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        match reader.u8()? {
            1 => Ok(Self::Device(DeviceId::from_bytes(reader.array()?))),
            2 => Ok(Self::Words(LibraryId::from_bytes(reader.array()?))),
            _ => Err(Fault::BadField("recipient")),
        }
    }
}

/// Wraps `epochs`, the newest last, to `recipient`. The file belongs under `keys/<newest epoch>/<recipient>`.
///
/// # Errors
/// When there is no epoch, or the recipient's key is not valid.
pub fn seal_keys_file(
    library: LibraryId,
    epochs: &[Epoch],
    recipient: Recipient,
    key: &KemPublic,
    entropy: &mut dyn Entropy,
) -> Result<Sealed> {
    let newest = epochs.last().ok_or_else(|| Fault::BadField("epochs").of("keys file"))?;
    let name = names::keys_file(&newest.id(), &recipient);
    let content = zeroize::Zeroizing::new(write_epochs(Writer::new(), epochs).finish());
    let context = ObjectContext::named(library, &name);
    seal_to(Kind::KeysFile, newest.id().into(), key, &context, &content, entropy)
}

/// Opens the keys file of `newest` for `recipient`: its epochs, the newest last.
///
/// # Errors
/// The first rule that the file breaks; another recipient's file shows as [`Fault::WrongContext`].
pub fn open_keys_file(
    sealed: &[u8],
    library: LibraryId,
    newest: &EpochId,
    recipient: Recipient,
    key: &KemSecret,
) -> Result<Vec<Epoch>> {
    let name = names::keys_file(newest, &recipient);
    let context = ObjectContext::named(library, &name);
    let content = zeroize::Zeroizing::new(open_from(sealed, Kind::KeysFile, key, &context)?);
    let mut reader = Reader::new(&content);
    let read = || {
        let epochs = read_epochs(&mut reader)?;
        reader.finish()?;
        match epochs.last() {
            Some(last) if last.id() == *newest => Ok(epochs),
            _ => Err(Fault::BadField("epochs")),
        }
    };
    read().map_err(|fault| fault.of(name.as_str()))
}

pub(crate) fn write_epochs(writer: Writer, epochs: &[Epoch]) -> Writer {
    let count = u32::try_from(epochs.len()).unwrap_or(u32::MAX);
    epochs.iter().fold(writer.u32(count), |writer, epoch| {
        writer.raw(epoch.id().as_bytes()).raw(epoch.secret().as_bytes())
    })
}

pub(crate) fn read_epochs(reader: &mut Reader<'_>) -> Result<Vec<Epoch>, Fault> {
    let count = reader.u32()? as usize;
    if count > reader.rest() / 48 {
        return Err(Fault::Truncated);
    }
    (0..count).map(|_| Ok(Epoch::from_parts(EpochId::from_bytes(reader.array()?), reader.array()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::entropy::SeededEntropy;
    use crate::keyring::Keyring;
    use crate::words::RecoveryWords;

    #[test]
    fn the_words_and_a_keys_file_make_a_new_device_that_can_open_everything() {
        let mut entropy = SeededEntropy::new(70);
        let words = RecoveryWords::generate(&mut entropy);
        let mut keyring = Keyring::create(&words, &mut entropy);
        keyring.add_epoch(Epoch::generate(&mut entropy));
        let (library, newest) = (keyring.library(), keyring.epoch().id());
        let recipient = Recipient::Words(keyring.words().id());
        let key = keyring.words().kem_public.clone();
        let file = seal_keys_file(library, keyring.epochs(), recipient, &key, &mut entropy).expect("seals");

        // Years later, with nothing but the words and the bucket.
        let words = RecoveryWords::parse(&words.words().join(" ")).expect("the words");
        let epochs = open_keys_file(file.as_bytes(), library, &newest, recipient, &words.kem_key());
        let restored = Keyring::join(words.library_id(), words.card(), epochs.expect("opens"), &mut entropy);
        let restored = restored.expect("there are epochs");
        for epoch in keyring.epochs() {
            let again = restored.epoch_by_id(&epoch.id()).expect("every epoch is back");
            assert_eq!(again.sealing_secret().as_bytes(), epoch.sealing_secret().as_bytes());
        }
        assert_ne!(restored.device().id(), keyring.device().id());
        assert_ne!(restored.catalog_key().as_bytes(), keyring.catalog_key().as_bytes());
    }

    #[test]
    fn a_device_opens_its_own_file_and_no_other() {
        let mut entropy = SeededEntropy::new(71);
        let library = LibraryId::from_bytes([1; 20]);
        let (mine, other) = (Device::generate(&mut entropy), Device::generate(&mut entropy));
        let epochs = [Epoch::generate(&mut entropy)];
        let recipient = Recipient::Device(mine.id());
        let file = seal_keys_file(library, &epochs, recipient, mine.card().kem_public(), &mut entropy)
            .expect("seals");
        let newest = epochs[0].id();
        let open_by = |device: &Device| {
            open_keys_file(
                file.as_bytes(),
                library,
                &newest,
                Recipient::Device(device.id()),
                device.kem_secret(),
            )
        };
        assert_eq!(open_by(&mine).expect("opens").len(), 1);
        assert_eq!(open_by(&other).expect_err("not its own").fault(), Some(&Fault::WrongContext));
    }
}
