//! Whether something that is to be written would lie in a library's folder, which people sync and back up: nothing in
//! the open may come to lie there.

use std::path::{Component, Path, PathBuf};

/// Whether a path, which need not exist yet, lies in a folder or is it, by whatever links either is named.
///
/// # Errors
/// When the path is relative and the current folder is not known.
pub fn lies_within(path: &Path, folder: &Path) -> std::io::Result<bool> {
    Ok(resolved(path)?.starts_with(resolved(folder)?))
}

/// The path without links and dots, as far as it exists; what does not exist yet is taken as it is written.
fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                resolved.pop();
            }
            other => {
                resolved.push(other);
                resolved = std::fs::canonicalize(&resolved).unwrap_or(resolved);
            }
        }
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_links_by_dots_and_before_it_exists() {
        let room = tempfile::tempdir().unwrap();
        let (inside, beside) = (room.path().join("library/in"), room.path().join("library-2"));
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir(&beside).unwrap();
        std::os::unix::fs::symlink(&inside, beside.join("link")).unwrap();
        let library = room.path().join("library");
        let is_inside = |path: PathBuf| lies_within(&path, &library).unwrap();
        assert!(is_inside(library.clone()) && is_inside(inside.join("a/b")));
        assert!(is_inside(beside.join("link/new")) && is_inside(beside.join("link/..")));
        assert!(is_inside(beside.join("new/../../library/new")));
        assert!(!is_inside(beside.clone()) && !is_inside(inside.join("../../other")));
        assert!(!is_inside(room.path().to_owned()));
    }
}
