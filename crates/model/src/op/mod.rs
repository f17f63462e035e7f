//! Operations: every change to the library, as something that can be written down, signed and merged.
//!
//! Invariant: an op has exactly one encoding, and whatever can be encoded can be decoded; an op of an unknown
//! kind keeps its bytes. Kinds are numbers that are never used twice. Specified in sl1-history §4.

mod author;
mod codec;
mod kind;

use crate::cbor::{self, Malformed, Reader, Unread};
use crate::clock::Stamp;
use crate::error::ModelError;
use crate::facts::{Facts, ProbeKind};
use crate::field::{Field, SetName, Target};
use crate::forget::Forget;
use crate::ids::{AssetId, ContentHash, EntityId, Life, OpId, OpIds};
use crate::original::{Branch, MAX_BRANCHES, Original, Packed, Rendition, SourcePath, source_rule};
use crate::placed::{Lapse, Mark, Replicas};
use crate::value::Value;

pub use author::Author;
pub use kind::{KindNumber, OpKind};

/// How long an encoded op may be: 1 MiB.
pub const MAX_OP_BYTES: usize = 1 << 20;
/// How many renditions one op may record.
pub const MAX_RENDITIONS: usize = 64;
/// How many details a note may carry.
pub const MAX_NOTE_DETAILS: usize = 256;

/// One signed change to the library.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    /// Its name.
    pub id: OpId,
    /// When it was written, as its writer's clock saw it.
    pub stamp: Stamp,
    /// What it changes.
    pub body: OpBody,
    /// What a later version added to an op of this kind, kept as it came.
    pub unread: Unread,
}

/// What an op changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::large_enum_variant,
    reason = "the largest variants, a new original and its facts, are most of all ops"
)]
pub enum OpBody {
    /// A content came into the library as an asset of its own.
    AddAsset {
        /// The asset: named by the hash of its first content.
        asset: AssetId,
        /// 0, or one above the life that was purged.
        life: Life,
        /// The content.
        original: Original,
    },
    /// An asset got another content: a retagged or edited file keeps its albums.
    AddVersion {
        /// The asset.
        asset: AssetId,
        /// The life that was seen when this was written.
        life: Life,
        /// The content.
        original: Original,
        /// The additions whose contents this one replaces.
        supersedes: OpIds,
    },
    /// An asset turned out to be another one and is shown as that.
    Alias {
        /// The asset that hides behind another.
        asset: AssetId,
        /// The life that was seen when this was written.
        life: Life,
        /// The asset shown in its place; `None` takes the merge back.
        into: Option<AssetId>,
        /// The writes of this alias that this one replaces.
        supersedes: OpIds,
    },
    /// A person typed a value.
    Set {
        /// What it is about.
        target: Target,
        /// Which field.
        field: Field,
        /// The value.
        value: Value,
        /// The writes of this field that the person saw and replaced.
        supersedes: OpIds,
    },
    /// A person put an element into a set.
    AddTo {
        /// What the set belongs to.
        target: Target,
        /// Which set.
        set: SetName,
        /// The element.
        element: Value,
    },
    /// A person took an element out of a set.
    RemoveFrom {
        /// What the set belongs to.
        target: Target,
        /// Which set.
        set: SetName,
        /// The element, so that history can say what was taken out.
        element: Value,
        /// The additions that the person saw; one that they did not see stays.
        removes: OpIds,
    },
    /// The trash was emptied: the bytes of this life may go.
    Purge {
        /// The asset.
        asset: AssetId,
        /// Its life.
        life: Life,
        /// The trash writes that this executes. One more, or a restore, and the purge has no effect.
        trash: OpIds,
        /// The additions whose contents this executes. One more, and the purge has no effect.
        contents: OpIds,
    },
    /// A photo is to be gone with its traces: whatever ops say of it counts nowhere any more, and each is replaced by its
    /// hash wherever it rests.
    Forget(Forget),
    /// A program found something out about a content.
    Derive {
        /// The content.
        content: ContentHash,
        /// Which of its lives: 0, or one above the last that was forgotten.
        life: Life,
        /// Which program's findings these are.
        probe: ProbeKind,
        /// The version of that program's rules; the highest wins.
        version: u64,
        /// What was found.
        facts: Facts,
    },
    /// Renditions of a content were made.
    Render {
        /// The content.
        content: ContentHash,
        /// Which of its lives: 0, or one above the last that was forgotten.
        life: Life,
        /// The renditions, at most [`MAX_RENDITIONS`].
        renditions: Vec<Rendition>,
    },
    /// A content of an asset was found in another place too.
    Seen {
        /// The asset.
        asset: AssetId,
        /// The life that was seen when this was written.
        life: Life,
        /// Which of its contents.
        content: ContentHash,
        /// Where.
        source: SourcePath,
        /// When the file there was last changed, in milliseconds since 1970.
        modified_millis: i64,
    },
    /// A file at which a content of an asset was found is no longer there, or is there again. The device that the
    /// path belongs to says so, and only where the content is at another path too.
    Presence {
        /// The asset.
        asset: AssetId,
        /// The life that was seen when this was written.
        life: Life,
        /// Where.
        source: SourcePath,
        /// Whether any content of the asset is there.
        is_there: bool,
    },
    /// Something worth remembering happened that changes nothing: for `history` and `audit`.
    Note {
        /// What, as dotted words (`import.finished`).
        event: String,
        /// Particulars, at most [`MAX_NOTE_DETAILS`].
        details: Vec<(String, Value)>,
    },
    /// A pack of renditions or tiny originals was made and rests in a remote, so that every device finds its
    /// entries without a listing.
    Packed(Packed),
    /// Objects were seen whole in a remote.
    Replicas(Replicas),
    /// Objects are to leave a remote.
    Mark(Mark),
    /// This device relies on no object of these marks any more.
    Acknowledged {
        /// The marks, at least one.
        marks: OpIds,
    },
    /// A silent device is no longer waited for.
    Lapse(Lapse),
    /// These segments lie on branches of forked chains, and all of their ops are in what this device has said or
    /// read before this: whoever has read that far needs none of them. In ascending order.
    Carried(Vec<Branch>),
    /// A statement about root, devices or epochs, signed on its own and carried as it is.
    Statement(Vec<u8>),
    /// An op of a kind that this version does not know.
    Unknown {
        /// The kind.
        kind: KindNumber,
        /// Its encoded body.
        body: Box<[u8]>,
    },
}

