//! Makes `docs/formats.md` from what really happens to a file of each format, and checks that the table
//! in the repository says the same. The program is its own worker, so that renditions are made in the
//! sandbox as in the product. `SAFELIGHT_WRITE_DOCS=1` writes the table instead of checking it.

#[cfg(test)]
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|argument| argument == "worker").is_some() {
        return safelight_worker::run(arguments);
    }
    // Without the harness, its flags must still be answered: a listing has nothing to list.
    if arguments.any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    #[cfg(test)]
    table::check();
    ExitCode::SUCCESS
}
