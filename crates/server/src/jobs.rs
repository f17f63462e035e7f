//! Long work that a page begins and watches: syncing, thawing, freeing, importing. One at a time.
//!
//! It runs beside everything else, in an open library of its own, and pages are told how far it is. Locking by hand stops
//! it; when nobody has asked for anything for long the door shuts for pages, and the work goes on to its end with the keys
//! that it has. While the door is shut nothing of it is told but how far it is.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use safelight_library::{Library, Monitor, Problem, Surroundings, Task, Weight};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::failure::{Answer, Failure};
use crate::gallery::{Gallery, held};

/// Problems that are kept by name; the others are counted.
const MOST_PROBLEMS: usize = 50;
/// Pages hear of progress no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Long work, as pages see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ShownJob {
    /// Its number since the server began.
    id: u64,
    /// `sync`, `thaw`, `free`, `import`, `join` or `connect`.
    kind: &'static str,
    /// `running`, `done`, `failed` or `stopped`.
    state: &'static str,
    /// What it does just now.
    task: Option<&'static str>,
    /// Items of that task that are done.
    done: u64,
    /// Items that there are, where that is known.
    of: Option<u64>,
    /// Bytes that are done.
    done_bytes: u64,
    /// Bytes that there are, where that is known.
    of_bytes: Option<u64>,
    /// The first fifty things that went wrong or are worth knowing.
    problems: Vec<ShownProblem>,
    /// How many more there were.
    more_problems: u64,
    /// What it came to, once it has ended.
    #[schema(value_type = Option<Object>)]
    report: Option<Value>,
    /// Why it failed.
    error: Option<Failure>,
}

/// One thing that went wrong while the rest went on.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct ShownProblem {
    /// The file or object.
    path: String,
    /// What happened, in a sentence without a full stop.
    reason: String,
    /// `notice`, `omission` or `failure`.
    weight: &'static str,
}

/// What long work came to.
#[derive(Debug)]
pub(crate) struct Ended {
    report: Value,
    failure: Option<Failure>,
}

impl Ended {
    /// It did what was asked.
    pub(crate) fn well(report: impl Serialize) -> Answer<Self> {
        Self::with(report, None)
    }

    /// It ended with something to tell, and perhaps a failure.
    pub(crate) fn with(report: impl Serialize, failure: Option<Failure>) -> Answer<Self> {
        let report = serde_json::to_value(report).map_err(|_| Failure::broken())?;
        Ok(Self { report, failure })
    }
}

#[derive(Debug)]
struct Job {
    id: u64,
    stop: AtomicBool,
    shown: Mutex<ShownJob>,
    /// When pages were told last.
    told: Mutex<Instant>,
}

/// The work that runs, or ended last.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    next: AtomicU64,
    job: Mutex<Option<Arc<Job>>>,
}

impl Jobs {
    fn add(&self, kind: &'static str) -> Answer<Arc<Job>> {
        let mut place = held(&self.job);
        if place.as_ref().is_some_and(|job| job.is_running()) {
            return Err(busy());
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let shown = ShownJob {
            id,
            kind,
            state: "running",
            task: None,
            done: 0,
            of: None,
            done_bytes: 0,
            of_bytes: None,
            problems: Vec::new(),
            more_problems: 0,
            report: None,
            error: None,
        };
        let job = Arc::new(Job {
            id,
            stop: AtomicBool::new(false),
            shown: Mutex::new(shown),
            told: Mutex::new(Instant::now()),
        });
        *place = Some(Arc::clone(&job));
        Ok(job)
    }

    fn newest(&self) -> Option<Arc<Job>> {
        held(&self.job).clone()
    }

    /// Asks what runs to stop.
    pub(crate) fn stop(&self) {
        if let Some(job) = self.newest() {
            job.stop.store(true, Ordering::Relaxed);
        }
    }

    /// What ended tells nothing more of the library.
    pub(crate) fn forget(&self) {
        let mut place = held(&self.job);
        if place.as_ref().is_some_and(|job| !job.is_running()) {
            *place = None;
        }
    }
}

fn busy() -> Failure {
    Failure::new(StatusCode::CONFLICT, "busy", "something else is running that takes long")
        .hint("wait until it has ended, or stop it")
}

impl Job {
    fn is_running(&self) -> bool {
        held(&self.shown).state == "running"
    }

    fn shown(&self, gallery: &Gallery) -> ShownJob {
        let mut shown = held(&self.shown).clone();
        if gallery.door.is_locked() {
            shown.more_problems += shown.problems.len() as u64;
            shown.problems.clear();
            shown.report = None;
            if let Some(error) = &mut shown.error {
                "the work ended early".clone_into(&mut error.message);
                error.hint = None;
            }
        }
        shown
    }

    fn end(&self, result: Answer<Ended>) {
        let was_stopped = self.stop.load(Ordering::Relaxed);
        let mut shown = held(&self.shown);
        let failure = match result {
            Ok(ended) => {
                shown.report = Some(ended.report);
                ended.failure
            }
            Err(failure) => Some(failure),
        };
        shown.task = None;
        shown.state = match &failure {
            _ if was_stopped => "stopped",
            Some(_) => "failed",
            None => "done",
        };
        shown.error = failure.filter(|_| !was_stopped);
    }
}

/// Tells pages how far work is, and the work whether to stop.
pub(crate) struct Watched {
    gallery: Arc<Gallery>,
    job: Arc<Job>,
}

impl Watched {
    fn change(&self, change: impl FnOnce(&mut ShownJob)) {
        change(&mut held(&self.job.shown));
        let mut told = held(&self.job.told);
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            drop(told);
            self.tell();
        }
    }

