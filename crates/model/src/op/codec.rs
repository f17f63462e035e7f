//! Ops as CBOR: `[id, stamp, kind, body]`, each body a map with the keys of sl1-history §4.2.

use super::{KindNumber, MAX_NOTE_DETAILS, MAX_OP_BYTES, MAX_RENDITIONS, Op, OpBody, OpKind};
use crate::cbor::{Decode, Encode, Malformed, MapWriter, Reader, Unread, Writer};
use crate::forget::{Forget, MAX_FORGOTTEN};
use crate::ids::{AssetId, Life, OpIds};
use crate::original::{Branch, MAX_BRANCHES, MAX_PARTS, Original, Packed};
use crate::placed::{Lapse, MAX_PLACED, Mark, Replicas};
use crate::value::Value;

impl Encode for Op {
    fn encode(&self, to: &mut Writer) {
        to.array(4);
        to.value(&self.id);
        to.value(&self.stamp);
        to.value(&self.kind().0);
        match &self.body {
            OpBody::Unknown { body, .. } => to.raw(body),
            body => to.map(|map| {
                body.encode_entries(map);
                map.unread(&self.unread);
            }),
        }
    }
}

impl Decode for Op {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(4)?;
        let id = Decode::decode(from)?;
        let stamp = Decode::decode(from)?;
        let kind = KindNumber(u16::decode(from)?);
        let (body, unread) = match OpKind::from_number(kind) {
            Some(kind) => decode_body(kind, from)?,
            None => (OpBody::Unknown { kind, body: from.item()?.into() }, Unread::default()),
        };
        Ok(Self { id, stamp, body, unread })
    }
}

/// The first life, an absent value and an empty set of names are not written.
fn life(map: &mut MapWriter<'_>, key: u64, life: Life) {
    map.some(key, Some(&life).filter(|life| **life != Life::default()));
}

fn names(map: &mut MapWriter<'_>, key: u64, names: &OpIds) {
    map.some(key, Some(names).filter(|names| !names.is_empty()));
}

impl OpBody {
    fn encode_entries(&self, map: &mut MapWriter<'_>) {
        match self {
            Self::AddAsset { asset, life: number, original } => {
                map.some(0, Some(asset).filter(|asset| asset.0 != original.content));
                life(map, 1, *number);
                map.entry(2, original);
            }
            Self::AddVersion { asset, life: number, original, supersedes } => {
                map.entry(0, asset);
                life(map, 1, *number);
                map.entry(2, original);
                names(map, 3, supersedes);
            }
            Self::Alias { asset, life: number, into, supersedes } => {
                map.entry(0, asset);
                life(map, 1, *number);
                map.some(2, into.as_ref());
                names(map, 3, supersedes);
            }
            Self::Set { target, field, value, supersedes } => {
                map.entry(0, target);
                map.entry(1, field);
                map.entry(2, value);
                names(map, 3, supersedes);
            }
            Self::AddTo { target, set, element } => {
                map.entry(0, target);
                map.entry(1, set);
                map.entry(2, element);
            }
            Self::RemoveFrom { target, set, element, removes } => {
                map.entry(0, target);
                map.entry(1, set);
                map.entry(2, element);
                names(map, 3, removes);
            }
            Self::Purge { asset, life: number, trash, contents } => {
                map.entry(0, asset);
                life(map, 1, *number);
                names(map, 2, trash);
                names(map, 3, contents);
            }
            Self::Forget(forget) => {
                map.entry(0, &forget.asset);
                life(map, 1, forget.life);
                map.some_list(2, &forget.contents);
                life(map, 3, forget.contents_life);
                map.some_list(4, &forget.parts);
            }
            Self::Derive { content, life: number, probe, version, facts } => {
                map.entry(0, content);
                map.entry(1, probe);
                map.entry(2, version);
                map.entry(3, facts);
                life(map, 4, *number);
            }
            Self::Render { content, life: number, renditions } => {
                map.entry(0, content);
                map.list(1, renditions);
                life(map, 2, *number);
            }
            Self::Seen { asset, life: number, content, source, modified_millis } => {
                map.entry(0, asset);
                life(map, 1, *number);
                map.some(2, Some(content).filter(|content| **content != asset.0));
                map.entry(3, source);
                map.entry(4, modified_millis);
            }
            Self::Presence { asset, life: number, source, is_there } => {
                map.entry(0, asset);
                life(map, 1, *number);
                map.entry(2, source);
                map.entry(3, is_there);
            }
            Self::Note { event, details } => {
                map.entry(0, event);
                map.some_list(1, &details.iter().map(Detail).collect::<Vec<_>>());
            }
            Self::Packed(pack) => {
                map.entry(0, &pack.tier);
                map.entry(1, &pack.name);
                map.entry(2, &pack.epoch);
                map.entry(3, &pack.sealed_bytes);
                map.bytes(4, &pack.index_sha256);
            }
            Self::Replicas(replicas) => {
                map.entry(0, &replicas.place);
                map.some_list(1, &replicas.additions);
                names(map, 2, &replicas.except);
                map.some_list(3, &replicas.objects);
            }
            Self::Mark(mark) => {
                map.entry(0, &mark.place);
                map.entry(1, &mark.why);
                map.list(2, &mark.objects);
            }
            Self::Acknowledged { marks } => names(map, 0, marks),
            Self::Lapse(lapse) => {
                map.entry(0, &lapse.device);
                map.entry(1, &lapse.seq);
            }
            Self::Carried(branches) => map.list(0, branches),
            Self::Statement(bytes) => map.bytes(0, bytes),
            Self::Unknown { .. } => {}
        }
    }
}

