//! Why a run gave no element, in words that hold nothing of the record.
//!
//! jq's own errors quote the value that they are about; here a value is shown as its type. What a
//! program says itself, with `error`, is shown where it is a text that stands in the program.

use super::meter::Over;
use super::value::{Error, Value};
use crate::base::error::{Code, Rejection};
use crate::base::limits;

/// The rejection of what a program refused.
pub(super) fn of_error(error: Error, texts: &[Box<str>]) -> Rejection {
    let shown = error.to_string();
    let said = match error.into_val() {
        // An error of a filter: its text names types.
        Value::Text(text) if *text == shown => shown,
        Value::Text(text) if texts.iter().any(|known| **known == *text) => text.to_string(),
        other => format!("an error of the program's own making, of type {}", other.kind()),
    };
    Rejection::new(Code::TransformFailed, format!("the transform failed: {said}"))
}

/// The rejection of a record that is over a bound.
pub(super) fn of_limit(over: Over, steps: u64) -> Rejection {
    let message = match over {
        Over::Steps => {
            format!("the transform takes too many steps for this record: limit=`{steps}`")
        }
        Over::Value => "a value inside the transform is too large or too deep".to_owned(),
    };
    Rejection::new(Code::TransformFailed, message)
}

/// The rejection of a record that gives too many elements.
pub(super) fn too_many() -> Rejection {
    let limit = limits::ELEMENTS;
    let message = format!("the transform gives too many elements: limit=`{limit}`");
    Rejection::new(Code::TooLarge, message)
}

/// The rejection of a record that gives too much.
pub(super) fn too_much() -> Rejection {
    let limit = limits::ELEMENTS_BYTES;
    let message = format!("the transform gives too much: limit=`{limit}` bytes");
    Rejection::new(Code::TooLarge, message)
}
