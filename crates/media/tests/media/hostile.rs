//! Broken and hostile files: whatever the bytes, a probe returns soon and never panics.
//!
//! `SAFELIGHT_FUZZ_ROUNDS` is how many mutants are made of each sample (40 unless told).

use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

use safelight_media::{exif_thumbnail, heif_thumbnails, probe, probe_reader, raw_preview, sidecar, sniff};

use crate::samples;

const LONGEST: Duration = Duration::from_secs(1);

/// Numbers that follow from a seed (SplitMix64), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % (end.max(1) as u64)).unwrap()
    }
}

fn rounds() -> u64 {
    std::env::var("SAFELIGHT_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(40)
}

/// Sends bytes through every door; panics and slowness fail the test.
fn try_all(bytes: &[u8], name: &str, what: &str) {
    let began = Instant::now();
    let path = Path::new(name);
    std::hint::black_box(sniff(bytes, path));
    let found = probe(bytes, path);
    assert!((1..=8).contains(&found.orientation), "{name} {what}");
    for place in [raw_preview(bytes, &found), exif_thumbnail(bytes, &found)].into_iter().flatten() {
        assert!(place.offset_bytes + place.length_bytes <= bytes.len() as u64, "{name} {what}");
    }
    for item in heif_thumbnails(bytes) {
        assert!(item.offset_bytes + item.length_bytes <= bytes.len() as u64, "{name} {what}");
    }
    if let Some(motion) = &found.motion {
        assert!(motion.offset_bytes + motion.length_bytes <= bytes.len() as u64, "{name} {what}");
    }
    let from_disk = probe_reader(&mut Cursor::new(bytes), path).unwrap();
    assert_eq!(found, from_disk, "{name} {what}");
    assert!(began.elapsed() < LONGEST, "{name} {what} took {:?}", began.elapsed());
}

#[test]
fn files_cut_off_anywhere_are_survived() {
    for (name, bytes) in samples::all() {
        let step = (bytes.len() / 400).max(1);
        for end in (0..bytes.len()).step_by(step) {
            try_all(&bytes[..end], name, &format!("cut at {end}"));
        }
    }
}

#[test]
fn files_with_random_faults_are_survived() {
    for (name, bytes) in samples::all() {
        for round in 0..rounds() {
            let mut dice = Dice(round);
            let mutant = mutate(&bytes, &mut dice);
            try_all(&mutant, name, &format!("mutant {round}"));
        }
    }
}

fn mutate(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut mutant = bytes.to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(mutant.len());
        let extremes = [0, 1, 0x7f, 0x80, 0xff];
        match dice.below(6) {
            0 => mutant[at] ^= 1 << dice.below(8),
            1 => mutant[at] = extremes[dice.below(extremes.len())],
            2 => {
                // A whole number of four bytes at its limit: counts, offsets, lengths.
                let value = [0u32, 1, u32::MAX, 0x7fff_ffff, 0x8000_0000][dice.below(5)].to_be_bytes();
                for (offset, byte) in value.into_iter().enumerate() {
                    if let Some(target) = mutant.get_mut(at + offset) {
                        *target = byte;
                    }
                }
            }
            3 => {
                let end = (at + dice.below(64)).min(mutant.len());
                mutant.drain(at..end);
            }
            4 => {
                let end = (at + dice.below(64)).min(mutant.len());
                let copy = mutant[at..end].to_vec();
                let to = dice.below(mutant.len());
                mutant.splice(to..to, copy);
            }
            _ => mutant.truncate(at),
        }
        if mutant.is_empty() {
            break;
        }
    }
    mutant
}

#[test]
fn mutants_of_real_files_are_survived() {
    let Some(root) = crate::corpus::corpus() else {
        println!("skipped: no corpus beside the repository");
        return;
    };
    for (index, path) in crate::corpus::files(&root).into_iter().enumerate() {
        let bytes = std::fs::read(&path).unwrap();
        if bytes.len() > 2 << 20 {
            continue;
        }
        for round in 0..rounds().div_ceil(10) {
            // Metadata is at the beginning more often than not.
            let mut dice = Dice(round << 32 | index as u64);
            let (head, tail) =
                bytes.split_at(bytes.len().min(if dice.below(2) == 0 { 4096 } else { usize::MAX }));
            let mutant = [mutate(head, &mut dice).as_slice(), tail].concat();
            try_all(&mutant, &path.to_string_lossy(), &format!("mutant {round}"));
        }
    }
}

