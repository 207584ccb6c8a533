//! The points of a run, and the comparison of its last tenth with its first.

use std::fmt::Write as _;

use crate::scale::arrivals::Pattern;
use crate::scale::handler::Taken;

/// A measured pattern.
pub(crate) struct Measured {
    pub(crate) pattern: Pattern,
    pub(crate) points: Vec<Point>,
}

/// One part of a run, or a sum of parts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Point {
    /// The measurements of the handler's process.
    pub(crate) taken: Taken,
    /// CPU time of the embedded store, which is not part of the system.
    pub(crate) store_seconds: f64,
}

impl Point {
    pub(crate) fn add(&mut self, other: &Self) {
        let Taken {
            seconds,
            cpu_seconds,
            resident_bytes,
            applied,
            new_subjects,
            write_units,
            read_units,
        } = other.taken;
        let taken = &mut self.taken;
        taken.seconds += seconds;
        taken.cpu_seconds += cpu_seconds;
        taken.resident_bytes = taken.resident_bytes.max(resident_bytes);
        taken.applied += applied;
        taken.new_subjects += new_subjects;
        taken.write_units += write_units;
        taken.read_units += read_units;
        self.store_seconds += other.store_seconds;
    }

    /// Per second of the handler's wall time.
    pub(crate) fn events_per_second(&self) -> f64 {
        self.taken.applied / self.taken.seconds
    }

    pub(crate) fn cpu_micros(&self) -> f64 {
        self.taken.cpu_seconds * 1e6 / self.taken.applied
    }

    pub(crate) fn store_micros(&self) -> f64 {
        self.store_seconds * 1e6 / self.taken.applied
    }

    pub(crate) fn resident_megabytes(&self) -> f64 {
        self.taken.resident_bytes as f64 / 1e6
    }

    pub(crate) fn write_units(&self) -> f64 {
        self.taken.write_units / self.taken.applied
    }

    pub(crate) fn read_units(&self) -> f64 {
        self.taken.read_units / self.taken.applied
    }

    pub(crate) fn new_subjects(&self) -> f64 {
        self.taken.new_subjects / self.taken.applied
    }
}

const TENTHS: usize = 10;

/// Sums of ten equal parts of a run.
pub(crate) fn tenths(points: &[Point]) -> Vec<Point> {
    points.chunks(points.len().div_ceil(TENTHS).max(1)).map(sum).collect()
}

pub(crate) fn sum(points: &[Point]) -> Point {
    points.iter().fold(Point::default(), |mut sum, point| {
        sum.add(point);
        sum
    })
}

/// The header of the lines that [`row`] returns.
pub(crate) const COLUMNS: &str = "events/s | handler CPU us/event | store CPU us/event | resident MB | \
                                  write units/event | read units/event | new subjects/event";

pub(crate) fn row(point: &Point) -> String {
    format!(
        "{:.0} | {:.1} | {:.1} | {:.1} | {:.3} | {:.3} | {:.3}",
        point.events_per_second(),
        point.cpu_micros(),
        point.store_micros(),
        point.resident_megabytes(),
        point.write_units(),
        point.read_units(),
        point.new_subjects(),
    )
}

/// Compares the last tenth with the first.
pub(crate) fn trend(tenths: &[Point]) -> Option<String> {
    let (first, last) = (tenths.first()?, tenths.last()?);
    let ratio = |of: fn(&Point) -> f64| of(last) / of(first);
    Some(format!(
        "last tenth against the first: events/s {:.2}, handler CPU {:.2}, store CPU {:.2}, resident {:.2}, \
         write units {:.2}; read units {:.3} after {:.3}",
        ratio(Point::events_per_second),
        ratio(Point::cpu_micros),
        ratio(Point::store_micros),
        ratio(Point::resident_megabytes),
        ratio(Point::write_units),
        last.read_units(),
        first.read_units(),
    ))
}

/// The points of a run as lines of a CSV file.
pub(crate) fn csv(name: &str, points: &[Point]) -> String {
    let mut lines = String::new();
    let mut events = 0.0;
    for point in points {
        events += point.taken.applied;
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{name},{events:.0},{}", row(point).replace(" | ", ","));
    }
    lines
}
