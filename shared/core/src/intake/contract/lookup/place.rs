//! One place of a record: a path into its body, a header, its key or its topic; or a constant of the
//! contract.

use jsonptr::{Pointer, PointerBuf};
use serde_json::{Map, Value};

use super::super::document::SourceDocument;
use super::found::{Found, Raw};
use super::pointer::compiled_pointer;
use crate::intake::fault::Faults;
use crate::intake::record::{HeaderValue, Parsed, Record, Source};

#[derive(Clone, Debug)]
pub(super) enum Place {
    Path(Path),
    Header(String),
    Key,
    Topic,
    Constant(Value),
}

#[derive(Clone, Debug)]
pub(crate) struct Path {
    pointer: PointerBuf,
    /// The name in a pointer with one step. Most pointers have one step, and decoding the pointer costs more
    /// than the step.
    field: Option<String>,
}

impl Place {
    pub(super) fn compile(
        source: &SourceDocument,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Self> {
        let SourceDocument { path: pointer, header, key, topic, constant, .. } = source;
        match (pointer, header, *key, *topic, constant) {
            (Some(pointer), None, false, false, None) => {
                let pointer = compiled_pointer(pointer, &format!("{path}/path"), faults)?;
                Some(Self::Path(Path::new(pointer)))
            }
            (None, Some(header), false, false, None) => Some(Self::Header(header.clone())),
            (None, None, true, false, None) => Some(Self::Key),
            (None, None, false, true, None) => Some(Self::Topic),
            (None, None, false, false, Some(value)) => Some(Self::Constant(value.clone())),
            _ => {
                let came = [
                    ("path", pointer.is_some()),
                    ("header", header.is_some()),
                    ("key", *key),
                    ("topic", *topic),
                    ("const", constant.is_some()),
                ];
                let came = came.into_iter().filter_map(|(name, came)| came.then_some(name));
                let came = came.collect::<Vec<_>>().join(" and ");
                let came = if came.is_empty() { "none" } else { &came };
                let wanted = "wanted exactly one of path, header, key, topic, const and first";
                faults.add(path, format!("{wanted}, came {came}"));
                None
            }
        }
    }

    pub(super) fn find<'a>(&'a self, parsed: &'a Parsed<'_>, json: &'a Value) -> Option<Found<'a>> {
        let raw = match self {
            Self::Path(path) => {
                let value = path.resolve(json)?;
                return Some(Found { value: Raw::Json(value), path: Some(&path.pointer), parsed });
            }
            Self::Constant(value) => Raw::Json(value),
            Self::Header(_) | Self::Key | Self::Topic => Raw::Plain(self.plain(parsed.record())?),
        };
        Some(Found::outside(raw, parsed))
    }

    /// The value outside the body.
    pub(super) fn plain<'a>(&'a self, record: &'a Record) -> Option<HeaderValue<'a>> {
        match (self, &record.source) {
            (Self::Header(name), _) => record.header(name),
            (Self::Key, _) => record.key.as_deref().map(HeaderValue::of_text),
            (Self::Topic, Source::Kafka { topic, .. }) => Some(HeaderValue::Text(topic)),
            (Self::Topic, Source::Http { .. }) | (Self::Path(_) | Self::Constant(_), _) => None,
        }
    }

    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::Path(path) => Some(path.pointer.as_str()),
            Self::Header(_) | Self::Key | Self::Topic | Self::Constant(_) => None,
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::Path(path) => format!("path=`{}`", path.pointer),
            Self::Header(name) => format!("header=`{name}`"),
            Self::Key => "key".to_owned(),
            Self::Topic => "topic".to_owned(),
            Self::Constant(_) => "const".to_owned(),
        }
    }
}

impl Path {
    pub(crate) fn new(pointer: PointerBuf) -> Self {
        let step = pointer.split_front().filter(|(_, rest)| rest.is_root());
        let field = step.map(|(name, _)| name.decoded().into_owned());
        Self { pointer, field }
    }

    /// The pointer of the path.
    pub(crate) fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// The value at the path, unless the value is null.
    pub(crate) fn value_in<'a>(&self, json: &'a Value) -> Option<&'a Value> {
        self.resolve(json).filter(|value| !value.is_null())
    }

    fn resolve<'a>(&self, json: &'a Value) -> Option<&'a Value> {
        match (&self.field, json) {
            (Some(field), Value::Object(object)) => member(object, field),
            _ => self.pointer.resolve(json).ok(),
        }
    }
}

/// Most names in an object have another length than the wanted one, so that a search of equal texts is faster than the
/// map's own search, which asks for their order, as long as there are few members.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    const FEW: usize = 11;
    if object.len() <= FEW {
        return object.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
    }
    object.get(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_where_its_pointer_does() {
        let values =
            [json!({"a": 1, "~/": 2, "": 3, "0": {"b": 4}}), json!([5, {"a": 6}]), json!(7)];
        for text in ["", "/", "/a", "/~0~1", "/0", "/0/b", "/1/a", "/00", "/-", "/nothing"] {
            let pointer = PointerBuf::parse(text).expect("a pointer");
            let path = Path::new(pointer.clone());
            for value in &values {
                assert_eq!(path.resolve(value), pointer.resolve(value).ok(), "{text} {value}");
            }
        }
    }
}
