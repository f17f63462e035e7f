//! Photos that are there more than once: shown in groups, settled, stacked.
//!
//! Groups are found once a revision and kept in memory until the door shuts; what was seen of pairs is kept over revisions,
//! so that after a change only what is new is looked at.

#![expect(unused_qualifications, reason = "what describes the parameters writes whole paths")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use safelight_library::{
    ChosenGroup, ChosenStack, DuplicateKind, Duplicates, GroupCounts, Monitor, ShownGroup, Task,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::asked::{Asked, Parameters};
use crate::events::Progress;
use crate::failure::{Answer, Failure};
use crate::gallery::{Gallery, held};
use crate::writing::{Written, change};

/// Groups of a page at most.
const MOST_GROUPS: usize = 200;
/// Groups of a page that asks for no number.
const USUAL_GROUPS: usize = 50;
/// Pages hear of progress after so many photos.
const TOLD_PHOTOS: u64 = 100;

/// The groups that were found last.
#[derive(Debug, Default)]
pub(crate) struct Found {
    newest: Mutex<Option<Arc<Duplicates>>>,
    /// Held while somebody looks for them, so that nobody else does too.
    turn: tokio::sync::Mutex<()>,
}

impl Found {
    async fn newest(&self, gallery: &Arc<Gallery>) -> Answer<Arc<Duplicates>> {
        let _turn = self.turn.lock().await;
        let before = held(&self.newest).clone();
        let telling =
            Telling { gallery: Arc::clone(gallery), done: AtomicU64::new(0), of: AtomicU64::new(0) };
        let found = gallery.door.read(move |library| {
            let revision = library.revision()?;
            match before {
                Some(known) if known.revision() == revision => Ok(known),
                known => Ok(Arc::new(library.find_duplicates(known.as_deref(), &telling)?)),
            }
        });
        let found = found.await?;
        let mut newest = held(&self.newest);
        if gallery.door.is_locked() {
            return Err(Failure::locked());
        }
        *newest = Some(Arc::clone(&found));
        Ok(found)
    }

    pub(crate) fn forget(&self) {
        *held(&self.newest) = None;
    }
}

/// Tells pages how far looking is.
struct Telling {
    gallery: Arc<Gallery>,
    done: AtomicU64,
    of: AtomicU64,
}

impl Telling {
    fn tell(&self, done: u64) {
        let of = Some(self.of.load(Ordering::Relaxed));
        self.gallery.news.progress(Progress { task: "duplicates", done, of });
    }
}

impl Monitor for Telling {
    fn begin(&self, _: Task, total: Option<u64>, _: Option<u64>) {
        self.of.store(total.unwrap_or_default(), Ordering::Relaxed);
        self.tell(0);
    }

    fn advance(&self, items: u64, _: u64) {
        let before = self.done.fetch_add(items, Ordering::Relaxed);
        if (before + items) / TOLD_PHOTOS != before / TOLD_PHOTOS {
            self.tell(before + items);
        }
    }

    fn end(&self) {
        self.tell(self.of.load(Ordering::Relaxed));
    }
}

/// Which groups.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The number of the first, counted from 0.
    #[serde(default)]
    start: usize,
    /// How many, at most 200; 50 when left out.
    count: Option<usize>,
    /// `exact`, `near` or `burst`; all when left out.
    kind: Option<String>,
    /// The revision that the pages before are of.
    revision: Option<u64>,
}

impl Which {
    fn kind(&self) -> Answer<Option<DuplicateKind>> {
        match self.kind.as_deref() {
            None | Some("") => Ok(None),
            Some("exact") => Ok(Some(DuplicateKind::Exact)),
            Some("near") => Ok(Some(DuplicateKind::Near)),
            Some("burst") => Ok(Some(DuplicateKind::Burst)),
            Some(_) => Err(Failure::not_understood("a kind is exact, near or burst")),
        }
    }
}

/// A page of groups.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page {
    revision: u64,
    /// How many groups there are, of the kind that was asked for.
    total: u64,
    counts: GroupCounts,
    /// How many groups are settled when all safe ones are.
    safe: u64,
    /// Bytes that then go to the trash.
    freed_bytes: u64,
    start: usize,
    groups: Vec<ShownGroup>,
}

