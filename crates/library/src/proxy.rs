//! Videos that browsers do not play, made anew while they are watched.
//!
//! The program that makes them reads one file, back and forth. A linked original is such a file. A sealed one is opened
//! into a file in memory that no path leads to: nothing of it is written to a disk in the clear, and it is gone with the
//! last who has it. So a sealed video may be as large as a file in memory may be; what is made of it is kept nowhere
//! (docs/decisions/video-proxy.md).

use std::fs::File;
use std::io::Write as _;

pub use safelight_media::pool::{Plays, Proxy, ProxyStop};
use safelight_media::pool::{Pool, RenderError};

use crate::error::{LibraryError, Result};
use crate::library::Library;
use crate::objects::open_file;
use crate::render::{VIDEO_BYTES, empty_file_in_memory};
use crate::viewing::OriginalHere;

/// How much is opened at once.
const STRETCH_BYTES: u64 = 8 << 20;
/// What is left to everything else, the program that makes the video among it.
const SPARE_BYTES: u64 = 512 << 20;

/// A video that lies open to be made anew. Holds no key.
#[derive(Debug)]
pub struct OpenVideo {
    here: OriginalHere,
    pool: Pool,
    file: File,
    /// So much of it is in the file.
    opened_bytes: u64,
}

impl OpenVideo {
    /// Whether all of it lies open.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.opened_bytes >= self.here.size_bytes()
    }

    /// Whether it is that original, or that video within one.
    #[must_use]
    pub fn is_of(&self, here: &OriginalHere) -> bool {
        self.here.is_same(here)
    }

    /// Begins to make it anew from `from_seconds` on, in a form that browsers play: H.264 and AAC in fragments of MP4, or VP8
    /// and Opus in WebM, at most 1280 pixels a side and 30 frames a second. Blocks until its first bytes are there.
    ///
    /// # Errors
    /// [`LibraryError::NoFfmpeg`]; [`LibraryError::CannotConvert`] when ffmpeg makes nothing of it, and
    /// [`LibraryError::NothingFollows`] when it makes nothing of it from there on.
    pub fn proxy(&self, from_seconds: u32, plays: Plays, stop: &ProxyStop) -> Result<Proxy> {
        self.pool.proxy(&self.file, from_seconds, plays, stop).map_err(|error| {
            let name = self.here.name();
            match error {
                RenderError::NoFfmpeg => LibraryError::NoFfmpeg { name },
                RenderError::Refused(_) if from_seconds > 0 => {
                    LibraryError::NothingFollows { name, second: from_seconds }
                }
                other => LibraryError::CannotConvert {
                    name,
                    reason: other.to_string(),
                    hint: "the original is as it was: export it, and play it with another program".into(),
                },
            }
        })
    }
}

impl Library {
    /// Begins to open a video; [`Library::open_further`] goes on until it is whole. A sealed one takes
    /// [`OriginalHere::memory_bytes`], of which `free_bytes` may be taken.
    ///
    /// # Errors
    /// [`LibraryError::CannotConvert`] for what is no video, or is too large for a file in memory, or for the memory that is free.
    pub fn open_video(&self, here: OriginalHere, free_bytes: u64) -> Result<OpenVideo> {
        let refused = |reason: String, hint: &str| LibraryError::CannotConvert {
            name: here.name(),
            reason,
            hint: hint.into(),
        };
        if !here.media_type().starts_with("video/") {
            return Err(refused("it is no video".into(), "the original is as it was"));
        }
        let pool = self.pool()?;
        if let Some(path) = here.file() {
            let file = open_file(path).map_err(|source| LibraryError::reading(path, source))?;
            return Ok(OpenVideo { opened_bytes: here.size_bytes(), here, pool, file });
        }
        if here.size_bytes() > VIDEO_BYTES {
            let reason = format!(
                "it has {} MB, and a sealed video of more than {} MB is not opened in memory",
                here.size_bytes() / 1_000_000,
                VIDEO_BYTES / 1_000_000
            );
            return Err(refused(reason, "export it, and play it with another program"));
        }
        let free_bytes =
            available_bytes().map_or(free_bytes, |all| free_bytes.min(all.saturating_sub(SPARE_BYTES)));
        if here.memory_bytes() > free_bytes {
            let reason = format!(
                "it needs {} MB of memory, and {} MB are free for it",
                here.memory_bytes().div_ceil(1_000_000),
                free_bytes / 1_000_000
            );
            return Err(refused(reason, "close other videos and programs and try again, or export it"));
        }
        let file = empty_file_in_memory().map_err(|error| match error.kind() {
            std::io::ErrorKind::Unsupported => refused(
                "this system has no files in memory, and a sealed video is not written to a disk in the clear".into(),
                "export it, and play it with another program",
            ),
            _ => LibraryError::reading(self.path(), error),
        })?;
        Ok(OpenVideo { here, pool, file, opened_bytes: 0 })
    }

    /// Opens the next stretch of a video that is not whole yet.
    ///
    /// # Errors
    /// As [`Library::read_original`]; when there is no memory for it.
    pub fn open_further(&self, video: &mut OpenVideo) -> Result<()> {
        let stretch = video.opened_bytes..video.opened_bytes + STRETCH_BYTES;
        let bytes = self.read_original(&video.here, stretch)?;
        if bytes.is_empty() {
            return Err(LibraryError::Damaged {
                object: video.here.name(),
                reason: "it ends before its length".into(),
            });
        }
        video.file.write_all(&bytes).map_err(|error| LibraryError::reading(self.path(), error))?;
        video.opened_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Lets through whoever still watches a video; it may be kept back by now.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchItem`] when it is.
    pub fn admit_video(&self, video: &OpenVideo) -> Result<()> {
        self.admit(video.here.of(), &video.here.of().to_string()).map(drop)
    }
}

/// The memory that is to be had without anything being sent to the swap; `None` where the system does not say.
fn available_bytes() -> Option<u64> {
    available_in(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_in(told: &str) -> Option<u64> {
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_memory_is_what_the_system_says() {
        let told =
            "MemTotal:        8038840 kB\nMemFree:  102400 kB\nMemAvailable:    2097152 kB\nBuffers: 1 kB\n";
        assert_eq!(available_in(told), Some(2 << 30));
        for other in ["", "MemAvailable:", "MemAvailable: 5 MB", "MemAvailable: 18446744073709551615 kB"] {
            assert_eq!(available_in(other), None, "{other}");
        }
        #[cfg(target_os = "linux")]
        assert!(available_bytes().is_some_and(|bytes| bytes > 0));
    }
}
