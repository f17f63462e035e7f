//! A sealed copy in one file that is torn, damaged, full or killed while it is written.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and say what it skips"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use safelight_store::{Body, Key, Prefix, PutOptions, Remote, SealedFile, StoreError};
use small_disk::SmallDisk;

mod small_disk;

/// Set for a child process that shall write until it is killed.
const WRITER: &str = "SAFELIGHT_TEST_WRITER";

fn key(name: &str) -> Key {
    Key::parse(name).expect("a name")
}

/// Runs what a remote answers.
fn wait<Out>(answer: impl Future<Output = Out>) -> Out {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(answer)
}

fn put(file: &SealedFile, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let body = Body::from(bytes.to_vec());
    wait(file.put_if_absent(&key(name), body, &PutOptions::default())).map(drop)
}

fn get(file: &SealedFile, name: &str) -> Option<Vec<u8>> {
    match wait(file.get(&key(name), 1 << 30)) {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(error) => {
            assert!(error.is_not_found(), "{error}");
            None
        }
    }
}

/// A copy with a few objects, and behind which byte each of them is whole.
struct Made {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    /// By the first byte behind the object: its name and bytes.
    objects: BTreeMap<usize, (&'static str, Vec<u8>)>,
    label_bytes: usize,
}

impl Made {
    fn new() -> Self {
        let builder = tempfile::Builder::new();
        let folder = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("temporary folder");
        let path = folder.path().join("copy.tar");
        SealedFile::create(&path).expect("creates");
        let end = || usize::try_from(fs::metadata(&path).expect("is there").len()).expect("small") - 1024;
        let (label_bytes, file) = (end(), SealedFile::open(&path).expect("opens"));
        let mut objects = BTreeMap::new();
        for (name, length) in
            [("log/abc/0000000001", 0_u16), ("o/ab/abcdef", 700), ("head/abc", 512), ("o/cd/cdefgh", 1300)]
        {
            let bytes: Vec<u8> =
                (0..length).map(|number| u8::try_from(number % 251).expect("small") + 1).collect();
            let begin = end();
            put(&file, name, &bytes).expect("puts");
            objects.insert(begin + 512 + bytes.len(), (name, bytes));
        }
        Self { bytes: fs::read(&path).expect("reads"), folder, objects, label_bytes }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("copy.tar")
    }

    fn with(&self, bytes: &[u8]) -> Result<SealedFile, StoreError> {
        fs::write(self.path(), bytes).expect("writes");
        SealedFile::open(&self.path())
    }

    /// Where the entry of an object begins.
    fn begin_of(&self, name: &str) -> usize {
        let found = self.objects.iter().find(|(_, (other, _))| *other == name);
        found.map(|(end, (_, bytes))| end - bytes.len() - 512).expect("is there")
    }

