//! A cache of documents of one kind. The absence of a document is cached too.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::base::limits;
use crate::base::time::Timestamp;

/// How long a document is cached.
pub const LIFETIME_SECONDS: i64 = 60;

const CAPACITY: NonZeroUsize = match NonZeroUsize::new(limits::REGISTRY_ENTRIES) {
    Some(capacity) => capacity,
    None => NonZeroUsize::MIN,
};

/// Documents of one kind by name. The least recently used document is evicted.
#[derive(Debug)]
pub(super) struct TtlCache<T> {
    entries: Mutex<LruCache<Arc<str>, Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    held: Held<T>,
    read_at: Timestamp,
}

/// A cached document.
#[derive(Debug)]
pub(super) struct Held<T> {
    /// `None`: the document does not exist.
    pub(super) content: Option<Arc<T>>,
    /// The document is at least as new as this revision of the registry.
    pub(super) as_of: u64,
}

impl<T> TtlCache<T> {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::new(LruCache::sparse(CAPACITY)) }
    }

    /// The cached document of a name, if it is fresh.
    pub(super) fn get(&self, name: &str, now: Timestamp) -> Option<Held<T>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry =
            entries.get(name).filter(|entry| entry.read_at.is_within(LIFETIME_SECONDS, now))?;
        Some(Held { content: entry.held.content.clone(), as_of: entry.held.as_of })
    }

    /// Caches a document and returns it.
    pub(super) fn put(
        &self,
        name: &str,
        content: Option<T>,
        as_of: u64,
        now: Timestamp,
    ) -> Option<Arc<T>> {
        let content = content.map(Arc::new);
        let held = Held { content: content.clone(), as_of };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.put(Arc::from(name), Entry { held, read_at: now });
        content
    }
}
