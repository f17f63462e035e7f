//! Circles on the map: what is how far from a point, and which boxes hold everything that is near.

use crate::catalog::MapBox;

/// Metres to a degree of latitude.
const METRES_PER_DEGREE: f64 = 111_195.0;

/// The distance of two points on a sphere (haversine).
pub(super) fn distance_metres(one: (f64, f64), other: (f64, f64)) -> f64 {
    let (south, north) = (one.0.to_radians(), other.0.to_radians());
    let (up, right) = ((north - south) / 2.0, (other.1 - one.1).to_radians() / 2.0);
    let chord = up.sin().powi(2) + south.cos() * north.cos() * right.sin().powi(2);
    2.0 * METRES_PER_DEGREE * chord.sqrt().min(1.0).asin().to_degrees()
}

/// The boxes that hold a circle: two where it crosses the date line, the whole width around a pole.
pub(super) fn boxes_around(latitude: f64, longitude: f64, metres: f64) -> Vec<MapBox> {
    // A little more than needed, so that rounding loses nothing.
    let degrees = metres / METRES_PER_DEGREE * 1.001 + 1e-6;
    let (south, north) = (latitude - degrees, latitude + degrees);
    let narrowest = south.abs().max(north.abs()).to_radians().cos();
    let width = if south <= -90.0 || north >= 90.0 || narrowest <= 0.0 {
        180.0
    } else {
        (degrees.to_radians().sin() / latitude.to_radians().cos()).clamp(-1.0, 1.0).asin().to_degrees().abs()
            * 1.001
            + 1e-6
    };
    let span = |west: f64, east: f64| MapBox {
        south: e7(south.max(-90.0)),
        north: e7(north.min(90.0)),
        west: e7(west),
        east: e7(east),
    };
    let (west, east) = (longitude - width, longitude + width);
    if width >= 180.0 || degrees >= 90.0 {
        vec![span(-180.0, 180.0)]
    } else if west < -180.0 {
        vec![span(-180.0, east), span(west + 360.0, 180.0)]
    } else if east > 180.0 {
        vec![span(west, 180.0), span(-180.0, east - 360.0)]
    } else {
        vec![span(west, east)]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "degrees are at most 180, so this is at most 1.8e9")]
fn e7(degrees: f64) -> i64 {
    (degrees * 1e7).round() as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn distances_are_those_of_the_map() {
        let paris = (48.8566, 2.3522);
        let london = (51.5074, -0.1278);
        assert!((distance_metres(paris, london) - 343_500.0).abs() < 1_000.0);
        assert!((distance_metres((0.0, 179.9), (0.0, -179.9)) - 22_239.0).abs() < 50.0);
        assert!(distance_metres(paris, paris) < 0.001);
        assert!((distance_metres((90.0, 0.0), (-90.0, 0.0)) - 20_015_100.0).abs() < 1_000.0);
    }

    proptest! {
        #[test]
        fn whatever_is_near_is_in_the_boxes(
            latitude in -90.0..90.0_f64, longitude in -180.0..180.0_f64,
            other_latitude in -90.0..90.0_f64, other_longitude in -180.0..180.0_f64, slack in 1.0..1.2_f64,
        ) {
            let distance = distance_metres((latitude, longitude), (other_latitude, other_longitude));
            let boxes = boxes_around(latitude, longitude, distance * slack);
            let (row, column) = (e7(other_latitude), e7(other_longitude));
            let holds = |area: &MapBox| {
                (area.south..=area.north).contains(&row) && (area.west..=area.east).contains(&column)
            };
            prop_assert!(boxes.iter().any(holds));
        }
    }
}
