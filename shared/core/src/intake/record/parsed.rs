//! The body of a record as JSON, or the reason why it is not JSON. The reason is kept and not returned,
//! because a record with an unreadable body may still name its tenant in a header.

use std::sync::OnceLock;

use jsonptr::Pointer;
use serde_json::Value;

use super::numbering::part_of_line;
use super::{HeaderValue, Record};
use crate::base::error::{Code, Rejection};
use crate::base::excerpt::Excerpt;
use crate::base::limits;
use crate::event::{
    Canonical, Doubles, Exact, Spelling, has_long_number, has_odd_fraction, lost_numbers,
};
use crate::intake::json::{self, without_bare_words, without_bom};

/// A record with its body parsed once.
#[derive(Debug)]
pub struct Parsed<'r> {
    record: &'r Record,
    /// The text of the body, if it was parsed.
    text: Option<&'r str>,
    json: Result<Value, Rejection>,
    /// Numbers of the body that [`Self::json`] cannot represent.
    exact: OnceLock<Result<Exact, Rejection>>,
    /// The result of [`Self::data`], if it differs from [`Self::json`].
    data: OnceLock<Result<Value, Rejection>>,
    /// The part number of this line as a whole; `None`: the record is read as one text.
    line: Option<u32>,
    /// The element, if a transform made this body.
    element: Option<Element<'r>>,
}

/// An element that a transform made of a record.
#[derive(Debug)]
struct Element<'r> {
    number: u32,
    whole: &'r Parsed<'r>,
    /// The text that identifies the record, which all its elements share.
    identity: &'r IdentityText,
    body: String,
}

/// The canonical text by which a contract identifies a record, made for the first element that needs it.
pub(crate) type IdentityText = OnceLock<Result<String, Rejection>>;

impl<'r> Parsed<'r> {
    pub(super) fn new(record: &'r Record) -> Self {
        match record.plain_body().and_then(json::text) {
            Ok(text) => Self { text: Some(text), ..Self::of(record, json::parse_text(text), None) },
            Err(rejection) => Self::refused(record, rejection),
        }
    }

    /// A record without a readable body, because its framing cannot be removed.
    pub(crate) fn refused(record: &'r Record, rejection: Rejection) -> Self {
        Self::of(record, Err(rejection), None)
    }

    fn of(
        record: &'r Record,
        json: Result<Value, Rejection>,
        element: Option<Element<'r>>,
    ) -> Self {
        let (exact, data) = (OnceLock::new(), OnceLock::new());
        Self { record, text: None, json, exact, data, line: None, element }
    }

    /// Marks this body as a line of a record. `number` is the part of the whole line.
    pub(crate) fn in_line(self, number: u32) -> Self {
        Self { line: Some(number), ..self }
    }

