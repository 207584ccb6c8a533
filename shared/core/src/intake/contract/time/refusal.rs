//! The message about a time that names no instant: the wanted format, the value, and what to change.

use serde_json::Value;

use super::super::document::TimeFormat;
use super::super::lookup::{Found, Raw};
use super::TimeSource;
use super::epoch::decimal_micros;
use super::local::local_instant;
use crate::base::error::{Code, Rejection};
use crate::intake::record::HeaderValue;
use jiff::tz::TimeZone;

impl TimeSource {
    /// The rejection of a time in another format.
    pub(in crate::intake::contract) fn refusal(&self, found: &Found<'_>) -> Rejection {
        let hint = self.hint(found).map(|hint| format!("; {hint}")).unwrap_or_default();
        let message = format!("wanted {}, came {}{hint}", self.wanted(), found.excerpt());
        found.rejection(Code::InvalidTimestamp, message)
    }

    fn wanted(&self) -> String {
        const EPOCH: &str =
            "an epoch (seconds, milliseconds, microseconds or nanoseconds since 1970)";
        let written = match &self.zone {
            None => "RFC 3339 with an offset from UTC".to_owned(),
            Some(zone) => format!("RFC 3339, local in {} where it has no offset", zone.name),
        };
        match &self.format {
            TimeFormat::Rfc3339 => format!("a time in {written}"),
            TimeFormat::Epoch => EPOCH.to_owned(),
            TimeFormat::Any => format!("a time in {written}, or {EPOCH}"),
            TimeFormat::Pattern(pattern) => format!("a text of the pattern `{pattern}`"),
        }
    }

    fn hint(&self, found: &Found<'_>) -> Option<&'static str> {
        match (found.value.as_str(), found.value) {
            (Some(""), _) => None,
            (Some(text), _) => self.hint_at_text(text),
            (None, Raw::Json(Value::Number(_)) | Raw::Plain(HeaderValue::Long(_))) => {
                Some(match self.format {
                    TimeFormat::Rfc3339 => {
                        "a number is an epoch: the contract's format would be `epoch` or `any`"
                    }
                    TimeFormat::Pattern(_) => "a pattern reads texts only",
                    TimeFormat::Epoch | TimeFormat::Any => "it is beyond the years 1 to 9999",
                })
            }
            (None, Raw::Json(_) | Raw::Plain(_)) => None,
        }
    }

    fn hint_at_text(&self, text: &str) -> Option<&'static str> {
        let is_local = self.zone.is_none() && local_instant(text, &TimeZone::UTC).is_some();
        match self.format {
            TimeFormat::Rfc3339 | TimeFormat::Any if is_local => {
                Some("it has no offset from UTC: the contract's `zone` would say where it is local")
            }
            TimeFormat::Rfc3339 if decimal_micros(text).is_some() => {
                Some("it looks like an epoch: the contract's format would be `epoch` or `any`")
            }
            TimeFormat::Epoch if text.contains(['-', ':']) => Some(
                "it looks like a date: the contract's format would be `any`, `rfc3339` or a pattern",
            ),
            _ => None,
        }
    }
}
