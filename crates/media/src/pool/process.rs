//! One worker process: started bare, spoken to with deadlines, killed when dropped.
//!
//! Invariant: whatever a worker answers is bounded before it is stored and checked before it is used; a
//! worker that broke the protocol is never asked again.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use safelight_worker::protocol::{
    Answer, Hello, MAX_ANSWER_BYTES, Outcome, PROTOCOL, Rendered, RenderedHead, Rendition, RenditionHead,
    Request, Sandbox, head_bytes, read_head,
};

use super::wait::Timed;
use super::{COLOURS, FINE_SIDE, LUMA_SIDE, PoolOptions, RenderError};

/// Time for a worker to start and enter its sandbox.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// Pipes this large let a photo be sent in few switches between the processes.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1 << 20;

/// How a worker broke while it was asked.
#[derive(Debug)]
pub(super) enum Broken {
    TimedOut,
    /// What it did, as the rest of a sentence that begins with "decoding it".
    Died(String),
}

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    sandbox: Sandbox,
    requests: u64,
}

impl Process {
    pub(super) fn start(options: &PoolOptions) -> Result<Self, RenderError> {
        let failed = |reason: String| RenderError::Unavailable { program: options.program.clone(), reason };
        let mut child = bare_command(options)
            .arg("decode")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(format!("it cannot be started: {error}")))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("it has no pipes".into()));
        };
        let mut process = Self { child, input, output, sandbox: Sandbox::default(), requests: 0 };
        prepare_end(&process.input)
            .and_then(|()| prepare_end(&process.output))
            .map_err(|e| failed(e.to_string()))?;
        let mut output = Timed { end: &process.output, deadline: Instant::now() + HELLO_TIMEOUT };
        let hello = read_head::<Hello>(&mut output);
        match hello {
            Ok(Some(Hello { protocol: PROTOCOL, sandbox })) => process.sandbox = sandbox,
            Ok(Some(Hello { protocol, .. })) => {
                return Err(failed(format!("it speaks version {protocol} of the protocol, not {PROTOCOL}")));
            }
            Ok(None) => return Err(failed(format!("it {}", process.how_it_ended()))),
            Err(error) => return Err(failed(format!("its hello failed: {error}"))),
        }
        if cfg!(target_os = "linux") && !process.sandbox.is_closed() && !options.accept_open_sandbox {
            let reason = process.sandbox.missing.as_deref().unwrap_or("no reason given");
            return Err(failed(format!("its sandbox is open ({reason})")));
        }
        Ok(process)
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    pub(super) fn converse(
        &mut self,
        head: &Request,
        body: &[u8],
        timeout: Duration,
    ) -> Result<(Answer, Vec<u8>), Broken> {
        self.requests += 1;
        let deadline = Instant::now() + timeout;
        match self.exchange(head, body, deadline) {
            Ok((answer, _)) if answer.id != head.id => {
                Err(Broken::Died("gave the answer to another request".into()))
            }
            Ok(answered) => Ok(answered),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(Broken::TimedOut),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Broken::Died(format!("gave a malformed answer ({error})")))
            }
            Err(_) => Err(Broken::Died(self.how_it_ended())),
        }
    }

    fn exchange(&mut self, head: &Request, body: &[u8], deadline: Instant) -> io::Result<(Answer, Vec<u8>)> {
        let mut input = Timed { end: &self.input, deadline };
        input.write_all(&head_bytes(head)?)?;
        input.write_all(body)?;
        let mut output = Timed { end: &self.output, deadline };
        let answer: Answer = read_head(&mut output)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut renditions = vec![0; body_bytes(&answer.outcome)?];
        output.read_exact(&mut renditions)?;
        Ok((answer, renditions))
    }

    fn how_it_ended(&mut self) -> String {
        // A process that closed its pipe ends now; one that does not is killed, and says so.
        let deadline = Instant::now() + Duration::from_millis(500);
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => return in_words(status),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => break,
            }
        }
        "stopped without an answer".into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The worker's program with nothing of ours: no environment, no errors on our terminal, no directory.
