//! Reads times without an offset, which are local in a zone, and times with a pattern.
//!
//! When clocks are set back, an hour occurs twice, and the first hour counts. When clocks are set forward, an
//! hour is skipped, and a time in this hour is moved forward by the skipped duration. RFC 5545 and `strptime`
//! with a time zone do the same. The time zones are part of the binary, so that a contract reads the same on
//! every machine.

use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::base::time::{Timestamp, within_nanoseconds};

static PARSER: DateTimeParser = DateTimeParser::new();

/// Maximum length of a pattern, in bytes.
const PATTERN_LIMIT: usize = 128;

/// The zone with this name or offset. POSIX rules are not read, because a typing error in a rule gives
/// another zone.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    if name.starts_with(['+', '-']) {
        return PARSER.parse_time_zone(name).ok();
    }
    TimeZoneDatabase::bundled().get(name).ok()
}

/// The instant of a text without an offset.
pub(super) fn local_instant(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    // A date alone is no instant. A text with an invalid offset, or with a zone in brackets, is not a text
    // without an offset.
    let (_, time) = text.split_once(['T', 't', ' '])?;
    if time.contains(['+', '-', 'Z', 'z', '[']) {
        return None;
    }
    let local: DateTime = match within_nanoseconds(text) {
        Some(text) => PARSER.parse_datetime(text.as_str()).ok()?,
        None => PARSER.parse_datetime(text).ok()?,
    };
    Timestamp::of_instant(zone.to_timestamp(local).ok()?)
}

/// The instant of a text that was parsed with a pattern.
pub(super) fn instant_at(parsed: &BrokenDownTime, zone: Option<&TimeZone>) -> Option<Timestamp> {
    let instant = match (parsed.timestamp(), parsed.offset(), zone) {
        (Some(instant), _, _) => instant,
        (None, Some(offset), _) => offset.to_timestamp(parsed.to_datetime().ok()?).ok()?,
        (None, None, Some(zone)) => zone.to_timestamp(parsed.to_datetime().ok()?).ok()?,
        (None, None, None) => return None,
    };
    Timestamp::of_instant(instant)
}

/// Checks that texts of a pattern name instants.
pub(super) fn check_pattern(pattern: &str, has_zone: bool) -> Result<(), String> {
    if pattern.is_empty() || pattern.len() > PATTERN_LIMIT {
        return Err(format!("a pattern is a text of 1 to {PATTERN_LIMIT} bytes"));
    }
    let sample: Result<Zoned, _> = "2026-11-21T16:07:08.123456+00:00[UTC]".parse();
    let unknown = |fault: jiff::Error| format!("not a pattern of strftime that is read: {fault}");
    let text = strtime::format(pattern, &sample.map_err(unknown)?).map_err(unknown)?;
    let parsed = BrokenDownTime::parse(pattern, &text).map_err(unknown)?;
    if parsed.timestamp().is_some() || parsed.offset().is_some() || has_zone {
        let utc = TimeZone::UTC;
        return instant_at(&parsed, Some(&utc))
            .map(|_| ())
            .ok_or_else(|| "this pattern names no day, or no time of the day".to_owned());
    }
    Err("texts of this pattern have no offset from UTC (%z): name a zone".to_owned())
}
