//! Decoders against damaged bytes: whatever is done to a saved object, nothing panics, nothing hangs, and
//! nothing that was altered opens as if it had not been.
//!
//! Inputs are good objects, changed by a seeded mutator. Each target runs a fixed number of rounds;
//! `SAFELIGHT_FUZZ_SECONDS` makes all targets together run about that long instead (`make soak`),
//! `SAFELIGHT_FUZZ_SEED` from another start. A failure names target and seed, which repeat it.

#![expect(clippy::expect_used, reason = "a helper that fails is a failed test")]

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use safelight_crypto::{
    ContentHash, DeviceCard, Entropy as _, EntryName, Epoch, Kind, LOCAL_PACK_HEADER, LibraryId,
    ObjectContext, Opener, OriginalOpener, PackIndex, PackTier, PackWriter, Prefix, RecoveryWords, RootCard,
    SeededEntropy, Slot, Statement, base32_decode, open, open_entry, open_original, scan_local_pack, seal,
    seal_entry, seal_original,
};

const LIBRARY: LibraryId = LibraryId::from_bytes([4; 20]);
const ROUNDS: u64 = 1_500;
/// How many tests share the seconds.
const TARGETS: u32 = 8;

/// Random choices for one round.
struct Mutator(SeededEntropy);

impl Mutator {
    fn number(&mut self, below: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % below.max(1) as u64).expect("below a usize")
    }

    /// One to four changes: flips, interesting values, cuts, insertions, copies within.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.number(4) {
            let at = self.number(bytes.len());
            let len = self.number(40).min(bytes.len() - at);
            match self.number(8) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..at + len)),
                2 => {
                    let piece = bytes[at..at + len].to_vec();
                    let to = self.number(bytes.len());
                    bytes.splice(to..to, piece);
                }
                3 => bytes[at..at + len].fill(0xff),
                4 => bytes[at..at + len].fill(0),
                5 => {
                    let mut piece = vec![0; len];
                    self.0.fill(&mut piece);
                    bytes.splice(at..at, piece);
                }
                _ if bytes.is_empty() => {}
                _ => bytes[at] ^= 1 << self.number(8),
            }
        }
    }
}

/// Runs `round` with fresh choices until the rounds or the seconds are over.
fn fuzz(target: &str, rounds: u64, mut round: impl FnMut(&mut Mutator)) {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cores =
        std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let seconds = variable("SAFELIGHT_FUZZ_SECONDS")
        .map(|seconds| Duration::from_secs(seconds) * cores.min(TARGETS) / TARGETS);
    let first = variable("SAFELIGHT_FUZZ_SEED").unwrap_or(1);
    let start = Instant::now();
    for seed in first.. {
        let is_over = seconds.map_or(seed - first >= rounds, |seconds| start.elapsed() >= seconds);
        if is_over {
            break;
        }
        let mut mutator = Mutator(SeededEntropy::new(seed));
        let outcome = catch_unwind(AssertUnwindSafe(|| round(&mut mutator)));
        assert!(outcome.is_ok(), "target {target}: SAFELIGHT_FUZZ_SEED={seed} repeats this failure");
    }
}

fn saved(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/data").join(name);
    std::fs::read(path).expect("a saved object")
}

fn epoch() -> Epoch {
    Epoch::generate(&mut SeededEntropy::new(77))
}

#[test]
fn no_altered_envelope_opens() {
    let mut entropy = SeededEntropy::new(78);
    let epoch = epoch();
    let context = ObjectContext::named(LIBRARY, "log/a/0000000001");
    let content = vec![7; 70_000];
    let sealed = seal(Kind::Segment, &epoch, &context, &content, &mut entropy).expect("seals").into_bytes();
    fuzz("envelope", ROUNDS, |mutator| {
        let mut bytes = sealed.clone();
        mutator.mutate(&mut bytes);
        match open(&bytes, Kind::Segment, &epoch, &context) {
            Ok(_) => assert!(bytes == sealed, "an altered object opened"),
            Err(error) => assert!(error.fault().is_some() && bytes != sealed),
        }
    });
}