    /// Another spelling of the record, as the same part.
    pub(crate) fn respelled<'a>(&self, record: &'a Record) -> Parsed<'a> {
        Parsed { line: self.line, ..record.parsed() }
    }

    /// An element of this record. Readers read the element instead of the body.
    pub(crate) fn element(
        &'r self,
        number: u32,
        body: String,
        identity: &'r IdentityText,
    ) -> Parsed<'r> {
        let json = json::parse(body.as_bytes());
        let element = Some(Element { number, whole: self, identity, body });
        Parsed { line: self.line, ..Parsed::of(self.record, json, element) }
    }

    /// The number of this element, from 0; `None`: the record itself.
    pub(crate) fn element_number(&self) -> Option<u32> {
        self.element.as_ref().map(|element| element.number)
    }

    /// The text that identifies the record of this element; `None`: this is no element.
    pub(crate) fn identity_text(&self) -> Option<&'r IdentityText> {
        self.element.as_ref().map(|element| element.identity)
    }

    /// The number of this part of the delivered record; `None`: the whole record.
    pub(crate) fn part_number(&self) -> Option<u32> {
        match (self.line, self.element_number()) {
            (None, element) => element,
            (Some(line), None) => Some(line),
            (Some(line), Some(element)) => Some(part_of_line(line, element)),
        }
    }

    /// The record to which this element belongs, or the record itself.
    pub(crate) fn whole(&self) -> &Parsed<'r> {
        self.element.as_ref().map_or(self, |element| element.whole)
    }

    /// The text that was parsed; `None`: the body is not UTF-8.
    pub(crate) fn body(&self) -> Option<&str> {
        match &self.element {
            Some(element) => Some(&element.body),
            None if self.text.is_some() => self.text,
            None => std::str::from_utf8(without_bom(self.record.value.as_deref()?)).ok(),
        }
    }

    /// The record itself.
    pub fn record(&self) -> &'r Record {
        self.record
    }

    /// The body.
    ///
    /// # Errors
    /// `empty_value`, `too_large` (over [`limits::TRANSFORMED_BYTES`], the limit of every parsed body),
    /// `unsupported_encoding`, `malformed_json`, `schema_violation` for a number that is out of range.
    pub fn json(&self) -> Result<&Value, Rejection> {
        self.json.as_ref().map_err(Clone::clone)
    }

    /// The body, if it has at most [`limits::RECORD_BYTES`].
    pub(crate) fn record_json(&self) -> Result<&Value, Rejection> {
        match (&self.element, &self.record.value) {
            (Some(element), _) => within(element.body.as_bytes(), limits::RECORD_BYTES)?,
            (None, Some(value)) => within(value, limits::RECORD_BYTES)?,
            (None, None) => {}
        }
        self.json()
    }

    /// The body in any format: JSON if its media type or its text is JSON, else a text. Bytes become base64,
    /// and a record without a body, or with an empty one, becomes null.
    ///
    /// # Errors
    /// `too_large`, `unsupported_encoding`, and `malformed_json` if the media type is JSON.
    pub(crate) fn data(&self) -> Result<&Value, Rejection> {
        if self.element.is_some() {
            return self.record_json();
        }
        let media_type = self.record.media_type();
        let says_json = media_type.is_some_and(is_json);
        if (says_json || media_type.is_none()) && self.json.is_ok()
            || says_json && self.data_bytes().is_some()
        {
            return self.record_json();
        }
        let data = self.data.get_or_init(|| {
            let Some(body) = self.data_bytes() else { return Ok(Value::Null) };
            within(body, limits::RECORD_BYTES)?;
            plain(self.record)?;
            Ok(Value::String(match std::str::from_utf8(body) {
                Ok(text) => text.to_owned(),
                Err(_) => base64_simd::STANDARD.encode_to_string(body),
            }))
        });
        data.as_ref().map_err(Clone::clone)
    }

    /// The bytes of data in any format. An empty value is absent data, as it is over HTTP.
    fn data_bytes(&self) -> Option<&'r [u8]> {
        self.record.value.as_deref().filter(|value| !value.is_empty())
    }

    /// The record with null instead of `NaN` and `Infinity`; `None`: the body is JSON, or has another fault.
    pub(crate) fn without_bare_words(&self) -> Option<Record> {
        if self.element.is_some() {
            return None;
        }
        let is_malformed = |rejection: &Rejection| rejection.code == Code::MalformedJson;
        self.json.as_ref().err().filter(|rejection| is_malformed(rejection))?;
        let value = without_bare_words(self.record.value.as_deref()?)?;
        Some(Record { value: Some(value), ..self.record.clone() })
    }

    /// The digits of a whole number in the body, if the number is too long for 64 bits.
    pub(crate) fn long_integer(&self, place: &Pointer) -> Option<String> {
        let text = self.exact(Doubles::Any, Spelling::Kept).ok()??.at(place)?.here()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.to_string())
    }

    /// Whether no number that was compared so far has a special spelling.
    pub(crate) fn has_plain_numbers(&self) -> bool {
        self.exact.get().is_none_or(|exact| exact.as_ref().is_ok_and(Exact::is_empty))
    }

    /// Calls `act` with the canonical text of a value of the body, without the omitted members. `place` is the
    /// pointer to the value in the body; `None`: the value belongs to a document.
    ///
    /// # Errors
    /// `malformed_json`: the value has no canonical text; `schema_violation`: a number in the body has an
    /// exponent of more than four digits.
    pub(crate) fn with_canonical<T>(
        &self,
        canonical: Canonical<'_>,
        place: Option<&Pointer>,
        act: impl FnOnce(&str) -> T,
    ) -> Result<T, Rejection> {
        let spelling = canonical.spelling;
        let exact = |doubles| match place {
            Some(place) => Ok(self.exact(doubles, spelling)?.and_then(|exact| exact.at(place))),
            None => Ok(None),
        };
        canonical.with_text(exact, act)
    }

    fn exact(&self, doubles: Doubles, spelling: Spelling) -> Result<Option<&Exact>, Rejection> {
        let Some(body) = self.body() else { return Ok(None) };
        let is_odd = |body| spelling == Spelling::Kept && has_odd_fraction(body);
        if self.json.is_err() || doubles < Doubles::Any && !has_long_number(body) && !is_odd(body) {
            return Ok(None);
        }
        let exact = self
            .exact
            .get_or_init(|| lost_numbers(body).map_err(|_| json::number_out_of_range(body)));
        exact.as_ref().map(Some).map_err(Clone::clone)
    }
}

