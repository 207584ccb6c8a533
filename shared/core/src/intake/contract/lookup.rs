//! One compiled source: where a contract or a route finds one thing in a record.

use std::borrow::Cow;

use jsonptr::{Pointer, PointerBuf};
use serde_json::Value;

use super::document::SourceDocument;
use crate::base::error::{Code, Rejection};
use crate::base::limits;
use crate::intake::fault::Faults;
use crate::intake::record::{HeaderValue, Record};

/// Where to look, in turn.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    places: Vec<FieldSource>,
    default: Option<Value>,
}

#[derive(Clone, Debug)]
enum FieldSource {
    Path(Path),
    Header(String),
    Constant(Value),
}

#[derive(Clone, Debug)]
struct Path {
    pointer: PointerBuf,
    /// The name that it consists of, if it has one step only, as nearly every one has. Reading the
    /// pointer costs more than the step.
    field: Option<String>,
}

/// What was found, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) value: Raw<'a>,
    /// Where it stands in the record's body, if it does.
    pub(crate) path: Option<&'a Pointer>,
}

/// A thing as the record says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    Json(&'a Value),
    Header(HeaderValue<'a>),
}

impl Lookup {
    /// Compiles a source; `None` after a fault.
    pub(crate) fn compile(
        source: &SourceDocument,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Self> {
        let places = if source.first.is_empty() {
            vec![FieldSource::compile(source, path, faults)?]
        } else {
            alternatives(source, path, faults)?
        };
        Some(Self { places, default: source.default.clone() })
    }

    /// The thing itself, whatever the record says.
    pub(crate) fn constant(&self) -> Option<&Value> {
        match self.places.first() {
            Some(FieldSource::Constant(value)) => Some(value),
            Some(FieldSource::Path(_) | FieldSource::Header(_)) | None => None,
        }
    }

    /// Whether the record's body is not needed to find it.
    pub(crate) fn reads_body(&self) -> bool {
        self.places.iter().any(|source| matches!(source, FieldSource::Path(_)))
    }

    /// What the record says. A JSON null says nothing.
    pub(crate) fn find<'a>(&'a self, record: &'a Record, json: &'a Value) -> Option<Found<'a>> {
        let mut found = self.places.iter().filter_map(|source| source.find(record, json));
        found.find(|found| !found.is_null()).or_else(|| self.otherwise())
    }

    /// What the record says where a null is a value like any other, and where it stands.
    pub(crate) fn find_json<'a>(
        &'a self,
        record: &'a Record,
        json: &'a Value,
    ) -> Option<(&'a Value, Option<&'a Pointer>)> {
        let mut found = self.places.iter().filter_map(|source| source.find(record, json));
        let found = found.next().or_else(|| self.otherwise())?;
        match found.value {
            Raw::Json(value) => Some((value, found.path)),
            Raw::Header(_) => None,
        }
    }

    fn otherwise(&self) -> Option<Found<'_>> {
        self.default.as_ref().map(|value| Found { value: Raw::Json(value), path: None })
    }

    /// The headers that it looks at.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|source| match source {
            FieldSource::Header(name) => Some(name.as_str()),
            FieldSource::Path(_) | FieldSource::Constant(_) => None,
        })
    }

    /// The rejection of a record that does not say it anywhere.
    pub(crate) fn missing(&self, what: &str) -> Rejection {
        Self::all_missing(what, std::slice::from_ref(self))
    }

    /// The rejection of a record that says none of several things.
    pub(crate) fn all_missing(what: &str, lookups: &[Self]) -> Rejection {
        let places = || lookups.iter().flat_map(|lookup| &lookup.places);
        let shown: Vec<String> = places().map(FieldSource::shown).collect();
        let message = format!("{what} is absent: {}", shown.join(" "));
        let first = places().find_map(FieldSource::path);
        Rejection { code: Code::MissingField, path: first.map(str::to_owned), message }
    }
}

