//! A stream that was not there for two requests in a row is left alone for a while: meanwhile events go to
//! the buffer at once, instead of each request waiting first for what the one before it did not get either.
//! Then it is asked again. Counted per environment, as quotas are.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use drover_core::base::error::{Extent, Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::intake::event_log::NotSent;

/// As long as a send waits for a cluster at most.
const SECONDS: i64 = 5;
/// Sends in a row: the first may have met one bad partition.
const ENOUGH: u32 = 2;

/// Until when a stream is left alone.
#[derive(Debug, Default)]
pub struct LogBreaker {
    /// Sends in a row of which nothing arrived.
    vain: AtomicU32,
    /// Microseconds since 1970.
    until: AtomicI64,
}

impl LogBreaker {
    /// What every send gets while the stream is left alone. A clock that was set back ends it.
    pub(crate) fn instead(&self, now: Timestamp) -> Option<Unavailable> {
        let left = self.until.load(Ordering::Relaxed).saturating_sub(now.micros());
        let rests = (1..=SECONDS * 1_000_000).contains(&left);
        let message = "the stream was not there a moment ago";
        rests.then(|| Unavailable::new(Reason::Unreachable, message))
    }

    /// Takes note of how a send ended. What was refused for another reason came from a log that is there; a
    /// ledger table that only one tenant uses says nothing about the others.
    pub(crate) fn note(&self, sent: &[Result<(), NotSent>], now: Timestamp) {
        if sent.is_empty() || !sent.iter().all(is_unreachable) {
            self.vain.store(0, Ordering::Relaxed);
            return;
        }
        if self.vain.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= ENOUGH {
            self.until.store(now.plus_seconds(SECONDS).micros(), Ordering::Relaxed);
        }
    }

    /// Ends it: there is no other way either.
    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }
}

fn is_unreachable(sent: &Result<(), NotSent>) -> bool {
    let is_shared =
        |why: &Unavailable| why.reason == Reason::Unreachable && why.extent == Extent::Everyone;
    matches!(sent, Err(NotSent::Unavailable(why)) if is_shared(why))
}
