//! Names the place and the time zone of a position, without asking anybody.
//!
//! Invariant: nothing is loaded before the first position is looked up; then 5 MB for places and 4 MB
//! for time zones stay. A place farther away than [`FARTHEST_KM`] is no place at all.
//!
//! Cities: GeoNames (CC BY 4.0), packed by `examples/pack_places.rs`. Time zones: tzf (boundaries from
//! OpenStreetMap, ODbL), simplified to about 100 m; rules from the IANA database through jiff.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::facts::{Gps, Taken};

/// How far the nearest city may be, in kilometres; beyond that a photo was taken at sea or in the wild.
pub const FARTHEST_KM: f64 = 80.0;

/// What must be said wherever the names are shown or passed on.
pub const ATTRIBUTION: &str = "Place names: GeoNames (CC BY 4.0, geonames.org). Time zone boundaries: OpenStreetMap \
    contributors (ODbL), by timezone-boundary-builder and tzf.";

static PACKED: &[u8] = include_bytes!("../data/places.bin");
static COUNTRIES: &str = include_str!("../data/countries.tsv");
/// Cities so big that the centre of a suburb may be nearer than theirs; ours, by judgement.
static BIG_CITIES: &str = include_str!("../data/big_cities.tsv");
/// How much nearer a big city counts. The Eiffel Tower is 4.1 km from the centre of Paris and 3.4 km
/// from that of Neuilly, and is in Paris.
const BIG_CITY_WEIGHT: f64 = 3.0;
/// How much nearer the town counts that its district or region is named after.
const CHIEF_TOWN_WEIGHT: f64 = 1.6;
const MOST_UNPACKED_BYTES: usize = 16 << 20;

/// A place near a position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The nearest city, town or village; big ones count as nearer than they are.
    pub city: String,
    /// County, department or the like; empty where there is none. Quarters of a big city carry its name here.
    pub district: String,
    /// State, province or region.
    pub region: String,
    /// ISO 3166 code of the country (`FR`).
    pub country_code: String,
    /// The country's English name.
    pub country: String,
    /// How far away the city's centre is, in kilometres.
    pub distance_km: f64,
}

/// The time zone of a photo, derived from where it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// IANA name (`Europe/Paris`).
    pub name: String,
    /// East of UTC in minutes, at that time.
    pub offset_minutes: i16,
}

/// Names the place of a position in degrees; `None` far from everywhere.
#[must_use]
pub fn place(latitude: f64, longitude: f64) -> Option<Place> {
    static TABLE: OnceLock<Option<Table>> = OnceLock::new();
    TABLE.get_or_init(|| Table::unpack(PACKED)).as_ref()?.nearest(latitude, longitude)
}

/// Names the IANA time zone of a position in degrees.
#[must_use]
pub fn time_zone(latitude: f64, longitude: f64) -> Option<String> {
    static FINDER: OnceLock<tzf_rs::EmbeddedFinder> = OnceLock::new();
    if !on_earth(latitude, longitude) {
        return None;
    }
    let name = FINDER.get_or_init(tzf_rs::EmbeddedFinder::new).get_tz_name(longitude, latitude);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The zone that was in force at a position when the clocks there showed `local`. In the hour that
/// clocks repeat, the earlier offset is taken; in the hour they skip, the one before.
#[must_use]
pub fn zone_at(latitude: f64, longitude: f64, local: DateTime) -> Option<Zone> {
    let name = time_zone(latitude, longitude)?;
    let zone = TimeZone::get(&name).ok()?;
    let offset = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
    };
    Some(Zone { name, offset_minutes: i16::try_from(offset.seconds() / 60).ok()? })
}

/// The zone of a photo whose date lacks one: derived from its position. `None` when the date states its
/// own offset, or there is no telling. A position of exactly 0, 0 is a program's way to say "unknown".
#[must_use]
pub fn zone_of(taken: &Taken, gps: &Gps) -> Option<Zone> {
    if taken.offset_minutes.is_some() || gps.is_origin() {
        return None;
    }
    zone_at(gps.latitude, gps.longitude, taken.local)
}

fn on_earth(latitude: f64, longitude: f64) -> bool {
    (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude)
}

/// All cities, sorted by cells of one degree.
struct Table {
    latitudes: Vec<i32>,
    longitudes: Vec<i32>,
    regions: Vec<u16>,
    /// Region texts, then city names, each ended by a newline.
    texts: String,
    text_ends: Vec<u32>,
    region_count: usize,
    /// Where the cities of a cell begin, by latitude and longitude; one more at the end.
    cells: Vec<u32>,
    countries: HashMap<&'static str, &'static str>,
    big_cities: HashSet<(&'static str, &'static str)>,
}

