//! Makes the renditions that an import left for later.
//!
//! Works from sealed originals, opened in memory: nothing is written in the clear. One job at a time is taken
//! from the queue in `device.db`; a job leaves the queue when its rendition is in a pack and in history, so a
//! killed run only repeats its last job.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::Write as _;

use safelight_catalog::RenderJob;
use safelight_crypto::ContentHash;
use safelight_media::pool::{Pool, Wanted};
use safelight_media::{MediaKind, Probe};
use safelight_model::{Facts, Life, OpBody, ProbeKind, RenditionKind, Storage};

use crate::effects::now_millis;
use crate::error::{LibraryError, Result};
use crate::flock::{self, Answer, Ask};
use crate::folder::LibraryFolder;
use crate::import::facts;
use crate::import::rendition::{PREVIEW_RECIPE, Sealer};
use crate::import::take::{NotRendered, PICTURE_BYTES, render_still};
use crate::import::write::PIXELS_VERSION;
use crate::library::Library;
use crate::monitor::{Monitor, Problem, Task};
use crate::objects;

/// How many jobs are looked at together.
const STRETCH_JOBS: usize = 32;

/// So many failures in a row that are the machine's end a run; the next one may find it in a better state.
const MACHINE_FAILURES: u32 = 3;

/// Videos above this are not opened in memory.
pub(crate) const VIDEO_BYTES: u64 = 1 << 30;

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
    _held: File,
}

impl Library {
    /// Takes the turn to render in the background; none when another process has it.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn take_render_turn(folder: &LibraryFolder) -> Result<Option<RenderTurn>> {
        let path = folder.path().join("objects");
        let file = File::open(&path).map_err(|source| LibraryError::reading(&path, source))?;
        match flock::lock(&file, Ask::AloneNow) {
            Ok(Answer::Held | Answer::Lockless) => Ok(Some(RenderTurn { _held: file })),
            Ok(Answer::Taken) => Ok(None),
            Err(error) => Err(LibraryError::reading(&path, error)),
        }
    }

    /// Whether the queue holds renditions that are due.
    ///
    /// # Errors
    /// Those of the database.
    pub fn has_renditions_to_make(&self) -> Result<bool> {
        Ok(!self.device.due_renditions(now_millis(), 1)?.is_empty())
    }

    /// Gives renditions that failed one more attempt each, at once: somebody has asked for them, and the machine may be
    /// in a better state now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn retry_renditions(&mut self) -> Result<()> {
        Ok(self.device.retry_renditions()?)
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
        let mut put_off = PutOff::default();
        while !monitor.cancelled() && put_off.in_a_row < MACHINE_FAILURES {
            // What was put off stays in the queue as it is, at the front of what is due.
            let limit = STRETCH_JOBS + put_off.jobs.len();
            let mut jobs = self.device.due_renditions(now_millis(), limit)?;
            jobs.retain(|job| !put_off.jobs.contains(&(job.content, job.kind.code())));
            if jobs.is_empty() {
                break;
            }
            self.render_jobs(&pool, &jobs, &mut put_off, &mut report, monitor)?;
            self.close_segment()?;
        }
        monitor.end();
        report.still_pending = self.device.render_queue()?.waiting_jobs;
        Ok(report)
    }

    /// Draws renditions again that were found lost, and that no remote gave.
    pub(crate) fn draw_lost(&mut self, monitor: &dyn Monitor) -> Result<()> {
        let lost: BTreeSet<ContentHash> =
            self.device.lost_renditions()?.into_iter().map(|location| location.content).collect();
        let mut jobs = Vec::new();
        for content in lost {
            if self.can_be_drawn(&content)? {
                let (kind, recipe) = (RenditionKind::Preview, PREVIEW_RECIPE);
                jobs.push(RenderJob { content, kind, recipe, attempts: 0, reason: None });
            }
        }
        if jobs.is_empty() {
            return Ok(());
        }
        // Without a decoder they stay in the queue.
        let Ok(pool) = self.pool() else { return Ok(()) };
        monitor.begin(Task::Render, Some(jobs.len() as u64), None);
        let (mut put_off, mut report) = (PutOff::default(), RenderReport::default());
        let drawn = self.render_jobs(&pool, &jobs, &mut put_off, &mut report, monitor);
        monitor.end();
        drawn?;
        self.close_segment()
    }

    fn render_jobs(
        &mut self,
        pool: &Pool,
        jobs: &[RenderJob],
        put_off: &mut PutOff,
        report: &mut RenderReport,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        for job in jobs {
            if monitor.cancelled() || put_off.in_a_row >= MACHINE_FAILURES {
                return Ok(());
            }
            match self.render_job(pool, job)? {
                Ok(()) => {
                    report.made += 1;
                    put_off.in_a_row = 0;
                    self.device.finish_renditions([(job.content, job.kind, job.recipe)])?;
                }
                // Ctrl-C reaches the workers too: what they leave then says nothing.
                Err(_) if monitor.cancelled() => return Ok(()),
                Err(NotRendered::Later) => {
                    // The picture is not to blame, so this is none of its attempts.
                    report.failed += 1;
                    put_off.in_a_row += 1;
                    put_off.jobs.insert((job.content, job.kind.code()));
                    let reason = "the machine could not render it now; it stays in the queue";
                    monitor.problem(&Problem::notice(job.content.to_string(), reason));
                }
                Err(NotRendered::Perhaps(reason) | NotRendered::Never(reason)) => {
                    report.failed += 1;
                    put_off.in_a_row = 0;
                    monitor.problem(&Problem::notice(job.content.to_string(), &reason));
                    self.device.fail_rendition(job, &reason, now_millis())?;
                }
            }
            monitor.advance(1, 0);
        }
        Ok(())
    }

    /// Renders one content; the inner error says why there is nothing, and whose fault it is.
    fn render_job(&mut self, pool: &Pool, job: &RenderJob) -> Result<std::result::Result<(), NotRendered>> {
        let never = |reason: &str| Ok(Err(NotRendered::Never(reason.to_owned())));
        let Some(original) = self.original_of(&job.content)? else {
            return never("its original is not known any more");
        };
        let most = if original.media_type.starts_with("video/") { VIDEO_BYTES } else { PICTURE_BYTES };
        if original.size_bytes > most {
            return never("it is too large to be decoded");
        }
        let mut bytes = Vec::new();
        let size = usize::try_from(original.size_bytes).unwrap_or(usize::MAX);
        if let Err(error) = bytes.try_reserve_exact(size) {
            return Ok(Err(later(&error)));
        }
        if let Err(error) =
            objects::write_original(&self.place, &self.device, self.keyring(), &original, &mut bytes)
        {
            return Ok(Err(if is_of_the_machine(&error) {
                later(&error)
            } else {
                NotRendered::Never(error.to_string())
            }));
        }
        let name = std::path::PathBuf::from(original.source.display());
        let probe = safelight_media::probe(&bytes, &name);
        let is_file = original.storage == Storage::Linked;
        let linked_at =
            is_file.then(|| crate::linked::find(&original, self.keyring().device().id(), &self.device).ok());
        let linked_at = linked_at.flatten();
        let rendered = match rendered_of(pool, linked_at.as_deref(), &bytes, &probe) {
            Ok(rendered) => rendered,
            Err(reason) => return Ok(Err(reason)),
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
            bodies.push(OpBody::Render { life: Life::default(), content: job.content, renditions });
        }
        // What the import could not render it could not look at either.
        let known = self.catalog().content_state(job.content)?;
        let pixels = facts::of_pixels(&rendered);
        if pixels != Facts::default() && known.is_none_or(|known| known.facts().thumbhash.is_none()) {
            let (content, probe, version) = (job.content, ProbeKind::Pixels, PIXELS_VERSION);
            bodies.push(OpBody::Derive { life: Life::default(), content, probe, version, facts: pixels });
        }
        // The index may know entries that history does not speak of yet, never the other way round.
        self.device.record_packed(&locations)?;
        self.record(bodies)?;
        Ok(Ok(()))
    }
}

