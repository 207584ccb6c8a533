//! A value inside a transform. Numbers keep their spelling in the record. Containers are shared and know
//! their size and depth. Members of an object are in the order of their names, which does not depend on the
//! producer, so elements keep their numbers.
//!
//! Every value of a program stays within [`WEIGHT`] and [`DEPTH`], which limit the time and the recursion of
//! comparing, writing and dropping the value.

mod arithmetic;
mod number;
mod order;
mod paths;
mod reading;
mod writing;

use std::rc::Rc;

pub(super) use self::number::Number;
pub(super) use self::reading::read;
use super::meter::{self, Over};

/// Maximum weight of a value: the bytes of its texts and numbers, and one for each value inside. A value that
/// two containers share counts twice.
pub(super) const WEIGHT: usize = 4 * 1024 * 1024;
/// Maximum depth of a value. The depth of a record is at most 128.
pub(super) const DEPTH: usize = 256;
/// Maximum number of items of an array or object.
pub(super) const ITEMS: usize = 200_000;

pub(super) type Error = jaq_core::Error<Value>;
pub(super) type ValueResult = Result<Value, Error>;

/// A value.
#[derive(Clone, Debug, Default)]
pub(crate) enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(Rc<str>),
    Array(Rc<Container<Value>>),
    Object(Rc<Container<Member>>),
}

pub(super) type Member = (Rc<str>, Value);

/// The items of an array, or the members of an object in the order of their names.
#[derive(Clone, Debug)]
pub(crate) struct Container<T> {
    items: Vec<T>,
    weight: usize,
    depth: usize,
}

/// An item of a container.
pub(crate) trait Item: Clone {
    fn value(&self) -> &Value;
    fn name_bytes(&self) -> usize;
}

impl Item for Value {
    fn value(&self) -> &Value {
        self
    }

    fn name_bytes(&self) -> usize {
        0
    }
}

impl Item for Member {
    fn value(&self) -> &Value {
        &self.1
    }

    fn name_bytes(&self) -> usize {
        self.0.len()
    }
}

impl<T: Item> Container<T> {
    /// `None`: the container would exceed a limit, and the run ends.
    fn new(items: Vec<T>) -> Option<Rc<Self>> {
        let mut container = Self { items, weight: 1, depth: 1 };
        for item in &container.items {
            let value = item.value();
            container.weight += value.weight() + item.name_bytes();
            container.depth = container.depth.max(value.depth() + 1);
        }
        if !meter::charge_for(container.items.len()) {
            return None;
        }
        container.within().then(|| Rc::new(container))
    }

    fn within(&self) -> bool {
        let over = if self.weight > WEIGHT {
            Over::Weight
        } else if self.depth > DEPTH {
            Over::Depth
        } else if self.items.len() > ITEMS {
            Over::Items
        } else {
            return true;
        };
        meter::exceed(over);
        false
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    fn into_items(self: Rc<Self>) -> Vec<T> {
        if Rc::strong_count(&self) > 1 {
            meter::charge_for(self.items.len());
        }
        Rc::unwrap_or_clone(self).items
    }
}

impl Container<Member> {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let at = self.items.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.items.get(at).map(|(_, value)| value)
    }
}

impl Value {
    /// An array; null if the array would exceed a limit, and the run ends.
    pub(super) fn array(items: Vec<Self>) -> Self {
        Container::new(items).map_or(Self::Null, Self::Array)
    }

    /// An object. If a name occurs twice, the last value counts.
    pub(super) fn object(mut members: Vec<Member>) -> Self {
        if !members.is_sorted_by(|one, next| one.0 < next.0) {
            members.sort_by(|one, next| one.0.cmp(&next.0));
            members.dedup_by(|next, one| {
                let same = next.0 == one.0;
                if same {
                    std::mem::swap(next, one);
                }
                same
            });
        }
        Self::sorted(members)
    }

    /// An object with sorted members.
    fn sorted(members: Vec<Member>) -> Self {
        Container::new(members).map_or(Self::Null, Self::Object)
    }

    /// A text; null if the text would exceed a limit, and the run ends.
    pub(super) fn text(text: impl AsRef<str> + Into<Rc<str>>) -> Self {
        let length = text.as_ref().len();
        if length > WEIGHT {
            meter::exceed(Over::Weight);
            return Self::Null;
        }
        meter::charge_for(length);
        Self::Text(text.into())
    }

    pub(super) fn integer(integer: usize) -> Self {
        Self::Number(Number::Integer(i64::try_from(integer).unwrap_or(i64::MAX)))
    }

    fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 1,
            Self::Number(number) => 1 + number.length(),
            Self::Text(text) => 1 + text.len(),
            Self::Array(array) => array.weight,
            Self::Object(object) => object.weight,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => 0,
            Self::Array(array) => array.depth,
            Self::Object(object) => object.depth,
        }
    }

    /// The name of its type in jq.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    pub(super) const fn is_true(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    pub(super) fn as_text(&self) -> Result<&Rc<str>, Error> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(Error::typ(other.clone(), "string")),
        }
    }

    pub(super) fn as_number(&self) -> Result<&Number, Error> {
        match self {
            Self::Number(number) => Ok(number),
            other => Err(Error::typ(other.clone(), "number")),
        }
    }

    pub(super) fn as_items(&self) -> Result<&[Self], Error> {
        match self {
            Self::Array(array) => Ok(array.items()),
            other => Err(Error::typ(other.clone(), "array")),
        }
    }

    pub(super) fn into_items(self) -> Result<Vec<Self>, Error> {
        match self {
            Self::Array(array) => Ok(array.into_items()),
            other => Err(Error::typ(other, "array")),
        }
    }

    pub(super) fn as_members(&self) -> Result<&Container<Member>, Error> {
        match self {
            Self::Object(object) => Ok(object),
            other => Err(Error::typ(other.clone(), "object")),
        }
    }
}
