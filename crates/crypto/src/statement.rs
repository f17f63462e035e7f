//! Statements: who belongs to a library, under which secrets it is sealed, what a program must know to write
//! to it. Each is signed on its own, names the statements that its author had seen, and is carried verbatim
//! in segments and checkpoints; a [`Roster`](crate::Roster) replays them before anything else is believed.
//!
//! Spec: sl1.md §1.12.

use crate::codec::{Reader, Writer};
use crate::device::{Device, DeviceCard};
use crate::error::{Fault, Result};
use crate::ids::{DeviceId, EpochId, LibraryId, base32};
use crate::kem::{KEM_PUBLIC_LEN, KemPublic};
use crate::keys_file::Recipient;
use crate::primitive::sha256;
use crate::sign::{Domain, SIGNATURE_LEN, Signature, VerifyingKey};
use crate::words::{RecoveryWords, WordsCard};

const MAGIC: &[u8; 4] = b"SLST";
const VERSION: u16 = 1;
/// The most that a statement of a kind this version does not know may carry.
const BODY_LIMIT: usize = 1 << 20;
const FEATURE_LIMIT: usize = 64;

/// The id of a statement: SHA-256 of its bytes, signature included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId([u8; 32]);

impl StatementId {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatementBody {
    /// These recovery words are in force. The first of a library names those at its birth.
    Root(WordsCard),
    /// This device belongs to the library.
    Admit(DeviceCard),
    /// This device has left in peace; its last segment is `last_seq`.
    Retire {
        /// The device.
        device: DeviceId,
        /// Its last segment.
        last_seq: u32,
    },
    /// This device is no longer trusted; nothing of it counts after `last_seq`.
    Revoke {
        /// The device.
        device: DeviceId,
        /// The last segment that is accepted.
        last_seq: u32,
        /// That segment's body root.
        last_root: [u8; 32],
    },
    /// This device has been silent for long and is not waited for.
    Lapse {
        /// The device.
        device: DeviceId,
    },
    /// A new epoch, with the hash of the keys file of every recipient, sorted by recipient.
    Epoch {
        /// The epoch.
        epoch: EpochId,
        /// SHA-256 of the sealed keys file of each recipient.
        files: Vec<(Recipient, [u8; 32])>,
    },
    /// Whoever writes to the library must know this feature. Lower-case ASCII, at most 64 bytes.
    RequireFeature(String),
    /// A kind that this version does not know. It is kept, and the library may not be written to.
    Unknown {
        /// The kind.
        kind: u16,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// Who states something.
#[derive(Clone, Copy)]
pub enum Author<'a> {
    /// The recovery words.
    Words(&'a RecoveryWords),
    /// A device.
    Device(&'a Device),
}

/// A signed statement. Parsing does not check the signature, because the author's key may come from another
/// statement; the roster does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    bytes: Vec<u8>,
    library: LibraryId,
    author: Recipient,
    millis: u64,
    after: Vec<StatementId>,
    body: StatementBody,
}

impl Statement {
    /// Writes and signs a statement. `after` are the heads of all statements that the author knows, `millis`
    /// the date in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Fault::BadField`] when the body does not follow its own rules.
    pub fn sign(
        author: Author<'_>,
        library: LibraryId,
        millis: u64,
        after: &[StatementId],
        body: &StatementBody,
    ) -> Result<Self> {
        let mut after = after.to_vec();
        after.sort_unstable();
        after.dedup();
        let id = match author {
            Author::Words(words) => Recipient::Words(words.library_id()),
            Author::Device(device) => Recipient::Device(device.id()),
        };
        let (kind, content) = body.write();
        let count = u16::try_from(after.len()).map_err(|_| statement_error(Fault::BadField("after")))?;
        let writer = Writer::new().raw(MAGIC).u16(VERSION).raw(library.as_bytes());
        let writer = id.write(writer).u64(millis).u16(count);
        let writer = after.iter().fold(writer, |writer, id| writer.raw(&id.0));
        let mut bytes = writer.u16(kind).prefixed(&content).finish();
        let signature = match author {
            Author::Words(words) => words.signing_key().sign(Domain::Statement, &bytes),
            Author::Device(device) => device.sign(Domain::Statement, &bytes),
        };
        bytes.extend_from_slice(signature.as_bytes());
        Self::from_bytes(&bytes)
    }

    /// Reads a statement. The signature is not checked yet.
    ///
    /// # Errors
    /// The first rule that the bytes break.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).map_err(statement_error)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        reader.magic(MAGIC)?;
        match reader.u16()? {
            VERSION => {}
            other => return Err(Fault::UnknownVersion(other)),
        }
        let library = LibraryId::from_bytes(reader.array()?);
        let author = Recipient::read(&mut reader)?;
        let millis = reader.u64()?;
        let count = reader.u16()?;
        let after =
            (0..count).map(|_| Ok(StatementId(reader.array()?))).collect::<Result<Vec<_>, Fault>>()?;
        if !after.is_sorted_by(|a, b| a < b) {
            return Err(Fault::BadField("after"));
        }
        let kind = reader.u16()?;
        let body = StatementBody::read(kind, reader.prefixed(BODY_LIMIT)?)?;
        reader.raw(SIGNATURE_LEN)?;
        reader.finish()?;
        Ok(Self { bytes: bytes.to_vec(), library, author, millis, after, body })
    }

    /// Checks that `key` signed the statement.
    ///
    /// # Errors
    /// [`Fault::BadSignature`] or [`Fault::BadPublicKey`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<()> {
        self.check(key).map_err(statement_error)
    }