struct Detail<'a>(&'a (String, Value));

impl Encode for Detail<'_> {
    fn encode(&self, to: &mut Writer) {
        to.array(2);
        to.value(&self.0.0);
        to.value(&self.0.1);
    }
}

type Body = (OpBody, Unread);

/// Reads the entries of a map into `Option`s, each by its key; what is not known goes to `$unread`.
macro_rules! entries {
    ($from:ident, $unread:ident, { $($key:literal $name:ident: $read:expr,)* }) => {
        $(let mut $name = None;)*
        let $unread = $from.map(|key, $from| {
            match key {
                $($key => $name = Some($read?),)*
                _ => return Ok(false),
            }
            Ok(true)
        })?;
    };
}

/// An entry that every op of its kind has.
fn needed<T>(entry: Option<T>, from: &Reader<'_>) -> Result<T, Malformed> {
    entry.ok_or(from.broken("an op has all the entries of its kind"))
}

fn later_life(from: &mut Reader<'_>) -> Result<Life, Malformed> {
    let life = Life::decode(from)?;
    from.ensure(life != Life::default(), "the first life is not written")?;
    Ok(life)
}

fn some_names(from: &mut Reader<'_>) -> Result<OpIds, Malformed> {
    let names = OpIds::decode(from)?;
    from.ensure(!names.is_empty(), "an empty list is not written")?;
    Ok(names)
}

fn some_list<T: Decode>(from: &mut Reader<'_>, limit: usize) -> Result<Vec<T>, Malformed> {
    let list = from.list(limit)?;
    from.ensure(!list.is_empty(), "an empty list is not written")?;
    Ok(list)
}

struct OwnedDetail(String, Value);

impl Decode for OwnedDetail {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(2)?;
        Ok(Self(Decode::decode(from)?, Decode::decode(from)?))
    }
}

fn decode_body(kind: OpKind, from: &mut Reader<'_>) -> Result<Body, Malformed> {
    match kind {
        OpKind::AddAsset => add_asset(from),
        OpKind::AddVersion => add_version(from),
        OpKind::Alias => alias(from),
        OpKind::Set => set(from),
        OpKind::AddTo => add_to(from),
        OpKind::RemoveFrom => remove_from(from),
        OpKind::Purge => purge(from),
        OpKind::Forget => forget(from),
        OpKind::Derive => derive(from),
        OpKind::Render => render(from),
        OpKind::Seen => seen(from),
        OpKind::Presence => presence(from),
        OpKind::Note => note(from),
        OpKind::Packed => packed(from),
        OpKind::Replicas => replicas(from),
        OpKind::Mark => mark(from),
        OpKind::Acknowledged => acknowledged(from),
        OpKind::Lapse => lapse(from),
        OpKind::Carried => carried(from),
        OpKind::Statement => statement(from),
    }
}

