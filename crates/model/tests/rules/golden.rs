//! Formats are forever: what this version wrote must be read the same by every later one.
//!
//! `tests/golden/` holds one file for each released writer; none is ever changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use safelight_crypto::{Device, Epoch, EpochId, LibraryId, SeededEntropy, VerifyingKey};
use safelight_model::checkpoint::{Bucket, Checkpoint, Page};
use safelight_model::history::{SealedSegment, Seen, SegmentBuilder, Tip, open_place_id, seal_place_id};
use safelight_model::{
    AlbumId, AssetId, Branch, DatePrecision, DeviceId, EntityId, EntityState, Facts, Field, Forget, Keywords,
    KindNumber, Lapse, Life, Mark, MarkReason, MediaKind, MotionPhoto, ObjectName, Op, OpBody, OpId, OpIds,
    OpRange, Original, PackKind, Packed, PartRef, PlaceId, PlaceName, PlacedObject, Placeholder, Position,
    ProbeKind, Ratio, Rendition, RenditionKind, Replicas, SegmentRoot, SegmentSeq, SetName, SourcePath,
    Stamp, StateHasher, Storage, Taken, TakenSource, Target, TypedDate, TypedPlace, Value,
};

use crate::common::{asset, content, fold, id, original};

const EPOCH: EpochId = EpochId::from_bytes([0x11; 16]);
const EPOCH_SECRET: [u8; 32] = [0x22; 32];
const LIBRARY: LibraryId = LibraryId::from_bytes([0x33; 20]);
const OTHER_DEVICE: DeviceId = DeviceId::from_bytes([0x44; 16]);
const OTHER_TIP: Tip = Tip { seq: SegmentSeq(3), root: SegmentRoot([0x55; 32]) };

fn ids(numbers: &[u32]) -> OpIds {
    numbers.iter().copied().map(id).collect()
}

/// Every kind of op, every kind of value and every fact, with a name.
fn golden_ops() -> Vec<(&'static str, Op)> {
    let bodies = [
        ("add-asset", OpBody::AddAsset { asset: asset(1), life: Life(0), original: original(1) }),
        ("add-asset-linked-life-2", linked()),
        (
            "add-version",
            OpBody::AddVersion {
                asset: asset(1),
                life: Life(0),
                original: original(2),
                supersedes: ids(&[0]),
            },
        ),
        (
            "alias",
            OpBody::Alias { asset: asset(3), life: Life(0), into: Some(asset(1)), supersedes: ids(&[]) },
        ),
        ("alias-undone", OpBody::Alias { asset: asset(3), life: Life(0), into: None, supersedes: ids(&[3]) }),
        ("set-text", write(asset(1).into(), Field::CAPTION.into(), "Île de Ré, 夏".into(), &[])),
        ("set-supersedes", write(asset(1).into(), Field::CAPTION.into(), "by the sea".into(), &[5, 4])),
        ("set-none", write(asset(1).into(), Field::TITLE.into(), Value::None, &[])),
        ("set-true", write(asset(1).into(), Field::FAVOURITE.into(), true.into(), &[])),
        ("set-false", write(asset(1).into(), Field::TRASHED.into(), false.into(), &[])),
        ("set-negative", write(asset(1).into(), Field::RATING.into(), (-1).into(), &[])),
        ("set-large", write(asset(1).into(), Field::ROTATE.into(), i64::MAX.into(), &[])),
        ("set-bytes", write(Target::Library, Field::setting("theme"), Value::Bytes(vec![0, 255]), &[])),
        ("set-asset", write(AlbumId([6; 16]).into(), Field::COVER.into(), asset(1).into(), &[])),
        ("set-album", write(AlbumId([6; 16]).into(), Field::PARENT.into(), AlbumId([7; 16]).into(), &[])),
        ("set-date", write(Target::Asset(asset(1), Life(2)), Field::DATE.into(), date().into(), &[])),
        ("set-place", write(asset(1).into(), Field::PLACE.into(), place().into(), &[])),
        ("set-keyed", write(asset(1).into(), Field::position(AlbumId([6; 16])), "0.5".into(), &[])),
        (
            "set-other",
            write(Target::Other { kind: 9, id: vec![1, 2] }, Field::NAME.into(), "Ada".into(), &[]),
        ),
        (
            "add-to",
            OpBody::AddTo { target: asset(1).into(), set: SetName::TAGS, element: "sea/beach".into() },
        ),
        (
            "add-to-album",
            OpBody::AddTo { target: asset(1).into(), set: SetName::ALBUMS, element: AlbumId([6; 16]).into() },
        ),
        (
            "remove-from",
            OpBody::RemoveFrom {
                target: asset(1).into(),
                set: SetName::TAGS,
                element: "sea/beach".into(),
                removes: ids(&[19]),
            },
        ),
        (
            "purge",
            OpBody::Purge { asset: asset(4), life: Life(1), trash: ids(&[90]), contents: ids(&[91, 92]) },
        ),
        ("derive", derive(ProbeKind::Metadata, facts())),
        ("derive-pixels", derive(ProbeKind::Pixels, pixels())),
        ("render", OpBody::Render { life: Life(0), content: content(1), renditions: renditions() }),
        ("seen", seen()),
        ("note", note()),
        ("statement", OpBody::Statement(b"a signed statement".to_vec())),
        ("unknown-optional", OpBody::Unknown { kind: KindNumber(9001), body: [0xa1, 0, 0x61, b'x'].into() }),
    ];
    let stamp = |number| Stamp { millis: 1_795_300_000_000 + u64::from(number), counter: 3 };
    (0..).zip(bodies).map(|(number, (name, body))| (name, Op::new(id(number), stamp(number), body))).collect()
}

