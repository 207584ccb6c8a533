//! Heads of a warm environment, so that a subject in order costs no read. Bounded in bytes; the
//! least recently used goes. A stale head is no danger: it loses the condition, never data. That holds
//! because the versions of a subject never start again, not even when it is forgotten
//! ([`crate::subject::forget`]): no stale head ever meets its own version once more. Keys hold the tenant, so no
//! tenant finds another's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::base::limits;
use crate::base::time::Timestamp;
use crate::base::variables::{Misconfigured, Variables};
use crate::ledger::Head;
use crate::ports::SubjectLocation;

/// Where nothing says how much memory there is.
const UNKNOWN_MEMORY_LIMIT: usize = 8 << 20;
const LARGEST_LIMIT: usize = 1 << 30;
/// Of a function's memory. The records of an invocation, at most 6 MB of JSON, take several times their
/// size, and a replay keeps heads twice.
const SHARE: usize = 4;

/// What warm heads may take, in bytes: `DROVER_CACHE_BYTES`, else a quarter of the memory that Lambda
/// gives to the function, else 8 MiB. A subject whose head is not there costs a read.
///
/// # Errors
/// One of the variables is no number, or out of its range.
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

/// Heads by where they live. Shared by concurrent invocations.
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
    /// A cache of at most `limit` bytes, as [`Head::memory`] counts them.
    pub fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::new(Inner { heads: LruCache::unbounded(), bytes: 0 }) }
    }

    /// The head that was last known of a subject in the table where it lives: the version of one
    /// table's head means nothing in another.
    /// A head from which pages are sealed is not known for longer than a quarter of an hour.
    pub fn get(&self, location: &SubjectLocation, now: Timestamp) -> Option<Arc<Head>> {
        let mut inner = self.lock();
        let warm = inner.heads.get(location)?;
        let is_old = now > warm.known_at.plus_seconds(limits::WARM_HEAD_SECONDS);
        (warm.head.frozen == 0 || !is_old).then(|| Arc::clone(&warm.head))
    }

    /// Remembers a head in place of the one that is known, if there is one. Where two invocations that run
    /// beside each other finish in another order than they wrote, that is the older one, which costs one
    /// lost write; kept for its number alone, a head whose items were deleted would never go.
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

    /// Forgets a head whose fate is unknown.
    pub fn forget(&self, location: &SubjectLocation) {
        let inner = &mut *self.lock();
        if let Some(warm) = inner.heads.pop(location) {
            inner.bytes -= warm.bytes;
        }
    }

    /// Forgets all.
    pub fn clear(&self) {
        let inner = &mut *self.lock();
        inner.heads.clear();
        inner.bytes = 0;
    }

    /// Nothing in here is left half-done by a panic.
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
    fn heads_may_take_a_quarter_of_the_memory_unless_a_variable_says_otherwise() {
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
    fn the_least_recently_used_goes_first() {
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
    fn the_head_that_was_put_last_is_known_whatever_its_version() {
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

    /// Else a tenant that moves to a restored table would have its history there replaced.
    #[test]
    fn regression_a_head_of_one_table_is_none_of_another() {
        let cache = HeadCache::new(1 << 20);
        cache.put(location("a", 0), head(3), NOW);
        let moved = SubjectLocation { table: Some("restored".into()), ..location("a", 0) };
        assert!(cache.get(&moved, NOW).is_none());
    }

    #[test]
    fn pages_are_not_sealed_from_a_head_that_was_known_for_long() {
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
