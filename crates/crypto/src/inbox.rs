//! What a device sends that may only upload: files sealed to the inbox key of an epoch, which the device cannot open again,
//! signed by the device over the library, itself, a counter and the sealed bytes.
//!
//! A file is one item: a *head*, which holds its manifest and its first piece, and further pieces for what is longer. The
//! manifest names the sealed hash of every further piece, so the head's signature covers all of it, and the head is put
//! last: an item without a head does not exist yet.
//!
//! Spec: sl1.md §1.15.

use crate::codec::{Reader, Writer};
use crate::device::{Device, DeviceCard};
use crate::entropy::Entropy;
use crate::envelope::{Kind, ObjectContext, Prefix, open_from, seal_to};
use crate::epoch::Epoch;
use crate::error::{CryptoError, Fault, Result};
use crate::ids::{ContentHash, DeviceId, EpochId, LibraryId, base32_decode};
use crate::kem::{KEM_PUBLIC_LEN, KemPublic};
use crate::names;
use crate::primitive::sha256;
use crate::sign::{Domain, SIGNATURE_LEN, Signature, VerifyingKey};

/// Bytes of content in every piece of an item but its last.
pub const INBOX_PIECE_LEN: u64 = 16 << 20;
/// How many pieces an item has at most.
pub const MOST_INBOX_PIECES: u32 = 1 << 15;
/// More than any sealed object of an inbox has.
pub const MOST_INBOX_OBJECT: u64 = 20 << 20;
/// How long a path may be, as in history.
const MOST_PATH_BYTES: usize = 32 << 10;
const MAGIC: &[u8; 4] = b"SLIM";
const VERSION: u16 = 1;

/// Which object of an inbox it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxName {
    /// The device that uploads.
    pub device: DeviceId,
    /// The item's number: larger than all before it of this device.
    pub counter: u64,
    /// 0 for the head, then the further pieces in order.
    pub piece: u32,
}

impl InboxName {
    /// Reads the last two parts of `inbox/<device>/<id>`; nothing where it is no such name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (device, id) = name.strip_prefix("inbox/")?.split_once('/')?;
        let bytes: [u8; 12] = base32_decode(id)?.try_into().ok()?;
        let (counter, piece) = bytes.split_first_chunk::<8>()?;
        let name = Self {
            device: device.parse().ok()?,
            counter: u64::from_be_bytes(*counter),
            piece: u32::from_be_bytes(piece.try_into().ok()?),
        };
        (name.piece <= MOST_INBOX_PIECES).then_some(name)
    }

    /// Another piece of the same item.
    #[must_use]
    pub fn piece(self, piece: u32) -> Self {
        Self { piece, ..self }
    }
}

/// The public key that uploads are sealed to, and the epoch that it is of. Whoever has it can seal, and open nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxKey {
    /// The epoch.
    pub epoch: EpochId,
    /// Its inbox key.
    pub public: KemPublic,
}

impl InboxKey {
    /// The key of an epoch.
    #[must_use]
    pub fn of(epoch: &Epoch) -> Self {
        Self { epoch: epoch.id(), public: epoch.inbox_keypair().public() }
    }

    /// `epoch id ‖ public key`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::new().raw(self.epoch.as_bytes()).raw(self.public.as_bytes()).finish()
    }

    /// Reads [`InboxKey::to_bytes`] back.
    ///
    /// # Errors
    /// [`Fault::BadPublicKey`], [`Fault::Truncated`], [`Fault::TrailingBytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let key = Self::read(&mut reader).and_then(|key| reader.finish().map(|()| key));
        key.map_err(|fault| fault.of("inbox key"))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let epoch = EpochId::from_bytes(reader.array()?);
        Ok(Self { epoch, public: KemPublic::from_bytes(reader.raw(KEM_PUBLIC_LEN)?)? })
    }
}

/// What an item is, as the device that uploads says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxManifest {
    /// The folder that the file was uploaded from, as that device's file system has it.
    pub root: Vec<u8>,
    /// The file's path below it, `/` between names; never empty.
    pub relative: Vec<u8>,
    /// When the file was last changed, in milliseconds since 1970.
    pub modified_millis: i64,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// SHA-256 of the file.
    pub content: ContentHash,
    /// SHA-256 of every further sealed piece, in order.
    pub pieces: Vec<[u8; 32]>,
}

/// How many pieces follow the head of a file that is so long.
#[must_use]
pub fn further_pieces(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(INBOX_PIECE_LEN).saturating_sub(1)
}

