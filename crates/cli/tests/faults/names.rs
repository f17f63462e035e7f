//! Names that no camera gives and every old disk has.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::pictures::photo;
use crate::room::{Room, sha256};

fn odd_names() -> Vec<OsString> {
    let mut names = vec![
        OsString::from("two\nlines.jpg"),
        OsString::from("tab\there.jpg"),
        OsString::from("\u{1b}[2J\u{1b}]0;title\u{7}.jpg"),
        OsString::from("-rf.jpg"),
        OsString::from("--yes.jpg"),
        OsString::from("back\\slash \"quoted\" 'single'.jpg"),
        OsString::from("right\u{202e}gpj.left.jpg"),
        OsString::from("emoji 🏔️ 夕日.jpg"),
        OsString::from(" leading and trailing .jpg "),
        OsString::from("%s%n%00.jpg"),
        OsString::from("UPPER.JPEG"),
    ];
    let longest = [vec![b'x'; 251], b".jpg".to_vec()].concat();
    assert_eq!(longest.len(), 255);
    names.push(OsString::from_vec(longest));
    names.push(OsString::from_vec(b"not utf-8 \xff\xfe\x80.jpg".to_vec()));
    names
}

#[test]
fn odd_names_come_in_and_go_out_byte_for_byte() {
    let room = Room::with_library();
    let mut written = Vec::new();
    for (seed, name) in odd_names().into_iter().enumerate() {
        let bytes = photo(seed as u64);
        // A file system may refuse bytes that are not UTF-8; Linux ones take everything.
        match std::fs::write(room.photos().join(&name), &bytes) {
            Ok(()) => written.push((name, bytes)),
            Err(error) => crate::room::skip(&format!("this file system refuses {}: {error}", name.display())),
        }
    }
    room.import().ends_with(&[0]);

    let listed = room.listed();
    for (name, bytes) in &written {
        assert!(listed.contains_key(&sha256(bytes)), "{} is missing", name.display());
    }

    let out = room.path("out");
    room.safelight(&["export", out.to_str().unwrap()]).ends_with(&[0]);
    let exported = crate::room::files_below(&out);
    for (name, bytes) in &written {
        let found = exported
            .iter()
            .filter(|path| path.file_name().unwrap().as_bytes() == name.as_bytes())
            .collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{} is not in the export exactly once", name.display());
        assert!(std::fs::read(found[0]).unwrap() == *bytes, "{} changed", name.display());
    }
    room.run(room.bare().args(["verify", "--export"]).arg(&out)).ends_with(&[0]);
}

#[test]
fn a_name_cannot_move_the_cursor_or_forge_a_line() {
    let room = Room::with_library();
    for (seed, name) in odd_names().into_iter().enumerate() {
        std::fs::write(room.photos().join(&name), photo(seed as u64)).unwrap();
    }
    room.put("\u{1b}[31mbroken\r\n.jpg", b"\xff\xd8\xff\xe0 no more");
    let mut import = room.unlocked();
    import.args(["--yes", "import", "--wait", "--settle=0"]).arg(room.photos());
    let said = room.run(&mut import).ends_with(&[0, 1]).said();
    let list = room.safelight(&["list"]).ends_with(&[0]).said();
    for text in [said, list] {
        assert!(!text.contains('\u{1b}'), "an escape sequence of a name reached the terminal:\n{text:?}");
        assert!(!text.contains('\r'), "a carriage return of a name reached the terminal:\n{text:?}");
    }
    let lines = room.safelight(&["list"]).text().lines().count();
    assert_eq!(lines, room.list().len(), "a newline in a name made a line of its own");
}

#[test]
fn loops_of_links_end() {
    let room = Room::with_library();
    let inside = room.put("album/one.jpg", photo(1));
    std::os::unix::fs::symlink(room.photos(), room.photos().join("album/up")).unwrap();
    std::os::unix::fs::symlink("self.jpg", room.photos().join("self.jpg")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all.jpg", room.photos().join("dangling.jpg")).unwrap();
    std::os::unix::fs::symlink(&inside, room.photos().join("again.jpg")).unwrap();
    room.import();
    let listed = room.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(listed.contains_key(&sha256(&photo(1))));
    room.verify_is_clean();
}

#[test]
fn a_link_that_leads_nowhere_fails_nothing_and_hides_nothing_else() {
    let room = Room::with_library();
    let gone = room.put("gone.jpg", photo(1));
    room.put("stays.jpg", photo(2));
    let target = room.path("target.jpg");
    std::fs::write(&target, photo(3)).unwrap();
    std::os::unix::fs::symlink(&target, room.photos().join("linked.jpg")).unwrap();
    room.import().ends_with(&[0]);
    for removed in [&gone, &target] {
        std::fs::remove_file(removed).unwrap();
    }
    let outcome = room.run(&mut room.import_command()).ends_with(&[0]);
    let report = outcome.json();
    // What the link leads to may lie on a disk that is not connected.
    assert_eq!(
        (&report["gone"], &report["left_out"], &report["failed"]),
        (&1.into(), &1.into(), &0.into()),
        "{report}"
    );
    assert!(
        outcome.stderr.contains("linked.jpg") && outcome.stderr.contains("leads nowhere"),
        "{}",
        outcome.said()
    );
}

#[test]
fn no_reason_and_no_label_turns_a_terminal() {
    let room = Room::with_library();
    let photo = room.put("x\u{1b}[31m\u{202e}/a.jpg", photo(1));
    let mut link = room.unlocked();
    room.run(link.args(["import", "--wait", "--link", "--settle=0"]).arg(room.photos())).ends_with(&[0]);
    std::fs::remove_file(photo).unwrap();
    let exported = room.run(room.unlocked().arg("export").arg(room.path("out"))).ends_with(&[0, 1]).said();
    let label = "\u{1b}[31mred\u{202e}";
    let mut add = room.unlocked();
    add.args(["key", "add", "--label", label, "--new-key-file"]).arg(room.path("another"));
    let added = room.run(&mut add).ends_with(&[0]).said();
    let listed = room.safelight(&["key", "list"]).ends_with(&[0]).said();
    let mut test = room.bare();
    test.arg("--key-file").arg(room.path("another")).args(["key", "test", label]);
    let tested = room.run(&mut test).ends_with(&[0]).said();
    let removed = room.safelight(&["--yes", "key", "remove", label]).ends_with(&[0]).said();
    for said in [exported, added, listed, tested, removed] {
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    }
}

#[test]
fn folders_within_folders_are_walked_to_the_end() {
    let room = Room::with_library();
    let mut path = std::path::PathBuf::new();
    for depth in 0..120 {
        path.push(format!("level {depth:03}"));
    }
    room.put(path.join("deep.jpg"), photo(3));
    room.import().ends_with(&[0]);
    assert_eq!(room.listed().len(), 1);
}
