//! Albums: listed, made, named, nested, removed; ordinary ones and those that a search fills.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use safelight_library::{NewAlbum, ShownAlbum};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::{Asked, if_there};
use crate::failure::{Answer, Failure};
use crate::gallery::Gallery;
use crate::writing::{Written, change};

/// An album with what stands for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedAlbum {
    #[serde(flatten)]
    album: ShownAlbum,
    /// The id of its newest photo.
    cover: Option<String>,
}

/// All albums, in the order of their paths, each with the id of its newest photo.
#[utoipa::path(get, path = "/api/v1/albums", tag = "organising", responses((status = 200, body = [ListedAlbum])))]
pub(crate) async fn list_albums(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<ListedAlbum>>> {
    let albums = gallery.door.read(|library| Ok(library.list_albums_with_covers()?)).await?.into_iter();
    Ok(Json(albums.map(|(album, cover)| ListedAlbum { album, cover }).collect()))
}

/// A new album.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AlbumToMake {
    /// Its name after those of the albums that it lies in: `Trips/Iceland`; those are made where they are missing.
    path: String,
    /// The album to put it into.
    within: Option<String>,
    /// The search that fills it; none for an ordinary one.
    query: Option<String>,
}

/// Makes an album.
#[utoipa::path(post, path = "/api/v1/albums", tag = "writing", request_body = AlbumToMake,
    responses((status = 200, body = Written), (status = 400, description = "`not-understood`: the name, or the query"),
        (status = 409, description = "there is one of that path, or it would lie in a smart one")))]
pub(crate) async fn add_album(
    State(gallery): State<Arc<Gallery>>,
    Asked(asked): Asked<AlbumToMake>,
) -> Answer<Json<Written>> {
    change(&gallery, move |library| {
        let AlbumToMake { path, within, query } = &asked;
        let new = NewAlbum { path, within: within.as_deref(), query: query.as_deref(), another: false };
        let made = library.add_album(&new);
        let album = made.map_err(|error| Failure::from(error).about(query.as_deref().unwrap_or_default()))?;
        Ok(Written::album(album.id))
    })
    .await
}

/// What is to become of an album: one of the three.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AlbumChange {
    /// Its new name.
    name: Option<String>,
    /// The album to put it into; null puts it to the top.
    #[serde(default, deserialize_with = "if_there")]
    #[schema(value_type = Option<String>)]
    into: Option<Option<String>>,
    /// What fills it from now on.
    query: Option<String>,
}

/// Gives an album another name, puts it elsewhere, or lets another search fill it.
#[utoipa::path(patch, path = "/api/v1/albums/{id}", tag = "writing", request_body = AlbumChange,
    params(("id" = String, Path, description = "the album")),
    responses((status = 200, body = Written), (status = 409, description = "a search would take the place of what lies in it")))]
pub(crate) async fn change_album(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
    Asked(asked): Asked<AlbumChange>,
) -> Answer<Json<Written>> {
    change(&gallery, move |library| {
        let album = match (asked.name, asked.into, asked.query) {
            (Some(name), None, None) => library.rename_album(&id, &name)?,
            (None, Some(into), None) => library.move_album(&id, into.as_deref())?,
            (None, None, Some(query)) => {
                library.set_album_search(&id, &query).map_err(|error| Failure::from(error).about(&query))?
            }
            _ => {
                return Err(Failure::not_understood(
                    "an album gets a new name, another place or another search, one in a call",
                ));
            }
        };
        Ok(Written::album(album.id))
    })
    .await
}

/// Removes an album; its photos stay, and the albums in it move up.
#[utoipa::path(delete, path = "/api/v1/albums/{id}", tag = "writing",
    params(("id" = String, Path, description = "the album")), responses((status = 200, body = Written)))]
pub(crate) async fn remove_album(
    State(gallery): State<Arc<Gallery>>,
    Path(id): Path<String>,
) -> Answer<Json<Written>> {
    change(&gallery, move |library| {
        let removal = library.plan_album_removal(&id)?;
        Ok(Written::album(library.remove_album(removal)?.id))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_album_goes_to_the_top_only_when_that_is_said() {
        let read = |json: &str| serde_json::from_str::<AlbumChange>(json).unwrap().into;
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"into":null}"#), Some(None));
        assert_eq!(read(r#"{"into":"x"}"#), Some(Some("x".to_owned())));
    }
}
