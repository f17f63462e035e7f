//! Tries files of every format and writes down how it went.
//!
//! Invariant: a cell of the table is the outcome of a run on the named file, never an intention. Where
//! no real file is at hand the table says "untested".

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use safelight_media::pool::{Pool, PoolOptions, RenderRequest, StillFormat, Wanted};
use safelight_media::{Format, MediaKind, Probe, probe, raw_preview};
use serde_json::Value;

/// Files tried of each format: enough to be fair, few enough to be quick.
const FILES_PER_FORMAT: usize = 4;
/// Larger pictures have tests of their own.
const MOST_PIXELS: u64 = 64_000_000;

/// How one file went.
struct Outcome {
    file: String,
    probed: bool,
    dated: Option<String>,
    /// The decoder, or why there is none.
    rendered: Result<String, String>,
}

pub(crate) fn check() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(corpus) = corpus(here) else {
        println!("skipped: no corpus beside the repository, so docs/formats.md is not checked");
        return;
    };
    let made = tempfile::tempdir().unwrap();
    if !(works("ffmpeg", "-version") && works("vips", "--version")) {
        println!("skipped: without ffmpeg and vips the missing formats cannot be made");
        return;
    }
    make_missing(made.path());
    let pool = Pool::start(PoolOptions {
        program: std::env::current_exe().unwrap(),
        workers: 2,
        // A busy machine must not change what the table says.
        timeout: Duration::from_secs(120),
        ..PoolOptions::default()
    })
    .unwrap();
    if let Err(error) = pool.sandbox() {
        println!("skipped: no worker can be held in a sandbox here ({error})");
        return;
    }
    let outcomes: Vec<(Format, Vec<Outcome>)> = Format::ALL
        .into_iter()
        .filter(|format| !matches!(format, Format::Unknown | Format::M4a))
        .map(|format| (format, try_format(format, &corpus, made.path(), &pool)))
        .collect();
    let table = write(&outcomes);
    let docs = here.join("../../docs/formats.md");
    if std::env::var_os("SAFELIGHT_WRITE_DOCS").is_some() {
        fs::write(&docs, &table).unwrap();
        println!("wrote {}", docs.display());
        return;
    }
    let committed = fs::read_to_string(&docs).unwrap_or_default();
    assert!(
        committed == table,
        "docs/formats.md no longer says what happens; SAFELIGHT_WRITE_DOCS=1 writes it anew. Now:\n{table}"
    );
    println!("docs/formats.md says what happens: {} formats", outcomes.len());
}

fn corpus(here: &Path) -> Option<Vec<PathBuf>> {
    let root = here.join("../../../shared/corpus");
    let listed: Vec<Value> = serde_json::from_slice(&fs::read(root.join("exiftool.json")).ok()?).ok()?;
    let manifest: Vec<Value> = serde_json::from_slice(&fs::read(root.join("manifest.json")).ok()?).ok()?;
    // Files that were broken on purpose say nothing about a format.
    let broken = |file: &str| {
        let source = manifest.iter().find(|entry| entry["file"] == file);
        source.is_some_and(|entry| entry["path"].as_str().unwrap().contains("ImageTestSuite"))
    };
    let whole = listed.iter().filter(|entry| !entry["ImageWidth"].is_null());
    let names = whole.map(|entry| entry["file"].as_str().unwrap()).filter(|file| !broken(file));
    let mut files: Vec<PathBuf> = names.map(|file| root.join(file)).collect();
    files.sort();
    Some(files)
}

fn works(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
}

/// Makes files of the formats that the corpus lacks.
fn make_missing(into: &Path) {
    let still = ["-f", "lavfi", "-i", "testsrc=size=640x400", "-frames:v", "1"];
    let video = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=640x360:rate=25:duration=1",
        "-metadata",
        "creation_time=2022-03-04T05:06:07Z",
    ];
    let run = |input: &[&str], name: &str| {
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(input)
            .arg(into.join(name))
            .status()
            .unwrap();
        assert!(status.success(), "ffmpeg makes {name}");
    };
    run(&still, "made.bmp");
    run(&["-f", "lavfi", "-i", "testsrc=size=320x200:rate=5:duration=1"], "made.gif");
    for name in ["made.m4v", "made.avi", "made.mkv", "made.webm", "made.mpg", "made.mts"] {
        run(&video, name);
    }
}

