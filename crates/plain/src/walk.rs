//! Walking a source: every plain file below it, in the order of names. Links are never followed, so nothing outside is
//! reached and nothing is reached twice.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::content::Stat;
use crate::error::PlainError;
use crate::monitor::{Problem, Weight};

/// The extensions of `--media`, and of the drop-in for azphotosync.
pub const MEDIA_EXTENSIONS: [&str; 15] = [
    "jpg", "jpeg", "png", "gif", "heic", "heif", "webp", "bmp", "tif", "tiff", "mp4", "mov", "m4v", "avi",
    "mkv",
];

/// Whether a name ends in one of [`MEDIA_EXTENSIONS`], in capitals or not.
#[must_use]
pub fn is_media(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension
        .is_some_and(|extension| MEDIA_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The source as a whole path: a folder that can be read.
pub(crate) fn open_source(path: &Path) -> Result<PathBuf, PlainError> {
    let fail = |source| PlainError::Source { path: path.to_owned(), source };
    let real = path.canonicalize().map_err(fail)?;
    std::fs::read_dir(&real).map_err(fail)?;
    Ok(real)
}

/// A plain file of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Relative to the source.
    pub(crate) relative: PathBuf,
    pub(crate) stat: Stat,
}

/// What a walk meets.
#[derive(Debug)]
pub(crate) enum Met {
    File(Found),
    /// A file that is no media, where only media are wanted.
    Other,
    /// A link, or what else is no file.
    Strange(Problem),
    /// What could not be looked at.
    Unreadable(Problem),
}

/// How many things are handed on at once, and how often that may be ahead.
const AT_ONCE: usize = 64;
const AHEAD: usize = 8;

/// What a walk meets, from a thread of its own that is only a little ahead.
pub(crate) struct Walking {
    receiver: mpsc::Receiver<Vec<Met>>,
    met: std::vec::IntoIter<Met>,
}

impl Walking {
    /// Begins to walk; the walk ends when this is dropped.
    pub(crate) fn begin(source: PathBuf, only_media: bool) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let walker = tokio::task::spawn_blocking(move || {
            let mut together = Vec::with_capacity(AT_ONCE);
            walk(&source, only_media, |met| {
                together.push(met);
                together.len() < AT_ONCE || sender.blocking_send(std::mem::take(&mut together)).is_ok()
            });
            // Nobody listens any more when a walk was ended early.
            drop(sender.blocking_send(together));
        });
        (Self { receiver, met: Vec::new().into_iter() }, walker)
    }

    /// What was met next; nothing at the end.
    pub(crate) async fn next(&mut self) -> Option<Met> {
        loop {
            if let Some(met) = self.met.next() {
                return Some(met);
            }
            self.met = self.receiver.recv().await?.into_iter();
        }
    }
}

/// One entry that is still to be looked at.
enum Next {
    Folder(PathBuf),
    File(PathBuf),
}

/// Walks a source; `meet` answers whether to go on.
pub(crate) fn walk(source: &Path, only_media: bool, mut meet: impl FnMut(Met) -> bool) {
    let mut ahead = vec![Next::Folder(PathBuf::new())];
    while let Some(next) = ahead.pop() {
        let goes_on = match next {
            Next::File(relative) => match std::fs::symlink_metadata(source.join(&relative)) {
                Ok(metadata) => meet(Met::File(Found { relative, stat: Stat::of(&metadata) })),
                Err(error) => meet(unreadable(relative, &error)),
            },
            Next::Folder(relative) => match list(source, &relative, only_media, &mut meet) {
                Ok(Some(mut inside)) => {
                    ahead.append(&mut inside);
                    true
                }
                Ok(None) => false,
                Err(error) => meet(unreadable(relative, &error)),
            },
        };
        if !goes_on {
            return;
        }
    }
}

fn unreadable(relative: PathBuf, error: &std::io::Error) -> Met {
    let path = if relative.as_os_str().is_empty() { PathBuf::from(".") } else { relative };
    Met::Unreadable(Problem::new(path, format!("it cannot be read: {error}"), Weight::Failure))
}

/// What is in a folder, the last name first; nothing when the walk is to end.
fn list(
    source: &Path,
    relative: &Path,
    only_media: bool,
    meet: &mut impl FnMut(Met) -> bool,
) -> std::io::Result<Option<Vec<Next>>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(source.join(relative))? {
        let entry = entry?;
        entries.push((entry.file_name(), entry.file_type()?));
    }
    entries.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
    let mut inside = Vec::with_capacity(entries.len());
    for (name, kind) in entries {
        let path = relative.join(&name);
        if kind.is_dir() {
            inside.push(Next::Folder(path));
        } else if kind.is_file() && (!only_media || is_media(&path)) {
            inside.push(Next::File(path));
        } else {
            let met = match (kind.is_file(), kind.is_symlink()) {
                (true, _) => Met::Other,
                (_, true) => strange(path, "a link, which is not followed"),
                _ => strange(path, "no plain file"),
            };
            if !meet(met) {
                return Ok(None);
            }
        }
    }
    Ok(Some(inside))
}

fn strange(path: PathBuf, what: &str) -> Met {
    Met::Strange(Problem::new(path, what, Weight::Notice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_names_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("b/c")).unwrap();
        for file in ["a.JPG", "b/c/d.mov", "b/note.txt", "z.jpg"] {
            std::fs::write(root.join(file), b"x").unwrap();
        }
        std::os::unix::fs::symlink("..", root.join("b/loop")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", root.join("out.jpg")).unwrap();
        let (mut files, mut others, mut strange) = (Vec::new(), 0, 0);
        walk(root, true, |met| {
            match met {
                Met::File(found) => files.push(found.relative.display().to_string()),
                Met::Other => others += 1,
                Met::Strange(_) => strange += 1,
                Met::Unreadable(problem) => files.push(problem.reason),
            }
            true
        });
        assert_eq!(files, ["a.JPG", "b/c/d.mov", "z.jpg"]);
        assert_eq!((others, strange), (1, 2));
    }
}
