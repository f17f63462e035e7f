//! `azphotosync`: runs `safelight azphotosync`, for scripts that call it by this name.
//!
//! Why not the program itself under a second name: it would be linked twice. `safelight` is looked for beside this program,
//! then on the path.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The exit code of shells for a program that is not there.
const NOT_THERE: u8 = 127;

fn main() -> ExitCode {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("safelight"));
    let program = beside.filter(|beside| beside.is_file()).unwrap_or_else(|| PathBuf::from("safelight"));
    // Only comes back when it could not be started.
    let error = Command::new(&program).arg("azphotosync").args(std::env::args_os().skip(1)).exec();
    let _gone = writeln!(std::io::stderr(), "azphotosync: {} cannot be run: {error}", program.display());
    ExitCode::from(NOT_THERE)
}
