//! A record as a line.

use std::borrow::Cow;

use axum::body::Bytes;
use drover_core::base::time::Timestamp;
use drover_event_log::StoredRecord;
use serde_json::{Map, Value, json};

/// The layout of a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layout {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The headers of a CloudEvent that a line for people has.
const SHOWN: [&str; 3] = ["ce_type", "ce_time", "ce_droverplaced"];

/// The line of a record, without its line feed.
pub(super) fn line(layout: Layout, partition: i32, record: &StoredRecord) -> String {
    match layout {
        Layout::Text => text(partition, record),
        Layout::Json => json(partition, record).to_string(),
    }
}

/// `partition:offset key type time placed value`, without what the record does not have.
fn text(partition: i32, record: &StoredRecord) -> String {
    let mut words = vec![format!("{partition}:{}", record.offset)];
    words.extend(record.key.as_ref().map(|key| readable(key).into_owned()));
    for name in SHOWN {
        words.extend(header(record, name).map(|value| readable(value).into_owned()));
    }
    words.push(match &record.value {
        Some(value) => readable(value).into_owned(),
        None => "null".to_owned(),
    });
    words.join(" ")
}

fn json(partition: i32, record: &StoredRecord) -> Value {
    let headers: Map<String, Value> = record
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), of_bytes(value.as_ref())))
        .collect();
    let timestamp = Timestamp::from_millis(record.timestamp).map(|time| time.to_string());
    json!({
        "partition": partition,
        "offset": record.offset,
        "timestamp": timestamp,
        "key": of_bytes(record.key.as_ref()),
        "headers": headers,
        "value": record.value.as_ref().map_or(Value::Null, value),
    })
}

/// JSON as JSON, any other text as text, and other bytes in base64 under `base64`.
fn value(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| of_bytes(Some(bytes)))
}

fn of_bytes(bytes: Option<&Bytes>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": base64_simd::STANDARD.encode_to_string(bytes) }),
    }
}

fn header<'a>(record: &'a StoredRecord, name: &str) -> Option<&'a Bytes> {
    let found = record.headers.iter().find(|(known, _)| known == name);
    found.and_then(|(_, value)| value.as_ref())
}

/// Text of one line that a terminal shows as it is.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if !text.chars().any(char::is_control) {
        return text;
    }
    let escaped = text.chars().map(|one| match one.is_control() {
        true => one.escape_default().to_string(),
        false => one.to_string(),
    });
    Cow::Owned(escaped.collect())
}

#[cfg(test)]
mod tests {
    use drover_event_log::TimestampType;

    use super::*;

    fn record(value: Option<&[u8]>) -> StoredRecord {
        StoredRecord {
            offset: 7,
            timestamp: 1_800_000_000_000,
            timestamp_type: TimestampType::CreateTime,
            key: Some("demo/device/d-1".into()),
            value: value.map(Bytes::copy_from_slice),
            headers: vec![
                ("ce_id".to_owned(), Some("e-1".into())),
                ("ce_type".to_owned(), Some("temperature".into())),
                ("raw".to_owned(), Some(Bytes::from_static(&[0xff]))),
            ],
        }
    }

    #[test]
    fn people_get_one_line_that_no_record_can_break() {
        let shown = line(Layout::Text, 2, &record(Some(b"{\"a\":\x1b1}\n")));
        assert_eq!(shown, r#"2:7 demo/device/d-1 temperature {"a":\u{1b}1}\n"#);
        assert_eq!(line(Layout::Text, 0, &record(None)), "0:7 demo/device/d-1 temperature null");
    }

    #[test]
    fn programs_get_every_byte() {
        let shown: Value =
            serde_json::from_str(&line(Layout::Json, 2, &record(Some(b"{\"a\":1}")))).unwrap();
        let expected = json!({
            "partition": 2, "offset": 7, "timestamp": "2027-01-15T08:00:00.000Z",
            "key": "demo/device/d-1", "value": { "a": 1 },
            "headers": { "ce_id": "e-1", "ce_type": "temperature", "raw": { "base64": "/w==" } },
        });
        assert_eq!(shown, expected);
        assert_eq!(json(0, &record(Some(b"text")))["value"], "text");
        assert_eq!(json(0, &record(None))["value"], Value::Null);
    }
}