/// The bytes of a file that a piece holds.
#[must_use]
pub fn piece_range(size_bytes: u64, piece: u64) -> std::ops::Range<u64> {
    let start = piece.saturating_mul(INBOX_PIECE_LEN).min(size_bytes);
    start..start.saturating_add(INBOX_PIECE_LEN).min(size_bytes)
}

fn context_error(name: &str, fault: Fault) -> CryptoError {
    fault.of(name)
}

/// Seals a further piece of an item.
///
/// # Errors
/// When the key is not valid.
pub fn seal_inbox_piece(
    library: LibraryId,
    name: InboxName,
    key: &InboxKey,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>> {
    let logical = names::inbox(&name);
    let context = ObjectContext::named(library, &logical);
    Ok(seal_to(Kind::InboxItem, key.epoch.into(), &key.public, &context, content, entropy)?.into_bytes())
}

/// Seals and signs the head of an item: its manifest and its first piece.
///
/// # Errors
/// When the manifest breaks a rule of its own, or the key is not valid.
pub fn seal_inbox_head(
    library: LibraryId,
    device: &Device,
    counter: u64,
    key: &InboxKey,
    manifest: &InboxManifest,
    first: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>> {
    let name = InboxName { device: device.id(), counter, piece: 0 };
    let content = manifest.write(first).map_err(|fault| context_error(&names::inbox(&name), fault))?;
    let mut sealed = seal_inbox_piece(library, name, key, &content, entropy)?;
    let signature = device.sign(Domain::InboxItem, &signed(library, name, &sealed));
    sealed.extend_from_slice(signature.as_bytes());
    Ok(sealed)
}

fn signed(library: LibraryId, name: InboxName, envelope: &[u8]) -> Vec<u8> {
    Writer::new()
        .raw(library.as_bytes())
        .raw(name.device.as_bytes())
        .u64(name.counter)
        .raw(&sha256(&[envelope]))
        .finish()
}

/// The head of an item whose signature is that of the device in its name.
#[derive(Debug)]
pub struct SignedInboxHead<'a> {
    name: InboxName,
    library: LibraryId,
    envelope: &'a [u8],
}

impl<'a> SignedInboxHead<'a> {
    /// Checks the signature of a head before anything of it is opened.
    ///
    /// # Errors
    /// [`Fault::Truncated`], [`Fault::BadSignature`], [`Fault::OutOfOrder`] for what is no head.
    pub fn verify(library: LibraryId, name: InboxName, key: &VerifyingKey, bytes: &'a [u8]) -> Result<Self> {
        let check = || {
            if name.piece != 0 {
                return Err(Fault::OutOfOrder("only the head of an item is signed"));
            }
            let (envelope, signature) = bytes.split_last_chunk::<SIGNATURE_LEN>().ok_or(Fault::Truncated)?;
            let message = signed(library, name, envelope);
            key.verify(Domain::InboxItem, &message, &Signature::from_bytes(*signature))?;
            Ok(Self { name, library, envelope })
        };
        check().map_err(|fault| context_error(&names::inbox(&name), fault))
    }

    /// The epoch whose inbox key it is sealed to.
    ///
    /// # Errors
    /// The first rule that the header breaks.
    pub fn epoch(&self) -> Result<EpochId> {
        epoch_of(self.name, self.envelope)
    }

    /// Opens the head: what the item is, and its first piece.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn open(&self, epoch: &Epoch) -> Result<(InboxManifest, Vec<u8>)> {
        let content = open_inbox_piece(self.library, self.name, epoch, self.envelope)?;
        InboxManifest::read(&content).map_err(|fault| context_error(&names::inbox(&self.name), fault))
    }
}

fn epoch_of(name: InboxName, envelope: &[u8]) -> Result<EpochId> {
    let read = || {
        let prefix = Prefix::parse(envelope)?;
        prefix.expect(Kind::InboxItem)?;
        Ok(EpochId::from_bytes(*prefix.key.as_bytes()))
    };
    read().map_err(|fault| context_error(&names::inbox(&name), fault))
}

/// Opens a further piece, once its hash was found to be that of the manifest.
///
/// # Errors
/// The first rule that it breaks.
pub fn open_inbox_piece(
    library: LibraryId,
    name: InboxName,
    epoch: &Epoch,
    sealed: &[u8],
) -> Result<Vec<u8>> {
    if epoch_of(name, sealed)? != epoch.id() {
        let id = epoch_of(name, sealed)?.to_string();
        return Err(context_error(&names::inbox(&name), Fault::UnknownKey { id }));
    }
    let logical = names::inbox(&name);
    let context = ObjectContext::named(library, &logical);
    open_from(sealed, Kind::InboxItem, &epoch.inbox_keypair(), &context)
}