/// Photos that are there more than once, in groups: exact ones, near ones, bursts, each newest first.
#[utoipa::path(get, path = "/api/v1/duplicates", tag = "duplicates", params(Which),
    responses((status = 200, body = Page), (status = 409, description = "`stale`")))]
pub(crate) async fn list_duplicates(
    State(gallery): State<Arc<Gallery>>,
    Parameters(which): Parameters<Which>,
) -> Answer<Json<Page>> {
    let kind = which.kind()?;
    let found = gallery.found.newest(&gallery).await?;
    if which.revision.is_some_and(|revision| revision != found.revision()) {
        return Err(Failure::stale());
    }
    let count = which.count.unwrap_or(USUAL_GROUPS).min(MOST_GROUPS);
    let start = which.start;
    let page = gallery.door.read(move |library| {
        let counts = found.counts();
        Ok(Page {
            revision: found.revision(),
            total: match kind {
                None => counts.exact + counts.near + counts.burst,
                Some(DuplicateKind::Exact) => counts.exact,
                Some(DuplicateKind::Near) => counts.near,
                Some(DuplicateKind::Burst) => counts.burst,
            },
            counts,
            safe: found.safe_groups(),
            freed_bytes: found.safe_bytes(),
            start,
            groups: library.show_duplicates(&found, kind, start..start.saturating_add(count))?,
        })
    });
    page.await.map(Json)
}

/// What is to become of groups.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Settling {
    /// Single groups.
    groups: Option<Vec<OneGroup>>,
    /// All groups that are safe.
    #[serde(default)]
    safe: bool,
    /// Only says what would go.
    #[serde(default)]
    dry_run: bool,
}

/// What is to become of one group; photos that are not named stay.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OneGroup {
    /// The id of the photo that stays.
    keep: String,
    /// Those that go to the trash.
    drop: Vec<String>,
}

/// Settles groups: the one that stays gets what the others have and it lacks, is read back, and then the others go.
#[utoipa::path(post, path = "/api/v1/duplicates/apply", tag = "duplicates", request_body = Settling,
    responses((status = 200, body = Written), (status = 409, description = "`refused`: no group, or a burst"),
        (status = 500, description = "`damaged`: an original that was to stay; nothing went")))]
pub(crate) async fn settle_duplicates(
    State(gallery): State<Arc<Gallery>>,
    Asked(asked): Asked<Settling>,
) -> Answer<Json<Written>> {
    let chosen = match (asked.groups, asked.safe) {
        (Some(groups), false) => Some(
            groups
                .into_iter()
                .map(|group| ChosenGroup { keep: group.keep, drop: group.drop })
                .collect::<Vec<_>>(),
        ),
        (None, true) => None,
        _ => return Err(Failure::not_understood("settling is about groups, or about all that are safe")),
    };
    let found = gallery.found.newest(&gallery).await?;
    change(&gallery, move |library| {
        let report = library.settle_duplicates(
            &found,
            chosen.as_deref(),
            asked.dry_run,
            &safelight_library::Unwatched,
        )?;
        Ok(Written::settled(report))
    })
    .await
}

/// What is to be stacked.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Stacking {
    groups: Vec<OneStack>,
}

/// Photos to be shown as one.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OneStack {
    /// The id of the photo that is shown.
    cover: String,
    /// Those under it; the cover may be among them.
    items: Vec<String>,
}

/// Stacks photos of a group.
#[utoipa::path(post, path = "/api/v1/duplicates/stack", tag = "duplicates", request_body = Stacking,
    responses((status = 200, body = Written)))]
pub(crate) async fn stack_duplicates(
    State(gallery): State<Arc<Gallery>>,
    Asked(asked): Asked<Stacking>,
) -> Answer<Json<Written>> {
    let stacks = asked.groups.into_iter();
    let stacks: Vec<ChosenStack> =
        stacks.map(|stack| ChosenStack { cover: stack.cover, items: stack.items }).collect();
    change(&gallery, move |library| Ok(Written::of(library.stack_duplicates(&stacks)?))).await
}
