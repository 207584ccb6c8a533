//! The framing of a topic's records, which the route of the topic declares: compression, the frame of a schema
//! registry, lines, headers in quotation marks, tombstones.
//!
//! Removing the framing makes another record with the same source. A dead letter keeps the record as it
//! arrived, and a replay removes the framing again.

use std::borrow::Cow;
use std::io::{ErrorKind, Read as _};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use crate::base::error::{Code, Rejection};
use crate::base::limits;
use crate::intake::json::{self, RegistryFrame, without_bom};
use crate::intake::record::{Parsed, Record};

/// The framing of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framing {
    /// The frame around the JSON.
    #[serde(default, skip_serializing_if = "is_default")]
    pub framing: Frame,
    /// The compression of values.
    #[serde(default, skip_serializing_if = "is_default")]
    pub compression: Compression,
    /// How a record without a value is read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tombstones: Tombstones,
    /// Whether a header that is one JSON string means the text in the string, as Spring writes headers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub quoted_headers: bool,
}

/// The frame around the JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// No frame.
    #[default]
    Json,
    /// A zero byte and the four bytes of a schema id of a registry before the JSON.
    ConfluentJson,
    /// Lines of JSON. Each line is read like a record of its own (`intake::lines`).
    JsonLines,
}

/// The compression of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// gzip, with one member or several.
    Gzip,
}

/// How a record without a value is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tombstones {
    /// The record is rejected as `empty_value`, unless its contract reads records without a body.
    #[default]
    Reject,
    /// The record is acknowledged and counted, and becomes no event.
    Ignore,
}

impl Framing {
    /// Whether a record is ignored before its contract reads it.
    pub fn ignores(&self, record: &Record) -> bool {
        self.tombstones == Tombstones::Ignore && record.value.is_none()
    }

    /// The record without its framing. If the framing cannot be removed, [`Unframed::parsed`] has the reason.
    pub fn unframed<'r>(&self, record: &'r Record) -> Unframed<'r> {
        let framing = self.framing;
        if self.is_plain() {
            return Unframed { record: Cow::Borrowed(record), framing, refused: None };
        }
        let mut unframed = record.clone();
        if self.quoted_headers {
            unframed.headers.iter_mut().for_each(|(_, value)| unquote(value));
        }
        let refused = match record.value.as_deref().map(|value| self.value(value)) {
            None => None,
            Some(Ok(value)) => {
                unframed.value = Some(value);
                None
            }
            Some(Err(rejection)) => Some(rejection),
        };
        if self.compression == Compression::Gzip && refused.is_none() {
            unframed.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-encoding"));
        }
        Unframed { record: Cow::Owned(unframed), framing, refused }
    }

    /// Whether there is no framing to remove.
    fn is_plain(&self) -> bool {
        let Self { framing, compression, tombstones: _, quoted_headers } = self;
        *framing != Frame::ConfluentJson && *compression == Compression::None && !quoted_headers
    }

    fn value(&self, value: &[u8]) -> Result<Vec<u8>, Rejection> {
        let value = match self.compression {
            Compression::None => value.to_vec(),
            Compression::Gzip => unzipped(value)?,
        };
        match self.framing {
            Frame::Json | Frame::JsonLines => Ok(value),
            Frame::ConfluentJson => behind_schema_id(value),
        }
    }
}

/// A record without its framing.
#[derive(Debug)]
pub struct Unframed<'r> {
    record: Cow<'r, Record>,
    framing: Frame,
    refused: Option<Rejection>,
}