pub(super) fn bare_command(options: &PoolOptions) -> Command {
    let mut command = Command::new(&options.program);
    command
        .args(&options.arguments)
        .arg(format!("--memory={}", options.memory_bytes))
        .env_clear()
        // One arena: threads are few, and each arena reserves address space of its own.
        .env("MALLOC_ARENA_MAX", "1")
        .stderr(Stdio::null());
    if options.only_small {
        command.env("MALLOC_MMAP_THRESHOLD_", "4194304").env("MALLOC_TRIM_THRESHOLD_", "8388608");
    }
    if cfg!(unix) {
        command.current_dir("/");
    }
    command
}

/// Makes our end of a pipe non-blocking and, where that is possible, large.
pub(super) fn prepare_end(end: &impl AsFd) -> io::Result<()> {
    // A refusal (the user's pipes are full) only costs switches.
    #[cfg(target_os = "linux")]
    let _refused = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
    fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
    Ok(())
}

/// How a process ended, as the rest of a sentence.
pub(super) fn in_words(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;

        use rustix::process::Signal;
        if let Some(signal) = status.signal() {
            return match signal {
                s if s == Signal::SYS.as_raw() => "tried what its sandbox forbids".into(),
                s if s == Signal::ABORT.as_raw() => "ran out of memory or gave up".into(),
                s if s == Signal::XCPU.as_raw() || s == Signal::KILL.as_raw() => {
                    "used up its time or memory".into()
                }
                s if s == Signal::SEGV.as_raw() || s == Signal::BUS.as_raw() || s == Signal::ILL.as_raw() => {
                    "crashed the decoder".into()
                }
                other => format!("ended with signal {other}"),
            };
        }
    }
    status.code().map_or_else(|| "ended".into(), |code| format!("ended with status {code}"))
}

fn body_bytes(outcome: &Outcome) -> io::Result<usize> {
    let Outcome::Rendered(head) = outcome else { return Ok(0) };
    let stated = |rendition: Option<RenditionHead>| rendition.map_or(0, |rendition| rendition.bytes);
    stated(head.thumbnail)
        .checked_add(stated(head.preview))
        .and_then(|bytes| bytes.checked_add(stated(head.luma)))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .filter(|&bytes| bytes <= MAX_ANSWER_BYTES)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "renditions longer than allowed"))
}

/// Joins an answer's head with its body; `None` when they contradict each other.
pub(super) fn with_bytes(head: RenderedHead, body: &[u8]) -> Option<Rendered> {
    let mut rest = Some(body);
    let rendered = head.map(|RenditionHead { width, height, bytes }| {
        let cut =
            rest.zip(usize::try_from(bytes).ok()).and_then(|(rest, bytes)| rest.split_at_checked(bytes));
        rest = cut.map(|(_, others)| others);
        Rendition { width, height, bytes: cut.map_or_else(Vec::new, |(own, _)| own.to_vec()) }
    });
    let thumbhash = rendered.thumbhash.filter(|hash| hash.len() <= 64);
    let is_square = |means: &Rendition| {
        let lengths = [LUMA_SIDE * LUMA_SIDE, COLOURS * FINE_SIDE * FINE_SIDE];
        lengths.into_iter().any(|length| means.bytes.len() == length as usize)
    };
    let luma = rendered.luma.filter(is_square);
    rest.is_some_and(<[u8]>::is_empty).then_some(Rendered { thumbhash, luma, ..rendered })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_whose_body_is_not_what_its_head_states_is_refused() {
        let rendition = |bytes| Some(RenditionHead { width: 2, height: 1, bytes });
        let head = |thumbnail, preview| RenderedHead {
            width: 2,
            height: 1,
            thumbnail,
            preview,
            thumbhash: Some(vec![0; 65]),
            phash64: None,
            pdq256: None,
            pdq_quality: None,
            luma: None,
            preview_pending: false,
            decoder: String::new(),
            damage: None,
        };
        let rendered = with_bytes(head(rendition(1), rendition(2)), b"abc").unwrap();
        assert_eq!(rendered.thumbnail.unwrap().bytes, b"a");
        assert_eq!(rendered.preview.unwrap().bytes, b"bc");
        assert_eq!(rendered.thumbhash, None, "longer than any hash is");
        for (first, second) in [(1, 1), (1, 3), (4, 0), (u64::MAX, 3), (3, u64::MAX)] {
            assert_eq!(with_bytes(head(rendition(first), rendition(second)), b"abc"), None);
        }
        assert_eq!(with_bytes(head(None, None), b"abc"), None);
    }
}
