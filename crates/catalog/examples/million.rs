//! A synthetic catalogue of a million assets, and how long a fixed set of queries takes on it.
//!
//! ```text
//! cargo run --release -p safelight-catalog --example million -- [ASSETS [PATH]]
//! ```
//!
//! The catalogue is filled through the real fold, three or four ops an asset, in transactions of 5,000 assets.
//! Queries run in a process of their own, so that its peak memory is theirs alone. Every query runs many times
//! with other values where it has any; a quarter of the runs are on a freshly opened catalogue. An existing
//! catalogue at PATH is used again.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safelight_catalog::{Catalog, CatalogKey, Durability, ListOptions, Query, Shelf};
use safelight_crypto::{DeviceId, SeededEntropy};
use safelight_model::{
    AlbumId, AssetId, ContentHash, EpochId, Facts, Field, Keywords, Life, MediaKind, ObjectName, OpBody,
    OpIds, Original, PartRef, PlaceName, Placeholder, Position, ProbeKind, Ratio, Rendition, RenditionKind,
    SetName, SourcePath, Storage, Taken, TakenSource, Target, Value,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const AT_ONCE: u32 = 5_000;
const RUNS: u32 = 40;
const DEVICE: DeviceId = DeviceId::from_bytes([9; 16]);

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, path] = arguments.as_slice()
        && flag == "--query"
    {
        return measure(Path::new(path));
    }
    let assets = arguments.first().map_or(Ok(1_000_000), |text| text.parse())?;
    let path = arguments.get(1).map_or_else(
        || std::env::temp_dir().join(format!("safelight-million-{assets}/catalog.db")),
        PathBuf::from,
    );
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if !path.exists() {
        fill(&path, assets)?;
    }
    let status = std::process::Command::new(std::env::current_exe()?).arg("--query").arg(&path).status()?;
    if status.success() { Ok(()) } else { Err("the queries failed".into()) }
}

fn key() -> CatalogKey {
    CatalogKey::from_bytes([42; 32])
}

/// Random numbers that are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
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

fn fill(path: &Path, assets: u32) -> Outcome {
    let mut catalog = Catalog::create(path, &key(), DEVICE, &mut SeededEntropy::new(1))?;
    catalog.set_durability(Durability::Relaxed)?;
    let mut dice = Dice(0x5afe_1167);
    let start = Instant::now();
    let mut bodies: Vec<OpBody> = (0..500)
        .map(|number| OpBody::Set {
            target: Target::Album(album(number)),
            field: Field::NAME.into(),
            value: Value::Text(format!("Album {number}")),
            supersedes: OpIds::new(),
        })
        .collect();
    for number in 0..assets {
        push_asset(&mut bodies, number, assets, &mut dice)?;
        if number % AT_ONCE == AT_ONCE - 1 || number == assets - 1 {
            catalog.append(1_700_000_000_000 + u64::from(number), std::mem::take(&mut bodies))?;
        }
        if number % 100_000 == 99_999 {
            println!("{} assets after {:.0} s", number + 1, start.elapsed().as_secs_f64());
        }
    }
    catalog.close()?;
    let length = std::fs::metadata(path)?.len();
    println!("filled in {:.0} s, {} MB", start.elapsed().as_secs_f64(), length / 1_000_000);
    Ok(())
}

