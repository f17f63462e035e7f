//! Looks whether the machine and the library are well, and says what to do where they are not.
//!
//! Nothing here is silent and nothing is mended unasked: every finding is one line, with the next step.

mod rebuilding;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use safelight_media::pool::{Pool, PoolOptions};
use serde::Serialize;

use crate::error::{LibraryError, Result};
use crate::library::{DEVICE_WAS_LOST, DEVICE_WAS_LOST_HINT, Library, MADE_ANEW};
use crate::monitor::Monitor;
use crate::verify::{Damage, VerifyReport, VerifyRequest};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub what: String,
    /// Whether it is as it should be.
    pub well: bool,
    /// Whether data is damaged.
    pub damaged: bool,
    /// What was seen.
    pub says: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// All is as it should be.
    #[must_use]
    pub fn well(what: &str, says: impl Into<String>) -> Self {
        Self { what: what.into(), well: true, damaged: false, says: says.into(), hint: None }
    }

    /// Something could be better.
    #[must_use]
    pub fn unwell(what: &str, says: impl Into<String>, hint: &str) -> Self {
        Self { what: what.into(), well: false, damaged: false, says: says.into(), hint: Some(hint.into()) }
    }

    /// Data is damaged.
    #[must_use]
    pub fn damaged(what: &str, says: impl Into<String>, hint: &str) -> Self {
        Self { damaged: true, ..Self::unwell(what, says, hint) }
    }
}

/// What the doctor may mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// What interrupted runs left behind.
    Leftovers,
    /// The catalogue, rebuilt from history.
    Catalog,
}

/// What the doctor is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct DoctorRequest {
    /// What to mend; nothing when absent.
    pub repair: Option<Repair>,
    /// Whether the user has agreed to removing what nothing speaks of.
    pub agreed: bool,
}

/// The program that decodes pictures, and how it is called.
#[derive(Debug, Clone)]
pub struct WorkerProgram {
    /// The program, usually this one.
    pub program: PathBuf,
    /// Its arguments, usually `worker`.
    pub arguments: Vec<std::ffi::OsString>,
}

impl WorkerProgram {
    pub(crate) fn pool_options(&self, workers: usize) -> PoolOptions {
        PoolOptions {
            program: self.program.clone(),
            arguments: self.arguments.clone(),
            workers,
            ..PoolOptions::default()
        }
    }
}

/// Looks at what a library needs of this machine.
#[must_use]
pub fn examine_machine(worker: &WorkerProgram) -> Vec<Finding> {
    vec![examine_sandbox(worker), examine_ffmpeg(worker), examine_clock()]
}

/// Linked originals that are not there: how many, and the first of them.
fn examine_links(report: &VerifyReport) -> Option<Finding> {
    let first = report.absent.first()?;
    let others = report.absent.len() - 1;
    let others = if others > 0 { format!(" and {others} more") } else { String::new() };
    Some(Finding::unwell(
        "linked originals",
        format!("{}{others}: {}", first.path, first.reason),
        "connect the disk that they are on; safelight verify names them all",
    ))
}

fn examine_sandbox(worker: &WorkerProgram) -> Finding {
    const WHAT: &str = "sandbox";
    match Pool::start(worker.pool_options(1)).and_then(|pool| pool.sandbox()) {
        Ok(sandbox) if sandbox.is_closed() => {
            let landlock = if sandbox.landlock { "Landlock, " } else { "" };
            Finding::well(
                WHAT,
                format!("pictures are decoded behind {landlock}a system call filter and limits"),
            )
        }
        Ok(sandbox) => Finding::unwell(
            WHAT,
            format!(
                "the decoder's sandbox is open: {}",
                sandbox.missing.unwrap_or_else(|| "not supported here".into())
            ),
            "photos from strangers are safer on Linux 5.13 or later",
        ),
        Err(error) => Finding::unwell(
            WHAT,
            error.to_string(),
            "photos are imported, but have no previews until this works",
        ),
    }
}

fn examine_ffmpeg(worker: &WorkerProgram) -> Finding {
    match worker.pool_options(1).ffmpeg {
        Some(path) => Finding::well("video previews", format!("made by {}", path.display())),
        None => Finding::unwell(
            "video previews",
            "no ffmpeg was found; videos are imported without previews",
            "install ffmpeg (apt install ffmpeg, brew install ffmpeg)",
        ),
    }
}

