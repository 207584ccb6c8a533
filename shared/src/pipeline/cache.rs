//! Heads of a warm environment, so that a subject in order costs no read. Bounded in bytes; the
//! least recently used goes. A stale head is no danger: it loses the condition, never data. Keys
//! hold the tenant, so no tenant finds another's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::id::SubjectKey;
use crate::ledger::Head;

/// Heads by subject. Shared by concurrent invocations.
pub struct HeadCache {
    limit: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    heads: LruCache<SubjectKey, Arc<Head>>,
    bytes: usize,
}

impl HeadCache {
    /// A cache of at most `limit` bytes, as [`Head::memory`] counts them.
    pub fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::new(Inner { heads: LruCache::unbounded(), bytes: 0 }) }
    }

    /// The head that was last known of a subject.
    pub fn get(&self, key: &SubjectKey) -> Option<Arc<Head>> {
        self.lock().heads.get(key).cloned()
    }

    /// Remembers a head, unless a newer one is known.
    pub fn put(&self, key: SubjectKey, head: Arc<Head>) {
        let inner = &mut *self.lock();
        if inner.heads.peek(&key).is_some_and(|known| known.version > head.version) {
            return;
        }
        inner.bytes += head.memory();
        if let Some(before) = inner.heads.put(key, head) {
            inner.bytes -= before.memory();
        }
        while inner.bytes > self.limit {
            let Some((_, oldest)) = inner.heads.pop_lru() else { break };
            inner.bytes -= oldest.memory();
        }
    }

    /// Forgets a head whose fate is unknown.
    pub fn forget(&self, key: &SubjectKey) {
        let inner = &mut *self.lock();
        if let Some(head) = inner.heads.pop(key) {
            inner.bytes -= head.memory();
        }
    }

    /// Nothing in here is left half-done by a panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SubjectId, TenantId};
    use crate::tenant::TenantScope;

    fn key(tenant: &str, id: usize) -> SubjectKey {
        let scope = TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"));
        scope.subject(SubjectId::parse(&format!("device/{id}")).expect("a subject"))
    }

    fn head(version: u64) -> Arc<Head> {
        Arc::new(Head { version, ..Head::default() })
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = HeadCache::new(3 * head(1).memory());
        for id in 0..3 {
            cache.put(key("a", id), head(1));
        }
        assert!(cache.get(&key("a", 0)).is_some());
        cache.put(key("a", 3), head(1));
        assert!(cache.get(&key("a", 1)).is_none());
        assert!(cache.get(&key("a", 0)).is_some());
    }

    #[test]
    fn an_older_head_does_not_replace_a_newer_one() {
        let cache = HeadCache::new(1 << 20);
        cache.put(key("a", 0), head(2));
        cache.put(key("a", 0), head(1));
        assert_eq!(cache.get(&key("a", 0)).map(|head| head.version), Some(2));
        cache.forget(&key("a", 0));
        assert!(cache.get(&key("a", 0)).is_none());
    }

    #[test]
    fn two_tenants_with_the_same_subject_have_two_heads() {
        let cache = HeadCache::new(1 << 20);
        cache.put(key("a", 0), head(1));
        assert!(cache.get(&key("b", 0)).is_none());
    }
}
