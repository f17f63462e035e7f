//! Made-up assets, the same in every run: what `million` fills a catalogue with, and `fill_library` a whole library.

use std::error::Error;

use safelight_crypto::DeviceId;
use safelight_model::{
    AlbumId, AssetId, ContentHash, EpochId, Facts, Field, Keywords, Life, MediaKind, ObjectName, OpBody,
    OpIds, Original, PartRef, PlaceName, Placeholder, Position, ProbeKind, Ratio, Rendition, SetName,
    SourcePath, Storage, Taken, TakenSource, Target, Value,
};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What assets are drawn with.
pub(crate) const SEED: u64 = 0x5afe_1167;

/// Albums that the assets are spread over.
const ALBUMS: u64 = 500;

/// Whose assets they are.
#[derive(Clone, Copy)]
pub(crate) struct Home {
    pub(crate) device: DeviceId,
    pub(crate) epoch: EpochId,
}

/// What an asset looks like: its size in pixels, and what was made of it.
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) renditions: Vec<Rendition>,
}

/// The content of the asset of a number.
pub(crate) fn content(number: u32) -> ContentHash {
    ContentHash::from_bytes(safelight_crypto::sha256(&[b"million", &number.to_be_bytes()]))
}

/// What comes before the first asset: the names of the albums.
pub(crate) fn albums() -> Vec<OpBody> {
    (0..ALBUMS)
        .map(|number| OpBody::Set {
            target: Target::Album(album(number)),
            field: Field::NAME.into(),
            value: Value::Text(format!("Album {number}")),
            supersedes: OpIds::new(),
        })
        .collect()
}

/// Random numbers that are the same in every run (xorshift64*).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Small numbers often, large ones rarely.
    fn skewed(&mut self, end: u64) -> u64 {
        let limit = self.below(end) + 1;
        let limit = self.below(limit) + 1;
        self.below(limit)
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * (self.below(1 << 30) as f64 / (1_u64 << 30) as f64)
    }
}

const CAMERAS: [(&str, &str); 8] = [
    ("Apple", "iPhone 13 Pro"),
    ("Canon", "Canon EOS R6"),
    ("Google", "Pixel 7"),
    ("Apple", "iPhone 6s"),
    ("NIKON CORPORATION", "NIKON D750"),
    ("SONY", "ILCE-7M3"),
    ("FUJIFILM", "X-T4"),
    ("Panasonic", "DMC-GX80"),
];

