//! Decides where each exported file goes.
//!
//! Invariant: every target lies inside the export folder, and no two items share one. A path from an
//! import may hold anything a file system allows, and one from another device anything at all: only plain
//! components are kept, and a name taken already (also by case, for disks that fold it) gets a number.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

/// The longest file name that common file systems take, in bytes.
const NAME_LIMIT_BYTES: usize = 255;

/// Room kept for ` (1234567)` and `.xmp`.
const SUFFIX_BYTES: usize = 16;

/// Hands out paths that are free.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    taken: HashSet<Vec<u8>>,
}

impl Layout {
    /// The path at which an item that once lay at `wished` goes, relative to the export folder.
    pub(crate) fn place(&mut self, wished: &Path, fallback: &str) -> PathBuf {
        let safe = safe_path(wished, fallback);
        if self.claim(&safe) {
            return safe;
        }
        let mut number = 2_u64;
        loop {
            let candidate = numbered(&safe, number);
            if self.claim(&candidate) {
                return candidate;
            }
            number += 1;
        }
    }

    fn claim(&mut self, path: &Path) -> bool {
        // The sidecar's name is claimed with the file's, since `a.jpg.xmp` could also be asked for.
        let folded = path.as_os_str().as_bytes().to_ascii_lowercase();
        let sidecar = sidecar_of(path).as_os_str().as_bytes().to_ascii_lowercase();
        if self.taken.contains(&folded) || self.taken.contains(&sidecar) {
            return false;
        }
        self.taken.insert(folded);
        self.taken.insert(sidecar);
        true
    }

    /// Keeps a name for something that is not an item.
    pub(crate) fn reserve(&mut self, name: &str) {
        self.taken.insert(name.to_ascii_lowercase().into_bytes());
    }
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
    fn a_long_name_keeps_its_extension_when_numbered() {
        let mut layout = Layout::default();
        let name = format!("{}.jpg", "é".repeat(125));
        layout.place(Path::new(&name), "x");
        let second = layout.place(Path::new(&name), "x");
        assert!(second.as_os_str().len() <= 255);
        assert!(second.to_str().unwrap().ends_with(" (2).jpg"));
    }
}
