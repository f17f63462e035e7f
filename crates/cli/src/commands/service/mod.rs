//! `safelight service`: lets this machine import and sync by itself, by units of systemd or an agent of launchd.
//!
//! The texts are those of `deploy/`, with the paths of one library in them. No secret is in any of them: a key file is named, or
//! sealed to the machine by systemd.

mod keys;
mod launchd;
mod place;
mod sealed;
mod units;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use safelight_library::folder::LibraryFolder;
use safelight_library::{BackupSchedule, Library};

use crate::context::{Context, this_program};
use crate::failure::{Exit, Failure};
use crate::output::printable;
use crate::{span, whole};
use place::Place;
use units::{Key, Setting};

/// Let this machine import the watched folders and sync by itself
///
/// On Linux by units of systemd, on a Mac by an agent of launchd. The key comes from --key-file, or from the key slot that --by
/// names; what would ask somebody is refused.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write what starts it, and start it
    Install(Install),
    /// Say what is there, and how it last went
    Status(Whose),
    /// Stop it, and remove what install wrote
    Remove(Whose),
}

#[derive(Debug, Args)]
struct Install {
    #[command(flatten)]
    whose: Whose,
    /// How long to wait between two runs, a minute at least
    #[arg(long, value_name = "TIME", default_value = "15min", value_parser = interval)]
    every: Duration,
    /// Make a backup in this folder every night, too
    #[arg(long, value_name = "DIR")]
    backup: Option<PathBuf>,
    /// Only write the files into this folder, for a look or to be installed otherwise
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Args)]
struct Whose {
    /// For the machine, whoever is logged in, instead of for this user
    #[arg(long)]
    system: bool,
}

/// A minute is the shortest; a week is the longest that still deserves the name.
fn interval(text: &str) -> Result<Duration, String> {
    let length = span::parse(text)?;
    if (60..=7 * 86_400).contains(&length.as_secs()) { Ok(length) } else { Err("from 1min to 7d".to_owned()) }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Install(install) => self::install(context, install),
        Action::Status(whose) => status(context, &Place::of(context, whose.system)?),
        Action::Remove(whose) => remove(context, &Place::of(context, whose.system)?),
    }
}

fn install(context: &Context, install: &Install) -> Result<(), Failure> {
    let is_system = install.whose.system;
    let place = match &install.write {
        Some(folder) => Place::only_written(folder.clone(), is_system)?,
        None => Place::of(context, is_system)?,
    };
    place.refuse_unless_allowed()?;
    let folder = context.folder()?;
    let (key, unlocked) = keys::unattended(context, &folder, is_system)?;
    let mut setting = Setting {
        program: this_program(),
        library: context.library_path()?,
        owner: is_system.then(|| place::owner(folder.path())).transpose()?,
        key,
        every: install.every,
        backup: install.backup.as_ref().map(std::path::absolute).transpose()?,
        sources: Vec::new(),
        writable: Vec::new(),
    };
    (setting.sources, setting.writable) = touched(context, folder, unlocked)?;
    let files = place.files(&setting)?;
    for (name, _) in &files {
        place.refuse_to_write_over(name)?;
    }
    place.refuse_another_library(context, &setting.library)?;
    let mut left_over = place.ours();
    left_over.retain(|ours| files.iter().all(|(name, _)| name != ours));
    if context.global.dry_run {
        for name in &left_over {
            context.output.talk(&format!("would remove {}", printable(&place.path(name))));
        }
        return told(context, "would write", files.iter().map(|(name, _)| place.path(name)));
    }
    place.bring_key(context, &mut setting)?;
    if setting.key != Key::Sealed {
        place.drop_sealed_key();
    }
    // The key's way may have changed with what this machine can do.
    let files = place.files(&setting)?;
    std::fs::create_dir_all(&place.folder)?;
    for (name, text) in &files {
        whole::write(&place.path(name), text)?;
    }
    told(context, "wrote", files.iter().map(|(name, _)| place.path(name)))?;
    remove_left_over(context, &place, &left_over)?;
    place.start(context, &files)
}

/// Removes what an earlier install wrote and this one does not.
fn remove_left_over(context: &Context, place: &Place, left_over: &[&str]) -> Result<(), Failure> {
    place.stop(context, left_over);
    for name in left_over {
        std::fs::remove_file(place.path(name))?;
        context
            .output
            .talk(&format!("removed {}, which is no longer asked for", printable(&place.path(name))));
    }
    Ok(())
}

/// What a run reads and writes outside of the library: the watched folders; then folder remotes, backups that sync makes, and
/// watched folders whose files go after proof.
fn touched(
    context: &Context,
    folder: LibraryFolder,
    keys: safelight_library::keys::UnlockedKeys,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
    let library = Library::open_to_read(folder, keys, &context.library_options())?;
    let (remotes, sources, backups) = (library.remotes()?, library.sources()?, library.backups()?);
    library.close()?;
    if remotes.is_empty() {
        context
            .output
            .warn("there is no remote yet, and a sync without one fails: safelight remote add connects one");
    }
    let in_folders = remotes.iter().filter_map(|remote| {
        let path = remote.address.strip_prefix("folder:").map(PathBuf::from);
        path.or_else(|| Some(Path::new(remote.address.strip_prefix("file:")?).parent()?.to_owned()))
    });
    let emptied = sources.iter().filter(|source| source.remove_after_proof).map(|source| source.path.clone());
    let backups = backups
        .iter()
        .filter(|backup| backup.schedule != BackupSchedule::Off)
        .map(|backup| PathBuf::from(&backup.path));
    let mut paths: Vec<PathBuf> = in_folders.chain(emptied).chain(backups).collect();
    paths.sort();
    paths.dedup();
    Ok((sources.into_iter().map(|source| source.path).collect(), paths))
}

fn told(context: &Context, verb: &str, paths: impl Iterator<Item = PathBuf>) -> Result<(), Failure> {
    let paths: Vec<String> = paths.map(|path| printable(&path)).collect();
    if context.output.json() {
        return Ok(context.output.print_json(&serde_json::json!({ "verb": verb, "files": paths }))?);
    }
    for path in &paths {
        context.output.data(&format!("{verb} {path}"))?;
    }
    Ok(())
}

fn status(context: &Context, place: &Place) -> Result<(), Failure> {
    let found = place.standing();
    if context.output.json() {
        context.output.print_json(&found)?;
    } else {
        for one in &found {
            context.output.data(&format!("{:<26} {}", one.name, one.in_words()))?;
        }
    }
    if found.is_empty() {
        let message = format!("nothing of Safelight is installed in {}", printable(&place.folder));
        return Err(Failure::new(Exit::NotFound, message).hint("safelight service install does it"));
    }
    if found.iter().any(place::Standing::has_failed) {
        return Err(Failure::silent(Exit::Incomplete));
    }
    Ok(())
}

fn remove(context: &Context, place: &Place) -> Result<(), Failure> {
    place.refuse_unless_allowed()?;
    let ours = place.ours();
    if ours.is_empty() {
        let message = format!("nothing that install wrote is in {}", printable(&place.folder));
        return Err(Failure::new(Exit::NotFound, message).hint("what somebody wrote by hand is left alone"));
    }
    let paths = ours.iter().map(|name| place.path(name));
    if context.global.dry_run {
        return told(context, "would remove", paths);
    }
    place.stop(context, &ours);
    place.drop_sealed_key();
    for path in paths.clone() {
        std::fs::remove_file(&path)?;
    }
    told(context, "removed", paths)?;
    place.forget(context);
    Ok(())
}