fn write(target: Target, field: Field, value: Value, supersedes: &[u32]) -> OpBody {
    OpBody::Set { target, field, value, supersedes: ids(supersedes) }
}

fn date() -> TypedDate {
    TypedDate { local_seconds: -86_400, offset_minutes: Some(-210), precision: DatePrecision::Month }
}

fn place() -> TypedPlace {
    let position = Position { latitude_e7: 462_000_000, longitude_e7: -14_000_000, altitude_mm: Some(-1500) };
    TypedPlace { position, name: Some("Île de Ré".to_owned()) }
}

fn linked() -> OpBody {
    let linked = Original {
        storage: Storage::Linked,
        parts: Vec::new(),
        source: SourcePath { relative: vec![0xff, b'/', b'\n'], ..original(1).source },
        modified_millis: -1,
        ..original(8)
    };
    OpBody::AddAsset { asset: AssetId(content(4)), life: Life(1), original: linked }
}

fn derive(probe: ProbeKind, facts: Facts) -> OpBody {
    OpBody::Derive { life: Life(0), content: content(1), probe, version: 7, facts }
}

fn facts() -> Facts {
    let text = |text: &str| Some(text.to_owned());
    Facts {
        media: Some(MediaKind::Raw),
        format: text("dng"),
        codec: text("jpeg-lossless"),
        width: Some(6000),
        height: Some(4000),
        orientation: Some(8),
        taken: Some(Taken {
            local_millis: 1_684_058_400_123,
            offset_minutes: None,
            source: TakenSource::Gps,
        }),
        taken_utc_millis: Some(-1),
        position: Some(Position { latitude_e7: -1, longitude_e7: 1, altitude_mm: None }),
        camera_make: text("Leica"),
        camera_model: text("M11"),
        lens: text("Summicron 35"),
        exposure_seconds: Some(Ratio { numerator: 1, denominator: 250 }),
        aperture: Some(Ratio { numerator: 14, denominator: 5 }),
        iso: Some(200),
        focal_length_mm: Some(Ratio { numerator: 35, denominator: 1 }),
        duration_millis: Some(1500),
        live_id: text("9B2F"),
        burst_id: text("77"),
        motion: Some(MotionPhoto { offset_bytes: 100_000, length_bytes: 70_000 }),
        rating: Some(-1),
        title: text("Title"),
        description: text("Description"),
        keywords: Some(Keywords(vec!["b".to_owned(), "a".to_owned()])),
        place: Some(PlaceName { city: text("Rivedoux"), region: None, country: text("FR") }),
        time_zone: text("Europe/Paris"),
        reason: text("the picture is cut off"),
        sidecar: text("L1000001.xmp"),
        focal_length_35mm: Some(35),
        software: text("1.6.1"),
        frame_rate: Some(Ratio { numerator: 30_000, denominator: 1001 }),
        audio_codec: text("aac"),
        animated: Some(false),
        creator: text("Ada"),
        ..Facts::default()
    }
}

