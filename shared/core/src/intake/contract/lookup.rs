//! A compiled source: the places of a record at which a contract or a route finds one value.

mod found;
mod place;
mod pointer;

use jsonptr::Pointer;
use serde_json::Value;

pub(crate) use self::found::{Found, Raw};
pub(crate) use self::place::Path;
use self::place::Place;
pub(crate) use self::pointer::compiled_pointer;
use super::document::SourceDocument;
use crate::base::error::{Code, Rejection};
use crate::base::limits;
use crate::intake::fault::{Faults, too_many};
use crate::intake::record::{HeaderValue, Parsed, Record};
use crate::intake::schema::kind_of;

/// The places, in their order, and a default.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    places: Vec<Place>,
    default: Option<Value>,
}

impl Lookup {
    /// Compiles a source; `None` after a fault.
    pub(crate) fn compile(
        source: &SourceDocument,
        path: &str,
        faults: &mut Faults,
    ) -> Option<Self> {
        let places = if source.first.is_empty() {
            vec![Place::compile(source, path, faults)?]
        } else {
            alternatives(source, path, faults)?
        };
        Some(Self { places, default: source.default.clone() })
    }

    /// The constant of the source, if it has one.
    pub(crate) fn constant(&self) -> Option<&Value> {
        match self.places.first() {
            Some(Place::Constant(value)) => Some(value),
            _ => None,
        }
    }

    /// Whether the source reads the body of a record.
    pub(crate) fn reads_body(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Path(_)))
    }

    /// The value in a record. A JSON null is no value. If the source has alternatives, an empty text is no
    /// value either.
    pub(crate) fn find<'a>(&'a self, parsed: &'a Parsed<'_>, json: &'a Value) -> Option<Found<'a>> {
        self.find_unless(parsed, json, |_| false)
    }

    /// Like [`Self::find`], but values for which `is_none` holds are no values.
    pub(crate) fn find_unless<'a>(
        &'a self,
        parsed: &'a Parsed<'_>,
        json: &'a Value,
        is_none: impl Fn(&Found<'a>) -> bool,
    ) -> Option<Found<'a>> {
        let alone = self.places.len() == 1;
        let mut found = self.places.iter().filter_map(|place| place.find(parsed, json));
        let says =
            |found: &Found<'a>| !found.is_null() && (alone || !found.is_empty()) && !is_none(found);
        found.find(says).or_else(|| self.otherwise(parsed))
    }

    /// The JSON that history keeps. A null or an empty text counts if no alternative has another value.
    pub(crate) fn find_json<'a>(
        &'a self,
        parsed: &'a Parsed<'_>,
        json: &'a Value,
    ) -> Option<(&'a Value, Option<&'a Pointer>)> {
        let mut nothing = None;
        for place in &self.places {
            let Some(found) = place.find(parsed, json) else { continue };
            if self.places.len() == 1 || !(found.is_null() || found.is_empty()) {
                return found.json();
            }
            nothing = nothing.or(Some(found));
        }
        nothing.or_else(|| self.otherwise(parsed))?.json()
    }

    fn otherwise<'a>(&'a self, parsed: &'a Parsed<'_>) -> Option<Found<'a>> {
        self.default.as_ref().map(|value| Found::outside(Raw::Json(value), parsed))
    }

    /// The headers that the source reads.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|place| match place {
            Place::Header(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The value at each place outside the body: a header, the key, the topic.
    pub(crate) fn plain<'a>(
        &'a self,
        record: &'a Record,
    ) -> impl Iterator<Item = Option<HeaderValue<'a>>> {
        self.places.iter().filter_map(|place| match place {
            Place::Path(_) | Place::Constant(_) => None,
            place => Some(place.plain(record)),
        })
    }

    /// The rejection of a record that has no value at any place.
    pub(crate) fn missing(&self, what: &str, parsed: &Parsed<'_>, json: &Value) -> Rejection {
        Self::all_missing(what, std::slice::from_ref(self), parsed, json)
    }

    /// The rejection of a record in which none of several sources finds a value.
    pub(crate) fn all_missing(
        what: &str,
        lookups: &[Self],
        parsed: &Parsed<'_>,
        json: &Value,
    ) -> Rejection {
        let places = || lookups.iter().flat_map(|lookup| &lookup.places);
        let shown = places().map(|place| {
            let found = place.find(parsed, json);
            format!("{} {}", place.shown(), found.map_or("is absent", absence))
        });
        let shown: Vec<String> = shown.collect();
        let first = places().find_map(Place::path);
        let form = match first {
            Some(_) if !json.is_object() => other_form(parsed, json),
            Some(_) | None => String::new(),
        };
        let message = format!("{what} is missing: {}{form}", shown.join(", "));
        Rejection { code: Code::MissingField, path: first.map(str::to_owned), message }
    }
}

/// The form of a record or an element that has no members, for example a list that no transform splits.
fn other_form(parsed: &Parsed<'_>, json: &Value) -> String {
    let whose = if parsed.element_number().is_some() { "element" } else { "record" };
    format!("; the {whose} is {}, not an object", kind_of(json))
}

/// Why a value that is found counts as missing.
fn absence(found: Found<'_>) -> &'static str {
    if found.is_null() {
        "is null"
    } else if found.is_empty() {
        "is an empty text"
    } else {
        "is 0 or in the year 1, which means no time"
    }
}

fn alternatives(source: &SourceDocument, path: &str, faults: &mut Faults) -> Option<Vec<Place>> {
    let SourceDocument { path: pointer, header, key, topic, constant, .. } = source;
    if pointer.is_some() || header.is_some() || *key || *topic || constant.is_some() {
        faults
            .add(path, "first stands alone or with default: the other members would never be read");
        return None;
    }
    let path = format!("{path}/first");
    if source.first.len() > limits::ALTERNATIVES {
        faults.add(path, too_many("alternatives", source.first.len(), limits::ALTERNATIVES));
        return None;
    }
    let compiled = source.first.iter().enumerate().map(|(index, one)| {
        let path = format!("{path}/{index}");
        if !one.first.is_empty() || one.default.is_some() {
            faults.add(path, "an alternative is a path, a header, the key, the topic or a const");
            return None;
        }
        Place::compile(one, &path, faults)
    });
    // All alternatives are compiled, so that all faults are reported.
    let compiled: Vec<Option<Place>> = compiled.collect();
    compiled.into_iter().collect()
}
