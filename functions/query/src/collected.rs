//! Collects one measure from a subject's events: single readings, windows of readings, or places.
//! Pure.

use std::sync::Arc;

use drover_core::base::time::Timestamp;
use drover_core::event::Entry;
use drover_core::view::ViewSpec;
use drover_core::view::travel::distance_m;
use serde::Serialize;
use utoipa::ToSchema;

use crate::series::{Reading, Readings, Summary, Window, WindowPoint, Windows};

/// The measure of every contract with a location.
pub(crate) const LOCATION: &str = "location";

/// Statistics of readings or of places.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum AnySummary {
    Numbers(Summary),
    Places(PlaceSummary),
}

/// Statistics of places.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaceSummary {
    /// Number of places.
    count: u64,
    /// The length of the path through all places, in metres.
    distance_m: f64,
}

/// A reading, a window or a place.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Point {
    Reading(Reading),
    Window(WindowPoint),
    TimedLocation(TimedLocation),
}

/// A location at a time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Place)]
pub(crate) struct TimedLocation {
    /// When the location was observed.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    latitude: f64,
    longitude: f64,
}

/// One measure of a subject's events.
pub(crate) struct Series<'a> {
    measure: &'a str,
    unit: Option<Arc<str>>,
    collected: Collected,
}

enum Collected {
    Readings(Readings),
    Windows(Windows),
    Places(Vec<TimedLocation>),
}

impl<'a> Series<'a> {
    pub(crate) fn new(measure: &'a str, window: Option<Window>) -> Self {
        let collected = match window {
            _ if measure == LOCATION => Collected::Places(Vec::new()),
            Some(window) => Collected::Windows(Windows::new(window)),
            None => Collected::Readings(Readings::default()),
        };
        Self { measure, unit: None, collected }
    }

    /// Adds the next event, whose contract has this view specification.
    pub(crate) fn take(&mut self, entry: &Entry, spec: &ViewSpec) {
        let at = entry.position.observed_at;
        if let Collected::Places(places) = &mut self.collected {
            let found = spec.place(entry);
            places.extend(found.map(|(latitude, longitude)| TimedLocation {
                at,
                latitude,
                longitude,
            }));
            return;
        }
        let Some((value, unit)) = spec.number(self.measure, entry) else { return };
        self.unit = unit.cloned();
        match &mut self.collected {
            Collected::Readings(readings) => readings.take(at, value),
            Collected::Windows(windows) => windows.take(at, value),
            Collected::Places(_) => {}
        }
    }

    /// Drops windows at or after this time.
    pub(crate) fn end_before(&mut self, instant: Timestamp) {
        if let Collected::Windows(windows) = &mut self.collected {
            windows.end_before(instant);
        }
    }

    /// The unit, the summary and the points.
    pub(crate) fn finish(self) -> (Option<Arc<str>>, AnySummary, Vec<Point>) {
        let (summary, points) = match self.collected {
            Collected::Readings(readings) => {
                let (summary, points) = readings.finish();
                let points = points.into_iter().map(Point::Reading);
                (AnySummary::Numbers(summary), points.collect())
            }
            Collected::Windows(windows) => {
                let (summary, points) = windows.finish();
                let points = points.into_iter().map(Point::Window);
                (AnySummary::Numbers(summary), points.collect())
            }
            Collected::Places(places) => {
                let summary = AnySummary::Places(PlaceSummary::of(&places));
                (summary, places.into_iter().map(Point::TimedLocation).collect())
            }
        };
        (self.unit, summary, points)
    }
}

impl PlaceSummary {
    fn of(places: &[TimedLocation]) -> Self {
        let degrees = |place: &TimedLocation| (place.latitude, place.longitude);
        let ways = places.iter().zip(places.iter().skip(1));
        let ways = ways.map(|(from, to)| distance_m(degrees(from), degrees(to)));
        // `sum` of no floats is -0.
        Self { count: places.len() as u64, distance_m: ways.fold(0.0, |way, part| way + part) }
    }
}