fn pixels() -> Facts {
    Facts {
        phash64: Some([1, 2, 3, 4, 5, 6, 7, 8]),
        pdq256: Some([9; 32]),
        thumbhash: Some(Placeholder(vec![1, 2, 3])),
        ..Facts::default()
    }
}

fn renditions() -> Vec<Rendition> {
    let rendition = |kind, recipe| Rendition {
        kind,
        recipe,
        sha256: [0xab; 32],
        length_bytes: 12_345,
        width: 320,
        height: 213,
    };
    vec![rendition(RenditionKind::Thumbnail, 1), rendition(RenditionKind::Proxy, 2)]
}

fn seen() -> OpBody {
    OpBody::Seen {
        asset: asset(1),
        life: Life(0),
        content: content(2),
        source: original(5).source,
        modified_millis: 1_600_000_000_000,
    }
}

fn note() -> OpBody {
    let details = vec![("assets".to_owned(), 3.into()), ("folder".to_owned(), "Pictures".into())];
    OpBody::Note { event: "import.finished".to_owned(), details }
}

/// Parts of an original that use the reserved entry for a hash over tags.
fn with_tags() -> Op {
    let part = PartRef { tags: Some([0xcd; 32]), ..original(9).parts[0] };
    let original = Original { parts: vec![part, part], ..original(9) };
    let body = OpBody::AddAsset { asset: asset(9), life: Life(0), original };
    Op::new(OpId { session: u64::MAX, counter: u32::MAX }, Stamp::from_packed(u64::MAX), body)
}

fn all_ops() -> Vec<(&'static str, Op)> {
    let mut ops = golden_ops();
    ops.push(("add-asset-with-tags", with_tags()));
    ops
}

/// Ops of kinds that came after the first version.
fn later_ops() -> Vec<(&'static str, Op)> {
    let pack = Packed {
        tier: PackKind::Thumbnails,
        name: ObjectName::from_bytes([0x66; 20]),
        epoch: EPOCH,
        sealed_bytes: 8_388_608,
        index_sha256: [0x77; 32],
    };
    vec![("packed", Op::new(id(900), Stamp { millis: 1_795_300_000_900, counter: 0 }, OpBody::Packed(pack)))]
}

/// Ops about chains that forked.
fn forked_ops() -> Vec<(&'static str, Op)> {
    let branch =
        |seq, root| Branch { device: OTHER_DEVICE, seq: SegmentSeq(seq), root: SegmentRoot([root; 32]) };
    let carried = OpBody::Carried(vec![branch(6, 0x88), branch(6, 0x99), branch(7, 0x11)]);
    vec![("carried", Op::new(id(901), Stamp { millis: 1_795_300_000_901, counter: 0 }, carried))]
}

/// Ops about files that were moved.
fn moved_ops() -> Vec<(&'static str, Op)> {
    let presence = |number: u32, is_there| {
        let body =
            OpBody::Presence { asset: asset(1), life: Life(number), source: original(5).source, is_there };
        let stamp = Stamp { millis: 1_795_300_000_902, counter: 0 };
        Op::new(id(902 + number), stamp, body)
    };
    vec![("presence-left", presence(0, false)), ("presence-back", presence(1, true))]
}

/// Ops about photos that were forgotten, and of their contents' later lives.
fn forgetting_ops() -> Vec<(&'static str, Op)> {
    let forget = OpBody::Forget(Forget {
        asset: asset(1),
        life: Life(2),
        contents: vec![content(1), content(8)],
        contents_life: Life(1),
        parts: vec![ObjectName::from_bytes([9; 20])],
    });
    let least = OpBody::Forget(Forget {
        asset: asset(1),
        life: Life(0),
        contents: Vec::new(),
        contents_life: Life(0),
        parts: Vec::new(),
    });
    let render = OpBody::Render { life: Life(1), content: content(1), renditions: renditions() };
    let derive = OpBody::Derive {
        life: Life(3),
        content: content(1),
        probe: ProbeKind::Pixels,
        version: 7,
        facts: pixels(),
    };
    let bodies =
        [("forget", forget), ("forget-least", least), ("render-again", render), ("derive-again", derive)];
    let stamp = Stamp { millis: 1_795_300_000_906, counter: 0 };
    (906..).zip(bodies).map(|(number, (name, body))| (name, Op::new(id(number), stamp, body))).collect()
}

