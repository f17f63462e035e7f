//! The pool that drives sandboxed workers: compressed pictures in, renditions and fingerprints out.
//!
//! Invariant: no picture, however broken or hostile, stops the caller. A worker that dies or runs over
//! its time is killed and replaced, the picture is tried once more with the second decoder, and then its
//! reason is returned. Workers get no keys, no file names, no environment and no descriptors but their
//! two pipes; what they answer is bounded and checked. Large pictures take turns, so that memory is
//! bounded by the workers and one large picture.
//!
//! ```no_run
//! use safelight_media::pool::{Pool, PoolOptions, RenderRequest};
//! use safelight_worker::protocol::Wanted;
//!
//! # fn example(photo: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::start(PoolOptions {
//!     program: std::env::current_exe()?,
//!     arguments: vec!["worker".into()], // the hidden command that calls safelight_worker::run
//!     workers: 2,
//!     ..PoolOptions::default()
//! })?;
//! // From any thread; blocks until a worker is free and the picture is done.
//! let mut request = RenderRequest::sniffed(&photo).ok_or("not a picture")?;
//! request.orientation = 6; // EXIF; ignored for HEIF, AVIF and JPEG XL, which say it in their own boxes
//! request.wanted = Wanted::QUICK; // for import; Wanted::PREVIEW later where `preview_pending`
//! match pool.render(&request) {
//!     Ok(rendered) => println!("{} × {}, thumbnail {:?}", rendered.width, rendered.height, rendered.thumbnail),
//!     Err(error) if error.is_about_the_file() => println!("imported without renditions: {error}"),
//!     Err(error) => return Err(error.into()),
//! }
//! // A video, from an open descriptor (a file, or a memfd for a sealed video), never from a path.
//! let video = std::fs::File::open("clip.mov")?;
//! let poster = pool.poster(&video, Wanted::ALL)?;
//! # Ok(()) }
//! ```
//!
//! A RAW file is rendered by sending the byte range of its embedded preview as JPEG, with the RAW file's
//! orientation.

mod process;
mod proxy;
mod video;
mod wait;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use safelight_worker::protocol::{Answer, MAX_REQUEST_BYTES, Outcome, Request, Wrong};
pub use safelight_worker::protocol::{
    COLOURS, FINE_SIDE, LUMA_SIDE, Limits, RECIPE, Refusal, RefusalKind, Rendered, Rendition, Sandbox,
    StillFormat, Wanted,
};

use safelight_worker::video::Task;

use crate::format::Format;
use process::{Broken, Process};
pub use proxy::{Plays, Proxy, ProxyStop};
pub use video::VideoFacts;

/// PDQ quality below which a poster shows nothing.
const FLAT_QUALITY: u8 = 5;
/// Processor time after which a worker is replaced, well below its own limit.
const RETIRE_CPU_MICROS: u64 = 240_000_000;
/// Requests after which a worker is replaced, so that nothing accumulates in one.
const RETIRE_REQUESTS: u64 = 2_000;

/// How to start workers, and what to hold them to.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// The program whose hidden command calls `safelight_worker::run`.
    pub program: PathBuf,
    /// The arguments before those that the pool adds, usually `worker`.
    pub arguments: Vec<OsString>,
    /// Workers at most; they are started when there is work for them. At least one.
    pub workers: usize,
    /// Bounds of one picture.
    pub limits: Limits,
    /// Time for one picture or poster.
    pub timeout: Duration,
    /// Address space of one worker.
    pub memory_bytes: u64,
    /// Works also where the sandbox cannot be entered. Everywhere but on Linux, limits are all there is,
    /// and that is accepted; on Linux an open sandbox is an error unless this is set.
    pub accept_open_sandbox: bool,
    /// Whether all pictures are as small as thumbnails: a worker then keeps the few megabytes that one takes for the next one,
    /// instead of asking the system for them ten thousand times.
    pub only_small: bool,
    /// The `ffmpeg` program, absolute; `None` leaves videos without posters. `ffprobe` is sought beside it.
    pub ffmpeg: Option<PathBuf>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            program: PathBuf::new(),
            arguments: vec!["worker".into()],
            workers: std::thread::available_parallelism().map_or(1, Into::into),
            limits: Limits::default(),
            timeout: Duration::from_secs(20),
            memory_bytes: 2560 << 20,
            accept_open_sandbox: false,
            only_small: false,
            ffmpeg: video::find_ffmpeg(),
        }
    }
}

/// How the workers know a still format; `None` for RAW files (their previews are JPEG), videos and
/// everything else.
#[must_use]
pub fn still_format(format: Format) -> Option<StillFormat> {
    Some(match format {
        Format::Jpeg => StillFormat::Jpeg,
        Format::Png => StillFormat::Png,
        Format::Gif => StillFormat::Gif,
        Format::WebP => StillFormat::WebP,
        Format::Tiff => StillFormat::Tiff,
        Format::Bmp => StillFormat::Bmp,
        Format::Heif => StillFormat::Heif,
        Format::Avif => StillFormat::Avif,
        Format::Jxl => StillFormat::Jxl,
        _ => return None,
    })
}

