//! What is asked about the library and its photos, and changes nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use safelight_library::{HistoryEntry, HistoryFilter, Shelf, ShownAsset, ShownStack, Status};
use serde::Serialize;
use utoipa::ToSchema;

use crate::asked::whole_id;
use crate::failure::{Answer, Failed, Failure};
use crate::gallery::{Gallery, held};
use crate::hidden::HiddenStanding;
use crate::media::is_widely_shown;
use crate::past::LookedAt;

/// What takes longer than this is not looked at each time that a page asks.
const LONG: Duration = Duration::from_millis(500);

/// Of a photo's history so much is shown.
const HISTORY_SHOWN: usize = 100;

/// How the library stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    /// Where a library would be made or joined; none once there is one.
    first_run: Option<FirstRun>,
    library: Whose,
    /// Whether the keys are not in memory; then nothing else is known.
    locked: bool,
    read_only: bool,
    revision: Option<u64>,
    counts: Option<Counts>,
    /// What `safelight status --json` says; where that takes longer than half a second, as it was up to ten times as long ago.
    #[schema(value_type = Option<Status>)]
    state: Option<serde_json::Value>,
    /// Whether hidden photos are told.
    hidden: HiddenStanding,
    /// The moment that is looked back at; none: today.
    past: Option<LookedAt>,
}

/// A library that is not there yet.
#[derive(Debug, Serialize, ToSchema)]
struct FirstRun {
    /// Where it will lie.
    folder: String,
}

/// Which library it is.
#[derive(Debug, Serialize, ToSchema)]
struct Whose {
    id: String,
    path: String,
}

/// How many photos and videos there are.
#[derive(Debug, Serialize, ToSchema)]
struct Counts {
    shown: u64,
    /// None while they are kept back.
    hidden: Option<u64>,
    trashed: u64,
}

/// How a library stood that takes long to look at: with a disk of linked files away, or much of it damaged.
#[derive(Debug, Default)]
pub(crate) struct States(Mutex<Option<Seen>>);

#[derive(Debug)]
struct Seen {
    seen: Instant,
    took: Duration,
    with_hidden: bool,
    state: serde_json::Value,
}

impl States {
    /// How it stood last, if looking took so long that it is not looked at again yet: no more than a tenth of the time goes
    /// into that.
    fn lately(&self, with_hidden: bool, now: Instant) -> Option<serde_json::Value> {
        let kept = held(&self.0);
        let kept = kept.as_ref().filter(|kept| kept.with_hidden == with_hidden && kept.took >= LONG)?;
        (now.saturating_duration_since(kept.seen) < kept.took * 10).then(|| kept.state.clone())
    }

    fn keep(&self, state: &serde_json::Value, with_hidden: bool, begun: Instant) {
        let (seen, state) = (Instant::now(), state.clone());
        *held(&self.0) = Some(Seen { seen, took: seen - begun, with_hidden, state });
    }

    pub(crate) fn forget(&self) {
        *held(&self.0) = None;
    }
}

/// How the library stands; also while it is locked.
#[utoipa::path(get, path = "/api/v1/status", tag = "reading", responses((status = 200, body = Standing)))]
pub(crate) async fn show_status(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Standing>> {
    let path = gallery.door.path().to_string_lossy().into_owned();
    let hidden = HiddenStanding::of(&gallery);
    let nothing = |first_run: Option<FirstRun>, library, locked, read_only, hidden| Standing {
        first_run,
        library,
        locked,
        read_only,
        revision: None,
        counts: None,
        state: None,
        hidden,
        past: None,
    };
    let Some(folder) = gallery.door.folder() else {
        let library = Whose { id: String::new(), path: path.clone() };
        return Ok(Json(nothing(Some(FirstRun { folder: path }), library, false, false, hidden)));
    };
    let library = Whose { id: folder.library().to_string(), path };
    let read_only = !folder.is_writable();
    if gallery.door.is_locked() {
        return Ok(Json(nothing(None, library, true, read_only, hidden)));
    }
    let shared = Arc::clone(&gallery);
    let past = gallery.door.moment().as_ref().map(LookedAt::of);
    let standing = gallery.door.read(move |opened| {
        let revision = Some(opened.revision()?);
        let counts = Some(Counts {
            shown: opened.count_on(Shelf::Shown)?,
            hidden: if hidden.open { Some(opened.count_on(Shelf::Hidden)?) } else { None },
            trashed: opened.count_on(Shelf::Trashed)?,
        });
        let state = match shared.states.lately(hidden.open, Instant::now()) {
            Some(state) => state,
            None => {
                let begun = Instant::now();
                let state = serde_json::to_value(opened.status()?).map_err(|_| Failure::broken())?;
                shared.states.keep(&state, hidden.open, begun);
                state
            }
        };
        Ok(Standing {
            first_run: None,
            library,
            locked: false,
            read_only,
            revision,
            counts,
            state: Some(state),
            hidden,
            past,
        })
    });
    standing.await.map(Json)
}

/// A photo, and what pages need beside that.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WholeAsset {
    #[serde(flatten)]
    asset: ShownAsset,
    /// What was done with it, newest first; the last hundred changes.
    history: Vec<HistoryEntry>,
    web: OnPages,
}

/// How pages show a photo.
#[derive(Debug, Serialize, ToSchema)]
struct OnPages {
    /// Whether browsers show its original as it is.
    original: bool,
    /// The type of its original.
    mime: String,
    /// Whether something of it moves: a Live or motion photo.
    moves: bool,
    /// The photos that it lies in a stack with.
    stack: Option<ShownStack>,
}

/// Everything known of one photo.
#[utoipa::path(get, path = "/api/v1/assets/{id}", tag = "reading", params(("id" = String, Path, description = "the photo")),
    responses((status = 200, body = WholeAsset), (status = 404, body = Failed)))]
pub(crate) async fn show_asset(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
) -> Answer<Json<WholeAsset>> {
    let id = whole_id(id)?;
    let shown = gallery.door.read(move |library| {
        let asset = library.show(&id)?;
        let history = library.history(Some(&asset.id), &HistoryFilter::default(), HISTORY_SHOWN)?;
        let web = OnPages {
            original: is_widely_shown(&asset.media_type),
            mime: asset.media_type.clone(),
            moves: library.moves(&asset.id)?,
            stack: library.stack_of(&asset.id)?,
        };
        Ok(WholeAsset { asset, history, web })
    });
    shown.await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_looked_at_a_tenth_of_the_time() {
        let states = States::default();
        let now = Instant::now();
        let seen = |took: u64| Seen {
            seen: now,
            took: Duration::from_millis(took),
            with_hidden: false,
            state: serde_json::json!({ "assets": took }),
        };
        let lately = |seconds: u64| states.lately(false, now + Duration::from_secs(seconds)).is_some();
        *held(&states.0) = Some(seen(400));
        assert!(!lately(0), "that is looked at each time");
        *held(&states.0) = Some(seen(3000));
        assert!(lately(29) && !lately(30));
        assert!(states.lately(true, now).is_none(), "what is told of hidden photos is another state");
        states.forget();
        assert!(!lately(0));
    }
}