#[test]
fn directories_that_point_at_themselves_end() {
    // IFD0 at 8 with one entry: SubIFDs pointing back, and a next directory that is itself.
    let mut file = b"II*\0\x08\0\0\0\x02\0".to_vec();
    for tag in [0x014au16, 0x8769] {
        file.extend(tag.to_le_bytes());
        file.extend([4, 0, 1, 0, 0, 0, 8, 0, 0, 0]);
    }
    file.extend([8, 0, 0, 0]);
    try_all(&file, "loop.tif", "loop");
    let raf = [&b"FUJIFILMCCD-RAW "[..], &[0xff; 200]].concat();
    try_all(&raf, "loop.raf", "all ones");
}

#[test]
fn boxes_of_no_or_absurd_length_end() {
    for length in [0u32, 1, 7, 8, u32::MAX] {
        let mut file = samples::part(b"ftyp", b"heic\0\0\0\0mif1heic");
        for _ in 0..2000 {
            file.extend(length.to_be_bytes());
            file.extend(b"meta");
        }
        try_all(&file, "boxes.heic", &format!("length {length}"));
        file[8..12].copy_from_slice(b"isom");
        try_all(&file, "boxes.mp4", &format!("length {length}"));
    }
}

#[test]
fn item_tables_that_claim_billions_end() {
    // iloc, version 2, with sizes of zero: no entry uses up bytes of its extents.
    let places = [
        &[2, 0, 0, 0, 0, 0][..],
        &u32::MAX.to_be_bytes(),
        &[0, 0, 0, 9, 0, 0, 0, 0, 0xff, 0xff].repeat(50_000),
    ]
    .concat();
    let items = samples::part(b"infe", b"\x02\0\0\0\0\x01\0\0Exif\0");
    let meta = [
        vec![0; 4],
        samples::part(b"iinf", &[&[0, 0, 0, 0, 0, 1][..], &items].concat()),
        samples::part(b"iloc", &places),
    ];
    let file = [samples::part(b"ftyp", b"heic\0\0\0\0"), samples::part(b"meta", &meta.concat())].concat();
    try_all(&file, "items.heic", "extents without bytes");
}

#[test]
fn compressed_texts_that_swell_together_end() {
    let text = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b'0'; 8 << 20], 9);
    let chunk = [b"Comment\0\0".as_slice(), &text].concat();
    let chunks: Vec<(&[u8; 4], Vec<u8>)> = (0..400).map(|_| (b"zTXt", chunk.clone())).collect();
    try_all(&samples::png(&chunks), "texts.png", "400 texts of 8 MiB");
}

#[test]
fn exif_that_names_the_same_long_value_again_and_again_ends() {
    // Texts and Windows' wide texts, each of 1 MiB, all at the same place; and many such blocks.
    for (tag, kind) in [(0x010f_u16, 2_u16), (0x9003, 2), (0x9c9e, 1)] {
        let mut block = b"Exif\0\0II*\0\x08\0\0\0".to_vec();
        let entries = 200_u16;
        block.extend(entries.to_le_bytes());
        for _ in 0..entries {
            block.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            block.extend([(1_u32 << 20).to_le_bytes(), 100_000_u32.to_le_bytes()].concat());
        }
        block.extend([0; 4]);
        let segments: Vec<(u8, Vec<u8>)> = (0..100).map(|_| (0xe1, block.clone())).collect();
        let mut file = samples::jpeg(8, 8, &segments);
        file.resize(file.len() + (2 << 20), b'a');
        try_all(&file, "again.jpg", &format!("tag {tag:#x}"));
    }
}

#[test]
fn exif_whose_values_and_directories_lie_in_itself_ends() {
    let mut block = b"II*\0\x08\0\0\0\x08\0".to_vec();
    for tag in [0x8769_u16, 0x8825, 0x014a, 0x927c, 0x010f, 0x9003, 0xc612, 0x02bc] {
        let kind = if tag == 0x010f || tag == 0x9003 { 2_u16 } else { 4 };
        let count = if kind == 2 { 200_u32 } else { 1 };
        block.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        block.extend([count.to_le_bytes(), 8_u32.to_le_bytes()].concat());
    }
    block.extend(8_u32.to_le_bytes());
    try_all(&block, "self.tif", "itself");
    let app1 = (0xe1, [b"Exif\0\0".as_slice(), &block].concat());
    try_all(&samples::jpeg(8, 8, &[app1]), "self.jpg", "itself");
    try_all(&samples::png(&[(b"eXIf", block)]), "self.png", "itself");
}

