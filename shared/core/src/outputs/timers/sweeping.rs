//! The cursor of the sweep, and the lease on it. One item holds both, so that only the holder of the lease
//! moves the cursor. Every change replaces the item only if the previous state is still stored.

use super::Minute;
use crate::base::time::Timestamp;

/// How long a lease is valid without renewal, in seconds. A sweep that died delays the next sweep by that.
pub const LEASE_SECONDS: i64 = 60;

/// How far the sweep has come, and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepState {
    /// The next minute to sweep: every earlier minute is finished.
    pub next: Minute,
    /// Identifies the current or last holder.
    pub token: String,
    /// When the lease expires unless it is renewed.
    pub until: Timestamp,
}

impl SweepState {
    /// The state before the first sweep. It begins at the newest minute that may be swept: every timer that
    /// is set from now on is later.
    pub fn begin(now: Timestamp) -> Self {
        Self { next: Minute::newest_swept(now), token: String::new(), until: Timestamp::MIN }
    }

    /// The state after this token has taken the lease. `None`: another token holds it.
    pub fn taken(stored: Option<&Self>, token: String, now: Timestamp) -> Option<Self> {
        match stored {
            Some(stored) if stored.until > now && stored.token != token => None,
            Some(stored) => Some(Self { token, ..stored.renewed(now) }),
            None => Some(Self { token, ..Self::begin(now).renewed(now) }),
        }
    }

    /// Whether the lease should be renewed: half of its time is over.
    pub fn is_half_over(&self, now: Timestamp) -> bool {
        now.plus_seconds(LEASE_SECONDS / 2) >= self.until
    }

    /// The state after a renewal.
    #[must_use]
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self { until: now.plus_seconds(LEASE_SECONDS), ..self.clone() }
    }

    /// The state after the next minute is finished. The lease is renewed.
    #[must_use]
    pub fn advanced(&self, now: Timestamp) -> Self {
        Self { next: self.next.plus(1), ..self.renewed(now) }
    }

    /// The state after the holder has given up the lease.
    #[must_use]
    pub fn released(&self) -> Self {
        Self { until: Timestamp::MIN, ..self.clone() }
    }
}

#[cfg(test)]
mod tests;
