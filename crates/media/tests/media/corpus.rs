//! Agreement with exiftool over a corpus of real files that is not part of the repository.
//!
//! For every value that exiftool found, ours must be the same, except where [`EXPLAINED`] says why not.
//! `SAFELIGHT_CORPUS` names another one.
//! Without a corpus the test says so and passes: the readers' own tests need no corpus.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use safelight_media::{Probe, probe};
use serde_json::Value;

/// Differences that are meant: file (as it begins), field, reason.
const EXPLAINED: &[(&str, &str, &str)] = &[
    ("Kodak PIXPRO SP360", "LensModel", "the tag holds binary rubbish, which is no lens"),
    ("canon-r6.cr3", "Duration", "a still picture does not last a second"),
    ("count-deutsch-audio.mp4", "MIMEType", "sound only, so no video for a photo library"),
    ("FLIR iPhone device", "GPSLongitude", "the reference says West, which exiftool leaves out"),
    ("Portrait_0.jpg", "Orientation", "0 is not an orientation; shown as stored"),
];

pub(crate) fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let root = std::env::var_os("SAFELIGHT_CORPUS").map_or_else(beside, PathBuf::from);
    root.join("exiftool.json").is_file().then_some(root)
}

/// The files of a corpus, as its list names them.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    listed(root).iter().map(|entry| root.join(entry["file"].as_str().unwrap())).collect()
}

fn listed(root: &Path) -> Vec<Value> {
    serde_json::from_slice(&fs::read(root.join("exiftool.json")).unwrap()).unwrap()
}

#[derive(Default)]
struct Tally {
    had: usize,
    same: usize,
    explained: usize,
}