const CELLS_ACROSS: i32 = 360;
const CELLS_DOWN: i32 = 181;

impl Table {
    fn unpack(packed: &[u8]) -> Option<Self> {
        let mut bytes =
            miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, MOST_UNPACKED_BYTES).ok()?;
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
        let (count, region_count) = (number(4)?, number(8)?);
        let words = |at: usize| -> Option<Vec<i32>> {
            let words = bytes.get(at..at + count * 4)?.chunks_exact(4);
            Some(words.map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
        };
        let latitudes = words(12)?;
        let longitudes = words(12 + count * 4)?;
        let at = 12 + count * 8;
        let pairs = bytes.get(at..at + count * 2)?.chunks_exact(2);
        let regions = pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let texts = String::from_utf8(bytes.split_off(at + count * 2)).ok()?;
        let mut text_ends = Vec::with_capacity(count + region_count);
        for (index, _) in texts.match_indices('\n') {
            text_ends.push(u32::try_from(index).ok()?);
        }
        let cells = cells(&latitudes, &longitudes)?;
        let countries = COUNTRIES.lines().filter_map(|line| line.split_once('\t')).collect();
        let big_cities = BIG_CITIES.lines().filter_map(|line| line.split_once('\t')).collect();
        Some(Self {
            latitudes,
            longitudes,
            regions,
            texts,
            text_ends,
            region_count,
            cells,
            countries,
            big_cities,
        })
    }

    fn text(&self, index: usize) -> &str {
        let end = self.text_ends.get(index).map_or(0, |end| *end as usize);
        let start = index
            .checked_sub(1)
            .and_then(|before| self.text_ends.get(before))
            .map_or(0, |end| *end as usize + 1);
        self.texts.get(start..end).unwrap_or_default()
    }

    /// Country code, region, district.
    fn region(&self, city: usize) -> (&str, &str, &str) {
        let text = self.regions.get(city).map_or("", |region| self.text(usize::from(*region)));
        let mut parts = text.split('\t');
        let mut part = || parts.next().unwrap_or_default();
        (part(), part(), part())
    }

    fn weight(&self, city: usize) -> f64 {
        let (country, region, district) = self.region(city);
        let name = self.text(self.region_count + city);
        if self.big_cities.contains(&(country, name)) {
            BIG_CITY_WEIGHT
        } else if name == district || name == region {
            CHIEF_TOWN_WEIGHT
        } else {
            1.0
        }
    }

    fn nearest(&self, latitude: f64, longitude: f64) -> Option<Place> {
        if !on_earth(latitude, longitude) {
            return None;
        }
        let mut best: Option<(f64, f64, usize)> = None;
        for cell in cells_around(latitude, longitude) {
            let (Some(first), Some(last)) = (self.cells.get(cell), self.cells.get(cell + 1)) else {
                continue;
            };
            for city in *first as usize..*last as usize {
                let (Some(north), Some(east)) = (self.latitudes.get(city), self.longitudes.get(city)) else {
                    continue;
                };
                let distance =
                    distance_km(latitude, longitude, f64::from(*north) / 1e5, f64::from(*east) / 1e5);
                // Weighing is dear; only what may win is weighed.
                let may_win = best.is_none_or(|(nearest, _, _)| distance / BIG_CITY_WEIGHT < nearest);
                if distance > FARTHEST_KM || !may_win {
                    continue;
                }
                let weighed = distance / self.weight(city);
                if best.is_none_or(|(nearest, _, _)| weighed < nearest) {
                    best = Some((weighed, distance, city));
                }
            }
        }
        let (_, distance_km, city) = best?;
        let (country_code, region, district) = self.region(city);
        Some(Place {
            city: self.text(self.region_count + city).to_owned(),
            region: region.to_owned(),
            district: district.to_owned(),
            country_code: country_code.to_owned(),
            country: self.countries.get(country_code).copied().unwrap_or(country_code).to_owned(),
            distance_km: (distance_km * 10.0).round() / 10.0,
        })
    }
}

/// Where each cell's cities begin.
fn cells(latitudes: &[i32], longitudes: &[i32]) -> Option<Vec<u32>> {
    let mut counts = vec![0u32; usize::try_from(CELLS_ACROSS * CELLS_DOWN + 1).ok()?];
    for (latitude, longitude) in latitudes.iter().zip(longitudes) {
        let cell = cell_of(latitude.div_euclid(100_000), longitude.div_euclid(100_000))?;
        *counts.get_mut(cell + 1)? += 1;
    }
    let mut sum = 0;
    for count in &mut counts {
        sum += *count;
        *count = sum;
    }
    Some(counts)
}

