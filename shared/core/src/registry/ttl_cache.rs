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
    /// `None`: the document does not exist.
    content: Option<Arc<T>>,
    read_at: Timestamp,
}

impl<T> TtlCache<T> {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::new(LruCache::sparse(CAPACITY)) }
    }

    /// The cached document of a name, if it is fresh. The inner `None`: the document does not exist.
    #[expect(clippy::option_option, reason = "the absence of a document is cached, too")]
    pub(super) fn get(&self, name: &str, now: Timestamp) -> Option<Option<Arc<T>>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry =
            entries.get(name).filter(|entry| entry.read_at.is_within(LIFETIME_SECONDS, now))?;
        Some(entry.content.clone())
    }

    /// The cached document of a name, fresh or not.
    pub(super) fn get_stale(&self, name: &str) -> Option<Arc<T>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(name)?.content.clone()
    }

    /// Caches a document and returns it.
    pub(super) fn put(&self, name: &str, content: Option<T>, now: Timestamp) -> Option<Arc<T>> {
        let content = content.map(Arc::new);
        let entry = Entry { content: content.clone(), read_at: now };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.put(Arc::from(name), entry);
        content
    }
}
