//! Blocks on this machine's disk, durable before anybody is told, until the remote has them.
//!
//! One file holds the blocks of some seconds, and becomes one object `grants/<run>/<number of its first block>`. While it is
//! written to it is locked, so that other gateways over the same folder leave it alone; one that nobody holds is sent by whoever
//! finds it, also after a crash, and removed once the remote has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safelight_store::{Body, Key, PutOptions, Remote, StoreError};

use super::record::whole_blocks;

/// After so long a file is closed and sent.
pub(super) const SEND_AFTER: Duration = Duration::from_secs(5);
/// From so many bytes on a file is closed and sent.
const MOST_BYTES: u64 = 4 << 20;
/// The longest file that is sent; none of ours is.
const MOST_READ_BYTES: u64 = 64 << 20;
const ENDING: &str = "grants";

/// The folder of the journal, and the file that is written to.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    /// Locked for as long as it is open.
    file: File,
    begun: Instant,
    bytes: u64,
}

/// A block that was not made durable.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) source: io::Error,
    /// Whether nothing of it is there, so that another block may have its number.
    pub(super) is_undone: bool,
}

impl Journal {
    /// Uses a folder, and makes it where there is none, for this user alone.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder, open: None })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a block durable. Blocks.
    pub(super) fn append(&mut self, run: &str, number: u64, block: &[u8]) -> Result<(), Unwritten> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(run, number)?,
        };
        let written = (&open.file).write_all(block).and_then(|()| open.file.sync_data());
        if let Err(source) = written {
            // The file is left to be sent as far as it was written before; nothing is written behind a torn block.
            // A cut that is not durable may be undone by a crash.
            let is_undone = match open.bytes {
                0 => std::fs::remove_file(&open.path).and_then(|()| self.sync()),
                bytes => open.file.set_len(bytes).and_then(|()| open.file.sync_all()),
            };
            return Err(Unwritten { source, is_undone: is_undone.is_ok() });
        }
        open.bytes += block.len() as u64;
        self.open = Some(open);
        Ok(())
    }

    /// Makes the file that begins with a block. One that cannot be made leaves nothing.
    fn begin(&self, run: &str, number: u64) -> Result<Open, Unwritten> {
        let path = self.folder.join(format!("{run}-{number:010}.{ENDING}"));
        let unwritten = |source: io::Error| {
            // A name that is taken stays taken: the next block has another.
            let is_undone = source.kind() != io::ErrorKind::AlreadyExists;
            Unwritten { source, is_undone }
        };
        let file = make(&path, || ()).map_err(unwritten)?;
        if let Err(source) = self.sync() {
            return Err(Unwritten { source, is_undone: std::fs::remove_file(&path).is_ok() });
        }
        Ok(Open { path, file, begun: Instant::now(), bytes: 0 })
    }

    /// Makes the names in the folder durable.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Closes the file that is written to, if it is old or long enough to be sent.
    pub(super) fn close_if_due(&mut self) {
        let is_due = |open: &Open| open.bytes >= MOST_BYTES || open.begun.elapsed() >= SEND_AFTER;
        if self.open.as_ref().is_some_and(is_due) {
            self.close();
        }
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

/// Makes a file, and locks it. A sender that comes before the lock finds an empty file and removes it; then another is made.
fn make(path: &Path, mut before_lock: impl FnMut()) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        before_lock();
        if let Err(error) = file.lock() {
            std::fs::remove_file(path)?;
            return Err(error);
        }
        if has_name(&file)? {
            return Ok(file);
        }
    }
}

/// Whether a file that is locked is still in its folder: only whoever holds the lock removes it.
fn has_name(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() > 0)
}

/// Sends every file of a folder that nobody writes to, and removes it once it is there. Answers how many stay.
pub(super) async fn send_closed(folder: &Path, remote: &dyn Remote) -> io::Result<usize> {
    let mut stay = 0;
    for path in closed_files(folder)? {
        let Some(key) = key_of(&path) else { continue };
        let Some((file, bytes)) = taken(&path)? else { continue };
        match send(remote, &key, bytes).await {
            Ok(()) => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
            Err(error) => {
                tracing::warn!(%error, "a file of grants stays here until the remote takes it");
                stay += 1;
            }
        }
        drop(file);
    }
    Ok(stay)
}

fn closed_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The name of the object that a file becomes.
fn key_of(path: &Path) -> Option<Key> {
    let (run, number) = path.file_stem()?.to_str()?.split_once('-')?;
    Key::parse(&format!("grants/{run}/{number}")).ok()
}

/// A file that nobody writes to, locked, and what of it is whole.
fn taken(path: &Path) -> io::Result<Option<(File, Vec<u8>)>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        other => other.map_err(io::Error::from)?,
    }
    // Another sender had it in between, and what is there now under this name is another file.
    if !has_name(&file)? {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    (&file).take(MOST_READ_BYTES).read_to_end(&mut bytes)?;
    bytes.truncate(whole_blocks(&bytes));
    Ok(Some((file, bytes)))
}

