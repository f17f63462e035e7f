//! A video made anew while it is watched, in a form that browsers play.
//!
//! Invariant: what the program writes is handed on piece by piece and kept nowhere. The program is killed when
//! the [`Proxy`] goes, or when somebody [stops](ProxyStop) it; it waits for whoever reads, who waits for it no longer
//! than the pool's options allow. What is said of the video comes out of its first bytes, which are bounded.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use safelight_worker::video::{ProxyForm, SANDBOX_FAILED, Task};

use super::process::{in_words, prepare_end};
use super::video::start;
use super::wait::Timed;
use super::{PoolOptions, Refusal, RenderError};

/// What stands before the pictures is never that long.
const MAX_HEAD_BYTES: usize = 1 << 20;
/// How much is handed on at once.
const PIECE_BYTES: usize = 128 << 10;
/// How long a program that has closed its output may take to end.
const ENDING: Duration = Duration::from_millis(500);

/// A video that is being made.
#[derive(Debug)]
pub struct Proxy {
    media_type: String,
    /// What was read to know the media type.
    head: Option<Vec<u8>>,
    output: ChildStdout,
    stop: ProxyStop,
    timeout: Duration,
}

/// Ends a video that is being made, from any thread, also before it has begun.
#[derive(Debug, Clone, Default)]
pub struct ProxyStop(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    is_stopped: bool,
    child: Option<Child>,
}

