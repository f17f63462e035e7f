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

mod made_up;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safelight_catalog::{Catalog, CatalogKey, Durability, ListOptions, Query, Shelf};
use safelight_crypto::{DeviceId, SeededEntropy};
use safelight_model::{EpochId, Rendition, RenditionKind};

use crate::made_up::{Dice, Home, Look, Outcome};

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

fn fill(path: &Path, assets: u32) -> Outcome {
    let mut catalog = Catalog::create(path, &key(), DEVICE, &mut SeededEntropy::new(1))?;
    catalog.set_durability(Durability::Relaxed)?;
    let mut dice = Dice(made_up::SEED);
    let home = Home { device: DEVICE, epoch: EpochId::from_bytes([3; 16]) };
    let start = Instant::now();
    let mut bodies = made_up::albums();
    for number in 0..assets {
        made_up::push_asset(&mut bodies, number, home, look(number), &mut dice)?;
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

/// A photo of twelve megapixels with both of its renditions.
fn look(number: u32) -> Look {
    let sha256 = *made_up::content(number).as_bytes();
    let rendition =
        |kind, length_bytes| Rendition { kind, recipe: 1, sha256, length_bytes, width: 320, height: 240 };
    let renditions =
        vec![rendition(RenditionKind::Thumbnail, 20_000), rendition(RenditionKind::Preview, 300_000)];
    Look { width: 4032, height: 3024, renditions }
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
