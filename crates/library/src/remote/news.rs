//! Hears of changes that other processes make in a library on this machine, so that a sync that watches need not wait for
//! its next look.
//!
//! Every change ends as a segment of history in the library folder, so that is where it listens, and on nothing else. It is a
//! convenience: where the system cannot tell (a network disk, no watches left), looking again and again finds the same.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::error::{LibraryError, Result};

/// After the last change so much time passes before it counts, so that an import is sent in few pieces.
const CALM: Duration = Duration::from_secs(2);

/// However busy it is, after so much time a change counts.
const LONGEST: Duration = Duration::from_secs(60);

/// How often somebody's wish to stop is looked for.
const NAP: Duration = Duration::from_millis(200);

/// Listens for changes of one library.
#[derive(Debug)]
pub struct LocalNews {
    _watcher: RecommendedWatcher,
    heard: Receiver<()>,
}

impl LocalNews {
    /// Begins to listen.
    ///
    /// # Errors
    /// When this system cannot watch the folder.
    pub fn listen(library: &Path) -> Result<Self> {
        let log = library.join("objects/log");
        let failed = |error: notify::Error| LibraryError::reading(&log, std::io::Error::other(error));
        let (tell, heard) = channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Whoever reads the log changes nothing; an error may have swallowed a change.
            if event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                return;
            }
            // Nobody listens any more when the program ends.
            let _gone = tell.send(());
        })
        .map_err(failed)?;
        watcher.watch(&log, RecursiveMode::Recursive).map_err(failed)?;
        Ok(Self { _watcher: watcher, heard })
    }

    /// Waits until something changed and it is calm again, or until `until`, or until `is_enough`. Answers whether
    /// something changed.
    pub fn wait(&self, until: Instant, is_enough: &dyn Fn() -> bool) -> bool {
        let mut changes: Option<(Instant, Instant)> = None;
        while !is_enough() {
            let now = Instant::now();
            if let Some((first, last)) = changes
                && (now - last >= CALM || now - first >= LONGEST)
            {
                return true;
            }
            if changes.is_none() && now >= until {
                return false;
            }
            match self.heard.recv_timeout(NAP) {
                Ok(()) => {
                    let now = Instant::now();
                    changes = Some((changes.map_or(now, |(first, _)| first), now));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(NAP),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_new_segment_ends_the_wait_and_reading_one_does_not() {
        let library = tempfile::tempdir().unwrap();
        let device = library.path().join("objects/log/device");
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("1"), "a segment").unwrap();
        let news = LocalNews::listen(library.path()).unwrap();
        std::fs::read(device.join("1")).unwrap();
        assert!(!news.wait(soon(1), &|| false), "reading is no change");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                std::fs::write(device.join("2"), "another").unwrap();
            });
            let begun = Instant::now();
            assert!(news.wait(soon(60), &|| false), "nothing was heard");
            assert!(begun.elapsed() >= CALM, "it was not calm yet");
        });
        assert!(!news.wait(soon(60), &|| true), "somebody wants to stop");
    }
}
