//! What pages are told without asking: a new revision, that the library is locked, how far long work is.
//!
//! One connection a browser is enough, and an event says no more than that something is to be asked for. What holds now is
//! told at the start of each connection, and again after a page was too slow to hear everything, so nothing is lost.
//! Listening keeps no door open.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::gallery::Gallery;
use crate::jobs::ShownJob;
use crate::past::LookedAt;

/// Events that a slow page may be behind; after that it misses some, and is told what holds now.
const BEHIND: usize = 64;
/// How often a connection shows that it is alive.
const ALIVE: Duration = Duration::from_secs(15);

/// One thing that pages are told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Revision(u64),
    Locked,
    Progress(Progress),
    Job(Value),
    Hidden(bool),
    Past(Option<LookedAt>),
    Places,
}

/// How far a stretch of long work is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Progress {
    /// What is done.
    pub(crate) task: &'static str,
    /// Items that are done.
    pub(crate) done: u64,
    /// Items that there are, where that is known.
    pub(crate) of: Option<u64>,
}

/// Tells everybody who listens.
#[derive(Debug)]
pub(crate) struct News {
    sender: Sender<Told>,
    /// The revision that was seen last; 0 before that.
    revision: AtomicU64,
}

impl News {
    pub(crate) fn new() -> Self {
        Self { sender: channel(BEHIND).0, revision: AtomicU64::new(0) }
    }

    /// A revision that pages that come later are told.
    pub(crate) fn saw(&self, revision: u64) {
        self.revision.store(revision, Ordering::Relaxed);
    }

    pub(crate) fn revision(&self, revision: u64) {
        self.saw(revision);
        self.tell(Told::Revision(revision));
    }

    pub(crate) fn locked(&self) {
        self.tell(Told::Locked);
    }

    pub(crate) fn progress(&self, progress: Progress) {
        self.tell(Told::Progress(progress));
    }

    /// Whether hidden photos are told from now on.
    pub(crate) fn hidden(&self, open: bool) {
        self.tell(Told::Hidden(open));
    }

    /// Another moment of the library is looked at from now on; none: today.
    pub(crate) fn past(&self, past: Option<&LookedAt>) {
        self.tell(Told::Past(past.cloned()));
    }

    /// What rests where has changed, or where anything may rest: no revision tells that.
    pub(crate) fn places(&self) {
        self.tell(Told::Places);
    }

    pub(crate) fn job(&self, job: &ShownJob) {
        if let Ok(job) = serde_json::to_value(job) {
            self.tell(Told::Job(job));
        }
    }

    fn tell(&self, told: Told) {
        // Nobody may be listening.
        drop(self.sender.send(told));
    }
}

impl Told {
    fn event(&self) -> Event {
        let (name, data) = match self {
            Self::Revision(revision) => ("revision", serde_json::json!({ "revision": revision })),
            Self::Locked => ("locked", serde_json::json!({})),
            Self::Progress(progress) => ("progress", serde_json::json!(progress)),
            Self::Job(job) => ("job", job.clone()),
            Self::Hidden(open) => ("hidden", serde_json::json!({ "open": open })),
            Self::Past(past) => ("past", serde_json::json!({ "past": past })),
            Self::Places => ("places", serde_json::json!({})),
        };
        Event::default().event(name).data(data.to_string())
    }
}

/// Tells what holds now, then of revisions, of the lock, of hidden photos and of progress for as long as the page listens.
#[utoipa::path(get, path = "/api/v1/events", tag = "reading",
    responses((status = 200, content_type = "text/event-stream",
        description = "`revision` {revision}, `locked` {}, `progress` {task, done, of}, `job` as `/jobs` shows it, `hidden` {open}, `past` {past} when another moment is looked at, `places` {} when what rests where has changed")))]
pub(crate) async fn listen(
    State(gallery): State<Arc<Gallery>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let holds = Arc::clone(&gallery);
    let listening = Listening::to(&gallery.news, move || what_holds(&holds));
    let stream = futures_util::stream::unfold(listening, async |mut listening| {
        let told = listening.next().await?;
        Some((Ok(told.event()), listening))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE))
}

/// What holds now of everything that a missed event could have told.
fn what_holds(gallery: &Gallery) -> VecDeque<Told> {
    if gallery.door.folder().is_none() {
        return VecDeque::new();
    }
    let hidden = Told::Hidden(gallery.door.hidden().is_open(Instant::now()));
    if gallery.door.is_locked() {
        return [hidden, Told::Locked].into();
    }
    // Of a library that nobody has looked at since it was opened the first look tells.
    let revision = Some(gallery.news.revision.load(Ordering::Relaxed)).filter(|revision| *revision > 0);
    [hidden].into_iter().chain(revision.map(Told::Revision)).collect()
}

/// A page that listens.
struct Listening<H> {
    holds: H,
    first: VecDeque<Told>,
    receiver: Receiver<Told>,
}

impl<H: Fn() -> VecDeque<Told>> Listening<H> {
    fn to(news: &News, holds: H) -> Self {
        // Before it is looked what holds now, so that no change falls between the two.
        let receiver = news.sender.subscribe();
        Self { first: holds(), holds, receiver }
    }

    /// What the page is told next; none when nobody tells anything any more.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.first.pop_front() {
                return Some(told);
            }
            match self.receiver.recv().await {
                Ok(told) => return Some(told),
                Err(RecvError::Lagged(_)) => {
                    // What still waits is older than what holds now.
                    self.receiver = self.receiver.resubscribe();
                    self.first = (self.holds)();
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_that_was_too_slow_is_told_what_holds_now() {
        let news = News::new();
        let holds = || [Told::Hidden(false), Told::Revision(news.revision.load(Ordering::Relaxed))].into();
        let mut listening = Listening::to(&news, holds);
        assert_eq!(listening.next().await, Some(Told::Hidden(false)));
        assert_eq!(listening.next().await, Some(Told::Revision(0)));
        news.hidden(true);
        assert_eq!(listening.next().await, Some(Told::Hidden(true)));
        // Among what it misses is that they were closed.
        news.hidden(false);
        for revision in 1..=200 {
            news.revision(revision);
        }
        assert_eq!(listening.next().await, Some(Told::Hidden(false)));
        assert_eq!(listening.next().await, Some(Told::Revision(200)));
        news.locked();
        assert_eq!(listening.next().await, Some(Told::Locked));
    }
}
