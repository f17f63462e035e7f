//! Decides where each exported file goes.
//!
//! Invariant: every target lies inside the export folder, and no two items share one. A path from an
//! import may hold anything a file system allows, and one from another device anything at all: only plain
//! components are kept, and a name taken already gets a number: also one that differs only by case or by how its
//! accents are composed, for disks that fold them, and one that is a folder here and a file there.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use unicode_normalization::UnicodeNormalization as _;

/// The longest file name that common file systems take, in bytes.
const NAME_LIMIT_BYTES: usize = 255;

/// Room kept for ` (1234567)` and `.xmp`.
const SUFFIX_BYTES: usize = 16;

/// Hands out paths that are free.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// What is a file, folded.
    files: HashSet<String>,
    /// What is a folder, folded.
    folders: HashSet<String>,
}

impl Layout {
    /// The path at which an item that once lay at `wished` goes, relative to the export folder.
    pub(crate) fn place(&mut self, wished: &Path, fallback: &str) -> PathBuf {
        let safe = safe_path(wished, fallback);
        let mut folder = PathBuf::new();
        for name in safe.parent().into_iter().flat_map(Path::components) {
            folder = free(&folder.join(name), |path| self.claim_folder(path));
        }
        free(&folder.join(safe.file_name().unwrap_or_default()), |path| self.claim(path))
    }

    /// Claims a place for a file.
    fn claim(&mut self, path: &Path) -> bool {
        // The sidecar's name is claimed with the file's, since `a.jpg.xmp` could also be asked for.
        let names = [folded(path), folded(&sidecar_of(path))];
        if names.iter().any(|name| self.files.contains(name) || self.folders.contains(name)) {
            return false;
        }
        self.files.extend(names);
        true
    }

    /// Claims a place for a folder, which may be one already.
    fn claim_folder(&mut self, path: &Path) -> bool {
        let name = folded(path);
        if self.files.contains(&name) {
            return false;
        }
        self.folders.insert(name);
        true
    }

    /// Keeps a name for something that is not an item.
    pub(crate) fn reserve(&mut self, name: &str) {
        self.files.insert(folded(Path::new(name)));
    }
}

/// A path, or the first of its numbered followers that can be claimed.
fn free(path: &Path, mut claim: impl FnMut(&Path) -> bool) -> PathBuf {
    let mut candidate = path.to_owned();
    let mut number = 2_u64;
    while !claim(&candidate) {
        candidate = numbered(path, number);
        number += 1;
    }
    candidate
}

/// What paths have in common that some disk takes for one. Folding too much costs a number, folding too little a photo:
/// so what any case of a letter makes alike is alike.
fn folded(path: &Path) -> String {
    let composed: String = path.to_string_lossy().nfc().collect();
    composed.to_uppercase().to_lowercase().nfc().collect()
}

/// Where the sidecar of an exported file goes: beside it, with `.xmp` behind the whole name; behind the stem
/// alone where the name would become too long.
pub(crate) fn sidecar_of(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    if name.len() + ".xmp".len() > NAME_LIMIT_BYTES {
        name = shortened(place.file_stem().unwrap_or_default(), NAME_LIMIT_BYTES - SUFFIX_BYTES);
    }
    name.push(".xmp");
    place.with_file_name(name)
}

fn safe_path(wished: &Path, fallback: &str) -> PathBuf {
    let mut safe = PathBuf::new();
    for component in wished.components() {
        if let Component::Normal(name) = component {
            safe.push(shortened(name, NAME_LIMIT_BYTES));
        }
    }
    if safe.as_os_str().is_empty() {
        safe.push(fallback);
    }
    safe
}

/// Keeps the extension and as much of the stem as fits.
fn shortened(name: &OsStr, limit: usize) -> OsString {
    let bytes = name.as_bytes();
    if bytes.len() <= limit {
        return name.to_owned();
    }
    let extension = Path::new(name).extension().map(OsStr::as_bytes).unwrap_or_default();
    let extension = if extension.len() > 16 { &[] } else { extension };
    let stem_limit = limit - extension.len() - 1;
    let mut out = bytes[..stem_limit].to_vec();
    while std::str::from_utf8(&out).is_err_and(|error| error.error_len().is_none()) {
        out.pop();
    }
    if !extension.is_empty() {
        out.push(b'.');
        out.extend_from_slice(extension);
    }
    OsString::from_vec(out)
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default();
    let extension = path.extension();
    let room = NAME_LIMIT_BYTES - SUFFIX_BYTES - extension.map_or(0, OsStr::len);
    let mut name = shortened(stem, room);
    name.push(format!(" ({number})"));
    if let Some(extension) = extension {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_export_folder() {
        let mut layout = Layout::default();
        assert_eq!(layout.place(Path::new("/etc/../../passwd"), "x"), Path::new("etc/passwd"));
        assert_eq!(layout.place(Path::new("../.."), "abc.jpg"), Path::new("abc.jpg"));
    }

    #[test]
    fn no_two_items_share_a_path_even_where_case_is_folded() {
        let mut layout = Layout::default();
        let first = layout.place(Path::new("a/b.JPG"), "x");
        let second = layout.place(Path::new("a/B.jpg"), "x");
        let third = layout.place(Path::new("a/b.jpg.xmp"), "x");
        assert_eq!(first, Path::new("a/b.JPG"));
        assert_eq!(second, Path::new("a/B (2).jpg"));
        assert_ne!(third, Path::new("a/b.jpg.xmp"));
    }

    #[test]
    fn no_two_items_share_a_path_where_every_alphabet_is_folded_and_composed() {
        for (one, other) in [
            ("\u{c9}t\u{e9}.jpg", "\u{e9}t\u{c9}.jpg"),
            ("\u{e9}t\u{e9}.jpg", "e\u{301}te\u{301}.jpg"),
            ("\u{e9}t\u{e9}/a.jpg", "E\u{301}te\u{301}/A.jpg"),
            ("\u{3c3}.jpg", "\u{3c2}.jpg"),
        ] {
            let mut layout = Layout::default();
            assert_eq!(layout.place(Path::new(one), "x"), Path::new(one));
            let second = layout.place(Path::new(other), "x");
            assert!(second.to_str().unwrap().ends_with(" (2).jpg"), "{second:?}");
        }
    }

    #[test]
    fn a_file_and_a_folder_of_one_name_find_room_in_either_order() {
        let mut layout = Layout::default();
        assert_eq!(layout.place(Path::new("x.jpg"), "y"), Path::new("x.jpg"));
        assert_eq!(layout.place(Path::new("X.jpg/a.jpg"), "y"), Path::new("X (2).jpg/a.jpg"));
        assert_eq!(layout.place(Path::new("X.jpg/b.jpg"), "y"), Path::new("X (2).jpg/b.jpg"));
        assert_eq!(layout.place(Path::new("x.jpg.xmp/b.jpg"), "y"), Path::new("x.jpg (2).xmp/b.jpg"));
        let mut layout = Layout::default();
        assert_eq!(layout.place(Path::new("x.jpg/a.jpg"), "y"), Path::new("x.jpg/a.jpg"));
        assert_eq!(layout.place(Path::new("X.JPG"), "y"), Path::new("X (2).JPG"));
    }

    #[test]
    fn a_long_name_keeps_its_extension_when_numbered() {
        let mut layout = Layout::default();
        let name = format!("{}.jpg", "é".repeat(125));
        layout.place(Path::new(&name), "x");
        let second = layout.place(Path::new(&name), "x");
        assert!(second.as_os_str().len() <= 255);
        assert!(second.to_str().unwrap().ends_with(" (2).jpg"));
    }
}