/// Creates an object; one that is there with the same bytes will do.
pub(super) async fn send(remote: &dyn Remote, key: &Key, bytes: Vec<u8>) -> Result<(), StoreError> {
    if bytes.is_empty() {
        return Ok(());
    }
    let length = bytes.len() as u64;
    let body = bytes::Bytes::from(bytes);
    match remote.put_if_absent(key, Body::Bytes(body.clone()), &PutOptions::default()).await {
        Err(StoreError::AlreadyExists { place, object }) => match remote.get(key, length).await {
            Ok(there) if there == body => Ok(()),
            Ok(_) | Err(StoreError::TooLarge { .. }) => Err(StoreError::AlreadyExists { place, object }),
            Err(error) => Err(error),
        },
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use safelight_store::{ConnectOptions, RemoteAddress, connect};

    use super::*;

    const RUN: &str = "abcdefghijklmnop";

    async fn place(folder: &Path) -> Arc<dyn Remote> {
        let address: RemoteAddress = format!("folder:{}", folder.display()).parse().unwrap();
        connect(&address, None, ConnectOptions::default(), "tokenabc").await.unwrap()
    }

    #[tokio::test]
    async fn a_file_is_sent_once_nobody_writes_to_it_and_what_is_torn_off_is_not() {
        let (place_folder, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let remote = place(place_folder.path()).await;
        let mut journal = Journal::open(own.path().join("journal")).unwrap();
        journal.append(RUN, 0, b"one\nsigned\n").unwrap();
        journal.append(RUN, 1, b"two\nsigned\n").unwrap();
        assert_eq!(send_closed(journal.folder(), &*remote).await.unwrap(), 0);
        let key = Key::parse(&format!("grants/{RUN}/0000000000")).unwrap();
        assert!(remote.head(&key).await.is_err(), "it is still written to");
        journal.close();
        let path = journal.folder().join(format!("{RUN}-0000000000.grants"));
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"thr").unwrap();
        assert_eq!(send_closed(journal.folder(), &*remote).await.unwrap(), 0);
        assert_eq!(remote.get(&key, 100).await.unwrap().as_ref(), b"one\nsigned\ntwo\nsigned\n");
        assert!(!path.exists());
    }

    #[test]
    fn a_block_that_cannot_be_written_leaves_nothing_and_the_next_goes_into_a_file_of_its_own() {
        let own = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(own.path().join("journal")).unwrap();
        journal.append(RUN, 0, b"one\nsigned\n").unwrap();
        // A file that can only be read stands in for a disk that takes nothing more.
        let path = journal.folder().join(format!("{RUN}-0000000000.grants"));
        if let Some(open) = &mut journal.open {
            open.file = File::open(&path).unwrap();
        }
        journal.append(RUN, 1, b"two\nsigned\n").unwrap_err();
        journal.append(RUN, 1, b"two\nsigned\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\nsigned\n");
        let next = journal.folder().join(format!("{RUN}-0000000001.grants"));
        assert_eq!(std::fs::read(next).unwrap(), b"two\nsigned\n");
    }

    #[test]
    fn a_file_that_a_sender_removed_before_it_was_locked_is_made_again() {
        let own = tempfile::tempdir().unwrap();
        let path = own.path().join(format!("{RUN}-0000000000.grants"));
        let mut senders = 2;
        let file = make(&path, || {
            if senders > 0 {
                let (_held, bytes) = taken(&path).unwrap().unwrap();
                assert!(bytes.is_empty());
                std::fs::remove_file(&path).unwrap();
                senders -= 1;
            }
        });
        assert!(has_name(&file.unwrap()).unwrap() && path.exists());
        assert_eq!(senders, 0);
    }

    #[test]
    fn a_file_that_cannot_be_made_takes_no_number() {
        let own = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(own.path().join("journal")).unwrap();
        std::fs::remove_dir(journal.folder()).unwrap();
        assert!(journal.append(RUN, 0, b"one\nsigned\n").unwrap_err().is_undone);
        std::fs::create_dir(journal.folder()).unwrap();
        journal.append(RUN, 0, b"one\nsigned\n").unwrap();
    }

    #[tokio::test]
    async fn a_file_whose_object_is_there_goes_if_it_is_the_same_and_stays_if_not() {
        let (place_folder, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let remote = place(place_folder.path()).await;
        for (number, there, stay) in
            [(0, "one\nsigned\n", 0), (1, "two\nsigned\n", 1), (2, "longer\nsigned\n", 1)]
        {
            let key = Key::parse(&format!("grants/{RUN}/{number:010}")).unwrap();
            let body = Body::from(there.as_bytes().to_vec());
            remote.put_if_absent(&key, body, &PutOptions::default()).await.unwrap();
            let mut journal = Journal::open(own.path().to_owned()).unwrap();
            journal.append(RUN, number, b"one\nsigned\n").unwrap();
            journal.close();
            assert_eq!(send_closed(journal.folder(), &*remote).await.unwrap(), stay, "{number}");
            let path = journal.folder().join(format!("{RUN}-{number:010}.grants"));
            assert_eq!(path.exists(), stay == 1);
            drop(std::fs::remove_file(path));
        }
    }
}
