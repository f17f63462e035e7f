//! The conformance suite on a sealed copy in one file, and what tar, other programs and strangers make of it.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use safelight_store::conformance::{Verdict, check};
use safelight_store::{
    Body, Capability, ConnectOptions, Key, Prefix, PutOptions, Remote, RemoteAddress, SealedFile, StoreError,
    connect,
};

struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temporary folder") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("copy.tar")
    }

    fn created(&self) -> SealedFile {
        SealedFile::create(&self.path()).expect("creates");
        self.open()
    }

    fn open(&self) -> SealedFile {
        SealedFile::open(&self.path()).expect("opens")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).expect("reads")
    }

    fn write(&self, bytes: &[u8]) {
        std::fs::write(self.path(), bytes).expect("writes");
    }
}

fn key(name: &str) -> Key {
    Key::parse(name).expect("a name")
}

async fn put(file: &SealedFile, name: &str, bytes: &[u8]) {
    let body = Body::from(bytes.to_vec());
    file.put_if_absent(&key(name), body, &PutOptions::default()).await.expect("puts");
}

async fn get(file: &SealedFile, name: &str) -> Option<Vec<u8>> {
    match file.get(&key(name), 1 << 20).await {
        Ok(bytes) => Some(bytes.to_vec()),
        Err(error) => {
            assert!(error.is_not_found(), "{error}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_every_guarantee_but_that_of_deleting() {
    let room = Room::new();
    let file = room.created();
    let works = [Capability::PutAndGet, Capability::PutIfAbsent, Capability::List, Capability::OneWinner];
    assert!(works.into_iter().all(|capability| file.capabilities().has(capability)));
    assert!(!file.capabilities().has(Capability::Delete));
    let report = check(Arc::new(file), "tokenabc").await.expect("a fine token");
    assert_eq!(report.broken().count(), 0, "{report}");
    for code in ["R1", "R2", "R3", "R4", "R9", "R11"] {
        assert_eq!(report.verdict(code), Some(&Verdict::Held), "{report}");
    }
    assert!(matches!(report.verdict("R10"), Some(Verdict::Skipped(_))), "{report}");
    let again = room.open();
    assert_eq!(get(&again, "probe/tokenabc/r9/00/0").await, Some(b"listed".to_vec()));
    assert_eq!(again.damaged_offsets(), Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_connected_without_a_probe_that_would_stay_in_it() {
    let room = Room::new();
    drop(room.created());
    let before = room.bytes();
    let (address, _) = RemoteAddress::parse(&format!("file:{}", room.path().display())).expect("an address");
    let connected = connect(&address, None, ConnectOptions::default(), "tokenabc").await.expect("connects");
    assert!(connected.capabilities().has(Capability::PutAndGet));
    assert_eq!(room.bytes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_tar_lists_it_and_unpacks_the_layout_of_a_folder() {
    let room = Room::new();
    let file = room.created();
    let long = format!("keys/{}/{}", "a".repeat(57), "b".repeat(57));
    put(&file, "o/ab/abcdef", &[7; 70_001]).await;
    put(&file, &long, b"key").await;
    put(&file, "head/abc", b"first").await;
    let head = Body::from(b"second".as_slice());
    file.put(&key("head/abc"), head, &PutOptions::default()).await.expect("replaces");
    let unpacked = room.folder.path().join("unpacked");
    std::fs::create_dir(&unpacked).expect("a folder");
    let listed = Command::new("tar").arg("-tf").arg(room.path()).output().expect("tar runs");
    assert!(listed.status.success() && listed.stderr.is_empty(), "{listed:?}");
    let names: Vec<&str> = std::str::from_utf8(&listed.stdout).expect("names").lines().collect();
    assert_eq!(names, ["sealed-copy.txt", "o/ab/abcdef", &long, "head/abc", "head/abc"]);
    let done = Command::new("tar").arg("-xf").arg(room.path()).arg("-C").arg(&unpacked).output();
    assert!(done.as_ref().is_ok_and(|done| done.status.success() && done.stderr.is_empty()), "{done:?}");
    let read = |name: &str| std::fs::read(unpacked.join(name)).expect("is there");
    assert_eq!(read("o/ab/abcdef"), [7; 70_001]);
    assert_eq!(read(&long), b"key");
    assert_eq!(read("head/abc"), b"second", "the later of two entries with one name counts");
    assert!(String::from_utf8_lossy(&read("sealed-copy.txt")).contains("safelight join file:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_it_open_sees_what_another_program_writes() {
    let room = Room::new();
    let (one, two) = (room.created(), room.open());
    put(&one, "o/ab/abcdef", b"one").await;
    assert_eq!(get(&two, "o/ab/abcdef").await, Some(b"one".to_vec()));
    let again = two.put_if_absent(&key("o/ab/abcdef"), Body::from(vec![1]), &PutOptions::default()).await;
    assert!(again.expect_err("is taken").is_already_exists());
    two.put(&key("head/abc"), Body::from(vec![2]), &PutOptions::default()).await.expect("puts");
    one.put(&key("head/abc"), Body::from(vec![3]), &PutOptions::default()).await.expect("replaces");
    assert_eq!(get(&two, "head/abc").await, Some(vec![3]));
    let writers = [one, two].into_iter().zip(["a", "b"]).map(|(file, who)| {
        tokio::spawn(async move {
            for number in 0..40 {
                put(&file, &format!("log/{who}/{number}"), who.repeat(number).as_bytes()).await;
            }
        })
    });
    for writer in writers {
        writer.await.expect("writes");
    }
    let read = room.open();
    for (who, number) in ["a", "b"].into_iter().flat_map(|who| (0..40).map(move |number| (who, number))) {
        let there = get(&read, &format!("log/{who}/{number}")).await;
        assert_eq!(there, Some(who.repeat(number).into_bytes()), "{who} {number}");
    }
    assert_eq!(read.damaged_offsets(), Vec::<u64>::new());
}

#[test]
fn whatever_is_no_sealed_copy_is_refused_and_left_as_it_is() {
    let room = Room::new();
    let path = room.path();
    assert!(matches!(SealedFile::open(&path), Err(StoreError::NoFile { .. })));
    SealedFile::create(&path).expect("creates");
    let label = room.bytes();
    assert!(matches!(SealedFile::create(&path), Err(StoreError::AlreadyExists { .. })));
    assert_eq!(room.bytes(), label);
    let newer = String::from_utf8_lossy(&label).replace("sealed copy 1", "sealed copy 2").into_bytes();
    let mut other = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    other.append_data(&mut header, "o/ab/abcdef", b"abc".as_slice()).expect("appends");
    let other = other.into_inner().expect("a tar");
    for bytes in [b"".to_vec(), b"GIF89a and so on".to_vec(), vec![0; 5000], vec![7; 5000], newer, other] {
        room.write(&bytes);
        let refused = SealedFile::open(&path).expect_err("is no copy");
        assert!(matches!(refused, StoreError::NotACopy { .. }), "{refused}");
        assert!(refused.to_string().contains("copy.tar is no sealed copy"), "{refused}");
        assert_eq!(room.bytes(), bytes);
    }
    assert!(matches!(SealedFile::open(room.folder.path()), Err(StoreError::NoFile { .. })));
    assert!(!SealedFile::is_at(room.folder.path()) && !SealedFile::is_at(&path));
    room.write(b"");
    SealedFile::create(&path).expect("an empty file becomes one");
    assert!(SealedFile::is_at(&path));
}

/// Adds an entry as anybody could.
fn with_entry(bytes: &mut Vec<u8>, name: &[u8], kind: tar::EntryType, size: u64, body: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_folders_and_impossible_names_are_strangers() {
    let room = Room::new();
    drop(room.created());
    let secret = room.folder.path().join("secret");
    std::fs::write(&secret, b"not in the copy").expect("writes");
    symlink(&secret, room.folder.path().join("link")).expect("links");
    let mut bytes = room.bytes();
    bytes.truncate(bytes.len() - 1024);
    let file = tar::EntryType::Regular;
    with_entry(&mut bytes, b"../secret", file, 4, b"evil");
    with_entry(&mut bytes, b"/etc/passwd", file, 4, b"evil");
    with_entry(&mut bytes, b"o/ab/\xff\xfe", file, 4, b"evil");
    with_entry(&mut bytes, b"o/ab/link", tar::EntryType::Symlink, 1 << 20, b"");
    with_entry(&mut bytes, b"o/ab/hard", tar::EntryType::Link, 0, b"");
    with_entry(&mut bytes, b"o/ab", tar::EntryType::Directory, 0, b"");
    with_entry(&mut bytes, b"o/ab/abcdef", file, 4, b"good");
    bytes.resize(bytes.len() + 1024, 0);
    room.write(&bytes);
    let open = room.open();
    let page = open.list(&Prefix::below("o").expect("a prefix"), None).await.expect("lists");
    let names: Vec<&str> = page.objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(names, ["o/ab/abcdef"]);
    assert_eq!(page.strangers, ["o/ab/\u{fffd}\u{fffd}", "o/ab/link", "o/ab/hard", "o/ab"]);
    assert_eq!(get(&open, "o/ab/abcdef").await, Some(b"good".to_vec()));
    assert_eq!(get(&open, "o/ab/link").await, None);
    assert_eq!(open.damaged_offsets(), Vec::<u64>::new());
    put(&open, "o/ab/link", b"an object of this name").await;
    assert!(room.bytes().starts_with(bytes.get(..bytes.len() - 1024).expect("all but its end")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_is_gone_and_not_empty() {
    let room = Room::new();
    let file = room.created();
    put(&file, "o/ab/abcdef", b"one").await;
    std::fs::rename(room.path(), room.folder.path().join("away")).expect("moves");
    let absent = file.get(&key("o/ab/other"), 10).await;
    assert!(matches!(absent, Err(StoreError::Vanished { .. })), "{absent:?}");
    let put = file.put(&key("o/ab/other"), Body::from(vec![1]), &PutOptions::default()).await;
    assert!(matches!(put, Err(StoreError::Vanished { .. })), "{put:?}");
    assert!(!Path::new(&room.path()).exists(), "nothing is made in its place");
}