#[test]
fn no_altered_part_of_an_original_gives_other_content() {
    let epoch = epoch();
    let content: Vec<u8> = (0..(1 << 20) + 4_321).map(|place: u32| place.to_le_bytes()[1]).collect();
    let (original, parts) =
        seal_original(&epoch, LIBRARY, &content, &mut SeededEntropy::new(79)).expect("seals");
    let (name, sealed) = (original.parts[0].name, parts[0].as_bytes());
    fuzz("original", ROUNDS / 10, |mutator| {
        let mut bytes = sealed.to_vec();
        mutator.mutate(&mut bytes);
        let size = if mutator.number(8) == 0 { mutator.number(1 << 40) as u64 } else { original.size_bytes };
        match open_original(&[(name, &bytes)], LIBRARY, original.content, size, &epoch) {
            Ok(opened) => assert!(opened == content && bytes == sealed),
            Err(error) => assert!(error.fault().is_some()),
        }
        // The length that a caller claims may be wrong, too: reading ends, it does not hang.
        let mut opener = OriginalOpener::new(LIBRARY, original.content, original.size_bytes);
        let claimed = mutator.number(sealed.len() * 2) as u64;
        let mut source = bytes.as_slice();
        let result = opener.open_part(&name, claimed, &epoch, &mut source, &mut Vec::new(), &mut |_| Ok(()));
        assert!(result.is_err() || bytes == sealed);
    });
}

#[test]
fn any_header_with_any_length_gives_a_sane_cut_or_an_error() {
    let epoch = epoch();
    let mut entropy = SeededEntropy::new(80);
    let context = ObjectContext::named(LIBRARY, "page/a");
    let sealed =
        seal(Kind::Page, &epoch, &context, &vec![1; 200_000], &mut entropy).expect("seals").into_bytes();
    fuzz("ranges", ROUNDS, |mutator| {
        let sealed_len = match mutator.number(3) {
            0 => sealed.len() as u64,
            1 => mutator.number(1 << 20) as u64,
            _ => u64::MAX - mutator.number(1 << 20) as u64,
        };
        let Ok(opener) = Opener::new(&sealed, sealed_len, Kind::Page, &epoch, &context) else { return };
        let geometry = opener.geometry();
        assert_eq!(geometry.sealed_len(), sealed_len);
        let (a, b) = (mutator.number(300_000) as u64, mutator.number(300_000) as u64);
        let range = opener.sealed_range(&(a..b));
        assert!(range.start <= range.end && range.end <= sealed_len);
        let bytes = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        if let Some(bytes) = bytes.and_then(|(start, end)| sealed.get(start..end)) {
            let opened = opener.open_range(&(a..b), bytes);
            assert!(sealed_len != sealed.len() as u64 || opened.is_ok());
        }
    });
}

fn pack(epoch: &Epoch, entropy: &mut SeededEntropy) -> (Vec<u8>, String, Vec<u8>) {
    let mut writer = PackWriter::new(LIBRARY, epoch);
    let mut local = LOCAL_PACK_HEADER.to_vec();
    for number in 0..6_u8 {
        let name = EntryName { content: ContentHash::of(&[number]), kind: 1, recipe: 1 };
        let content = vec![number; 700 * usize::from(number)];
        let entry = seal_entry(epoch, LIBRARY, name, &content, entropy).expect("seals");
        writer.push(&entry);
        local.extend_from_slice(&entry.frame(LIBRARY, epoch));
        local.extend_from_slice(entry.as_bytes());
    }
    let pack = writer.finish(PackTier::Previews, entropy);
    (pack.sealed.into_bytes(), PackTier::Previews.logical(&pack.name), local)
}

#[test]
fn no_altered_pack_gives_other_entries() {
    let epoch = epoch();
    let (sealed, logical, _) = pack(&epoch, &mut SeededEntropy::new(81));
    let good = PackIndex::read(&sealed, LIBRARY, &logical, &epoch).expect("reads");
    fuzz("pack", ROUNDS, |mutator| {
        let mut bytes = sealed.clone();
        mutator.mutate(&mut bytes);
        let Ok(index) = PackIndex::read(&bytes, LIBRARY, &logical, &epoch) else { return };
        assert_eq!(index, good, "an altered index was read");
        for place in index.entries() {
            let range = usize::try_from(place.range.start).expect("fits")
                ..usize::try_from(place.range.end).expect("fits");
            if open_entry(&bytes[range.clone()], LIBRARY, &place.record, &epoch).is_ok() {
                assert!(bytes[range.clone()] == sealed[range]);
            }
        }
    });
}