/// Ops about what rests in which remote.
fn placed_ops() -> Vec<(&'static str, Op)> {
    let place = PlaceId([0x88; 16]);
    let object =
        |class, generation| PlacedObject { class, name: ObjectName::from_bytes([0x66; 20]), generation };
    let range = |session, first, last| OpRange { session, first, last };
    let bodies = [
        (
            "replicas-of-additions",
            OpBody::Replicas(Replicas {
                place,
                additions: vec![range(7, 0, 0), range(7, 2, 90), range(u64::MAX, 5, u32::MAX)],
                except: [OpId { session: 7, counter: 3 }].into_iter().collect(),
                objects: Vec::new(),
            }),
        ),
        (
            "replicas-of-objects",
            OpBody::Replicas(Replicas {
                place,
                additions: Vec::new(),
                except: ids(&[]),
                objects: vec![object(b'o', 1), object(b'o', 300), object(b's', 0), object(255, 0)],
            }),
        ),
        ("mark", OpBody::Mark(Mark { place, why: MarkReason::Damaged, objects: vec![object(b'o', 0)] })),
        (
            "mark-other",
            OpBody::Mark(Mark { place, why: MarkReason::Other(900), objects: vec![object(b't', 2)] }),
        ),
        ("acknowledged", OpBody::Acknowledged { marks: ids(&[902, 903]) }),
        ("lapse", OpBody::Lapse(Lapse { device: OTHER_DEVICE, seq: SegmentSeq(3) })),
        ("lapse-of-one-never-heard", OpBody::Lapse(Lapse { device: OTHER_DEVICE, seq: SegmentSeq(0) })),
    ];
    let stamp = Stamp { millis: 1_795_300_000_901, counter: 1 };
    let op = |(number, (name, body))| (name, Op::new(id(number), stamp, body));
    (910..).zip(bodies).map(op).collect()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// `name value` on each line.
fn read_lines(name: &str) -> BTreeMap<String, Vec<u8>> {
    let text = std::fs::read_to_string(path(name)).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, hex)| Some((name.to_owned(), HEXLOWER.decode(hex.as_bytes()).ok()?)))
        .collect()
}

#[test]
fn ops_of_the_first_version_are_read_and_written_as_ever() {
    let fixture = read_lines("ops-1.txt");
    assert_eq!(fixture.len(), all_ops().len());
    for (name, op) in all_ops() {
        let bytes = &fixture[name];
        assert_eq!(Op::from_bytes(bytes).unwrap(), op, "{name}");
        assert_eq!(&op.to_bytes().unwrap(), bytes, "{name}");
    }
}

#[test]
fn ops_of_later_kinds_are_read_and_written_as_ever() {
    let fixture = read_lines("ops-2.txt");
    assert_eq!(fixture.len(), later_ops().len());
    for (name, op) in later_ops() {
        let bytes = &fixture[name];
        assert_eq!(Op::from_bytes(bytes).unwrap(), op, "{name}");
        assert_eq!(&op.to_bytes().unwrap(), bytes, "{name}");
        assert!(op.kind().0 % 2 == 1 && op.targets().unwrap().is_empty(), "{name} may be ignored");
    }
}

#[test]
fn ops_about_forked_chains_are_read_and_written_as_ever() {
    let fixture = read_lines("ops-4.txt");
    assert_eq!(fixture.len(), forked_ops().len());
    for (name, op) in forked_ops() {
        let bytes = &fixture[name];
        assert_eq!(Op::from_bytes(bytes).unwrap(), op, "{name}");
        assert_eq!(&op.to_bytes().unwrap(), bytes, "{name}");
        assert!(!op.kind().is_required() && op.targets().unwrap().is_empty(), "{name} may be ignored");
    }
}

