//! Scans a text that is not JSON a second time, and finds the fault and its place. Messages quote nothing of
//! the text except the names of members on the path.

use std::collections::BTreeSet;

use serde_json::error::Category;

use super::lenient::bare_word;
use crate::base::error::{Code, Rejection};
use crate::base::limits;
use crate::intake::schema::child;

/// Maximum nesting of lists and objects, which is the limit of `serde_json`.
const DEPTH: usize = 127;
/// Maximum number of digits of an exponent.
const EXPONENT_DIGITS: usize = 4;

/// The fault of a text, and its place.
struct Fault {
    cause: Cause,
    path: String,
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Empty,
    EndsEarly,
    TooDeep,
    Twice,
    /// A number beyond the largest double.
    OutOfRange,
    /// A number with this many digits in its exponent.
    LongExponent(usize),
    BareWord(&'static str),
}

/// The reason why `serde_json` refused a text.
pub(super) fn told(text: &str, fault: &serde_json::Error) -> Rejection {
    if let Err(fault) = Walk::over(text) {
        return fault.rejection(text);
    }
    let what = match fault.classify() {
        Category::Eof => "the JSON ends too early",
        _ => "this is not JSON",
    };
    let message = format!("{what}: line=`{}` column=`{}`", fault.line(), fault.column());
    Rejection::new(Code::MalformedJson, message)
}

pub(super) fn out_of_range(text: &str) -> Rejection {
    match Walk::over(text) {
        Err(fault) => fault.rejection(text),
        Ok(()) => Fault { cause: Cause::OutOfRange, path: String::new(), at: 0 }.rejection(text),
    }
}

/// The rejection of bytes that are not UTF-8. The first `valid` bytes are UTF-8.
pub(super) fn not_utf8(bytes: &[u8], valid: usize) -> Rejection {
    let zeros = |odd: usize| {
        let half = bytes.iter().skip(odd).step_by(2).take(8);
        half.clone().count() > 0 && half.into_iter().all(|byte| *byte == 0)
    };
    let looks = if bytes.starts_with(&[0xff, 0xfe]) || zeros(1) {
        "UTF-16, little-endian"
    } else if bytes.starts_with(&[0xfe, 0xff]) || zeros(0) {
        "UTF-16, big-endian"
    } else if matches!(bytes.first(), Some(0..=8)) {
        "a binary format"
    } else if bytes.iter().any(|byte| matches!(byte, 0x80..=0x9f)) {
        "Windows-1252, or a binary format"
    } else {
        "Latin-1 (ISO 8859-1) or Windows-1252"
    };
    let message = format!("this is not UTF-8: byte=`{valid}`; it looks like {looks}");
    Rejection::new(Code::MalformedJson, message)
}

impl Fault {
    fn rejection(self, text: &str) -> Rejection {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1;
        let (code, what) = match self.cause {
            Cause::Empty => (Code::MalformedJson, "there is no JSON: the text is empty".to_owned()),
            Cause::EndsEarly => (Code::MalformedJson, "the JSON ends too early".to_owned()),
            Cause::TooDeep => {
                (Code::MalformedJson, format!("the JSON is too deep: limit=`{DEPTH}`"))
            }
            Cause::Twice => (Code::MalformedJson, "this member is there twice".to_owned()),
            Cause::OutOfRange => (
                Code::SchemaViolation,
                "this number is out of range: a double reaches about 1.8e308".to_owned(),
            ),
            Cause::LongExponent(digits) => (
                Code::SchemaViolation,
                format!(
                    "the exponent of this number is too long: digits=`{digits}` limit=`{EXPONENT_DIGITS}`"
                ),
            ),
            Cause::BareWord(word) => (
                Code::MalformedJson,
                format!(
                    "{word} is not JSON; a contract of \"syntax\":\"lenient\" reads it as null"
                ),
            ),
        };
        let message = format!("{what}: line=`{line}` column=`{column}`");
        let path = Some(self.path).filter(|path| {
            path.len() <= limits::REJECTION_PATH_BYTES
                && matches!(
                    self.cause,
                    Cause::Twice | Cause::OutOfRange | Cause::LongExponent(_) | Cause::BareWord(_)
                )
        });
        Rejection { code, path, message }
    }
}

/// Scans any text.
struct Walk<'t> {
    text: &'t [u8],
    at: usize,
}