#[test]
fn any_sealed_index_content_is_read_or_refused() {
    let epoch = epoch();
    let (sealed, logical, _) = pack(&epoch, &mut SeededEntropy::new(82));
    let good = PackIndex::read(&sealed, LIBRARY, &logical, &epoch).expect("reads");
    let start = usize::try_from(good.entries_end()).expect("fits");
    let context = ObjectContext::named(LIBRARY, &logical);
    let content = open(&sealed[start..sealed.len() - 8], Kind::PackIndex, &epoch, &context).expect("opens");
    // An insider holds the keys and may seal whatever index they like.
    fuzz("index", ROUNDS, |mutator| {
        let mut content = content.clone();
        mutator.mutate(&mut content);
        let sealed = seal(Kind::PackIndex, &epoch, &context, &content, &mut mutator.0).expect("seals");
        let range = good.entries_end()..good.entries_end() + sealed.as_bytes().len() as u64;
        if let Ok(index) = PackIndex::open(sealed.as_bytes(), &range, LIBRARY, &logical, &epoch) {
            assert!(index.entries().iter().all(|place| place.range.end <= range.start));
        }
    });
}

#[test]
fn a_scan_of_a_damaged_local_pack_finds_only_true_entries() {
    let epoch = epoch();
    let (_, _, file) = pack(&epoch, &mut SeededEntropy::new(83));
    let good = scan_local_pack(&mut Cursor::new(&file), LIBRARY, &epoch).expect("scans");
    fuzz("local pack", ROUNDS, |mutator| {
        let mut bytes = file.clone();
        mutator.mutate(&mut bytes);
        let scan = scan_local_pack(&mut Cursor::new(&bytes), LIBRARY, &epoch).expect("memory can be read");
        assert!(scan.end <= scan.len && scan.len == bytes.len() as u64);
        let mut end = 0;
        for entry in &scan.entries {
            assert!(good.entries.iter().any(|known| known.record == entry.record));
            assert!(entry.range.start >= end && entry.range.end <= scan.len);
            end = entry.range.end;
        }
    });
}

#[test]
fn no_altered_signed_thing_passes() {
    let words = RecoveryWords::generate(&mut SeededEntropy::new(84));
    let card = RootCard::sign(&words, words.library_id(), [1; 32], 9);
    let device = saved("device-card.bin");
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/json/statement.json"),
    );
    let file: serde_json::Value = serde_json::from_str(&text.expect("saved")).expect("JSON");
    let statements: Vec<(Vec<u8>, [u8; 32])> = file["vectors"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|vector| !vector["expect"]["ok"].is_null())
        .map(|vector| {
            let hex = |field: &str| {
                let text = vector["input"][field].as_str().expect("hex");
                data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex")
            };
            (hex("statement"), hex("key").try_into().expect("32 bytes"))
        })
        .collect();
    assert!(statements.len() >= 7);
    fuzz("signed", ROUNDS, |mutator| {
        let mut bytes = card.clone();
        mutator.mutate(&mut bytes);
        assert!(RootCard::open(&bytes, &words.library_id()).is_err() || bytes == card);
        let mut bytes = device.clone();
        mutator.mutate(&mut bytes);
        assert!(DeviceCard::from_bytes(&bytes).is_err() || bytes == device);
        let (statement, key) = &statements[mutator.number(statements.len())];
        let mut bytes = statement.clone();
        mutator.mutate(&mut bytes);
        if let Ok(parsed) = Statement::from_bytes(&bytes) {
            assert_eq!(parsed.as_bytes(), bytes);
            let key = safelight_crypto::VerifyingKey::from_bytes(*key);
            assert!(parsed.verify(&key).is_err() || bytes == *statement);
        }
    });
}

#[test]
fn any_text_is_an_id_a_slot_words_or_an_error() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/json/slot.json"));
    let file: serde_json::Value = serde_json::from_str(&text.expect("saved")).expect("JSON");
    let slot = file["vectors"][0]["input"]["slot"].to_string();
    let words = RecoveryWords::generate(&mut SeededEntropy::new(85)).words().join(" ");
    fuzz("text", ROUNDS, |mutator| {
        let mut bytes = slot.clone().into_bytes();
        mutator.mutate(&mut bytes);
        if let Ok(parsed) = serde_json::from_slice::<Slot>(&bytes) {
            let again: Slot =
                serde_json::from_value(serde_json::to_value(&parsed).expect("JSON")).expect("reads back");
            assert_eq!(again, parsed);
        }
        let mut bytes = words.clone().into_bytes();
        mutator.mutate(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(parsed) = RecoveryWords::parse(&text) {
            assert!(text.split_whitespace().map(str::to_lowercase).eq(parsed.words()));
        }
        assert!(base32_decode(&text).is_none_or(|bytes| !bytes.is_empty() || text.is_empty()));
        assert!(Prefix::parse(&bytes).is_err());
    });
}
