//! What a device that may only upload remembers: what it has sent, and what is under way.
//!
//! `sent` is a file of lines that only grows; a line that a kill cut short is passed over, and its file is sent again under
//! another number, which is known to be the same photo where it is taken in. What is under way has a file of its own, and
//! its sealed head rests beside it from before the first attempt to put it.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::write_private;
use crate::effects::now_stamp_millis;
use crate::error::{LibraryError, Result};

const SENT: &str = "upload.sent";
const GOING: &str = "going";
/// The sealed head of an item, until it rests in the place.
pub(super) const HEAD: &str = "head";
/// The same of its newest further piece.
pub(super) const PIECE: &str = "piece";

/// A file as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) path: String,
    pub(super) size_bytes: u64,
    pub(super) modified_nanos: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    counter: u64,
    #[serde(flatten)]
    stamp: Stamp,
    content: String,
}

/// A piece that rests in the place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PutPiece {
    /// SHA-256 of what it holds, so that a file that changed meanwhile is found out.
    pub(super) content: String,
    /// SHA-256 of the sealed bytes.
    pub(super) sealed: String,
}

/// An item that is under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Going {
    pub(super) counter: u64,
    #[serde(flatten)]
    pub(super) stamp: Stamp,
    pub(super) pieces: Vec<PutPiece>,
    /// The content, once all of it was read and the head is sealed.
    pub(super) content: Option<String>,
}

/// The memory of the folder.
pub(super) struct Journal {
    folder: PathBuf,
    sent: HashSet<Stamp>,
    contents: HashSet<String>,
    going: HashMap<Stamp, Going>,
    last: u64,
}

