//! The last location and the distance travelled.
//!
//! The distance is the sum of great-circle distances between consecutive locations, on a sphere
//! with the earth's mean radius. A location outside the ranges of latitude and longitude, or with
//! only one coordinate, is skipped.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::payload::Payload;
use super::spec::{LocationSpec, Reading, Unit};
use crate::base::time::Timestamp;

/// Mean radius R1 of the WGS 84 ellipsoid, from IUGG.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

const LATITUDES: f64 = 90.0;
const LONGITUDES: f64 = 180.0;
/// The location that receivers without a fix report.
const NO_FIX: (f64, f64) = (0.0, 0.0);

/// The last location and the distance travelled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Travel {
    last: Option<Location>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Location {
    latitude: f64,
    longitude: f64,
    at: Timestamp,
    distance_m: f64,
}

impl Unit for Travel {
    fn apply(&mut self, reading: &Reading<'_>) {
        let Some(spec) = &reading.spec.location else { return };
        if !spec.reads(&reading.entry.event_type) {
            return;
        }
        if let Some((latitude, longitude)) = spec.find(reading.payload) {
            let at = reading.entry.position.observed_at;
            let way = self.last.as_ref().map_or(0.0, |last| {
                last.distance_m + distance_m((last.latitude, last.longitude), (latitude, longitude))
            });
            self.last = Some(Location { latitude, longitude, at, distance_m: way });
        }
    }
}

impl Travel {
    pub(super) const LARGEST: usize = 1 + 3 * size_of::<f64>() + super::encoded::VARINT;

    /// `{"latitude","longitude","at","distance_m"}`, or `null` without a location.
    pub(super) fn to_json(&self) -> Value {
        self.last.as_ref().map_or(Value::Null, |last| {
            json!({
                "latitude": last.latitude,
                "longitude": last.longitude,
                "at": last.at,
                "distance_m": last.distance_m,
            })
        })
    }
}

impl LocationSpec {
    /// Latitude and longitude, if both are valid and not [`NO_FIX`].
    pub(super) fn find(&self, payload: Payload<'_>) -> Option<(f64, f64)> {
        let degrees = |path, limit| {
            payload.number(path, self.numbers).filter(|degrees| is_within(*degrees, limit))
        };
        let latitude = degrees(&self.latitude, LATITUDES)?;
        let longitude = degrees(&self.longitude, LONGITUDES)?;
        Some((latitude, longitude)).filter(|place| *place != NO_FIX)
    }

    /// Whether two numbers are a place on the earth.
    pub fn is_place(latitude: f64, longitude: f64) -> bool {
        is_within(latitude, LATITUDES) && is_within(longitude, LONGITUDES)
    }
}

fn is_within(degrees: f64, limit: f64) -> bool {
    (-limit..=limit).contains(&degrees)
}

