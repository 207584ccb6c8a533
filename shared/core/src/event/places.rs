//! Annotations of places inside a JSON value, as a tree of names. Code that walks over the value
//! descends the tree in parallel and finds each place's annotation.

use std::collections::BTreeMap;

use jsonptr::Pointer;

/// Annotations of places.
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
    /// Whether there are no annotations.
    pub(crate) fn is_empty(&self) -> bool {
        self.here.is_none() && self.below.is_empty()
    }

    /// The annotation of this place.
    pub(crate) fn here(&self) -> Option<&T> {
        self.here.as_ref()
    }

    /// Annotates a place.
    pub(crate) fn put(&mut self, pointer: &Pointer, what: T) {
        let place = pointer
            .tokens()
            .fold(self, |place, name| place.below.entry(name.decoded().into()).or_default());
        place.here = Some(what);
    }

    /// Annotates this place.
    pub(crate) fn put_here(&mut self, what: T) {
        self.here = Some(what);
    }

    /// Replaces the annotations of a member, or of the element with this index.
    pub(crate) fn put_member(&mut self, name: &str, what: Self) {
        if what.is_empty() {
            self.below.remove(name);
        } else {
            self.below.insert(name.into(), what);
        }
    }

    /// The annotations of a place and its descendants.
    pub(crate) fn at(&self, pointer: &Pointer) -> Option<&Self> {
        pointer.tokens().try_fold(self, |place, name| place.member(&name.decoded()))
    }

    /// The annotations of a member and its descendants.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        self.below.get(name)
    }

    /// The annotations of an array element and its descendants.
    pub(crate) fn element(&self, index: usize) -> Option<&Self> {
        self.below.get(index.to_string().as_str())
    }
}
