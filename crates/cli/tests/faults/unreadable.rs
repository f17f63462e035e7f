//! What a source does not let anybody look at for a time holds what it held.

use std::path::{Path, PathBuf};

use crate::pictures::{heavy_photo, photo};
use crate::room::{Outcome, Room, files_below, set_mode, skip};

/// A file or folder that is closed to the program as long as this lives.
struct Closed {
    path: PathBuf,
    mode: u32,
}

impl Closed {
    fn file(path: &Path) -> Self {
        Self::with(path, 0o000, 0o644)
    }

    fn folder(path: &Path, closed: u32) -> Self {
        Self::with(path, closed, 0o755)
    }

    fn with(path: &Path, closed: u32, mode: u32) -> Self {
        set_mode(path, closed);
        Self { path: path.to_owned(), mode }
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        set_mode(&self.path, self.mode);
    }
}

fn import(room: &Room, link: bool) -> Outcome {
    let mut command = room.unlocked();
    command.args(["--json", "--yes", "import", "--wait", "--settle=0"]);
    room.run(command.args(link.then_some("--link")).arg(room.photos()))
}

/// Every path at which the photo is found that one of them names.
fn found_at(room: &Room, name: &str) -> Vec<String> {
    let shown = room.safelight(&["--json", "show", name]).ends_with(&[0]).json();
    let root = room.photos().canonicalize().unwrap();
    let paths = shown["found_at"].as_array().unwrap().iter().map(|path| Path::new(path.as_str().unwrap()));
    let mut paths: Vec<_> =
        paths.map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect();
    paths.sort();
    paths
}

fn exported(room: &Room) -> Vec<String> {
    let out = room.path("home/out");
    let mut export = room.unlocked();
    room.run(export.args(["--yes", "export", "--no-sidecars"]).arg(&out)).ends_with(&[0]);
    let files = files_below(&out).into_iter();
    let files = files.map(|path| path.strip_prefix(&out).unwrap().display().to_string());
    let files = files.filter(|path| path != "manifest.json").collect();
    std::fs::remove_dir_all(out).unwrap();
    files
}

#[test]
fn photos_in_a_folder_that_cannot_be_read_for_a_time_keep_their_paths() {
    // Closed altogether, and listed with nothing in it to be looked at.
    for (closed, link) in [(0o444, false), (0o000, true)] {
        let story = format!("mode {closed:o}, link {link}");
        let Some(room) = Room::of_somebody() else {
            return skip("this user may read everything and no other could be taken on");
        };
        let kept = room.put("kept/a.jpg", photo(1));
        room.put("kept/alone.jpg", heavy_photo(2, 200 << 10));
        room.put("open/b.jpg", photo(3));
        import(&room, link).ends_with(&[0]);

        std::fs::copy(&kept, room.photos().join("open/copy.jpg")).unwrap();
        std::fs::rename(room.photos().join("open/b.jpg"), room.photos().join("open/c.jpg")).unwrap();
        let folder = Closed::folder(&room.photos().join("kept"), closed);
        let report = import(&room, link).ends_with(&[1]).json();
        // Of the open folder it is known that a file has left it, of the closed one nothing.
        let counts = ["gone", "gone_moved", "replaced"].map(|name| report[name].as_u64());
        assert_eq!(counts, [Some(1), Some(1), Some(0)], "{story}: {report}");
        assert_eq!(found_at(&room, "a.jpg"), ["kept/a.jpg", "open/copy.jpg"], "{story}");
        assert_eq!(found_at(&room, "alone.jpg"), ["kept/alone.jpg"], "{story}");
        assert_eq!(found_at(&room, "c.jpg"), ["open/c.jpg"], "{story}");
        let again = import(&room, link).ends_with(&[1]).json();
        assert_eq!((&again["imported"], &again["gone"]), (&0.into(), &0.into()), "{story}: {again}");

        drop(folder);
        let report = import(&room, link).ends_with(&[0]).json();
        assert_eq!(report["gone"], 0, "{story}: {report}");
        assert_eq!(found_at(&room, "a.jpg"), ["kept/a.jpg", "open/copy.jpg"], "{story}");
        assert_eq!(
            exported(&room),
            ["kept/a.jpg", "kept/alone.jpg", "open/c.jpg", "open/copy.jpg"],
            "{story}"
        );
        room.verify_is_clean();
    }
}

#[test]
fn a_file_that_cannot_be_read_for_a_time_keeps_its_path() {
    for link in [false, true] {
        let Some(room) = Room::of_somebody() else {
            return skip("this user may read everything and no other could be taken on");
        };
        let kept = room.put("kept.jpg", photo(1));
        room.put("other.jpg", photo(2));
        import(&room, link).ends_with(&[0]);
        room.put("copy.jpg", photo(1));
        let file = Closed::file(&kept);
        import(&room, link).ends_with(&[1]);
        assert_eq!(found_at(&room, "kept.jpg"), ["copy.jpg", "kept.jpg"], "link {link}");
        drop(file);
        import(&room, link).ends_with(&[0]);
        assert_eq!(exported(&room), ["copy.jpg", "kept.jpg", "other.jpg"], "link {link}");
        room.verify_is_clean();
    }
}
