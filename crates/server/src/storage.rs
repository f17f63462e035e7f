//! What takes space on this device, and letting originals go that remotes are proven to hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use safelight_library::{
    Among, FreePlan, FreeRequest, Library, LocalChange, LocalSettings, Originals, Selection, Storage,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::{Asked, if_there};
use crate::failure::{Answer, Failure, HiddenClosed};
use crate::gallery::Gallery;
use crate::jobs::{self, Ended, ShownJob};
use crate::writing::Which;

/// What takes space on this device, and how much lies in the trash.
#[utoipa::path(get, path = "/api/v1/storage", tag = "storage", responses((status = 200, body = Storage)))]
pub(crate) async fn show_storage(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Storage>> {
    gallery.door.survey(|library, _| Ok(library.storage()?)).await.map(Json)
}

/// What is to be freed, and against whom.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct WhatToFree {
    /// Which photos; all of them when nothing is said.
    #[serde(flatten)]
    which: Which,
    /// The remote whose proof counts; any when left out.
    remote: Option<String>,
    /// Whether what is not proven is downloaded and opened first.
    #[serde(default)]
    prove: bool,
}

impl WhatToFree {
    fn select(&self, library: &Library) -> Answer<Selection> {
        if self.which.is_nothing() {
            return Ok(library.select_all(Among::Everywhere)?);
        }
        self.which.select(library, None)
    }
}

/// What may go, and the word that carries it out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Freeable {
    /// Good once, and for ten minutes; none where nothing may go.
    plan: Option<String>,
    #[serde(flatten)]
    what: FreePlan,
}

/// What freeing would do, from what is known here: against which proofs, and what stays and why.
#[utoipa::path(post, path = "/api/v1/storage/free/plan", tag = "storage", request_body = WhatToFree,
    responses((status = 200, body = Freeable), (status = 404, description = "there is no remote"), HiddenClosed))]
pub(crate) async fn plan_free(
    State(gallery): State<Arc<Gallery>>,
    Asked(what): Asked<WhatToFree>,
) -> Answer<Json<Freeable>> {
    let shared = Arc::clone(&gallery);
    let plan = gallery.door.survey(move |library, surroundings| {
        let selection = what.select(library)?;
        let request = FreeRequest { remote: what.remote.as_deref(), prove: what.prove };
        let found = library.plan_free(&selection, &request, surroundings)?;
        let plan = (!found.is_empty()).then(|| shared.plans.keep(found.clone(), Instant::now()));
        Ok(Freeable { plan, what: found })
    });
    plan.await.map(Json)
}

/// Which plan.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Agreed {
    /// The word of a plan that was shown.
    plan: String,
}

/// Frees what a plan says, each original against a proof that is taken or checked at that moment.
#[utoipa::path(post, path = "/api/v1/storage/free", tag = "jobs", request_body = Agreed,
    responses((status = 200, body = ShownJob), (status = 409, description = "`stale`: look again; `busy`")))]
pub(crate) async fn free(
    State(gallery): State<Arc<Gallery>>,
    Asked(Agreed { plan }): Asked<Agreed>,
) -> Answer<Json<ShownJob>> {
    let taken = gallery.plans.take(&plan, Instant::now())?;
    let kept = taken.clone();
    let begun = jobs::begin(&gallery, "free", move |library, surroundings, monitor| {
        Ended::well(library.free(taken.1, surroundings, monitor)?)
    });
    // Whoever must wait for something else has not used it up.
    begun.inspect_err(|_| gallery.plans.give_back(&plan, kept))
}

/// This device's rules; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Rules {
    /// What originals that were fetched for opening may take; null is as much as they want.
    #[serde(default, deserialize_with = "if_there")]
    #[schema(value_type = Option<u64>)]
    budget_bytes: Option<Option<u64>>,
    /// How old a proof may be that bytes are freed against, in seconds; 30 days at most.
    proof_age_seconds: Option<u64>,
    /// `on-demand` or `keep-all`.
    originals: Option<String>,
}

/// Changes this device's rules for originals.
#[utoipa::path(patch, path = "/api/v1/storage/settings", tag = "storage", request_body = Rules,
    responses((status = 200, body = LocalSettings), (status = 409, description = "`refused`: a proof would be too old")))]
pub(crate) async fn set_rules(
    State(gallery): State<Arc<Gallery>>,
    Asked(rules): Asked<Rules>,
) -> Answer<Json<LocalSettings>> {
    let originals = match rules.originals.as_deref() {
        None => None,
        Some("on-demand") => Some(Originals::OnDemand),
        Some("keep-all") => Some(Originals::KeepAll),
        Some(_) => return Err(Failure::not_understood("originals are on-demand or keep-all")),
    };
    let change = LocalChange {
        budget_bytes: rules.budget_bytes,
        proof_age: rules.proof_age_seconds.map(Duration::from_secs),
        originals,
        ..LocalChange::default()
    };
    gallery.door.write(move |library| Ok(library.change_local_settings(&change)?)).await.map(Json)
}
