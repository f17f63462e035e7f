//! One asset through its lives: contents, what people typed, trash and purge.
//!
//! Invariant: nothing here is ever thrown away because another op came first. A purge is an op among others
//! whose effect is computed from the whole state: a restore, another trash write or another content that the
//! purge did not name, and it has none. Specified in sl1-history §7.5.

use super::record::Record;
use super::register::{Register, Write, insert_write, remembered, writes};
use crate::cbor::{Decode, Encode, Malformed, Reader, Writer};
use crate::clock::Stamp;
use crate::field::{Field, SetName, Target};
use crate::forget::Forget;
use crate::ids::{AssetId, ContentHash, DeviceId, Life, ObjectName, OpId, OpIds};
use crate::op::{Op, OpBody};
use crate::original::{Original, SourcePath};
use crate::value::Value;

/// Everything known of one asset that people or imports did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetState {
    lives: Vec<(Life, LifeState)>,
}

/// One life of an asset: from an import to a purge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifeState {
    contents: Contents,
    seen: Vec<SeenAt>,
    presences: Vec<Presence>,
    record: Record,
    purges: Vec<PurgeOrder>,
    alias: Register<Option<AssetId>>,
    /// Nothing that was said of this life, or of any before, counts any more; then all else here is empty.
    is_forgotten: bool,
}

/// The contents that an asset has and had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    additions: Vec<Write<Addition>>,
    superseded: OpIds,
}

/// How a content came to an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The content.
    pub original: Original,
    /// Whether it came in place of another (`AddVersion`) or as found (`AddAsset`).
    pub is_version: bool,
}

/// Another place where a content of the asset was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenAt {
    /// Which content.
    pub content: ContentHash,
    /// Where.
    pub source: SourcePath,
    /// When the file there was last changed, in milliseconds since 1970.
    pub modified_millis: i64,
}

/// The latest word on whether a file is where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Presence {
    source: SourcePath,
    said: Write<bool>,
}

/// A purge as it was ordered; whether it has effect is another question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PurgeOrder {
    op: OpId,
    trash: OpIds,
    contents: OpIds,
}

impl Contents {
    /// All additions, by op id: also of contents that were replaced.
    #[must_use]
    pub fn additions(&self) -> &[Write<Addition>] {
        &self.additions
    }

    /// The additions that no other replaces.
    pub fn heads(&self) -> impl Iterator<Item = &Write<Addition>> + Clone {
        self.additions.iter().filter(|addition| !self.is_replaced(addition))
    }

    /// Whether another addition takes this one's place. Contents that were added as found are one, however
    /// many devices found them: whoever replaced one replaced them all, or else a device that finds the old
    /// file without knowing of the edit would undo it.
    fn is_replaced(&self, addition: &Write<Addition>) -> bool {
        let named = |other: &Write<Addition>| self.superseded.contains(other.op);
        let is_same = |other: &&Write<Addition>| {
            !other.value.is_version && other.value.original.content == addition.value.original.content
        };
        named(addition) || (!addition.value.is_version && self.additions.iter().filter(is_same).any(named))
    }

    /// The addition whose content is current: the latest stamp, then the highest op id.
    #[must_use]
    pub fn current(&self) -> Option<&Write<Addition>> {
        self.heads().max_by_key(|addition| (addition.stamp, addition.op))
    }

    /// The additions of one content, by op id.
    pub fn of_content(&self, content: ContentHash) -> impl Iterator<Item = &Write<Addition>> {
        self.additions.iter().filter(move |addition| addition.value.original.content == content)
    }

    /// The latest addition that came from a path: the latest stamp, then the highest op id.
    #[must_use]
    pub fn last_at(&self, source: &SourcePath) -> Option<&Write<Addition>> {
        let here =
            self.additions.iter().filter(|addition| addition.value.original.source.is_same_file(source));
        here.max_by_key(|addition| (addition.stamp, addition.op))
    }

    fn add(&mut self, addition: Write<Addition>, supersedes: &OpIds) -> bool {
        let changed = self.superseded.extend_from(supersedes);
        insert_write(&mut self.additions, addition) || changed
    }
}

impl LifeState {
    /// The contents of this life.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Other places where its contents were found.
    #[must_use]
    pub fn seen(&self) -> &[SeenAt] {
        &self.seen
    }

