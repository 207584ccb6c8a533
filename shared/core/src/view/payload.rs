//! Reads single values from a payload without parsing it into a tree: an entry is read each time it
//! is folded, and units need only few values.
//!
//! The text after the value is not read, because the history stores only canonical JSON, which is
//! valid.

use std::borrow::Cow;
use std::cmp::Ordering;

use jsonptr::index::Index;
use jsonptr::{Pointer, Token};

use super::numbers::Numbers;
use crate::event::{number_end, string};

/// The canonical JSON text of a payload.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a>(pub &'a str);

/// The value at a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Null,
    /// A boolean, a list or an object.
    Other,
}

impl<'a> Payload<'a> {
    /// The value at a path, if any.
    pub(super) fn find(self, path: &Pointer) -> Option<Found<'a>> {
        let Self(text) = self;
        if let Some(name) = only_name(path).filter(|_| text.starts_with('{')) {
            let [found] = members(text, 1, [name]);
            return value(text, found?);
        }
        let (mut at, mut path) = (0, path);
        while let Some((token, rest)) = path.split_front() {
            (at, path) = (step(text, at, token)?, rest);
        }
        value(text, at)
    }

    /// The values at two paths. Members of one object are found in one pass.
    pub(super) fn find_both(
        self,
        first: &Pointer,
        second: &Pointer,
    ) -> (Option<Found<'a>>, Option<Found<'a>>) {
        let Self(text) = self;
        match (only_name(first), only_name(second)) {
            (Some(one), Some(other)) if text.starts_with('{') => {
                let [first, second] = members(text, 1, [one, other]);
                (first.and_then(|at| value(text, at)), second.and_then(|at| value(text, at)))
            }
            _ => (self.find(first), self.find(second)),
        }
    }

    /// The number at a path.
    pub(super) fn number(self, path: &Pointer, numbers: Numbers) -> Option<f64> {
        self.find(path)?.number(numbers)
    }
}

impl Found<'_> {
    /// The number that the value is.
    pub(super) fn number(&self, numbers: Numbers) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number).filter(|number| number.is_finite()),
            Self::Text(text) => numbers.of_text(text),
            Self::Null | Self::Other => None,
        }
    }
}

/// The name in a path of one step without escapes. Most paths are such, and taking a path apart costs more than
/// the step.
fn only_name(path: &Pointer) -> Option<&str> {
    let name = path.as_str().strip_prefix('/')?;
    name.bytes().all(|byte| !matches!(byte, b'/' | b'~')).then_some(name)
}

/// Where the value begins to which a token leads from the value at `at`.
fn step(text: &str, at: usize, token: Token<'_>) -> Option<usize> {
    let json = text.as_bytes();
    match json.get(at)? {
        b'{' => {
            let [found] = members(text, at + 1, [&*token.decoded()]);
            found
        }
        b'[' => match token.to_index() {
            Ok(Index::Num(index)) => element(json, at + 1, index),
            Ok(Index::Next) | Err(_) => None,
        },
        _ => None,
    }
}

/// Where the values of members begin. `at` is behind the opening bracket of the object.
///
/// Names in canonical JSON are sorted, so the search stops once every wanted name is found or passed.
fn members<const COUNT: usize>(
    text: &str,
    mut at: usize,
    wanted: [&str; COUNT],
) -> [Option<usize>; COUNT] {
    let mut found = [None; COUNT];
    while let Some((name, end)) = text_at(text, at) {
        let begin = end + b":".len();
        let mut waits = false;
        for (wanted, found) in wanted.iter().zip(&mut found) {
            match order(&name, wanted) {
                Ordering::Less => waits = true,
                Ordering::Equal => *found = Some(begin),
                Ordering::Greater => {}
            }
        }
        if !waits {
            break;
        }
        let Some(next) = next(text.as_bytes(), begin) else { break };
        at = next;
    }
    found
}

/// Compares a name with the wanted name. Beyond ASCII the order of names differs from byte order, so no such
/// name counts as greater.
fn order(name: &str, wanted: &str) -> Ordering {
    // Most names differ in their first byte, which is compared faster than a text.
    let first = |text: &str| text.bytes().next();
    match first(name).cmp(&first(wanted)).then_with(|| name.cmp(wanted)) {
        Ordering::Greater if !(name.is_ascii() && wanted.is_ascii()) => Ordering::Less,
        order => order,
    }
}