impl Record {
    /// The bytes of the body, which is not compressed, without a BOM.
    ///
    /// # Errors
    /// `empty_value`, `too_large` (over [`limits::TRANSFORMED_BYTES`]), `unsupported_encoding`.
    pub(crate) fn plain_body(&self) -> Result<&[u8], Rejection> {
        let Some(value) = &self.value else {
            let message = "the record has no value (a tombstone); a topic's route with \"tombstones\":\"ignore\" ignores such records";
            return Err(Rejection::new(Code::EmptyValue, message));
        };
        within(value, limits::TRANSFORMED_BYTES)?;
        plain(self)?;
        Ok(without_bom(value))
    }
}

fn within(value: &[u8], limit: usize) -> Result<(), Rejection> {
    if value.len() <= limit {
        return Ok(());
    }
    let message = format!("the record is too large: bytes=`{}` limit=`{limit}`", value.len());
    Err(Rejection::new(Code::TooLarge, message))
}

/// Whether a body of this media type is JSON.
fn is_json(media_type: &str) -> bool {
    let name = media_type.rsplit('/').next().unwrap_or_default();
    name.eq_ignore_ascii_case("json")
        || name.len() >= 5
            && name.get(name.len() - 5..).is_some_and(|end| end.eq_ignore_ascii_case("+json"))
}

/// Azure writes a character set into this header, so `utf-8` also means not encoded.
fn plain(record: &Record) -> Result<(), Rejection> {
    let is_plain = |encoding: &str| {
        let plain = ["identity", "utf-8", ""];
        plain.iter().any(|name| encoding.trim().eq_ignore_ascii_case(name))
    };
    match record.header("content-encoding") {
        None => Ok(()),
        Some(HeaderValue::Text(encoding)) if is_plain(encoding) => Ok(()),
        Some(encoding) => {
            let came = match encoding {
                HeaderValue::Text(text) => Excerpt(text).to_string(),
                HeaderValue::Long(_) | HeaderValue::Millis(_) | HeaderValue::Unreadable => {
                    "no text".to_owned()
                }
            };
            let message = format!(
                "the header content-encoding: wanted none, identity or utf-8, came {came}; a topic's route with \"compression\":\"gzip\" reads gzip"
            );
            Err(Rejection::new(Code::UnsupportedEncoding, message))
        }
    }
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
        check(Some(b"1e999"), &[], Some(Code::SchemaViolation));
        check(Some(b"\xef\xbb\xbf{}"), &[], None);
        check(Some(b"\xef\xbb\xbf"), &[], Some(Code::MalformedJson));
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
