//! What orders events of one instant: a number of the record, or where the record stands.

use serde_json::Value;

use super::lookup::{Found, Lookup, Raw};
use crate::base::error::{Code, Rejection};
use crate::base::excerpt::Excerpt;
use crate::intake::record::{Parsed, Source};

/// What orders events of one instant.
#[derive(Debug)]
pub(super) enum Sequence {
    /// Where the record stands in its partition or request.
    Offset,
    Source(Lookup),
}

impl Sequence {
    /// The sequence of a record; 0 where it says none.
    pub(super) fn read(&self, parsed: &Parsed<'_>, json: &Value) -> Result<u64, Rejection> {
        match self {
            Self::Offset => Ok(match parsed.record().source {
                Source::Kafka { offset, .. } => u64::try_from(offset).unwrap_or(0),
                Source::Http { index, .. } => u64::from(index),
            }),
            Self::Source(lookup) => match lookup.find(parsed, json) {
                None => Ok(0),
                Some(found) => sequence_of(&found),
            },
        }
    }
}

fn sequence_of(found: &Found<'_>) -> Result<u64, Rejection> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    let number = match (found.value, found.text()) {
        (_, Some(text)) if text.is_empty() => Some(0),
        (_, Some(text)) => text.parse().ok().filter(|number| i64::try_from(*number).is_ok()),
        (Raw::Json(Value::Number(number)), None) => {
            let double = number.as_f64().filter(|double| (0.0..WHOLE).contains(double));
            double
                .filter(|double| double.fract() == 0.0)
                .and_then(|it| format!("{it}").parse().ok())
        }
        (_, None) => None,
    };
    number.ok_or_else(|| {
        let message = format!(
            "wanted a sequence (a whole number from 0 to 2^63-1), came {}",
            match found.text() {
                Some(text) => format!("{}", Excerpt(&text)),
                None => found.kind(),
            }
        );
        found.rejection(Code::SchemaViolation, message)
    })
}