fn album(number: u64) -> AlbumId {
    let mut id = [1; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    AlbumId(id)
}

/// The operations of one more asset.
pub(crate) fn push_asset(
    bodies: &mut Vec<OpBody>,
    number: u32,
    home: Home,
    look: Look,
    dice: &mut Dice,
) -> Outcome {
    let content = content(number);
    let asset = AssetId(content);
    let is_video = dice.chance(8);
    let is_raw = !is_video && dice.chance(6);
    // Fifteen years; a tenth of the days hold half of the photos.
    let day = if dice.chance(50) { dice.below(548) * 10 } else { dice.below(5_479) };
    let seconds = 1_262_304_000 + i64::try_from(day)? * 86_400 + i64::try_from(dice.below(57_600))? + 21_600;
    let extension = if is_video {
        "MP4"
    } else if is_raw {
        "NEF"
    } else {
        "JPG"
    };
    let name = match number % 3 {
        0 => format!("IMG_{:04}.{extension}", number / 3 % 10_000),
        1 => format!("DSC{:05}.{extension}", number / 3 % 100_000),
        _ => format!("PXL_{}_{:09}.{extension}", 20_100_101 + day, dice.below(1_000_000_000)),
    };
    let size_bytes =
        if is_video { 20_000_000 + dice.skewed(2_000_000_000) } else { 1_500_000 + dice.skewed(30_000_000) };
    bodies.push(OpBody::AddAsset {
        asset,
        life: Life(0),
        original: Original {
            content,
            size_bytes,
            media_type: if is_video { "video/mp4" } else { "image/jpeg" }.into(),
            epoch: home.epoch,
            parts: vec![PartRef {
                name: ObjectName::from_bytes([7; 20]),
                sealed_bytes: size_bytes + 4096,
                tags: None,
            }],
            storage: if dice.chance(2) { Storage::Linked } else { Storage::Copied },
            source: SourcePath {
                device: home.device,
                root: b"/home/anna/Pictures".to_vec(),
                relative: format!("{}/{:02}/trip {}/{name}", 2010 + day / 365, day % 365 / 31 + 1, day % 97)
                    .into_bytes(),
            },
            modified_millis: seconds * 1000,
            unread: Default::default(),
        },
    });
    let facts = facts(number, is_video, is_raw, seconds, (look.width, look.height), dice);
    bodies.push(OpBody::Derive { life: Life(0), content, probe: ProbeKind::Metadata, version: 1, facts });
    bodies.push(OpBody::Render { life: Life(0), content, renditions: look.renditions });
    push_typed(bodies, asset, dice);
    Ok(())
}

fn facts(
    number: u32,
    is_video: bool,
    is_raw: bool,
    seconds: i64,
    (width, height): (u32, u32),
    dice: &mut Dice,
) -> Facts {
    let (make, model) = CAMERAS[usize::try_from(dice.skewed(8)).unwrap_or(0)];
    let (position, place) = position(dice);
    let mut bits = [0; 32];
    bits[..8].copy_from_slice(&dice.next().to_be_bytes());
    Facts {
        media: Some(if is_video {
            MediaKind::Video
        } else if is_raw {
            MediaKind::Raw
        } else {
            MediaKind::Photo
        }),
        format: Some(
            if is_video {
                "mp4"
            } else if is_raw {
                "nef"
            } else {
                "jpeg"
            }
            .into(),
        ),
        width: Some(width),
        height: Some(height),
        orientation: Some(1),
        taken: (!number.is_multiple_of(50)).then_some(Taken {
            local_millis: seconds * 1000 + i64::from(number % 1000),
            offset_minutes: Some(60),
            source: TakenSource::ExifOriginal,
        }),
        position,
        place,
        camera_make: Some(make.into()),
        camera_model: Some(model.into()),
        lens: dice.chance(40).then(|| format!("{}mm F{}", 20 + dice.below(20) * 5, 1 + dice.below(5))),
        exposure_seconds: Some(Ratio { numerator: 1, denominator: 125 }),
        iso: Some(100),
        duration_millis: is_video.then_some(12_000),
        keywords: dice
            .chance(30)
            .then(|| Keywords(vec!["family".into(), format!("topic{}", dice.skewed(300))])),
        phash64: Some(dice.next().to_be_bytes()),
        pdq256: Some(bits),
        thumbhash: Some(Placeholder(vec![7; 24])),
        reason: dice.below(2_000).eq(&0).then(|| "cut off".into()),
        ..Facts::default()
    }
}

/// A third of all photos is from one town, another third from 400 places, the rest from nowhere.
fn position(dice: &mut Dice) -> (Option<Position>, Option<PlaceName>) {
    let (latitude, longitude, city) = match dice.below(3) {
        0 => (52.52, 13.40, "Berlin".to_owned()),
        1 => {
            let town = dice.skewed(400);
            let at = |scale: f64, salt: u64| ((town * salt) % 1000) as f64 / 1000.0 * scale - scale / 2.0;
            (at(110.0, 7_919), at(340.0, 104_729), format!("Town{town}"))
        }
        _ => return (None, None),
    };
    let position =
        Position::from_degrees(latitude + dice.between(-0.1, 0.1), longitude + dice.between(-0.1, 0.1), None);
    (position, Some(PlaceName { city: Some(city), region: None, country: Some("Somewhere".into()) }))
}

fn push_typed(bodies: &mut Vec<OpBody>, asset: AssetId, dice: &mut Dice) {
    let target = Target::Asset(asset, Life(0));
    let mut set = |field: safelight_model::FieldCode, value: Value| {
        bodies.push(OpBody::Set {
            target: target.clone(),
            field: field.into(),
            value,
            supersedes: OpIds::new(),
        });
    };
    if dice.chance(10) {
        let words: Vec<_> = (0..6).map(|_| format!("word{}", dice.skewed(5_000))).collect();
        set(Field::CAPTION, Value::Text(format!("A day at the sea {}", words.join(" "))));
    }
    if dice.chance(15) {
        set(Field::RATING, Value::Int(1 + i64::try_from(dice.below(5)).unwrap_or(0)));
    }
    if dice.chance(3) {
        set(Field::FAVOURITE, Value::Bool(true));
    }
    if dice.chance(1) {
        set(Field::HIDDEN, Value::Bool(true));
    }
    if dice.chance(1) {
        set(Field::TRASHED, Value::Bool(true));
    }
    let mut put = |set, element| bodies.push(OpBody::AddTo { target: target.clone(), set, element });
    if dice.chance(20) {
        put(SetName::TAGS, Value::Text(format!("tag{}", dice.skewed(300))));
    }
    if dice.chance(15) {
        put(SetName::ALBUMS, Value::Album(album(dice.skewed(ALBUMS))));
    }
}
