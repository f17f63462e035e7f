//! The arguments that the pool starts a worker with.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::video::Task;

/// Address space of a worker when none is given.
const DEFAULT_MEMORY_BYTES: u64 = 2560 << 20;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) memory_bytes: u64,
    pub(crate) accept_open_sandbox: bool,
    pub(crate) mode: Mode,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers requests.
    Decode,
    /// Becomes `ffmpeg` or `ffprobe`, with the video as standard input.
    Video { task: Task, program: PathBuf },
}

impl Arguments {
    /// Parses `[--memory=BYTES] [--accept-open-sandbox] decode | video TASK PROGRAM`.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut parsed =
            Self { memory_bytes: DEFAULT_MEMORY_BYTES, accept_open_sandbox: false, mode: Mode::Decode };
        let mut rest = arguments.into_iter();
        loop {
            let argument = rest.next()?;
            let text = argument.to_str()?;
            if let Some(bytes) = text.strip_prefix("--memory=") {
                parsed.memory_bytes = bytes.parse().ok()?;
                continue;
            }
            match text {
                "--accept-open-sandbox" => parsed.accept_open_sandbox = true,
                "decode" => break,
                "video" => {
                    let task = Task::by_name(rest.next()?.to_str()?)?;
                    parsed.mode = Mode::Video { task, program: rest.next()?.into() };
                    break;
                }
                _ => return None,
            }
        }
        rest.next().is_none().then_some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Arguments> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn only_the_pools_arguments_are_understood() {
        assert_eq!(parse("--memory=5 decode").unwrap().memory_bytes, 5);
        let video = parse("video poster /usr/bin/ffmpeg").unwrap();
        assert_eq!(video.mode, Mode::Video { task: Task::Poster, program: "/usr/bin/ffmpeg".into() });
        for wrong in ["", "--memory=x decode", "decode more", "video", "video poster", "video dance /bin/sh"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
