//! Photos on the map: so few marks that a browser can draw them, however many photos there are.
//!
//! All positions are read once a revision, sixteen bytes a photo; a view of them is then one pass over those, and the
//! places are named from the same table that named each photo when it came in.

use std::collections::{BTreeMap, HashMap};

use safelight_catalog::Cursor;

use crate::error::Result;
use crate::library::Library;
use crate::timeline::Timeline;

/// Marks in one view; where there would be more, cells are made larger.
const MOST_CELLS: usize = 400;
/// Cells along one side of a tile of the map, which is 256 pixels wide.
const CELLS_A_TILE: f64 = 4.0;
/// Side of the cells in which all photos are given the place of one of them, in degrees × 10⁷: about a kilometre.
const SAME_PLACE_E7: i32 = 100_000;

/// A part of the map, in degrees; `west` may be east of `east` to cross the date line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapView {
    /// Its southern edge.
    pub south: f64,
    /// Its western edge.
    pub west: f64,
    /// Its northern edge.
    pub north: f64,
    /// Its eastern edge.
    pub east: f64,
    /// How large it is drawn: the world is 256 pixels wide at 0, and twice that at each further one.
    pub zoom: u8,
}

/// Photos that are drawn as one.
#[derive(Debug, Clone, PartialEq)]
pub struct MapCell {
    /// Degrees north of their middle.
    pub latitude: f64,
    /// Degrees east of it.
    pub longitude: f64,
    /// How many they are.
    pub assets: u64,
    /// The id of the newest.
    pub id: String,
}

/// A place with photos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPlace {
    /// The country; none at sea and in the wild.
    pub country: Option<String>,
    /// State, province or region.
    pub region: Option<String>,
    /// City, town or village.
    pub city: Option<String>,
    /// How many photos.
    pub assets: u64,
}

/// Where all photos of the timeline were taken that know it.
#[derive(Debug, Clone, Default)]
pub struct MapPoints(Vec<Point>);

#[derive(Debug, Clone, Copy)]
struct Point {
    cursor: Cursor,
    latitude_e7: i32,
    longitude_e7: i32,
}

/// What is summed up in a cell.
#[derive(Clone, Copy)]
struct Sum {
    newest: Cursor,
    latitude_e7: i64,
    longitude_e7: i64,
    assets: i64,
}

impl MapPoints {
    /// How many photos know where they were taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn within(&self, view: &MapView, among: Option<&Timeline>) -> Vec<Point> {
        let [south, west, north, east] = [view.south, view.west, view.north, view.east].map(e7);
        let is_inside = |point: &&Point| {
            (south..=north).contains(&point.latitude_e7)
                && if west <= east {
                    (west..=east).contains(&point.longitude_e7)
                } else {
                    point.longitude_e7 >= west || point.longitude_e7 <= east
                }
                && among.is_none_or(|among| among.position(point.cursor).is_some())
        };
        self.0.iter().filter(is_inside).copied().collect()
    }

    /// The cells of a view, and the newest photo of each.
    fn cells(&self, view: &MapView, among: Option<&Timeline>) -> Vec<Sum> {
        let points = self.within(view, among);
        let mut side = (360.0 / 2_f64.powi(i32::from(view.zoom.min(22))) / CELLS_A_TILE).max(1e-6);
        loop {
            let cells = sums(&points, e7(side).max(1));
            if cells.len() <= MOST_CELLS {
                return cells;
            }
            side *= 2.0;
        }
    }

    /// The places, in the order of countries, regions and cities.
    #[must_use]
    pub fn places(&self) -> Vec<NamedPlace> {
        let mut places: BTreeMap<[Option<String>; 3], u64> = BTreeMap::new();
        for sum in sums(&self.0, SAME_PLACE_E7) {
            let (latitude, longitude) = sum.middle();
            let name = safelight_media::places::place(latitude, longitude).map(|place| {
                [place.country, place.region, place.city]
                    .map(|name| Some(name).filter(|name| !name.is_empty()))
            });
            *places.entry(name.unwrap_or_default()).or_default() += sum.assets.unsigned_abs();
        }
        let named = places.into_iter();
        named.map(|([country, region, city], assets)| NamedPlace { country, region, city, assets }).collect()
    }
}

impl Sum {
    fn middle(&self) -> (f64, f64) {
        let mean = |sum: i64| {
            let mean = (sum / self.assets.max(1)) as f64 / 1e7;
            mean
        };
        (mean(self.latitude_e7), mean(self.longitude_e7))
    }
}

