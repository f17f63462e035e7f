//! Locking and unlocking from the page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::asked::Asked;
use crate::failure::Answer;
use crate::gallery::Gallery;
use crate::guesses::WayIn;

/// Whether the keys are not in memory.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Locked {
    locked: bool,
}

/// What opens the library.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Passphrase {
    pub(crate) passphrase: String,
}

/// Forgets the keys, and tells every page.
#[utoipa::path(post, path = "/api/v1/lock", tag = "session", responses((status = 200, body = Locked)))]
pub(crate) async fn lock(State(gallery): State<Arc<Gallery>>) -> Json<Locked> {
    gallery.lock();
    Json(Locked { locked: true })
}

/// Hears that somebody is there who asks for nothing, as who scrolls: the time until the keys are forgotten begins anew.
#[utoipa::path(post, path = "/api/v1/present", tag = "session",
    responses((status = 204, description = "the library is open"), (status = 423, description = "it is locked")))]
pub(crate) async fn be_present(State(gallery): State<Arc<Gallery>>) -> Answer<StatusCode> {
    gallery.door.require_open()?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens the library with a passphrase.
#[utoipa::path(post, path = "/api/v1/unlock", tag = "session", request_body = Passphrase,
    responses((status = 200, body = Locked), (status = 403, description = "`wrong-passphrase`"),
        (status = 429, description = "`too-many-guesses`: wait, as Retry-After says")))]
pub(crate) async fn unlock(
    State(gallery): State<Arc<Gallery>>,
    Asked(Passphrase { passphrase }): Asked<Passphrase>,
) -> Answer<Json<Locked>> {
    open(&gallery, WayIn::Passphrase(Zeroizing::new(passphrase))).await
}

/// Opens the library, whatever proves that one may.
pub(crate) async fn open(gallery: &Arc<Gallery>, way: WayIn) -> Answer<Json<Locked>> {
    gallery.door.unlock(way).await?;
    gallery.read_ahead();
    Ok(Json(Locked { locked: false }))
}