    /// Every path at which any of its contents was found, whether it is there or not.
    pub fn paths(&self) -> impl Iterator<Item = (ContentHash, &SourcePath)> + Clone {
        let added = self.contents.additions.iter().map(|addition| &addition.value.original);
        let seen = self.seen.iter().map(|seen| (seen.content, &seen.source));
        added.map(|original| (original.content, &original.source)).chain(seen)
    }

    /// Whether what was found at a path is still there, as far as the path's device said.
    #[must_use]
    pub fn is_there(&self, source: &SourcePath) -> bool {
        self.left_at(source).is_none()
    }

    /// What said, and when, that nothing of it is at a path any more.
    fn left_at(&self, source: &SourcePath) -> Option<(Stamp, OpId)> {
        let known = self.presences.binary_search_by(|known| known.source.cmp(source));
        let said = &self.presences.get(known.ok()?)?.said;
        (!said.value).then_some((said.stamp, said.op))
    }

    /// The paths of a device at which nothing of it is any more.
    pub fn left_paths(&self, device: DeviceId) -> impl Iterator<Item = &SourcePath> {
        let left =
            self.presences.iter().filter(move |known| known.source.device == device && !known.said.value);
        left.map(|known| &known.source)
    }

    /// Whether a content is still at a path at which it was found, as far as the path's device said: something of the
    /// asset is there, and no other content was added there later.
    #[must_use]
    pub fn lies_at(&self, content: ContentHash, source: &SourcePath) -> bool {
        let is_held = |last: &Write<Addition>| last.value.original.content == content;
        self.is_there(source) && self.contents.last_at(source).is_none_or(is_held)
    }

    /// Every path at which a content was found, each once, those of its additions first, with the time when the file
    /// there was last changed. The paths at which it still is; if it is at none, the one that it left last.
    #[must_use]
    pub fn paths_of(&self, content: ContentHash) -> Vec<(&SourcePath, i64)> {
        let added = self.contents.of_content(content).map(|addition| &addition.value.original);
        let added = added.map(|original| (&original.source, original.modified_millis));
        let seen = self.seen.iter().filter(|seen| seen.content == content);
        let mut paths: Vec<(&SourcePath, i64)> = Vec::new();
        for path in added.chain(seen.map(|seen| (&seen.source, seen.modified_millis))) {
            if paths.iter().all(|(source, _)| !source.is_same_file(path.0)) {
                paths.push(path);
            }
        }
        // One at which another content of the asset is has not been left by the asset: it goes before those that were.
        let left_last = paths.iter().copied().max_by_key(|(source, _)| {
            let left = self.left_at(source);
            (left.is_none(), left)
        });
        paths.retain(|(source, _)| self.lies_at(content, source));
        if paths.is_empty() {
            paths.extend(left_last);
        }
        paths
    }

    /// The path that shows: where the current content came from, or else another at which it still is.
    #[must_use]
    pub fn path(&self) -> Option<&SourcePath> {
        let current = &self.contents.current()?.value.original;
        let paths = self.paths_of(current.content);
        let came_from = paths.iter().find(|(source, _)| source.is_same_file(&current.source));
        came_from.or(paths.first()).map(|(source, _)| *source)
    }

    fn say_presence(&mut self, source: &SourcePath, said: Write<bool>) -> bool {
        match self.presences.binary_search_by(|known| known.source.cmp(source)) {
            Err(place) => {
                self.presences.insert(place, Presence { source: source.clone(), said });
                true
            }
            Ok(place) => self.presences.get_mut(place).is_some_and(|known| {
                let order = |said: &Write<bool>| (said.stamp, said.op, said.value);
                let is_later = order(&said) > order(&known.said);
                if is_later {
                    known.said = said;
                }
                is_later
            }),
        }
    }

    /// What people typed.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The asset that is shown in place of this one, as a register.
    #[must_use]
    pub fn alias(&self) -> &Register<Option<AssetId>> {
        &self.alias
    }

    /// Whether it is in the trash, purged or not.
    #[must_use]
    pub fn is_trashed(&self) -> bool {
        self.record.value(Field::TRASHED) == Some(&Value::Bool(true))
    }

