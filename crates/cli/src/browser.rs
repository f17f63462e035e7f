//! The browser of whoever is signed in at this machine.

use std::io;
use std::process::{Command, Stdio};

/// The program that opens an address in it.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Has an address opened, and does not wait for it.
pub(crate) fn open(address: &str) -> io::Result<()> {
    let quiet = Stdio::null;
    Command::new(OPENER).arg(address).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().map(drop)
}
