//! Poster frames and facts of videos, by `ffmpeg` and `ffprobe` inside the worker's video sandbox.
//!
//! Invariant: the programs get the video as standard input and nothing else that is ours; they can read
//! that file and their own libraries, and write only to one pipe, of which a bounded part is read before
//! a deadline. They are optional: without them a video is imported without a poster.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

use safelight_worker::video::{SANDBOX_FAILED, Task};

use super::process::{bare_command, in_words, prepare_end};
use super::wait::Timed;
use super::{PoolOptions, Refusal, RenderError};

/// A frame of at most 1440 pixels square as PPM, with room for odd ones.
const MAX_OUTPUT_BYTES: u64 = 32 << 20;

/// What `ffprobe` says of a video's first picture track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VideoFacts {
    /// Pixels across, as coded.
    pub width: Option<u32>,
    /// Pixels down, as coded.
    pub height: Option<u32>,
    /// Length in milliseconds.
    pub duration_millis: Option<u64>,
    /// ffmpeg's name of the codec, such as `h264`.
    pub codec: Option<String>,
}

/// Seeks `ffmpeg` where systems install it; never through the environment.
pub(super) fn find_ffmpeg() -> Option<PathBuf> {
    ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/run/current-system/sw/bin"]
        .iter()
        .map(|directory| Path::new(directory).join("ffmpeg"))
        .find(|program| program.is_file())
}

pub(super) fn poster_frame(options: &PoolOptions, video: &File, task: Task) -> Result<Vec<u8>, RenderError> {
    let program = options.ffmpeg.as_deref().ok_or(RenderError::NoFfmpeg)?;
    let frame = run(options, program, task, video)?;
    if frame.is_empty() {
        return Err(RenderError::Refused(Refusal::malformed("ffmpeg finds no picture in the video")));
    }
    Ok(frame)
}

pub(super) fn facts(options: &PoolOptions, video: &File) -> Result<VideoFacts, RenderError> {
    let ffmpeg = options.ffmpeg.as_deref().ok_or(RenderError::NoFfmpeg)?;
    let program = ffmpeg.with_file_name("ffprobe");
    if !program.is_file() {
        return Err(RenderError::NoFfmpeg);
    }
    Ok(parse_facts(&String::from_utf8_lossy(&run(options, &program, Task::Facts, video)?)))
}

/// Starts one of the programs in the sandbox for videos, which writes to a pipe.
pub(super) fn start(
    options: &PoolOptions,
    program: &Path,
    task: Task,
    video: &File,
) -> Result<Child, RenderError> {
    let failed = |reason: String| RenderError::Unavailable { program: options.program.clone(), reason };
    let input = video.try_clone().map_err(|error| failed(error.to_string()))?;
    let mut command = bare_command(options);
    if options.accept_open_sandbox {
        command.arg("--accept-open-sandbox");
    }
    command
        .arg("video")
        .arg(&*task.name())
        .arg(program)
        .stdin(Stdio::from(input))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("it cannot be started: {error}")))
}

fn run(options: &PoolOptions, program: &Path, task: Task, video: &File) -> Result<Vec<u8>, RenderError> {
    let failed = |reason: String| RenderError::Unavailable { program: options.program.clone(), reason };
    let mut child = start(options, program, task, video)?;
    let deadline = Instant::now() + options.timeout;
    let read = child.stdout.take().map_or_else(
        || Err(io::Error::other("it has no pipe")),
        |output| {
            prepare_end(&output)?;
            let mut bytes = Vec::new();
            Timed { end: &output, deadline }.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        },
    );
    // Killed also after it closed its output: nothing of it is wanted any more. Where it ended by
    // itself, this changes nothing.
    let status = match read {
        Ok(_) => settle(&mut child, deadline),
        Err(_) => None,
    };
    drop(child.kill());
    drop(child.wait());
    match (read, status) {
        (Err(error), _) if error.kind() == io::ErrorKind::TimedOut => {
            Err(RenderError::TimedOut(options.timeout))
        }
        (Err(error), _) => Err(failed(error.to_string())),
        (Ok(_), Some(status)) if status.code() == Some(SANDBOX_FAILED) => {
            Err(failed("the sandbox for videos cannot be entered here".into()))
        }
        (Ok(bytes), _) if bytes.len() as u64 > MAX_OUTPUT_BYTES => {
            Err(RenderError::Refused(Refusal::limit("ffmpeg's frame is larger than allowed")))
        }
        (Ok(bytes), Some(status)) if bytes.is_empty() && status.code().is_none() => {
            Err(RenderError::Died(in_words(status)))
        }
        (Ok(bytes), _) => Ok(bytes),
    }
}

fn settle(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(std::time::Duration::from_millis(2)),
            Ok(status) => return status,
            Err(_) => return None,
        }
    }
    None
}

/// Reads `key=value` lines; the first value of a key counts, `N/A` is none.
fn parse_facts(text: &str) -> VideoFacts {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, value)| *name == key && *value != "N/A")
            .map(|(_, value)| value)
    };
    VideoFacts {
        width: value("width").and_then(|v| v.parse().ok()),
        height: value("height").and_then(|v| v.parse().ok()),
        duration_millis: value("duration").and_then(millis),
        codec: value("codec_name").map(|name| name.chars().take(32).collect()),
    }
}

/// Milliseconds of decimal seconds, without floating point.
fn millis(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(thousandths.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_the_first_value_of_each_key() {
        let facts = parse_facts("codec_name=h264\nwidth=1920\nheight=1080\nduration=N/A\nduration=12.5\n");
        assert_eq!(
            facts,
            VideoFacts {
                width: Some(1920),
                height: Some(1080),
                duration_millis: Some(12_500),
                codec: Some("h264".into())
            }
        );
        assert_eq!(parse_facts("garbage"), VideoFacts::default());
        assert_eq!(millis("0.0419999"), Some(41));
        assert_eq!(millis("-1"), None);
    }
}
