//! What is asked about the library and its photos, and changes nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use safelight_library::Shelf;
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::{Answer, Failure};
use crate::gallery::Gallery;
use crate::hidden::HiddenStanding;
use crate::media::is_widely_shown;

/// How the library stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    library: Whose,
    /// Whether the keys are not in memory; then nothing else is known.
    locked: bool,
    read_only: bool,
    revision: Option<u64>,
    counts: Option<Counts>,
    /// What `safelight status --json` says.
    #[schema(value_type = Option<Object>)]
    state: Option<serde_json::Value>,
    /// Whether hidden photos are told.
    hidden: HiddenStanding,
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

/// How the library stands; also while it is locked.
#[utoipa::path(get, path = "/api/v1/status", tag = "reading", responses((status = 200, body = Standing)))]
pub(crate) async fn show_status(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Standing>> {
    let folder = gallery.door.folder();
    let library =
        Whose { id: folder.library().to_string(), path: folder.path().to_string_lossy().into_owned() };
    let read_only = !folder.is_writable();
    let hidden = HiddenStanding::of(&gallery);
    if gallery.door.is_locked() {
        let standing =
            Standing { library, locked: true, read_only, revision: None, counts: None, state: None, hidden };
        return Ok(Json(standing));
    }
    let standing = gallery.door.read(move |opened| {
        let revision = Some(opened.revision()?);
        let counts = Some(Counts {
            shown: opened.count_on(Shelf::Shown)?,
            hidden: if hidden.open { Some(opened.count_on(Shelf::Hidden)?) } else { None },
            trashed: opened.count_on(Shelf::Trashed)?,
        });
        let state = serde_json::to_value(opened.status()?).map_err(|_| Failure::broken())?;
        Ok(Standing { library, locked: false, read_only, revision, counts, state: Some(state), hidden })
    });
    standing.await.map(Json)
}

/// Everything known of one photo.
#[utoipa::path(get, path = "/api/v1/assets/{id}", tag = "reading", params(("id" = String, Path, description = "the photo")),
    responses((status = 200, body = Object), (status = 404)))]
pub(crate) async fn show_asset(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
) -> Answer<Json<serde_json::Value>> {
    let shown = gallery.door.read(move |library| {
        let shown = library.show(&id)?;
        let history = library.history(Some(&shown.id), 100)?;
        let mut value = serde_json::to_value(&shown).map_err(|_| Failure::broken())?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("history".into(), serde_json::json!(history));
            let web = serde_json::json!({
                "original": is_widely_shown(&shown.media_type),
                "mime": shown.media_type,
                "moves": library.moves(&shown.id)?,
                "stack": library.stack_of(&shown.id)?,
            });
            fields.insert("web".into(), web);
        }
        Ok(value)
    });
    shown.await.map(Json)
}
