//! Forgetting: which ops say something of a photo that is to be gone, wherever they are met.
//!
//! Invariant: whether an op is covered depends on that op and on the ops *forget* alone, never on what came first; so every
//! device, and every place, comes to be without the same ops, also without one that a device writes later that had not heard of
//! it. What is imported afterwards is another life, of the asset and of its contents, and is not covered.
//!
//! Specified in sl1-history §7.8.

use std::collections::BTreeMap;

use crate::field::Target;
use crate::ids::{AssetId, ContentHash, EntityId, Life, ObjectName};
use crate::op::{Op, OpBody};
use crate::original::MAX_PARTS;

/// How many contents one op may forget.
pub const MAX_FORGOTTEN: usize = 1024;

/// A photo that is to be gone with its traces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Forget {
    /// The asset.
    pub asset: AssetId,
    /// This life of it and all before.
    pub life: Life,
    /// Contents that no other asset has, ascending.
    pub contents: Vec<ContentHash>,
    /// What programs said of them in this life and all before counts no more.
    pub contents_life: Life,
    /// The names of the sealed objects that their bytes rest under, ascending.
    pub parts: Vec<ObjectName>,
}

impl Forget {
    /// The entities that it changes, the asset last.
    pub(crate) fn targets(&self) -> Vec<EntityId> {
        let contents = self.contents.iter().copied().map(EntityId::Content);
        contents.chain([EntityId::Asset(self.asset)]).collect()
    }

    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        if self.contents.len() > MAX_FORGOTTEN || self.parts.len() > MAX_PARTS {
            return Some("an op forgets at most 1024 contents and 32,768 parts");
        }
        if !self.contents.is_sorted_by(|one, next| one < next) {
            return Some("forgotten contents ascend, each once");
        }
        (!self.parts.is_sorted_by(|one, next| one < next)).then_some("parts ascend, each once")
    }
}

/// Everything that ops *forget* name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    assets: BTreeMap<AssetId, Life>,
    contents: BTreeMap<ContentHash, Life>,
}

impl Forgotten {
    /// Takes in what an op forgets; any other op says nothing here.
    pub fn add(&mut self, op: &Op) {
        let OpBody::Forget(forget) = &op.body else { return };
        let life = self.assets.entry(forget.asset).or_insert(forget.life);
        *life = forget.life.max(*life);
        for content in &forget.contents {
            let life = self.contents.entry(*content).or_insert(forget.contents_life);
            *life = forget.contents_life.max(*life);
        }
    }

    /// Whether nothing was forgotten.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty()
    }

    /// The assets, and up to which life.
    pub fn assets(&self) -> impl Iterator<Item = (AssetId, Life)> {
        self.assets.iter().map(|(asset, life)| (*asset, *life))
    }

    /// The contents, and up to which life.
    pub fn contents(&self) -> impl Iterator<Item = (ContentHash, Life)> {
        self.contents.iter().map(|(content, life)| (*content, *life))
    }

    /// Whether an op says something that is to be gone. Never an op that forgets, nor a statement.
    #[must_use]
    pub fn covers(&self, op: &Op) -> bool {
        let asset = |asset: &AssetId, life: &Life| self.assets.get(asset).is_some_and(|until| life <= until);
        let content = |content, life: &Life| self.contents.get(content).is_some_and(|until| life <= until);
        match &op.body {
            OpBody::AddAsset { asset: id, life, .. }
            | OpBody::AddVersion { asset: id, life, .. }
            | OpBody::Alias { asset: id, life, .. }
            | OpBody::Purge { asset: id, life, .. }
            | OpBody::Seen { asset: id, life, .. }
            | OpBody::Presence { asset: id, life, .. } => asset(id, life),
            OpBody::Set { target: Target::Asset(id, life), .. }
            | OpBody::AddTo { target: Target::Asset(id, life), .. }
            | OpBody::RemoveFrom { target: Target::Asset(id, life), .. } => asset(id, life),
            OpBody::Derive { content: id, life, .. } | OpBody::Render { content: id, life, .. } => {
                content(id, life)
            }
            _ => false,
        }
    }
}
