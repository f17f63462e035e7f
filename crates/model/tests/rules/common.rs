//! Ops to test with: any that can be written, and ones that get into each other's way as often as possible.

use std::collections::BTreeMap;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use safelight_model::{
    AlbumId, AssetId, Branch, ContentHash, DatePrecision, DeviceId, EntityId, EntityState, EpochId, Facts,
    Field, FieldCode, Forget, Keywords, KindNumber, Lapse, Life, Mark, MarkReason, MediaKind, MotionPhoto,
    ObjectName, Op, OpBody, OpId, OpIds, OpRange, Original, PackKind, Packed, PartRef, PlaceId, PlaceName,
    PlacedObject, Placeholder, Position, ProbeKind, Ratio, Rendition, RenditionKind, Replicas, SegmentRoot,
    SegmentSeq, SetName, SourcePath, Stamp, Storage, Taken, TakenSource, Target, TypedDate, TypedPlace,
    Value,
};

pub(crate) fn content(number: u8) -> ContentHash {
    ContentHash::from_bytes([number; 32])
}

pub(crate) fn asset(number: u8) -> AssetId {
    AssetId(content(number))
}

pub(crate) fn id(number: u32) -> OpId {
    OpId { session: 7, counter: number }
}

pub(crate) fn at(millis: u64) -> Stamp {
    Stamp::at(millis)
}

pub(crate) fn original(number: u8) -> Original {
    Original {
        content: content(number),
        size_bytes: 3_000_000 + u64::from(number),
        media_type: "image/jpeg".to_owned(),
        epoch: EpochId::from_bytes([1; 16]),
        parts: vec![PartRef {
            name: ObjectName::from_bytes([number; 20]),
            sealed_bytes: 3_014_792,
            tags: None,
        }],
        storage: Storage::Copied,
        source: SourcePath {
            device: DeviceId::from_bytes([2; 16]),
            root: b"/home/ada/Pictures".to_vec(),
            relative: format!("2023/05/IMG_{number:04}.JPG").into_bytes(),
        },
        modified_millis: 1_684_000_000_000,
        unread: Default::default(),
    }
}

pub(crate) fn add(number: u8) -> OpBody {
    OpBody::AddAsset { asset: asset(number), life: Life(0), original: original(number) }
}

pub(crate) fn set(field: FieldCode, value: impl Into<Value>, supersedes: &[OpId]) -> OpBody {
    OpBody::Set {
        target: asset(1).into(),
        field: field.into(),
        value: value.into(),
        supersedes: supersedes.iter().copied().collect(),
    }
}

/// Everything that ops come to, by entity.
pub(crate) fn fold<'a>(ops: impl IntoIterator<Item = &'a Op>) -> BTreeMap<EntityId, EntityState> {
    let mut states = BTreeMap::new();
    for op in ops {
        for entity in op.targets().unwrap_or_default() {
            states.entry(entity.clone()).or_insert_with(|| EntityState::new(&entity)).fold(op);
        }
    }
    states
}

/// The state of asset 1 after ops.
pub(crate) fn fold_asset<'a>(ops: impl IntoIterator<Item = &'a Op>) -> EntityState {
    fold(ops).remove(&EntityId::Asset(asset(1))).unwrap_or(EntityState::new(&EntityId::Asset(asset(1))))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zA-Z0-9 äß漢/]{1,40}", Just("x".repeat(300))]
}

fn position() -> impl Strategy<Value = Position> {
    (-900_000_000..=900_000_000_i32, -1_800_000_000..=1_800_000_000_i32, option::of(any::<i32>())).prop_map(
        |(latitude_e7, longitude_e7, altitude_mm)| Position { latitude_e7, longitude_e7, altitude_mm },
    )
}

