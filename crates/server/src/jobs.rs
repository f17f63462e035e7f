//! Long work that a page begins and watches: syncing, thawing, freeing, importing. One at a time.
//!
//! It runs beside everything else, in an open library of its own, and pages are told how far it is. Locking by hand stops
//! it; when nobody has asked for anything for long the door shuts for pages, and the work goes on to its end with the keys
//! that it has. While the door is shut nothing of it is told but how far it is. While hidden photos are closed, what names
//! one is counted and not told; events, which nobody looks through, then tell only how far it is, and pages ask.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use safelight_library::{
    FetchReport, FreeReport, KeptBackNames, Library, Monitor, Problem, Surroundings, SyncOutcome, Task,
    ThawReport, Weight, Why,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::failure::{Answer, Failure};
use crate::first::JoinedLibrary;
use crate::forgetting::Forgotten;
use crate::gallery::{Gallery, held};
use crate::importing::Imported;

/// Problems that are kept by name; the others are counted.
const MOST_PROBLEMS: usize = 50;
/// Pages hear of progress no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Long work, as pages see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ShownJob {
    /// Its number since the server began.
    id: u64,
    /// `sync`, `thaw`, `free`, `import`, `join`, `connect` or `forget`.
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
    #[schema(value_type = Option<Report>)]
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
    /// The same in a code.
    why: Option<Why>,
    /// `notice`, `omission` or `failure`.
    weight: &'static str,
}

/// What long work came to, by its kind.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes: a report is kept as it will be sent")]
enum Report {
    /// Of `join`.
    Joined(JoinedLibrary),
    /// Of `sync`.
    Synced {
        /// One for each remote.
        outcomes: Vec<SyncOutcome>,
    },
    /// Of `free`.
    Freed(FreeReport),
    /// Of `thaw`.
    Thawed(ThawReport),
    /// Of `thaw`, when what can be read is fetched.
    Fetched(FetchReport),
    /// Of `import`.
    Imported(Imported),
    /// Of `forget`.
    Forgotten(Forgotten),
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

impl ShownJob {
    fn without_names(mut self) -> Self {
        self.more_problems += self.problems.len() as u64;
        self.problems.clear();
        self.report = None;
        self.error = self.error.map(nameless);
        self
    }

    fn without_kept_back(mut self, names: &KeptBackNames) -> Self {
        let before = self.problems.len();
        self.problems.retain(|problem| !names.are_in(&problem.path) && !names.are_in(&problem.reason));
        self.more_problems += (before - self.problems.len()) as u64;
        if let Some(report) = &mut self.report {
            leave_out(report, names);
        }
        let names_one = |error: &Failure| {
            names.are_in(&error.message) || error.hint.as_ref().is_some_and(|hint| names.are_in(hint))
        };
        self.error = self.error.map(|error| if names_one(&error) { nameless(error) } else { error });
        self
    }
}

fn nameless(mut error: Failure) -> Failure {
    "the work ended early".clone_into(&mut error.message);
    error.hint = None;
    error.why = None;
    error
}

/// Takes out of lists what names photos that are kept back, and empties other texts that do.
fn leave_out(value: &mut Value, names: &KeptBackNames) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !names_one(item, names));
            items.iter_mut().for_each(|item| leave_out(item, names));
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| leave_out(field, names)),
        Value::String(text) if names.are_in(text) => text.clear(),
        _ => {}
    }
}

/// Whether a text, or one of the texts of an entry, names one of them; lists within an entry are looked at by themselves.
fn names_one(item: &Value, names: &KeptBackNames) -> bool {
    match item {
        Value::String(text) => names.are_in(text),
        Value::Object(fields) => {
            fields.values().any(|field| field.as_str().is_some_and(|text| names.are_in(text)))
        }
        _ => false,
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

    /// What is told of it where nobody can look whether it names hidden photos: nothing of the library, unless everything
    /// may be told.
    fn shown(&self, gallery: &Gallery) -> ShownJob {
        let shown = held(&self.shown).clone();
        // Before there is a library nothing is hidden in it.
        let is_first = gallery.door.folder().is_none();
        let is_open = !gallery.door.is_locked() && gallery.door.hidden().is_open(Instant::now());
        if is_first || is_open { shown } else { shown.without_names() }
    }

    /// The same for whoever asks: everything but what names photos that are kept back.
    async fn shown_to_asker(&self, gallery: &Gallery) -> ShownJob {
        let shown = held(&self.shown).clone();
        if gallery.door.folder().is_none() {
            return shown;
        }
        let nameless = shown.clone().without_names();
        let told = gallery.door.read(move |library| Ok(shown.without_kept_back(&library.kept_back_names()?)));
        // While it is locked there is nobody who could look.
        told.await.unwrap_or(nameless)
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
        let shown = self.job.shown(&self.gallery);
        self.gallery.news.job(&shown);
        if shown.state != "running" {
            self.gallery.news.places();
        }
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
                    why: Why::of(&problem.reason),
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
    let job = match gallery.jobs.newest() {
        Some(job) => Some(job.shown_to_asker(&gallery).await),
        None => None,
    };
    Json(Newest { job })
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
    Ok(Json(job.shown_to_asker(&gallery).await))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_photo_that_is_kept_back_is_left_out_of_reports() {
        let names = KeptBackNames::of(["secret.jpg"]);
        let mut report = serde_json::json!({
            "failed": 2,
            "problems": ["photos/secret.jpg is gone", "photos/plain.jpg is gone"],
            "remotes": [{ "name": "disk", "first": "secret.jpg", "problems": [{ "object": "x/secret.jpg" }] }],
        });
        leave_out(&mut report["remotes"], &KeptBackNames::default());
        leave_out(&mut report, &names);
        assert!(!report.to_string().contains("secret"), "{report}");
        assert_eq!(report["problems"], serde_json::json!(["photos/plain.jpg is gone"]));
        assert_eq!(report["failed"], 2);
    }

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
