//! Photos and every trace of them: what forgetting would do, doing it, and the receipts of it.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use safelight_library::{ForgetPlan, ForgetReport, SaidProblem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::Asked;
use crate::failure::{Answer, Failed, Failure, HiddenClosed};
use crate::gallery::Gallery;
use crate::jobs::{self, Ended, ShownJob};
use crate::writing::Which;

/// What would be forgotten, and the word that carries it out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Forgettable {
    /// Good once, and for ten minutes; none where there is nothing to forget.
    plan: Option<String>,
    #[serde(flatten)]
    what: ForgetPlan,
}

/// What forgetting photos would do: what goes, where, and what may remain. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/trash/forget/plan", tag = "storage", request_body = Which,
    responses((status = 200, body = Forgettable), HiddenClosed))]
pub(crate) async fn plan_forget(
    State(gallery): State<Arc<Gallery>>,
    Asked(which): Asked<Which>,
) -> Answer<Json<Forgettable>> {
    let shared = Arc::clone(&gallery);
    let plan = gallery.door.survey(move |library, _| {
        let selection = which.select(library, None)?;
        let found = library.plan_forget(&selection)?;
        let plan = (found.photos > 0).then(|| shared.forgets.keep(found.clone(), Instant::now()));
        Ok(Forgettable { plan, what: found })
    });
    plan.await.map(Json)
}

/// Which plan somebody agrees to.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ToForget {
    /// The word of a plan that was shown; without one, what waits since an earlier forgetting is gone on with.
    plan: Option<String>,
    /// How many photos that plan said.
    #[serde(default)]
    photos: u64,
}

/// What forgetting came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Forgotten {
    /// Photos that were forgotten.
    forgotten: u64,
    /// Photos that were taken out of the trash after the plan was made, and stay.
    stayed: u64,
    /// Bytes that went from this device.
    freed_bytes: u64,
    /// Whether this device and all of its remotes hold nothing of them any more.
    is_done: bool,
    /// Why bytes are still on this device, where they are.
    here: Vec<SaidProblem>,
    /// Every remote.
    places: Vec<ForgottenThere>,
    /// Other devices that have to sync.
    devices: Vec<String>,
    /// Two lines of JSON, the second signs the first.
    receipt: String,
}

/// What became of one remote.
#[derive(Debug, Serialize, ToSchema)]
struct ForgottenThere {
    remote: String,
    /// Whether it was seen to that it holds nothing of them any more.
    is_done: bool,
    /// What keeps it there.
    told: Vec<SaidProblem>,
}

impl Forgotten {
    fn of(report: ForgetReport) -> Self {
        let is_done = report.is_done();
        let here: Vec<String> = report.bytes_left.into_iter().collect();
        let places = report.places.into_iter().map(|place| ForgottenThere {
            remote: place.remote,
            is_done: place.is_done,
            told: SaidProblem::all(&place.waits, &[]),
        });
        Self {
            forgotten: report.forgotten,
            stayed: report.stayed,
            freed_bytes: report.freed_bytes,
            is_done,
            here: SaidProblem::all(&here, &[]),
            places: places.collect(),
            devices: report.devices,
            receipt: report.receipt,
        }
    }
}

/// Forgets what a plan says, for good.
#[utoipa::path(post, path = "/api/v1/trash/forget", tag = "jobs", request_body = ToForget,
    responses((status = 200, body = ShownJob), (status = 400, body = Failed, description = "`not-understood`: the plan is about another number of photos"),
        (status = 409, description = "`stale`: look again; `busy`")))]
pub(crate) async fn forget(
    State(gallery): State<Arc<Gallery>>,
    Asked(ToForget { plan: word, photos }): Asked<ToForget>,
) -> Answer<Json<ShownJob>> {
    let taken = match &word {
        Some(word) => Some(gallery.forgets.take(word, Instant::now())?),
        None => None,
    };
    let kept = taken.clone();
    let plan = taken.map(|(_, plan)| plan).unwrap_or_default();
    let begun = if plan.photos == photos {
        let shared = Arc::clone(&gallery);
        jobs::begin(&gallery, "forget", move |library, surroundings, monitor| {
            // Bytes go only where nobody else has the library open, this server's own readers included.
            let keep_out = || shared.door.keep_out();
            let report = library.forget_alone(&plan, surroundings, monitor, keep_out)?;
            shared.news.revision(library.revision()?);
            Ended::well(Forgotten::of(report))
        })
    } else {
        Err(Failure::not_understood("that is not how many photos the plan is about"))
    };
    // Whoever must wait for something else has not used it up.
    begun.inspect_err(|_| {
        if let (Some(word), Some(kept)) = (&word, kept) {
            gallery.forgets.give_back(word, kept);
        }
    })
}

/// The receipts of this device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipts {
    /// Each two lines of JSON, the oldest first.
    receipts: Vec<String>,
}

/// The receipts that this device wrote when it forgot photos; they name none.
#[utoipa::path(get, path = "/api/v1/trash/receipts", tag = "storage", responses((status = 200, body = Receipts)))]
pub(crate) async fn list_receipts(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Receipts>> {
    gallery.door.read(|library| Ok(Receipts { receipts: library.receipts()? })).await.map(Json)
}
