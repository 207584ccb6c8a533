//! Places inside a JSON value, as a tree of names: a walk over the value goes down both together,
//! and sees at every step whether something is said of this place.

use std::collections::BTreeMap;

use jsonptr::Pointer;

/// Something said of some places.
#[derive(Clone, Debug)]
pub(crate) struct Places<T> {
    here: Option<T>,
    below: BTreeMap<Box<str>, Places<T>>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { here: None, below: BTreeMap::new() }
    }
}

impl<T> Places<T> {
    /// Whether nothing is said of any place.
    pub(crate) fn is_empty(&self) -> bool {
        self.here.is_none() && self.below.is_empty()
    }

    /// What is said of this place.
    pub(crate) fn here(&self) -> Option<&T> {
        self.here.as_ref()
    }

    /// Says something of a place.
    pub(crate) fn put(&mut self, pointer: &Pointer, what: T) {
        let place = pointer
            .tokens()
            .fold(self, |place, name| place.below.entry(name.decoded().into()).or_default());
        place.here = Some(what);
    }

    /// Says something of this place.
    pub(crate) fn put_here(&mut self, what: T) {
        self.here = Some(what);
    }

    /// Says all this of a member, or of the element that has this index, and nothing else.
    pub(crate) fn put_member(&mut self, name: &str, what: Self) {
        if what.is_empty() {
            self.below.remove(name);
        } else {
            self.below.insert(name.into(), what);
        }
    }

    /// What is said of a place and below it.
    pub(crate) fn at(&self, pointer: &Pointer) -> Option<&Self> {
        pointer.tokens().try_fold(self, |place, name| place.member(&name.decoded()))
    }

    /// What is said of a member and below it.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.below.get(name)
    }

    /// What is said of an element of an array and below it.
    pub(crate) fn element(&self, index: usize) -> Option<&Self> {
        self.below.get(index.to_string().as_str())
    }
}
