//! Makes the renditions that an import left for later.
//!
//! Works from sealed originals, opened in memory: nothing is written in the clear. One job at a time is taken
//! from the queue in `device.db`; a job leaves the queue when its rendition is in a pack and in history, so a
//! killed run only repeats its last job.

use std::io::Write as _;

use safelight_catalog::RenderJob;
use safelight_media::pool::{Pool, Wanted};
use safelight_media::{MediaKind, Probe};
use safelight_model::{OpBody, Original, Storage};

use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::folder::LibraryFolder;
use crate::import::rendition::Sealer;
use crate::import::take::{NotRendered, render_still};
use crate::library::{Library, original_of};
use crate::monitor::{Monitor, Problem, Task};
use crate::objects;

/// How many jobs are looked at together.
const STRETCH_JOBS: usize = 32;

/// Originals above this are not opened in memory for a preview.
const ORIGINAL_BYTES: u64 = 1 << 30;

/// What was rendered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenderReport {
    /// Renditions made.
    pub made: u64,
    /// Jobs that failed and will be tried again, or were given up.
    pub failed: u64,
    /// Jobs that still wait.
    pub still_pending: u64,
}

/// The right to work on the queue in the background; it ends with the process.
#[derive(Debug)]
pub struct RenderTurn {
    _held: std::fs::File,
}

impl Library {
    /// Takes the turn to render in the background; none when another process has it.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn take_render_turn(folder: &LibraryFolder) -> Result<Option<RenderTurn>> {
        let path = folder.path().join("objects");
        let file = std::fs::File::open(&path).map_err(|source| LibraryError::reading(&path, source))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(RenderTurn { _held: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(LibraryError::reading(&path, error.into())),
        }
    }

    /// Makes what is in the queue of renditions.
    ///
    /// # Errors
    /// When the library or the machine fails; single pictures that fail are in the report.
    pub fn render_pending(&mut self, monitor: &dyn Monitor) -> Result<RenderReport> {
        let mut report = RenderReport::default();
        let waiting = self.device.render_queue()?.waiting_jobs;
        if waiting == 0 {
            return Ok(report);
        }
        let pool = self.pool()?;
        monitor.begin(Task::Render, Some(waiting), None);
        while !monitor.cancelled() {
            let jobs = self.device.due_renditions(now_millis(), STRETCH_JOBS)?;
            if jobs.is_empty() {
                break;
            }
            self.render_jobs(&pool, &jobs, &mut report, monitor)?;
            self.close_segment()?;
        }
        monitor.end();
        report.still_pending = self.device.render_queue()?.waiting_jobs;
        Ok(report)
    }

    fn render_jobs(
        &mut self,
        pool: &Pool,
        jobs: &[RenderJob],
        report: &mut RenderReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        for job in jobs {
            if monitor.cancelled() {
                return Ok(());
            }
            match self.render_job(pool, job)? {
                Ok(()) => {
                    report.made += 1;
                    self.device.finish_renditions([(job.content, job.kind, job.recipe)])?;
                }
                Err(reason) => {
                    report.failed += 1;
                    monitor.problem(&Problem::notice(job.content.to_string(), &reason));
                    self.device.fail_rendition(job, &reason, now_millis())?;
                }
            }
            monitor.advance(1, 0);
        }
        Ok(())
    }

    /// Renders one content; the inner error is a sentence about it.
    fn render_job(&mut self, pool: &Pool, job: &RenderJob) -> Result<std::result::Result<(), String>> {
        let Some(original) = self.original_of(&job.content)? else {
            return Ok(Err("its original is not known any more".into()));
        };
        if original.size_bytes > ORIGINAL_BYTES {
            return Ok(Err("it is too large to be decoded".into()));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(original.size_bytes).unwrap_or_default());
        if let Err(error) =
            objects::write_original(&self.place, &self.device, self.keyring(), &original, &mut bytes)
        {
            return Ok(Err(error.to_string()));
        }
        let name = std::path::PathBuf::from(original.source.display());
        let probe = safelight_media::probe(&bytes, &name);
        let rendered = match rendered_of(pool, &bytes, &probe) {
            Ok(rendered) => rendered,
            Err(NotRendered::Later) => return Ok(Err("no worker could be started".into())),
            Err(NotRendered::Never(reason)) => return Ok(Err(reason)),
        };
        let keyring = self.keyring().clone();
        let sealer = Sealer::new(keyring.library(), keyring.epoch());
        let made = sealer.seal_rendered(&job.content, &rendered)?;
        let mut locations = Vec::new();
        for entry in &made {
            locations.push(self.packs.append(job.content, entry, &keyring, &mut self.device)?);
        }
        self.packs.sync()?;
        let mut bodies = Vec::new();
        let renditions: Vec<_> = made.iter().filter_map(|entry| entry.rendition).collect();
        if !renditions.is_empty() {
            bodies.push(OpBody::Render { content: job.content, renditions });
        }
        self.record(bodies)?;
        self.device.record_packed(&locations)?;
        Ok(Ok(()))
    }
}

/// Renders what is in memory; of a video its poster, from a descriptor that no path leads to.
fn rendered_of(
    pool: &Pool,
    bytes: &[u8],
    probe: &Probe,
) -> std::result::Result<safelight_media::pool::Rendered, NotRendered> {
    if probe.kind != MediaKind::Video {
        return render_still(pool, bytes, probe, Wanted::ALL);
    }
    let in_memory = || -> std::io::Result<std::fs::File> {
        let descriptor = rustix::fs::memfd_create("video", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(descriptor);
        file.write_all(bytes)?;
        Ok(file)
    };
    let file =
        in_memory().map_err(|error| NotRendered::Never(format!("it cannot be held in memory: {error}")))?;
    crate::import::take::told(pool.poster(&file, Wanted::ALL))
}

/// Where a content's original rests.
impl Library {
    pub(crate) fn original_of(&self, content: &safelight_crypto::ContentHash) -> Result<Option<Original>> {
        original_of(&self.catalog(), content)
    }

    /// Reads a content's sealed original back and compares its hash: a fresh proof that the library holds it.
    pub(crate) fn prove_content(&self, content: &safelight_crypto::ContentHash) -> Result<()> {
        let original = self
            .original_of(content)?
            .ok_or_else(|| LibraryError::NoSuchItem { item: content.to_string() })?;
        if original.storage == Storage::Linked {
            return Err(LibraryError::NotHere {
                object: format!("a sealed copy of {}", original.source.display()),
            });
        }
        objects::write_original(&self.place, &self.device, self.keyring(), &original, &mut std::io::sink())
    }
}