/// The distance in metres between two points of (latitude, longitude) in degrees.
///
/// Uses the haversine formula: it is accurate for near points, and it handles the antimeridian
/// because a squared sine has a period of 180 degrees.
pub fn distance_m(from: (f64, f64), to: (f64, f64)) -> f64 {
    let half_sine_squared = |degrees: f64| {
        let half_sine = libm::sin(degrees.to_radians() / 2.0);
        half_sine * half_sine
    };
    let cosines = libm::cos(from.0.to_radians()) * libm::cos(to.0.to_radians());
    let haversine = half_sine_squared(to.0 - from.0) + cosines * half_sine_squared(to.1 - from.1);
    // For opposite points rounding may exceed 1, outside the arcsine's domain.
    2.0 * EARTH_RADIUS_M * libm::asin(haversine.min(1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use jsonptr::PointerBuf;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::view::sample::folded;
    use crate::view::{Numbers, ViewSpec};

    const QUARTER_M: f64 = EARTH_RADIUS_M * PI / 2.0;
    const DEGREE_M: f64 = QUARTER_M / 90.0;

    fn travelled(points: &[(Value, Value)]) -> Value {
        let location = LocationSpec {
            latitude: PointerBuf::parse("/0").expect("a pointer"),
            longitude: PointerBuf::parse("/1").expect("a pointer"),
            types: vec!["location".into()],
            numbers: Numbers::Json,
        };
        let spec = ViewSpec { location: Some(location), ..ViewSpec::default() };
        let input: Vec<_> = points
            .iter()
            .zip(0..)
            .map(|((lat, lon), at)| ("location", at, json!([lat, lon])))
            .collect();
        folded(spec, &input).travel.to_json()
    }

    fn check(points: &[(f64, f64)], expected_m: f64) {
        let points: Vec<_> = points.iter().map(|(lat, lon)| (json!(lat), json!(lon))).collect();
        let found = travelled(&points)["distance_m"].as_f64().expect("a distance");
        assert!((found - expected_m).abs() < 1e-3, "found={found} expected={expected_m}");
    }

    #[test]
    fn distances_add_up_along_the_way() {
        check(&[(0.0, 1.0)], 0.0);
        check(&[(0.0, 1.0), (0.0, 91.0), (0.0, 1.0)], 2.0 * QUARTER_M);
        check(&[(52.0, 13.0), (53.0, 13.0), (53.0, 13.0)], DEGREE_M);
    }

    #[test]
    fn the_shortest_path_may_cross_the_antimeridian() {
        check(&[(0.0, 179.5), (0.0, -179.5)], DEGREE_M);
        check(&[(0.0, 180.0), (0.0, -180.0)], 0.0);
    }

    #[test]
    fn the_shortest_path_may_cross_the_poles() {
        check(&[(89.5, 10.0), (89.5, -170.0)], DEGREE_M);
        check(&[(90.0, 0.0), (90.0, 77.0)], 0.0);
        check(&[(-90.0, 0.0), (90.0, 0.0)], 2.0 * QUARTER_M);
    }

    #[test]
    fn an_invalid_location_is_skipped() {
        let points = [
            (json!(1), json!(2)),
            (json!(90.001), json!(0)),
            (json!(0), json!(-180.001)),
            (json!("1"), json!(2)),
            (json!(1), json!(null)),
        ];
        let expected = json!({
            "latitude": 1.0, "longitude": 2.0, "at": "1970-01-01T00:00:00.000Z", "distance_m": 0.0,
        });
        assert_eq!(travelled(&points), expected);
        assert_eq!(travelled(&points[1..]), json!(null));
    }

    #[test]
    fn a_receiver_without_a_fix_moves_nothing() {
        check(&[(52.0, 13.0), (0.0, 0.0), (-0.0, 0.0), (53.0, 13.0)], DEGREE_M);
        check(&[(52.0, 0.0), (0.0, 0.0), (53.0, 0.0)], DEGREE_M);
    }

    #[test]
    fn types_and_texts_are_read_as_the_spec_says() {
        let pointer = |text| PointerBuf::parse(text).expect("a pointer");
        let spec = |numbers| ViewSpec {
            location: Some(LocationSpec {
                latitude: pointer("/lat"),
                longitude: pointer("/lon"),
                types: vec!["location".into()],
                numbers,
            }),
            ..ViewSpec::default()
        };
        let input = [
            ("location", 0, json!({"lat": "52.5", "lon": "13.4"})),
            ("waypoint", 1, json!({"lat": -43.5, "lon": 172.6})),
        ];
        assert_eq!(folded(spec(Numbers::Text), &input).travel.to_json()["latitude"], json!(52.5));
        assert_eq!(folded(spec(Numbers::Json), &input).travel.to_json(), json!(null));
    }

    proptest! {
        #[test]
        fn a_distance_is_symmetric_and_at_most_half_the_earths_circumference(
            from in (-90.0..=90.0, -180.0..=180.0),
            to in (-90.0..=90.0, -180.0..=180.0),
        ) {
            let there = distance_m(from, to);
            prop_assert!((0.0..=2.0 * QUARTER_M + 1e-6).contains(&there));
            prop_assert!((there - distance_m(to, from)).abs() < 1e-6);
        }
    }
}