fn try_format(format: Format, corpus: &[PathBuf], made: &Path, pool: &Pool) -> Vec<Outcome> {
    let mut found: Vec<(PathBuf, Vec<u8>, Probe)> = Vec::new();
    let own = fs::read_dir(made).unwrap().map(|entry| entry.unwrap().path());
    for path in corpus.iter().cloned().chain(own) {
        let bytes = fs::read(&path).unwrap();
        let facts = probe(&bytes, Path::new("no-name"));
        if facts.format == format && facts.pixels().is_none_or(|pixels| pixels <= MOST_PIXELS) {
            found.push((path, bytes, facts));
        }
    }
    // Dated ones first: they show more. The order is otherwise that of the names.
    found.sort_by_key(|(_, _, facts)| facts.taken.is_none());
    found.truncate(FILES_PER_FORMAT);
    found.iter().map(|(path, bytes, facts)| try_file(path, bytes, facts, pool)).collect()
}

fn try_file(path: &Path, bytes: &[u8], facts: &Probe, pool: &Pool) -> Outcome {
    let rendered = match facts.kind {
        MediaKind::Video => pool.poster(&File::open(path).unwrap(), Wanted::ALL),
        MediaKind::Raw => match raw_preview(bytes, facts) {
            Some(preview) => {
                let start = usize::try_from(preview.offset_bytes).unwrap();
                let end = start + usize::try_from(preview.length_bytes).unwrap();
                let mut request = RenderRequest::new(&bytes[start..end], StillFormat::Jpeg);
                request.orientation = preview.orientation;
                pool.render(&request)
            }
            None => return outcome(path, facts, Err("no embedded preview".into())),
        },
        _ => {
            let mut request = RenderRequest::sniffed(bytes).unwrap();
            request.orientation = facts.orientation;
            pool.render(&request)
        }
    };
    if let (Ok(rendered), Some((width, height))) = (&rendered, facts.shown_size()) {
        // Upright pixels have the proportions that the probe promises: no picture lies on its side.
        let upright = (width > height, height > width);
        let seen = (rendered.width > rendered.height, rendered.height > rendered.width);
        assert_eq!(
            seen,
            upright,
            "{}: {}x{} against {width}x{height}",
            path.display(),
            rendered.width,
            rendered.height
        );
    }
    outcome(path, facts, rendered.map(|rendered| rendered.decoder).map_err(|error| error.to_string()))
}

fn outcome(path: &Path, facts: &Probe, rendered: Result<String, String>) -> Outcome {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let dated = facts.taken.as_ref().map(|taken| {
        let text = serde_json::to_string(&taken.source).unwrap();
        text.trim_matches('"').replace('_', " ")
    });
    Outcome { file: name, probed: facts.width.is_some(), dated, rendered }
}

fn write(outcomes: &[(Format, Vec<Outcome>)]) -> String {
    let mut text = String::from(
        "# Formats\n\n\
        What happens to a file of each format, made by `crates/media/tests/formats` from runs on real files\n\
        (and on files made by ffmpeg where no real one is at hand, named `made.*`). *Probed*: format and pixel\n\
        size found. *Dated*: a date found, and in which field first; files without one are not dated by\n\
        guessing. *Rendered*: thumbnail and preview made in the sandboxed worker, and by which decoder; the\n\
        pictures were upright. Each format was tried on up to four files.\n\n\
        | format | probed | dated | rendered | tried on |\n|---|---|---|---|---|\n",
    );
    for (format, tried) in outcomes {
        if tried.is_empty() {
            let reason = "untested: no real file at hand; probe and preview are tested on built files only";
            writeln!(text, "| {} | – | – | – | {reason} |", format.name()).unwrap();
            continue;
        }
        let count = |wanted: fn(&Outcome) -> bool| {
            format!("{} of {}", tried.iter().filter(|outcome| wanted(outcome)).count(), tried.len())
        };
        let names = |all: Vec<&str>| {
            let mut seen: Vec<&str> = Vec::new();
            all.into_iter().for_each(|name| {
                if !seen.contains(&name) {
                    seen.push(name);
                }
            });
            if seen.is_empty() { String::new() } else { format!(" ({})", seen.join(", ")) }
        };
        writeln!(
            text,
            "| {} | {} | {}{} | {}{} | {} |",
            format.name(),
            count(|outcome| outcome.probed),
            count(|outcome| outcome.dated.is_some()),
            names(tried.iter().filter_map(|outcome| outcome.dated.as_deref()).collect()),
            count(|outcome| outcome.rendered.is_ok()),
            names(tried.iter().filter_map(|outcome| outcome.rendered.as_deref().ok()).collect()),
            tried.iter().map(|outcome| format!("`{}`", outcome.file)).collect::<Vec<_>>().join(", "),
        )
        .unwrap();
    }
    let failed: Vec<String> = outcomes
        .iter()
        .flat_map(|(_, tried)| tried)
        .filter_map(|outcome| Some(format!("* `{}`: {}\n", outcome.file, outcome.rendered.as_ref().err()?)))
        .collect();
    if !failed.is_empty() {
        write!(
            text,
            "\n## Not rendered, and why\n\nThese are imported, sealed and listed all the same.\n\n{}",
            failed.concat()
        )
        .unwrap();
    }
    text
}
