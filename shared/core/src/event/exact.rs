//! Finds numbers that JSON parsing changes: integers of more than 64 bits, and decimals that no
//! double equals, become the nearest double. Two records that differ only in such a number would be
//! equal, and the second would be dropped as a duplicate. Spellings count too: `21.0` becomes 21, and
//! history keeps the text of the record.
//!
//! Few records have such numbers, so the check is cheap without them: a text without doubles is
//! exact ([`Doubles`](super::Doubles)), and so is a text whose doubles are of usual size and whose
//! numbers are short ([`has_long_number`]) and do not end in zero ([`has_odd_fraction`]). A number with a
//! negative exponent and no point (`215e-1`) is not found: it keeps its value, but not its spelling.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::canonical;
use super::decimal::{Decimal, OutOfRange};
use super::doubles::Exact;
use super::tokens::{is_of_number, number_end, string};

/// Maximum length of a number that is certainly exact if its double is of usual size: 15 digits, a
/// sign and a point. Without an exponent every number of this length is exact.
const SURELY_EXACT: usize = 16;

/// The numbers of a JSON text whose text parsing changes. The text must be valid JSON.
///
/// # Errors
/// An exponent has more than four digits.
pub(crate) fn lost_numbers(json: &str) -> Result<Exact, OutOfRange> {
    Walk { json, at: 0 }.value()
}

/// Whether a text has a number, or a text that looks like one, longer than [`SURELY_EXACT`]. Probes
/// one byte in seventeen.
pub(crate) fn has_long_number(json: &str) -> bool {
    let json = json.as_bytes();
    let run_around = |at: usize| {
        let (before, rest) = json.split_at_checked(at).unwrap_or_default();
        let after = rest.iter().take_while(|byte| is_of_number(byte)).count();
        after + before.iter().rev().take_while(|byte| is_of_number(byte)).count()
    };
    let mut at = SURELY_EXACT;
    while let Some(byte) = json.get(at) {
        if is_of_number(byte) && run_around(at) > SURELY_EXACT {
            return true;
        }
        at += SURELY_EXACT + 1;
    }
    false
}

/// Whether a text has a decimal, or a string that looks like one, that ends in a zero or has an exponent.
/// Strings count only where a number may end: the fraction of a time with a `Z` is no decimal.
pub(crate) fn has_odd_fraction(json: &str) -> bool {
    let json = json.as_bytes();
    memchr::memchr_iter(b'.', json).any(|at| {
        let rest = json.get(at + 1..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match (digits.checked_sub(1).and_then(|last| rest.get(last)), rest.get(digits)) {
            (Some(_), Some(b'e' | b'E')) => true,
            (Some(b'0'), after) => after.is_none_or(|after| is_after_number(*after)),
            _ => false,
        }
    })
}

/// Whether a number may end before this byte.
const fn is_after_number(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace()
}

/// Whether a number is certainly exact, whatever its double.
fn is_surely_exact(number: &[u8]) -> bool {
    let is_odd = |byte: &u8| matches!(byte, b'e' | b'E');
    let is_short = number.len() <= SURELY_EXACT;
    is_short && !number.iter().any(is_odd) && !ends_in_zero(number) && number != b"-0"
}

fn ends_in_zero(number: &[u8]) -> bool {
    number.last() == Some(&b'0') && number.contains(&b'.')
}

/// Walks through a text. The recursion is bounded, because serde_json has parsed the text.
struct Walk<'t> {
    json: &'t str,
    at: usize,
}

impl<'t> Walk<'t> {
    /// The changed numbers of the value that begins here, after optional whitespace.
    fn value(&mut self) -> Result<Exact, OutOfRange> {
        let mut exact = Exact::default();
        match self.next() {
            Some(b'{') => {
                self.at += 1;
                while self.next() == Some(b'"') {
                    let name = self.string();
                    self.skip(b':');
                    // The last of repeated names counts.
                    exact.put_member(&name, self.value()?);
                    self.skip(b',');
                }
                self.skip(b'}');
            }
            Some(b'[') => {
                self.at += 1;
                let mut index = 0;
                while self.next().is_some_and(|byte| byte != b']') {
                    exact.put_member(&index.to_string(), self.value()?);
                    index += 1;
                    self.skip(b',');
                }
                self.skip(b']');
            }
            Some(b'"') => (self.at, _) = string(self.json.as_bytes(), self.at),
            Some(b'-' | b'0'..=b'9') => {
                let end = number_end(self.json.as_bytes(), self.at);
                let number = self.json.get(self.at..end).unwrap_or_default();
                self.at = end;
                if !is_surely_exact(number.as_bytes())
                    && let Some(text) = written(number)?
                {
                    exact.put_here(text);
                }
            }
            // `true`, `false` or `null`.
            Some(_) => {
                let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
                self.at += rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count().max(1);
            }
            None => {}
        }
        Ok(exact)
    }