    /// Whether a purge has effect: it names every standing trash write, none of them restores, and every
    /// content.
    #[must_use]
    pub fn is_purged(&self) -> bool {
        let trash = self.record.field(Field::TRASHED).map(Register::heads).unwrap_or_default();
        let additions = &self.contents.additions;
        !trash.is_empty()
            && !additions.is_empty()
            && self.purges.iter().any(|purge| {
                trash.iter().all(|write| write.value == Value::Bool(true) && purge.trash.contains(write.op))
                    && additions.iter().all(|addition| purge.contents.contains(addition.op))
            })
    }

    fn merge(&mut self, other: Self) -> bool {
        let mut changed = self.contents.superseded.extend_from(&other.contents.superseded);
        for addition in other.contents.additions {
            changed |= insert_write(&mut self.contents.additions, addition);
        }
        for seen in other.seen {
            changed |= insert(&mut self.seen, seen);
        }
        for presence in other.presences {
            changed |= self.say_presence(&presence.source, presence.said);
        }
        for purge in other.purges {
            changed |= insert(&mut self.purges, purge);
        }
        changed |= self.record.merge(other.record);
        self.alias.merge(other.alias) || changed
    }
}

fn insert<T: Ord>(list: &mut Vec<T>, item: T) -> bool {
    match list.binary_search(&item) {
        Ok(_) => false,
        Err(place) => {
            list.insert(place, item);
            true
        }
    }
}

static NO_LIFE: LifeState = LifeState {
    contents: Contents { additions: Vec::new(), superseded: OpIds::new() },
    seen: Vec::new(),
    presences: Vec::new(),
    record: Record::new(),
    purges: Vec::new(),
    alias: Register::new(),
    is_forgotten: false,
};

impl AssetState {
    /// All lives that any op spoke of, the first one first.
    pub fn lives(&self) -> impl Iterator<Item = (Life, &LifeState)> {
        self.lives.iter().map(|(life, state)| (*life, state))
    }

    /// The current life: the highest into which a content came, or else the first that was not forgotten.
    #[must_use]
    pub fn life(&self) -> Life {
        let lived = self.lives.iter().rev().find(|(_, state)| !state.contents.additions.is_empty());
        lived.map_or_else(|| self.first_life(), |(life, _)| *life)
    }

    /// Up to which life nothing that was said of it counts any more.
    #[must_use]
    pub fn forgotten(&self) -> Option<Life> {
        self.lives.first().filter(|(_, state)| state.is_forgotten).map(|(life, _)| *life)
    }

