//! The worker's video mode: enters a sandbox that only its programs' own libraries and the one video
//! can be read from, then becomes `ffmpeg` or `ffprobe`.
//!
//! Invariant: the video is standard input, so no path of the user's is ever in an argument; output goes
//! to a pipe that the pool reads to a bound or piece by piece; the program can reach no network and start
//! no process.

use std::borrow::Cow;
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
    /// All of it from somewhere on, in a form that browsers play while it is still being made.
    Proxy {
        /// That form.
        form: ProxyForm,
        /// Where it begins. Its own times count from there.
        from_seconds: u32,
    },
}

/// What a proxy is made as. All are at most 1280 pixels a side and 30 frames a second, upright, with square pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyForm {
    /// Fragments of MP4, one a second: H.264 and, where the video has sound, AAC.
    H264,
    /// The same without the sound, for sound that cannot be read.
    SilentH264,
    /// Clusters of WebM, one a second: VP8 and Opus, for an ffmpeg that may not write H.264.
    Vp8,
    /// The same without the sound: an ffmpeg that may not write H.264 often may not read the sound of cameras either.
    SilentVp8,
}

impl ProxyForm {
    /// Every form, the one that is wanted most first.
    pub const ALL: [Self; 4] = [Self::H264, Self::SilentH264, Self::Vp8, Self::SilentVp8];

    fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::SilentH264 => "h264-silent",
            Self::Vp8 => "vp8",
            Self::SilentVp8 => "vp8-silent",
        }
    }

    fn coding(self) -> &'static [&'static str] {
        match self {
            // No frame waits for a later one: the first second is there as soon as it is drawn.
            Self::H264 | Self::SilentH264 => {
                &["-c:v", "libx264", "-preset", "superfast", "-bf", "0", "-profile:v", "main", "-crf", "25"]
            }
            Self::Vp8 | Self::SilentVp8 => {
                &["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16", "-b:v", "3M"]
            }
        }
    }

    fn container(self) -> &'static [&'static str] {
        match self {
            Self::H264 | Self::SilentH264 => {
                &["-movflags", "+empty_moov+default_base_moof+frag_keyframe", "-f", "mp4"]
            }
            Self::Vp8 | Self::SilentVp8 => &["-cluster_time_limit", "1000", "-live", "1", "-f", "webm"],
        }
    }

    fn sound(self) -> &'static [&'static str] {
        match self {
            Self::H264 => &["-map", "0:a:0?", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-ar", "48000"],
            Self::SilentH264 | Self::SilentVp8 => &["-an"],
            Self::Vp8 => &["-map", "0:a:0?", "-c:a", "libopus", "-b:a", "96k", "-ac", "2", "-ar", "48000"],
        }
    }
}