#[test]
fn ops_about_moved_files_are_read_and_written_as_ever() {
    let fixture = read_lines("ops-5.txt");
    assert_eq!(fixture.len(), moved_ops().len());
    for (name, op) in moved_ops() {
        let bytes = &fixture[name];
        assert_eq!(Op::from_bytes(bytes).unwrap(), op, "{name}");
        assert_eq!(&op.to_bytes().unwrap(), bytes, "{name}");
        assert!(!op.kind().is_required(), "{name} may be ignored");
        assert_eq!(op.targets().unwrap(), [EntityId::Asset(asset(1))]);
    }
}

#[test]
fn ops_about_forgetting_are_read_and_written_as_ever() {
    let fixture = read_lines("ops-6.txt");
    assert_eq!(fixture.len(), forgetting_ops().len());
    for (name, op) in forgetting_ops() {
        let bytes = &fixture[name];
        assert_eq!(Op::from_bytes(bytes).unwrap(), op, "{name}");
        assert_eq!(&op.to_bytes().unwrap(), bytes, "{name}");
        assert_eq!(op.kind().is_required(), name.starts_with("forget"), "{name}");
    }
    let [all, least] = [0, 1].map(|number| forgetting_ops()[number].1.targets().unwrap());
    assert_eq!(
        all,
        [EntityId::Content(content(1)), EntityId::Content(content(8)), EntityId::Asset(asset(1))]
    );
    assert_eq!(least, [EntityId::Asset(asset(1))]);
}

#[test]
fn ops_about_remotes_are_read_and_written_as_ever() {
    let fixture = read_lines("ops-3.txt");
    assert_eq!(fixture.len(), placed_ops().len());
    for (name, op) in placed_ops() {
        let bytes = &fixture[name];
        assert_eq!(Op::from_bytes(bytes).unwrap(), op, "{name}");
        assert_eq!(&op.to_bytes().unwrap(), bytes, "{name}");
        assert_eq!(op.kind().0 == 20, op.kind().is_required(), "{name}: only a mark must be known");
        assert!(op.targets().unwrap().is_empty(), "{name} is no part of any state");
    }
}

#[test]
fn the_id_of_a_remote_is_opened_as_ever() {
    let fixture = read_lines("remote-id-1.txt");
    let epoch = Epoch::from_parts(EPOCH, EPOCH_SECRET);
    let id = open_place_id(&fixture["sealed"], LIBRARY, &epoch).unwrap();
    assert_eq!(id, PlaceId([0x88; 16]));
}

#[test]
fn the_segment_of_the_first_version_is_verified_and_opened_as_ever() {
    let fixture = read_lines("segment-1.txt");
    let key = VerifyingKey::from_bytes(fixture["verifying-key"].as_slice().try_into().unwrap());
    let epoch = Epoch::from_parts(EPOCH, EPOCH_SECRET);
    let open = |bytes: &[u8]| {
        SealedSegment::parse(bytes).unwrap().verify(LIBRARY, &key).unwrap().open(&epoch).unwrap()
    };
    let segment = open(&fixture["sealed"]);
    assert_eq!(segment.clear().root.0.as_slice(), fixture["root"]);
    assert_eq!(segment.clear().seq, SegmentSeq(1));
    assert_eq!(segment.seen().of(OTHER_DEVICE), Some(OTHER_TIP));
    assert_eq!(segment.body_bytes(), fixture["body"]);
    let ops: Vec<Op> = segment.ops().map(|op| op.unwrap()).collect();
    let expected: Vec<Op> = golden_ops().into_iter().map(|(_, op)| op).collect();
    assert_eq!(ops, expected);

    let mut forgetful = segment.clone();
    assert_eq!(forgetful.forget(&ids(&[5, 6])), 2);
    assert_eq!(forgetful.body_bytes(), fixture["body-with-two-forgotten"]);
    assert_eq!(open(&fixture["sealed-with-two-forgotten"]), forgetful);
}

/// The hash over what the golden ops come to, by the second fold: the first one knew nothing of moved files.
fn golden_state_hash() -> Vec<u8> {
    let ops: Vec<Op> = all_ops().into_iter().chain(moved_ops()).map(|(_, op)| op).collect();
    let mut hasher = StateHasher::new();
    for (entity, state) in fold(&ops) {
        hasher.add(&entity.to_bytes(), &state.to_bytes()).unwrap_or_default();
    }
    hasher.finish().0.to_vec()
}

