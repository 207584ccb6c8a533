//! The body of a record as JSON, or why it is none. Failing is kept and not returned: a record
//! with an unreadable body may still say in a header whose it is.

use std::sync::OnceLock;

use jsonptr::Pointer;
use serde_json::Value;

use super::{HeaderValue, Record};
use crate::base::error::{Code, Rejection};
use crate::base::limits;
use crate::event::{Doubles, Exact, Except, has_long_number, lost_numbers, with_canonical};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A record with its body parsed once.
#[derive(Debug)]
pub struct Parsed<'r> {
    record: &'r Record,
    json: Result<Value, Rejection>,
    /// Numbers of the body that [`Self::json`] does not hold.
    exact: OnceLock<Result<Exact, Rejection>>,
    /// Of an element, which.
    element: Option<Element<'r>>,
}

/// An element that a transform made of a record.
#[derive(Debug)]
struct Element<'r> {
    number: u32,
    whole: &'r Parsed<'r>,
    body: String,
}

impl<'r> Parsed<'r> {
    pub(super) fn new(record: &'r Record) -> Self {
        Self { record, json: parse(record), exact: OnceLock::new(), element: None }
    }

    /// An element of this record, which is read in the place of its body.
    pub(crate) fn element(&'r self, number: u32, body: String) -> Parsed<'r> {
        let json = serde_json::from_str(&body).map_err(|fault| malformed(&fault));
        let element = Some(Element { number, whole: self, body });
        Parsed { record: self.record, json, exact: OnceLock::new(), element }
    }

    /// Which element this is, from 0; `None`: the record itself.
    pub(crate) fn element_number(&self) -> Option<u32> {
        self.element.as_ref().map(|element| element.number)
    }

    /// The record that this is an element of, or the record itself.
    pub(crate) fn whole(&self) -> &Parsed<'r> {
        self.element.as_ref().map_or(self, |element| element.whole)
    }

    /// What was parsed. No UTF-8 was not.
    pub(crate) fn body(&self) -> Option<&str> {
        match &self.element {
            Some(element) => Some(&element.body),
            None => std::str::from_utf8(self.record.value.as_deref()?).ok(),
        }
    }

    /// The record itself.
    pub fn record(&self) -> &'r Record {
        self.record
    }

    /// The body.
    ///
    /// # Errors
    /// `empty_value`, `too_large` (over [`limits::TRANSFORMED_BYTES`], the most that is parsed at
    /// all), `unsupported_encoding`, `malformed_json`.
    pub fn json(&self) -> Result<&Value, Rejection> {
        self.json.as_ref().map_err(Clone::clone)
    }

    /// Does something with the canonical text of a value of the body, less what is left out.
    /// `place` is where the value stands; `None`: it is a document's.
    ///
    /// # Errors
    /// `malformed_json`: there is no such text, or a number in the body has an exponent of more
    /// than four digits.
    pub(crate) fn with_canonical<T>(
        &self,
        value: &Value,
        place: Option<&Pointer>,
        except: Option<&Except>,
        act: impl FnOnce(&str) -> T,
    ) -> Result<T, Rejection> {
        let exact = |doubles| match place {
            Some(place) => Ok(self.exact(doubles)?.and_then(|exact| exact.at(place))),
            None => Ok(None),
        };
        with_canonical(value, except, exact, act)
    }

    fn exact(&self, doubles: Doubles) -> Result<Option<&Exact>, Rejection> {
        let Some(body) = self.body() else { return Ok(None) };
        if doubles < Doubles::Any && !has_long_number(body) {
            return Ok(None);
        }
        let exact = self.exact.get_or_init(|| {
            lost_numbers(body).map_err(|_| {
                let message = "a number has an exponent of more than four digits";
                Rejection::new(Code::MalformedJson, message)
            })
        });
        exact.as_ref().map(Some).map_err(Clone::clone)
    }

    /// The body, if it is no larger than a record may be.
    pub(crate) fn record_json(&self) -> Result<&Value, Rejection> {
        match (&self.element, &self.record.value) {
            (Some(element), _) => within(element.body.as_bytes(), limits::RECORD_BYTES)?,
            (None, Some(value)) => within(value, limits::RECORD_BYTES)?,
            (None, None) => {}
        }
        self.json()
    }
}

