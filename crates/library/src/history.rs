//! History as people read it: one line a change, newest first.

use std::collections::{BTreeSet, HashMap};

use safelight_catalog::HistoryEntry as Recorded;
use safelight_crypto::{Statement, StatementBody};
use safelight_model::{
    AssetId, ContentHash, DeviceId, EntityId, Field, Life, MarkReason, Op, OpBody, ProbeKind, SourcePath,
    TakenUpload, Target, Uploader, Value,
};
use serde::Serialize;

use crate::devices::{DeviceNames, id_of, is_name_of_device, named_device};
use crate::error::Result;
use crate::library::Library;
use crate::why::Why;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(utoipa::ToSchema))]
pub struct HistoryEntry {
    /// The operation's id.
    pub id: String,
    /// When, by the clock of the device that made it: `2026-05-14 10:11:12`, UTC.
    pub when: String,
    /// The device.
    pub device: String,
    /// What people call it, if they gave it a name.
    pub device_name: Option<String>,
    /// What was changed.
    pub what: String,
    /// The same in a code, where it is one that people are shown of a photo.
    pub why: Option<Why>,
}

/// What a change is about, for whoever looks for some sorts of them only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistorySort {
    /// Photos came in, or were found or missed where they came from.
    Import,
    /// Something was typed, or put into an album or a stack.
    Edit,
    /// Photos went into the trash, came out of it or were removed for good.
    Trash,
    /// Devices, keys and names of devices.
    Device,
    /// What rests in remotes and leaves them.
    Remote,
    /// What changed nothing and is worth knowing: failed unlocks, a brake that was released.
    Event,
    /// What programs found out: metadata, fingerprints, renditions.
    Derived,
}

impl HistorySort {
    /// The sort of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.word() == word)
    }

    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Import, Self::Edit, Self::Trash, Self::Device, Self::Remote, Self::Event, Self::Derived];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Edit => "edit",
            Self::Trash => "trash",
            Self::Device => "device",
            Self::Remote => "remote",
            Self::Event => "event",
            Self::Derived => "derived",
        }
    }

    pub(crate) fn of(op: &Op) -> Self {
        match &op.body {
            OpBody::AddAsset { .. }
            | OpBody::AddVersion { .. }
            | OpBody::Seen { .. }
            | OpBody::Presence { .. } => Self::Import,
            OpBody::Set { field, .. } if field.code() == Field::TRASHED => Self::Trash,
            OpBody::Set { target: Target::Library, field, .. } if is_name_of_device(field) => Self::Device,
            OpBody::Purge { .. } | OpBody::Forget(_) => Self::Trash,
            OpBody::AddTo { target, .. } if TakenUpload::device_of(target).is_some() => Self::Import,
            OpBody::Set { .. } | OpBody::AddTo { .. } | OpBody::RemoveFrom { .. } | OpBody::Alias { .. } => {
                Self::Edit
            }
            OpBody::Statement(_) => Self::Device,
            OpBody::Packed(_)
            | OpBody::Replicas(_)
            | OpBody::Mark(_)
            | OpBody::Acknowledged { .. }
            | OpBody::Lapse(_)
            | OpBody::Carried(_) => Self::Remote,
            OpBody::Note { .. } | OpBody::Unknown { .. } => Self::Event,
            OpBody::Derive { .. } | OpBody::Render { .. } => Self::Derived,
        }
    }
}

/// Which changes are asked for; nothing that is left out narrows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only those of this device, by its name or id.
    pub device: Option<String>,
    /// Only those made after this moment, in milliseconds since 1970, by the clocks of their devices.
    pub since_millis: Option<u64>,
    /// Only those made until this moment.
    pub until_millis: Option<u64>,
    /// Only these sorts; all that people are shown, if there is none.
    pub sorts: BTreeSet<HistorySort>,
}

/// The same, with the device found.
pub(crate) struct Sieve {
    device: Option<DeviceId>,
    since_millis: u64,
    until_millis: u64,
    sorts: BTreeSet<HistorySort>,
}

impl Sieve {
    pub(crate) fn lets_through(&self, device: DeviceId, op: &Op) -> bool {
        self.device.is_none_or(|wanted| wanted == device)
            && op.stamp.millis > self.since_millis
            && op.stamp.millis <= self.until_millis
            && (self.sorts.is_empty() || self.sorts.contains(&HistorySort::of(op)))
    }
}