fn examine_clock() -> Finding {
    /// 2026-01-01; no honest clock is behind the program's own making.
    const MADE_MILLIS: i64 = 1_767_225_600_000;
    let now = jiff::Timestamp::now();
    if now.as_millisecond() < MADE_MILLIS {
        return Finding::unwell("clock", format!("it says {now}"), "set the clock; history carries its time");
    }
    Finding::well("clock", now.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

impl Library {
    /// Looks at this library, and mends what is asked for.
    ///
    /// # Errors
    /// When the library cannot be read at all.
    pub fn doctor(&mut self, request: &DoctorRequest, monitor: &dyn Monitor) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let repairs = request.repair == Some(Repair::Leftovers) && !self.is_read_only();
        if repairs {
            self.hold_alone()?;
        }
        let mut report = self.verify(&VerifyRequest { quick: true }, monitor)?;
        if repairs {
            findings.push(self.sweep_leftovers(&mut report, request.agreed, monitor)?);
            self.retry_renditions()?;
            if self.render_pending(monitor)?.made > 0 {
                // Damaged previews were made again: what is said is how it stands now.
                report = self.verify(&VerifyRequest { quick: true }, monitor)?;
            }
        }
        for damage in Damage::together(&report.damaged) {
            let photos = damage.photos_in_words().map(|photos| format!(" ({photos})")).unwrap_or_default();
            let says = format!("{}: {}{photos}", damage.path, damage.reason);
            findings.push(Finding::damaged("library", says, damage.hint(report.has_remotes)));
        }
        findings.extend(examine_links(&report));
        let sweepable: HashSet<String> =
            report.leftovers.iter().map(|path| format!("objects/{}", path.as_str())).collect();
        for notice in report.notices {
            let says = format!("{}: {}", notice.path, notice.reason);
            findings.push(match notice.is_stray {
                // The removal asks for consent, which one line can give at once.
                true if sweepable.contains(&notice.path) => Finding::unwell(
                    "leftover",
                    says,
                    "safelight doctor --fix --yes removes what nothing speaks of",
                ),
                true => Finding::unwell("stray file", says, "it is none of the library's: move it elsewhere"),
                false => Finding::well("note", says),
            });
        }
        findings.extend(self.folder.replaced_databases().iter().map(|old| examine_old_database(old)));
        findings.extend(self.examine_device_database(repairs)?);
        findings.extend(self.examine_history(request.repair)?);
        findings.push(self.examine_space());
        findings.push(self.examine_previews()?);
        if findings.iter().all(|finding| finding.well) {
            findings.push(Finding::well(
                "library",
                format!("{} originals are where they should be", report.originals),
            ));
        }
        Ok(findings)
    }

    /// Says who has the library when it could not be had alone.
    fn name_who_works(&self, error: LibraryError) -> LibraryError {
        match (&error, Self::take_render_turn(&self.folder)) {
            (LibraryError::Refused { .. }, Ok(None)) => LibraryError::Refused {
                reason: "previews are being made in the background for this library".into(),
                hint:
                    "safelight status says how many wait; safelight import --wait returns when they are made"
                        .into(),
            },
            _ => error,
        }
    }

    /// Keeps others out while something may be removed, and writes small files anew that are damaged.
    fn hold_alone(&mut self) -> Result<()> {
        if let Some(lock) = &mut self.lock
            && let Err(error) = lock.become_alone()
        {
            return Err(self.name_who_works(error));
        }
        if self.folder.authenticate(self.keyring()).is_err() {
            self.folder.restore_description(self.keyring())?;
        }
        Ok(self.folder.keys().forget_damaged_attempts()?)
    }

    /// Removes sealed parts of originals that nothing in the library speaks of. They are what interrupted imports
    /// left: an operation is recorded only after its objects, never before. Only alone in the library, only when
    /// the catalogue agrees with an undamaged history, and only when the user has agreed.
    fn sweep_leftovers(
        &mut self,
        report: &mut VerifyReport,
        agreed: bool,
        monitor: &dyn Monitor,
    ) -> Result<Finding> {
        const WHAT: &str = "leftovers";
        let history = self.verify_history(monitor)?;
        if let Some(damage) = history.damaged.first() {
            let says =
                format!("nothing is removed while history is damaged: {}: {}", damage.path, damage.reason);
            return Ok(Finding::damaged(WHAT, says, "safelight history --verify names all of it"));
        }
        let old = if agreed { self.remove_old_databases()? } else { String::new() };
        let count = report.leftovers.len();
        if count > 0 && !agreed {
            let says = format!("{} that nothing speaks of would be removed", sealed_parts(count));
            return Ok(Finding::unwell(WHAT, says, "safelight doctor --fix --yes removes them"));
        }
        for path in std::mem::take(&mut report.leftovers) {
            self.place.remove_object(&path)?;
            let named = format!("objects/{}", path.as_str());
            report.notices.retain(|notice| notice.path != named);
        }
        Ok(Finding::well(WHAT, format!("removed, as nothing spoke of them: {}{old}", sealed_parts(count))))
    }

    /// Removes the databases from before a repair; answers how to say it.
    fn remove_old_databases(&self) -> Result<String> {
        let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let names = self.folder.replaced_databases().into_iter().filter_map(name).collect::<Vec<_>>();
        self.folder.remove_replaced_databases()?;
        Ok(if names.is_empty() { String::new() } else { format!("; and {}", names.join(", ")) })
    }

    /// Says that `device.db` was lost until a repair was asked for, by which it counts as known.
    fn examine_device_database(&mut self, repairs: bool) -> Result<Option<Finding>> {
        if self.device.settings(MADE_ANEW)?.is_empty() {
            return Ok(None);
        }
        if repairs {
            self.device.set_setting(MADE_ANEW, None)?;
        }
        Ok(Some(Finding::unwell("device.db", DEVICE_WAS_LOST, DEVICE_WAS_LOST_HINT)))
    }

    /// What the last whole verification found of history and keys; nothing of them is read here.
    /// After a repair they are.
    fn examine_history(&mut self, repair: Option<Repair>) -> Result<Option<Finding>> {
        let was_damaged = self.device.setting(safelight_sync::HISTORY_DAMAGED)?.is_some();
        if !was_damaged || repair.is_some() && self.verify_log_and_remember()?.damaged.is_empty() {
            return Ok(None);
        }
        let hint = "safelight verify names what it is; the next safelight sync brings it back from a remote, or safelight \
                    doctor --fix catalog writes it anew as far as the catalogue still knows it";
        let says = "a verification found damage in the history or the keys that rest here";
        Ok(Some(Finding::damaged("history", says, hint)))
    }

    fn examine_space(&self) -> Finding {
        /// Less than this is too little for a catalogue to grow.
        const LITTLE_BYTES: u64 = 1 << 30;
        match self.free_bytes() {
            Some(free) if free < LITTLE_BYTES => Finding::unwell(
                "space",
                format!("{} MB are free", free / 1_000_000),
                "free some space, or move the library",
            ),
            Some(free) => Finding::well("space", format!("{} GB are free", free / 1_000_000_000)),
            None => Finding::well("space", "unknown here"),
        }
    }

    fn examine_previews(&self) -> Result<Finding> {
        let queue = self.device.render_queue()?;
        let given_up = self.device.given_up_renditions(1)?;
        Ok(match given_up.first() {
            Some(job) => Finding::unwell(
                "previews",
                format!(
                    "{} could not be made: {}",
                    queue.given_up_jobs,
                    job.reason.clone().unwrap_or_else(|| "no reason was kept".into())
                ),
                "the photos themselves are safe; safelight import --wait tries once more",
            ),
            None if queue.waiting_jobs > 0 => {
                Finding::well("previews", format!("{} are still being made", queue.waiting_jobs))
            }
            None => Finding::well("previews", "all made"),
        })
    }
}

fn sealed_parts(count: usize) -> String {
    if count == 1 { "1 sealed part".into() } else { format!("{count} sealed parts") }
}

/// A database that was replaced and is kept.
fn examine_old_database(old: &Path) -> Finding {
    let name = old.file_name().unwrap_or_default().to_string_lossy();
    Finding::well(
        "old database",
        format!(
            "{name} is kept from before it was made anew; safelight doctor --fix --yes removes it, when nothing is missed"
        ),
    )
}