fn typed_date() -> impl Strategy<Value = TypedDate> {
    let precision =
        select(vec![DatePrecision::Year, DatePrecision::Month, DatePrecision::Day, DatePrecision::Second]);
    (any::<i64>(), option::of(any::<i16>()), precision).prop_map(
        |(local_seconds, offset_minutes, precision)| TypedDate { local_seconds, offset_minutes, precision },
    )
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        text().prop_map(Value::Text),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        any::<[u8; 32]>().prop_map(|bytes| Value::Asset(AssetId(ContentHash::from_bytes(bytes)))),
        any::<[u8; 16]>().prop_map(|bytes| Value::Album(AlbumId(bytes))),
        typed_date().prop_map(Value::Date),
        (position(), option::of(text()))
            .prop_map(|(position, name)| Value::Place(TypedPlace { position, name })),
    ]
}

fn op_id() -> impl Strategy<Value = OpId> {
    (any::<u64>(), any::<u32>()).prop_map(|(session, counter)| OpId { session, counter })
}

fn op_ids() -> impl Strategy<Value = OpIds> {
    vec(op_id(), 0..4).prop_map(OpIds::from)
}

fn some_op_ids() -> impl Strategy<Value = OpIds> {
    vec(op_id(), 1..4).prop_map(OpIds::from)
}

fn source() -> impl Strategy<Value = SourcePath> {
    (any::<[u8; 16]>(), vec(any::<u8>(), 0..30), vec(any::<u8>(), 1..60)).prop_map(
        |(device, root, relative)| SourcePath { device: DeviceId::from_bytes(device), root, relative },
    )
}

fn part() -> impl Strategy<Value = PartRef> {
    (any::<[u8; 20]>(), any::<u64>(), option::of(any::<[u8; 32]>())).prop_map(|(name, sealed_bytes, tags)| {
        PartRef { name: ObjectName::from_bytes(name), sealed_bytes: sealed_bytes >> 1, tags }
    })
}

fn any_original() -> impl Strategy<Value = Original> {
    let storage =
        prop_oneof![Just(Storage::Copied), Just(Storage::Linked), (9..500_u16).prop_map(Storage::Unknown)];
    (
        any::<[u8; 32]>(),
        any::<u64>(),
        "[a-z]{1,8}/[a-z0-9+]{1,12}",
        any::<[u8; 16]>(),
        vec(part(), 0..4),
        storage,
        source(),
        any::<i64>(),
    )
        .prop_map(|(content, size, media_type, epoch, parts, storage, source, modified_millis)| {
            Original {
                content: ContentHash::from_bytes(content),
                size_bytes: size >> 1,
                media_type,
                epoch: EpochId::from_bytes(epoch),
                parts,
                storage,
                source,
                modified_millis,
                unread: Default::default(),
            }
        })
}

pub(crate) fn facts() -> impl Strategy<Value = Facts> {
    let first = (
        option::of(select(vec![MediaKind::Photo, MediaKind::Raw, MediaKind::Unknown(77)])),
        option::of(text()),
        option::of(any::<u32>()),
        option::of(1..=8_u8),
        option::of((any::<i64>(), option::of(any::<i16>()))),
        option::of(position()),
        option::of((any::<u32>(), any::<u32>())),
    );
    let second = (
        option::of(vec(text(), 0..4)),
        option::of((option::of(text()), option::of(text()))),
        option::of(any::<[u8; 32]>()),
        option::of(vec(any::<u8>(), 0..30)),
        option::of((any::<u64>(), any::<u64>())),
        option::of(-1..=5_i8),
        option::of(any::<bool>()),
    );
    (first, second).prop_map(|(first, second)| Facts {
        media: first.0,
        format: first.1,
        width: first.2,
        orientation: first.3,
        taken: first.4.map(|(local_millis, offset_minutes)| Taken {
            local_millis,
            offset_minutes,
            source: TakenSource::ExifOriginal,
        }),
        position: first.5,
        aperture: first.6.map(|(numerator, denominator)| Ratio { numerator, denominator }),
        keywords: second.0.map(Keywords),
        place: second.1.map(|(city, country)| PlaceName { city, region: None, country }),
        pdq256: second.2,
        thumbhash: second.3.map(Placeholder),
        motion: second
            .4
            .map(|(offset, length)| MotionPhoto { offset_bytes: offset >> 1, length_bytes: length >> 1 }),
        rating: second.5,
        animated: second.6,
        ..Facts::default()
    })
}

