//! Wrongs on request, so that tests can see the sandbox stop them. Part of this test program alone.

use std::fs::File;
use std::net::TcpStream;
use std::process::Command;

use std::sync::OnceLock;

use rustix::process::{Pid, Signal, getppid, kill_process};

use safelight_worker::protocol::{Refusal, Rendered, Rendition, Wrong};

/// The process that started this one; a sandboxed process cannot ask.
static PARENT: OnceLock<Option<Pid>> = OnceLock::new();

/// Notes the parent before the sandbox is entered.
pub(crate) fn remember_parent() {
    PARENT.get_or_init(getppid);
}

/// Does it, and says how far it came. `Refusal::unsupported` means that the wrong succeeded.
pub(crate) fn misbehave(wrong: Wrong) -> Result<Rendered, Refusal> {
    let done = match wrong {
        Wrong::ReadFile => File::open("/etc/passwd").map(|_| ()),
        Wrong::WriteFile => File::create("/tmp/safelight-worker-was-here").map(|_| ()),
        Wrong::Connect => TcpStream::connect("127.0.0.1:9").map(|_| ()),
        Wrong::Execute => Err(become_another()),
        Wrong::Fork => Command::new("/bin/true").spawn().map(|_| ()),
        Wrong::Trace => trace(),
        Wrong::Signal => PARENT
            .get()
            .copied()
            .flatten()
            .map_or(Ok(()), |parent| kill_process(parent, Signal::USR1).map_err(Into::into)),
        Wrong::Memory => {
            let taken: Vec<Vec<u8>> =
                (0..256).map(|value| vec![u8::try_from(value % 255).unwrap_or(0) | 1; 64 << 20]).collect();
            drop(taken);
            Ok(())
        }
        Wrong::Hang => loop {
            std::hint::spin_loop();
        },
        Wrong::Die => std::process::abort(),
        Wrong::Flood => return Ok(flood()),
    };
    match done {
        Ok(()) => Err(Refusal::unsupported("it worked")),
        Err(error) => Err(Refusal::limit(error.to_string())),
    }
}

fn become_another() -> std::io::Error {
    use std::os::unix::process::CommandExt;
    Command::new("/bin/true").exec()
}

#[expect(unsafe_code, reason = "ptrace has no safe form")]
fn trace() -> std::io::Result<()> {
    // SAFETY: PTRACE_TRACEME takes no pointers that are read.
    let outcome = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    if outcome == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn flood() -> Rendered {
    Rendered {
        width: 1,
        height: 1,
        thumbnail: Some(Rendition { width: 1, height: 1, bytes: vec![0; 100 << 20] }),
        preview: None,
        thumbhash: None,
        phash64: None,
        pdq256: None,
        pdq_quality: None,
        luma: None,
        preview_pending: false,
        decoder: String::new(),
        damage: None,
    }
}