impl InboxManifest {
    fn write(&self, first: &[u8]) -> Result<Vec<u8>, Fault> {
        let count = u32::try_from(self.pieces.len()).map_err(|_| Fault::TooLarge)?;
        let writer = Writer::new()
            .raw(MAGIC)
            .u16(VERSION)
            .prefixed(&self.root)
            .prefixed(&self.relative)
            .raw(&self.modified_millis.to_be_bytes())
            .u64(self.size_bytes)
            .raw(self.content.as_bytes())
            .u32(count);
        let writer = self.pieces.iter().fold(writer, |writer, piece| writer.raw(piece));
        let bytes = writer.raw(first).finish();
        Self::read(&bytes)?;
        Ok(bytes)
    }

    /// A manifest and the first piece behind it.
    fn read(bytes: &[u8]) -> Result<(Self, Vec<u8>), Fault> {
        let mut reader = Reader::new(bytes);
        reader.magic(MAGIC)?;
        match reader.u16()? {
            VERSION => {}
            other => return Err(Fault::UnknownVersion(other)),
        }
        let root = reader.prefixed(MOST_PATH_BYTES)?.to_vec();
        let relative = reader.prefixed(MOST_PATH_BYTES)?.to_vec();
        if relative.is_empty() || relative.starts_with(b"/") {
            return Err(Fault::BadField("path"));
        }
        let modified_millis = i64::from_be_bytes(reader.array()?);
        let size_bytes = reader.u64()?;
        let content = ContentHash::from_bytes(reader.array()?);
        let count = reader.u32()?;
        if count > MOST_INBOX_PIECES || u64::from(count) != further_pieces(size_bytes) {
            return Err(Fault::BadField("pieces"));
        }
        let pieces = (0..count).map(|_| reader.array()).collect::<Result<Vec<_>, Fault>>()?;
        let first = reader.raw(reader.rest())?.to_vec();
        let due = piece_range(size_bytes, 0);
        if first.len() as u64 != due.end {
            return Err(Fault::SizeMismatch { expected: due.end, found: first.len() as u64 });
        }
        Ok((Self { root, relative, modified_millis, size_bytes, content, pieces }, first))
    }
}

/// What a device of the library says to one that may only upload, instead of a welcome: sealed to that device alone.
#[derive(Clone, PartialEq, Eq)]
pub struct InboxWelcome {
    pub(crate) ask: [u8; 32],
    /// What it seals to.
    pub key: InboxKey,
    /// A credential of its own for the place, as in a credential file; empty where it brings its own.
    pub storage: Vec<u8>,
}

impl std::fmt::Debug for InboxWelcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("InboxWelcome").field("epoch", &self.key.epoch).finish_non_exhaustive()
    }
}

/// A device that may only upload, as it keeps itself: its keys, what it seals to, and for which library.
#[derive(Debug, Clone)]
pub struct UploadIdentity {
    /// The library.
    pub library: LibraryId,
    /// The device.
    pub device: Device,
    /// What it seals to.
    pub key: InboxKey,
}

impl UploadIdentity {
    /// `"SLUP" ‖ u16(1) ‖ library id ‖ device card ‖ signing seed ‖ KEM seed ‖ inbox key`: a secret of the device.
    #[must_use]
    pub fn to_bytes(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let writer = Writer::new().raw(b"SLUP").u16(VERSION).raw(self.library.as_bytes());
        let writer = writer.raw(self.device.signing_key().seed().as_bytes());
        let writer = writer.raw(self.device.kem_secret().seed().as_bytes());
        zeroize::Zeroizing::new(writer.raw(&self.key.to_bytes()).finish())
    }

    /// Reads [`UploadIdentity::to_bytes`] back.
    ///
    /// # Errors
    /// The first rule that the bytes break.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let read = || {
            let mut reader = Reader::new(bytes);
            reader.magic(b"SLUP")?;
            match reader.u16()? {
                VERSION => {}
                other => return Err(Fault::UnknownVersion(other)),
            }
            let library = LibraryId::from_bytes(reader.array()?);
            let signing =
                crate::sign::SigningKey::from_seed(&crate::secret::Secret::from_bytes(reader.array()?));
            let kem = crate::kem::KemSecret::from_seed(crate::secret::Secret::from_bytes(reader.array()?));
            let key = InboxKey::read(&mut reader)?;
            reader.finish()?;
            Ok(Self { library, device: Device::from_keys(signing, kem), key })
        };
        read().map_err(|fault: Fault| fault.of("upload identity"))
    }

    /// Its public halves.
    #[must_use]
    pub fn card(&self) -> &DeviceCard {
        self.device.card()
    }
}

#[cfg(test)]
mod tests;