#[test]
fn the_fold_comes_to_the_same_states_as_ever() {
    assert_eq!(golden_state_hash(), read_lines("fold-2.txt")["state-hash"]);
}

/// Keys and values.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Pages of everything that the golden ops come to, and of one pack.
fn golden_pages() -> Vec<Page> {
    let states = fold(golden_ops().iter().map(|(_, op)| op));
    let mut buckets: BTreeMap<Bucket, Entries> = BTreeMap::new();
    for (entity, state) in &states {
        let photo = match entity {
            EntityId::Asset(AssetId(name)) | EntityId::Content(name) => Some(*name),
            _ => None,
        };
        let bucket = photo.map_or(Bucket::RECORDS, |name| {
            let asset = states.get(&EntityId::Asset(AssetId(name))).and_then(EntityState::as_asset);
            let content = states.get(&EntityId::Content(name)).and_then(EntityState::as_content);
            Bucket::of_photo(asset, content)
        });
        buckets.entry(bucket).or_default().push((entity.to_bytes(), state.to_bytes()));
    }
    let pack = Packed {
        tier: PackKind::Thumbnails,
        name: ObjectName::from_bytes([0x66; 20]),
        epoch: EPOCH,
        sealed_bytes: 8_388_608,
        index_sha256: [0x77; 32],
    };
    buckets.insert(Bucket::PACKS, vec![Page::pack_entry(Stamp::at(1_700_000_000_000), &pack)]);
    buckets.into_iter().map(|(bucket, entries)| Page::new(bucket, entries)).collect()
}

#[test]
fn pages_of_the_first_version_are_made_and_read_as_ever() {
    let fixture = read_lines("checkpoint-1.txt");
    let epoch = Epoch::from_parts(EPOCH, EPOCH_SECRET);
    let pages = golden_pages();
    assert!(pages.iter().filter(|page| page.bucket().holds_photos()).count() >= 2);
    assert_eq!(fixture.keys().filter(|name| name.ends_with("-body")).count(), pages.len());
    for page in pages {
        let bucket = page.bucket().0;
        let body = page.body();
        assert_eq!(body, fixture[format!("page-{bucket}-body").as_str()], "bucket {bucket}");
        let expected = page.describe(&body, EPOCH).unwrap();
        let name = epoch.naming_key().page(&expected.sha256);
        assert_eq!(name.as_bytes().as_slice(), fixture[format!("page-{bucket}-name").as_str()]);
        let sealed = &fixture[format!("page-{bucket}-sealed").as_str()];
        assert_eq!(Page::open(sealed, LIBRARY, &name, &expected, &epoch).unwrap(), page);
        if page.bucket() == Bucket::PACKS {
            assert_eq!(page.packs().unwrap().len(), 1);
        } else {
            assert_eq!(page.states().unwrap().len(), page.entries().len());
        }
    }
}

#[test]
fn the_root_of_the_first_version_is_opened_and_verified_as_ever() {
    let fixture = read_lines("checkpoint-1.txt");
    let key = VerifyingKey::from_bytes(fixture["verifying-key"].as_slice().try_into().unwrap());
    let epoch = Epoch::from_parts(EPOCH, EPOCH_SECRET);
    let name = ObjectName::from_bytes(fixture["root-name"].as_slice().try_into().unwrap());
    let open = |name: &ObjectName| Checkpoint::open(&fixture["root-sealed"], LIBRARY, name, &epoch);
    assert_eq!(open(&name).unwrap().verify(&key).unwrap(), golden_root());
    assert!(open(&ObjectName::from_bytes([1; 20])).is_err());
    let mut entropy = SeededEntropy::new(5);
    let other = *Device::generate(&mut entropy).card().verifying_key();
    assert!(open(&name).unwrap().verify(&other).is_err());
}