impl Unframed<'_> {
    /// The body, parsed once. A record of lines has no body of its own.
    pub fn parsed(&self) -> Parsed<'_> {
        match (&self.refused, self.framing) {
            (Some(rejection), _) => Parsed::refused(&self.record, rejection.clone()),
            (None, Frame::Json | Frame::ConfluentJson) => self.record.parsed(),
            (None, Frame::JsonLines) => {
                let message = "the topic's route says json_lines: each line has a body, and the record has none";
                let rejection = Rejection::new(Code::UnsupportedEncoding, message);
                Parsed::refused(&self.record, rejection)
            }
        }
    }

    /// The record, if each of its lines is read like a record; `None`: the record is read as one text.
    ///
    /// # Errors
    /// The framing cannot be removed.
    pub(crate) fn of_lines(&self) -> Option<Result<&Record, Rejection>> {
        match (self.framing, &self.refused) {
            (Frame::Json | Frame::ConfluentJson, _) => None,
            (Frame::JsonLines, Some(rejection)) => Some(Err(rejection.clone())),
            (Frame::JsonLines, None) => Some(Ok(&self.record)),
        }
    }
}

fn unzipped(value: &[u8]) -> Result<Vec<u8>, Rejection> {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    let refused = |message: String| Err(Rejection::new(Code::UnsupportedEncoding, message));
    if !value.starts_with(GZIP) {
        let came = json::beginning(value);
        return refused(format!("the topic's route says gzip: wanted gzip data, came {came}"));
    }
    let limit = limits::TRANSFORMED_BYTES;
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match MultiGzDecoder::new(value).take(most).read_to_end(&mut plain) {
        Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => {
            refused(format!("the gzip data ends too early: bytes=`{}`", value.len()))
        }
        Err(_) => refused(format!("the gzip data is damaged: bytes=`{}`", value.len())),
        Ok(_) if plain.len() > limit => {
            let message = format!("the record unpacks to too much: limit=`{limit}`");
            Err(Rejection::new(Code::TooLarge, message))
        }
        Ok(_) => Ok(plain),
    }
}

fn behind_schema_id(mut value: Vec<u8>) -> Result<Vec<u8>, Rejection> {
    const WANTED: &str = "the topic's route says confluent_json: wanted a zero byte, four bytes of a schema's id, and JSON";
    let Some(body) = RegistryFrame::behind_confluent(&value) else {
        let came = if value.first() == Some(&0) {
            format!("{} bytes in all", value.len())
        } else {
            json::beginning(&value)
        };
        return Err(Rejection::new(Code::UnsupportedEncoding, format!("{WANTED}, came {came}")));
    };
    if let Some(frame) = RegistryFrame::of(&value)
        && !begins_as_json(body)
    {
        let what = "the topic's route says confluent_json, and behind the frame of the schema registry there is no JSON";
        return Err(frame.rejection(what));
    }
    value.drain(..value.len() - body.len());
    Ok(value)
}

/// What is empty or begins otherwise is no JSON, not even with a BOM or a bare word.
fn begins_as_json(body: &[u8]) -> bool {
    let first = without_bom(body).iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| {
        matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I')
    })
}

