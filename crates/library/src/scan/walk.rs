//! Walks a folder in the order of its paths' bytes.
//!
//! The order is the invariant: it is the order in which the stat cache keeps its rows, so that a scan
//! is one pass over two sorted lists and an unchanged library costs one `lstat` a file and nothing else.
//! A directory sorts as its name with a `/` behind it, which makes depth-first order equal byte order.
//! Links to folders are not followed, so a loop cannot trap the walk; links to files are read as files.

use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::monitor::Problem;

/// One regular file that the walk came by.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What `stat` said of it.
    pub(crate) metadata: Metadata,
}

/// One step of a walk.
#[derive(Debug)]
pub(crate) enum Step {
    /// A regular file.
    File(Found),
    /// Something that was passed over.
    Skipped(PassedOver),
}

/// A folder, link or device that was passed over.
#[derive(Debug)]
pub(crate) struct PassedOver {
    /// Where it is, and why.
    pub(crate) problem: Problem,
    /// Whether it could not be looked at, or leads nowhere: of what lies there nothing is known.
    pub(crate) is_unseen: bool,
}

impl PassedOver {
    fn left_out(problem: Problem) -> Self {
        Self { problem, is_unseen: false }
    }

    fn unseen(problem: Problem) -> Self {
        Self { problem, is_unseen: true }
    }
}

struct Pending {
    path: PathBuf,
    metadata: Metadata,
}

/// A depth-first walk in byte order; holds one sorted listing for every level above the current file.
pub(crate) struct Walk {
    levels: Vec<std::vec::IntoIter<Result<Pending, PassedOver>>>,
    /// Folders that are never entered: the library itself, for one.
    excluded: Vec<PathBuf>,
}

impl Walk {
    /// Walks `root`, which may be one file, without entering `excluded`.
    pub(crate) fn new(root: &Path, excluded: Vec<PathBuf>) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(root)?;
        let first = vec![Ok(Pending { path: root.to_owned(), metadata })];
        Ok(Self { levels: vec![first.into_iter()], excluded })
    }

    fn enter(&mut self, folder: &Path) -> Option<PassedOver> {
        if self.excluded.iter().any(|excluded| excluded == folder) {
            return Some(PassedOver::left_out(Problem::notice(folder, "this is the library's own folder")));
        }
        if folder.join("library.toml").is_file() && folder.join("keys").is_dir() {
            let reason = "this is a Safelight library, not a folder of photos";
            return Some(PassedOver::left_out(Problem::notice(folder, reason)));
        }
        match sorted_listing(folder) {
            Ok(listing) => {
                self.levels.push(listing.into_iter());
                None
            }
            Err(error) => Some(PassedOver::unseen(Problem::failure(
                folder,
                format!("the folder cannot be read: {error}"),
            ))),
        }
    }
}

impl Iterator for Walk {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let level = self.levels.last_mut()?;
            match level.next() {
                None => {
                    self.levels.pop();
                }
                Some(Err(passed)) => return Some(Step::Skipped(passed)),
                Some(Ok(Pending { path, metadata })) => {
                    if metadata.is_dir() {
                        if let Some(passed) = self.enter(&path) {
                            return Some(Step::Skipped(passed));
                        }
                    } else if metadata.is_file() {
                        return Some(Step::File(Found { path, metadata }));
                    } else {
                        let reason = format!("{}, which holds no photo: left out", kind_of(&metadata));
                        let passed = PassedOver::left_out(Problem::omission(path, reason));
                        return Some(Step::Skipped(passed));
                    }
                }
            }
        }
    }
}

fn sorted_listing(folder: &Path) -> std::io::Result<Vec<Result<Pending, PassedOver>>> {
    let mut rows: Vec<(Vec<u8>, Result<Pending, PassedOver>)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name: OsString = entry.file_name();
        let mut key = name.as_bytes().to_vec();
        let row = examine(path);
        if matches!(&row, Ok(pending) if pending.metadata.is_dir()) {
            key.push(b'/');
        }
        rows.push((key, row));
    }
    rows.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// What something is that is neither file nor folder.
fn kind_of(metadata: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;

    let kind = metadata.file_type();
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "no file"
    }
}

fn examine(path: PathBuf) -> Result<Pending, PassedOver> {
    let skipped = |path, reason: String| Err(PassedOver::left_out(Problem::omission(path, reason)));
    let metadata = match std::fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Err(PassedOver::unseen(Problem::failure(
                path,
                format!("it cannot be looked at: {error}"),
            )));
        }
    };
    if !metadata.is_symlink() {
        return Ok(Pending { path, metadata });
    }
    match std::fs::metadata(&path) {
        Ok(target) if target.is_file() => Ok(Pending { path, metadata: target }),
        Ok(target) if target.is_dir() => {
            skipped(path, "a link to a folder; name the folder itself to import it".into())
        }
        Ok(target) => {
            skipped(path, format!("a link to {}, which holds no photo: left out", kind_of(&target)))
        }
        Err(error) => {
            Err(PassedOver::unseen(Problem::omission(path, format!("a link that leads nowhere: {error}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(root: &Path) -> Vec<PathBuf> {
        Walk::new(root, Vec::new())
            .unwrap()
            .filter_map(|step| match step {
                Step::File(found) => Some(found.path.strip_prefix(root).unwrap().to_owned()),
                Step::Skipped(_) => None,
            })
            .collect()
    }

    #[test]
    fn files_come_in_the_byte_order_of_their_whole_paths() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/z.jpg", "a.jpg", "a-b.jpg", "a/b/c.jpg", "b.jpg", "A.jpg"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        let walked = files(folder.path());
        let mut sorted = walked.clone();
        sorted.sort_by(|left, right| left.as_os_str().as_bytes().cmp(right.as_os_str().as_bytes()));
        assert_eq!(walked, sorted);
        assert_eq!(walked.len(), 6);
    }

    #[test]
    fn a_loop_of_links_ends_the_walk_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("inner/up")).unwrap();
        std::os::unix::fs::symlink("self.jpg", folder.path().join("self.jpg")).unwrap();
        let problems: Vec<_> = Walk::new(folder.path(), Vec::new())
            .unwrap()
            .filter_map(|step| match step {
                Step::Skipped(passed) => Some(passed.problem.path),
                Step::File(_) => None,
            })
            .collect();
        assert_eq!(problems.len(), 2);
    }
}
