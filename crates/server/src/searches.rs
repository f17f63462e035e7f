//! What was searched for last, for whoever searches again. It stays on this device, sealed.

#![expect(unused_qualifications, reason = "what describes the parameters writes whole paths")]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::asked::{Asked, Parameters};
use crate::failure::{Answer, Failure};
use crate::gallery::Gallery;

/// The searches of this device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Searches {
    /// Those that were made last, newest first.
    recent: Vec<String>,
}

/// A search.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Searched {
    /// Its words.
    q: String,
}

/// Which search.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// This one; all of them when left out.
    q: Option<String>,
}

/// What was searched for last.
#[utoipa::path(get, path = "/api/v1/searches", tag = "organising", responses((status = 200, body = Searches)))]
pub(crate) async fn list_searches(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Searches>> {
    let recent = gallery.door.read(|library| Ok(library.recent_searches()?));
    recent.await.map(|recent| Json(Searches { recent }))
}

/// The words of a search that somebody types.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Typed {
    /// The query, finished or not.
    q: String,
}

/// What is wrong with a search.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Checked {
    /// None where it can be asked.
    mistake: Option<Failure>,
}

/// Whether a search can be asked: one that is half typed, or mistyped, is nothing to be refused.
#[utoipa::path(get, path = "/api/v1/searches/check", tag = "organising", params(Typed),
    responses((status = 200, body = Checked)))]
pub(crate) async fn check_search(
    State(gallery): State<Arc<Gallery>>,
    Parameters(Typed { q }): Parameters<Typed>,
) -> Answer<Json<Checked>> {
    let asked = q.clone();
    match gallery.door.read(move |library| Ok(library.check_query(&asked)?)).await {
        Ok(()) => Ok(Json(Checked { mistake: None })),
        Err(failure) if matches!(failure.code, "not-understood" | "not-found" | "hidden-closed") => {
            Ok(Json(Checked { mistake: Some(failure.about(&q)) }))
        }
        Err(failure) => Err(failure),
    }
}

/// Remembers a search; one that cannot be understood is not remembered.
#[utoipa::path(post, path = "/api/v1/searches", tag = "organising", request_body = Searched,
    responses((status = 200, body = Searches)))]
pub(crate) async fn remember_search(
    State(gallery): State<Arc<Gallery>>,
    Asked(Searched { q }): Asked<Searched>,
) -> Answer<Json<Searches>> {
    let recent = gallery.door.write(move |library| Ok(library.remember_search(&q)?));
    recent.await.map(|recent| Json(Searches { recent }))
}

/// Forgets one search, or all.
#[utoipa::path(delete, path = "/api/v1/searches", tag = "organising", params(Which),
    responses((status = 200, body = Searches)))]
pub(crate) async fn forget_searches(
    State(gallery): State<Arc<Gallery>>,
    Parameters(Which { q }): Parameters<Which>,
) -> Answer<Json<Searches>> {
    let recent = gallery.door.write(move |library| Ok(library.forget_searches(q.as_deref())?));
    recent.await.map(|recent| Json(Searches { recent }))
}
