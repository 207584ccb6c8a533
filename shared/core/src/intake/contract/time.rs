//! Reads times in the formats of producers. Numbers are read as decimals and never as products of doubles,
//! so that two spellings of one instant give one position. Fractions of a microsecond are rounded towards
//! the past, as in all of Drover.

mod epoch;
mod local;
mod refusal;

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use self::epoch::{decimal_micros, number_micros, whole_micros};
use self::local::{instant_at, local_instant, zone};
use super::document::{TimeDocument, TimeFormat};
use super::lookup::{Found, Lookup, Raw};
use crate::base::error::Rejection;
use crate::base::excerpt::Excerpt;
use crate::base::time::Timestamp;
use crate::intake::fault::Faults;
use crate::intake::record::{HeaderValue, Parsed};

/// The source and the format of a time.
#[derive(Clone, Debug)]
pub(super) struct TimeSource {
    lookup: Lookup,
    format: TimeFormat,
    /// The zone of times without an offset.
    zone: Option<Zone>,
}

/// A time zone, and its name in the contract.
#[derive(Clone, Debug)]
struct Zone {
    name: String,
    zone: TimeZone,
}

impl TimeSource {
    /// Compiles a document; `None` after a fault.
    pub(super) fn compile(
        document: &TimeDocument,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Self> {
        let lookup = Lookup::compile(&document.source(), path, faults);
        let zone = match &document.zone {
            None => None,
            Some(name) => {
                let found = zone(name);
                if found.is_none() {
                    let what = format!(
                        "wanted a name of the IANA time zone database or an offset like +02:00, came {}",
                        Excerpt(name)
                    );
                    faults.add(format!("{path}/zone"), what);
                }
                found.map(|zone| Zone { name: name.clone(), zone })
            }
        };
        match (&document.format, &zone) {
            (TimeFormat::Epoch, Some(_)) => {
                faults.add(format!("{path}/zone"), "never read: an epoch is the same everywhere");
            }
            (TimeFormat::Pattern(pattern), _) => {
                if let Err(what) = local::check_pattern(pattern, document.zone.is_some()) {
                    faults.add(format!("{path}/format/pattern"), what);
                }
            }
            _ => {}
        }
        Some(Self { lookup: lookup?, format: document.format.clone(), zone })
    }

    /// The source.
    pub(super) const fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// The value in a record. A time that means no time is no value.
    pub(super) fn find<'a>(&'a self, parsed: &'a Parsed<'_>, json: &'a Value) -> Option<Found<'a>> {
        self.lookup.find_unless(parsed, json, |found| is_none(found.value))
    }

    /// The rejection of a record without a time.
    pub(super) fn missing(&self, parsed: &Parsed<'_>, json: &Value) -> Rejection {
        self.lookup.missing("the time of observation", parsed, json)
    }

    /// The instant; `None`: the value has another format.
    pub(super) fn read(&self, value: Raw<'_>) -> Option<Timestamp> {
        if let Some(text) = value.as_str() {
            return self.read_text(text);
        }
        match value {
            Raw::Json(Value::Number(number)) => self.epoch(|| number_micros(number)),
            Raw::Plain(HeaderValue::Long(number)) => self.epoch(|| whole_micros(number)),
            Raw::Plain(HeaderValue::Millis(millis)) => Timestamp::from_millis(millis),
            Raw::Json(_) | Raw::Plain(_) => None,
        }
    }

    fn read_text(&self, text: &str) -> Option<Timestamp> {
        let epoch = || decimal_micros(text).and_then(Timestamp::from_micros);
        match &self.format {
            TimeFormat::Rfc3339 => self.written(text),
            TimeFormat::Epoch => epoch(),
            // Numbers first: reading a date as a number fails within five characters.
            TimeFormat::Any => epoch().or_else(|| self.written(text)),
            TimeFormat::Pattern(pattern) => {
                let parsed = BrokenDownTime::parse(pattern, text).ok()?;
                instant_at(&parsed, self.zone())
            }
        }
    }

    fn written(&self, text: &str) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(text).or_else(|| local_instant(text, self.zone()?))
    }

    fn zone(&self) -> Option<&TimeZone> {
        self.zone.as_ref().map(|zone| &zone.zone)
    }

    fn epoch(&self, micros: impl FnOnce() -> Option<i64>) -> Option<Timestamp> {
        match self.format {
            TimeFormat::Rfc3339 | TimeFormat::Pattern(_) => None,
            TimeFormat::Epoch | TimeFormat::Any => micros().and_then(Timestamp::from_micros),
        }
    }
}

/// Whether a value means no time: 0, or the year 1, which programs write if nothing has happened yet.
fn is_none(value: Raw<'_>) -> bool {
    match (value.as_str(), value) {
        (Some(text), _) => {
            text.starts_with("0001-01-01")
                || text.starts_with('0') && decimal_micros(text) == Some(0)
        }
        (None, Raw::Json(Value::Number(number))) => number.as_f64() == Some(0.0),
        (None, Raw::Plain(HeaderValue::Long(number) | HeaderValue::Millis(number))) => number == 0,
        (None, Raw::Json(_) | Raw::Plain(_)) => false,
    }
}

#[cfg(test)]
mod tests;
