//! The rejections of a transform, in words that contain nothing of the record.
//!
//! jq's own errors quote the value; here a message names the value's type only. The argument of a
//! program's `error` is shown if it is a literal text of the program.

use super::meter::Over;
use super::value::{DEPTH, Error, ITEMS, Value, WEIGHT};
use crate::base::error::{Code, Rejection};
use crate::base::limits;

/// The rejection of an element whose evaluation failed.
pub(super) fn of_error(error: Error, texts: &[Box<str>]) -> Rejection {
    let shown = error.to_string();
    let said = match error.into_val() {
        // An error of a filter: its text names types only.
        Value::Text(text) if *text == shown => shown,
        Value::Text(text) if texts.iter().any(|known| **known == *text) => text.to_string(),
        other => format!("the program raised an error of type {}", other.kind()),
    };
    Rejection::new(Code::TransformFailed, format!("the transform failed: {said}"))
}

/// The rejection of a record that exceeds a limit of the meter.
pub(super) fn of_limit(over: Over, steps: u64) -> Rejection {
    let message = match over {
        Over::Steps => {
            format!("the transform takes too many steps for this record: limit=`{steps}`")
        }
        Over::Weight => {
            format!("a value inside the transform is too large: limit=`{WEIGHT}` bytes")
        }
        Over::Depth => format!("a value inside the transform is too deep: limit=`{DEPTH}`"),
        Over::Items => {
            format!("a list or object inside the transform is too long: limit=`{ITEMS}` items")
        }
    };
    Rejection::new(Code::TransformFailed, message)
}

/// The rejection of a record with too many elements.
pub(super) fn too_many() -> Rejection {
    let limit = limits::ELEMENTS;
    let message = format!("the transform gives too many elements: limit=`{limit}`");
    Rejection::new(Code::TooLarge, message)
}

/// The rejection of a record whose elements are too large together.
pub(super) fn too_much() -> Rejection {
    let limit = limits::ELEMENTS_BYTES;
    let message = format!("the transform gives too much: limit=`{limit}` bytes");
    Rejection::new(Code::TooLarge, message)
}