fn parse(record: &Record) -> Result<Value, Rejection> {
    let Some(value) = &record.value else {
        return Err(Rejection::new(Code::EmptyValue, "the record has no value"));
    };
    within(value, limits::TRANSFORMED_BYTES)?;
    if !is_plain(record) {
        return Err(encoded());
    }
    // Checked at once, UTF-8 costs less than text by text; what is none has its place found that way.
    let parsed = match std::str::from_utf8(value) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(value),
    };
    parsed.map_err(|fault| {
        if value.starts_with(GZIP) || value.starts_with(ZSTD) {
            encoded()
        } else {
            malformed(&fault)
        }
    })
}

fn within(value: &[u8], limit: usize) -> Result<(), Rejection> {
    if value.len() <= limit {
        return Ok(());
    }
    let message = format!("the record is too large: bytes=`{}` limit=`{limit}`", value.len());
    Err(Rejection::new(Code::TooLarge, message))
}

/// Azure calls a character set an encoding, so `utf-8` is plain, too.
fn is_plain(record: &Record) -> bool {
    match record.header("content-encoding") {
        None => true,
        Some(HeaderValue::Text(encoding)) => {
            let plain = ["identity", "utf-8", ""];
            plain.iter().any(|name| encoding.trim().eq_ignore_ascii_case(name))
        }
        Some(HeaderValue::Long(_) | HeaderValue::Millis(_) | HeaderValue::Unreadable) => false,
    }
}

fn encoded() -> Rejection {
    Rejection::new(Code::UnsupportedEncoding, "records are read as plain JSON only")
}

/// Not serde_json's own text, which may quote the record.
fn malformed(fault: &serde_json::Error) -> Rejection {
    let what = match fault.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early",
        _ => "this is not JSON",
    };
    let message = format!("{what}: line=`{}` column=`{}`", fault.line(), fault.column());
    Rejection::new(Code::MalformedJson, message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::time::Timestamp;
    use crate::intake::record::Source;

    fn record(value: Option<&[u8]>, headers: &[(&str, &[u8])]) -> Record {
        let own = |(name, value): &(&str, &[u8])| ((*name).to_owned(), value.to_vec());
        Record {
            source: Source::Http { request_id: Arc::from("r"), index: 0, element: None },
            key: None,
            value: value.map(<[u8]>::to_vec),
            headers: headers.iter().map(own).collect(),
            received_at: None,
            ingested_at: Timestamp::from_millis(0).expect("in range"),
        }
    }

    fn check(value: Option<&[u8]>, headers: &[(&str, &[u8])], expected: Option<Code>) {
        let record = record(value, headers);
        let code = record.parsed().record_json().err().map(|rejection| rejection.code);
        assert_eq!(code, expected, "{headers:?}");
    }

    #[test]
    fn what_is_no_plain_json_has_its_own_code() {
        check(Some(b"{}"), &[], None);
        check(None, &[], Some(Code::EmptyValue));
        check(Some(b""), &[], Some(Code::MalformedJson));
        check(Some(b"{\"a\":"), &[], Some(Code::MalformedJson));
        check(Some(b"\"\xff\""), &[], Some(Code::MalformedJson));
        check(Some(b"1e999"), &[], Some(Code::MalformedJson));
        check(Some(b"\x1f\x8b\x08\x00"), &[], Some(Code::UnsupportedEncoding));
        check(Some(b"\x28\xb5\x2f\xfd\x00"), &[], Some(Code::UnsupportedEncoding));
    }

    #[test]
    fn a_content_encoding_other_than_identity_is_not_read() {
        check(Some(b"{}"), &[("Content-Encoding", b"gzip")], Some(Code::UnsupportedEncoding));
        check(Some(b"{}"), &[("content-encoding", b"\xff")], Some(Code::UnsupportedEncoding));
        check(Some(b"{}"), &[("content-encoding", b"identity")], None);
        check(Some(b"{}"), &[("content-encoding", b"\xa1\x05UTF-8")], None);
    }

    #[test]
    fn a_record_may_have_64_kb_and_not_one_byte_more() {
        let mut text = vec![b' '; limits::RECORD_BYTES - 2];
        text.extend_from_slice(b"{}");
        check(Some(&text), &[], None);
        text.push(b' ');
        check(Some(&text), &[], Some(Code::TooLarge));
    }

    #[test]
    fn depth_is_bounded() {
        check(Some(&[b'['; 4096]), &[], Some(Code::MalformedJson));
    }

    #[test]
    fn no_message_quotes_the_record() {
        let record = record(Some(b"{\"a\":secret}"), &[]);
        let message = record.parsed().json().expect_err("no JSON").message;
        assert_eq!(message, "this is not JSON: line=`1` column=`6`");
    }
}