    fn tell(&self) {
        self.gallery.news.job(&self.job.shown(&self.gallery));
    }
}

impl Monitor for Watched {
    fn begin(&self, task: Task, total: Option<u64>, total_bytes: Option<u64>) {
        self.change(|shown| {
            shown.task = Some(word(task));
            (shown.done, shown.of) = (0, total);
            (shown.done_bytes, shown.of_bytes) = (0, total_bytes);
        });
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.change(|shown| {
            shown.done += items;
            shown.done_bytes += bytes;
        });
    }

    fn problem(&self, problem: &Problem) {
        self.change(|shown| {
            if shown.problems.len() < MOST_PROBLEMS {
                shown.problems.push(ShownProblem {
                    path: problem.path.to_string_lossy().into_owned(),
                    reason: problem.reason.clone(),
                    weight: match problem.weight {
                        Weight::Notice => "notice",
                        Weight::Omission => "omission",
                        Weight::Failure => "failure",
                    },
                });
            } else {
                shown.more_problems += 1;
            }
        });
    }

    fn cancelled(&self) -> bool {
        self.job.stop.load(Ordering::Relaxed)
    }
}

fn word(task: Task) -> &'static str {
    match task {
        Task::Scan => "scan",
        Task::Import => "import",
        Task::Settle => "settle",
        Task::Render => "render",
        Task::Verify => "verify",
        Task::Export => "export",
        Task::Sync => "sync",
        Task::Fetch => "fetch",
        Task::Free => "free",
        Task::Thaw => "thaw",
        Task::Rebuild => "rebuild",
        Task::Compare => "compare",
        Task::Prove => "prove",
        _ => "work",
    }
}

/// Begins long work in an open library, and answers at once.
pub(crate) fn begin(
    gallery: &Arc<Gallery>,
    kind: &'static str,
    run: impl FnOnce(&mut Library, &Surroundings, &Watched) -> Answer<Ended> + Send + 'static,
) -> Answer<Json<ShownJob>> {
    gallery.door.require_open()?;
    let shared = Arc::clone(gallery);
    watch(gallery, kind, move |watched: Arc<Watched>| async move {
        shared.door.work(move |library, surroundings| run(library, surroundings, &watched)).await
    })
}

/// Begins long work where no library is open, and answers at once.
pub(crate) fn begin_without(
    gallery: &Arc<Gallery>,
    kind: &'static str,
    run: impl FnOnce(&Gallery, &Watched) -> Answer<Ended> + Send + 'static,
) -> Answer<Json<ShownJob>> {
    let shared = Arc::clone(gallery);
    watch(gallery, kind, move |watched: Arc<Watched>| async move {
        let work = tokio::task::spawn_blocking(move || run(&shared, &watched));
        work.await.map_err(|_| Failure::broken())?
    })
}

fn watch<F: Future<Output = Answer<Ended>> + Send>(
    gallery: &Arc<Gallery>,
    kind: &'static str,
    work: impl FnOnce(Arc<Watched>) -> F + Send + 'static,
) -> Answer<Json<ShownJob>> {
    let job = gallery.jobs.add(kind)?;
    let shown = job.shown(gallery);
    let watched = Arc::new(Watched { gallery: Arc::clone(gallery), job: Arc::clone(&job) });
    tokio::spawn(async move {
        let result = work(Arc::clone(&watched)).await;
        job.end(result);
        watched.tell();
    });
    Ok(Json(shown))
}

/// The work that runs, or ended last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Newest {
    job: Option<ShownJob>,
}

/// The work that runs, or ended last; kept until other work begins or the library is locked.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", responses((status = 200, body = Newest)))]
pub(crate) async fn show_job(State(gallery): State<Arc<Gallery>>) -> Json<Newest> {
    Json(Newest { job: gallery.jobs.newest().map(|job| job.shown(&gallery)) })
}

/// Asks work to end at the next point from which it can go on.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/stop", tag = "jobs", params(("id" = u64, Path, description = "its number")),
    responses((status = 200, body = ShownJob), (status = 404, description = "there is no such work any more")))]
pub(crate) async fn stop_job(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<u64>,
) -> Answer<Json<ShownJob>> {
    let job = gallery.jobs.newest().filter(|job| job.id == id);
    let job = job.ok_or_else(|| Failure::not_found("that work has ended, and something else began since"))?;
    job.stop.store(true, Ordering::Relaxed);
    Ok(Json(job.shown(&gallery)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_work_runs_at_a_time_and_ends_as_it_was_asked_to() {
        let jobs = Jobs::default();
        let first = jobs.add("sync").unwrap();
        assert_eq!(jobs.add("import").unwrap_err().code, "busy");
        first.end(Ended::well(1));
        let shown = held(&first.shown).clone();
        assert_eq!((shown.state, shown.report), ("done", Some(1.into())));
        let second = jobs.add("import").unwrap();
        assert_eq!(second.id, first.id + 1);
        jobs.stop();
        second.end(Err(Failure::broken()));
        let shown = held(&second.shown).clone();
        assert_eq!(
            (shown.state, shown.error.is_none()),
            ("stopped", true),
            "what was asked for is no failure"
        );
        let third = jobs.add("free").unwrap();
        jobs.forget();
        assert!(jobs.newest().is_some(), "it runs");
        third.end(Err(Failure::broken()));
        assert_eq!(held(&third.shown).state, "failed");
        jobs.forget();
        assert!(jobs.newest().is_none());
    }
}