impl Journal {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let mut journal = Self {
            folder: folder.to_owned(),
            sent: HashSet::new(),
            contents: HashSet::new(),
            going: HashMap::new(),
            last: 0,
        };
        match File::open(folder.join(SENT)) {
            Ok(file) => {
                for line in BufReader::new(file).split(b'\n') {
                    let line = line.map_err(|source| LibraryError::reading(&folder.join(SENT), source))?;
                    let Ok(sent) = serde_json::from_slice::<Sent>(&line) else { continue };
                    journal.last = journal.last.max(sent.counter);
                    journal.contents.insert(sent.content);
                    journal.sent.insert(sent.stamp);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(LibraryError::reading(&folder.join(SENT), source)),
        }
        let going = folder.join(GOING);
        std::fs::create_dir_all(&going).map_err(|source| LibraryError::writing(&going, source))?;
        for entry in std::fs::read_dir(&going).map_err(|source| LibraryError::reading(&going, source))? {
            let path = entry.map_err(|source| LibraryError::reading(&going, source))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(|source| LibraryError::reading(&path, source))?;
            if let Ok(item) = serde_json::from_slice::<Going>(&bytes) {
                journal.last = journal.last.max(item.counter);
                journal.going.insert(item.stamp.clone(), item);
            }
        }
        Ok(journal)
    }

    pub(super) fn has_sent(&self, stamp: &Stamp) -> bool {
        self.sent.contains(stamp)
    }

    pub(super) fn has_content(&self, content: &str) -> bool {
        self.contents.contains(content)
    }

    /// Items whose head was sealed and perhaps put.
    pub(super) fn with_heads(&self) -> Vec<Going> {
        let mut ready: Vec<Going> =
            self.going.values().filter(|going| going.content.is_some()).cloned().collect();
        ready.sort_by_key(|going| going.counter);
        ready
    }

    /// What is under way of a file that has not changed since, or a new item with a number of its own: the time, or one more
    /// than the last number, so that a folder that was copied back draws no number again.
    pub(super) fn begin(&mut self, stamp: &Stamp) -> Result<Going> {
        if let Some(going) = self.going.get(stamp) {
            return Ok(going.clone());
        }
        let counter = now_stamp_millis().max(self.last + 1);
        self.last = counter;
        let going = Going { counter, stamp: stamp.clone(), pieces: Vec::new(), content: None };
        self.keep(&going)?;
        Ok(going)
    }

    pub(super) fn keep(&mut self, going: &Going) -> Result<()> {
        let bytes = serde_json::to_vec(going)
            .map_err(|error| LibraryError::Damaged { object: GOING.into(), reason: error.to_string() })?;
        write_private(&self.path_of(going.counter, "json"), &bytes)?;
        self.going.insert(going.stamp.clone(), going.clone());
        Ok(())
    }

    /// Keeps sealed bytes of an item from before they are put.
    pub(super) fn keep_sealed(&self, counter: u64, what: &str, sealed: &[u8]) -> Result<()> {
        write_private(&self.path_of(counter, what), sealed)
    }

    pub(super) fn sealed(&self, counter: u64, what: &str) -> Result<Vec<u8>> {
        let path = self.path_of(counter, what);
        std::fs::read(&path).map_err(|source| LibraryError::reading(&path, source))
    }

    pub(super) fn drop_sealed(&self, counter: u64, what: &str) {
        let gone = std::fs::remove_file(self.path_of(counter, what));
        tracing::debug!(?gone, counter, what, "it rests in the place");
    }

    /// The head rests in the place.
    pub(super) fn finish(&mut self, going: &Going) -> Result<()> {
        let content = going.content.clone().unwrap_or_default();
        self.remember(going.counter, &going.stamp, content)?;
        self.forget(going);
        Ok(())
    }

    /// A file needs no item: its content was sent from another path.
    pub(super) fn remember(&mut self, counter: u64, stamp: &Stamp, content: String) -> Result<()> {
        let path = self.folder.join(SENT);
        let sent = Sent { counter, stamp: stamp.clone(), content };
        let text = serde_json::to_string(&sent)
            .map_err(|error| LibraryError::Damaged { object: SENT.into(), reason: error.to_string() })?;
        // A line that was cut short before it ends here.
        let line = format!("\n{text}\n");
        let append = || {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
            file.write_all(line.as_bytes())?;
            file.sync_data()
        };
        append().map_err(|source| LibraryError::writing(&path, source))?;
        self.contents.insert(sent.content);
        self.sent.insert(sent.stamp);
        Ok(())
    }

    /// What is under way is no more: its file changed, or it is sent.
    pub(super) fn forget(&mut self, going: &Going) {
        for extension in ["json", HEAD, PIECE] {
            let gone = std::fs::remove_file(self.path_of(going.counter, extension));
            tracing::debug!(?gone, going.counter, "no longer under way");
        }
        self.going.remove(&going.stamp);
    }

    fn path_of(&self, counter: u64, extension: &str) -> PathBuf {
        self.folder.join(GOING).join(format!("{counter}.{extension}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(path: &str) -> Stamp {
        Stamp { path: path.into(), size_bytes: 4, modified_nanos: 5 }
    }

    #[test]
    fn what_is_under_way_is_gone_on_with_and_no_number_is_drawn_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        let mut first = journal.begin(&stamp("a")).unwrap();
        let second = journal.begin(&stamp("b")).unwrap();
        assert!(second.counter > first.counter);
        first.pieces.push(PutPiece { content: "c".into(), sealed: "s".into() });
        journal.keep(&first).unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.begin(&stamp("a")).unwrap().pieces, first.pieces);
        first.content = Some("hash".into());
        journal.keep(&first).unwrap();
        journal.keep_sealed(first.counter, HEAD, b"sealed").unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.with_heads().len(), 1);
        assert_eq!(journal.sealed(first.counter, HEAD).unwrap(), b"sealed");
        journal.finish(&first).unwrap();
        journal.forget(&second);
        // A line that was cut short is passed over.
        let sent = folder.path().join(SENT);
        let mut bytes = std::fs::read(&sent).unwrap();
        bytes.extend_from_slice(b"{\"counter\":9");
        std::fs::write(&sent, bytes).unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        assert!(journal.has_sent(&stamp("a")) && journal.has_content("hash"));
        assert!(!journal.has_sent(&stamp("b")) && journal.with_heads().is_empty());
        assert!(journal.begin(&stamp("b")).unwrap().counter > first.counter);
    }
}
