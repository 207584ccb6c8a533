//! The cache of heads in a warm environment. With a cached head, a commit of in-order events needs no read.
//! The cache is bounded in bytes and evicts the least recently used head.
//!
//! A stale head is safe: the conditional write fails, and the commit reads the stored head. This holds
//! because the versions of a subject never restart, not even when the subject is forgotten
//! ([`crate::subject::forget`]). A stale head therefore never matches a newer head by its version. Keys
//! contain the tenant, so no tenant can get the head of another tenant.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::base::limits;
use crate::base::time::Timestamp;
use crate::base::variables::{Misconfigured, Variables};
use crate::ledger::Head;
use crate::ports::SubjectLocation;

/// The limit if the memory of the function is unknown, in bytes.
const UNKNOWN_MEMORY_LIMIT: usize = 8 << 20;
const LARGEST_LIMIT: usize = 1 << 30;
/// The divisor of the memory of a function. The records of an invocation, at most 6 MB of JSON, take several
/// times their size, and a replay keeps each head twice.
const SHARE: usize = 4;

/// The limit of a cache, in bytes: `DROVER_CACHE_BYTES`, or a quarter of the function's memory
/// (`AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in MiB), or 8 MiB. A subject whose head is not cached costs one read.
///
/// # Errors
/// A variable is not a number or is out of range.
pub fn limit<F>(variables: &Variables<F>) -> Result<usize, Misconfigured>
where
    F: Fn(&str) -> Option<String>,
{
    let memory = variables.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0, 0..=1 << 20)?;
    let share = match (memory << 20) / SHARE {
        0 => UNKNOWN_MEMORY_LIMIT,
        share => share.min(LARGEST_LIMIT),
    };
    variables.number("DROVER_CACHE_BYTES", share, 0..=LARGEST_LIMIT)
}

/// Heads by the location of the subject. Concurrent invocations share the cache.
pub struct HeadCache {
    limit: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    heads: LruCache<SubjectLocation, Warm>,
    bytes: usize,
}

struct Warm {
    head: Arc<Head>,
    bytes: usize,
    known_at: Timestamp,
}