/// One picture to render.
#[derive(Clone, Copy, Debug)]
pub struct RenderRequest<'a> {
    /// The compressed picture.
    pub bytes: &'a [u8],
    /// How it is coded.
    pub format: StillFormat,
    /// EXIF orientation 1–8 (others count as 1); ignored where the format
    /// [turns itself](StillFormat::turns_itself).
    pub orientation: u8,
    /// What to make.
    pub wanted: Wanted,
}

impl<'a> RenderRequest<'a> {
    /// A request for everything, not turned.
    #[must_use]
    pub fn new(bytes: &'a [u8], format: StillFormat) -> Self {
        Self { bytes, format, orientation: 1, wanted: Wanted::ALL }
    }

    /// The same, with the format read from the first bytes; `None` when they are of no picture.
    #[must_use]
    pub fn sniffed(bytes: &'a [u8]) -> Option<Self> {
        Some(Self::new(bytes, StillFormat::sniff(bytes.get(..64.min(bytes.len()))?)?))
    }
}

/// Why there are no renditions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The worker looked at the picture and refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// Two workers died on this picture.
    #[error("decoding it {0}")]
    Died(String),
    /// The picture took longer than the options allow.
    #[error("decoding it took longer than {0:?}")]
    TimedOut(Duration),
    /// There is no `ffmpeg` on this computer.
    #[error("no ffmpeg program was found, so videos have no posters")]
    NoFfmpeg,
    /// No worker could be started, whatever the picture.
    #[error("the worker {program} does not work: {reason}")]
    Unavailable {
        /// The program that was started.
        program: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

impl RenderError {
    /// Whether the reason surely lies in the file, so that it is imported with this reason for good: a decoder
    /// looked at it and refused it. A worker that died may have been short of memory, one that took too long may
    /// have had to wait for its turn.
    #[must_use]
    pub fn is_about_the_file(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// Whether the reason surely lies in this computer, whatever the file.
    #[must_use]
    pub fn is_about_the_machine(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Workers, shared by any number of threads.
#[derive(Debug)]
pub struct Pool {
    options: PoolOptions,
    /// Workers that wait for work, and permits for those that may be started.
    state: Mutex<State>,
    freed: Condvar,
    /// Held while a large picture is being decoded.
    large: Mutex<()>,
}

#[derive(Debug)]
struct State {
    idle: Vec<Process>,
    permits: usize,
    next_id: u64,
}

impl Pool {
    /// Prepares a pool; workers start when they are first needed.
    ///
    /// # Errors
    /// When the program is not a file.
    pub fn start(options: PoolOptions) -> Result<Self, RenderError> {
        if !options.program.is_file() {
            return Err(RenderError::Unavailable {
                program: options.program,
                reason: "there is no such program".into(),
            });
        }
        let permits = options.workers.max(1);
        Ok(Self {
            options,
            state: Mutex::new(State { idle: Vec::new(), permits, next_id: 1 }),
            freed: Condvar::new(),
            large: Mutex::new(()),
        })
    }

    /// Starts one worker and says what holds it.
    ///
    /// # Errors
    /// When no worker can be started, or its sandbox is open and the options do not accept that.
    pub fn sandbox(&self) -> Result<Sandbox, RenderError> {
        let mut permit = self.permit();
        let process = permit.take_process()?;
        let sandbox = process.sandbox().clone();
        permit.keep(process);
        Ok(sandbox)
    }

    /// Renders one picture; blocks until a worker is free and the picture is done.
    ///
    /// # Errors
    /// See [`RenderError`]; only [`RenderError::Refused`] surely lies in the picture.
    pub fn render(&self, request: &RenderRequest<'_>) -> Result<Rendered, RenderError> {
        self.render_or_misbehave(request, None)
    }

    /// Renders a poster of a video: its first frames decoded by `ffmpeg` in a sandbox of its own, then
    /// treated as a picture.
    ///
    /// # Errors
    /// [`RenderError::NoFfmpeg`] without the program; else as [`Pool::render`].
    pub fn poster(&self, video: &std::fs::File, wanted: Wanted) -> Result<Rendered, RenderError> {
        let first = self.poster_at(video, wanted, Task::Poster)?;
        if first.pdq_quality.is_none_or(|quality| quality >= FLAT_QUALITY) {
            return Ok(first);
        }
        // It begins in the dark, or is that dark throughout, or is shorter than the later frame.
        match self.poster_at(video, wanted, Task::LaterPoster) {
            Ok(later) if later.pdq_quality > first.pdq_quality => Ok(later),
            _ => Ok(first),
        }
    }

    fn poster_at(&self, video: &std::fs::File, wanted: Wanted, task: Task) -> Result<Rendered, RenderError> {
        let frame = {
            let _permit = self.permit();
            video::poster_frame(&self.options, video, task)?
        };
        let request = RenderRequest { bytes: &frame, format: StillFormat::Ppm, orientation: 1, wanted };
        let rendered = self.render(&request)?;
        Ok(Rendered { decoder: "ffmpeg".into(), ..rendered })
    }

    /// Reads size, duration and codec of a video with `ffprobe`, for what the pure-Rust probe refused
    /// (about 100 ms of processor time).
    ///
    /// # Errors
    /// As [`Pool::poster`].
    pub fn video_facts(&self, video: &std::fs::File) -> Result<VideoFacts, RenderError> {
        let _permit = self.permit();
        video::facts(&self.options, video)
    }

    /// Begins to make a video anew in a form that can be played, from `from_seconds` on; what is made comes out of the
    /// [`Proxy`] piece by piece, until it ends or is stopped. It waits for no worker: whoever watches is here now, and has one at a time.
    ///
    /// # Errors
    /// As [`Pool::poster`]; [`RenderError::Refused`] also where nothing comes after `from_seconds`.
    pub fn proxy(
        &self,
        video: &std::fs::File,
        from_seconds: u32,
        plays: Plays,
        stop: &ProxyStop,
    ) -> Result<Proxy, RenderError> {
        proxy::begin(&self.options, video, from_seconds, plays, stop)
    }

    /// Has a test's worker do a wrong.
    ///
    /// # Errors
    /// As [`Pool::render`]; `Unsupported` when the wrong succeeded.
    #[doc(hidden)]
    pub fn misbehave(&self, wrong: Wrong) -> Result<Rendered, RenderError> {
        self.render_or_misbehave(&RenderRequest::new(&[], StillFormat::Ppm), Some(wrong))
    }

    fn render_or_misbehave(
        &self,
        request: &RenderRequest<'_>,
        wrong: Option<Wrong>,
    ) -> Result<Rendered, RenderError> {
        if request.bytes.len() as u64 > MAX_REQUEST_BYTES {
            return Err(RenderError::Refused(Refusal::limit(format!(
                "{} MiB of compressed picture are more than the {} MiB that are decoded",
                request.bytes.len() >> 20,
                MAX_REQUEST_BYTES >> 20
            ))));
        }
        let mut head = Request {
            id: 0,
            format: request.format,
            orientation: request.orientation,
            wanted: request.wanted,
            limits: self.options.limits,
            turn: false,
            fallback: false,
            body_bytes: request.bytes.len() as u64,
            wrong,
        };
        let mut turn: Option<MutexGuard<'_, ()>> = None;
        loop {
            match self.ask(&mut head, request.bytes)? {
                Ok((Answer { outcome: Outcome::Rendered(rendered), .. }, body)) => {
                    return process::with_bytes(rendered, &body)
                        .ok_or_else(|| RenderError::Died("gave an answer that contradicts itself".into()));
                }
                Ok((Answer { outcome: Outcome::Refused(refusal), .. }, _)) => {
                    if refusal.kind != RefusalKind::NeedsTurn || turn.is_some() {
                        return Err(RenderError::Refused(refusal));
                    }
                    turn = Some(self.large.lock().unwrap_or_else(PoisonError::into_inner));
                    head.turn = true;
                }
                Err(Broken::TimedOut) => return Err(RenderError::TimedOut(self.options.timeout)),
                Err(Broken::Died(reason)) if head.fallback => return Err(RenderError::Died(reason)),
                Err(Broken::Died(_)) => head.fallback = true,
            }
        }
    }

    /// Has one worker answer one request. The outer error is that of starting a worker, the inner one
    /// that of a worker that broke.
    fn ask(&self, head: &mut Request, body: &[u8]) -> Result<Result<(Answer, Vec<u8>), Broken>, RenderError> {
        let mut permit = self.permit();
        let mut process = permit.take_process()?;
        head.id = permit.next_id();
        let answered = process.converse(head, body, self.options.timeout);
        // After a large picture a worker holds memory that the next small ones do not need.
        let tired = head.turn
            || process.requests() >= RETIRE_REQUESTS
            || matches!(&answered, Ok((answer, _)) if answer.worker_cpu_micros > RETIRE_CPU_MICROS);
        if answered.is_ok() && !tired {
            permit.keep(process);
        }
        Ok(answered)
    }

    fn permit(&self) -> Permit<'_> {
        let mut state = self.lock();
        while state.permits == 0 {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.permits -= 1;
        Permit { pool: self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run one worker.
struct Permit<'a> {
    pool: &'a Pool,
}

impl Permit<'_> {
    fn take_process(&mut self) -> Result<Process, RenderError> {
        let idle = self.pool.lock().idle.pop();
        match idle {
            Some(process) => Ok(process),
            None => Process::start(&self.pool.options),
        }
    }

    fn keep(&mut self, process: Process) {
        self.pool.lock().idle.push(process);
    }

    fn next_id(&mut self) -> u64 {
        let mut state = self.pool.lock();
        state.next_id += 1;
        state.next_id
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.pool.lock().permits += 1;
        self.pool.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::MediaKind;

    #[test]
    fn every_photo_format_and_no_other_has_a_decoder() {
        for format in Format::ALL {
            assert_eq!(still_format(format).is_some(), format.kind() == MediaKind::Photo, "{format}");
        }
    }
}