impl Op {
    /// An op of this version.
    #[must_use]
    pub fn new(id: OpId, stamp: Stamp, body: OpBody) -> Self {
        Self { id, stamp, body, unread: Unread::default() }
    }

    /// The kind of its body.
    #[must_use]
    pub fn kind(&self) -> KindNumber {
        self.body.kind()
    }

    /// The only encoding of this op.
    ///
    /// # Errors
    /// [`ModelError::Unwritable`] for an op that would be refused by [`Op::from_bytes`]: a text too long, a
    /// write that names itself.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        if let Some(rule) = self.broken_rule() {
            return Err(ModelError::Unwritable { op: self.id, rule });
        }
        let bytes = cbor::to_bytes(self);
        if bytes.len() > MAX_OP_BYTES {
            return Err(ModelError::Unwritable { op: self.id, rule: "an op is at most 1 MiB long" });
        }
        Ok(bytes)
    }

    /// Reads an op; refuses every encoding but the only one.
    ///
    /// # Errors
    /// [`ModelError::Malformed`]. An op of an unknown kind is no error here: see [`Op::targets`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        Self::decode_whole(bytes).map_err(ModelError::malformed("op"))
    }

    fn decode_whole(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_OP_BYTES {
            return Err(Malformed { rule: "an op is at most 1 MiB long", offset: 0 });
        }
        let op: Self = Reader::whole(bytes)?;
        match op.broken_rule() {
            Some(rule) => Err(Malformed { rule, offset: bytes.len() }),
            None => Ok(op),
        }
    }

    /// The entities whose state this op changes.
    ///
    /// # Errors
    /// [`ModelError::NeedsNewerVersion`] for an op of an unknown kind that must not be ignored.
    pub fn targets(&self) -> Result<Vec<EntityId>, ModelError> {
        Ok(match &self.body {
            OpBody::AddAsset { asset, .. }
            | OpBody::AddVersion { asset, .. }
            | OpBody::Alias { asset, .. }
            | OpBody::Purge { asset, .. }
            | OpBody::Seen { asset, .. }
            | OpBody::Presence { asset, .. } => vec![EntityId::Asset(*asset)],
            OpBody::Forget(forget) => forget.targets(),
            OpBody::Set { target, .. } | OpBody::AddTo { target, .. } | OpBody::RemoveFrom { target, .. } => {
                vec![target.entity()]
            }
            OpBody::Derive { content, .. } | OpBody::Render { content, .. } => {
                vec![EntityId::Content(*content)]
            }
            OpBody::Note { .. }
            | OpBody::Packed(_)
            | OpBody::Carried(_)
            | OpBody::Replicas(_)
            | OpBody::Mark(_)
            | OpBody::Acknowledged { .. }
            | OpBody::Lapse(_)
            | OpBody::Statement(_) => Vec::new(),
            OpBody::Unknown { kind, .. } if kind.is_required() => {
                return Err(ModelError::NeedsNewerVersion { op: self.id, kind: kind.0 });
            }
            OpBody::Unknown { .. } => Vec::new(),
        })
    }

    /// The rule that this op breaks, if it could not be read back.
    fn broken_rule(&self) -> Option<&'static str> {
        let names = self.body.names();
        if names.clone().any(|ids| ids.len() > crate::ids::MAX_OP_IDS) {
            return Some("an op names at most 4096 others");
        }
        if names.clone().any(|ids| ids.contains(self.id)) {
            return Some("an op does not name itself");
        }
        self.body.broken_rule()
    }
}

