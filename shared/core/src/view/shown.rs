//! The JSON of a view, for `GET /api/v1/subjects/{kind}/{id}`.

use serde_json::{Map, Value, json};

use super::View;

impl View {
    /// The view as JSON. A key without a value yet is `null` or empty, never missing. `over` exists
    /// only if a limit was exceeded, and contains only the exceeded limits.
    pub fn to_json(&self) -> Value {
        let mut shown = json!({
            "event_count": self.event_count,
            "first_observed_at": self.first_observed_at,
            "last_observed_at": self.last_observed_at,
            "latest": self.latest.to_json(),
            "measures": self.measures.to_json(),
            "status": self.status.to_json(),
            "location": self.travel.to_json(),
            "lessons": self.lessons.to_json(),
            "alerts": self.rules.to_json(),
        });
        let over = self.over_to_json();
        if let (false, Some(keys)) = (over.is_empty(), shown.as_object_mut()) {
            keys.insert("over".to_owned(), Value::Object(over));
        }
        shown
    }

    fn over_to_json(&self) -> Map<String, Value> {
        let statuses = self.status.over().unwrap_or_default();
        let lessons = self.lessons.over();
        let counts = [
            ("latest", json!(self.latest.over())),
            ("latest_payloads", json!(self.latest.without_payload())),
            ("measures", json!(self.measures.over())),
            ("statuses", json!(statuses.readings)),
            ("other_status_seconds", json!(statuses.seconds)),
            ("statuses_skipped", json!(self.status.skipped())),
            ("open_lessons", json!(lessons.open)),
            ("finished_lessons", json!(lessons.finished)),
            ("alert_rules", json!(self.rules.over())),
        ];
        let went_over = counts.into_iter().filter(|(_, count)| count.as_f64() != Some(0.0));
        went_over.map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use jsonptr::PointerBuf;

    use super::*;
    use crate::base::limits;
    use crate::view::sample::{folded, measure, status};
    use crate::view::{LocationSpec, Numbers, ViewSpec};

    fn pointer(text: &str) -> PointerBuf {
        PointerBuf::parse(text).expect("a pointer")
    }

    fn check(input: &[(&str, i64, Value)], expected: Value) {
        let location = LocationSpec {
            latitude: pointer("/lat"),
            longitude: pointer("/lon"),
            types: Vec::new(),
            numbers: Numbers::Json,
        };
        let spec = ViewSpec {
            measures: vec![measure("speed", "/speed")],
            status: Some(status("/status")),
            location: Some(location),
        };
        assert_eq!(folded(spec, input).to_json(), expected);
    }

    #[test]
    fn a_key_without_a_value_is_null_or_empty_and_never_missing() {
        check(
            &[],
            json!({
                "event_count": 0, "first_observed_at": null, "last_observed_at": null,
                "latest": {}, "measures": {}, "status": null, "location": null,
                "lessons": [], "alerts": [],
            }),
        );
    }

    #[test]
    fn every_unit_has_its_key() {
        let first = json!({"speed": 10, "status": "active", "lat": 0, "lon": 7});
        let second = json!({"speed": 30, "status": "active", "lat": 0, "lon": 7});
        check(
            &[("heartbeat", 1, first), ("heartbeat", 61, second.clone())],
            json!({
                "event_count": 2,
                "first_observed_at": "1970-01-01T00:00:01.000Z",
                "last_observed_at": "1970-01-01T00:01:01.000Z",
                "latest": {"heartbeat": {
                    "observed_at": "1970-01-01T00:01:01.000Z", "event_id": "e61", "payload": second,
                }},
                "measures": {"speed": {
                    "unit": null, "count": 2, "min": 10.0, "max": 30.0, "mean": 20.0,
                    "last": 30.0, "last_at": "1970-01-01T00:01:01.000Z",
                }},
                "status": {
                    "value": "active", "since": "1970-01-01T00:00:01.000Z", "seconds": {"active": 60.0},
                },
                "location": {
                    "latitude": 0.0, "longitude": 7.0, "at": "1970-01-01T00:01:01.000Z",
                    "distance_m": 0.0,
                },
                "lessons": [],
                "alerts": [],
            }),
        );
    }

    #[test]
    fn over_contains_only_the_exceeded_limits() {
        let large = "x".repeat(limits::LATEST_PAYLOAD_BYTES);
        let view = folded(ViewSpec::default(), &[("a", 0, json!(large))]);
        assert_eq!(view.to_json()["over"], json!({"latest_payloads": 1}));
    }
}
