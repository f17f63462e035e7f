//! The root of a checkpoint: who signed it, as of which heads, under which statements, and its pages.

use safelight_crypto::{
    Device, DeviceId, Domain, Entropy, Epoch, EpochSecrets, Kind, LibraryId, ObjectContext, ObjectName,
    SIGNATURE_LEN, Signature, VerifyingKey, names, open, seal, sha256,
};

use super::page::PageRef;
use crate::cbor::{self, Decode, Encode, Malformed, Reader, Writer};
use crate::error::ModelError;
use crate::history::Seen;
use crate::state::FOLD_VERSION;

const MAGIC: &[u8; 4] = b"SLCP";
const VERSION: u64 = 1;
/// More pages than any library has.
pub const MAX_PAGES: usize = 1 << 16;
/// How long the content of a root may be.
pub const MAX_ROOT_BYTES: usize = 16 << 20;
/// How long one statement may be, and how many there may be.
const MAX_STATEMENT_BYTES: usize = (1 << 20) + (64 << 10);
const MAX_STATEMENTS: usize = 1 << 16;

/// What a checkpoint says beside its pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// By which rules the states were folded.
    pub fold_version: u32,
    /// The ends of all chains whose ops are in it, and no others.
    pub heads: Seen,
    /// All statements of that history, each once, ascending as bytes.
    pub statements: Vec<Vec<u8>>,
    /// Its pages, ascending by bucket and hash.
    pub pages: Vec<PageRef>,
    /// When it was written, in milliseconds since 1970 by its writer's clock.
    pub written_millis: u64,
}

/// A root that was opened; its signature is not checked yet.
#[derive(Clone, Debug)]
#[must_use = "a checkpoint says nothing before it is verified"]
pub struct OpenedCheckpoint {
    library: LibraryId,
    signer: DeviceId,
    signature: Signature,
    body: Vec<u8>,
    claimed: Checkpoint,
}

impl Checkpoint {
    /// Builds it from what the writer knows, in the only order.
    #[must_use]
    pub fn new(
        heads: Seen,
        mut statements: Vec<Vec<u8>>,
        mut pages: Vec<PageRef>,
        written_millis: u64,
    ) -> Self {
        statements.sort();
        statements.dedup();
        pages.sort();
        Self { fold_version: FOLD_VERSION, heads, statements, pages, written_millis }
    }

    /// Signs and seals it; answers its object name and the bytes that are put.
    ///
    /// # Errors
    /// [`ModelError::BadCheckpoint`] for more than a root may hold, [`ModelError::Sealed`].
    pub fn seal(
        &self,
        library: LibraryId,
        device: &Device,
        epoch: &Epoch,
        entropy: &mut dyn Entropy,
    ) -> Result<(ObjectName, Vec<u8>), ModelError> {
        let body = cbor::to_bytes(self);
        if self.pages.len() > MAX_PAGES || body.len() > MAX_ROOT_BYTES {
            return Err(ModelError::BadCheckpoint { rule: "a root is at most 16 MiB long, of 65,536 pages" });
        }
        let clear = clear(&device.id(), &body);
        let signature = device.sign(Domain::Checkpoint, &signed(&library, &clear));
        let content = [clear.as_slice(), signature.as_bytes()].concat();
        let name = epoch.naming_key().checkpoint(&sha256(&[&content]));
        let logical = names::checkpoint(&name);
        let context = ObjectContext::named(library, &logical);
        let sealed =
            seal(Kind::Checkpoint, epoch, &context, &content, entropy).map_err(ModelError::Sealed)?;
        Ok((name, sealed.into_bytes()))
    }