impl Task {
    /// The name of the task among a worker's arguments.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Poster => "poster".into(),
            Self::LaterPoster => "later-poster".into(),
            Self::Facts => "facts".into(),
            Self::Proxy { form, from_seconds } => format!("proxy-{}@{from_seconds}", form.name()).into(),
        }
    }

    /// The task of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        if let Some(proxy) = name.strip_prefix("proxy-") {
            let (form, from) = proxy.split_once('@')?;
            let form = ProxyForm::ALL.into_iter().find(|known| known.name() == form)?;
            return Some(Self::Proxy { form, from_seconds: from.parse().ok()? });
        }
        [Self::Poster, Self::LaterPoster, Self::Facts].into_iter().find(|task| task.name() == name)
    }

    /// Processor seconds that it may take.
    pub(crate) fn cpu_seconds(self) -> u64 {
        match self {
            Self::Poster | Self::LaterPoster | Self::Facts => 30,
            // An hour of film on a slow machine. Who watches it takes what is made; who does not ends it.
            Self::Proxy { .. } => 4 * 3600,
        }
    }

    fn arguments(self) -> Vec<Cow<'static, str>> {
        // Read only a bounded part of the file to find out what it is.
        const BOUNDS: [&str; 6] =
            ["-protocol_whitelist", "file,pipe", "-probesize", "16M", "-analyzeduration", "5M"];
        const QUIET: [&str; 4] = ["-nostdin", "-hide_banner", "-loglevel", "quiet"];
        let mut all: Vec<Cow<'static, str>> = Vec::new();
        let mut say = |words: &[&'static str]| all.extend(words.iter().map(|word| Cow::Borrowed(*word)));
        match self {
            Self::Poster | Self::LaterPoster => {
                say(&QUIET);
                say(&["-threads", "1", "-filter_threads", "1", "-max_pixels", "300000000"]);
                say(&BOUNDS);
                say(if self == Self::LaterPoster { &["-ss", "3"] } else { &[] });
                say(&["-i", INPUT, "-map", "0:V:0", "-frames:v", "1", "-an", "-sn", "-dn"]);
                say(&["-vf", POSTER_FILTER, "-c:v", "ppm", "-f", "image2pipe", "pipe:1"]);
            }
            Self::Facts => {
                say(&["-v", "quiet"]);
                say(&BOUNDS);
                say(&["-select_streams", "V:0", "-show_entries"]);
                say(&[
                    "stream=codec_name,width,height,duration:format=duration",
                    "-of",
                    "default=nw=1",
                    INPUT,
                ]);
            }
            Self::Proxy { form, from_seconds } => {
                say(&QUIET);
                say(&["-threads", "2", "-filter_threads", "1", "-max_pixels", "80000000"]);
                say(&BOUNDS);
                all.extend(["-ss".into(), from_seconds.to_string().into()]);
                let mut say =
                    |words: &[&'static str]| all.extend(words.iter().map(|word| Cow::Borrowed(*word)));
                say(&[
                    "-i",
                    INPUT,
                    "-map",
                    "0:V:0",
                    "-sn",
                    "-dn",
                    "-map_metadata",
                    "-1",
                    "-map_chapters",
                    "-1",
                ]);
                say(form.sound());
                say(&["-vf", PROXY_FILTER, "-fpsmax", "30"]);
                say(form.coding());
                say(&["-maxrate", "5M", "-bufsize", "10M", "-threads", "2"]);
                say(&["-force_key_frames", "expr:gte(t,n_forced)"]);
                say(form.container());
                say(&["-flush_packets", "1", "pipe:1"]);
            }
        }
        all
    }
}

/// Square pixels, then at most 1440 a side, never larger than the video.
const POSTER_FILTER: &str = "scale='min(max(iw*sar,1),4*iw)':ih:flags=area,setsar=1,\
scale='min(1440,iw)':'min(1440,ih)':force_original_aspect_ratio=decrease:flags=area,format=rgb24";

/// Whole frames out of those that hold two half ones, as camcorders write them: one each, so that none is made up; what is not
/// marked so goes through as it is. Then square pixels, then at most 1280 a side, never larger than the video; sides are even, as
/// the codecs want them.
const PROXY_FILTER: &str = "bwdif=mode=send_frame:parity=auto:deint=interlaced,\
scale='min(max(iw*sar,1),4*iw)':ih:flags=bilinear,setsar=1,\
scale='max(2,min(1280,iw))':'max(2,min(1280,ih))':force_original_aspect_ratio=decrease:force_divisible_by=2:\
flags=bilinear,format=yuv420p";

/// Enters the sandbox and becomes `program`; returns only when that failed.
pub(crate) fn become_program(
    task: Task,
    program: &Path,
    memory_bytes: u64,
    accept_open_sandbox: bool,
) -> ExitCode {
    if sandbox::enter_for_video(program, memory_bytes, task.cpu_seconds()).is_err() && !accept_open_sandbox {
        return ExitCode::from(u8::try_from(SANDBOX_FAILED).unwrap_or(PROGRAM_FAILED));
    }
    let arguments = task.arguments();
    replace_process(
        Command::new(program).args(arguments.iter().map(AsRef::as_ref)).env_clear().env("LC_ALL", "C"),
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_known_by_its_name() {
        let proxies = ProxyForm::ALL.map(|form| Task::Proxy { form, from_seconds: 71 });
        for task in [Task::Poster, Task::LaterPoster, Task::Facts].into_iter().chain(proxies) {
            assert_eq!(Task::by_name(&task.name()), Some(task));
        }
        for wrong in
            ["", "proxy", "proxy-h264", "proxy-h264@", "proxy-h264@-1", "proxy-h265@1", "proxy-h264@1e3"]
        {
            assert_eq!(Task::by_name(wrong), None, "{wrong}");
        }
    }
}
