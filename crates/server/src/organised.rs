//! Lists beside the timeline: tags, conflicts and the trash.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use safelight_library::{Shelf, ShownConflict};
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::Answer;
use crate::gallery::Gallery;

/// In a fuller trash nobody looks for the photo that has lain there longest.
const MOST_LOOKED_AT: u64 = 5000;

/// A tag.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tag {
    /// As it is searched.
    name: String,
    /// How many shown photos have it.
    count: u64,
}

/// All tags, in the order of their names.
#[utoipa::path(get, path = "/api/v1/tags", tag = "organising", responses((status = 200, body = [Tag])))]
pub(crate) async fn list_tags(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<Tag>>> {
    let tags = gallery.door.read(|library| Ok(library.list_tags()?));
    tags.await.map(|tags| Json(tags.into_iter().map(|(name, count)| Tag { name, count }).collect()))
}

/// Something on which devices disagree.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedConflict {
    #[serde(flatten)]
    conflict: ShownConflict,
    /// How it is named to settle it.
    item: String,
}

/// Everything on which devices disagree.
#[utoipa::path(get, path = "/api/v1/conflicts", tag = "organising", responses((status = 200, body = [ListedConflict])))]
pub(crate) async fn list_conflicts(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<ListedConflict>>> {
    let conflicts = gallery.door.read(|library| Ok(library.list_conflicts()?)).await?;
    let named = |conflict: ShownConflict| {
        let item = match conflict.kind {
            "album" => format!("album:{}", conflict.id),
            "library" => "library".to_owned(),
            _ => conflict.id.clone(),
        };
        ListedConflict { conflict, item }
    };
    Ok(Json(conflicts.into_iter().map(named).collect()))
}

/// What lies in the trash.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Trash {
    /// How many photos; the timeline of `shelf=trash` shows them.
    count: u64,
    /// Since when the one lies there that came first, UTC; none for an empty trash, and for one of many thousands.
    oldest: Option<String>,
}

/// How full the trash is.
#[utoipa::path(get, path = "/api/v1/trash", tag = "organising", responses((status = 200, body = Trash)))]
pub(crate) async fn show_trash(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Trash>> {
    let trash = gallery.door.read(|library| {
        let count = library.count_on(Shelf::Trashed)?;
        let listed = if count > MOST_LOOKED_AT { Vec::new() } else { library.list_trash("")? };
        Ok(Trash { count, oldest: listed.into_iter().map(|trashed| trashed.trashed).min() })
    });
    trash.await.map(Json)
}
