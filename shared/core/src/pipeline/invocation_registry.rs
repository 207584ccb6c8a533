//! The documents of one invocation. Each document is read once, and its result (a document, no document, or
//! an error) stays the same until the invocation ends.
//!
//! Without this rule, a record could wait while a later record of the same subject is committed, because
//! the second read may succeed, or the document may have been corrected in between. And if the registry is
//! down, each record would wait for a timeout, until the invocation has no time left to answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::base::error::{Reason, Unavailable};
use crate::intake::document::{DocumentName, StoredDocument};
use crate::ports::Documents;

type Read = Result<Option<StoredDocument>, Unavailable>;

/// Reads each document once.
pub(super) struct InvocationRegistry<'a, D> {
    documents: &'a D,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    by_name: BTreeMap<DocumentName, Read>,
    /// Set after a read without an answer. No further document is read.
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
        // A corrupt document does not affect the other documents.
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