#[test]
fn every_value_that_exiftool_has_is_found() {
    let Some(root) = corpus() else {
        println!("skipped: no corpus beside the repository");
        return;
    };
    let listed = listed(&root);
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in &listed {
        let file = entry["file"].as_str().unwrap();
        let bytes = fs::read(root.join(file)).unwrap();
        let found = probe(&bytes, Path::new(file));
        for (field, same, ours) in compare(entry, &found) {
            let tally = tallies.entry(field).or_default();
            tally.had += 1;
            if same {
                tally.same += 1;
            } else if EXPLAINED.iter().any(|(name, what, _)| file.contains(name) && *what == field) {
                tally.explained += 1;
            } else {
                wrong.push(format!("{file}: {field}: exiftool {}, ours {ours}", entry[field]));
            }
        }
    }
    println!("{:<22} {:>5} {:>6} {:>9}", "field", "had", "same", "explained");
    for (field, tally) in &tallies {
        println!("{field:<22} {:>5} {:>6} {:>9}", tally.had, tally.same, tally.explained);
    }
    for (file, field, reason) in EXPLAINED {
        println!("explained: {file} {field}: {reason}");
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Field, whether ours is the same, and ours in words; for each field that exiftool has.
fn compare(entry: &Value, ours: &Probe) -> Vec<(&'static str, bool, String)> {
    let mut compared = Vec::new();
    let mut field = |name: &'static str, judge: &dyn Fn(&str) -> bool, ours: String| {
        let theirs = match &entry[name] {
            Value::Null => return,
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        if theirs.is_empty() || theirs.starts_with("0000:00:00") {
            return;
        }
        compared.push((name, judge(&theirs), ours));
    };
    let near = |text: &str, value: Option<f64>, within: f64| {
        text.parse::<f64>().ok().zip(value).is_some_and(|(theirs, ours)| (theirs - ours).abs() <= within)
    };
    let exact = |text: &str, value: Option<&str>| value == Some(text);
    field("MIMEType", &|text| text == ours.media_type, ours.media_type.clone());
    field("ImageWidth", &|text| near(text, ours.width.map(f64::from), 0.0), format!("{:?}", ours.width));
    field("ImageHeight", &|text| near(text, ours.height.map(f64::from), 0.0), format!("{:?}", ours.height));
    field(
        "Orientation",
        &|text| near(text, ours.exif_orientation.map(f64::from), 0.0),
        format!("{:?}", ours.exif_orientation),
    );
    field("Make", &|text| exact(text, ours.make.as_deref()), format!("{:?}", ours.make));
    field("Model", &|text| exact(text, ours.model.as_deref()), format!("{:?}", ours.model));
    field("LensModel", &|text| exact(text, ours.lens.as_deref()), format!("{:?}", ours.lens));
    let gps = |pick: &dyn Fn(&safelight_media::Gps) -> f64| ours.gps.as_ref().map(pick);
    field("GPSLatitude", &|text| near(text, gps(&|gps| gps.latitude), 1e-5), format!("{:?}", ours.gps));
    field("GPSLongitude", &|text| near(text, gps(&|gps| gps.longitude), 1e-5), format!("{:?}", ours.gps));
    let seconds = ours.duration_millis.map(|millis| millis as f64 / 1000.0);
    field("Duration", &|text| near(text, seconds, 0.06), format!("{seconds:?}"));
    let rating = ours.words.rating.map(f64::from);
    field("Rating", &|text| near(text, rating, 0.0), format!("{rating:?}"));
    field("Title", &|text| exact(text, ours.words.title.as_deref()), format!("{:?}", ours.words.title));
    field(
        "Description",
        &|text| exact(text, ours.words.description.as_deref()),
        format!("{:?}", ours.words.description),
    );
    let words = ours.words.keywords.clone();
    field("Subject", &|text| subject(text).iter().all(|word| words.contains(word)), format!("{words:?}"));
    let dates: Vec<String> = ours.dates.iter().map(|taken| taken.local.to_string()).collect();
    let best = ours.taken.as_ref().map(|taken| taken.local.to_string()).unwrap_or_default();
    field("DateTimeOriginal", &|text| same_second(text, &best), best.clone());
    field("CreateDate", &|text| dates.iter().any(|ours| same_second(text, ours)), dates.join(" "));
    let subseconds = ours.taken.as_ref().map_or(0, |taken| taken.local.subsec_nanosecond());
    field(
        "SubSecTimeOriginal",
        &|text| format!("{subseconds:09}").starts_with(text.trim_end_matches('0')),
        subseconds.to_string(),
    );
    let offset = ours.taken.as_ref().and_then(|taken| taken.offset_minutes);
    field("OffsetTimeOriginal", &|text| Some(minutes(text)) == offset.map(i32::from), format!("{offset:?}"));
    compared
}

fn subject(text: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<Value>>(text) {
        Ok(list) => {
            list.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect()
        }
        Err(_) => vec![text.to_owned()],
    }
}

/// `2023:05:14 10:11:12…` against `2023-05-14T10:11:12…`, to the second.
fn same_second(theirs: &str, ours: &str) -> bool {
    let digits = |text: &str| -> String {
        let clock = text.split(['+', 'Z', '.']).next().unwrap_or_default();
        let clock: String = clock.chars().take(19).filter(char::is_ascii_digit).collect();
        format!("{clock:0<14}")
    };
    digits(theirs) == digits(ours)
}

fn minutes(text: &str) -> i32 {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let mut parts = text.trim_start_matches(['+', '-', 'Z']).split(':');
    let mut part = || parts.next().and_then(|part| part.parse::<i32>().ok()).unwrap_or(0);
    sign * (part() * 60 + part())
}

#[test]
fn probing_takes_no_noticeable_time() {
    let Some(root) = corpus() else {
        println!("skipped: no corpus beside the repository");
        return;
    };
    let files: Vec<(PathBuf, Vec<u8>)> =
        files(&root).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let began = Instant::now();
    for (path, bytes) in &files {
        std::hint::black_box(probe(bytes, path));
    }
    let in_memory = began.elapsed();
    let began = Instant::now();
    for (path, _) in &files {
        std::hint::black_box(
            safelight_media::probe_reader(&mut fs::File::open(path).unwrap(), path).unwrap(),
        );
    }
    let from_disk = began.elapsed();
    let each = |total: std::time::Duration| total.as_secs_f64() * 1000.0 / files.len() as f64;
    println!(
        "{} files: {:.3} ms each in memory, {:.3} ms from disk",
        files.len(),
        each(in_memory),
        each(from_disk)
    );
    // Printed for people; what is asserted only catches a slip into seconds, whatever else the machine does.
    assert!(each(in_memory) < 20.0 && each(from_disk) < 20.0);
}
