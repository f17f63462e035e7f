//! How plain copies speak: exit codes, JSON, what is said to whom, and files that cannot be read.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::room::{PROGRAM, Room, ended};

/// A user to whom nothing belongs.
const NOBODY: u32 = 65_534;

#[test]
fn a_push_says_that_the_copy_can_be_read_when_it_is_begun_and_ends_with_its_summary() {
    let room = Room::new();
    room.write("a.jpg", b"one");
    room.write("b/c.txt", b"two");
    let (source, address) = (room.source(), room.address());
    let push = ["plain", "push", source.to_str().unwrap(), &address];
    let first = room.run(&push).with(0);
    assert_eq!(first.stdout, "scan=2 uploaded=2 skipped=0 failed=0\n");
    assert!(first.stderr.contains("can read this copy"), "{}", first.stderr);
    let second = room.run(&push).with(0);
    assert_eq!(second.stdout, "scan=2 uploaded=0 skipped=2 failed=0\n");
    assert!(!second.stderr.contains("can read this copy"), "{}", second.stderr);
    assert!(room.path("home/.local/share/safelight/plain/index.db").exists());
    let listed = room.run(&["--json", "plain", "list"]).with(0).json();
    assert_eq!(listed["files"][0]["path"], "a.jpg");
    assert_eq!(listed["place"], address);
    let copies = room.run(&["--json", "plain", "list", "--copies"]).with(0).json();
    assert_eq!(
        (&copies["copies"][0]["files"], &copies["copies"][0]["encrypted"]),
        (&2.into(), &false.into())
    );
    room.run(&["plain", "verify"]).with(0);
    let dry = room.run(&["--dry-run", "plain", "restore", room.path("out").to_str().unwrap()]).with(0);
    assert!(dry.stderr.contains("2 files would be restored") && !room.path("out").exists(), "{}", dry.stderr);
}

#[test]
fn what_a_library_says_of_privacy_names_the_plain_copies_of_this_machine() {
    let room = Room::new();
    room.write("a.jpg", b"one");
    let passphrase = room.path("passphrase");
    std::fs::write(&passphrase, "correct horse battery staple nine\n").unwrap();
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    let unlock = ["--passphrase-file", passphrase.to_str().unwrap()];
    let words = room.path("words");
    room.run(&[&unlock[..], &["init", "--recovery-file", words.to_str().unwrap()]].concat()).with(0);
    let privacy = [&unlock[..], &["remote", "privacy"]].concat();
    let before = room.run(&privacy).with(0);
    assert!(before.stderr.contains("nobody else sees anything"), "{}", before.stderr);
    room.run(&["plain", "push", room.source().to_str().unwrap(), &room.address()]).with(0);
    let after = room.run(&privacy).with(0);
    assert!(
        after.stdout.contains(&room.address()) && after.stdout.contains("NOT ENCRYPTED"),
        "{}",
        after.stdout
    );
    assert!(!after.stderr.contains("nobody else sees anything"), "{}", after.stderr);
}

