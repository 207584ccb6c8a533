//! Timers: when the sweep looks at a subject again.
//!
//! What follows the heads sees a subject only when the subject is written. A timer covers what happens when
//! nothing is written: the last events of a silent subject become settled, stale views are updated, a silence opens
//! or closes alerts, and the pause of an alert ends.
//! A timer says only *look*: the sweep reads the head and decides by the head.
//!
//! A subject has at most one timer of each kind. It has two items:
//!
//! - The *entry*, in the [`Partition`] of its minute, where the sweep finds it.
//! - The *armed minute*, under the subject: the one minute that counts. It is replaced only if the minute
//!   that was read before is still stored. The sweep drops entries of other minutes.
//!
//! Events do not move timers: a timer whose subject is still active is moved when it is due.
//!
//! Promise: no timer is set where the sweep has already been. A timer is set at least [`AHEAD_MINUTES`]
//! ahead, and a minute is swept when it is [`SWEPT_AFTER_MINUTES`] old. So clocks may differ, and a write may
//! take time, up to three minutes in total.
//!
//! - [`arming`]: which timers a commit needs, and when an armed timer stays
//! - [`looking`]: what to do when a timer is due
//! - [`sweeping`]: the cursor of the sweep, and who holds it

use crate::base::hash::fnv1a;
use crate::base::id::SubjectKey;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::event::digest;

pub mod arming;
pub mod looking;
pub mod sweeping;

/// The minimum distance of a timer from the current minute, in minutes.
pub const AHEAD_MINUTES: i64 = 2;
/// The age at which a minute is swept, in minutes from its start.
pub const SWEPT_AFTER_MINUTES: i64 = 2;
/// The number of partitions of a minute. One partition takes 1,000 writes per second, so 16,000 timers per
/// second can be set to one minute.
pub const SHARDS: u8 = 16;
/// How long entries and armed minutes are stored after their minute, in days. A sweep that is off for longer
/// loses timers; then `resend` sets them again.
pub const KEPT_DAYS: i64 = 30;

const SECONDS_PER_MINUTE: i64 = 60;
const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Why the sweep looks at a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// The subject may have fallen silent: its last events become settled.
    Release,
    /// The views of the subject are stale.
    Carry,
    /// The history and the state of the subject are sent again.
    Resend,
    /// The silence of the subject may open or close an alert.
    Absence,
    /// The pause of an alert is over.
    Snooze,
}

impl TimerKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Release, Self::Carry, Self::Resend, Self::Absence, Self::Snooze];

    /// The word in stored items. It must never change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Carry => "carry",
            Self::Resend => "resend",
            Self::Absence => "absence",
            Self::Snooze => "snooze",
        }
    }

    /// Reads [`Self::as_str`]. `None`: no kind that this version knows.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A minute, as minutes since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub i64);

impl Minute {
    /// The minute of an instant.
    pub const fn of(instant: Timestamp) -> Self {
        Self(instant.whole_seconds().div_euclid(SECONDS_PER_MINUTE))
    }

    /// When it starts. `None`: outside the range of instants.
    pub fn start(self) -> Option<Timestamp> {
        Timestamp::from_millis(self.0.checked_mul(SECONDS_PER_MINUTE * 1_000)?)
    }

    /// The minute that is so many minutes later; a negative number gives an earlier minute.
    #[must_use]
    pub const fn plus(self, minutes: i64) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// The earliest minute to which a timer may be set now.
    pub const fn earliest(now: Timestamp) -> Self {
        Self::of(now).plus(AHEAD_MINUTES)
    }

    /// The minute for a timer that is due then.
    pub fn for_due(due: Timestamp, now: Timestamp) -> Self {
        Self::of(due).max(Self::earliest(now))
    }

    /// The newest minute that may be swept now.
    pub const fn newest_swept(now: Timestamp) -> Self {
        Self::of(now).plus(-SWEPT_AFTER_MINUTES)
    }

    /// When the items of this minute expire, in seconds since 1970.
    pub const fn expires_at(self) -> i64 {
        self.0.saturating_mul(SECONDS_PER_MINUTE).saturating_add(KEPT_DAYS * SECONDS_PER_DAY)
    }
}

/// What identifies a timer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    /// Why the sweep looks.
    pub kind: TimerKind,
    /// The subject. Its tenant's document names the ledger table when the timer is due, so that a timer
    /// outlives a move to another table.
    pub subject: SubjectKey,
}

/// A timer with its minute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timer {
    /// The kind and the subject.
    pub key: TimerKey,
    /// When the sweep looks at the subject: from [`SWEPT_AFTER_MINUTES`] after the start of this minute.
    pub minute: Minute,
    /// How often the sweep could not look at the subject, in succession.
    pub failures: u32,
}

impl TimerKey {
    /// The shard of its entries.
    pub fn shard(&self) -> u8 {
        let hash = fnv1a(self.subject.partition_key().as_bytes()) % u64::from(SHARDS);
        u8::try_from(hash).unwrap_or_default()
    }

    /// The sort key of its entries: `<kind>#<digest of the subject>`. A subject itself may be longer than a
    /// sort key of DynamoDB.
    pub fn sort_key(&self) -> String {
        let subject = digest(&[self.subject.partition_key().as_bytes()]);
        [self.kind.as_str(), "#", &subject].concat()
    }
}

impl Timer {
    /// A timer that is due then.
    pub fn new(kind: TimerKind, subject: SubjectKey, due: Timestamp, now: Timestamp) -> Self {
        let minute = Minute::for_due(due, now);
        Self { key: TimerKey { kind, subject }, minute, failures: 0 }
    }

    /// Where its entry is stored.
    pub fn partition(&self) -> Partition {
        Partition { minute: self.minute, shard: self.key.shard() }
    }

    /// Reads an entry from its sort key and the partition key of its subject. `None`: an entry that this
    /// version cannot read, for example of a kind that a newer version knows.
    pub fn read(minute: Minute, sort_key: &str, subject: &str, failures: u32) -> Option<Self> {
        let kind = TimerKind::parse(sort_key.split('#').next()?)?;
        let key = TimerKey { kind, subject: TenantScope::stored_subject(subject)? };
        (key.sort_key() == sort_key).then_some(Self { key, minute, failures })
    }
}

/// A part of the timers of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The minute.
    pub minute: Minute,
    /// Less than [`SHARDS`].
    pub shard: u8,
}

impl Partition {
    /// The partition key: `W#<minute>#<shard>`.
    pub fn key(self) -> String {
        format!("W#{}#{}", self.minute.0, self.shard)
    }
}

/// Some entries of a partition, in the order of their sort keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// The timers.
    pub timers: Vec<Timer>,
    /// The number of entries that this version cannot read. They stay where they are.
    pub unreadable: u64,
    /// The sort key after which the next entries begin. `None`: no more follow.
    pub next: Option<String>,
}

/// The result of a conditional replacement of an armed minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The new value is stored.
    Done,
    /// Another minute than the expected one is stored. `None`: no minute is stored.
    Other(Option<Minute>),
}

#[cfg(test)]
mod tests;
