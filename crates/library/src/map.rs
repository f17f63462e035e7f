//! Photos on the map: so few marks that a browser can draw them, however many photos there are.
//!
//! All positions are read once a revision, sixteen bytes a photo; a view of them is then one pass over those, and the
//! places are named from the same table that named each photo when it came in.

mod grid;

use std::collections::{BTreeMap, HashMap};

use safelight_catalog::Cursor;

use self::grid::{Grid, Sum};
use crate::error::Result;
use crate::library::Library;
use crate::timeline::Timeline;

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
#[derive(Debug, Clone, PartialEq)]
pub struct NamedPlace {
    /// The country's English name; none at sea and in the wild.
    pub country: Option<String>,
    /// The ISO 3166 code of the country (`FR`).
    pub country_code: Option<String>,
    /// State, province or region.
    pub region: Option<String>,
    /// City, town or village.
    pub city: Option<String>,
    /// How many photos.
    pub assets: u64,
    /// Degrees north and east of where the newest of them was taken.
    pub position: (f64, f64),
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

    /// The cells of a view, and the newest photo of each.
    fn cells(&self, view: &MapView, among: Option<&Timeline>) -> Vec<Sum> {
        let mut grid = Grid::over(view);
        for point in &self.0 {
            grid.add(point, |cursor| among.is_none_or(|among| among.position(cursor).is_some()));
        }
        grid.finish()
    }

    /// The places, in the order of countries, regions and cities.
    #[must_use]
    pub fn places(&self) -> Vec<NamedPlace> {
        let mut places: BTreeMap<[Option<String>; 3], (Cursor, NamedPlace)> = BTreeMap::new();
        for sum in sums(&self.0) {
            let (latitude, longitude) = sum.middle();
            let (name, country_code) = match safelight_media::places::place(latitude, longitude) {
                Some(place) => (
                    [place.country, place.region, place.city]
                        .map(|name| Some(name).filter(|name| !name.is_empty())),
                    Some(place.country_code),
                ),
                None => Default::default(),
            };
            let [country, region, city] = name.clone();
            let (newest, place) = places.entry(name).or_insert_with(|| {
                let position = sum.newest_position();
                (sum.newest, NamedPlace { country, country_code, region, city, assets: 0, position })
            });
            place.assets += sum.assets.unsigned_abs();
            if sum.newest < *newest {
                (*newest, place.position) = (sum.newest, sum.newest_position());
            }
        }
        places.into_values().map(|(_, place)| place).collect()
    }
}

/// The photos of each place, in no order.
fn sums(points: &[Point]) -> Vec<Sum> {
    let mut cells: HashMap<(i32, i32), Sum> = HashMap::new();
    for point in points {
        let cell =
            (point.latitude_e7.div_euclid(SAME_PLACE_E7), point.longitude_e7.div_euclid(SAME_PLACE_E7));
        cells.entry(cell).and_modify(|sum| sum.add(point)).or_insert_with(|| Sum::of(point));
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
    use super::grid::MOST_CELLS;
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
    fn a_cell_stands_in_the_middle_of_its_photos_and_is_its_newest() {
        let points = points(&[(48.0, 2.0), (10.0, 10.0), (48.2, 2.2), (48.1, 2.1)]);
        let view = MapView { south: 40.0, west: -10.0, north: 60.0, east: 20.0, zoom: 4 };
        let cells = points.cells(&view, None);
        let [cell] = cells.as_slice() else { panic!("{} cells", cells.len()) };
        let (latitude, longitude) = cell.middle();
        assert!((latitude - 48.1).abs() < 1e-6 && (longitude - 2.1).abs() < 1e-6);
        assert_eq!((cell.assets, cell.newest.to_string()), (3, format!("{:016x}", 0)));
    }

    #[test]
    fn a_view_shows_what_lies_in_it_and_on_its_edges() {
        let points = points(&[
            (10.0, 10.0),
            (20.0, 20.0),
            (9.999, 10.0),
            (10.0, 20.001),
            (90.0, 180.0),
            (-90.0, -180.0),
        ]);
        let shown = |view: MapView| points.cells(&view, None).iter().map(|cell| cell.assets).sum::<i64>();
        let view = MapView { south: 10.0, west: 10.0, north: 20.0, east: 20.0, zoom: 5 };
        assert_eq!(shown(view), 2);
        assert_eq!(shown(MapView { south: 20.0, north: 10.0, ..view }), 0, "upside down");
        assert_eq!(shown(WORLD), 6);
        assert_eq!(shown(MapView { zoom: 22, ..WORLD }), 6);
        assert_eq!(shown(MapView { west: 20.0, east: 10.0, ..view }), 3, "all around but for the middle");
        let nowhere = MapView { south: f64::NAN, ..WORLD };
        assert_eq!(shown(nowhere), 5, "not a number is the equator");
    }

    #[test]
    fn places_are_named_and_counted() {
        let points = points(&[(48.8584, 2.2945), (48.8606, 2.3376), (38.7139, -9.1394), (-48.0, -120.0)]);
        let places = points.places();
        let paris = places.iter().find(|place| place.city.as_deref() == Some("Paris")).unwrap();
        assert_eq!((paris.country.as_deref(), paris.assets), (Some("France"), 2));
        assert_eq!(paris.country_code.as_deref(), Some("FR"));
        assert!(places.iter().any(|place| place.country.is_none() && place.assets == 1), "{places:?}");
    }

    #[test]
    fn a_place_lies_where_its_newest_photo_was_taken_and_not_where_another_place_of_such_a_name_does() {
        let (york, new_york) = ((53.9591, -1.0815), (40.7143, -74.006));
        let places = points(&[new_york, york, (53.9571, -1.1311), (53.9601, -1.0801)]).places();
        let of = |country: &str| {
            let of = |place: &&NamedPlace| place.country.as_deref() == Some(country);
            places.iter().find(of).map(|place| (place.assets, place.position))
        };
        assert_eq!(of("United Kingdom"), Some((3, york)), "{places:?}");
        assert_eq!(of("United States"), Some((1, new_york)), "{places:?}");
    }
}
