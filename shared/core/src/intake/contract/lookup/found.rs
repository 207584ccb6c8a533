//! A value that was found in a record, and its description in messages.

use std::borrow::Cow;

use jsonptr::Pointer;
use serde_json::Value;

use crate::base::error::{Code, Rejection};
use crate::base::excerpt::Excerpt;
use crate::intake::record::{HeaderValue, Parsed};
use crate::intake::schema::kind_of;

/// A value and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) value: Raw<'a>,
    /// The pointer into the body; `None`: the value is not in the body.
    pub(crate) path: Option<&'a Pointer>,
    /// The record, which has the digits of numbers that no double represents.
    pub(super) parsed: &'a Parsed<'a>,
}

/// A value as it was found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    /// A JSON value of the body, or of the contract.
    Json(&'a Value),
    /// A header, the key or the topic.
    Plain(HeaderValue<'a>),
}

impl<'a> Raw<'a> {
    /// The value, if it is a text.
    pub(crate) fn as_str(self) -> Option<&'a str> {
        match self {
            Raw::Json(value) => value.as_str(),
            Raw::Plain(HeaderValue::Text(text)) => Some(text),
            Raw::Plain(_) => None,
        }
    }
}

impl<'a> Found<'a> {
    /// A value outside the body.
    pub(super) const fn outside(value: Raw<'a>, parsed: &'a Parsed<'a>) -> Self {
        Self { value, path: None, parsed }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Raw::Json(Value::Null))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.value.as_str().is_some_and(str::is_empty)
    }

    pub(super) fn json(self) -> Option<(&'a Value, Option<&'a Pointer>)> {
        match self.value {
            Raw::Json(value) => Some((value, self.path)),
            Raw::Plain(_) => None,
        }
    }

    /// The value as a text. Whole numbers of any length become texts, because many producers use numbers as ids.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self.value {
            Raw::Json(Value::String(text)) => Some(Cow::Borrowed(text)),
            Raw::Json(Value::Number(number)) if !number.is_f64() => {
                Some(Cow::Owned(number.to_string()))
            }
            Raw::Json(Value::Number(_)) => {
                self.path.and_then(|path| self.parsed.long_integer(path)).map(Cow::Owned)
            }
            Raw::Json(_) | Raw::Plain(HeaderValue::Unreadable) => None,
            Raw::Plain(HeaderValue::Text(text)) => Some(Cow::Borrowed(text)),
            Raw::Plain(HeaderValue::Long(number) | HeaderValue::Millis(number)) => {
                Some(Cow::Owned(number.to_string()))
            }
        }
    }

    /// Whether the value equals this JSON value. Headers, key and topic are texts.
    pub(crate) fn is(&self, value: &Value) -> bool {
        match self.value {
            Raw::Json(found) => found == value,
            Raw::Plain(_) => {
                value.as_str().is_some_and(|value| self.text().is_some_and(|text| text == value))
            }
        }
    }

    /// The type and the length of the value, without its content.
    pub(crate) fn kind(&self) -> String {
        match self.value {
            Raw::Json(value) => kind_of(value),
            Raw::Plain(HeaderValue::Text(text)) => {
                format!("a text of {} characters", text.chars().count())
            }
            Raw::Plain(HeaderValue::Long(_)) => "a number".to_owned(),
            Raw::Plain(HeaderValue::Millis(_)) => "a timestamp of AMQP".to_owned(),
            Raw::Plain(HeaderValue::Unreadable) => {
                "bytes that are neither UTF-8 nor a type of AMQP that is read".to_owned()
            }
        }
    }

    /// The value for a message about an id, a time or a sequence: a shortened text or a number; else its type.
    pub(crate) fn excerpt(&self) -> String {
        match (self.value.as_str(), self.value) {
            (Some(text), _) => format!("the text {}", Excerpt(text)),
            (None, Raw::Json(Value::Number(number))) => format!("the number {number}"),
            (None, Raw::Plain(HeaderValue::Long(number))) => format!("the number {number}"),
            (None, Raw::Json(_) | Raw::Plain(_)) => self.kind(),
        }
    }

    /// A rejection at the place of this value.
    pub(crate) fn rejection(&self, code: Code, message: impl Into<String>) -> Rejection {
        Rejection { code, path: self.shown_path(), message: message.into() }
    }

    /// Adds the place of this value to a rejection.
    pub(crate) fn located(&self, rejection: Rejection) -> Rejection {
        Rejection { path: self.shown_path(), ..rejection }
    }

    fn shown_path(&self) -> Option<String> {
        self.path.map(|path| path.as_str().to_owned())
    }
}