impl OpBody {
    /// The kind, as a number.
    #[must_use]
    pub fn kind(&self) -> KindNumber {
        let kind = match self {
            Self::AddAsset { .. } => OpKind::AddAsset,
            Self::AddVersion { .. } => OpKind::AddVersion,
            Self::Alias { .. } => OpKind::Alias,
            Self::Set { .. } => OpKind::Set,
            Self::AddTo { .. } => OpKind::AddTo,
            Self::RemoveFrom { .. } => OpKind::RemoveFrom,
            Self::Purge { .. } => OpKind::Purge,
            Self::Forget(_) => OpKind::Forget,
            Self::Derive { .. } => OpKind::Derive,
            Self::Render { .. } => OpKind::Render,
            Self::Seen { .. } => OpKind::Seen,
            Self::Presence { .. } => OpKind::Presence,
            Self::Note { .. } => OpKind::Note,
            Self::Packed(_) => OpKind::Packed,
            Self::Replicas(_) => OpKind::Replicas,
            Self::Mark(_) => OpKind::Mark,
            Self::Acknowledged { .. } => OpKind::Acknowledged,
            Self::Lapse(_) => OpKind::Lapse,
            Self::Carried(_) => OpKind::Carried,
            Self::Statement(_) => OpKind::Statement,
            Self::Unknown { kind, .. } => return *kind,
        };
        kind.number()
    }

    /// The sets of op ids that this body names.
    fn names(&self) -> impl Iterator<Item = &OpIds> + Clone {
        let (first, second) = match self {
            Self::AddVersion { supersedes, .. }
            | Self::Alias { supersedes, .. }
            | Self::Set { supersedes, .. } => (Some(supersedes), None),
            Self::RemoveFrom { removes, .. } => (Some(removes), None),
            Self::Purge { trash, contents, .. } => (Some(trash), Some(contents)),
            Self::Replicas(replicas) => (Some(&replicas.except), None),
            Self::Acknowledged { marks } => (Some(marks), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }

    fn broken_rule(&self) -> Option<&'static str> {
        match self {
            Self::AddAsset { original, .. } | Self::AddVersion { original, .. } => original.broken_rule(),
            Self::Set { target, field, value, .. } => {
                target.broken_rule().or_else(|| field.broken_rule()).or_else(|| value.broken_rule())
            }
            Self::AddTo { target, element, .. } => target.broken_rule().or_else(|| element.broken_rule()),
            Self::RemoveFrom { target, element, removes, .. } => {
                let names = removes.is_empty().then_some("a removal names the additions that it removes");
                names.or_else(|| target.broken_rule()).or_else(|| element.broken_rule())
            }
            Self::Purge { trash, contents, .. } => (trash.is_empty() || contents.is_empty())
                .then_some("a purge names the trash writes and the additions that it executes"),
            Self::Alias { asset, into, .. } => {
                (*into == Some(*asset)).then_some("an asset is not an alias of itself")
            }
            Self::Forget(forget) => forget.broken_rule(),
            Self::Derive { facts, .. } => facts.broken_rule(),
            Self::Render { renditions, .. } => (renditions.is_empty() || renditions.len() > MAX_RENDITIONS)
                .then_some("an op records 1 to 64 renditions"),
            Self::Seen { source, .. } | Self::Presence { source, .. } => source_rule(source),
            Self::Note { event, details } => note_rule(event, details),
            Self::Replicas(replicas) => replicas.broken_rule(),
            Self::Mark(mark) => mark.broken_rule(),
            Self::Acknowledged { marks } => {
                marks.is_empty().then_some("an acknowledgement names the marks that it is about")
            }
            Self::Carried(branches) => branch_rule(branches),
            Self::Packed(_) | Self::Lapse(_) | Self::Statement(_) | Self::Unknown { .. } => None,
        }
    }
}

fn branch_rule(branches: &[Branch]) -> Option<&'static str> {
    if branches.is_empty() || branches.len() > MAX_BRANCHES {
        return Some("an op carries 1 to 4096 segments of branches");
    }
    if branches.iter().any(|branch| branch.seq.0 == 0) {
        return Some("segments are numbered from 1");
    }
    (!branches.is_sorted_by(|a, b| a < b)).then_some("segments of branches ascend")
}

fn note_rule(event: &str, details: &[(String, Value)]) -> Option<&'static str> {
    let too_long = |text: &str| text.len() > cbor::MAX_TEXT_BYTES;
    if details.len() > MAX_NOTE_DETAILS {
        return Some("a note has at most 256 details");
    }
    if too_long(event) || details.iter().any(|(name, _)| too_long(name)) {
        return Some("a text is at most 64 KiB long");
    }
    details.iter().find_map(|(_, value)| value.broken_rule())
}