    /// Whether it was removed for good, or forgotten, and nothing of it came in since.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let is_empty = self.current().contents.additions.is_empty();
        self.current().is_purged() || (is_empty && self.forgotten().is_some())
    }

    fn first_life(&self) -> Life {
        self.forgotten().map_or_else(Life::default, |Life(life)| Life(life.saturating_add(1)))
    }

    /// What is known of the current life.
    #[must_use]
    pub fn current(&self) -> &LifeState {
        let life = self.life();
        self.lives.iter().find(|(number, _)| *number == life).map_or(&NO_LIFE, |(_, state)| state)
    }

    /// What ops about this asset are to name as their target.
    #[must_use]
    pub fn target(&self, asset: AssetId) -> Target {
        Target::Asset(asset, self.life())
    }

    /// The op that types a value over what shows.
    #[must_use]
    pub fn write_field(&self, asset: AssetId, field: impl Into<Field>, value: impl Into<Value>) -> OpBody {
        self.current().record.write_field(self.target(asset), field, value)
    }

    /// The op that puts an element in a set; `None` if it is there already.
    #[must_use]
    pub fn put_in(&self, asset: AssetId, set: SetName, element: impl Into<Value>) -> Option<OpBody> {
        self.current().record.put_in(self.target(asset), set, element)
    }

    /// The op that takes an element out of a set; `None` if it is not there.
    #[must_use]
    pub fn take_out(&self, asset: AssetId, set: SetName, element: impl Into<Value>) -> Option<OpBody> {
        self.current().record.take_out(self.target(asset), set, element)
    }

    /// The op that brings a content in: as a first life, as the next life after a purge, or beside the same
    /// content that another device brought in.
    #[must_use]
    pub fn add(&self, asset: AssetId, original: Original) -> OpBody {
        let Life(life) = self.life();
        let life = Life(if self.current().is_purged() { life.saturating_add(1) } else { life });
        OpBody::AddAsset { asset, life, original }
    }

    /// The op that says the latest addition once more, because the asset was imported again: nothing shows otherwise, and
    /// a purge by a device that has not heard of it yields to it. `None` where no content is, or a purge has effect.
    #[must_use]
    pub fn add_again(&self, asset: AssetId) -> Option<OpBody> {
        let life = self.current();
        let latest = life.contents.additions.iter().max_by_key(|addition| (addition.stamp, addition.op))?;
        let Addition { original, is_version } = latest.value.clone();
        let number = self.life();
        (!life.is_purged()).then(|| {
            if is_version {
                let supersedes = std::iter::once(latest.op).collect();
                OpBody::AddVersion { asset, life: number, original, supersedes }
            } else {
                OpBody::AddAsset { asset, life: number, original }
            }
        })
    }

    /// The op that makes a content the current one.
    #[must_use]
    pub fn add_version(&self, asset: AssetId, original: Original) -> OpBody {
        let supersedes = self.current().contents.heads().map(|addition| addition.op).collect();
        OpBody::AddVersion { asset, life: self.life(), original, supersedes }
    }

    /// The ops that say that a file is no longer where it was found, one for each way in which its path was recorded;
    /// none if that was said, or if the asset is at no other path: the last one stays, so that one can see where it came
    /// from.
    #[must_use]
    pub fn leave_path(&self, asset: AssetId, source: &SourcePath) -> Vec<OpBody> {
        let life = self.current();
        let mut present = life.paths().filter(|(_, known)| life.is_there(known));
        if present.any(|(_, known)| !known.is_same_file(source)) {
            self.give_way(asset, source)
        } else {
            Vec::new()
        }
    }

    /// The ops that say that another asset lies at a path now, be it the last one at which this one was found: it still
    /// shows where it came from, and claims that path no more.
    #[must_use]
    pub fn give_way(&self, asset: AssetId, source: &SourcePath) -> Vec<OpBody> {
        let life = self.current();
        let mut left = Vec::new();
        for (_, known) in life.paths().filter(|(_, known)| known.is_same_file(source)) {
            if life.is_there(known) && !left.contains(&known) {
                left.push(known);
            }
        }
        left.into_iter().map(|known| self.presence(asset, known, false)).collect()
    }

    /// The ops that say that a file is back where it was found; none unless it was said to have gone.
    #[must_use]
    pub fn return_to_path(&self, asset: AssetId, source: &SourcePath) -> Vec<OpBody> {
        let life = self.current();
        let mut back = Vec::new();
        for (_, known) in life.paths().filter(|(_, known)| known.is_same_file(source)) {
            if !life.is_there(known) && !back.contains(&known) {
                back.push(known);
            }
        }
        back.into_iter().map(|known| self.presence(asset, known, true)).collect()
    }

    fn presence(&self, asset: AssetId, source: &SourcePath, is_there: bool) -> OpBody {
        OpBody::Presence { asset, life: self.life(), source: source.clone(), is_there }
    }

    /// The op that shows another asset in place of this one, or none any more.
    #[must_use]
    pub fn merge_into(&self, asset: AssetId, into: Option<AssetId>) -> OpBody {
        OpBody::Alias { asset, life: self.life(), into, supersedes: self.current().alias.head_ids() }
    }

    /// The op that purges what is in the trash as known here; `None` if it is not in the trash, or gone.
    #[must_use]
    pub fn purge(&self, asset: AssetId) -> Option<OpBody> {
        let life = self.current();
        let trash = life.record.field(Field::TRASHED)?;
        let all_trashed = trash.heads().iter().all(|write| write.value == Value::Bool(true));
        let contents: OpIds = life.contents.additions.iter().map(|addition| addition.op).collect();
        let possible = all_trashed && !trash.heads().is_empty() && !contents.is_empty() && !life.is_purged();
        possible.then(|| OpBody::Purge { asset, life: self.life(), trash: trash.head_ids(), contents })
    }

    /// The op that forgets everything up to the current life, and these contents, which no other asset has, up to a life.
    /// `None` if nothing is known of the asset.
    #[must_use]
    pub fn forget(
        &self,
        asset: AssetId,
        mut contents: Vec<ContentHash>,
        contents_life: Life,
    ) -> Option<OpBody> {
        self.lives.iter().any(|(_, state)| !state.is_forgotten).then(|| {
            contents.sort_unstable();
            contents.dedup();
            let is_named = |content| contents.contains(&content);
            let additions = self.lives.iter().flat_map(|(_, state)| &state.contents.additions);
            let originals = additions.map(|write| &write.value.original);
            let parts = originals.filter(|original| is_named(original.content)).flat_map(|one| &one.parts);
            let mut parts: Vec<ObjectName> = parts.map(|part| part.name).collect();
            parts.sort_unstable();
            parts.dedup();
            OpBody::Forget(Forget { asset, life: self.life(), contents, contents_life, parts })
        })
    }

    fn forget_up_to(&mut self, life: Life) -> bool {
        if self.forgotten().is_some_and(|forgotten| life <= forgotten) {
            return false;
        }
        self.lives.retain(|(number, _)| *number > life);
        self.lives.insert(0, (life, LifeState { is_forgotten: true, ..LifeState::default() }));
        true
    }

    pub(crate) fn fold(&mut self, op: &Op) -> bool {
        let life = match &op.body {
            OpBody::Forget(forget) => return self.forget_up_to(forget.life),
            OpBody::AddAsset { life, .. }
            | OpBody::AddVersion { life, .. }
            | OpBody::Alias { life, .. }
            | OpBody::Seen { life, .. }
            | OpBody::Presence { life, .. }
            | OpBody::Purge { life, .. }
            | OpBody::Set { target: Target::Asset(_, life), .. }
            | OpBody::AddTo { target: Target::Asset(_, life), .. }
            | OpBody::RemoveFrom { target: Target::Asset(_, life), .. } => *life,
            _ => return false,
        };
        if self.forgotten().is_some_and(|forgotten| life <= forgotten) {
            return false;
        }
        let addition = |original: &Original, is_version| Write {
            op: op.id,
            stamp: op.stamp,
            value: Addition { original: original.clone(), is_version },
        };
        match &op.body {
            OpBody::AddAsset { life, original, .. } => {
                self.life_mut(*life).contents.add(addition(original, false), &OpIds::new())
            }
            OpBody::AddVersion { life, original, supersedes, .. } => {
                self.life_mut(*life).contents.add(addition(original, true), supersedes)
            }
            OpBody::Alias { life, into, supersedes, .. } => {
                let write = Write { op: op.id, stamp: op.stamp, value: *into };
                self.life_mut(*life).alias.write(write, supersedes)
            }
            OpBody::Seen { life, content, source, modified_millis, .. } => {
                let seen =
                    SeenAt { content: *content, source: source.clone(), modified_millis: *modified_millis };
                insert(&mut self.life_mut(*life).seen, seen)
            }
            OpBody::Presence { life, source, is_there, .. } => {
                let said = Write { op: op.id, stamp: op.stamp, value: *is_there };
                self.life_mut(*life).say_presence(source, said)
            }
            OpBody::Purge { life, trash, contents, .. } => {
                let purge = PurgeOrder { op: op.id, trash: trash.clone(), contents: contents.clone() };
                insert(&mut self.life_mut(*life).purges, purge)
            }
            OpBody::Set { target: Target::Asset(_, life), .. }
            | OpBody::AddTo { target: Target::Asset(_, life), .. }
            | OpBody::RemoveFrom { target: Target::Asset(_, life), .. } => {
                self.life_mut(*life).record.fold(op)
            }
            _ => false,
        }
    }

    pub(crate) fn merge(&mut self, other: Self) -> bool {
        let mut changed = other.forgotten().is_some_and(|life| self.forget_up_to(life));
        let forgotten = self.forgotten();
        for (life, state) in other.lives {
            if forgotten.is_none_or(|forgotten| life > forgotten) {
                changed |= self.life_mut(life).merge(state);
            }
        }
        changed
    }

    fn life_mut(&mut self, life: Life) -> &mut LifeState {
        let place = self.lives.binary_search_by_key(&life, |(number, _)| *number).unwrap_or_else(|place| {
            self.lives.insert(place, (life, LifeState::default()));
            place
        });
        &mut self.lives[place].1
    }
}