#[test]
fn exit_codes_and_json_are_those_of_every_command() {
    let room = Room::new();
    let (source, address) = (room.source(), room.address());
    room.run(&["plain", "list"]).with(4);
    room.run(&["plain", "push", source.to_str().unwrap()]).with(2);
    room.run(&["plain", "push", source.to_str().unwrap(), "nowhere"]).with(2);
    room.run(&["plain", "push", source.to_str().unwrap(), &address, "--workers", "33"]).with(2);
    room.run(&["plain", "push", source.to_str().unwrap(), &address, "--tier", "warm"]).with(2);
    room.run(&["plain", "push", "/nowhere", &address]).with(2);
    let nothing = room.run(&["plain", "push", source.to_str().unwrap(), "folder:/nowhere/at/all"]);
    assert_eq!(nothing.code, Some(0), "an empty source needs no place: {}", nothing.stderr);
    room.write("a.jpg", b"one");
    room.run(&["plain", "push", source.to_str().unwrap(), "folder:/nowhere/at/all"]).with(4);
    let sas = "https://acct.blob.core.windows.net/box?sv=1&sig=PLANTED";
    let refused = room.run(&["--json", "plain", "push", source.to_str().unwrap(), sas]).with(2);
    assert!(refused.stderr.contains("SAS") && !refused.stderr.contains("PLANTED"), "{}", refused.stderr);
    let pushed = room.run(&["--json", "plain", "push", source.to_str().unwrap(), &address]).with(0).json();
    assert_eq!(
        (&pushed["uploaded"], &pushed["failed"], &pushed["dry_run"]),
        (&1.into(), &0.into(), &false.into())
    );
    let out = room.path("out");
    room.run(&["plain", "list", "nowhere"]).with(4);
    room.run(&["plain", "tier", "hot", "nowhere"]).with(4);
    room.run(&["plain", "restore", out.to_str().unwrap(), "a.jpg", "nowhere"]).with(4);
    room.run(&["plain", "restore", out.to_str().unwrap(), "nowhere", "--without-index"]).with(4);
    assert!(!out.exists());
    let tar = format!("file:{}", room.path("photos.tar").display());
    let sealed = room.run(&["plain", "push", source.to_str().unwrap(), &tar]).with(2);
    assert!(sealed.stderr.contains("sealed copy") && !room.path("photos.tar").exists(), "{}", sealed.stderr);
    let other = room.path("second");
    std::fs::create_dir(&other).unwrap();
    let second = room.run(&["plain", "push", other.to_str().unwrap(), &address]).with(5);
    assert!(
        second.stderr.contains("--yes") && second.stderr.contains(source.to_str().unwrap()),
        "{}",
        second.stderr
    );
    std::fs::remove_dir_all(room.path("place")).unwrap();
    std::fs::create_dir(room.path("place")).unwrap();
    let lost = room.run(&["--json", "plain", "verify"]).with(6).json();
    assert_eq!((&lost["damaged"], &lost["problems"][0]["path"]), (&1.into(), &"a.jpg".into()));
    let archive = room.run(&["plain", "tier", "archive"]).with(5);
    assert!(archive.stderr.contains("--yes"), "{}", archive.stderr);
    let rule = room
        .run(&["plain", "lifecycle", "--at", "azure://acct/box/photos", "--archive-after", "365"])
        .with(0);
    assert_eq!(
        rule.json()["rules"][0]["definition"]["actions"]["baseBlob"]["tierToArchive"]["daysAfterModificationGreaterThan"],
        365
    );
    assert!(rule.stderr.contains("az storage account management-policy create"), "{}", rule.stderr);
    room.run(&["plain", "link", "a.jpg"]).with(5);
    room.run(&["plain", "link", "a.jpg", "--for", "8d"]).with(2);
}

#[test]
fn what_cannot_be_read_is_named_and_the_others_go_on() {
    let room = Room::new();
    for name in ["a.jpg", "closed.jpg", "z.jpg", "shut/b.jpg"] {
        room.write(name, name.as_bytes());
    }
    let close = |name: &str, mode: u32| {
        std::fs::set_permissions(room.source().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    close("closed.jpg", 0o000);
    close("shut", 0o000);
    let (source, address) = (room.source(), room.address());
    let push = ["--json", "plain", "push", source.to_str().unwrap(), &address];
    // Whoever may read everything is somebody else for a while, with a copy of the program that anybody may run.
    let program = room.path("program");
    std::fs::copy(PROGRAM, &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = room.command(program.to_str().unwrap(), &push);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let first = ended(&mut command).with(1);
    close("closed.jpg", 0o644);
    close("shut", 0o755);
    let report = first.json();
    assert_eq!((&report["uploaded"], &report["failed"]), (&2.into(), &2.into()), "{report}");
    let mut named: Vec<&str> =
        report["problems"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["closed.jpg", "shut"]);
    let second = ended(&mut command).with(0).json();
    assert_eq!((&second["uploaded"], &second["skipped"]), (&2.into(), &2.into()));
}

/// A small disk in memory, gone with the test.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn at(path: std::path::PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let options = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output().ok()?;
        mount.status.success().then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_below_the_index_is_said_and_nothing_is_sent_twice_afterwards() {
    let room = Room::new();
    for number in 0..200 {
        let name = format!("{number:03}-{}.jpg", "long name ".repeat(15));
        room.write(&name, name.as_bytes());
    }
    let Some(disk) = SmallDisk::at(room.path("small"), "96k") else {
        eprintln!("skipped: no tmpfs can be mounted here (it needs root); the full disk was not tried");
        return;
    };
    let (source, address) = (room.source(), room.address());
    let small = disk.0.join("state");
    let push = ["plain", "push", source.to_str().unwrap(), &address, "--state-dir"];
    let full = room.run(&[&push[..], &[small.to_str().unwrap()]].concat()).with(1);
    assert!(full.stderr.contains("no room is left") && full.stderr.contains("index.db"), "{}", full.stderr);
    let other = room.path("other");
    let rest = room.run(&[&["--json"][..], &push, &[other.to_str().unwrap()]].concat()).with(0).json();
    assert_eq!(rest["failed"], 0);
    assert_eq!(rest["uploaded"].as_u64().unwrap() + rest["existing"].as_u64().unwrap(), 200);
    assert!(rest["existing"].as_u64().unwrap() > 0, "{rest}");
}