fn add_asset(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 asset: AssetId::decode(from),
        1 life: later_life(from),
        2 original: Original::decode(from),
    });
    let original = needed(original, from)?;
    let first = AssetId(original.content);
    from.ensure(asset != Some(first), "an asset named by this content is not written")?;
    let (asset, life) = (asset.unwrap_or(first), life.unwrap_or_default());
    Ok((OpBody::AddAsset { asset, life, original }, unread))
}

fn add_version(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 asset: AssetId::decode(from),
        1 life: later_life(from),
        2 original: Original::decode(from),
        3 supersedes: some_names(from),
    });
    let body = OpBody::AddVersion {
        asset: needed(asset, from)?,
        life: life.unwrap_or_default(),
        original: needed(original, from)?,
        supersedes: supersedes.unwrap_or_default(),
    };
    Ok((body, unread))
}

fn alias(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 asset: AssetId::decode(from),
        1 life: later_life(from),
        2 into: AssetId::decode(from),
        3 supersedes: some_names(from),
    });
    let body = OpBody::Alias {
        asset: needed(asset, from)?,
        life: life.unwrap_or_default(),
        into,
        supersedes: supersedes.unwrap_or_default(),
    };
    Ok((body, unread))
}

fn set(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 target: Decode::decode(from),
        1 field: Decode::decode(from),
        2 value: Decode::decode(from),
        3 supersedes: some_names(from),
    });
    let body = OpBody::Set {
        target: needed(target, from)?,
        field: needed(field, from)?,
        value: needed(value, from)?,
        supersedes: supersedes.unwrap_or_default(),
    };
    Ok((body, unread))
}

fn add_to(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 target: Decode::decode(from),
        1 set: Decode::decode(from),
        2 element: Decode::decode(from),
    });
    let body = OpBody::AddTo {
        target: needed(target, from)?,
        set: needed(set, from)?,
        element: needed(element, from)?,
    };
    Ok((body, unread))
}

fn remove_from(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 target: Decode::decode(from),
        1 set: Decode::decode(from),
        2 element: Decode::decode(from),
        3 removes: some_names(from),
    });
    let body = OpBody::RemoveFrom {
        target: needed(target, from)?,
        set: needed(set, from)?,
        element: needed(element, from)?,
        removes: needed(removes, from)?,
    };
    Ok((body, unread))
}

fn purge(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 asset: AssetId::decode(from),
        1 life: later_life(from),
        2 trash: some_names(from),
        3 contents: some_names(from),
    });
    let body = OpBody::Purge {
        asset: needed(asset, from)?,
        life: life.unwrap_or_default(),
        trash: needed(trash, from)?,
        contents: needed(contents, from)?,
    };
    Ok((body, unread))
}

fn forget(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 asset: AssetId::decode(from),
        1 life: later_life(from),
        2 contents: some_list(from, MAX_FORGOTTEN),
        3 contents_life: later_life(from),
        4 parts: some_list(from, MAX_PARTS),
    });
    let body = Forget {
        asset: needed(asset, from)?,
        life: life.unwrap_or_default(),
        contents: contents.unwrap_or_default(),
        contents_life: contents_life.unwrap_or_default(),
        parts: parts.unwrap_or_default(),
    };
    Ok((OpBody::Forget(body), unread))
}

fn derive(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 content: Decode::decode(from),
        1 probe: Decode::decode(from),
        2 version: u64::decode(from),
        3 facts: Decode::decode(from),
        4 life: later_life(from),
    });
    let body = OpBody::Derive {
        content: needed(content, from)?,
        life: life.unwrap_or_default(),
        probe: needed(probe, from)?,
        version: needed(version, from)?,
        facts: needed(facts, from)?,
    };
    Ok((body, unread))
}

