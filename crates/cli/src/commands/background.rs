//! `safelight background`: makes the previews that an import left for later, in a process of its own.
//!
//! The key comes in through standard input; it is never in an argument or the environment.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use clap::Args;
use safelight_library::Library;
use safelight_library::keys::UnlockedKeys;
use zeroize::Zeroizing;

use crate::context::{Context, this_program};
use crate::failure::{Exit, Failure};

/// Make the previews that are still waiting
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

/// Starts the process and hands it the key; a failure only means that the previews wait for the next import.
pub(crate) fn start(context: &Context, library: &Library) {
    if let Err(error) = spawn(library) {
        context.output.talk(&format!("The previews wait for the next import: {error}"));
    }
}

fn spawn(library: &Library) -> std::io::Result<()> {
    let (folder, keys) = library.keys();
    let mut child = Command::new(this_program())
        .arg("--library")
        .arg(folder.path())
        .args(["--quiet", "background"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(keys.unlock_key.as_bytes())?;
    }
    Ok(())
}

pub(crate) fn run(context: &Context, _arguments: &Arguments) -> Result<(), Failure> {
    let mut key = Zeroizing::new([0; 32]);
    std::io::stdin().lock().read_exact(&mut *key)?;
    let folder = context.folder()?;
    let Some(_turn) = Library::take_render_turn(&folder)? else {
        return Ok(());
    };
    if let Err(error) = rustix::process::nice(10) {
        context.output.talk(&format!("The priority could not be lowered: {error}"));
    }
    let unlock_key = safelight_library::UnlockKey::from_bytes(*key);
    let opened = folder.keys().open_keyring(&unlock_key).map_err(safelight_library::LibraryError::from)?;
    let keys = UnlockedKeys { keyring: opened.keyring, unlock_key };
    let mut library = Library::open(folder, keys, &context.library_options())?;
    let report = library.render_pending(&context.progress)?;
    library.close()?;
    if report.still_pending > 0 && report.failed > 0 {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}
