//! Canonical JSON by RFC 8785 with one deviation: numbers keep their digits. The RFC converts every
//! number to a double, so 9007199254740992 and 9007199254740993 would be equal, and the second of
//! two ids or counters would be dropped as a duplicate.
//!
//! Integers of up to 64 bits are written unchanged. `serde_json_canonicalizer` writes doubles.
//! [`Exact`] holds the texts of numbers that parsing changed or that the record spells otherwise.

use serde_json::{Map, Number, Value};

use super::decimal::Decimal;
use super::doubles::{Doubles, Exact};
use super::places::Places;

/// Excluded members and elements.
pub(crate) type Except = Places<()>;

/// How a number of [`Exact`] is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Normalized: all spellings of a number have one text. For comparisons and digests.
    #[default]
    Normal,
    /// As the record spells it. For stored payloads.
    Kept,
}

/// Exclusions and exact numbers of a value and its descendants.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks<'a> {
    pub(super) except: Option<&'a Except>,
    pub(super) exact: Option<&'a Exact>,
    pub(super) spelling: Spelling,
}

impl<'a> Marks<'a> {
    /// The marks of a member or element; `None` if it is excluded.
    fn below(
        self,
        except: impl Fn(&'a Except) -> Option<&'a Except>,
        exact: impl Fn(&'a Exact) -> Option<&'a Exact>,
    ) -> Option<Self> {
        let (except, exact) = (self.except.and_then(except), self.exact.and_then(exact));
        let marks = Self { except, exact, spelling: self.spelling };
        marks.except.is_none_or(|except| except.here().is_none()).then_some(marks)
    }
}

/// Appends the canonical text of a value without the excluded places. Returns which doubles it
/// contains.
pub(super) fn write(
    value: &Value,
    marks: Marks<'_>,
    text: &mut Vec<u8>,
) -> Result<Doubles, serde_json::Error> {
    match value {
        Value::Null => text.extend_from_slice(b"null"),
        Value::Bool(true) => text.extend_from_slice(b"true"),
        Value::Bool(false) => text.extend_from_slice(b"false"),
        Value::Number(number) => return write_number(number, marks, text),
        Value::String(string) => write_string(string, text)?,
        Value::Array(items) => return write_array(items, marks, text),
        Value::Object(fields) => return write_object(fields, marks, text),
    }
    Ok(Doubles::None)
}

/// serde_json escapes strings exactly as RFC 8785 requires. Most strings need no escapes.
fn write_string(string: &str, text: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    if needs_escapes(string) {
        return serde_json::to_writer(text, string);
    }
    text.push(b'"');
    text.extend_from_slice(string.as_bytes());
    text.push(b'"');
    Ok(())
}

/// Without an early end: most strings are looked at as a whole anyway.
fn needs_escapes(string: &str) -> bool {
    let is_escaped = |byte| ESCAPED.get(usize::from(byte)).copied().unwrap_or_default();
    string.bytes().fold(false, |found, byte| found | is_escaped(byte))
}

/// By byte, whether it is escaped in a string. A table is faster than three comparisons.
#[expect(clippy::indexing_slicing, reason = "an index out of range would stop the build")]
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut control = 0;
    while control < b' ' as usize {
        escaped[control] = true;
        control += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

fn write_number(
    number: &Number,
    marks: Marks<'_>,
    text: &mut Vec<u8>,
) -> Result<Doubles, serde_json::Error> {
    let doubles = Doubles::of(number);
    match (doubles, marks.exact.and_then(Places::here)) {
        (Doubles::None, _) => serde_json::to_writer(text, number)?,
        (Doubles::Usual | Doubles::Any, Some(written)) => {
            match (marks.spelling, Decimal::parse(written)) {
                (Spelling::Normal, Ok(decimal)) => {
                    text.extend_from_slice(decimal.to_string().as_bytes())
                }
                (Spelling::Kept, _) | (Spelling::Normal, Err(_)) => {
                    text.extend_from_slice(written.as_bytes())
                }
            }
        }
        (Doubles::Usual | Doubles::Any, None) if is_written_alike(number) => {
            serde_json::to_writer(text, number)?;
        }
        (Doubles::Usual | Doubles::Any, None) => {
            serde_json_canonicalizer::to_writer(number, text)?;
        }
    }
    Ok(doubles)
}

/// Whether serde_json, which is faster, writes a double as the RFC requires: it has a fraction, and neither
/// writes it with an exponent.
fn is_written_alike(number: &Number) -> bool {
    number
        .as_f64()
        .is_some_and(|double| (1e-3..1e15).contains(&double.abs()) && double.fract() != 0.0)
}

fn write_array(
    items: &[Value],
    marks: Marks<'_>,
    text: &mut Vec<u8>,
) -> Result<Doubles, serde_json::Error> {
    let (mut separator, mut doubles) = (b'[', Doubles::None);
    for (index, item) in items.iter().enumerate() {
        let below = marks.below(|except| except.element(index), |exact| exact.element(index));
        let Some(marks) = below else { continue };
        text.push(separator);
        separator = b',';
        doubles = doubles.max(write(item, marks, text)?);
    }
    end(separator, b'[', b']', text);
    Ok(doubles)
}

fn write_object(
    fields: &Map<String, Value>,
    marks: Marks<'_>,
    text: &mut Vec<u8>,
) -> Result<Doubles, serde_json::Error> {
    // The RFC sorts by UTF-16 code units. The map sorts by bytes, which differs only beyond U+FFFF.
    if has_names_in_order(fields) {
        return write_fields(fields.iter(), marks, text);
    }
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    write_fields(sorted.into_iter(), marks, text)
}

/// Whether the names are sorted, also by UTF-16 code units.
fn has_names_in_order(fields: &Map<String, Value>) -> bool {
    let mut before = "";
    fields.keys().all(|name| {
        let is_in_order = name.is_ascii() && before <= name.as_str();
        before = name;
        is_in_order
    })
}

fn write_fields<'a>(
    fields: impl Iterator<Item = (&'a String, &'a Value)>,
    marks: Marks<'_>,
    text: &mut Vec<u8>,
) -> Result<Doubles, serde_json::Error> {
    let (mut separator, mut doubles) = (b'{', Doubles::None);
    for (name, value) in fields {
        let below = marks.below(|except| except.member(name), |exact| exact.member(name));
        let Some(marks) = below else { continue };
        text.push(separator);
        separator = b',';
        write_string(name, text)?;
        text.push(b':');
        doubles = doubles.max(write(value, marks, text)?);
    }
    end(separator, b'{', b'}', text);
    Ok(doubles)
}

/// Closes a list or object. If the separator is still the opening bracket, nothing was written.
fn end(separator: u8, opening: u8, closing: u8, text: &mut Vec<u8>) {
    if separator == opening {
        text.push(opening);
    }
    text.push(closing);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::canonical_json;
    use super::*;

    fn check(json: &str, expected: &str) {
        let value: Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(&*canonical_json(&value).expect("canonical"), expected, "{json}");
    }

    #[test]
    fn integers_beyond_2_to_the_53_keep_their_digits() {
        check("9007199254740992", "9007199254740992");
        check("9007199254740993", "9007199254740993");
        check(
            "[18446744073709551615,-9223372036854775808]",
            "[18446744073709551615,-9223372036854775808]",
        );
    }

    #[test]
    fn the_library_would_lose_their_digits() {
        let text = serde_json_canonicalizer::to_string(&json!(9_007_199_254_740_993_u64));
        assert_eq!(text.expect("canonical"), "9007199254740992");
    }

    #[test]
    fn all_spellings_of_a_number_have_one_text() {
        check("[1.0,1e0,1,-0.0,10E-1]", "[1,1,1,0,1]");
        check("[1e21,1e-7,333333333.33333329]", "[1e+21,1e-7,333333333.3333333]");
    }

    #[test]
    fn names_sort_by_utf16_code_units() {
        check(
            "{\"\u{fb33}\":1,\"\u{1f600}\":2,\"b\":3,\"a\":4}",
            "{\"a\":4,\"b\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}",
        );
    }

    #[test]
    fn strings_are_escaped_as_in_the_rfc() {
        check(
            r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\u007f""#,
            "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\"",
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-(1i64 << 53)..=1i64 << 53).prop_map(Value::from),
            any::<f64>()
                .prop_filter("JSON numbers are finite", |n| n.is_finite())
                .prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn below_2_to_the_53_the_text_equals_the_librarys(value in values()) {
            let expected = serde_json_canonicalizer::to_string(&value).expect("canonical");
            prop_assert_eq!(&*canonical_json(&value).expect("canonical"), expected.as_str());
        }

        #[test]
        fn usual_doubles_have_the_librarys_text(digits: i64, places in 0i32..24) {
            #[expect(clippy::cast_precision_loss, reason = "any double will do")]
            let value = Value::from(digits as f64 / 10f64.powi(places));
            let expected = serde_json_canonicalizer::to_string(&value).expect("canonical");
            prop_assert_eq!(&*canonical_json(&value).expect("canonical"), expected.as_str());
        }

        #[test]
        fn canonicalizing_is_idempotent(value in values(), number in any::<u64>()) {
            let once = canonical_json(&json!([value, number])).expect("canonical");
            let again: Value = serde_json::from_str(&once).expect("JSON");
            prop_assert_eq!(canonical_json(&again).expect("canonical"), once);
        }
    }
}
