//! The user's own map file: which one it is, and parts of it for whoever draws it.
//!
//! Only the file that was named is read, in parts and never all of it at once, and nothing of what is no map.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use safelight_library::{LibraryError, MapTiles};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::asked::Asked;
use crate::failure::{Answer, Failed, Failure};
use crate::gallery::Gallery;
use crate::guard::SANDBOX;
use crate::media::{Wanted, unsatisfiable, wanted};

/// The user's own map.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tiles {
    /// None where no file was named.
    tiles: Option<MapTiles>,
}

/// A map file.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NamedFile {
    /// Where it is on this machine: the whole path, in which `~` is the home.
    path: String,
}

/// The user's own map, that is drawn beneath the photos.
#[utoipa::path(get, path = "/api/v1/map/tiles", tag = "map", responses((status = 200, body = Tiles)))]
pub(crate) async fn show_tiles(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Tiles>> {
    gallery.door.read(|library| Ok(Tiles { tiles: library.map_tiles()? })).await.map(Json)
}

/// Names the file of the user's own map; it stays where it is.
#[utoipa::path(put, path = "/api/v1/map/tiles", tag = "map", request_body = NamedFile,
    responses((status = 200, body = Tiles),
        (status = 422, body = Failed, description = "`bad-file`: it is no map that can be shown; the message says why")))]
pub(crate) async fn name_tiles(
    State(gallery): State<Arc<Gallery>>,
    Asked(NamedFile { path }): Asked<NamedFile>,
) -> Answer<Json<Tiles>> {
    let home = gallery.door.surroundings().home.clone();
    let named = gallery
        .door
        .write(move |library| Ok(Tiles { tiles: library.set_typed_map_tiles(&path, home.as_deref())? }));
    named.await.map(Json)
}

/// Draws no map of the user's any more; its file stays.
#[utoipa::path(delete, path = "/api/v1/map/tiles", tag = "map", responses((status = 200, body = Tiles)))]
pub(crate) async fn forget_tiles(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Tiles>> {
    gallery.door.write(|library| Ok(Tiles { tiles: library.set_map_tiles(None)? })).await.map(Json)
}

/// A part of the map's file, of 16 MiB at most; one range of bytes is asked for.
#[utoipa::path(get, path = "/api/v1/map/tiles/file", tag = "map",
    params(("Range" = String, Header, description = "`bytes=FIRST-LAST`")),
    responses((status = 206, content_type = "application/octet-stream", description = "with an `ETag` that is another one once the file was changed"),
        (status = 404, body = Failed, description = "no file was named, or it is not there"),
        (status = 409, body = Failed, description = "`bad-file`: it is no map any more"),
        (status = 416, description = "no range was asked for, or one that it does not have")))]
pub(crate) async fn read_tiles(State(gallery): State<Arc<Gallery>>, headers: HeaderMap) -> Answer<Response> {
    let file = gallery.door.read(|library| Ok(library.tiles_file()?)).await?;
    let file = file.ok_or_else(|| Failure::not_found("no map was named"))?;
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // A disk that sleeps must hold nobody up who reads from the library.
    let reading = tokio::task::spawn_blocking(move || -> Answer<Response> {
        let open = file.open().map_err(no_longer_a_map)?;
        let size = open.size_bytes();
        let Wanted::Part(range) = wanted(asked.as_deref(), size) else { return Ok(unsatisfiable(size)) };
        let bytes = open.read(range.clone())?;
        let end = range.start + bytes.len() as u64;
        let said = [
            (header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, end.saturating_sub(1))),
            (header::ETAG, format!("\"{}\"", open.tag())),
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_SECURITY_POLICY, SANDBOX.to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
        ];
        let mut answer = HeaderMap::new();
        for (name, value) in said {
            answer.insert(name, HeaderValue::from_str(&value).map_err(|_| Failure::broken())?);
        }
        Ok((StatusCode::PARTIAL_CONTENT, answer, Bytes::from(bytes)).into_response())
    });
    reading.await.map_err(|_| Failure::broken())?
}

fn no_longer_a_map(error: LibraryError) -> Failure {
    let is_none = matches!(error, LibraryError::NoTiles { .. });
    let failure = Failure::from(error);
    if is_none { Failure { status: StatusCode::CONFLICT, ..failure } } else { failure }
}