/// Jobs that a run leaves in the queue for the machine's sake.
#[derive(Default)]
struct PutOff {
    jobs: HashSet<(ContentHash, u16)>,
    in_a_row: u32,
}

fn later(error: &dyn std::error::Error) -> NotRendered {
    tracing::warn!(%error, "a rendition is left for later");
    NotRendered::Later
}

/// Whether an original could not be read for want of memory, descriptors or a disk that answers, which says nothing
/// of the original itself.
fn is_of_the_machine(error: &LibraryError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && is_shortage(error)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_shortage(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::NOSPC, Errno::DQUOT];
    error.kind() == std::io::ErrorKind::OutOfMemory
        || error.raw_os_error().is_some_and(|code| shortages.iter().any(|each| each.raw_os_error() == code))
}

/// Renders what is in memory; of a video its poster, from a descriptor that no path leads to, or from the user's own
/// file where the original is that file.
fn rendered_of(
    pool: &Pool,
    linked_at: Option<&std::path::Path>,
    bytes: &[u8],
    probe: &Probe,
) -> std::result::Result<safelight_media::pool::Rendered, NotRendered> {
    if probe.kind != MediaKind::Video {
        return render_still(pool, bytes, probe, Wanted::ALL);
    }
    let file = match linked_at {
        Some(path) => objects::open_file(path),
        None => file_in_memory(bytes),
    };
    match file {
        Ok(file) => crate::import::take::told(pool.poster(&file, Wanted::ALL)),
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
            Err(NotRendered::Never(error.to_string()))
        }
        Err(error) => Err(later(&error)),
    }
}

fn file_in_memory(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = empty_file_in_memory()?;
    file.write_all(bytes)?;
    Ok(file)
}

/// A file that no path leads to, and that is gone with its last descriptor.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn empty_file_in_memory() -> std::io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create("video", rustix::fs::MemfdFlags::CLOEXEC)?))
}

/// Elsewhere a sealed video could be shown to a decoder only by writing it to a disk in the clear, which this program
/// never does. Its poster is made when it is imported, from the user's own file.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn empty_file_in_memory() -> std::io::Result<File> {
    Err(std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "this system has no files in memory, so the poster of a sealed video is made only while it is imported",
    ))
}