/// The number of a cell by whole degrees; longitudes go round.
fn cell_of(latitude: i32, longitude: i32) -> Option<usize> {
    let row = latitude + 90;
    if !(0..CELLS_DOWN).contains(&row) {
        return None;
    }
    usize::try_from(row * CELLS_ACROSS + (longitude + 180).rem_euclid(CELLS_ACROSS)).ok()
}

/// The cells within [`FARTHEST_KM`] and a little more.
fn cells_around(latitude: f64, longitude: f64) -> Vec<usize> {
    #[expect(clippy::cast_possible_truncation, reason = "whole degrees")]
    let whole = |degrees: f64| degrees.floor() as i32;
    // A degree of latitude is 111 km; one of longitude shrinks towards the poles.
    let across = (FARTHEST_KM / (111.0 * latitude.to_radians().cos().max(0.01))).min(180.0);
    let mut cells = Vec::new();
    for row in whole(latitude - 0.75)..=whole(latitude + 0.75) {
        for column in whole(longitude - across)..=whole(longitude + across) {
            if let Some(cell) = cell_of(row, column)
                && !cells.contains(&cell)
            {
                cells.push(cell);
            }
        }
    }
    cells
}

fn distance_km(latitude: f64, longitude: f64, other_latitude: f64, other_longitude: f64) -> f64 {
    let (a, b) = (latitude.to_radians(), other_latitude.to_radians());
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let chord = half(b - a) + a.cos() * b.cos() * half((other_longitude - longitude).to_radians());
    12_742.0 * chord.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_positions_have_their_names() {
        for (latitude, longitude, city, country) in [
            (48.8534, 2.3488, "Paris", "France"),
            (41.8919, 12.5113, "Rome", "Italy"),
            (-33.8688, 151.2093, "Sydney", "Australia"),
            (35.6895, 139.6917, "Tokyo", "Japan"),
            (64.1466, -21.9426, "Reykjavik", "Iceland"),
        ] {
            let place = place(latitude, longitude).unwrap();
            assert_eq!((place.city.as_str(), place.country.as_str()), (city, country));
            assert!(place.distance_km < 5.0, "{place:?}");
        }
        assert_eq!(place(48.8584, 2.2945).unwrap().city, "Paris", "the Eiffel Tower");
        assert_eq!(place(48.8845, 2.2697).unwrap().city, "Neuilly-sur-Seine");
        assert_eq!(place(40.7484, -73.9857).unwrap().region, "New York", "the Empire State Building");
        assert_eq!(place(0.0, -30.0), None, "the middle of the Atlantic");
        assert_eq!(place(90.0, 0.0), None);
        assert_eq!(place(f64::NAN, 0.0), None);
    }

    #[test]
    fn the_date_line_has_neighbours_on_both_sides() {
        // Fiji's Taveuni straddles 180 degrees.
        let west = place(-16.8, 179.99).unwrap();
        let east = place(-16.8, -179.99).unwrap();
        assert_eq!((west.country_code.as_str(), east.country_code.as_str()), ("FJ", "FJ"));
    }

    #[test]
    fn every_country_has_a_name_and_every_big_city_is_in_the_table() {
        let table = Table::unpack(PACKED).unwrap();
        assert!(table.latitudes.len() > 140_000);
        for region in 0..table.region_count {
            let code = table.text(region).split('\t').next().unwrap();
            assert!(table.countries.contains_key(code), "{code}");
        }
        let known: HashSet<(&str, &str)> = (0..table.latitudes.len())
            .map(|city| (table.region(city).0, table.text(table.region_count + city)))
            .collect();
        let missing: Vec<_> = table.big_cities.difference(&known).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn zones_follow_the_calendar_of_their_place() {
        let summer = DateTime::new(2023, 7, 1, 12, 0, 0, 0).unwrap();
        let winter = DateTime::new(2023, 1, 1, 12, 0, 0, 0).unwrap();
        let zone = |lat, lon, at| zone_at(lat, lon, at).map(|zone| (zone.name, zone.offset_minutes));
        assert_eq!(zone(48.85, 2.35, summer), Some(("Europe/Paris".into(), 120)));
        assert_eq!(zone(48.85, 2.35, winter), Some(("Europe/Paris".into(), 60)));
        assert_eq!(zone(27.7, 85.3, winter), Some(("Asia/Kathmandu".into(), 345)));
        assert_eq!(zone(-33.87, 151.21, winter), Some(("Australia/Sydney".into(), 660)));
        let skipped = DateTime::new(2023, 3, 26, 2, 30, 0, 0).unwrap();
        assert_eq!(zone(48.85, 2.35, skipped).map(|zone| zone.1), Some(60));
        let repeated = DateTime::new(2023, 10, 29, 2, 30, 0, 0).unwrap();
        assert_eq!(zone(48.85, 2.35, repeated).map(|zone| zone.1), Some(120));
    }
}