    /// That all objects but some are there, before and behind another entry.
    fn holds_all_but(&self, file: &SealedFile, lost: &[&str]) {
        for (name, bytes) in self.objects.values() {
            let there = get(file, name);
            let is_lost = lost.contains(name);
            assert!(there == (!is_lost).then(|| bytes.clone()), "{name}, lost: {is_lost}");
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_keeps_what_was_whole_and_goes_on_from_there() {
    let made = Made::new();
    for cut in 0..=made.bytes.len() {
        let kept = made.bytes.get(..cut).expect("within");
        let opened = made.with(kept);
        if cut < made.label_bytes.min(512) {
            assert!(matches!(opened, Err(StoreError::NotACopy { .. })), "{cut}");
            continue;
        }
        let Ok(file) = opened else {
            assert!(cut < made.label_bytes, "{cut}");
            continue;
        };
        let lost =
            |cut: usize| -> Vec<&str> { made.objects.range(cut + 1..).map(|(_, (name, _))| *name).collect() };
        made.holds_all_but(&file, &lost(cut));
        assert_eq!(file.damaged_offsets(), Vec::<u64>::new(), "{cut}");
        // Where entries end costs more; that every byte can be the last is seen above.
        if cut % 512 > 1 && cut % 97 != 0 {
            continue;
        }
        put(&file, "o/zz/zzzzzz", b"what came after").expect("puts");
        let again = SealedFile::open(&made.path()).expect("opens");
        made.holds_all_but(&again, &lost(cut));
        assert_eq!(get(&again, "o/zz/zzzzzz").as_deref(), Some(b"what came after".as_slice()), "{cut}");
        assert_eq!(again.damaged_offsets(), Vec::<u64>::new(), "{cut}");
        let whole = made.objects.range(..=cut).last().map_or(made.label_bytes, |(end, _)| *end);
        assert!(
            fs::read(made.path()).expect("reads").starts_with(made.bytes.get(..whole).expect("within")),
            "{cut}"
        );
        let listed = Command::new("tar").arg("-tf").arg(made.path()).output().expect("tar runs");
        assert!(listed.status.success() && listed.stderr.is_empty(), "{cut}: {listed:?}");
    }
}

#[test]
fn an_entry_whose_header_was_never_written_is_not_there_and_gives_way() {
    let made = Made::new();
    let mut torn = made.bytes.clone();
    torn.extend_from_slice(&[0x55; 5000]);
    let file = made.with(&torn).expect("opens");
    made.holds_all_but(&file, &[]);
    assert_eq!(file.damaged_offsets(), Vec::<u64>::new());
    put(&file, "o/zz/zzzzzz", b"small").expect("puts");
    let bytes = fs::read(made.path()).expect("reads");
    assert_eq!(bytes.len(), made.bytes.len() + 1024, "what was torn is gone");
    let again = SealedFile::open(&made.path()).expect("opens");
    made.holds_all_but(&again, &[]);
    assert_eq!(get(&again, "o/zz/zzzzzz").as_deref(), Some(b"small".as_slice()));
}

#[test]
fn a_damaged_header_hides_one_object_and_nothing_is_written_over() {
    let made = Made::new();
    for (name, _) in made.objects.values() {
        let begin = made.begin_of(name);
        let is_last = made.objects.last_key_value().is_some_and(|(_, (last, _))| last == name);
        for is_cleared in [false, true] {
            let mut bytes = made.bytes.clone();
            if is_cleared {
                bytes[begin..begin + 512].fill(0);
            } else {
                bytes[begin + 20] ^= 4;
            }
            // A last header that is gone is one that was never written.
            let keeps_bytes = !(is_cleared && is_last);
            let file = made.with(&bytes).expect("opens");
            made.holds_all_but(&file, &[name]);
            put(&file, "o/zz/zzzzzz", b"what came after").expect("puts");
            let again = SealedFile::open(&made.path()).expect("opens");
            made.holds_all_but(&again, &[name]);
            assert_eq!(get(&again, "o/zz/zzzzzz").as_deref(), Some(b"what came after".as_slice()));
            if keeps_bytes {
                assert_eq!(again.damaged_offsets(), [begin as u64], "{name}");
                let all = bytes.len() - 1024;
                assert!(fs::read(made.path()).expect("reads").starts_with(&bytes[..all]), "{name}");
            }
            put(&again, name, b"put again").expect("puts");
            assert_eq!(get(&again, name).as_deref(), Some(b"put again".as_slice()));
        }
    }
}

#[test]
fn sizes_beyond_the_end_hide_nothing_that_follows() {
    let made = Made::new();
    let begin = made.begin_of("o/ab/abcdef");
    for size in [6_000, 1 << 40, u64::MAX - 600, u64::MAX] {
        let mut bytes = made.bytes.clone();
        let mut header = tar::Header::from_byte_slice(&bytes[begin..begin + 512]).clone();
        header.set_size(size);
        header.set_cksum();
        bytes[begin..begin + 512].copy_from_slice(header.as_bytes());
        let file = made.with(&bytes).expect("opens");
        made.holds_all_but(&file, &["o/ab/abcdef"]);
        assert_eq!(file.damaged_offsets(), [begin as u64], "{size}");
    }
}

#[test]
fn a_copy_whose_first_sector_is_damaged_can_be_read_still() {
    let made = Made::new();
    for damage in [0, 0xaa] {
        let mut bytes = made.bytes.clone();
        bytes[..512].fill(damage);
        let file = made.with(&bytes).expect("opens");
        made.holds_all_but(&file, &[]);
        assert_eq!(file.damaged_offsets(), [0]);
    }
}

/// Starts this test program again as a writer.
fn spawn_writer(root: &Path, test: &str, first: u32) -> Child {
    Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", test])
        .env(WRITER, root)
        .env("SAFELIGHT_TEST_FIRST", first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

fn body(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(30_000)
}

/// The names of all objects.
fn names(file: &SealedFile) -> Vec<String> {
    let (prefix, mut after, mut names) = (Prefix::below("o").expect("a prefix"), None, Vec::new());
    loop {
        let page = wait(file.list(&prefix, after.as_ref())).expect("lists");
        names.extend(page.objects.into_iter().map(|object| object.key.to_string()));
        match page.next {
            Some(next) => after = Some(next),
            None => return names,
        }
    }
}

/// The work of a writer: object after object, each noted once it was acknowledged, until it is killed.
fn write_forever(root: &Path) {
    let first: u32 = std::env::var("SAFELIGHT_TEST_FIRST").expect("set").parse().expect("a number");
    let file = SealedFile::open(&root.join("copy.tar")).expect("opens");
    let noted = root.join("noted").join(first.to_string());
    let mut noted = fs::File::create(noted).expect("creates");
    for number in first.. {
        put(&file, &format!("o/ab/{number}"), &body(number)).expect("puts");
        writeln!(noted, "{number}").expect("notes");
    }
}

#[test]
fn killed_writers_lose_nothing_that_was_acknowledged() {
    const TEST: &str = "killed_writers_lose_nothing_that_was_acknowledged";
    if let Some(root) = std::env::var_os(WRITER) {
        return write_forever(Path::new(&root));
    }
    let temporary = tempfile::tempdir().expect("temporary folder");
    let root = temporary.path();
    fs::create_dir(root.join("noted")).expect("a folder");
    let path = root.join("copy.tar");
    SealedFile::create(&path).expect("creates");
    let (mut torn, mut acknowledged) = (0, 0);
    for round in 0..6_u32 {
        let mut writers = [0, 50_000].map(|more| spawn_writer(root, TEST, round * 100_000 + more));
        std::thread::sleep(Duration::from_millis(u64::from(120 + round * 37 % 190)));
        for writer in &mut writers {
            writer.kill().expect("kills");
            assert_eq!(writer.wait().expect("ends").signal(), Some(9), "it wrote until it was killed");
        }
        let file = SealedFile::open(&path).expect("opens");
        assert_eq!(file.damaged_offsets(), Vec::<u64>::new(), "round {round}");
        let bytes = fs::read(&path).expect("reads");
        torn += u32::from(bytes.len() < 1024 || bytes[bytes.len() - 1024..].iter().any(|byte| *byte != 0));
        // What was not acknowledged is there whole, or not at all.
        for name in names(&file) {
            let number = name.strip_prefix("o/ab/").and_then(|number| number.parse().ok()).expect("a number");
            assert!(get(&file, &name) == Some(body(number)), "round {round}: {name} is torn");
        }
        for noted in fs::read_dir(root.join("noted")).expect("lists") {
            let noted = fs::read_to_string(noted.expect("lists").path()).expect("reads");
            for number in noted.lines().map(|line| line.parse().expect("a number")) {
                assert_eq!(get(&file, &format!("o/ab/{number}")), Some(body(number)), "round {round}");
                acknowledged += 1;
            }
        }
    }
    assert!(acknowledged > 0, "the writers wrote nothing");
    println!("{acknowledged} objects looked at, {torn} torn ends");
}

#[test]
fn a_full_disk_is_named_and_what_was_written_stays_whole() {
    let Some(disk) = SmallDisk::mount("2m") else { return };
    let path = disk.root().join("copy.tar");
    SealedFile::create(&path).expect("creates");
    let file = SealedFile::open(&path).expect("opens");
    let mut number = 0_u32;
    let error = loop {
        match put(&file, &format!("o/ab/{number}"), &[u8::try_from(number).expect("small"); 200_000]) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 100, "the disk never gets full");
    };
    assert!(error.is_full() && error.to_string().contains("is full"), "{error}");
    assert!(number > 3);
    for open in [file, SealedFile::open(&path).expect("opens")] {
        for good in 0..number {
            let bytes = get(&open, &format!("o/ab/{good}"));
            assert_eq!(bytes, Some(vec![u8::try_from(good).expect("small"); 200_000]));
        }
        assert_eq!(open.damaged_offsets(), Vec::<u64>::new());
        put(
            &open,
            &format!("o/ab/small{}", fs::metadata(&path).expect("is there").len()),
            b"there is room for it",
        )
        .expect("puts");
    }
    let listed = Command::new("tar").arg("-tf").arg(&path).output().expect("tar runs");
    assert!(listed.status.success() && listed.stderr.is_empty(), "{listed:?}");
}

#[test]
fn a_read_only_disk_is_named_and_can_be_read() {
    let Some(disk) = SmallDisk::mount("2m") else { return };
    let path = disk.root().join("copy.tar");
    SealedFile::create(&path).expect("creates");
    put(&SealedFile::open(&path).expect("opens"), "o/ab/one", b"one").expect("puts");
    assert!(disk.run("mount", &["-o", "remount,ro"]), "remounts");
    let file = SealedFile::open(&path).expect("opens");
    assert_eq!(get(&file, "o/ab/one").as_deref(), Some(b"one".as_slice()));
    let error = put(&file, "o/ab/two", b"two").expect_err("nothing can be written");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(!file.capabilities().has(safelight_store::Capability::PutAndGet));
}
