//! Wrongs on request, so that tests can see the sandbox stop them. Never compiled into the product.

use std::ffi::CString;
use std::fs::File;
use std::net::TcpStream;
use std::process::Command;

use rustix::process::{Signal, getppid, kill_process};

use crate::protocol::{Refusal, Rendered, Rendition, Wrong};

/// Does it, and says how far it came. `Refusal::unsupported` means that the wrong succeeded.
pub(crate) fn misbehave(wrong: Wrong) -> Result<Rendered, Refusal> {
    let done = match wrong {
        Wrong::ReadFile => File::open("/etc/passwd").map(|_| ()),
        Wrong::WriteFile => File::create("/tmp/safelight-worker-was-here").map(|_| ()),
        Wrong::Connect => TcpStream::connect("127.0.0.1:9").map(|_| ()),
        Wrong::Execute => Err(rustix_exec()),
        Wrong::Fork => Command::new("/bin/true").spawn().map(|_| ()),
        Wrong::Trace => trace(),
        Wrong::Signal => {
            getppid().map_or(Ok(()), |parent| kill_process(parent, Signal::USR1).map_err(Into::into))
        }
        Wrong::Memory => {
            let taken: Vec<Vec<u8>> = (0..256).map(|value| vec![value as u8 | 1; 64 << 20]).collect();
            Ok(drop(taken))
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

fn rustix_exec() -> std::io::Error {
    use std::os::unix::process::CommandExt;
    Command::new("/bin/true").exec()
}

#[expect(unsafe_code, reason = "ptrace has no safe form")]
fn trace() -> std::io::Result<()> {
    let _keeps_libc_linked = CString::default();
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
        preview_pending: false,
        decoder: String::new(),
        damage: None,
    }
}