fn render(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 content: Decode::decode(from),
        1 renditions: some_list(from, MAX_RENDITIONS),
        2 life: later_life(from),
    });
    let body = OpBody::Render {
        content: needed(content, from)?,
        life: life.unwrap_or_default(),
        renditions: needed(renditions, from)?,
    };
    Ok((body, unread))
}

fn seen(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 asset: AssetId::decode(from),
        1 life: later_life(from),
        2 content: Decode::decode(from),
        3 source: Decode::decode(from),
        4 modified: i64::decode(from),
    });
    let asset = needed(asset, from)?;
    from.ensure(content != Some(asset.0), "the content that names the asset is not written")?;
    let body = OpBody::Seen {
        asset,
        life: life.unwrap_or_default(),
        content: content.unwrap_or(asset.0),
        source: needed(source, from)?,
        modified_millis: needed(modified, from)?,
    };
    Ok((body, unread))
}

fn presence(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 asset: AssetId::decode(from),
        1 life: later_life(from),
        2 source: Decode::decode(from),
        3 is_there: bool::decode(from),
    });
    let body = OpBody::Presence {
        asset: needed(asset, from)?,
        life: life.unwrap_or_default(),
        source: needed(source, from)?,
        is_there: needed(is_there, from)?,
    };
    Ok((body, unread))
}

fn note(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 event: String::decode(from),
        1 details: some_list::<OwnedDetail>(from, MAX_NOTE_DETAILS),
    });
    let details = details.unwrap_or_default();
    let body = OpBody::Note {
        event: needed(event, from)?,
        details: details.into_iter().map(|detail| (detail.0, detail.1)).collect(),
    };
    Ok((body, unread))
}

fn packed(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 tier: Decode::decode(from),
        1 name: Decode::decode(from),
        2 epoch: Decode::decode(from),
        3 sealed_bytes: u64::decode(from),
        4 index_sha256: from.fixed(),
    });
    let pack = Packed {
        tier: needed(tier, from)?,
        name: needed(name, from)?,
        epoch: needed(epoch, from)?,
        sealed_bytes: needed(sealed_bytes, from)?,
        index_sha256: needed(index_sha256, from)?,
    };
    Ok((OpBody::Packed(pack), unread))
}

fn replicas(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 place: Decode::decode(from),
        1 additions: some_list(from, MAX_PLACED),
        2 except: some_names(from),
        3 objects: some_list(from, MAX_PLACED),
    });
    let body = Replicas {
        place: needed(place, from)?,
        additions: additions.unwrap_or_default(),
        except: except.unwrap_or_default(),
        objects: objects.unwrap_or_default(),
    };
    Ok((OpBody::Replicas(body), unread))
}

fn mark(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 place: Decode::decode(from),
        1 why: Decode::decode(from),
        2 objects: some_list(from, MAX_PLACED),
    });
    let (place, why) = (needed(place, from)?, needed(why, from)?);
    Ok((OpBody::Mark(Mark { place, why, objects: needed(objects, from)? }), unread))
}

fn acknowledged(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 marks: some_names(from),
    });
    Ok((OpBody::Acknowledged { marks: needed(marks, from)? }, unread))
}

fn lapse(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 device: Decode::decode(from),
        1 seq: Decode::decode(from),
    });
    Ok((OpBody::Lapse(Lapse { device: needed(device, from)?, seq: needed(seq, from)? }), unread))
}

fn carried(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 branches: some_list::<Branch>(from, MAX_BRANCHES),
    });
    Ok((OpBody::Carried(needed(branches, from)?), unread))
}

fn statement(from: &mut Reader<'_>) -> Result<Body, Malformed> {
    entries!(from, unread, {
        0 bytes: from.bytes(MAX_OP_BYTES),
    });
    Ok((OpBody::Statement(needed(bytes, from)?.to_vec()), unread))
}
