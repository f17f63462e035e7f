//! Looks whether the machine and the library are well, and says what to do where they are not.
//!
//! Nothing here is silent and nothing is mended unasked: every finding is one line, with the next step.

use std::path::PathBuf;

use safelight_catalog::Catalog;
use safelight_crypto::OsEntropy;
use safelight_media::pool::{Pool, PoolOptions};
use serde::Serialize;

use crate::effects::now_stamp_millis;
use crate::error::Result;
use crate::folder::LibraryFolder;
use crate::keys::UnlockedKeys;
use crate::library::{Library, catalog_key};
use crate::log::read_log;
use crate::monitor::{Monitor, Task};
use crate::verify::VerifyRequest;

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
        if request.repair == Some(Repair::Leftovers) && !self.is_read_only() {
            findings.push(self.sweep_leftovers(monitor)?);
        }
        let report = self.verify(&VerifyRequest { quick: true }, monitor)?;
        for damage in report.damaged {
            let hint = "safelight verify reads everything; importing the photo again repairs it";
            findings.push(Finding::damaged("library", format!("{}: {}", damage.path, damage.reason), hint));
        }
        for notice in report.notices {
            let hint = "safelight doctor --fix removes what nothing speaks of";
            findings.push(Finding::unwell("leftover", format!("{}: {}", notice.path, notice.reason), hint));
        }
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

    /// Removes objects that nothing in the library speaks of. They are what interrupted imports left: an
    /// operation is recorded only after its objects, never before.
    fn sweep_leftovers(&mut self, monitor: &dyn Monitor) -> Result<Finding> {
        if self.folder.authenticate(self.keyring()).is_err() {
            self.folder.restore_description(self.keyring())?;
        }
        let leftovers = self.leftover_objects(monitor)?;
        let count = leftovers.len();
        for path in leftovers {
            self.place.remove_object(&path)?;
        }
        Ok(Finding::well("leftovers", format!("{count} objects that nothing spoke of were removed")))
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
                "the photos themselves are safe",
            ),
            None if queue.waiting_jobs > 0 => {
                Finding::well("previews", format!("{} are still being made", queue.waiting_jobs))
            }
            None => Finding::well("previews", "all made"),
        })
    }

    /// Makes the catalogue anew from the signed history in the folder. What an intact old catalogue had not
    /// yet closed into history is carried over.
    ///
    /// # Errors
    /// When the history or the folder cannot be read.
    pub fn rebuild_catalog(
        folder: &LibraryFolder,
        keys: &UnlockedKeys,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Finding>> {
        folder.require_writable()?;
        let keyring = &keys.keyring;
        let (path, key, device) = (folder.catalog_path(), catalog_key(keyring), keyring.device().id());
        let open_ops = Catalog::open(&path, &key, device, &mut OsEntropy)
            .and_then(|catalog| {
                let ops = catalog.open_op_bytes()?;
                catalog.close().map(|()| ops)
            })
            .unwrap_or_default();
        monitor.begin(Task::Rebuild, None, None);
        let mut segments = Vec::new();
        let reading = read_log(folder.objects(), keyring, &mut |segment| {
            monitor.advance(segment.len() as u64, 0);
            segments.push(segment);
            Ok(())
        })?;
        let (catalog, rebuilt) =
            Catalog::rebuild(&path, &key, device, &mut OsEntropy, segments, &open_ops, now_stamp_millis())?;
        catalog.close()?;
        crate::birth::keep_private(&path)?;
        monitor.end();
        let mut findings = vec![Finding::well(
            "catalog",
            format!("rebuilt from {} segments with {} operations", rebuilt.segments, rebuilt.ops),
        )];
        let hint = "what follows it in that device's chain is missing from the catalogue";
        findings.extend(
            reading.damaged.into_iter().map(|damage| {
                Finding::damaged("history", format!("{}: {}", damage.path, damage.reason), hint)
            }),
        );
        findings.extend(rebuilt.left_out.into_iter().map(|what| Finding::damaged("history", what, hint)));
        Ok(findings)
    }
}