type Walked = Result<(), Fault>;

impl<'t> Walk<'t> {
    fn over(text: &'t str) -> Walked {
        let mut walk = Walk { text: text.as_bytes(), at: 0 };
        if walk.next().is_none() {
            return Err(walk.fault(Cause::Empty, ""));
        }
        walk.value("", 0)
    }

    fn fault(&self, cause: Cause, path: &str) -> Fault {
        Fault { cause, path: path.to_owned(), at: self.at }
    }

    /// The next byte after whitespace.
    fn next(&mut self) -> Option<u8> {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn value(&mut self, path: &str, depth: usize) -> Walked {
        match self.next() {
            None => Err(self.fault(Cause::EndsEarly, path)),
            Some(b'{' | b'[') if depth >= DEPTH => Err(self.fault(Cause::TooDeep, path)),
            Some(b'{') => self.object(path, depth),
            Some(b'[') => self.list(path, depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(_) => self.scalar(path),
        }
    }

    fn object(&mut self, path: &str, depth: usize) -> Walked {
        self.at += 1;
        let mut names = BTreeSet::new();
        while self.next() == Some(b'"') {
            let start = self.at;
            let name = self.string()?;
            let path = child(path, &name);
            if !names.insert(name) {
                self.at = start;
                return Err(self.fault(Cause::Twice, &path));
            }
            if self.next() != Some(b':') {
                return self.stop(path);
            }
            self.at += 1;
            self.value(&path, depth + 1)?;
            if self.next() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        self.close(b'}', path)
    }

    fn list(&mut self, path: &str, depth: usize) -> Walked {
        self.at += 1;
        let mut index = 0;
        while self.next().is_some_and(|byte| byte != b']') {
            let start = self.at;
            self.value(&format!("{path}/{index}"), depth + 1)?;
            index += 1;
            if self.next() != Some(b',') || self.at == start {
                break;
            }
            self.at += 1;
        }
        self.close(b']', path)
    }

    /// Ends the scan at another fault, which `serde_json` reports.
    fn close(&mut self, end: u8, path: &str) -> Walked {
        match self.next() {
            None => Err(self.fault(Cause::EndsEarly, path)),
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(())
            }
            Some(_) => self.stop(path.to_owned()),
        }
    }

    fn stop(&mut self, path: String) -> Walked {
        if self.next().is_none() {
            return Err(self.fault(Cause::EndsEarly, &path));
        }
        self.at = self.text.len();
        Ok(())
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None => return Err(self.fault(Cause::EndsEarly, "")),
                Some(b'\\') => self.at += 2,
                Some(b'"') => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        Ok(serde_json::from_slice(quoted).unwrap_or_default())
    }

    fn scalar(&mut self, path: &str) -> Walked {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if let Some(word) = bare_word(rest) {
            return Err(self.fault(Cause::BareWord(word), path));
        }
        let ends = |byte: &u8| {
            matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b':')
        };
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let scalar = rest.get(..length).and_then(|scalar| std::str::from_utf8(scalar).ok());
        let is_number = rest.first().is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9'));
        if let Some(cause) = scalar.filter(|_| is_number).and_then(out_of_range_cause) {
            return Err(self.fault(cause, path));
        }
        self.at += length.max(1);
        Ok(())
    }
}

fn out_of_range_cause(number: &str) -> Option<Cause> {
    let exponent = number.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
    let exponent = exponent.trim_start_matches(['+', '-']).trim_start_matches('0');
    let double: Result<f64, _> = number.parse();
    if double.is_ok_and(f64::is_infinite) {
        return Some(Cause::OutOfRange);
    }
    (exponent.len() > EXPONENT_DIGITS).then_some(Cause::LongExponent(exponent.len()))
}
