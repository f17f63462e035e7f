//! What folding costs: run with `cargo test --release -p safelight-model -- --ignored --nocapture what_folding_costs`.

use std::time::{Duration, Instant};

use safelight_crypto::{ContentHash, Device, Entropy as _, Epoch, LibraryId, SeededEntropy};
use safelight_model::history::{Seen, SegmentBuilder, Tip};
use safelight_model::{
    AssetId, EntityId, EntityState, Facts, Field, Life, MediaKind, ObjectName, Op, OpBody, PlaceName,
    Placeholder, Position, ProbeKind, Ratio, Rendition, RenditionKind, Taken, TakenSource,
};

use crate::common::{add, asset, at, content, fold, id, set};

/// What one imported photo leaves in history.
fn photo() -> Vec<Op> {
    let facts = Facts {
        media: Some(MediaKind::Photo),
        format: Some("jpeg".to_owned()),
        width: Some(4032),
        height: Some(3024),
        orientation: Some(6),
        taken: Some(Taken {
            local_millis: 1_684_058_400_123,
            offset_minutes: Some(120),
            source: TakenSource::ExifOriginal,
        }),
        taken_utc_millis: Some(1_684_051_200_123),
        position: Position::from_degrees(48.858_37, 2.294_48, Some(35.0)),
        camera_make: Some("Apple".to_owned()),
        camera_model: Some("iPhone 14 Pro".to_owned()),
        lens: Some("iPhone 14 Pro back triple camera 6.86mm f/1.78".to_owned()),
        exposure_seconds: Ratio::approximate(1.0 / 120.0),
        aperture: Ratio::approximate(1.78),
        iso: Some(80),
        focal_length_mm: Ratio::approximate(6.86),
        place: Some(PlaceName {
            city: Some("Paris".to_owned()),
            region: Some("Île-de-France".to_owned()),
            country: Some("FR".to_owned()),
        }),
        time_zone: Some("Europe/Paris".to_owned()),
        software: Some("16.4.1".to_owned()),
        ..Facts::default()
    };
    let pixels = Facts {
        phash64: Some([5; 8]),
        pdq256: Some([6; 32]),
        thumbhash: Some(Placeholder(vec![7; 25])),
        ..Facts::default()
    };
    let rendition = |kind, length_bytes, width, height| Rendition {
        kind,
        recipe: 1,
        sha256: [8; 32],
        length_bytes,
        width,
        height,
    };
    let derive =
        |probe, facts| OpBody::Derive { life: Life(0), content: content(1), probe, version: 1, facts };
    let renditions = vec![
        rendition(RenditionKind::Thumbnail, 12_345, 240, 320),
        rendition(RenditionKind::Preview, 234_567, 1080, 1440),
    ];
    let bodies = [
        add(1),
        derive(ProbeKind::Metadata, facts),
        derive(ProbeKind::Pixels, pixels),
        OpBody::Render { life: Life(0), content: content(1), renditions },
    ];
    bodies
        .into_iter()
        .zip(0..)
        .map(|(body, number)| Op::new(id(number), at(1_700_000_000_000), body))
        .collect()
}

/// How many bytes a segment takes with so many different photos.
fn sealed_bytes_of(photos: u32) -> usize {
    let mut entropy = SeededEntropy::new(1);
    let (device, epoch) = (Device::generate(&mut entropy), Epoch::generate(&mut entropy));
    let mut builder = SegmentBuilder::new(LibraryId::from_bytes([1; 20]), Tip::default(), Seen::default());
    for number in 0..photos {
        for (mut op, counter) in photo().into_iter().zip(0..) {
            op.id.counter = number * 4 + counter;
            op.stamp.millis += u64::from(number) * 100;
            make_different(&mut op.body, number, &mut entropy);
            builder.push(&op).unwrap_or_default();
        }
    }
    assert_eq!(builder.len(), photos as usize * 4);
    builder.close(&device, &epoch, &mut entropy).map(|closed| closed.bytes.len()).unwrap_or_default()
}

