//! Statistics of the measures that a contract declares.
//!
//! A value at a measure's path that is not a number is skipped. The unit is that of the newest
//! reading's spec. A sum that overflows `f64` is infinite and shown as `null`. The first
//! [`limits::MEASURES`] names are kept. Readings of further names, or with a name or unit that is
//! too long, are counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::spec::{MeasureSpec, Reading, Unit};
use crate::base::limits;
use crate::base::time::Timestamp;

/// Statistics by the name of the measure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    by_name: BTreeMap<Arc<str>, Measure>,
    over: u64,
}

/// The mean is not stored because it is `sum / count`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measure {
    unit: Option<Arc<str>>,
    count: u64,
    min: f64,
    max: f64,
    sum: f64,
    last: f64,
    last_at: Timestamp,
}

impl Unit for Measures {
    fn apply(&mut self, reading: &Reading<'_>) {
        for spec in &reading.spec.measures {
            if spec.reads(reading.entry)
                && let Some(number) = spec.find(reading.payload)
            {
                self.take(spec, number, reading.entry.position.observed_at);
            }
        }
    }
}

impl Measures {
    pub(super) const LARGEST: usize = 2 * super::encoded::VARINT
        + limits::MEASURES
            * (super::encoded::text(limits::MEASURE_NAME_BYTES)
                + (1 + super::encoded::text(limits::UNIT_BYTES))
                + 2 * super::encoded::VARINT
                + 4 * size_of::<f64>());

    /// Number of readings of measures that are not kept.
    pub(super) fn over(&self) -> u64 {
        self.over
    }

    fn take(&mut self, spec: &MeasureSpec, number: f64, at: Timestamp) {
        if !fits(spec) {
            self.over += 1;
        } else if let Some(measure) = self.by_name.get_mut(&spec.name) {
            measure.add(number, at);
            measure.unit.clone_from(&spec.unit);
        } else if self.by_name.len() < limits::MEASURES {
            self.by_name.insert(Arc::clone(&spec.name), Measure::first(spec, number, at));
        } else {
            self.over += 1;
        }
    }

    /// By name: `{"unit","count","min","max","mean","last","last_at"}`.
    pub(super) fn to_json(&self) -> Value {
        let shown =
            self.by_name.iter().map(|(name, measure)| (name.to_string(), measure.to_json()));
        Value::Object(shown.collect::<Map<_, _>>())
    }
}

impl Measure {
    fn first(spec: &MeasureSpec, number: f64, at: Timestamp) -> Self {
        Self {
            unit: spec.unit.clone(),
            count: 1,
            min: number,
            max: number,
            sum: number,
            last: number,
            last_at: at,
        }
    }

    fn add(&mut self, number: f64, at: Timestamp) {
        self.count += 1;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        self.sum += number;
        self.last = number;
        self.last_at = at;
    }

    fn to_json(&self) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "no subject has 2^53 events")]
        let mean = self.sum / self.count as f64;
        json!({
            "unit": self.unit,
            "count": self.count,
            "min": self.min,
            "max": self.max,
            "mean": mean,
            "last": self.last,
            "last_at": self.last_at,
        })
    }
}

fn fits(spec: &MeasureSpec) -> bool {
    spec.name.len() <= limits::MEASURE_NAME_BYTES
        && spec.unit.as_ref().is_none_or(|unit| unit.len() <= limits::UNIT_BYTES)
}

#[cfg(test)]
mod tests {
    use jsonptr::PointerBuf;
    use serde_json::json;

    use super::*;
    use crate::view::sample::{folded, measure};
    use crate::view::{Numbers, ViewSpec};

    fn celsius() -> MeasureSpec {
        MeasureSpec {
            types: vec![Arc::from("temperature")],
            unit: Some(Arc::from("celsius")),
            ..measure("temperature", "/value")
        }
    }

    fn check(spec: MeasureSpec, input: &[(&str, i64, Value)], expected: Value) {
        let spec = ViewSpec { measures: vec![spec], ..ViewSpec::default() };
        assert_eq!(folded(spec, input).measures.to_json(), expected);
    }

    #[test]
    fn numbers_of_the_named_types_are_aggregated() {
        check(
            celsius(),
            &[
                ("temperature", 0, json!({"value": 20})),
                ("humidity", 1, json!({"value": 90})),
                ("temperature", 2, json!({"value": 23.5})),
                ("temperature", 3, json!({"value": -1.5})),
            ],
            json!({"temperature": {
                "unit": "celsius", "count": 3, "min": -1.5, "max": 23.5, "mean": 14.0,
                "last": -1.5, "last_at": "1970-01-01T00:00:03.000Z",
            }}),
        );
    }

    #[test]
    fn a_value_that_is_not_a_number_is_skipped() {
        let values =
            [json!({"value": "20"}), json!({"value": null}), json!({}), json!([20]), json!(20)];
        let input: Vec<_> =
            values.into_iter().zip(0..).map(|(v, at)| ("temperature", at, v)).collect();
        check(celsius(), &input, json!({}));
    }

    #[test]
    fn texts_are_numbers_where_the_spec_says_so() {
        let spec = MeasureSpec { numbers: Numbers::Text, ..celsius() };
        let values = ["20", " -1.5e1 ", "", "NaN", "inf", "0x1", "1_0", "20 C"];
        let input: Vec<_> = values
            .into_iter()
            .zip(0..)
            .map(|(v, at)| ("temperature", at, json!({"value": v})))
            .collect();
        let spec = ViewSpec { measures: vec![spec], ..ViewSpec::default() };
        let measures = folded(spec, &input).measures.to_json();
        assert_eq!(
            (&measures["temperature"]["count"], &measures["temperature"]["min"]),
            (&json!(2), &json!(-15.0))
        );
    }

    #[test]
    fn a_reading_in_another_unit_is_converted() {
        let unit_path = Some(PointerBuf::parse("/unit").expect("a pointer"));
        let spec = MeasureSpec { unit_path, ..celsius() };
        let input = [
            ("temperature", 0, json!({"value": 212, "unit": "fahrenheit"})),
            ("temperature", 1, json!({"value": 273.15, "unit": "K"})),
            ("temperature", 2, json!({"value": 50})),
            ("temperature", 3, json!({"value": 50, "unit": null})),
            ("temperature", 4, json!({"value": 50, "unit": "percent"})),
            ("temperature", 5, json!({"value": 50, "unit": 1})),
        ];
        check(
            spec,
            &input,
            json!({"temperature": {
                "unit": "celsius", "count": 4, "min": 0.0, "max": 100.0, "mean": 50.0,
                "last": 50.0, "last_at": "1970-01-01T00:00:03.000Z",
            }}),
        );
    }

    #[test]
    fn without_types_every_type_is_read() {
        let input = [("a", 0, json!(1)), ("b", 1, json!(2))];
        let spec = ViewSpec { measures: vec![measure("n", "")], ..ViewSpec::default() };
        assert_eq!(folded(spec, &input).measures.to_json()["n"]["count"], json!(2));
    }

    #[test]
    fn readings_over_the_limit_are_counted() {
        let long = "n".repeat(limits::MEASURE_NAME_BYTES + 1);
        let mut measures: Vec<_> =
            (0..limits::MEASURES + 2).map(|n| measure(&format!("m{n:02}"), "")).collect();
        measures.push(measure(&long, ""));
        let spec = ViewSpec { measures, ..ViewSpec::default() };
        let view = folded(spec, &[("a", 0, json!(1)), ("a", 1, json!(2))]);
        assert_eq!(view.measures.by_name.len(), limits::MEASURES);
        assert_eq!(view.measures.over(), 6);
    }
}