/// Where an element begins. `at` is behind the opening bracket of the list.
fn element(json: &[u8], at: usize, index: usize) -> Option<usize> {
    (0..index).try_fold(at, |at, _| next(json, at))
}

/// Where the next member or element begins, after the value at `at`; `None`: that was the last one.
fn next(json: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match json.get(at)? {
            b'"' => {
                (at, _) = string(json, at);
                continue;
            }
            b',' if depth == 0 => return Some(at + 1),
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'{' | b'[' => depth += 1,
            _ => {}
        }
        at += 1;
    }
}

/// The value that begins here.
fn value(text: &str, at: usize) -> Option<Found<'_>> {
    match text.as_bytes().get(at)? {
        b'"' => text_at(text, at).map(|(value, _)| Found::Text(value)),
        b'-' | b'0'..=b'9' => {
            let number = text.get(at..number_end(text.as_bytes(), at))?;
            serde_json::from_str(number).ok().map(Found::Number)
        }
        b'n' => Some(Found::Null),
        b't' | b'f' | b'{' | b'[' => Some(Found::Other),
        _ => None,
    }
}

/// The string that begins here, and its end.
fn text_at(text: &str, at: usize) -> Option<(Cow<'_, str>, usize)> {
    let json = text.as_bytes();
    if json.get(at) != Some(&b'"') {
        return None;
    }
    let (end, has_escapes) = string(json, at);
    let content = if has_escapes {
        Cow::Owned(serde_json::from_str(text.get(at..end)?).ok()?)
    } else {
        Cow::Borrowed(text.get(at + 1..end - 1)?)
    };
    Some((content, end))
}

#[cfg(test)]
mod tests {
    use jsonptr::PointerBuf;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::event::canonical_json;

    fn is_found(found: Option<&Found<'_>>, value: Option<&Value>) -> bool {
        match (found, value) {
            (None, None) => true,
            (Some(Found::Number(number)), Some(value)) => value.as_f64() == Some(*number),
            (Some(Found::Text(text)), Some(value)) => value.as_str() == Some(text.as_ref()),
            (Some(Found::Null), Some(value)) => value.is_null(),
            (Some(Found::Other), Some(value)) => {
                value.is_boolean() || value.is_array() || value.is_object()
            }
            _ => false,
        }
    }

    fn check(payload: &Value, path: &str) {
        let text = canonical_json(payload).expect("canonical");
        let path = PointerBuf::parse(path).expect("a pointer");
        let found = Payload(&text).find(&path);
        let value = path.resolve(payload).ok();
        assert!(is_found(found.as_ref(), value), "{text} {path}: {found:?} {value:?}");
        for other in ["/a", "/é", "/z", "/a/b", ""] {
            let other = PointerBuf::parse(other).expect("a pointer");
            let alone = (Payload(&text).find(&path), Payload(&text).find(&other));
            assert_eq!(Payload(&text).find_both(&path, &other), alone, "{text} {path} {other}");
        }
    }

    #[test]
    fn a_path_finds_the_same_value_as_in_a_tree() {
        let payload = json!({
            "a": {"b": [1, {"c": -2.5}, "x\n"], "~/": u64::MAX}, "": true, "é": "ü", "n": null,
            "i": i64::MIN, "0": "zero",
        });
        for path in [
            "", "/", "/a", "/a/b", "/a/b/0", "/a/b/1/c", "/a/b/2", "/a/b/3", "/a/b/-", "/a/b/00",
            "/a/~0~1", "/é", "/n", "/n/x", "/i", "/0", "/a/b/x", "/nothing", "/i/0",
        ] {
            check(&payload, path);
        }
        check(&json!([[7]]), "/0/0");
        check(&json!(3), "");
    }

    #[test]
    fn a_text_that_is_not_json_has_no_values() {
        let path = PointerBuf::parse("/a").expect("a pointer");
        for text in ["", "no", "{\"b\":1", "{\"a\":"] {
            assert_eq!(Payload(text).find(&path), None, "{text}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e300f64..1e300).prop_map(Value::from),
            "[a-c\\\\\"é]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[abé\u{ffff}\u{1f600}0~/]{0,2}", inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_path_finds_the_same_value_as_in_a_tree(
            value in values(),
            names in prop::collection::vec("[abé\u{ffff}\u{1f600}01~/]{0,2}", 0..4),
        ) {
            check(&value, PointerBuf::from_tokens(names).as_str());
        }
    }
}
