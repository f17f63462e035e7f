//! Connecting places, and forgetting them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use safelight_library::{
    AddedRemote, REMOTE_KINDS, RemoteCredential, RemoteKind, RemoteRequest, remote_kind,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::asked::Asked;
use crate::failure::{Answer, Failed, Failure};
use crate::gallery::Gallery;
use crate::remotes::setting_words;

/// The kinds of places that can be connected.
#[utoipa::path(get, path = "/api/v1/remotes/kinds", tag = "remotes", responses((status = 200, body = [RemoteKind])))]
pub(crate) async fn list_kinds() -> Json<Vec<RemoteKind>> {
    Json(REMOTE_KINDS.to_vec())
}

/// A place to connect.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RemoteToAdd {
    /// What to call it.
    name: String,
    /// Where it is, without anything secret.
    address: String,
    /// What opens it, as a credential file holds it.
    credential: Option<String>,
    /// Its first settings, as a change of a remote takes them.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// Whether more may be sent than needs no consent.
    #[serde(default)]
    consent: bool,
}

/// What opens a place, as it was typed.
pub(crate) fn credential_of(address: &str, typed: Option<String>) -> Answer<Option<RemoteCredential>> {
    if let Some(kind) = remote_kind(address).filter(|kind| kind.sign_in) {
        let message = "somebody must sign in to this kind of place in a browser, with a client of their own";
        let failure = Failure::new(StatusCode::CONFLICT, "refused", message);
        return Err(failure.hint(format!("in a terminal: safelight remote add NAME {}", kind.example)));
    }
    let Some(typed) = typed.map(Zeroizing::new).filter(|typed| !typed.trim().is_empty()) else {
        return Ok(None);
    };
    let parsed = RemoteCredential::parse(&typed);
    parsed
        .map(Some)
        .map_err(|error| Failure::not_understood(format!("the credential cannot be read: {error}")))
}

/// Connects a place and tries what it can do. Nothing of the library is sent yet.
#[utoipa::path(post, path = "/api/v1/remotes", tag = "remotes", request_body = RemoteToAdd,
    responses((status = 200, body = AddedRemote),
        (status = 400, body = Failed, description = "`not-understood`"), (status = 409, body = Failed, description = "`refused`, or `needs-consent`"),
        (status = 502, body = Failed, description = "`network`")))]
pub(crate) async fn add_remote(
    State(gallery): State<Arc<Gallery>>,
    Asked(asked): Asked<RemoteToAdd>,
) -> Answer<Json<AddedRemote>> {
    let RemoteToAdd { name, address, credential, settings, consent } = asked;
    let credential = credential_of(&address, credential)?;
    let words = setting_words(&settings)?;
    let added = gallery.door.fetch(move |library, surroundings| {
        let request = RemoteRequest { name: &name, address: &address, credential: credential.as_ref() };
        let added = library.connect_remote(&request, &words, consent, surroundings)?;
        Ok((added, library.revision()?))
    });
    let (added, revision) = added.await?;
    gallery.news.revision(revision);
    gallery.news.places();
    Ok(Json(added))
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Forgotten {
    name: String,
}

/// Forgets a remote; what rests there stays there.
#[utoipa::path(delete, path = "/api/v1/remotes/{name}", tag = "remotes",
    params(("name" = String, Path, description = "the remote")), responses((status = 200, body = Forgotten), (status = 404)))]
pub(crate) async fn forget_remote(
    State(gallery): State<Arc<Gallery>>,
    Path(name): Path<String>,
) -> Answer<Json<Forgotten>> {
    let forgotten = gallery.door.write(move |library| {
        library.remove_remote(&name)?;
        Ok((Forgotten { name }, library.revision()?))
    });
    let (forgotten, revision) = forgotten.await?;
    gallery.news.revision(revision);
    gallery.news.places();
    Ok(Json(forgotten))
}
