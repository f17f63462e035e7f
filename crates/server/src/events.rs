//! What pages are told without asking: a new revision, that the library is locked, how far long work is.
//!
//! One connection a browser is enough, and an event says no more than that something is to be asked for: nothing is lost
//! with a connection. Listening keeps no door open.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

use crate::gallery::Gallery;
use crate::jobs::ShownJob;

/// Events that a slow page may be behind; after that it misses some, and the next one tells it enough.
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
pub(crate) struct News(Sender<Told>);

impl News {
    pub(crate) fn new() -> Self {
        Self(channel(BEHIND).0)
    }

    pub(crate) fn revision(&self, revision: u64) {
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

    pub(crate) fn job(&self, job: &ShownJob) {
        if let Ok(job) = serde_json::to_value(job) {
            self.tell(Told::Job(job));
        }
    }

    fn tell(&self, told: Told) {
        // Nobody may be listening.
        drop(self.0.send(told));
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
        };
        Event::default().event(name).data(data.to_string())
    }
}

/// Tells of revisions, of the lock and of progress for as long as the page listens.
#[utoipa::path(get, path = "/api/v1/events", tag = "reading",
    responses((status = 200, content_type = "text/event-stream",
        description = "`revision` {revision}, `locked` {}, `progress` {task, done, of}, `job` as `/jobs` shows it, `hidden` {open}")))]
pub(crate) async fn listen(
    State(gallery): State<Arc<Gallery>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let receiver = gallery.news.0.subscribe();
    let first = gallery.door.is_locked().then_some(Told::Locked);
    let stream = futures_util::stream::unfold((first, receiver), next);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE))
}

type Listening = (Option<Told>, Receiver<Told>);

async fn next((first, mut receiver): Listening) -> Option<(Result<Event, Infallible>, Listening)> {
    if let Some(told) = first {
        return Some((Ok(told.event()), (None, receiver)));
    }
    loop {
        match receiver.recv().await {
            Ok(told) => return Some((Ok(told.event()), (None, receiver))),
            // What was missed is followed by something that tells enough.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
    }
}
