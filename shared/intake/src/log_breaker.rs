//! The circuit breaker of the event log. After two sends in a row that did not reach the event log, events
//! go to the buffer at once for some seconds, so that not every request waits for the timeout. Then the
//! event log is tried again. Each environment has its own breaker, as it has its own quotas.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use drover_core::base::error::{Extent, Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::intake::event_log::NotSent;

/// How long the breaker stays open: the maximum duration of a send to a cluster.
const SECONDS: i64 = 5;
/// The number of consecutive failed sends that open the breaker. A single failure may be caused by one
/// partition.
const ENOUGH: u32 = 2;

/// The state of the breaker.
#[derive(Debug, Default)]
pub struct LogBreaker {
    /// The number of consecutive sends of which no event arrived.
    vain: AtomicU32,
    /// The end of the open state, in microseconds since 1970.
    until: AtomicI64,
}

impl LogBreaker {
    /// The error of every send while the breaker is open. A clock that goes back closes it.
    pub(crate) fn instead(&self, now: Timestamp) -> Option<Unavailable> {
        let left = self.until.load(Ordering::Relaxed).saturating_sub(now.micros());
        let rests = (1..=SECONDS * 1_000_000).contains(&left);
        let message = "the event log was unreachable a moment ago";
        rests.then(|| Unavailable::new(Reason::Unreachable, message))
    }

    /// Records the result of a send. An event that was rejected for another reason has reached the event log.
    /// A failed ledger table of one tenant does not count, because other tenants are not affected.
    pub(crate) fn note(&self, sent: &[Result<(), NotSent>], now: Timestamp) {
        if sent.is_empty() || !sent.iter().all(is_unreachable) {
            self.vain.store(0, Ordering::Relaxed);
            return;
        }
        if self.vain.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= ENOUGH {
            self.until.store(now.plus_seconds(SECONDS).micros(), Ordering::Relaxed);
        }
    }

    /// Closes the breaker, because the buffer fails too.
    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }
}

fn is_unreachable(sent: &Result<(), NotSent>) -> bool {
    let is_shared =
        |why: &Unavailable| why.reason == Reason::Unreachable && why.extent == Extent::Everyone;
    matches!(sent, Err(NotSent::Unavailable(why)) if is_shared(why))
}
