//! The machine's clock and random numbers. No other module of the crate reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use drover_core::base::time::Timestamp;
use drover_core::ports::Clock;

use crate::Aws;

impl Clock for Aws {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}

#[expect(clippy::disallowed_methods, reason = "the adapter of the clock port")]
pub(super) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
}