/// How many ops are taken from the catalogue at a time.
const PAGE_OPS: usize = 500;

/// So many ops are looked at for where a file went.
const SIGHTINGS: usize = 100;

impl Library {
    /// The newest changes: of the library, or of one photo that an id, a path or a query names.
    ///
    /// # Errors
    /// When the item names no photo or several; those of the catalogue.
    pub fn history(
        &self,
        item: Option<&str>,
        filter: &HistoryFilter,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let sieve = self.sieve(filter)?;
        let of = item.map(|item| self.find(item)).transpose()?.map(|item| EntityId::Asset(item.asset));
        let (names, mut moves) = (self.device_names()?, Moves::default());
        let (mut lines, mut after) = (Vec::new(), None);
        while lines.len() < limit {
            let page = self.catalog().history(of.as_ref(), after, limit.clamp(1, PAGE_OPS))?;
            let asked_for =
                |entry: &&Recorded| entry.op.as_ref().map_or(true, |op| sieve.lets_through(entry.device, op));
            for entry in page.entries.iter().filter(asked_for) {
                lines.extend(self.told(entry, &names, &mut moves)?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        lines.truncate(limit);
        Ok(lines)
    }

    pub(crate) fn sieve(&self, filter: &HistoryFilter) -> Result<Sieve> {
        let device = filter.device.as_deref().map(|word| self.find_device(word)).transpose()?;
        Ok(Sieve {
            device: device.map(|device| id_of(&device)).transpose()?,
            since_millis: filter.since_millis.unwrap_or(0),
            until_millis: filter.until_millis.unwrap_or(u64::MAX),
            sorts: filter.sorts.clone(),
        })
    }

    /// What people are told of an op; nothing of one that says no more than a later one.
    fn told(&self, entry: &Recorded, names: &DeviceNames, moves: &mut Moves) -> Result<Option<HistoryEntry>> {
        let (id, when, what) = match &entry.op {
            Ok(op) => {
                if !self.names_only_told(op)? {
                    return Ok(None);
                }
                let what = match &op.body {
                    OpBody::Presence { asset, source, is_there, .. } => {
                        let went_to = if *is_there { None } else { self.went_to(entry, *asset, source)? };
                        moves.tell(*asset, source, *is_there, went_to)
                    }
                    OpBody::AddAsset { .. } | OpBody::AddVersion { .. }
                        if self.is_said_before(entry, op)? =>
                    {
                        None
                    }
                    OpBody::Set { value: Value::Asset(other), .. }
                    | OpBody::Alias { into: Some(other), .. }
                        if !self.may_be_told(*other)? =>
                    {
                        None
                    }
                    _ => Some((sentence(op), self.in_a_code(op)?)),
                };
                (op.id.to_string(), shown_time(op.stamp.millis), what)
            }
            Err(error) => {
                let what = format!("an operation that cannot be read: {error}");
                (String::new(), String::new(), Some((what, None)))
            }
        };
        let (device, device_name) = (entry.device.to_string(), names.of(entry.device));
        Ok(what.map(|(what, why)| HistoryEntry { id, when, device, device_name, what, why }))
    }

    /// What an operation did, in a code and its values, where it is one of those that a photo's history is made of.
    fn in_a_code(&self, op: &Op) -> Result<Option<Why>> {
        Ok(match &op.body {
            OpBody::AddAsset { original, .. } => coded("added", [("path", original.source.display())]),
            OpBody::AddVersion { original, .. } => {
                coded("new-version", [("path", original.source.display())])
            }
            OpBody::Alias { into: Some(_), .. } => coded("merged", []),
            OpBody::Alias { into: None, .. } => coded("merged-no-more", []),
            OpBody::Set { field, value: Value::None, .. } => {
                field.code().word().and_then(|field| coded("cleared", [("field", field.to_owned())]))
            }
            OpBody::Set { field, value, .. } => field
                .code()
                .word()
                .and_then(|field| coded("set", [("field", field.to_owned()), ("value", plain(value))])),
            OpBody::AddTo { set, element, .. } => {
                self.in_or_out(set.word(), element, ["put-in", "tagged"])?
            }
            OpBody::RemoveFrom { set, element, .. } => {
                self.in_or_out(set.word(), element, ["taken-out", "untagged"])?
            }
            OpBody::Seen { source, .. } => coded("found-again", [("path", source.display())]),
            _ => None,
        })
    }

    /// That a photo went into an album or out of one, or got or lost a tag.
    fn in_or_out(&self, set: Option<&str>, element: &Value, codes: [&'static str; 2]) -> Result<Option<Why>> {
        Ok(match (set, element) {
            (Some("albums"), Value::Album(album)) => {
                let path = self.album_paths(&[*album])?.pop();
                path.and_then(|path| coded(codes[0], [("album", path)]))
            }
            (Some("tags"), Value::Text(tag)) => coded(codes[1], [("tag", tag.clone())]),
            _ => None,
        })
    }

    /// Whether an operation is about no photo that is kept back.
    fn names_only_told(&self, op: &Op) -> Result<bool> {
        if !self.keeps_hidden_back() {
            return Ok(true);
        }
        for entity in op.targets().unwrap_or_default() {
            if let EntityId::Asset(asset) = entity
                && !self.may_be_told(asset)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a photo that another's history names is not one of those that are kept back.
    fn may_be_told(&self, asset: AssetId) -> Result<bool> {
        Ok(!self.without_kept_back(vec![asset])?.is_empty())
    }

    /// Whether an addition says once more what the one before it said: the photo was imported again, or its original rests
    /// in another way.
    fn is_said_before(&self, entry: &Recorded, op: &Op) -> Result<bool> {
        let Some((asset, ..)) = added(op) else { return Ok(false) };
        let before = self.catalog().sightings_before(asset, entry.cursor, SIGHTINGS)?;
        Ok(says_again(op, before.iter()))
    }

    /// Where a device had found a photo last when it said that it is no longer at a path.
    fn went_to(&self, left: &Recorded, asset: AssetId, source: &SourcePath) -> Result<Option<WentTo>> {
        let before = self.catalog().sightings_before(asset, left.cursor, SIGHTINGS)?;
        let mut gone = vec![source.clone()];
        for (number, entry) in (1..).zip(&before).filter(|(_, entry)| entry.device == left.device) {
            let Ok(op) = &entry.op else { continue };
            let (found, is_there) = match &op.body {
                OpBody::Presence { source, is_there, .. } => (source.clone(), *is_there),
                OpBody::Seen { source, .. } => (source.clone(), true),
                OpBody::AddAsset { original, .. } | OpBody::AddVersion { original, .. } => {
                    if says_again(op, before.iter().skip(number)) {
                        continue;
                    }
                    (original.source.clone(), true)
                }
                _ => continue,
            };
            if found.device != source.device || gone.iter().any(|gone| gone.is_same_file(&found)) {
                continue;
            }
            if is_there {
                // An import closes a segment at its end: what it finds and what it misses are in one.
                let is_move = entry.segment == left.segment;
                return Ok(Some(WentTo { path: found, is_move }));
            }
            gone.push(found);
        }
        Ok(None)
    }
}

/// Whether an addition says what the last one among these entries, the newest first, said.
fn says_again<'a>(op: &Op, mut earlier: impl Iterator<Item = &'a Recorded>) -> bool {
    let last = earlier.find_map(|entry| added(entry.op.as_ref().ok()?));
    last.is_some_and(|last| added(op) == Some(last))
}

/// Which content came to which life of an asset, and from where, if that is what an op says.
fn added(op: &Op) -> Option<(AssetId, Life, ContentHash, &SourcePath)> {
    match &op.body {
        OpBody::AddAsset { asset, life, original } | OpBody::AddVersion { asset, life, original, .. } => {
            Some((*asset, *life, original.content, &original.source))
        }
        _ => None,
    }
}

/// Where a photo is that is no longer at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WentTo {
    path: SourcePath,
    /// Whether it was found there as it was missed at the other path, and not before.
    is_move: bool,
}

/// What was told of where photos went, by the photo and the device: several ops may say one thing, for a path that was
/// recorded in several ways, or for a file that is back where it was and therefore no longer where it was meanwhile.
#[derive(Debug, Default)]
struct Moves {
    told: HashMap<(AssetId, DeviceId), (SourcePath, Option<WentTo>)>,
}

impl Moves {
    fn tell(
        &mut self,
        asset: AssetId,
        source: &SourcePath,
        is_there: bool,
        went_to: Option<WentTo>,
    ) -> Option<(String, Option<Why>)> {
        let place = (asset, source.device);
        let short = short(&asset.to_string());
        let told = self.told.get(&place);
        if is_there {
            let is_told = told
                .and_then(|(_, went_to)| went_to.as_ref())
                .is_some_and(|went_to| went_to.is_move && went_to.path.is_same_file(source));
            let path = source.display();
            return (!is_told)
                .then(|| (format!("{short} is at {path} again"), coded("back-at", [("path", path)])));
        }
        let is_told = told.is_some_and(|(from, known)| from.is_same_file(source) && *known == went_to);
        let told = match &went_to {
            None => {
                let path = source.display();
                (format!("{short} is no longer at {path}"), coded("gone-from", [("path", path)]))
            }
            Some(WentTo { path, is_move }) => {
                let [from, to] = shown_apart([source, path]);
                let (sentence, code) = if *is_move {
                    (format!("moved {short} from {from} to {to}"), "moved-to")
                } else {
                    (format!("{short} is no longer at {from}; it is at {to}"), "gone-to")
                };
                (sentence, coded(code, [("from", from), ("to", to)]))
            }
        };
        self.told.insert(place, (source.clone(), went_to));
        (!is_told).then_some(told)
    }
}

/// Two paths below the folder that was imported; as a whole if they were imported with different ones.
fn shown_apart(paths: [&SourcePath; 2]) -> [String; 2] {
    let is_one_root = paths.iter().all(|path| paths.iter().all(|other| path.root == other.root));
    paths.map(
        |path| {
            if is_one_root { path.display() } else { String::from_utf8_lossy(&path.whole()).into_owned() }
        },
    )
}

/// Milliseconds since 1970 as people read them, in UTC.
pub(crate) fn shown_time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis)
        .map_or_else(|_| format!("{millis} ms"), |when| when.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// What an operation did, in a few words.
pub(crate) fn sentence(op: &Op) -> String {
    match &op.body {
        OpBody::AddAsset { original, .. } => format!("added {}", original.source.display()),
        OpBody::AddVersion { asset, original, .. } => {
            format!("added a new version of {}: {}", short(&asset.to_string()), original.source.display())
        }
        OpBody::Alias { asset, into: Some(into), .. } => {
            format!("merged {} into {}", short(&asset.to_string()), short(&into.to_string()))
        }
        OpBody::Alias { asset, into: None, .. } => {
            format!("took {} out of its merge", short(&asset.to_string()))
        }
        OpBody::Set { field, .. } if Uploader::device_of(field).is_some() => {
            let device = Uploader::device_of(field);
            let is_ended = device.is_some_and(|device| *field == Uploader::ended_field(device));
            let may = if is_ended { "may upload no more" } else { "may upload, and open nothing" };
            format!("said that device {} {may}", device.map(|device| device.to_string()).unwrap_or_default())
        }
        OpBody::Set { field, value, .. } if named_device(field).is_some() => {
            format!("called device {} {}", named_device(field).unwrap_or_default(), shown(value))
        }
        OpBody::Set { target, field, value, .. } => {
            let field = field.code().word().map_or_else(|| field.code().0.to_string(), str::to_owned);
            format!("set {field} of {} to {}", named(target), shown(value))
        }
        OpBody::AddTo { target, element, .. } if TakenUpload::device_of(target).is_some() => {
            let number = TakenUpload::of_value(element).map_or(0, |taken| taken.counter);
            format!("took in upload {number} of {}", named(target))
        }
        OpBody::AddTo { target, set, element } => {
            format!("added {} to the {} of {}", shown(element), set.word().unwrap_or("set"), named(target))
        }
        OpBody::RemoveFrom { target, set, element, .. } => {
            format!(
                "removed {} from the {} of {}",
                shown(element),
                set.word().unwrap_or("set"),
                named(target)
            )
        }
        OpBody::Purge { asset, .. } => format!("purged {}", short(&asset.to_string())),
        OpBody::Forget(forget) => format!("forgot {}", short(&forget.asset.to_string())),
        OpBody::Derive { content, probe, .. } => {
            let what = match probe {
                ProbeKind::Metadata => "metadata",
                ProbeKind::Pixels => "fingerprints",
                ProbeKind::Sidecar => "a sidecar",
                ProbeKind::Unknown(_) => "findings",
            };
            format!("read {what} of {}", short(&content.to_string()))
        }
        OpBody::Render { content, renditions, .. } => {
            format!("made {} renditions of {}", renditions.len(), short(&content.to_string()))
        }
        OpBody::Seen { content, source, .. } => {
            format!("found {} again at {}", short(&content.to_string()), source.display())
        }
        OpBody::Presence { asset, source, is_there, .. } => {
            let word = if *is_there { "again" } else { "no longer" };
            format!("{} is {word} at {}", short(&asset.to_string()), source.display())
        }
        OpBody::Note { event, details } => {
            let details: Vec<String> =
                details.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect();
            if details.is_empty() { event.clone() } else { format!("{event}: {}", details.join(", ")) }
        }
        OpBody::Packed(pack) => {
            format!("put pack {} of {} bytes into a remote", pack.name, pack.sealed_bytes)
        }
        OpBody::Replicas(_) => "recorded what rests in a remote".into(),
        OpBody::Mark(mark) => {
            let why = match mark.why {
                MarkReason::Unreferenced => "nothing needs them",
                MarkReason::Forgotten => "they hold what was forgotten",
                MarkReason::Orphan => "nothing knows them",
                MarkReason::Damaged => "they are damaged or missing",
                MarkReason::Dropped | MarkReason::Other(_) => "they are not wanted there",
            };
            format!(
                "marked {} objects to leave remote {}: {why}",
                mark.objects.len(),
                short(&mark.place.to_string())
            )
        }
        OpBody::Acknowledged { marks } => format!("acknowledged {} marks", marks.len()),
        OpBody::Lapse(lapse) => {
            format!(
                "no longer waits for device {}, silent since segment {}",
                short(&lapse.device.to_string()),
                lapse.seq.0
            )
        }
        OpBody::Carried(branches) => match branches.first() {
            Some(first) => format!(
                "took over {} of device {}, of which there were two",
                if branches.len() == 1 {
                    "a segment".to_owned()
                } else {
                    format!("{} segments", branches.len())
                },
                first.device
            ),
            None => "took over nothing".into(),
        },
        OpBody::Statement(bytes) => stated(bytes),
        OpBody::Unknown { kind, .. } => format!("something that a newer version knows (kind {})", kind.0),
    }
}

/// What a statement about devices and keys says.
fn stated(bytes: &[u8]) -> String {
    let Ok(statement) = Statement::from_bytes(bytes) else {
        return "signed a statement that cannot be read".to_owned();
    };
    match statement.body() {
        StatementBody::Root(_) => "named the recovery words that are in force".to_owned(),
        StatementBody::Admit(card) => format!("let device {} in", card.id()),
        StatementBody::Retire { device, .. } => format!("said that device {device} left in peace"),
        StatementBody::Revoke { device, last_seq, .. } => {
            format!("revoked device {device}: nothing of it counts after segment {last_seq}")
        }
        StatementBody::Lapse { device } => format!("said that device {device} is silent and not waited for"),
        StatementBody::Epoch { epoch, files } => {
            format!("began epoch {epoch} of keys, for {} devices and recovery words", files.len())
        }
        StatementBody::RequireFeature(feature) => format!("asked for versions that know {feature}"),
        StatementBody::Unknown { kind, .. } => {
            format!("signed a statement that a newer version knows (kind {kind})")
        }
        _ => "signed a statement that a newer version knows".to_owned(),
    }
}

/// A code of history and its values.
fn coded(code: &'static str, values: impl IntoIterator<Item = (&'static str, String)>) -> Option<Why> {
    Some(Why { code, values: values.into_iter().collect() })
}

/// A value as programs read it: `true`, `4`, the text itself, `2026-05-14 10:11:12`, degrees north and east.
fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Place(place) => {
            let degrees = format!("{:.4}, {:.4}", place.position.latitude(), place.position.longitude());
            place.name.clone().unwrap_or(degrees)
        }
        other => shown(other),
    }
}

fn named(target: &Target) -> String {
    match target {
        Target::Library => "the library".into(),
        Target::Asset(asset, _) => short(&asset.to_string()),
        Target::Album(album) => format!("album {}", short(&album.to_string())),
        target @ Target::Other { kind, .. } => match TakenUpload::device_of(target) {
            Some(device) => format!("device {device}"),
            None => format!("a thing of kind {kind}"),
        },
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::None => "nothing".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Asset(asset) => short(&asset.to_string()),
        Value::Album(album) => format!("album {}", short(&album.to_string())),
        Value::Date(date) => jiff::Timestamp::from_second(date.local_seconds)
            .map_or_else(|_| "a date".into(), |date| date.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        Value::Place(_) => "a place".into(),
        Value::Other(_) => "something new".into(),
    }
}

fn short(id: &str) -> String {
    id.get(..12).unwrap_or(id).to_owned()
}