#[test]
fn more_metadata_items_than_can_be_looked_up_end() {
    // Exif items that no table places, in a table of as many other items.
    let items = samples::part(b"infe", b"\x02\0\0\0\0\x01\0\0Exif\0").repeat(20_000);
    let places =
        [&[2, 0, 0, 0, 0x44, 0][..], &20_000_u32.to_be_bytes(), &[0, 0, 0, 9, 0, 0, 0, 0].repeat(20_000)]
            .concat();
    let references = samples::part(b"cdsc", &[0, 1, 0, 1, 0, 9]).repeat(20_000);
    let meta = [
        vec![0; 4],
        samples::part(b"pitm", &[0, 0, 0, 0, 0, 5]),
        samples::part(b"iinf", &[&[1, 0, 0, 0, 0, 0, 0x4e, 0x20][..], &items].concat()),
        samples::part(b"iref", &[vec![0; 4], references].concat()),
        samples::part(b"iloc", &places),
    ];
    let file = [samples::part(b"ftyp", b"heic\0\0\0\0"), samples::part(b"meta", &meta.concat())].concat();
    try_all(&file, "many.heic", "20,000 items");
}

#[test]
fn nested_boxes_and_elements_of_unknown_length_end() {
    let nested = |kinds: &[&[u8; 4]]| {
        let mut file = Vec::new();
        for at in 0..20_000 {
            file.extend([0, 0, 0, 0]);
            file.extend(kinds[at % kinds.len()]);
        }
        [samples::part(b"ftyp", b"isom\0\0\0\0"), file].concat()
    };
    try_all(&nested(&[b"moov", b"trak", b"mdia"]), "deep.mp4", "tracks");
    try_all(&nested(&[b"moov", b"udta", b"meta", b"ilst"]), "deep.mov", "user data");
    let mut clusters = samples::matroska("matroska");
    clusters.truncate(clusters.len() - 36);
    for id in [[0x1f, 0x43, 0xb6, 0x75], [0x12, 0x54, 0xc3, 0x67], [0x11, 0x4d, 0x9b, 0x74]] {
        let unknown = [&id[..], &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
        let file = [clusters.as_slice(), &unknown.repeat(20_000)].concat();
        try_all(&file, "unknown.mkv", &format!("{id:x?}"));
    }
    let lists = b"LIST\xff\xff\xff\xffhdrl".repeat(20_000);
    try_all(&[b"RIFF\xff\xff\xff\xffAVI ", lists.as_slice()].concat(), "lists.avi", "lists");
    let frames = b"ANMF\0\0\0\0EXIF\xff\xff\xff\x7f".repeat(20_000);
    try_all(&[b"RIFF\xff\xff\xff\xffWEBP", frames.as_slice()].concat(), "frames.webp", "frames");
}

#[test]
fn deep_and_wide_xmp_ends() {
    let deep = "<a>".repeat(300_000);
    let wide = format!("<x:xmpmeta xmlns:x='adobe:ns:meta/'>{}</x:xmpmeta>", "<b c='d'/>".repeat(200_000));
    let attributes = format!("<x:xmpmeta {}/>", "xmlns:a='b' ".repeat(200_000));
    let entities = format!("<!DOCTYPE x [<!ENTITY a '{}'>]><x>&a;&a;</x>", "a".repeat(100_000));
    for (what, text) in [("deep", deep), ("wide", wide), ("attributes", attributes), ("entities", entities)] {
        let began = Instant::now();
        drop(sidecar(text.as_bytes()));
        assert!(began.elapsed() < LONGEST, "{what} took {:?}", began.elapsed());
    }
}

#[test]
fn mutants_of_sidecars_are_survived() {
    for round in 0..rounds() * 4 {
        drop(sidecar(&mutate(&samples::xmp(), &mut Dice(round))));
    }
}