impl ProxyStop {
    /// Ends it, and waits for nothing. Whoever reads it is told that it broke off.
    pub fn stop(&self) {
        let mut running = self.running();
        running.is_stopped = true;
        let child = running.child.take();
        drop(running);
        end(child);
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the program that is to be ended, instead of one before.
    fn hold(&self, child: Child) {
        let mut running = self.running();
        let goes = if running.is_stopped { Some(child) } else { running.child.replace(child) };
        drop(running);
        end(goes);
    }

    /// How the program ended, if it does so soon.
    fn settle(&self) -> Option<ExitStatus> {
        let deadline = Instant::now() + ENDING;
        loop {
            match self.running().child.as_mut().map(Child::try_wait) {
                Some(Ok(Some(status))) => return Some(status),
                Some(Ok(None)) if Instant::now() < deadline => {}
                _ => return None,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Kills a program, if there is one. One that hangs in a disk ends only when that answers: a thread waits for it, nobody else.
fn end(child: Option<Child>) {
    let Some(mut child) = child else { return };
    // It fails only when it has ended already.
    drop(child.kill());
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let waits = move || drop(child.wait());
    // Without another thread it stays among the processes, dead, until this one ends.
    drop(std::thread::Builder::new().name("ending-video".into()).spawn(waits));
}

impl Proxy {
    /// Its type with its codecs, as media elements are told it: `video/mp4; codecs="avc1.4d401f, mp4a.40.2"`.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The next bytes of it; none at its end. Blocks until there are some.
    ///
    /// # Errors
    /// [`RenderError::TimedOut`] when the program gives nothing for so long, [`RenderError::Died`] when it broke off.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, RenderError> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head));
        }
        let mut piece = vec![0; PIECE_BYTES];
        match read(&self.output, &mut piece, self.timeout)? {
            0 => match self.stop.settle() {
                Some(status) if status.success() => Ok(None),
                Some(status) => Err(RenderError::Died(in_words(status))),
                None => Err(RenderError::Died("closed its output and went on".into())),
            },
            length => {
                piece.truncate(length);
                Ok(Some(piece))
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// What whoever watches can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plays {
    /// H.264 in MP4.
    pub h264: bool,
    /// VP8 in WebM.
    pub vp8: bool,
}

impl Plays {
    /// Whatever is made.
    pub const ALL: Self = Self { h264: true, vp8: true };

    fn has(self, form: ProxyForm) -> bool {
        match form {
            ProxyForm::H264 | ProxyForm::SilentH264 => self.h264,
            ProxyForm::Vp8 | ProxyForm::SilentVp8 => self.vp8,
        }
    }
}

/// Begins a video from `from_seconds` on, in the first form that can be played and that this ffmpeg makes of it.
pub(super) fn begin(
    options: &PoolOptions,
    video: &File,
    from_seconds: u32,
    plays: Plays,
    stop: &ProxyStop,
) -> Result<Proxy, RenderError> {
    let program = options.ffmpeg.as_deref().ok_or(RenderError::NoFfmpeg)?;
    let mut first = None;
    for form in ProxyForm::ALL.into_iter().filter(|form| plays.has(*form)) {
        match begin_as(options, program, video, Task::Proxy { form, from_seconds }, stop) {
            // It could not read the video's sound, or has no such encoder, or can make nothing of the video.
            Err(error @ RenderError::Refused(_)) => first = first.or(Some(error)),
            begun => return begun,
        }
    }
    Err(first.unwrap_or(RenderError::NoFfmpeg))
}

fn begin_as(
    options: &PoolOptions,
    program: &Path,
    video: &File,
    task: Task,
    stop: &ProxyStop,
) -> Result<Proxy, RenderError> {
    let failed = |reason: String| RenderError::Unavailable { program: options.program.clone(), reason };
    let mut child = start(options, program, task, video)?;
    let output = child.stdout.take();
    stop.hold(child);
    let output = output.ok_or_else(|| failed("it has no pipe".into()))?;
    prepare_end(&output).map_err(|error| failed(error.to_string()))?;
    let timeout = options.timeout;
    let head = match read_head(&output, timeout) {
        Ok(head) => head,
        Err(error) => {
            stop.stop();
            return Err(error);
        }
    };
    if let Some(media_type) = media_type(&head) {
        return Ok(Proxy { media_type, head: Some(head), output, stop: stop.clone(), timeout });
    }
    match stop.settle().map(|status| (status, status.code())) {
        Some((_, Some(SANDBOX_FAILED))) => {
            Err(failed("the sandbox for videos cannot be entered here".into()))
        }
        Some((status, None)) => Err(RenderError::Died(in_words(status))),
        Some(_) => Err(RenderError::Refused(Refusal::malformed("ffmpeg makes no video of it"))),
        None => {
            stop.stop();
            Err(RenderError::Died("closed its output and went on".into()))
        }
    }
}

/// Reads until the media type can be told, or the end.
fn read_head(output: &ChildStdout, timeout: Duration) -> Result<Vec<u8>, RenderError> {
    let mut head = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    while media_type(&head).is_none() && head.len() < MAX_HEAD_BYTES {
        match read(output, &mut piece, timeout)? {
            0 => break,
            length => head.extend(piece.iter().take(length)),
        }
    }
    Ok(head)
}

fn read(output: &ChildStdout, piece: &mut [u8], timeout: Duration) -> Result<usize, RenderError> {
    let deadline = Instant::now() + timeout;
    Timed { end: output, deadline }.read(piece).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => RenderError::TimedOut(timeout),
        _ => RenderError::Died(error.to_string()),
    })
}

/// The type of what begins so; `None` while too little of it is there.
fn media_type(head: &[u8]) -> Option<String> {
    if head.get(4..8)? == b"ftyp" {
        return media_type_of_mp4(head);
    }
    // EBML, then what the tracks are called in words; the first cluster stands behind all of them.
    let tracks = head.strip_prefix(b"\x1a\x45\xdf\xa3").and_then(|rest| before(rest, b"\x1f\x43\xb6\x75"))?;
    let sound = if before(tracks, b"A_OPUS").is_some() { ", opus" } else { "" };
    before(tracks, b"V_VP8").map(|_| format!("video/webm; codecs=\"vp8{sound}\""))
}

/// MP4 says the profile and level of H.264 in the first bytes of its configuration (ISO/IEC 14496-15 §5.3.3.1).
fn media_type_of_mp4(head: &[u8]) -> Option<String> {
    let mut rest = head;
    loop {
        let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        let (whole, others) = rest.split_at_checked(length.max(8))?;
        if whole.get(4..8)? != b"moov" {
            rest = others;
            continue;
        }
        let at = before(whole, b"avcC")?.len() + 5;
        let [profile, constraints, level] = *whole.get(at..)?.first_chunk()?;
        let sound = if before(whole, b"mp4a").is_some() { ", mp4a.40.2" } else { "" };
        return Some(format!("video/mp4; codecs=\"avc1.{profile:02x}{constraints:02x}{level:02x}{sound}\""));
    }
}

/// What stands before the first of such bytes.
fn before<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(wanted.len()).position(|four| four == wanted)?;
    bytes.get(..at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a process is there, also as one that nobody has waited for.
    #[cfg(target_os = "linux")]
    fn is_there(id: u32) -> bool {
        Path::new(&format!("/proc/{id}")).exists()
    }

    #[cfg(target_os = "linux")]
    fn gone_in_time(id: u32) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_there(id) {
            assert!(Instant::now() < deadline, "process {id} is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_stopped_is_killed_and_waited_for_by_nobody_who_stops_it() {
        let long = || std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let stop = ProxyStop::default();
        let (first, second, third) = (long(), long(), long());
        let ids = [first.id(), second.id(), third.id()];
        stop.hold(first);
        stop.hold(second);
        gone_in_time(ids[0]);
        assert!(is_there(ids[1]), "the next one took the place of the first");
        stop.stop();
        stop.stop();
        gone_in_time(ids[1]);
        // What is begun after it was stopped ends, too.
        stop.hold(third);
        gone_in_time(ids[2]);
        assert_eq!(stop.settle(), None);
    }

    fn mp4(inner: &[u8]) -> Vec<u8> {
        let mut bytes = b"\0\0\0\x0cftypiso5".to_vec();
        bytes.extend(u32::try_from(inner.len() + 8).unwrap().to_be_bytes());
        bytes.extend(b"moov");
        bytes.extend(inner);
        bytes
    }

    #[test]
    fn the_codecs_are_those_that_stand_in_the_first_bytes() {
        let whole = mp4(b"....avcC\x01\x4d\x40\x1f..mp4a..");
        assert_eq!(media_type(&whole).unwrap(), "video/mp4; codecs=\"avc1.4d401f, mp4a.40.2\"");
        let silent = mp4(b"....avcC\x01\x42\xc0\x0a....");
        assert_eq!(media_type(&silent).unwrap(), "video/mp4; codecs=\"avc1.42c00a\"");
        for end in 0..whole.len() {
            assert_eq!(media_type(&whole[..end]), None, "{end} bytes are too few");
        }
        assert_eq!(media_type(&mp4(b"hvcC")), None);
        assert_eq!(media_type(b"\0\0\0\0moovmoovmoov"), None);
        let webm = b"\x1a\x45\xdf\xa3...V_VP8...A_OPUS...\x1f\x43\xb6\x75";
        assert_eq!(media_type(webm).unwrap(), "video/webm; codecs=\"vp8, opus\"");
        assert_eq!(media_type(&webm[..12]), None);
    }
}