fn album(number: u64) -> AlbumId {
    let mut id = [1; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    AlbumId(id)
}

fn push_asset(bodies: &mut Vec<OpBody>, number: u32, assets: u32, dice: &mut Dice) -> Outcome {
    let content = ContentHash::from_bytes(safelight_crypto::sha256(&[b"million", &number.to_be_bytes()]));
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
            epoch: EpochId::from_bytes([3; 16]),
            parts: vec![PartRef {
                name: ObjectName::from_bytes([7; 20]),
                sealed_bytes: size_bytes + 4096,
                tags: None,
            }],
            storage: if dice.chance(2) { Storage::Linked } else { Storage::Copied },
            source: SourcePath {
                device: DEVICE,
                root: b"/home/anna/Pictures".to_vec(),
                relative: format!("{}/{:02}/trip {}/{name}", 2010 + day / 365, day % 365 / 31 + 1, day % 97)
                    .into_bytes(),
            },
            modified_millis: seconds * 1000,
            unread: Default::default(),
        },
    });
    let facts = facts(number, is_video, is_raw, seconds, dice);
    bodies.push(OpBody::Derive { content, probe: ProbeKind::Metadata, version: 1, facts });
    let rendition = |kind, length_bytes| Rendition {
        kind,
        recipe: 1,
        sha256: *content.as_bytes(),
        length_bytes,
        width: 320,
        height: 240,
    };
    bodies.push(OpBody::Render {
        content,
        renditions: vec![
            rendition(RenditionKind::Thumbnail, 20_000),
            rendition(RenditionKind::Preview, 300_000),
        ],
    });
    push_typed(bodies, asset, assets, dice);
    Ok(())
}

fn facts(number: u32, is_video: bool, is_raw: bool, seconds: i64, dice: &mut Dice) -> Facts {
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
        width: Some(4032),
        height: Some(3024),
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

fn push_typed(bodies: &mut Vec<OpBody>, asset: AssetId, _: u32, dice: &mut Dice) {
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
        put(SetName::ALBUMS, Value::Album(album(dice.skewed(500))));
    }
}

/// The fixed query set; `{n}` is a new number in every run.
const QUERIES: &[&str] = &[
    "berlin",
    "berlin canon",
    "family berlin -canon",
    "word{n}",
    "word{n} sea",
    "nosuchword",
    "\"day at the sea\"",
    "\"the sea word{n}\"",
    "\"sea day\"",
    "IMG_{n}",
    "be*",
    "ber*",
    "berl*",
    "famil* -word{n}",
    "word1*",
    "word*",
    "dsc0*",
    "pxl 201*",
    "camera:canon",
    "camera:\"eos r6\" type:video",
    "lens:50mm rating:>=4",
    "tag:tag{n}",
    "tag:tag1*",
    "tag:family is:favourite",
    "album:\"album {n}\"",
    "album:\"album 3\" type:video rating:5",
    "type:video",
    "type:raw date:2015",
    "type:raw is:favourite rating:5",
    "type:video size:>1GB",
    "size:>15MB",
    "size:5MB",
    "size:3000000..3001000",
    "rating:>=4",
    "date:2015-06",
    "date:2012..2013 berlin",
    "-date:2011.. canon",
    "near:52.52,13.40,10km",
    "near:52.52,13.40,1km",
    "near:52.52,13.40,10km type:video rating:5",
    "near:{n},13.40,300km",
    "near:-11.3,{n},50km",
    "has:gps -near:52.52,13.40,50km",
    "-has:gps -berlin -family type:photo",
    "place:town{n}",
    "path:\"trip {n}\"",
    "is:undecodable",
    "is:undated format:jpeg",
    "is:hidden",
    "is:trashed type:video",
    "is:linked is:favourite -family",
    "is:duplicate",
    "somewhere sea family canon",
];

fn measure(path: &Path) -> Outcome {
    let before = Instant::now();
    let mut catalog = open(path)?;
    println!("open: {:.1} ms", millis(before.elapsed()));
    let mut dice = Dice(77);
    let mut all = Vec::new();
    println!("{:<46} {:>8} {:>8} {:>8}  rows", "query (pages of 200)", "p50 ms", "p95 ms", "max ms");
    for pattern in QUERIES {
        let mut times = Vec::new();
        let mut rows = 0;
        for run in 0..RUNS {
            if run % 4 == 0 {
                catalog = open(path)?;
            }
            let text = pattern.replace("{n}", &dice.below(60).to_string());
            let query = Query::parse(&text).map_err(|error| error.render(&text))?;
            let start = Instant::now();
            let page = catalog.list(&query, &ListOptions::default())?;
            times.push(millis(start.elapsed()));
            rows = rows.max(page.rows.len());
        }
        report(pattern, &mut times, &rows.to_string());
        all.extend(times);
    }
    report("ALL QUERIES", &mut all, "");
    measure_pages(path, &mut dice)?;
    measure_rest(path)?;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!(
        "peak memory of this process: {}",
        peak.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    );
    catalog.close()?;
    Ok(())
}