fn rendition() -> impl Strategy<Value = Rendition> {
    (any::<u16>(), any::<[u8; 32]>(), any::<u32>(), any::<u16>(), any::<u16>()).prop_map(
        |(recipe, sha256, length_bytes, width, height)| Rendition {
            kind: RenditionKind::from_code(recipe % 6),
            recipe,
            sha256,
            length_bytes,
            width,
            height,
        },
    )
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![4 => Just(Life(0)), 1 => any::<u32>().prop_map(Life)]
}

fn any_asset() -> impl Strategy<Value = AssetId> {
    any::<[u8; 32]>().prop_map(|bytes| AssetId(ContentHash::from_bytes(bytes)))
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Library),
        (any_asset(), life()).prop_map(|(asset, life)| Target::Asset(asset, life)),
        any::<[u8; 16]>().prop_map(|bytes| Target::Album(AlbumId(bytes))),
        (4..=255_u8, vec(any::<u8>(), 0..64)).prop_map(|(kind, id)| Target::Other { kind, id }),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    (any::<u16>(), prop_oneof![Just(Vec::new()), vec(any::<u8>(), 1..20)])
        .prop_map(|(code, key)| Field::keyed(FieldCode(code), &key))
}

/// Any body that this version can write.
pub(crate) fn body() -> impl Strategy<Value = OpBody> {
    prop_oneof![
        (any::<bool>(), any_asset(), life(), any_original()).prop_map(|(own, asset, life, original)| {
            let asset = if own { AssetId(original.content) } else { asset };
            OpBody::AddAsset { asset, life, original }
        }),
        (any_asset(), life(), any_original(), op_ids()).prop_map(|(asset, life, original, supersedes)| {
            OpBody::AddVersion { asset, life, original, supersedes }
        }),
        (any_asset(), life(), option::of(any_asset()), op_ids())
            .prop_map(|(asset, life, into, supersedes)| OpBody::Alias { asset, life, into, supersedes }),
        (target(), field(), value(), op_ids()).prop_map(|(target, field, value, supersedes)| OpBody::Set {
            target,
            field,
            value,
            supersedes
        }),
        (target(), any::<u16>(), value()).prop_map(|(target, set, element)| OpBody::AddTo {
            target,
            set: SetName(set),
            element
        }),
        (target(), any::<u16>(), value(), some_op_ids()).prop_map(|(target, set, element, removes)| {
            OpBody::RemoveFrom { target, set: SetName(set), element, removes }
        }),
        (any_asset(), life(), some_op_ids(), some_op_ids())
            .prop_map(|(asset, life, trash, contents)| OpBody::Purge { asset, life, trash, contents }),
        (any::<[u8; 32]>(), life(), any::<u64>(), facts()).prop_map(|(content, life, version, facts)| {
            OpBody::Derive {
                life,
                content: ContentHash::from_bytes(content),
                probe: ProbeKind::from_code(u16::from(content[0] % 5)),
                version,
                facts,
            }
        }),
        (any::<[u8; 32]>(), life(), vec(rendition(), 1..4)).prop_map(|(content, life, renditions)| {
            OpBody::Render { life, content: ContentHash::from_bytes(content), renditions }
        }),
        (any_asset(), life(), any::<bool>(), any::<[u8; 32]>(), source(), any::<i64>()).prop_map(
            |(asset, life, own, content, source, modified_millis)| OpBody::Seen {
                asset,
                life,
                content: if own { asset.0 } else { ContentHash::from_bytes(content) },
                source,
                modified_millis,
            }
        ),
        (any_asset(), life(), source(), any::<bool>()).prop_map(|(asset, life, source, is_there)| {
            OpBody::Presence { asset, life, source, is_there }
        }),
        (text(), vec((text(), value()), 0..4)).prop_map(|(event, details)| OpBody::Note { event, details }),
        (any::<u16>(), any::<[u8; 20]>(), any::<[u8; 16]>(), any::<u64>(), any::<[u8; 32]>()).prop_map(
            |(tier, name, epoch, sealed_bytes, index_sha256)| OpBody::Packed(Packed {
                tier: PackKind::from_code(tier),
                name: ObjectName::from_bytes(name),
                epoch: EpochId::from_bytes(epoch),
                sealed_bytes,
                index_sha256,
            })
        ),
        btree_set((any::<[u8; 16]>(), 1_u32.., any::<[u8; 32]>()), 1..4).prop_map(|branches| {
            OpBody::Carried(
                branches
                    .into_iter()
                    .map(|(device, seq, root)| Branch {
                        device: DeviceId::from_bytes(device),
                        seq: SegmentSeq(seq),
                        root: SegmentRoot(root),
                    })
                    .collect(),
            )
        }),
        vec(any::<u8>(), 0..100).prop_map(OpBody::Statement),
        (any::<[u8; 16]>(), additions(), placed_objects(1)).prop_map(|(place, additions, objects)| {
            let except = additions.first().map(|range| OpId { session: range.session, counter: range.first });
            OpBody::Replicas(Replicas {
                place: PlaceId(place),
                additions,
                except: except.into_iter().collect(),
                objects,
            })
        }),
        (any::<[u8; 16]>(), any::<u16>(), placed_objects(1)).prop_map(|(place, why, objects)| {
            OpBody::Mark(Mark { place: PlaceId(place), why: MarkReason::from_code(why), objects })
        }),
        (any_asset(), life(), btree_set(any::<[u8; 32]>(), 0..3), life(), btree_set(any::<[u8; 20]>(), 0..3))
            .prop_map(|(asset, life, contents, contents_life, parts)| {
                OpBody::Forget(Forget {
                    asset,
                    life,
                    contents: contents.into_iter().map(ContentHash::from_bytes).collect(),
                    contents_life,
                    parts: parts.into_iter().map(ObjectName::from_bytes).collect(),
                })
            }),
        vec(op_id(), 1..5).prop_map(|ids| OpBody::Acknowledged { marks: ids.into_iter().collect() }),
        (any::<[u8; 16]>(), any::<u32>()).prop_map(|(device, seq)| {
            OpBody::Lapse(Lapse { device: DeviceId::from_bytes(device), seq: SegmentSeq(seq) })
        }),
        (100..=u16::MAX, select(vec![&[0x80][..], &[0xa1, 0, 0x63, b'n', b'e', b'w'], &[0x18, 99]]))
            .prop_map(|(kind, body)| OpBody::Unknown { kind: KindNumber(kind), body: body.into() }),
    ]
}

