//! Shows long work: a bar on a terminal, one line a minute in a log, nothing when quiet.
//!
//! Problems are collected as well as shown, since the exit code and `--json` need them at the end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use safelight_library::{Monitor, Problem, Task, Weight};

use crate::output::{Output, counted, printable, printable_text};

/// How often a log hears of work that goes on.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How often a bar moves that nothing advances.
const TICK: Duration = Duration::from_millis(125);

/// What the terminal shows of long work, and what went wrong in it.
pub(crate) struct Progress {
    output: Output,
    bar: Mutex<Option<Shown>>,
    problems: Mutex<Vec<Problem>>,
    interrupted: Arc<AtomicBool>,
    items: AtomicU64,
    bytes: AtomicU64,
}

struct Shown {
    bar: ProgressBar,
    verb: &'static str,
    total: Option<u64>,
    begun: Instant,
    last_line: Instant,
}

impl Progress {
    pub(crate) fn new(output: Output, interrupted: Arc<AtomicBool>) -> Self {
        Self {
            output,
            bar: Mutex::new(None),
            problems: Mutex::new(Vec::new()),
            interrupted,
            items: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Everything that went wrong so far.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many things were not done.
    pub(crate) fn failures(&self) -> usize {
        self.problems().iter().filter(|problem| problem.weight == Weight::Failure).count()
    }

    fn bar(&self) -> std::sync::MutexGuard<'_, Option<Shown>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verb(task: Task) -> &'static str {
    match task {
        Task::Scan => "Looking",
        Task::Import => "Importing",
        Task::Settle => "Waiting",
        Task::Render => "Rendering",
        Task::Verify => "Verifying",
        Task::Export => "Exporting",
        Task::Sync => "Syncing",
        Task::Fetch => "Fetching",
        Task::Free => "Freeing",
        Task::Thaw => "Thawing",
        Task::Rebuild => "Rebuilding",
        Task::Compare => "Comparing",
        Task::Prove => "Proving",
        _ => "Working",
    }
}

impl Progress {
    /// Begins to show work that is called so; `total` is how many items it has, where known.
    pub(crate) fn begin_as(&self, verb: &'static str, total: Option<u64>, is_wait: bool) {
        self.items.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        let template = if is_wait {
            "{prefix:>10} {spinner} for {len} files that were written just now to stand still"
        } else if total.is_some() {
            "{prefix:>10} {bar:28} {pos}/{len} {msg} {eta}"
        } else {
            "{prefix:>10} {spinner} {pos} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_draw_target(if self.output.shows_bars() {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        });
        bar.set_prefix(verb);
        if is_wait {
            bar.enable_steady_tick(TICK);
            if !self.output.shows_bars() {
                let files = counted(total.unwrap_or_default(), "file", "files");
                self.output.talk(&format!("Waiting until {files} written just now stand still"));
            }
        }
        *self.bar() = Some(Shown { bar, verb, total, begun: Instant::now(), last_line: Instant::now() });
    }

    /// Says a line above the bar, if there is one.
    pub(crate) fn tell(&self, line: &str) {
        match self.bar().as_ref() {
            Some(shown) if self.output.shows_bars() => shown.bar.suspend(|| self.output.talk(line)),
            _ => self.output.talk(line),
        }
    }
}

impl Monitor for Progress {
    fn begin(&self, task: Task, total: Option<u64>, _total_bytes: Option<u64>) {
        self.begin_as(verb(task), total, task == Task::Settle);
    }

    fn advance(&self, items: u64, bytes: u64) {
        let items = self.items.fetch_add(items, Ordering::Relaxed) + items;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(shown) = self.bar().as_mut() {
            shown.bar.set_position(items);
            if bytes > 0 {
                shown.bar.set_message(HumanBytes(bytes).to_string());
            }
            if !self.output.shows_bars() && shown.last_line.elapsed() >= LOG_INTERVAL {
                shown.last_line = Instant::now();
                let of = shown.total.map(|total| format!(" of {total}")).unwrap_or_default();
                self.output.talk(&format!(
                    "{}: {items}{of}, {} after {}",
                    shown.verb,
                    HumanBytes(bytes),
                    HumanDuration(shown.begun.elapsed())
                ));
            }
        }
    }

    fn end(&self) {
        if let Some(shown) = self.bar().take() {
            shown.bar.finish_and_clear();
        }
    }

    fn problem(&self, problem: &Problem) {
        let show = problem.weight != Weight::Notice || self.output.verbose();
        if show {
            let line = format!("{}: {}", printable(&problem.path), printable_text(&problem.reason));
            match self.bar().as_ref() {
                Some(shown) if self.output.shows_bars() => shown.bar.suspend(|| self.output.warn(&line)),
                _ => self.output.warn(&line),
            }
        }
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem.clone());
    }

    fn cancelled(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