fn sums(points: &[Point], side_e7: i32) -> Vec<Sum> {
    let mut cells: HashMap<(i32, i32), Sum> = HashMap::new();
    for point in points {
        let cell = (point.latitude_e7.div_euclid(side_e7), point.longitude_e7.div_euclid(side_e7));
        let sum = cells.entry(cell).or_insert(Sum {
            newest: point.cursor,
            latitude_e7: 0,
            longitude_e7: 0,
            assets: 0,
        });
        sum.newest = sum.newest.min(point.cursor);
        sum.latitude_e7 += i64::from(point.latitude_e7);
        sum.longitude_e7 += i64::from(point.longitude_e7);
        sum.assets += 1;
    }
    cells.into_values().collect()
}

/// Degrees × 10⁷, clipped to the Earth.
fn e7(degrees: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "it is clipped to 32 bits, and not a number is 0")]
    let whole = (degrees.clamp(-180.0, 180.0) * 1e7).round() as i32;
    whole
}

impl Library {
    /// Where all photos of the timeline were taken.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn map_points(&self) -> Result<MapPoints> {
        let everywhere = [e7(-90.0), e7(90.0), e7(-180.0), e7(180.0)];
        let [south, north, west, east] = everywhere;
        let points = self.catalog().on_map(south, north, west, east, i32::MAX as usize)?;
        let points = points.into_iter().map(|point| Point {
            cursor: point.cursor,
            latitude_e7: point.latitude_e7,
            longitude_e7: point.longitude_e7,
        });
        Ok(MapPoints(points.collect()))
    }

    /// What a view of the map shows; only of photos in `among`, if it is given. Those that have moved in the timeline since
    /// the points were read are left out.
    ///
    /// # Errors
    /// Those of the catalogue.
    pub fn map(&self, points: &MapPoints, view: &MapView, among: Option<&Timeline>) -> Result<Vec<MapCell>> {
        let sums = points.cells(view, among);
        let newest: Vec<Cursor> = sums.iter().map(|sum| sum.newest).collect();
        let rows = self.catalog().rows_at(&newest)?;
        let cells = sums.iter().zip(rows).filter_map(|(sum, row)| {
            let (latitude, longitude) = sum.middle();
            let (assets, id) = (sum.assets.unsigned_abs(), row?.asset.to_string());
            Some(MapCell { latitude, longitude, assets, id })
        });
        let mut cells: Vec<MapCell> = cells.collect();
        cells.sort_by(|one, other| other.assets.cmp(&one.assets).then_with(|| one.id.cmp(&other.id)));
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(places: &[(f64, f64)]) -> MapPoints {
        let point = |(number, (latitude, longitude)): (usize, &(f64, f64))| Point {
            cursor: format!("{number:016x}").parse().unwrap(),
            latitude_e7: e7(*latitude),
            longitude_e7: e7(*longitude),
        };
        MapPoints(places.iter().enumerate().map(point).collect())
    }

    const WORLD: MapView = MapView { south: -90.0, west: -180.0, north: 90.0, east: 180.0, zoom: 0 };

    #[test]
    fn however_many_photos_there_are_the_marks_are_few_and_none_is_lost() {
        let many: Vec<(f64, f64)> = (0..20_000_u32)
            .map(|at| {
                (f64::from(at * 7919 % 1700) / 10.0 - 85.0, f64::from(at * 104_729 % 3590) / 10.0 - 179.0)
            })
            .collect();
        let points = points(&many);
        for zoom in [0, 3, 10, 22, 255] {
            let cells = points.cells(&MapView { zoom, ..WORLD }, None);
            assert!(cells.len() <= MOST_CELLS, "{} at {zoom}", cells.len());
            assert_eq!(cells.iter().map(|cell| cell.assets).sum::<i64>(), 20_000);
        }
    }

    #[test]
    fn a_view_across_the_date_line_shows_both_of_its_sides() {
        let points = points(&[(0.0, 179.0), (0.0, -179.0), (0.0, 0.0)]);
        let view = MapView { south: -10.0, west: 170.0, north: 10.0, east: -170.0, zoom: 8 };
        assert_eq!(points.cells(&view, None).len(), 2);
    }

    #[test]
    fn places_are_named_and_counted() {
        let points = points(&[(48.8584, 2.2945), (48.8606, 2.3376), (38.7139, -9.1394), (-48.0, -120.0)]);
        let places = points.places();
        let paris = places.iter().find(|place| place.city.as_deref() == Some("Paris")).unwrap();
        assert_eq!((paris.country.as_deref(), paris.assets), (Some("France"), 2));
        assert!(places.iter().any(|place| place.country.is_none() && place.assets == 1), "{places:?}");
    }
}