fn placed_objects(least: usize) -> impl Strategy<Value = Vec<PlacedObject>> {
    btree_set((any::<u8>(), any::<[u8; 20]>(), any::<u32>()), least..5).prop_map(|objects| {
        let object = |(class, name, generation)| PlacedObject {
            class,
            name: ObjectName::from_bytes(name),
            generation,
        };
        objects.into_iter().map(object).collect()
    })
}

/// Ranges of a session each, ascending.
fn additions() -> impl Strategy<Value = Vec<OpRange>> {
    proptest::collection::btree_map(any::<u64>(), (any::<u32>(), any::<u32>()), 0..4).prop_map(|ranges| {
        let range =
            |(session, (a, b)): (u64, (u32, u32))| OpRange { session, first: a.min(b), last: a.max(b) };
        ranges.into_iter().map(range).collect()
    })
}

/// Any op that this version can write.
pub(crate) fn op() -> impl Strategy<Value = Op> {
    (op_id(), any::<u64>(), body())
        .prop_map(|(id, packed, body)| Op::new(id, Stamp::from_packed(packed), body))
}

/// How many ids the ops that get into each other's way have: few, so that they do.
const IDS: u32 = 12;

fn few_ids(least: usize) -> impl Strategy<Value = OpIds> {
    subsequence((0..IDS).collect::<Vec<_>>(), least..4).prop_map(|ids| ids.into_iter().map(id).collect())
}