/// Gives a photo hashes, names and a moment of its own.
fn make_different(body: &mut OpBody, number: u32, entropy: &mut SeededEntropy) {
    let hash = ContentHash::of(&number.to_be_bytes());
    let mut draw = |bytes: &mut [u8]| entropy.fill(bytes);
    match body {
        OpBody::AddAsset { asset, original, .. } => {
            *asset = AssetId(hash);
            original.content = hash;
            let mut name = [0; 20];
            draw(&mut name);
            original.parts[0].name = ObjectName::from_bytes(name);
            original.size_bytes += u64::from(number) * 7919;
            original.source.relative = format!("2023/05/IMG_{number:04}.JPG").into_bytes();
            original.modified_millis += i64::from(number) * 31_000;
        }
        OpBody::Derive { content, facts, .. } => {
            *content = hash;
            if let Some(taken) = &mut facts.taken {
                taken.local_millis += i64::from(number) * 31_007;
                facts.taken_utc_millis = Some(taken.local_millis - 7_200_000);
            }
            if let Some(position) = &mut facts.position {
                position.latitude_e7 += i32::try_from(number * 771).unwrap_or_default();
                position.longitude_e7 -= i32::try_from(number * 337).unwrap_or_default();
            }
            facts.phash64.iter_mut().for_each(|hash| draw(hash));
            facts.pdq256.iter_mut().for_each(|hash| draw(hash));
            facts.thumbhash.iter_mut().for_each(|hash| draw(&mut hash.0));
        }
        OpBody::Render { content, renditions, .. } => {
            *content = hash;
            for rendition in renditions {
                draw(&mut rendition.sha256);
                rendition.length_bytes += number;
            }
        }
        _ => {}
    }
}

/// A typed record with some history behind it.
fn edits() -> Vec<Op> {
    let mut ops = photo();
    for number in 10..16 {
        let body = set(Field::RATING, i64::from(number % 6), &[id(number - 1)]);
        ops.push(Op::new(id(number), at(1_700_000_000_000), body));
    }
    ops.push(Op::new(id(20), at(1_700_000_000_000), set(Field::CAPTION, "by the sea, with Ada", &[])));
    ops
}

/// The time of decoding an op, decoding the state, folding and encoding the state, on average.
fn cost(ops: &[Op], rounds: u32) -> Duration {
    let states: Vec<(Vec<u8>, Vec<u8>)> = ops
        .iter()
        .map(|op| {
            let entity = &op.targets().unwrap_or_default()[0];
            let others = ops.iter().filter(|other| *other != op);
            let state = fold(others).remove(entity).unwrap_or(EntityState::new(entity));
            (op.to_bytes().unwrap_or_default(), state.to_bytes())
        })
        .collect();
    let start = Instant::now();
    let mut bytes = 0;
    for _ in 0..rounds {
        for (op, state) in &states {
            let (Ok(op), Ok(mut state)) = (Op::from_bytes(op), EntityState::from_bytes(state)) else {
                continue;
            };
            state.fold(&op);
            bytes += state.to_bytes().len();
        }
    }
    assert!(bytes > 0);
    start.elapsed() / rounds / u32::try_from(ops.len()).unwrap_or(1)
}

#[test]
#[ignore = "prints figures"]
fn what_folding_costs() {
    let encoded: Vec<usize> = photo().iter().map(|op| op.to_bytes().unwrap().len()).collect();
    println!(
        "a photo's ops: {encoded:?}, {} bytes, and 20 bytes of segment for each",
        encoded.iter().sum::<usize>()
    );
    for (entity, state) in fold(&edits()) {
        println!("state of {entity:?}: {} bytes", state.to_bytes().len());
    }
    println!("a photo in a sealed segment of 1,000: {} bytes", sealed_bytes_of(1000) / 1000);
    println!("an op of an import: {:?}", cost(&photo(), 20_000));
    println!("an op of an edited asset: {:?}", cost(&edits(), 20_000));
}

#[test]
fn states_and_ops_of_a_photo_stay_small() {
    let ops: usize = photo().iter().map(|op| op.to_bytes().unwrap().len() + 20).sum();
    assert!(ops <= 900, "{ops} bytes of history");
    let states = fold(&edits());
    let bytes: usize = states.values().map(|state| state.to_bytes().len()).sum();
    assert!(bytes <= 1000, "{bytes} bytes of state");
    assert!(states.contains_key(&EntityId::Asset(asset(1))));
}