/// Replaces a header that is one JSON string by the text in the string.
fn unquote(value: &mut Vec<u8>) {
    if value.starts_with(b"\"")
        && let Ok(text) = serde_json::from_slice::<String>(value)
    {
        *value = text.into_bytes();
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression as Level;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;
    use crate::intake::contract::sample::record;
    use crate::intake::record::HeaderValue;

    fn zipped(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::default());
        encoder.write_all(text).expect("memory takes everything");
        encoder.finish().expect("memory takes everything")
    }

    fn read(framing: Framing, value: Vec<u8>) -> Result<serde_json::Value, Code> {
        let record = Record { value: Some(value), ..record("", &[]) };
        framing.unframed(&record).parsed().json().cloned().map_err(|rejection| rejection.code)
    }

    #[test]
    fn gzip_is_unpacked_within_the_limit_of_a_record() {
        let gzip = Framing { compression: Compression::Gzip, ..Framing::default() };
        assert_eq!(read(gzip, zipped(b"{\"a\":1}")), Ok(json!({"a": 1})));
        let two = [zipped(b"[1,"), zipped(b"2]")].concat();
        assert_eq!(read(gzip, two), Ok(json!([1, 2])));
        assert_eq!(read(gzip, b"{}".to_vec()), Err(Code::UnsupportedEncoding));
        assert_eq!(read(gzip, zipped(b"{}")[..12].to_vec()), Err(Code::UnsupportedEncoding));
        assert_eq!(read(gzip, zipped(&vec![b' '; 10_000_000])), Err(Code::TooLarge));
        assert_eq!(read(Framing::default(), zipped(b"{}")), Err(Code::UnsupportedEncoding));
        let labelled =
            Record { value: Some(zipped(b"{}")), ..record("", &[("Content-Encoding", b"gzip")]) };
        assert_eq!(gzip.unframed(&labelled).parsed().json(), Ok(&json!({})));
        // A record for a transform may be larger than an event.
        let large = [b"[".as_slice(), &vec![b' '; 900_000], b"]"].concat();
        assert_eq!(read(gzip, zipped(&large)), Ok(json!([])));
    }

    #[test]
    fn the_frame_of_a_schema_registry_is_taken_off() {
        let framing = Framing { framing: Frame::ConfluentJson, ..Framing::default() };
        assert_eq!(read(framing, b"\0\0\0\0\x07{\"a\":1}".to_vec()), Ok(json!({"a": 1})));
        for wrong in [&b"{\"a\":1}"[..], b"", b"\0\0"] {
            assert_eq!(read(framing, wrong.to_vec()), Err(Code::UnsupportedEncoding));
        }
        let both = Framing { compression: Compression::Gzip, ..framing };
        assert_eq!(read(both, zipped(b"\0\0\0\0\x07[]")), Ok(json!([])));
    }

    #[test]
    fn what_is_no_json_behind_the_frame_is_named_with_its_schema() {
        let framing = Framing { framing: Frame::ConfluentJson, ..Framing::default() };
        let refused = |framing: Framing, value: &[u8]| {
            let record = Record { value: Some(value.to_vec()), ..record("", &[]) };
            framing.unframed(&record).parsed().json().cloned().expect_err("it is not JSON")
        };
        // Avro of {"id": "ok"}: the length of the text, doubled, and the text.
        for avro in [&b"\0\0\x01\x86\xa1\x04ok"[..], b"\0\0\x01\x86\xa1\x04\xff\xfe"] {
            for framing in [framing, Framing::default()] {
                let rejection = refused(framing, avro);
                assert_eq!(rejection.code, Code::UnsupportedEncoding);
                for part in ["registry=`Confluent` schema=`100001`", "neither Avro nor Protobuf"] {
                    assert!(rejection.message.contains(part), "{}", rejection.message);
                }
            }
        }
        assert!(refused(framing, b"\0\0\x01\x86\xa1\x04ok").message.contains("behind the frame"));
        let glue = [&[3, 0][..], &[7; 16], b"\x04ok"].concat();
        let rejection = refused(Framing::default(), &glue);
        assert_eq!(rejection.code, Code::UnsupportedEncoding);
        assert!(rejection.message.contains("registry=`Glue`"), "{}", rejection.message);
        assert_eq!(read(framing, b"\0\0\0\0\x07 \xef".to_vec()), Err(Code::UnsupportedEncoding));
        assert_eq!(read(framing, b"\0\0\0\0\x07\xef\xbb\xbf 7".to_vec()), Ok(json!(7)));
    }

    #[test]
    fn a_header_that_is_one_json_string_is_that_string() {
        let framing = Framing { quoted_headers: true, ..Framing::default() };
        let record = record("{}", &[("a", b"\"de\\u006do\""), ("b", b"plain"), ("c", b"\"x\" y")]);
        let unframed = framing.unframed(&record);
        let parsed = unframed.parsed();
        for (name, value) in [("a", "demo"), ("b", "plain"), ("c", "\"x\" y")] {
            assert_eq!(parsed.record().header(name), Some(HeaderValue::Text(value)));
        }
    }

    #[test]
    fn only_a_record_without_a_value_is_a_tombstone() {
        let ignore = Framing { tombstones: Tombstones::Ignore, ..Framing::default() };
        let tombstone = Record { value: None, ..record("", &[]) };
        assert!(ignore.ignores(&tombstone) && !ignore.ignores(&record("", &[])));
        assert!(!Framing::default().ignores(&tombstone));
    }
}
