//! What devices that may only upload have left in the remotes, before it is taken in. A sync takes it in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use safelight_library::{ShownUpload, Why};
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::{Answer, Failed};
use crate::gallery::Gallery;

/// An upload, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Upload {
    #[serde(flatten)]
    upload: ShownUpload,
    /// The reason in a code.
    why: Option<Why>,
}

impl Upload {
    fn of(upload: ShownUpload) -> Self {
        let why = upload.reason.as_deref().and_then(Why::of);
        Self { upload, why }
    }
}

/// What rests in the remotes; every one is asked. Nothing is opened.
#[utoipa::path(get, path = "/api/v1/devices/inbox", tag = "devices",
    responses((status = 200, body = [Upload]), (status = 502, body = Failed, description = "`network`")))]
pub(crate) async fn list_uploads(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<Upload>>> {
    let found = gallery.door.fetch(|library, surroundings| Ok(library.inbox(None, surroundings)?));
    found.await.map(|uploads| Json(uploads.into_iter().map(Upload::of).collect()))
}
