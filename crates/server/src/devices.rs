//! The devices of the library: who belongs to it, what they are called, and how one leaves.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use safelight_library::{Departure, Leaving, SaidSentence, ShownDevice};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::Asked;
use crate::failure::{Answer, Failed};
use crate::gallery::Gallery;

/// The devices that ever belonged to the library; as `safelight device list --json`.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", responses((status = 200, body = [ShownDevice])))]
pub(crate) async fn list_devices(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<ShownDevice>>> {
    gallery.door.read(|library| Ok(library.devices()?)).await.map(Json)
}

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewName {
    /// What people call it; empty takes the name away.
    name: String,
}

/// Gives a device a name.
#[utoipa::path(patch, path = "/api/v1/devices/{id}", tag = "devices", request_body = NewName,
    params(("id" = String, Path, description = "the device")),
    responses((status = 200, body = ShownDevice), (status = 404, body = Failed),
        (status = 409, body = Failed, description = "`refused`: another one is called so")))]
pub(crate) async fn rename_device(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
    Asked(NewName { name }): Asked<NewName>,
) -> Answer<Json<ShownDevice>> {
    let renamed = gallery.door.write(move |library| {
        let device = library.rename_device(&id, &name)?;
        Ok((device, library.revision()?))
    });
    let (device, revision) = renamed.await?;
    gallery.news.revision(revision);
    Ok(Json(device))
}

/// How a device is to leave.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct ToLeave {
    /// `retire`, where it was sold or is no longer used, or `revoke`, where it was lost.
    how: Leaving,
    /// Whether somebody agreed to what the answer without that says.
    #[serde(default)]
    consent: bool,
}

/// What comes, or came, of a device's leaving.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Left {
    /// Whether it has left; without consent it is only told what would come of it.
    done: bool,
    #[serde(flatten)]
    departure: Departure,
    /// The same in sentences, as `safelight device` says them: what it can still read, and what to replace where.
    told: Vec<SaidSentence>,
}

/// Lets a device leave, or with no consent says what would come of it.
#[utoipa::path(post, path = "/api/v1/devices/{id}/leave", tag = "devices", request_body = ToLeave,
    params(("id" = String, Path, description = "the device")),
    responses((status = 200, body = Left), (status = 404, body = Failed),
        (status = 409, body = Failed, description = "`refused`: it does not belong to the library, or is the last that does")))]
pub(crate) async fn leave(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
    Asked(ToLeave { how, consent }): Asked<ToLeave>,
) -> Answer<Json<Left>> {
    let left = gallery.door.write(move |library| {
        let departure = match (how, consent) {
            (_, false) => library.plan_departure(&id)?,
            (Leaving::Retire, true) => library.retire_device(&id)?,
            (Leaving::Revoke, true) => library.revoke_device(&id)?,
        };
        let told = departure.told(how, !consent);
        Ok((Left { done: consent, departure, told }, library.revision()?))
    });
    let (left, revision) = left.await?;
    gallery.news.revision(revision);
    Ok(Json(left))
}
