//! Decoders of untrusted pixels, and the sandbox they run in.
//!
//! Invariant: this crate knows no keys, no catalogue and no store, and what it decodes was written by
//! strangers. [`run`] is the body of the hidden `safelight worker`: it enters a sandbox without files,
//! network and programs, then turns compressed pictures from standard input into renditions on standard
//! output ([`protocol`]). Decoders written in C run nowhere else. `safelight_media::pool` drives it.
//!
//! What protects on Linux and what elsewhere: `docs/decisions/sandbox.md`.

mod arguments;
mod colour;
mod decode;
mod fingerprint;
pub mod protocol;
mod raster;
mod render;
mod sandbox;
mod serve;
mod turn;
pub mod video;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Mode};
use protocol::{Refusal, Rendered, Wrong};

/// Does a wrong that a test asks for.
#[doc(hidden)]
pub type Misbehave = fn(Wrong) -> Result<Rendered, Refusal>;

/// Status of a worker that was started with arguments it does not know.
const WRONG_ARGUMENTS: u8 = 96;

/// Runs a worker until its standard input ends; to be called before anything else of the process.
///
/// `arguments` are those after the hidden command's name; the pool gives them. Closes every descriptor
/// but the three standard ones. Nothing is written to standard error.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_with(arguments, nothing_wrong)
}

/// What the product does when it is asked for a wrong.
fn nothing_wrong(_: Wrong) -> Result<Rendered, Refusal> {
    Err(Refusal::unsupported("this worker does nothing wrong on request"))
}

/// The same with a body for [`Request::wrong`](protocol::Request::wrong), for tests of the sandbox.
#[doc(hidden)]
pub fn run_with(arguments: impl IntoIterator<Item = OsString>, misbehave: Misbehave) -> ExitCode {
    let Some(arguments) = Arguments::parse(arguments) else {
        return ExitCode::from(WRONG_ARGUMENTS);
    };
    // The default hook would print; a panic is answered as a refusal instead.
    std::panic::set_hook(Box::new(|_| ()));
    sandbox::close_inherited_descriptors();
    match arguments.mode {
        Mode::Decode => {
            let sandbox = sandbox::enter_for_decoding(arguments.memory_bytes);
            serve::serve(sandbox, misbehave)
        }
        Mode::Video { task, program } => {
            video::become_program(task, &program, arguments.memory_bytes, arguments.accept_open_sandbox)
        }
    }
}