fn few_values() -> impl Strategy<Value = Value> {
    select(vec![Value::Bool(true), Value::Bool(false), Value::None, "red".into(), "blue".into(), 3.into()])
}

fn few_targets() -> impl Strategy<Value = Target> {
    select(vec![
        Target::Asset(asset(1), Life(0)),
        Target::Asset(asset(1), Life(1)),
        Target::Album(AlbumId([1; 16])),
        Target::Library,
        Target::Other { kind: 9, id: vec![1] },
    ])
}

fn few_originals() -> impl Strategy<Value = Original> {
    (1..4_u8, any::<bool>()).prop_map(|(number, linked)| Original {
        storage: if linked { Storage::Linked } else { Storage::Copied },
        ..original(number)
    })
}

fn few_bodies() -> impl Strategy<Value = OpBody> {
    let lives = || (0..2_u32).prop_map(Life);
    let fields = select(vec![Field::TRASHED, Field::CAPTION, Field::RATING]);
    let sets = || select(vec![SetName::TAGS, SetName(900)]);
    prop_oneof![
        2 => (lives(), few_originals()).prop_map(|(life, original)| {
            OpBody::AddAsset { asset: asset(1), life, original }
        }),
        2 => (lives(), few_originals(), few_ids(0)).prop_map(|(life, original, supersedes)| {
            OpBody::AddVersion { asset: asset(1), life, original, supersedes }
        }),
        1 => (lives(), option::of(2..4_u8), few_ids(0)).prop_map(|(life, into, supersedes)| {
            OpBody::Alias { asset: asset(1), life, into: into.map(asset), supersedes }
        }),
        4 => (few_targets(), fields, few_values(), few_ids(0)).prop_map(|(target, field, value, supersedes)| {
            OpBody::Set { target, field: field.into(), value, supersedes }
        }),
        3 => (few_targets(), sets(), few_values())
            .prop_map(|(target, set, element)| OpBody::AddTo { target, set, element }),
        2 => (few_targets(), sets(), few_values(), few_ids(1)).prop_map(|(target, set, element, removes)| {
            OpBody::RemoveFrom { target, set, element, removes }
        }),
        2 => (lives(), few_ids(1), few_ids(1)).prop_map(|(life, trash, contents)| {
            OpBody::Purge { asset: asset(1), life, trash, contents }
        }),
        2 => (lives(), 1..3_u16, 0..3_u64, option::of(0..3_u32)).prop_map(|(life, probe, version, width)| OpBody::Derive { life,
            content: content(1),
            probe: ProbeKind::from_code(probe),
            version,
            facts: Facts { width, ..Facts::default() },
        }),
        1 => (lives(), 0..4_u8).prop_map(|(life, number)| OpBody::Render { life,
            content: content(1),
            renditions: vec![Rendition {
                kind: RenditionKind::Thumbnail,
                recipe: 1,
                sha256: [number; 32],
                length_bytes: 9,
                width: 320,
                height: 240,
            }],
        }),
        1 => (lives(), 1..4_u8).prop_map(|(life, number)| OpBody::Seen {
            asset: asset(1),
            life,
            content: content(1),
            source: original(number).source,
            modified_millis: 5,
        }),
        2 => (lives(), 1..4_u8, any::<bool>()).prop_map(|(life, number, is_there)| OpBody::Presence {
            asset: asset(1),
            life,
            source: original(number).source,
            is_there,
        }),
        1 => (lives(), any::<bool>(), lives()).prop_map(|(life, has_content, contents_life)| {
            let contents = if has_content { vec![content(1)] } else { Vec::new() };
            OpBody::Forget(Forget { asset: asset(1), life, contents, contents_life, parts: Vec::new() })
        }),
    ]
}

/// Ops on a few entities with a few ids, so that they supersede, remove, purge and repeat each other; even
/// different ops under one id, as only a hostile device writes them.
pub(crate) fn busy_ops() -> impl Strategy<Value = Vec<Op>> {
    let op = (0..IDS, 0..5_u64, few_bodies())
        .prop_map(|(number, millis, body)| Op::new(id(number), at(millis), body));
    vec(op, 1..24)
}
