//! The newest entry of each event type.
//!
//! For a payload over [`limits::LATEST_PAYLOAD_BYTES`] only the position is kept. The first
//! [`limits::LATEST_TYPES`] types are kept; entries of further types are counted.
//! [`View`](super::View) may drop payloads to limit the size of the view.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::spec::{Reading, Unit};
use crate::base::id::{EVENT_ID_LIMIT, EventId};
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::{Entry, TYPE_LIMIT};

/// The newest entry of each event type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latest {
    by_type: BTreeMap<Arc<str>, Newest>,
    over: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newest {
    observed_at: Timestamp,
    #[serde(with = "event_id")]
    event_id: EventId,
    payload: Option<Arc<str>>,
}

impl Unit for Latest {
    fn apply(&mut self, reading: &Reading<'_>) {
        let entry = reading.entry;
        if let Some(newest) = self.by_type.get_mut(&entry.event_type) {
            *newest = Newest::of(entry);
        } else if self.by_type.len() < limits::LATEST_TYPES && entry.event_type.len() <= TYPE_LIMIT
        {
            self.by_type.insert(Arc::clone(&entry.event_type), Newest::of(entry));
        } else {
            self.over += 1;
        }
    }
}

impl Latest {
    /// Maximum encoded size without payloads.
    pub(super) const LARGEST: usize = 2 * super::encoded::VARINT
        + limits::LATEST_TYPES
            * (super::encoded::text(TYPE_LIMIT)
                + super::encoded::VARINT
                + super::encoded::text(EVENT_ID_LIMIT)
                + 1
                + 2);

    /// Number of entries of types over the limit.
    pub(super) fn over(&self) -> u64 {
        self.over
    }

    /// Number of types without a stored payload.
    pub(super) fn without_payload(&self) -> usize {
        self.by_type.values().filter(|newest| newest.payload.is_none()).count()
    }

    /// Total size of the payloads.
    pub(super) fn payload_bytes(&self) -> usize {
        self.by_type
            .values()
            .filter_map(|newest| newest.payload.as_ref())
            .map(|text| text.len())
            .sum()
    }

    /// Drops the payload that was observed first.
    pub(super) fn drop_oldest_payload(&mut self) {
        let oldest = self
            .by_type
            .values_mut()
            .filter(|newest| newest.payload.is_some())
            .min_by(|left, right| left.place().cmp(&right.place()));
        if let Some(newest) = oldest {
            newest.payload = None;
        }
    }

    /// By type: `{"observed_at","event_id","payload"}`; a payload that
    /// is missing or not JSON is `null`.
    pub(super) fn to_json(&self) -> Value {
        let by_type = self.by_type.iter().map(|(event_type, newest)| {
            let payload: Value = newest
                .payload
                .as_ref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            let shown = json!({
                "observed_at": newest.observed_at,
                "event_id": newest.event_id.as_str(),
                "payload": payload,
            });
            (event_type.to_string(), shown)
        });
        Value::Object(by_type.collect::<Map<_, _>>())
    }
}

impl Newest {
    fn of(entry: &Entry) -> Self {
        let fits = entry.payload.len() <= limits::LATEST_PAYLOAD_BYTES;
        Self {
            observed_at: entry.position.observed_at,
            event_id: entry.position.event_id.clone(),
            payload: fits.then(|| Arc::clone(&entry.payload)),
        }
    }

    fn place(&self) -> (Timestamp, &EventId) {
        (self.observed_at, &self.event_id)
    }
}

/// Ids are checked again on reading, because stored bytes are not trusted.
mod event_id {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::base::id::EventId;

    pub(super) fn serialize<S: Serializer>(id: &EventId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<EventId, D::Error> {
        EventId::parse(&String::deserialize(from)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::view::ViewSpec;
    use crate::view::sample::folded;

    fn check(input: &[(&str, i64, Value)], expected: Value) {
        assert_eq!(folded(ViewSpec::default(), input).latest.to_json(), expected);
    }

    #[test]
    fn the_newest_entry_of_each_type_is_kept() {
        check(
            &[("a", 0, json!({"n": 1})), ("b", 1, json!(null)), ("a", 2, json!({"n": 3}))],
            json!({
                "a": {"observed_at": "1970-01-01T00:00:02.000Z", "event_id": "e2", "payload": {"n": 3}},
                "b": {"observed_at": "1970-01-01T00:00:01.000Z", "event_id": "e1", "payload": null},
            }),
        );
    }

    #[test]
    fn a_large_payload_leaves_only_its_position() {
        // Two of the bytes are the quotes.
        let fits = "x".repeat(limits::LATEST_PAYLOAD_BYTES - 2);
        check(
            &[("a", 0, json!(fits)), ("b", 1, json!(format!("{fits}x")))],
            json!({
                "a": {"observed_at": "1970-01-01T00:00:00.000Z", "event_id": "e0", "payload": fits},
                "b": {"observed_at": "1970-01-01T00:00:01.000Z", "event_id": "e1", "payload": null},
            }),
        );
    }

    #[test]
    fn types_over_the_limit_are_counted_and_known_types_are_updated() {
        let types: Vec<String> =
            (0..limits::LATEST_TYPES + 2).map(|n| format!("t{n:02}")).collect();
        let mut input: Vec<_> = types.iter().zip(0..).map(|(t, at)| (&**t, at, json!(0))).collect();
        input.push(("t00", 50, json!(1)));
        let view = folded(ViewSpec::default(), &input);
        assert_eq!(view.latest.over(), 2);
        assert_eq!(view.latest.by_type.len(), limits::LATEST_TYPES);
        assert_eq!(view.latest.to_json()["t00"]["payload"], json!(1));
    }

    #[test]
    fn the_oldest_payload_is_dropped_first() {
        let input = [("a", 0, json!(0)), ("b", 1, json!(1)), ("a", 2, json!(2))];
        let mut latest = folded(ViewSpec::default(), &input).latest;
        latest.drop_oldest_payload();
        assert_eq!(latest.to_json()["b"]["payload"], json!(null));
        assert_eq!(latest.to_json()["a"]["payload"], json!(2));
        assert_eq!(latest.without_payload(), 1);
    }
}
