//! The registry of one invocation: what a document's read gave, it gives until its end, be it a
//! text, nothing, or no answer.
//!
//! Otherwise a record could be held back while a later one of its subject passes, because the read
//! went well the second time, or the text was mended in between; and a registry that is down would
//! be asked again for every record, each time until the time-out, until no time was left for the
//! answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::base::error::{Reason, Unavailable};
use crate::intake::document::{DocumentName, StoredDocument};
use crate::ports::Documents;

type Read = Result<Option<StoredDocument>, Unavailable>;

/// Documents that are read once.
pub(super) struct InvocationRegistry<'a, D> {
    documents: &'a D,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    by_name: BTreeMap<DocumentName, Read>,
    /// The service itself did not answer: nothing more is asked of it.
    service: Option<Unavailable>,
}

impl<'a, D: Documents> InvocationRegistry<'a, D> {
    pub(super) fn new(documents: &'a D) -> Self {
        Self { documents, seen: Mutex::default() }
    }

    fn known(&self, name: &DocumentName) -> Option<Read> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let down = || seen.service.clone().map(Err);
        seen.by_name.get(name).cloned().or_else(down)
    }

    fn remember(&self, name: &DocumentName, read: &Read) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.by_name.insert(name.clone(), read.clone());
        // A document that makes no sense says nothing about the others.
        if let Err(unavailable) = read
            && unavailable.reason != Reason::Corrupt
        {
            seen.service = Some(unavailable.clone());
        }
    }
}

impl<D: Documents> Documents for InvocationRegistry<'_, D> {
    async fn document(&self, name: &DocumentName) -> Read {
        if let Some(read) = self.known(name) {
            return read;
        }
        let read = self.documents.document(name).await;
        self.remember(name, &read);
        read
    }
}