impl HeadCache {
    /// An empty cache of at most `limit` bytes, counted by [`Head::memory`].
    pub fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::new(Inner { heads: LruCache::unbounded(), bytes: 0 }) }
    }

    /// The cached head of a subject in this table. The version of a head is valid in its own table only.
    ///
    /// A head with entries to seal is returned for at most [`limits::WARM_HEAD_SECONDS`] after it was put.
    pub fn get(&self, location: &SubjectLocation, now: Timestamp) -> Option<Arc<Head>> {
        let mut inner = self.lock();
        let warm = inner.heads.get(location)?;
        let is_old = now > warm.known_at.plus_seconds(limits::WARM_HEAD_SECONDS);
        (warm.head.frozen == 0 || !is_old).then(|| Arc::clone(&warm.head))
    }

    /// Puts a head and replaces the cached head, even if that has a higher version. If two concurrent
    /// invocations finish in another order than they wrote, the cache holds the older head, and the next
    /// commit fails its condition once. Keeping the highest version would be worse: a head whose items were
    /// deleted from the table would stay forever.
    pub fn put(&self, location: SubjectLocation, head: Arc<Head>, now: Timestamp) {
        let inner = &mut *self.lock();
        let bytes = head.memory();
        let warm = Warm { head, bytes, known_at: now };
        match inner.heads.get_mut(&location) {
            Some(known) => inner.bytes -= std::mem::replace(known, warm).bytes,
            None => drop(inner.heads.put(location, warm)),
        }
        inner.bytes += bytes;
        while inner.bytes > self.limit {
            let Some((_, oldest)) = inner.heads.pop_lru() else { break };
            inner.bytes -= oldest.bytes;
        }
    }

    /// Removes a head, for example after a write with an unknown result.
    pub fn forget(&self, location: &SubjectLocation) {
        let inner = &mut *self.lock();
        if let Some(warm) = inner.heads.pop(location) {
            inner.bytes -= warm.bytes;
        }
    }

    /// Removes all heads.
    pub fn clear(&self) {
        let inner = &mut *self.lock();
        inner.heads.clear();
        inner.bytes = 0;
    }

    /// Ignores poisoning, because no code panics between two related changes.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{SubjectId, TenantId};
    use crate::base::scope::TenantScope;

    const NOW: Timestamp = Timestamp::MIN;

    fn location(tenant: &str, id: usize) -> SubjectLocation {
        let scope = TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"));
        let key = scope.subject(SubjectId::parse(&format!("device/{id}")).expect("a subject"));
        SubjectLocation { key, table: None }
    }

    fn head(version: u64) -> Arc<Head> {
        Arc::new(Head { version, ..Head::default() })
    }

    #[test]
    fn the_limit_is_a_quarter_of_the_memory_unless_a_variable_sets_it() {
        let check = |memory: Option<&str>, own: Option<&str>, expected: usize| {
            let variables = Variables(|name: &str| match name {
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => memory.map(str::to_owned),
                "DROVER_CACHE_BYTES" => own.map(str::to_owned),
                _ => None,
            });
            assert_eq!(limit(&variables), Ok(expected), "{memory:?} {own:?}");
        };
        check(None, None, 8 << 20);
        check(Some("512"), None, 128 << 20);
        check(Some("10240"), None, 1 << 30);
        check(Some("512"), Some("0"), 0);
        let variables = Variables(|_: &str| Some("much".to_owned()));
        assert!(limit(&variables).is_err());
    }

    #[test]
    fn the_least_recently_used_head_is_evicted_first() {
        let cache = HeadCache::new(3 * head(1).memory());
        for id in 0..3 {
            cache.put(location("a", id), head(1), NOW);
        }
        assert!(cache.get(&location("a", 0), NOW).is_some());
        cache.put(location("a", 3), head(1), NOW);
        assert!(cache.get(&location("a", 1), NOW).is_none());
        assert!(cache.get(&location("a", 0), NOW).is_some());
    }

    #[test]
    fn the_cache_returns_the_last_head_that_was_put_whatever_its_version() {
        let cache = HeadCache::new(1 << 20);
        cache.put(location("a", 0), head(2), NOW);
        cache.put(location("a", 0), head(1), NOW);
        assert_eq!(cache.get(&location("a", 0), NOW).map(|head| head.version), Some(1));
        cache.forget(&location("a", 0));
        assert!(cache.get(&location("a", 0), NOW).is_none());
    }

    #[test]
    fn two_tenants_with_the_same_subject_have_two_heads() {
        let cache = HeadCache::new(1 << 20);
        cache.put(location("a", 0), head(1), NOW);
        assert!(cache.get(&location("b", 0), NOW).is_none());
    }

    /// Otherwise a commit after a move to a restored table would overwrite the history in that table.
    #[test]
    fn regression_a_head_of_one_table_is_not_returned_for_another_table() {
        let cache = HeadCache::new(1 << 20);
        cache.put(location("a", 0), head(3), NOW);
        let moved = SubjectLocation { table: Some("restored".into()), ..location("a", 0) };
        assert!(cache.get(&moved, NOW).is_none());
    }

    #[test]
    fn pages_are_not_sealed_from_a_head_that_was_cached_too_long() {
        let cache = HeadCache::new(1 << 20);
        let frozen = Head { frozen: 1, ..Head::default() };
        cache.put(location("a", 0), Arc::new(frozen), NOW);
        cache.put(location("a", 1), head(1), NOW);
        let later = NOW.plus_seconds(limits::WARM_HEAD_SECONDS);
        assert!(cache.get(&location("a", 0), later).is_some());
        let too_late = later.plus_seconds(1);
        assert!(cache.get(&location("a", 0), too_late).is_none());
        assert!(cache.get(&location("a", 1), too_late).is_some());
    }
}
