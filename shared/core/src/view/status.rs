//! The current status, and the duration of each status.
//!
//! Durations are counted between consecutive readings, so the time since the newest reading is not
//! included. The first [`limits::STATUSES`] values have a sum each; the time of further values goes
//! into one common sum. A value at the path that is not a string of at most
//! [`limits::STATUS_BYTES`] is skipped and counted. A payload without the path is ignored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::payload::Found;
use super::spec::{Reading, Unit};
use crate::base::limits;
use crate::base::time::Timestamp;

/// The current status, and the duration of each status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    current: Option<Current>,
    skipped: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Current {
    value: Arc<str>,
    since: Timestamp,
    read_at: Timestamp,
    seconds: BTreeMap<Arc<str>, f64>,
    over: Option<Over>,
}

/// Counts of the values without their own sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Over {
    pub(super) readings: u64,
    pub(super) seconds: f64,
}

impl Unit for Status {
    fn apply(&mut self, reading: &Reading<'_>) {
        let spec = reading.spec.status.as_ref();
        let spec = spec.filter(|spec| spec.reads(&reading.entry.event_type));
        let Some(found) = spec.and_then(|spec| reading.payload.find(&spec.path)) else {
            return;
        };
        let at = reading.entry.position.observed_at;
        match (found, &mut self.current) {
            (Found::Text(value), _) if value.len() > limits::STATUS_BYTES => self.skipped += 1,
            (Found::Number(_) | Found::Null | Found::Other, _) => self.skipped += 1,
            (Found::Text(value), Some(current)) => current.take(&value, at),
            (Found::Text(value), None) => self.current = Some(Current::first(&value, at)),
        }
    }
}

impl Status {
    pub(super) const LARGEST: usize = 1
        + super::encoded::text(limits::STATUS_BYTES)
        + 3 * super::encoded::VARINT
        + limits::STATUSES * (super::encoded::text(limits::STATUS_BYTES) + size_of::<f64>())
        + (1 + super::encoded::VARINT + size_of::<f64>())
        + super::encoded::VARINT;

    /// The current value.
    pub fn value(&self) -> Option<&str> {
        self.current.as_ref().map(|current| &*current.value)
    }

    /// The common sum of further values.
    pub(super) fn over(&self) -> Option<Over> {
        self.current.as_ref().and_then(|current| current.over)
    }

    /// Number of skipped readings.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// `{"value","since","seconds"}`, or `null` without a reading.
    pub(super) fn to_json(&self) -> Value {
        self.current.as_ref().map_or(Value::Null, |current| {
            json!({"value": current.value, "since": current.since, "seconds": current.seconds})
        })
    }
}

impl Current {
    fn first(value: &str, at: Timestamp) -> Self {
        let value: Arc<str> = Arc::from(value);
        let seconds = BTreeMap::from([(Arc::clone(&value), 0.0)]);
        Self { value, since: at, read_at: at, seconds, over: None }
    }

    fn take(&mut self, value: &str, at: Timestamp) {
        self.pass_time(at);
        if *self.value != *value {
            self.value = self.named(value);
            self.since = at;
        }
        if !self.seconds.contains_key(value) {
            self.over.get_or_insert_default().readings += 1;
        }
    }

    fn pass_time(&mut self, until: Timestamp) {
        let passed = until.seconds_since(self.read_at);
        self.read_at = until;
        match self.seconds.get_mut(&self.value) {
            Some(sum) => *sum += passed,
            None => self.over.get_or_insert_default().seconds += passed,
        }
    }

    /// The shared name of a value. Gives a new value its own sum while there is room.
    fn named(&mut self, value: &str) -> Arc<str> {
        if let Some((known, _)) = self.seconds.get_key_value(value) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(value);
        if self.seconds.len() < limits::STATUSES {
            self.seconds.insert(Arc::clone(&new), 0.0);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::sample::{folded, status};
    use crate::view::{StatusSpec, View, ViewSpec};

    fn read(input: &[(i64, Value)]) -> View {
        let spec = ViewSpec { status: Some(status("/status")), ..ViewSpec::default() };
        let lines: Vec<_> = input
            .iter()
            .map(|(at, status)| ("heartbeat", *at, json!({"status": status})))
            .collect();
        folded(spec, &lines)
    }

    fn check(input: &[(i64, Value)], expected: Value) {
        assert_eq!(read(input).status.to_json(), expected);
    }

    #[test]
    fn time_counts_for_the_status_that_held() {
        check(
            &[
                (0, json!("idle")),
                (10, json!("active")),
                (130, json!("idle")),
                (135, json!("idle")),
            ],
            json!({
                "value": "idle", "since": "1970-01-01T00:02:10.000Z",
                "seconds": {"idle": 15.0, "active": 120.0},
            }),
        );
    }

    #[test]
    fn a_repeated_status_keeps_its_since() {
        check(
            &[(1, json!("on")), (5, json!("on")), (9, json!("on"))],
            json!({"value": "on", "since": "1970-01-01T00:00:01.000Z", "seconds": {"on": 8.0}}),
        );
    }

    #[test]
    fn an_invalid_value_is_skipped_and_counted() {
        let long = "x".repeat(limits::STATUS_BYTES + 1);
        let view = read(&[(0, json!(null)), (1, json!(long)), (2, json!("on")), (3, json!(7))]);
        assert_eq!(view.status.skipped(), 3);
        assert_eq!(view.status.value(), Some("on"));
    }

    #[test]
    fn other_types_than_those_of_the_spec_are_ignored() {
        let status = StatusSpec { types: vec!["state".into()], ..status("/status") };
        let spec = ViewSpec { status: Some(status), ..ViewSpec::default() };
        let input = [("state", 0, json!({"status": "on"})), ("alarm", 1, json!({"status": "off"}))];
        assert_eq!(folded(spec, &input).status.value(), Some("on"));
    }

    #[test]
    fn a_payload_without_the_path_is_ignored() {
        let spec = ViewSpec { status: Some(status("/status")), ..ViewSpec::default() };
        assert_eq!(folded(spec, &[("a", 0, json!({}))]).status, Status::default());
    }

    #[test]
    fn a_status_over_the_limit_is_current_and_counts_into_the_common_sum() {
        let mut input: Vec<_> =
            (0..limits::STATUSES).zip(0..).map(|(n, at)| (at, json!(format!("s{n}")))).collect();
        input.extend([(20, json!("new")), (25, json!("newer")), (32, json!("s0"))]);
        let view = read(&input);
        assert_eq!(view.status.over(), Some(Over { readings: 2, seconds: 12.0 }));
        assert_eq!(read(&input[..12]).status.value(), Some("newer"));
        assert_eq!(view.status.value(), Some("s0"));
    }
}