/// `[[life, what is known of it], …]`.
impl Encode for AssetState {
    fn encode(&self, to: &mut Writer) {
        to.array(self.lives.len());
        for (life, state) in &self.lives {
            to.array(2);
            to.value(life);
            to.value(state);
        }
    }
}

impl Decode for AssetState {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let items = from.array(usize::MAX)?;
        let mut lives: Vec<(Life, LifeState)> = Vec::with_capacity(items.min(4));
        for _ in 0..items {
            from.array_of(2)?;
            let (life, state) = (Life::decode(from)?, LifeState::decode(from)?);
            from.ensure(lives.last().is_none_or(|(last, _)| *last < life), "lives ascend")?;
            from.ensure(!state.is_forgotten || lives.is_empty(), "only the first life is a forgotten one")?;
            lives.push((life, state));
        }
        Ok(Self { lives })
    }
}

impl Encode for LifeState {
    fn encode(&self, to: &mut Writer) {
        to.map(|map| {
            map.some_list(0, &self.contents.additions);
            map.some(1, Some(&self.contents.superseded).filter(|ids| !ids.is_empty()));
            map.some_list(2, &self.seen);
            self.record.encode_entries(map, 3);
            map.some_list(5, &self.purges);
            map.some(6, Some(&self.alias).filter(|alias| !alias.is_empty()));
            map.some_list(7, &self.presences);
            map.some(8, Some(&true).filter(|_| self.is_forgotten));
        });
    }
}

