//! Lists beside the timeline: tags, conflicts, the trash, and what may come next in a query.

#![expect(unused_qualifications, reason = "what describes the parameters writes whole paths")]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use safelight_library::{Shelf, ShownConflict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::asked::Parameters;
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

/// A query that is being typed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BeingTyped {
    /// All of it.
    #[serde(default)]
    q: String,
    /// The byte at which somebody types; its end when left out.
    at: Option<usize>,
}

/// What may stand in the place of a word.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Completed {
    /// The first byte that a choice takes the place of.
    from: usize,
    /// The byte behind the last one.
    to: usize,
    choices: Vec<Choice>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
struct Choice {
    text: String,
    note: String,
}

/// What may come next in a query.
#[utoipa::path(get, path = "/api/v1/complete", tag = "organising", params(BeingTyped),
    responses((status = 200, body = Completed)))]
pub(crate) async fn complete(
    State(gallery): State<Arc<Gallery>>,
    Parameters(BeingTyped { q, at }): Parameters<BeingTyped>,
) -> Answer<Json<Completed>> {
    let completed =
        gallery.door.read(move |library| Ok(library.complete(&q, at.unwrap_or(q.len()))?)).await?;
    let choices = completed.choices.into_iter();
    Ok(Json(Completed {
        from: completed.replaces.start,
        to: completed.replaces.end,
        choices: choices.map(|choice| Choice { text: choice.text, note: choice.note }).collect(),
    }))
}

/// Everything on which devices disagree.
#[utoipa::path(get, path = "/api/v1/conflicts", tag = "organising", responses((status = 200, body = [Object])))]
pub(crate) async fn list_conflicts(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<Value>>> {
    let conflicts = gallery.door.read(|library| Ok(library.list_conflicts()?)).await?;
    let named = |conflict: &ShownConflict| {
        let mut value = json!(conflict);
        value["item"] = match conflict.kind {
            "album" => format!("album:{}", conflict.id).into(),
            "library" => "library".into(),
            _ => conflict.id.clone().into(),
        };
        value
    };
    Ok(Json(conflicts.iter().map(named).collect()))
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
