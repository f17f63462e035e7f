//! The library as it was: a moment that all pages of this server look back at, its snapshots, and what was recorded.
//!
//! What is hidden today is hidden in the past as well, and nothing can be changed there; only `restore` writes, and what it
//! writes is of today.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use safelight_library::{
    Brake, HistoryEntry, HistoryFilter, HistorySort, Moment, Part, RestoreReport, RestoreRequest,
    ShownSnapshot, SnapshotSchedule,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::{Asked, Parameters};
use crate::failure::{Answer, Failed, Failure, HiddenClosed};
use crate::gallery::Gallery;
use crate::writing::Which;

/// Most changes that are answered at once.
const MOST_CHANGES: usize = 1000;

/// The moment that is looked back at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LookedAt {
    /// What somebody asked for, in words: `2026-05-14 23:59:59 CEST`, `snapshot before the move`.
    shown: String,
    /// Milliseconds since 1970; none for a snapshot.
    millis: Option<u64>,
}

impl LookedAt {
    pub(crate) fn of(moment: &Moment) -> Self {
        Self { shown: moment.to_string(), millis: moment.millis() }
    }
}

/// Which moment is to be looked back at.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LookBack {
    /// A day, a day and a time, so long ago, or the name of a snapshot; as `--at` takes it.
    at: String,
}

/// Shows the library as it was, to every page, until somebody goes back to today or it locks.
#[utoipa::path(post, path = "/api/v1/past", tag = "past", request_body = LookBack,
    responses((status = 200, body = LookedAt), (status = 400, body = Failed, description = "`not-understood`"),
        (status = 409, body = Failed, description = "`refused`: what it was then is not known here yet")))]
pub(crate) async fn look_back(
    State(gallery): State<Arc<Gallery>>,
    Asked(LookBack { at }): Asked<LookBack>,
) -> Answer<Json<LookedAt>> {
    let moment = Moment::of_words(&at);
    gallery.door.look_at(Some(moment.clone())).await?;
    let looked_at = LookedAt::of(&moment);
    gallery.look_elsewhere(Some(&looked_at));
    Ok(Json(looked_at))
}

/// Shows the library as it is.
#[utoipa::path(delete, path = "/api/v1/past", tag = "past", responses((status = 204)))]
pub(crate) async fn look_at_today(State(gallery): State<Arc<Gallery>>) -> Answer<axum::http::StatusCode> {
    gallery.door.look_at(None).await?;
    gallery.look_elsewhere(None);
    Ok(axum::http::StatusCode::NO_CONTENT)
}

/// What was made as it was.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Restored {
    revision: u64,
    #[serde(flatten)]
    report: RestoreReport,
}

/// Makes photos say again what they say at the moment that is looked back at.
#[utoipa::path(post, path = "/api/v1/past/restore", tag = "past", request_body = Which,
    responses((status = 200, body = Restored),
        (status = 409, body = Failed, description = "`not-looking-back`: today is looked at"), HiddenClosed))]
pub(crate) async fn restore(
    State(gallery): State<Arc<Gallery>>,
    Asked(which): Asked<Which>,
) -> Answer<Json<Restored>> {
    let Some(moment) = gallery.door.moment() else {
        let message = "the library is shown as it is, and there is nothing to bring back";
        let failure = Failure::new(axum::http::StatusCode::CONFLICT, "not-looking-back", message);
        return Err(failure.hint("look at an earlier moment first"));
    };
    // As they were shown: today they may lie in the trash, or be gone.
    let selection = gallery.door.read(move |past| which.select(past, None)).await?;
    let restored = gallery.door.restore(move |library| {
        let request = RestoreRequest {
            moment: &moment,
            selection: Some(&selection),
            parts: Part::ALL.into_iter().collect(),
            dry_run: false,
        };
        Ok(Restored {
            report: library.agreeing(|library| library.restore_to(&request))?,
            revision: library.revision()?,
        })
    });
    restored.await.map(Json)
}

/// The snapshots, and when they are made by themselves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Snapshots {
    /// Newest first.
    snapshots: Vec<ShownSnapshot>,
    /// None: never.
    schedule: Option<SnapshotSchedule>,
}