fn alternatives(
    source: &SourceDocument,
    path: &str,
    faults: &mut Faults,
) -> Option<Vec<FieldSource>> {
    if source.path.is_some() || source.header.is_some() || source.constant.is_some() {
        faults.add(path, "first stands alone or with default");
        return None;
    }
    let path = format!("{path}/first");
    if source.first.len() > limits::ALTERNATIVES {
        faults.add(path, format!("too many alternatives: limit=`{}`", limits::ALTERNATIVES));
        return None;
    }
    let compiled = source.first.iter().enumerate().map(|(index, one)| {
        let path = format!("{path}/{index}");
        if !one.first.is_empty() || one.default.is_some() {
            faults.add(path, "an alternative is a path, a header or a const");
            return None;
        }
        FieldSource::compile(one, &path, faults)
    });
    // Every one is compiled before any is missed, so that no fault stays unsaid.
    let compiled: Vec<Option<FieldSource>> = compiled.collect();
    compiled.into_iter().collect()
}

impl FieldSource {
    fn compile(source: &SourceDocument, path: &str, faults: &mut Faults) -> Option<Self> {
        match (&source.path, &source.header, &source.constant) {
            (Some(pointer), None, None) => {
                let pointer = compiled_pointer(pointer, &format!("{path}/path"), faults)?;
                Some(Self::Path(Path::new(pointer)))
            }
            (None, Some(header), None) => Some(Self::Header(header.clone())),
            (None, None, Some(value)) => Some(Self::Constant(value.clone())),
            _ => {
                faults.add(path, "exactly one of path, header, const and first is needed");
                None
            }
        }
    }

    fn find<'a>(&'a self, record: &'a Record, json: &'a Value) -> Option<Found<'a>> {
        match self {
            Self::Path(path) => {
                let value = path.resolve(json)?;
                Some(Found { value: Raw::Json(value), path: Some(&path.pointer) })
            }
            Self::Header(name) => {
                record.header(name).map(|value| Found { value: Raw::Header(value), path: None })
            }
            Self::Constant(value) => Some(Found { value: Raw::Json(value), path: None }),
        }
    }

    fn path(&self) -> Option<&str> {
        match self {
            Self::Path(path) => Some(path.pointer.as_str()),
            Self::Header(_) | Self::Constant(_) => None,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Path(path) => format!("path=`{}`", path.pointer),
            Self::Header(name) => format!("header=`{name}`"),
            Self::Constant(_) => "const".to_owned(),
        }
    }
}

impl Path {
    fn new(pointer: PointerBuf) -> Self {
        let step = pointer.split_front().filter(|(_, rest)| rest.is_root());
        let field = step.map(|(name, _)| name.decoded().into_owned());
        Self { pointer, field }
    }

    fn resolve<'a>(&self, json: &'a Value) -> Option<&'a Value> {
        match (&self.field, json) {
            (Some(field), Value::Object(object)) => object.get(field),
            _ => self.pointer.resolve(json).ok(),
        }
    }
}

/// A pointer of a document; `None` after a fault.
pub(crate) fn compiled_pointer(text: &str, path: &str, faults: &mut Faults) -> Option<PointerBuf> {
    let pointer = PointerBuf::parse(text).ok();
    if pointer.is_none() {
        faults.add(path, "not a JSON Pointer (RFC 6901): it is empty or starts with a slash");
    }
    pointer
}

impl<'a> Found<'a> {
    fn is_null(&self) -> bool {
        matches!(self.value, Raw::Json(Value::Null))
    }

    /// As a text. A whole number is one, too: many producers count their ids.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self.value {
            Raw::Json(Value::String(text)) => Some(Cow::Borrowed(text)),
            Raw::Json(Value::Number(number)) if !number.is_f64() => {
                Some(Cow::Owned(number.to_string()))
            }
            Raw::Json(_) | Raw::Header(HeaderValue::Unreadable) => None,
            Raw::Header(HeaderValue::Text(text)) => Some(Cow::Borrowed(text)),
            Raw::Header(HeaderValue::Long(number) | HeaderValue::Millis(number)) => {
                Some(Cow::Owned(number.to_string()))
            }
        }
    }

    /// A rejection because of this thing.
    pub(crate) fn rejection(&self, code: Code, message: impl Into<String>) -> Rejection {
        Rejection { code, path: self.shown_path(), message: message.into() }
    }

    /// Says where a rejection of this thing belongs.
    pub(crate) fn located(&self, rejection: Rejection) -> Rejection {
        Rejection { path: self.shown_path(), ..rejection }
    }

    fn shown_path(&self) -> Option<String> {
        self.path.map(|path| path.as_str().to_owned())
    }
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
