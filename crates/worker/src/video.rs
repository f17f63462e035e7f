//! The worker's video mode: enters a sandbox that only its programs' own libraries and the one video
//! can be read from, then becomes `ffmpeg` or `ffprobe`.
//!
//! Invariant: the video is standard input, so no path of the user's is ever in an argument; output goes
//! to a pipe that the pool reads to a bound; the program can reach no network and start no process.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::sandbox;

/// Status of a worker that could not enter the sandbox for videos.
pub const SANDBOX_FAILED: i32 = 97;
/// Status of a worker that could not start the program.
const PROGRAM_FAILED: u8 = 98;

/// Standard input, opened anew so that the program can seek in it.
const INPUT: &str = if cfg!(target_os = "linux") { "file:/proc/self/fd/0" } else { "file:/dev/fd/0" };

/// What a video is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Its first frame, upright, at most 1440 pixels a side, as PPM.
    Poster,
    /// The same from three seconds later, for videos that begin in the dark.
    LaterPoster,
    /// Its codec, size and duration, as `key=value` lines.
    Facts,
}

impl Task {
    /// The name of the task among a worker's arguments.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Poster => "poster",
            Self::LaterPoster => "later-poster",
            Self::Facts => "facts",
        }
    }

    /// The task of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Poster, Self::LaterPoster, Self::Facts].into_iter().find(|task| task.name() == name)
    }

    fn arguments(self) -> Vec<&'static str> {
        // Read only a bounded part of the file to find out what it is.
        let bounds = ["-protocol_whitelist", "file,pipe", "-probesize", "16M", "-analyzeduration", "5M"];
        match self {
            Self::Poster | Self::LaterPoster => [
                ["-nostdin", "-hide_banner", "-loglevel", "quiet", "-threads", "1"].as_slice(),
                &["-filter_threads", "1", "-max_pixels", "300000000"],
                &bounds,
                if self == Self::LaterPoster { &["-ss", "3"] } else { &[] },
                &["-i", INPUT, "-map", "0:V:0", "-frames:v", "1", "-an", "-sn", "-dn", "-vf", POSTER_FILTER],
                &["-c:v", "ppm", "-f", "image2pipe", "pipe:1"],
            ]
            .concat(),
            Self::Facts => [
                ["-v", "quiet"].as_slice(),
                &bounds,
                &["-select_streams", "V:0", "-show_entries"],
                &["stream=codec_name,width,height,duration:format=duration", "-of", "default=nw=1", INPUT],
            ]
            .concat(),
        }
    }
}

/// Square pixels, then at most 1440 a side, never larger than the video.
const POSTER_FILTER: &str = "scale='min(max(iw*sar,1),4*iw)':ih:flags=area,setsar=1,\
scale='min(1440,iw)':'min(1440,ih)':force_original_aspect_ratio=decrease:flags=area,format=rgb24";

/// Enters the sandbox and becomes `program`; returns only when that failed.
pub(crate) fn become_program(
    task: Task,
    program: &Path,
    memory_bytes: u64,
    accept_open_sandbox: bool,
) -> ExitCode {
    if sandbox::enter_for_video(program, memory_bytes).is_err() && !accept_open_sandbox {
        return ExitCode::from(u8::try_from(SANDBOX_FAILED).unwrap_or(PROGRAM_FAILED));
    }
    replace_process(Command::new(program).args(task.arguments()).env_clear().env("LC_ALL", "C"))
}

#[cfg(unix)]
fn replace_process(command: &mut Command) -> ExitCode {
    use std::os::unix::process::CommandExt;
    drop(command.exec());
    ExitCode::from(PROGRAM_FAILED)
}

#[cfg(not(unix))]
fn replace_process(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::from(PROGRAM_FAILED),
    }
}
