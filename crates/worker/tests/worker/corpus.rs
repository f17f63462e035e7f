//! Every file of the corpus, and mutants of them, renders or gives a reason; nothing stops the pool.
//!
//! `SAFELIGHT_FUZZ_ROUNDS` sets the number of mutants.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::{pool, pool_with};
use crate::pictures;
use safelight_media::pool::{Pool, RenderError, RenderRequest, StillFormat, Wanted};

fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let mut files = Vec::new();
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    if files.is_empty() {
        println!("skipped: the corpus is not here");
    }
    files
}

/// Renders on as many threads as there are workers; returns what came of each.
fn render_all(
    pool: &Pool,
    pictures: &[(String, Vec<u8>)],
    wanted: Wanted,
) -> BTreeMap<String, Result<String, RenderError>> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, bytes)) = pictures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let format =
                        StillFormat::sniff(&bytes[..64.min(bytes.len())]).unwrap_or(StillFormat::Jpeg);
                    let begun = Instant::now();
                    let outcome = pool.render(&RenderRequest { wanted, ..RenderRequest::new(bytes, format) });
                    assert!(begun.elapsed() < Duration::from_secs(60), "{name} hangs");
                    outcomes.lock().unwrap().insert(name.clone(), outcome.map(|rendered| rendered.decoder));
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn assert_survived(outcomes: &BTreeMap<String, Result<String, RenderError>>) {
    for (name, outcome) in outcomes {
        match outcome {
            Ok(decoder) => assert!(!decoder.is_empty()),
            Err(RenderError::Refused(refusal)) => assert!(!refusal.reason.is_empty(), "{name}"),
            Err(other) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn every_file_of_the_corpus_renders_or_gives_a_reason() {
    let files = corpus();
    let pictures: Vec<_> = files
        .iter()
        .filter_map(|path| {
            let bytes = fs::read(path).unwrap();
            // The largest takes ten seconds of an idle processor; its thumbnail is tested below.
            let small = !path.to_string_lossy().contains("200MP");
            (small && StillFormat::sniff(&bytes[..64.min(bytes.len())]).is_some())
                .then(|| (path.file_name().unwrap().to_string_lossy().into_owned(), bytes))
        })
        .collect();
    let pool = pool_with(|options| options.timeout = Duration::from_secs(60));
    let outcomes = render_all(&pool, &pictures, Wanted::ALL);
    assert_survived(&outcomes);
    let rendered = outcomes.values().filter(|outcome| outcome.is_ok()).count();
    println!("{rendered} of {} pictures render", outcomes.len());
    // 26 of 208 are broken or of kinds that nothing here decodes; fuzzers wrote most of them.
    assert!(pictures.is_empty() || rendered >= 170, "{rendered} of {}", outcomes.len());
}

/// JPEG and PNG files of the corpus that are cut off or broken: fuzzers left them so, and one sample is a beginning.
const DAMAGED: [&str; 8] = [
    "0222b951-c-m1-9a3e0c7b687b526987e2270541002d47.png",
    "02cd8559-m1-94f94e608d647b1b433f4d0ecc21e023.png",
    "0c4452a8-5315c35bbcc28d8eee419028ac9f38e0.jpg",
    "0c653887-c-m2-fcac2d6a6a739e8ceb946ac99200d9f1.png",
    "0fb85d3a-m2-593d4b1a0b5d13b539c6c098dc5797ca.png",
    "1a523f5b-User Comment Encoding.jpg",
    "28215c30-8546907dbe574744d7fea6ca9de1de6b.jpg",
    "2b864e43-40bb78b1ac031125a6d8466b374962a8.jpg",
];

#[test]
fn whole_pictures_of_the_corpus_are_not_called_damaged() {
    let files = corpus();
    let pool = pool_with(|options| options.timeout = Duration::from_secs(60));
    let mut damaged = Vec::new();
    for path in files.iter().filter(|path| !path.to_string_lossy().contains("200MP")) {
        let bytes = fs::read(path).unwrap();
        let Some(format) = StillFormat::sniff(&bytes[..64.min(bytes.len())]) else { continue };
        if !matches!(format, StillFormat::Jpeg | StillFormat::Png) {
            continue;
        }
        let request = RenderRequest { wanted: Wanted::QUICK, ..RenderRequest::new(&bytes, format) };
        if let Ok(rendered) = pool.render(&request)
            && let Some(damage) = rendered.damage
        {
            println!("{}: {damage}", path.display());
            damaged.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    damaged.retain(|name: &String| !DAMAGED.contains(&name.as_str()));
    assert_eq!(damaged, Vec::<String>::new());
}

#[test]
fn heic_photos_of_phones_have_their_thumbnail_at_once() {
    for name in ["599f0408-heic-iphone7.heic", "4dd72090-200MP.heic"] {
        let Some(path) = corpus().into_iter().find(|path| path.ends_with(name)) else { continue };
        let bytes = fs::read(path).unwrap();
        let request =
            RenderRequest { wanted: Wanted::QUICK, ..RenderRequest::new(&bytes, StillFormat::Heif) };
        let rendered = pool().render(&request).unwrap();
        assert!(rendered.preview_pending && rendered.thumbnail.is_some(), "{name}");
    }
}

#[test]
fn mutants_render_or_give_a_reason() {
    let rounds: usize =
        std::env::var("SAFELIGHT_FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut seeds =
        pictures::all().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect::<Vec<_>>();
    for path in corpus() {
        let bytes = fs::read(&path).unwrap();
        if bytes.len() < 300_000 && StillFormat::sniff(&bytes[..64.min(bytes.len())]).is_some() {
            seeds.push((path.file_name().unwrap().to_string_lossy().into_owned(), bytes));
        }
    }
    let mut state = 0x5afe_1196_0000_0001_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    let pool = pool();
    for batch in 0..rounds.div_ceil(50) {
        let count = 50.min(rounds - batch * 50);
        let mutants: Vec<_> = (0..count)
            .map(|index| {
                let (name, bytes) = &seeds[random(seeds.len())];
                (format!("{batch}/{index} {name}"), mutated(bytes.clone(), &mut random))
            })
            .collect();
        assert_survived(&render_all(&pool, &mutants, Wanted::ALL));
    }
}

fn mutated(mut bytes: Vec<u8>, random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    for _ in 0..=random(8) {
        let at = random(bytes.len());
        match random(5) {
            0 => bytes.truncate(at.max(32)),
            1 => bytes[at] ^= 1 << random(8),
            2 => bytes[at] = [0, 0xff, 0x7f, 0x80][random(4)],
            3 => {
                let end = (at + random(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + random(64)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random(bytes.len());
                bytes.splice(to..to, copy);
            }
        }
        // Headers are where the sizes are.
        let early = random(bytes.len().min(200));
        if random(3) == 0 {
            bytes[early] = u8::try_from(random(256)).unwrap();
        }
    }
    bytes
}
