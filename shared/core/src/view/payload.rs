//! Reads single values from a payload without parsing it into a tree: an entry is read each time it
//! is folded, and units need only few values.
//!
//! The text after the value is not read, because the history stores only canonical JSON, which is
//! valid.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use super::numbers::Numbers;
use jsonptr::Pointer;
use jsonptr::index::Index;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
        let mut found = None;
        let pick = Pick { path, found: &mut found };
        // Reading stops at the value, in the middle of the text, which the deserializer reports as
        // an error.
        let _ = pick.deserialize(&mut serde_json::Deserializer::from_str(self.0));
        found
    }

    /// The number at a path.
    pub(super) fn number(self, path: &Pointer, numbers: Numbers) -> Option<f64> {
        match self.find(path)? {
            Found::Number(number) => Some(number).filter(|number| number.is_finite()),
            Found::Text(text) => numbers.of_text(&text),
            Found::Null | Found::Other => None,
        }
    }
}

/// Descends along a path.
struct Pick<'p, 'f, 'a> {
    path: &'p Pointer,
    found: &'f mut Option<Found<'a>>,
}

impl<'a> Pick<'_, '_, 'a> {
    fn end(self, found: Found<'a>) {
        if self.path.is_root() {
            *self.found = Some(found);
        }
    }
}

impl<'a> DeserializeSeed<'a> for Pick<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Pick<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.end(Found::Null);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.end(Found::Other);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "measures are doubles")]
    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.end(Found::Number(number as f64));
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "measures are doubles")]
    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.end(Found::Number(number as f64));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.end(Found::Number(number));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.end(Found::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.end(Found::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((token, path)) = self.path.split_front() else {
            self.end(Found::Other);
            return Ok(());
        };
        let Ok(Index::Num(index)) = token.to_index() else { return Ok(()) };
        for _ in 0..index {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        list.next_element_seed(Pick { path, found: self.found })?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<(), A::Error> {
        let Some((token, path)) = self.path.split_front() else {
            self.end(Found::Other);
            return Ok(());
        };
        let wanted = token.decoded();
        while let Some(order) = object.next_key_seed(To(&wanted))? {
            match order {
                Ordering::Less => object.next_value::<IgnoredAny>()?,
                Ordering::Equal => {
                    return object.next_value_seed(Pick { path, found: self.found });
                }
                Ordering::Greater => break,
            };
        }
        Ok(())
    }
}

/// Compares a name with the wanted name. Names in canonical JSON are sorted, so the search stops at
/// a greater name. Beyond ASCII the order differs from byte order, so no such name counts as
/// greater.
struct To<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for To<'_> {
    type Value = Ordering;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Ordering, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for To<'_> {
    type Value = Ordering;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Ordering, E> {
        Ok(match name.cmp(self.0) {
            Ordering::Greater if !(name.is_ascii() && self.0.is_ascii()) => Ordering::Less,
            order => order,
        })
    }
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
