//! A stream that gave no answer is left alone for a while: meanwhile events go to the buffer at once,
//! instead of each request waiting first for what the one before it did not get either. Then one request
//! tries again. Counted per environment, as quotas are.

use std::sync::atomic::{AtomicI64, Ordering};

use drover_core::error::{Reason, Unavailable};
use drover_core::stream::NotSent;
use drover_core::time::Timestamp;

/// As long as a send waits for a cluster at most.
const SECONDS: i64 = 5;

/// Until when a stream is left alone.
#[derive(Debug, Default)]
pub struct Rest {
    /// Microseconds since 1970.
    until: AtomicI64,
}

impl Rest {
    /// What every send gets while the stream is left alone.
    pub(crate) fn instead(&self, now: Timestamp) -> Option<Unavailable> {
        let rests = now.micros() < self.until.load(Ordering::Relaxed);
        let message = "the stream gave no answer a moment ago";
        rests.then(|| Unavailable::new(Reason::Unreachable, message))
    }

    /// Takes note of how a send ended. Only silence counts: whoever says no is there.
    pub(crate) fn note(&self, sent: &[Result<(), NotSent>], now: Timestamp) {
        let is_silence = |sent: &Result<(), NotSent>| matches!(sent, Err(NotSent::Unavailable(why)) if why.reason == Reason::Unreachable);
        if !sent.is_empty() && sent.iter().all(is_silence) {
            self.until.store(now.plus_seconds(SECONDS).micros(), Ordering::Relaxed);
        }
    }

    /// Ends it: there is no other way either.
    pub(crate) fn end(&self) {
        self.until.store(i64::MIN, Ordering::Relaxed);
    }
}