    /// The next byte that is not whitespace.
    fn next(&mut self) -> Option<u8> {
        let rest = self.json.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.json.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) {
        if self.next() == Some(byte) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Cow<'t, str> {
        let (end, has_escapes) = string(self.json.as_bytes(), self.at);
        let quoted = self.json.get(self.at..end).unwrap_or_default();
        self.at = end;
        if has_escapes {
            Cow::Owned(serde_json::from_str(quoted).unwrap_or_default())
        } else {
            Cow::Borrowed(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default())
        }
    }
}

/// The text of a number, if parsing and writing change it.
fn written(number: &str) -> Result<Option<Box<str>>, OutOfRange> {
    if ends_in_zero(number.as_bytes()) && !number.contains(['e', 'E']) {
        // No number is written like this.
        return Ok(Some(number.into()));
    }
    Decimal::parse(number)?;
    let parsed = serde_json::from_str::<Number>(number).ok();
    let same = parsed.is_some_and(|parsed| {
        let mut text = Vec::new();
        let written =
            canonical::write(&Value::Number(parsed), canonical::Marks::default(), &mut text);
        written.is_ok() && text == number.as_bytes()
    });
    Ok((!same).then(|| number.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Doubles;

    fn texts(json: &str, pointers: &[&str]) -> Vec<Option<String>> {
        let exact = lost_numbers(json).expect("in range");
        let at = |pointer: &&str| {
            let pointer = jsonptr::Pointer::parse(pointer).expect("a pointer");
            exact.at(pointer).and_then(|place| place.here()).map(ToString::to_string)
        };
        pointers.iter().map(at).collect()
    }

    #[test]
    fn only_changed_numbers_are_found_with_their_place() {
        let json = r#" {"a" : 12345678901234567890123, "b":[1, {"c\u0022/":0.10000000000000000001}],
            "d":"12345678901234567890123","e":18446744073709551615,"f":0.1,"g":1.5e3,"h":{}, "i":[]} "#;
        let found = texts(json, &["/a", "/b/1/c\"~1", "/b/0", "/d", "/e", "/f", "/g"]);
        let expected = [Some("12345678901234567890123"), Some("0.10000000000000000001")]
            .map(|text| text.map(str::to_owned));
        assert_eq!(found[..2], expected);
        assert!(found[2..6].iter().all(Option::is_none), "{found:?}");
        assert_eq!(found[6].as_deref(), Some("1.5e3"));
        assert!(
            lost_numbers(r#"{"e":18446744073709551615,"g":1.5}"#).expect("in range").is_empty()
        );
        for odd in ["21.0", "-0", "0.50", "1e2", "1E+2", "1e20"] {
            assert_eq!(texts(odd, &[""]), [Some(odd.to_owned())]);
        }
        assert_eq!(texts("1e-400", &[""]), [Some("1e-400".to_owned())]);
    }

    #[test]
    fn the_last_of_repeated_names_counts() {
        let json = r#"{"a":{"b":12345678901234567890123},"a":{"b":1},"c":1e-400,"c":2}"#;
        assert!(lost_numbers(json).expect("in range").is_empty());
    }

    #[test]
    fn a_huge_exponent_is_rejected() {
        assert_eq!(lost_numbers("[1e-99999]").err(), Some(OutOfRange));
    }

    #[test]
    fn long_numbers_are_found_at_any_offset() {
        for before in 0..40 {
            let at = |number: &str| format!("[{}{number},2]", " ".repeat(before));
            assert!(!has_long_number(&at("1234567890.12345")), "{before}");
            assert!(has_long_number(&at("1234567890.123456")), "{before}");
        }
        assert!(!has_long_number(""));
    }

    proptest! {
        #[test]
        fn skipped_numbers_are_exact(
            number in "-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,15})?([eE][+-]?[0-9]{1,3})?",
        ) {
            let parsed: Option<Number> = serde_json::from_str(&number).ok();
            let doubles = parsed.as_ref().map(Doubles::of);
            let usual = doubles.is_some_and(|doubles| doubles < Doubles::Any);
            // The exception is described at the top of this file.
            let unfound = !number.contains('.') && number.to_lowercase().contains("e-");
            let passed = usual && !has_long_number(&number) && !has_odd_fraction(&number);
            if is_surely_exact(number.as_bytes()) || passed && !unfound {
                prop_assert_eq!(written(&number), Ok(None));
            }
        }

        #[test]
        fn the_walk_ends_for_any_text(text in "[\\[\\]{}:,\"\\\\0-9eE. a-z-]{0,60}") {
            let _ = lost_numbers(&text);
        }
    }
}