/// The snapshots; as `safelight snapshot list --json`.
#[utoipa::path(get, path = "/api/v1/snapshots", tag = "past", responses((status = 200, body = Snapshots)))]
pub(crate) async fn list_snapshots(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Snapshots>> {
    let list = gallery.door.read(|library| {
        Ok(Snapshots { snapshots: library.snapshots()?, schedule: library.snapshot_schedule()? })
    });
    list.await.map(Json)
}

/// A snapshot to make.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewSnapshot {
    /// What to call it; without a name it is called after the time.
    name: Option<String>,
}

/// Makes a snapshot of what the library is now.
#[utoipa::path(post, path = "/api/v1/snapshots", tag = "past", request_body = NewSnapshot,
    responses((status = 200, body = ShownSnapshot), (status = 409, body = Failed, description = "`refused`: the name")))]
pub(crate) async fn add_snapshot(
    State(gallery): State<Arc<Gallery>>,
    Asked(NewSnapshot { name }): Asked<NewSnapshot>,
) -> Answer<Json<ShownSnapshot>> {
    let made = gallery.door.write(move |library| {
        let name = name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        Ok((library.add_snapshot(name)?, library.revision()?))
    });
    let (made, revision) = made.await?;
    gallery.news.revision(revision);
    Ok(Json(made))
}

/// Removes a snapshot; the photos that it shows stay.
#[utoipa::path(delete, path = "/api/v1/snapshots/{name}", tag = "past",
    params(("name" = String, Path, description = "what it is called")),
    responses((status = 200, body = ShownSnapshot), (status = 404, body = Failed)))]
pub(crate) async fn remove_snapshot(
    State(gallery): State<Arc<Gallery>>,
    Path(name): Path<String>,
) -> Answer<Json<ShownSnapshot>> {
    let removed =
        gallery.door.write(move |library| Ok((library.remove_snapshot(&name)?, library.revision()?)));
    let (removed, revision) = removed.await?;
    gallery.news.revision(revision);
    Ok(Json(removed))
}

/// Lets go what the brake holds: what was taken at once was meant. Answers why it was on.
#[utoipa::path(post, path = "/api/v1/brake/release", tag = "past", responses((status = 200, body = Brake)))]
pub(crate) async fn release_brake(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Brake>> {
    let released = gallery.door.write(|library| Ok(library.release_brake()?)).await?;
    gallery.states.forget();
    gallery.news.places();
    Ok(Json(released))
}

/// Which changes are asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Changes {
    /// Only those of this device, by its name or id.
    device: Option<String>,
    /// Only those made after this moment, in milliseconds since 1970.
    since: Option<u64>,
    /// Only those made until this moment.
    until: Option<u64>,
    /// Only these sorts, with commas between them.
    sort: Option<String>,
    /// So many at most.
    limit: Option<usize>,
}

/// What was changed, by which device and when, newest first; as `safelight history --json`.
#[utoipa::path(get, path = "/api/v1/history", tag = "past", params(Changes),
    responses((status = 200, body = [HistoryEntry]), (status = 400, body = Failed), (status = 404, body = Failed)))]
pub(crate) async fn list_changes(
    State(gallery): State<Arc<Gallery>>,
    Parameters(asked): Parameters<Changes>,
) -> Answer<Json<Vec<HistoryEntry>>> {
    let mut sorts = BTreeSet::new();
    for word in asked.sort.iter().flat_map(|sorts| sorts.split(',')).filter(|word| !word.is_empty()) {
        let unknown = || Failure::not_understood(format!("there is no sort of changes called {word:?}"));
        sorts.insert(HistorySort::of_word(word).ok_or_else(unknown)?);
    }
    let filter = HistoryFilter {
        device: asked.device.filter(|device| !device.is_empty()),
        since_millis: asked.since,
        until_millis: asked.until,
        sorts,
    };
    let limit = asked.limit.unwrap_or(MOST_CHANGES).min(MOST_CHANGES);
    gallery.door.read(move |library| Ok(library.history(None, &filter, limit)?)).await.map(Json)
}