    /// Opens what lies under the name of a checkpoint. Its name need not be that of its content: the key binds it.
    ///
    /// # Errors
    /// [`ModelError::Sealed`], [`ModelError::Malformed`], [`ModelError::BadCheckpoint`].
    pub fn open(
        bytes: &[u8],
        library: LibraryId,
        name: &ObjectName,
        secrets: &(impl EpochSecrets + ?Sized),
    ) -> Result<OpenedCheckpoint, ModelError> {
        let logical = names::checkpoint(name);
        let context = ObjectContext::named(library, &logical);
        let content = open(bytes, Kind::Checkpoint, secrets, &context).map_err(ModelError::Sealed)?;
        let split = || {
            let rest = content.strip_prefix(MAGIC)?;
            let (signer, rest) = rest.split_first_chunk()?;
            let (body, signature) = rest.split_last_chunk::<SIGNATURE_LEN>()?;
            Some((DeviceId::from_bytes(*signer), body.to_vec(), Signature::from_bytes(*signature)))
        };
        let (signer, body, signature) =
            split().ok_or(ModelError::BadCheckpoint { rule: "it does not begin and end as a root" })?;
        let claimed: Self = Reader::whole(&body).map_err(ModelError::malformed("root of a checkpoint"))?;
        Ok(OpenedCheckpoint { library, signer, signature, body, claimed })
    }
}

impl OpenedCheckpoint {
    /// Who says that they wrote it.
    #[must_use]
    pub fn signer(&self) -> DeviceId {
        self.signer
    }

    /// The statements, each signed for itself: what they say of the signer is known before the signature is
    /// checked.
    #[must_use]
    pub fn statements(&self) -> &[Vec<u8>] {
        &self.claimed.statements
    }

    /// What it claims; for whoever chooses one to verify.
    #[must_use]
    pub fn claimed(&self) -> &Checkpoint {
        &self.claimed
    }

    /// Checks that the device signed it, and gives what it says.
    ///
    /// # Errors
    /// [`ModelError::BadCheckpoint`].
    pub fn verify(self, key: &VerifyingKey) -> Result<Checkpoint, ModelError> {
        let clear = clear(&self.signer, &self.body);
        key.verify(Domain::Checkpoint, &signed(&self.library, &clear), &self.signature)
            .map_err(|_| ModelError::BadCheckpoint { rule: "its signature is not that of its device" })?;
        Ok(self.claimed)
    }
}

fn clear(device: &DeviceId, body: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), device.as_bytes(), body].concat()
}

fn signed(library: &LibraryId, clear: &[u8]) -> Vec<u8> {
    [library.as_bytes().as_slice(), clear].concat()
}

struct Statements<'a>(&'a [Vec<u8>]);

impl Encode for Statements<'_> {
    fn encode(&self, to: &mut Writer) {
        to.array(self.0.len());
        self.0.iter().for_each(|statement| to.bytes(statement));
    }
}

/// `{0: version, 1: fold version, 2: heads, 3: statements, 4: pages, 5: date}`.
impl Encode for Checkpoint {
    fn encode(&self, to: &mut Writer) {
        to.map(|map| {
            map.entry(0, &VERSION);
            map.entry(1, &self.fold_version);
            map.entry(2, &self.heads);
            map.entry(3, &Statements(&self.statements));
            map.list(4, &self.pages);
            map.entry(5, &self.written_millis);
        });
    }
}

impl Decode for Checkpoint {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut read = Self::new(Seen::default(), Vec::new(), Vec::new(), 0);
        let mut found = 0;
        let unread = from.map(|key, from| {
            match key {
                0 => {
                    let is_known = from.unsigned()? == VERSION;
                    from.ensure(is_known, "there is no such version of roots")?;
                }
                1 => read.fold_version = u32::decode(from)?,
                2 => read.heads = Seen::decode(from)?,
                3 => {
                    let items = from.array(MAX_STATEMENTS)?;
                    for _ in 0..items {
                        let next = from.bytes(MAX_STATEMENT_BYTES)?.to_vec();
                        from.ensure(
                            read.statements.last().is_none_or(|last| *last < next),
                            "statements ascend",
                        )?;
                        read.statements.push(next);
                    }
                }
                4 => {
                    read.pages = from.list(MAX_PAGES)?;
                    let is_sorted = read.pages.windows(2).all(|pair| pair[0] < pair[1]);
                    from.ensure(is_sorted, "pages ascend")?;
                }
                5 => read.written_millis = u64::decode(from)?,
                _ => return Ok(false),
            }
            found += 1;
            Ok(true)
        })?;
        from.ensure(unread.is_empty() && found == 6, "a root has six entries")?;
        Ok(read)
    }
}
