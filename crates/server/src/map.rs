//! The map and its equivalent in words.

#![expect(unused_qualifications, reason = "what describes the parameters writes whole paths")]

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use safelight_library::{Library, MapPoints, MapView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::asked::Parameters;
use crate::failure::{Answer, HiddenClosed};
use crate::gallery::{Gallery, held};
use crate::timeline::Which;

/// Where all photos were taken, at the revision at which that was asked last: 16 MB for a million.
#[derive(Debug, Default)]
pub(crate) struct Points(Mutex<Option<(u64, Arc<MapPoints>)>>);

impl Points {
    pub(crate) fn newest(&self, library: &Library) -> Answer<Arc<MapPoints>> {
        let revision = library.revision()?;
        if let Some((known, points)) = &*held(&self.0)
            && *known == revision
        {
            return Ok(Arc::clone(points));
        }
        let points = Arc::new(library.map_points()?);
        *held(&self.0) = Some((revision, Arc::clone(&points)));
        Ok(points)
    }

    pub(crate) fn forget(&self) {
        *held(&self.0) = None;
    }
}

/// A part of the map, in degrees.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct View {
    south: f64,
    /// May be east of `east`, to cross the date line.
    west: f64,
    north: f64,
    east: f64,
    /// How large it is drawn: the world is 256 pixels wide at 0, and twice that at each further one.
    #[serde(default)]
    zoom: u8,
}

/// What a part of the map shows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Mapped {
    cells: Vec<Cell>,
}

/// Photos that are drawn as one.
#[derive(Debug, Serialize, ToSchema)]
struct Cell {
    lat: f64,
    lon: f64,
    count: u64,
    /// The newest of them.
    id: String,
}

/// Photos on the map, at most 400 marks.
#[utoipa::path(get, path = "/api/v1/map", tag = "map", params(View, Which), responses((status = 200, body = Mapped), HiddenClosed))]
pub(crate) async fn show_map(
    State(gallery): State<Arc<Gallery>>,
    Parameters(view): Parameters<View>,
    Parameters(which): Parameters<Which>,
) -> Answer<Json<Mapped>> {
    let shared = Arc::clone(&gallery);
    let View { south, west, north, east, zoom } = view;
    let view = MapView { south, west, north, east, zoom };
    let cells = gallery.door.read(move |library| {
        let points = shared.points.newest(library)?;
        let kept = if which.is_everything() { None } else { Some(shared.timelines.newest(library, &which)?) };
        Ok(library.map(&points, &view, kept.as_ref().map(|kept| kept.timeline()))?)
    });
    let cells = cells.await?.into_iter();
    let cells =
        cells.map(|cell| Cell { lat: cell.latitude, lon: cell.longitude, count: cell.assets, id: cell.id });
    Ok(Json(Mapped { cells: cells.collect() }))
}

/// A place with photos.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Named {
    /// Its English name; none at sea and in the wild.
    country: Option<String>,
    /// ISO 3166 (`FR`).
    country_code: Option<String>,
    region: Option<String>,
    city: Option<String>,
    count: u64,
    /// Degrees north and east of where the newest of them was taken.
    position: [f64; 2],
}

/// The places where photos were taken, in the order of countries, regions and cities.
#[utoipa::path(get, path = "/api/v1/places", tag = "map", responses((status = 200, body = [Named])))]
pub(crate) async fn list_places(State(gallery): State<Arc<Gallery>>) -> Answer<Json<Vec<Named>>> {
    let shared = Arc::clone(&gallery);
    let places = gallery.door.read(move |library| Ok(shared.points.newest(library)?.places())).await?;
    let named = places.into_iter().map(|place| Named {
        country: place.country,
        country_code: place.country_code,
        region: place.region,
        city: place.city,
        count: place.assets,
        position: place.position.into(),
    });
    Ok(Json(named.collect()))
}