fn golden_root() -> Checkpoint {
    let pages = golden_pages();
    let pages = pages.iter().map(|page| page.describe(&page.body(), EPOCH).unwrap()).collect();
    let statements = vec![b"second".to_vec(), b"first".to_vec(), b"second".to_vec()];
    let root = Checkpoint::new(Seen::new([(OTHER_DEVICE, OTHER_TIP)]), statements, pages, 1_795_000_000_000);
    Checkpoint { fold_version: 1, ..root }
}

fn checkpoint_lines() -> Vec<(String, Vec<u8>)> {
    let mut entropy = SeededEntropy::new(2027);
    let device = Device::generate(&mut entropy);
    let epoch = Epoch::from_parts(EPOCH, EPOCH_SECRET);
    let mut lines = vec![("verifying-key".to_owned(), device.card().verifying_key().as_bytes().to_vec())];
    for page in golden_pages() {
        let sealed = page.seal(LIBRARY, &epoch, &mut entropy).unwrap();
        let bucket = page.bucket().0;
        lines.push((format!("page-{bucket}-body"), page.body()));
        lines.push((format!("page-{bucket}-name"), sealed.name.as_bytes().to_vec()));
        lines.push((format!("page-{bucket}-sealed"), sealed.bytes));
    }
    let (name, bytes) = golden_root().seal(LIBRARY, &device, &epoch, &mut entropy).unwrap();
    lines.push(("root-name".to_owned(), name.as_bytes().to_vec()));
    lines.push(("root-sealed".to_owned(), bytes));
    lines
}

#[test]
#[ignore = "writes the fixtures of a new version; never over old ones"]
fn write_missing_fixtures() {
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
    let write = |name: &str, lines: Vec<(&str, Vec<u8>)>| {
        let lines: Vec<_> = lines.iter().map(|(name, bytes)| format!("{name} {}\n", hex(bytes))).collect();
        if !path(name).exists() {
            std::fs::write(path(name), lines.concat()).unwrap();
        }
    };
    write("ops-1.txt", all_ops().iter().map(|(name, op)| (*name, op.to_bytes().unwrap())).collect());
    write("ops-2.txt", later_ops().iter().map(|(name, op)| (*name, op.to_bytes().unwrap())).collect());
    write("ops-3.txt", placed_ops().iter().map(|(name, op)| (*name, op.to_bytes().unwrap())).collect());
    write("ops-4.txt", forked_ops().iter().map(|(name, op)| (*name, op.to_bytes().unwrap())).collect());
    write("ops-6.txt", forgetting_ops().iter().map(|(name, op)| (*name, op.to_bytes().unwrap())).collect());
    write("ops-5.txt", moved_ops().iter().map(|(name, op)| (*name, op.to_bytes().unwrap())).collect());
    let mut entropy = SeededEntropy::new(2027);
    let epoch = Epoch::from_parts(EPOCH, EPOCH_SECRET);
    let sealed = seal_place_id(LIBRARY, PlaceId([0x88; 16]), &epoch, &mut entropy).unwrap();
    write("remote-id-1.txt", vec![("sealed", sealed)]);
    write("fold-2.txt", vec![("state-hash", golden_state_hash())]);
    let lines = checkpoint_lines();
    write("checkpoint-1.txt", lines.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect());

    let mut entropy = SeededEntropy::new(2026);
    let device = Device::generate(&mut entropy);
    let epoch = Epoch::from_parts(EPOCH, EPOCH_SECRET);
    let mut builder = SegmentBuilder::new(LIBRARY, Tip::default(), Seen::new([(OTHER_DEVICE, OTHER_TIP)]));
    golden_ops().iter().for_each(|(_, op)| builder.push(op).unwrap());
    let closed = builder.close(&device, &epoch, &mut entropy).unwrap();
    let mut forgetful = closed.segment.clone();
    forgetful.forget(&ids(&[5, 6]));
    let lines = vec![
        ("verifying-key", device.card().verifying_key().as_bytes().to_vec()),
        ("root", closed.segment.clear().root.0.to_vec()),
        ("body", closed.segment.body_bytes()),
        ("sealed", closed.bytes),
        ("body-with-two-forgotten", forgetful.body_bytes()),
        ("sealed-with-two-forgotten", forgetful.seal(&epoch, &mut entropy).unwrap()),
    ];
    write("segment-1.txt", lines);
}