/// Pages of the timeline from random places on, with and without what lies in stacks.
fn measure_pages(path: &Path, dice: &mut Dice) -> Outcome {
    let mut catalog = open(path)?;
    for covers_only in [false, true] {
        let mut times = Vec::new();
        for run in 0..200 {
            if run % 8 == 0 {
                catalog = open(path)?;
            }
            let seconds = 1_262_304_000 + i64::try_from(dice.below(5_479 * 86_400))?;
            let after = Some(catalog.cursor_at(Shelf::Shown, seconds));
            let options = ListOptions { after, covers_only, ..ListOptions::default() };
            let start = Instant::now();
            let page = catalog.list(&Query::default(), &options)?;
            times.push(millis(start.elapsed()));
            assert!(!page.rows.is_empty() || seconds < 1_263_000_000);
        }
        report(if covers_only { "TIMELINE PAGE, covers only" } else { "TIMELINE PAGE" }, &mut times, "200");
    }
    Ok(())
}

fn measure_rest(path: &Path) -> Outcome {
    let catalog = open(path)?;
    let timed = |name: &str, run: &mut dyn FnMut() -> Outcome<String>| -> Outcome {
        let mut times = Vec::new();
        let mut last = String::new();
        for _ in 0..20 {
            let start = Instant::now();
            last = run()?;
            times.push(millis(start.elapsed()));
        }
        report(name, &mut times, &last);
        Ok(())
    };
    let query = Query::parse("berlin")?;
    timed("count of berlin, up to 10,000", &mut || {
        Ok(format!("{:?}", catalog.count(&query, &ListOptions::default(), 10_000)?))
    })?;
    timed("totals", &mut || Ok(catalog.totals(Shelf::Shown)?.assets().to_string()))?;
    for (name, query) in [("walk of everything", ""), ("walk of favourites", "is:favourite")] {
        let query = Query::parse(query)?;
        timed(name, &mut || {
            let mut places = 0_u64;
            catalog.walk(&query, &ListOptions::default(), |_| places += 1)?;
            Ok(places.to_string())
        })?;
    }
    timed("months", &mut || Ok(catalog.months(Shelf::Shown)?.len().to_string()))?;
    timed("history page of 100", &mut || Ok(catalog.history(None, None, 100)?.entries.len().to_string()))?;
    timed("map of Berlin, 1,000 points", &mut || {
        Ok(catalog.on_map(524_000_000, 526_000_000, 133_000_000, 135_000_000, 1_000)?.len().to_string())
    })?;
    timed("item by file name", &mut || {
        Ok(format!("{:?}", catalog.find_item(b"IMG_0042.JPG", 3)?).len().to_string())
    })?;
    timed("1,000 assets for export", &mut || Ok(catalog.assets_after(None, 1_000)?.len().to_string()))?;
    let start = Instant::now();
    let exactly = catalog.count(&query, &ListOptions::default(), u64::MAX)?;
    println!("count of berlin without a limit: {exactly:?} in {:.0} ms", millis(start.elapsed()));
    Ok(())
}

fn open(path: &Path) -> Outcome<Catalog> {
    Ok(Catalog::open(path, &key(), DEVICE, &mut SeededEntropy::new(2))?)
}

fn report(name: &str, times: &mut [f64], rows: &str) {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or(0.0)
    };
    println!("{name:<46} {:>8.2} {:>8.2} {:>8.2}  {rows}", at(50), at(95), at(100));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