impl Decode for LifeState {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut state = Self::default();
        let unread = from.map(|key, from| {
            match key {
                0 => state.contents.additions = writes(from)?,
                1 => state.contents.superseded = remembered(from)?,
                2 => state.seen = from.sorted(usize::MAX)?,
                3 => state.record.decode_fields(from)?,
                4 => state.record.decode_sets(from)?,
                5 => state.purges = from.sorted(usize::MAX)?,
                6 => state.alias = Register::decode(from)?,
                7 => {
                    state.presences = from.list(usize::MAX)?;
                    let ascends = state.presences.is_sorted_by(|one, next| one.source < next.source);
                    from.ensure(ascends, "paths ascend")?;
                }
                8 => {
                    let is_alone = bool::decode(from)? && state == Self::default();
                    from.ensure(is_alone, "a forgotten life is empty")?;
                    state.is_forgotten = true;
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        from.ensure(unread.is_empty(), "the state was folded by another version")?;
        Ok(state)
    }
}

/// `[original, whether it is a version]`.
impl Encode for Addition {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.value(&self.original);
        to.value(&self.is_version);
    }
}

impl Decode for Addition {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(2)?;
        Ok(Self { original: Original::decode(from)?, is_version: bool::decode(from)? })
    }
}

/// `[content, source, modified]`.
impl Encode for SeenAt {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.value(&self.content);
        to.value(&self.source);
        to.value(&self.modified_millis);
    }
}

impl Decode for SeenAt {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        Ok(Self {
            content: ContentHash::decode(from)?,
            source: SourcePath::decode(from)?,
            modified_millis: i64::decode(from)?,
        })
    }
}

/// `[source, [op, stamp, whether it is there]]`.
impl Encode for Presence {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.value(&self.source);
        to.value(&self.said);
    }
}

impl Decode for Presence {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(2)?;
        Ok(Self { source: Decode::decode(from)?, said: Decode::decode(from)? })
    }
}

/// `[op, trash, contents]`.
impl Encode for PurgeOrder {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.value(&self.op);
        to.value(&self.trash);
        to.value(&self.contents);
    }
}

impl Decode for PurgeOrder {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        Ok(Self { op: OpId::decode(from)?, trash: remembered(from)?, contents: remembered(from)? })
    }
}

/// An asset, or null.
impl Encode for Option<AssetId> {
    fn encode(&self, to: &mut Writer) {
        to.optional(self.as_ref());
    }
}

impl Decode for Option<AssetId> {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.optional()
    }
}