    pub(crate) fn check(&self, key: &VerifyingKey) -> Result<(), Fault> {
        let (message, signature) = self.bytes.split_last_chunk::<SIGNATURE_LEN>().ok_or(Fault::Truncated)?;
        key.verify(Domain::Statement, message, &Signature::from_bytes(*signature))
    }

    /// The statement as it is carried.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The statement's id.
    #[must_use]
    pub fn id(&self) -> StatementId {
        StatementId(sha256(&[&self.bytes]))
    }

    /// The library that it is about.
    #[must_use]
    pub fn library(&self) -> LibraryId {
        self.library
    }

    /// Who states it.
    #[must_use]
    pub fn author(&self) -> Recipient {
        self.author
    }

    /// When, in milliseconds since 1970, by the author's clock.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.millis
    }

    /// The newest statements that the author knew.
    #[must_use]
    pub fn after(&self) -> &[StatementId] {
        &self.after
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &StatementBody {
        &self.body
    }
}

fn statement_error(fault: Fault) -> crate::CryptoError {
    fault.of("statement")
}

impl StatementBody {
    fn write(&self) -> (u16, Vec<u8>) {
        let writer = Writer::new();
        let (kind, writer) = match self {
            Self::Root(words) => {
                (1, writer.raw(words.verifying_key.as_bytes()).raw(words.kem_public.as_bytes()))
            }
            Self::Admit(card) => (2, writer.raw(&card.to_bytes())),
            Self::Retire { device, last_seq } => (3, writer.raw(device.as_bytes()).u32(*last_seq)),
            Self::Revoke { device, last_seq, last_root } => {
                (4, writer.raw(device.as_bytes()).u32(*last_seq).raw(last_root))
            }
            Self::Lapse { device } => (5, writer.raw(device.as_bytes())),
            Self::Epoch { epoch, files } => {
                let count = u16::try_from(files.len()).unwrap_or(u16::MAX);
                let writer = writer.raw(epoch.as_bytes()).u16(count);
                let file =
                    |writer, (recipient, hash): &(Recipient, [u8; 32])| recipient.write(writer).raw(hash);
                (6, files.iter().fold(writer, file))
            }
            Self::RequireFeature(name) => (7, writer.raw(name.as_bytes())),
            Self::Unknown { kind, bytes } => (*kind, writer.raw(bytes)),
        };
        (kind, writer.finish())
    }

    fn read(kind: u16, bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        let body = match kind {
            1 => Self::Root(WordsCard {
                verifying_key: VerifyingKey::from_bytes(reader.array()?),
                kem_public: KemPublic::from_bytes(reader.raw(KEM_PUBLIC_LEN)?)?,
            }),
            2 => Self::Admit(DeviceCard::read(&mut reader)?),
            3 => Self::Retire { device: DeviceId::from_bytes(reader.array()?), last_seq: reader.u32()? },
            4 => Self::Revoke {
                device: DeviceId::from_bytes(reader.array()?),
                last_seq: reader.u32()?,
                last_root: reader.array()?,
            },
            5 => Self::Lapse { device: DeviceId::from_bytes(reader.array()?) },
            6 => {
                let epoch = EpochId::from_bytes(reader.array()?);
                let count = reader.u16()?;
                let file = |_| Ok((Recipient::read(&mut reader)?, reader.array()?));
                let files = (0..count).map(file).collect::<Result<Vec<_>, Fault>>()?;
                if !files.is_sorted_by(|(a, _), (b, _)| a < b) {
                    return Err(Fault::BadField("files"));
                }
                Self::Epoch { epoch, files }
            }
            7 => Self::RequireFeature(read_feature(reader.raw(reader.rest())?)?),
            _ => Self::Unknown { kind, bytes: reader.raw(reader.rest())?.to_vec() },
        };
        reader.finish()?;
        Ok(body)
    }
}

fn read_feature(name: &[u8]) -> Result<String, Fault> {
    let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    if name.is_empty() || name.len() > FEATURE_LIMIT || !name.iter().all(allowed) {
        return Err(Fault::BadField("feature"));
    }
    Ok(String::from_utf8_lossy(name).into_owned())
}

impl std::fmt::Display for StatementId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&base32(&self.0[..20]))
    }
}
