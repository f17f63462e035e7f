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
