//! Real files by the hundred, whole and broken: every one comes in or is named, and what came in comes out.
//!
//! `SAFELIGHT_CORPUS` names a folder of real photos; without it, pictures made here are broken instead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::chance::{Chance, times};
use crate::pictures::photo;
use crate::room::{Outcome, Room, files_below, finish, sha256, skip, text};

fn corpus() -> Option<PathBuf> {
    std::env::var_os("SAFELIGHT_CORPUS").map(PathBuf::from).filter(|path| path.is_dir())
}

fn import(room: &Room, folder: &Path, patience: Duration) -> Outcome {
    let mut command = room.unlocked();
    command.args(["--json", "--yes", "import", "--wait", "--settle=0"]).arg(folder);
    finish(command.spawn().unwrap(), patience).ends_with(&[0, 1])
}

/// Files below a folder that are neither listed nor named.
fn unaccounted(room: &Room, folder: &Path, outcome: &Outcome) -> Vec<String> {
    let listed = room.listed();
    let report = outcome.json();
    let problems = report["problems"].as_array().cloned().unwrap_or_default();
    let mut named = BTreeMap::new();
    for problem in &problems {
        named.insert(text(problem, "path"), text(problem, "reason"));
    }
    files_below(folder)
        .into_iter()
        .filter(|file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            !listed.contains_key(&sha256(&std::fs::read(file).unwrap()))
                && !named.keys().any(|path| path.ends_with(name))
        })
        .map(|file| file.display().to_string())
        .collect()
}

/// Files that are no photos and are skipped by kind and count: descriptions beside the corpus.
fn is_photo(file: &str) -> bool {
    !["json", "md", "txt", "xmp"].iter().any(|end| file.ends_with(end))
}

#[test]
fn every_file_of_the_corpus_comes_in_or_is_named_and_comes_out_bit_for_bit() {
    let Some(corpus) = corpus() else {
        return skip("no corpus of real photos (SAFELIGHT_CORPUS)");
    };
    let room = Room::with_library();
    let begun = Instant::now();
    let outcome = import(&room, &corpus, Duration::from_secs(900));
    eprintln!("the corpus came in within {:?}", begun.elapsed());
    let missing =
        unaccounted(&room, &corpus, &outcome).into_iter().filter(|file| is_photo(file)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "neither listed nor named: {missing:#?}");
    room.verify_is_clean();

    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    let exported =
        files_below(&out).iter().map(|file| sha256(&std::fs::read(file).unwrap())).collect::<Vec<_>>();
    for id in room.listed().keys() {
        assert!(exported.contains(id), "{id} is listed and not exported bit for bit");
    }
    room.run(room.bare().args(["verify", "--export"]).arg(&out)).ends_with(&[0]);
}

#[test]
fn broken_files_by_the_hundred_come_in_or_are_named() {
    let count = times("SAFELIGHT_MUTANTS", 500);
    let seed = times("SAFELIGHT_SEED", 1);
    let room = Room::with_library();
    let sources = sources();
    let mut chance = Chance::seeded(seed);
    for number in 0..count {
        let (name, bytes) = &sources[chance.index(sources.len())];
        let mutant = mutated(bytes, &mut chance);
        room.put(format!("{:02}/{number:05} {name}", number % 40), mutant);
    }
    let begun = Instant::now();
    let outcome = import(&room, &room.photos(), Duration::from_secs(120 + count));
    eprintln!("{count} mutants (seed {seed}) came in within {:?}", begun.elapsed());
    let missing = unaccounted(&room, &room.photos(), &outcome);
    assert!(missing.is_empty(), "seed {seed}: neither listed nor named: {missing:#?}\n{}", outcome.said());
    room.verify_is_clean();
}

/// Real files of at most a megabyte, one of each kind of ending first; else pictures made here.
fn sources() -> Vec<(String, Vec<u8>)> {
    let Some(corpus) = corpus() else {
        skip("no corpus of real photos (SAFELIGHT_CORPUS); the mutants are of pictures made here");
        return (0..12).map(|seed| (format!("{seed}.jpg"), photo(seed))).collect();
    };
    files_below(&corpus)
        .into_iter()
        .filter(|file| is_photo(file.to_str().unwrap()) && file.metadata().unwrap().len() < 1 << 20)
        .map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&file).unwrap()))
        .collect()
}

/// A file with one kind of damage: bits flipped, cut short, a piece doubled, zeroed, or lengths made absurd.
fn mutated(bytes: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if out.is_empty() {
        return out;
    }
    // Most of a format's structure is near its start.
    let early = |chance: &mut Chance, len: usize| {
        if chance.below(3) == 0 { chance.index(len) } else { chance.index(len.min(4096)) }
    };
    match chance.below(6) {
        0 => {
            for _ in 0..=chance.below(12) {
                let at = early(chance, out.len());
                out[at] ^= 1 << chance.below(8);
            }
        }
        1 => out.truncate(early(chance, bytes.len())),
        2 => {
            let at = early(chance, out.len());
            let end = (at + 1 + chance.index(600)).min(out.len());
            let piece = out[at..end].to_vec();
            let to = early(chance, out.len());
            out.splice(to..to, piece);
        }
        3 => {
            let at = early(chance, out.len());
            let end = (at + 1 + chance.index(2000)).min(out.len());
            out[at..end].fill(0);
        }
        4 => {
            let at = early(chance, out.len());
            for (offset, byte) in [0xff, 0xff, 0xff, chance.byte()].into_iter().enumerate() {
                if let Some(place) = out.get_mut(at + offset) {
                    *place = byte;
                }
            }
        }
        _ => {
            let at = early(chance, out.len());
            let end = (at + 1 + chance.index(800)).min(out.len());
            out.drain(at..end);
        }
    }
    out
}
