//! Alerts: the episodes of a subject's alert rules, as items that people and programs look at.
//!
//! The items of a subject follow its episodes ([`crate::view::rules`]): after the relay has seen a commit, they equal
//! the episodes of the history. An item keeps its id while its episode moves, because people and notifications refer
//! to it. An item whose episode a late event took away is *retracted*, and names that event.
//!
//! - [`acts`]: what people did about an alert; [`acting`]: which acts it allows
//! - [`effect`]: what a commit means for alerts, by the two images of its head
//! - [`reconcile`]: which items change, so that they equal episodes
//! - [`shown`]: the JSON of an alert
//! - [`latest`]: the latest news of an alert, which people are told about
//!
//! - `listing`: pages of the alerts of a tenant
//!
//! All changes of one commit are written in one transaction with the [`Reflected`] commit of the subject, and only if
//! it is still the one that was read: two relays, one after the other, cannot mix their changes, and neither can a
//! relay and a person. If an older commit is delivered again, its images are not used: the history is read as it is
//! now, so that no item goes back to an earlier state.
//!
//! An alert of a rule with `latch` stays open after its episode closed, until a person closes it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::id::{Position, SubjectKey};
use crate::base::time::Timestamp;
use crate::event::digest;
use crate::outputs::alerts::acts::Acts;
use crate::outputs::changes::CommitId;
use crate::outputs::position_text::position_text;
use crate::view::rules::{Episode, Moment};

pub mod acting;
pub mod acts;
pub mod effect;
pub mod latest;
mod listing;
mod news;
pub mod reconcile;
pub mod shown;

pub use self::latest::Latest;
pub use self::listing::{AlertList, AlertPage};
pub use self::news::News;

/// How long an alert is kept after it closed, in days.
pub const KEPT_DAYS: i64 = 90;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
/// The format of stored alerts that this release writes. A release with another format has to keep the bytes that it
/// read: writes compare them.
const FORMAT: u8 = 2;

/// The id of an alert: 16 hexadecimal digits of the time at which it first opened, and 16 of a digest. Ids of a
/// tenant sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AlertId(Arc<str>);

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Stays the same while the episode moves.
    pub id: AlertId,
    /// The episode, as it is now; of a retracted alert, as it was last.
    pub episode: Episode,
    /// Why there is no such episode any more.
    pub retracted: Option<Retraction>,
    /// Whether its rule has `latch`.
    pub latches: bool,
    /// What people did about it.
    pub acts: Acts,
    /// The latest news, which targets are told.
    pub latest: Latest,
}

/// Why an alert was retracted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retraction {
    /// What changed the history.
    pub cause: Cause,
    /// Until when the alert was thought to last: its end, or what was last known of the subject.
    pub until: Timestamp,
}

/// What changed a history behind its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cause {
    /// A late event.
    Event {
        /// Its id.
        event_id: Arc<str>,
        /// When it was observed.
        observed_at: Timestamp,
        /// How much later it was received, in seconds; `None`: that is no longer known.
        late_seconds: Option<i64>,
    },
    /// History was told again, or was forgotten.
    History,
}

/// The state of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Its episode is open, or it is latched.
    Firing,
    /// Its episode is closed.
    Resolved,
    /// The history has no such episode.
    Retracted,
}

/// The newest commit that the alerts of a subject were made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reflected {
    /// Its name.
    pub commit: CommitId,
    /// Another number after each write, so that a writer notices another one. The relay counts up, a person's act
    /// draws a random number.
    pub revision: u64,
}

/// The alerts of a subject, as far as they were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubjectAlerts {
    /// `None`: the subject had no alert for a long time.
    pub reflected: Option<Reflected>,
    /// The alerts.
    pub alerts: Vec<Alert>,
}

/// A change of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertWrite {
    /// The item that goes.
    pub old: Option<Alert>,
    /// The item that comes.
    pub new: Option<Alert>,
}

/// The sort key of the item of a [`Reflected`]: behind those of all alerts.
pub const REFLECTED_KEY: &str = "A#Z";
const OPEN_KEY: &str = "A#O";

/// The beginning of the sort keys of alerts that closed at this time. It sorts like the time.
pub fn closed_key(closed_at: Timestamp) -> String {
    format!("A#C#{}", time_key(closed_at))
}

impl AlertId {
    /// The id of an alert that opens for the first time.
    pub fn new(subject: &SubjectKey, episode: &Episode, seen_by: CommitId) -> Self {
        let opened = match &episode.opened.event {
            Some(position) => position_text(position),
            None => episode.opened.at.to_string(),
        };
        let (subject, seen_by) = (subject.partition_key(), seen_by.to_string());
        let parts = [&*subject, &*episode.rule, &*opened, &*seen_by].map(str::as_bytes);
        let digest = digest(&parts);
        let digest = digest.get(..16).unwrap_or(&digest);
        Self(format!("{}{digest}", time_key(episode.opened.at)).into())
    }

    /// An id that consists of a time.
    pub fn of_time(at: Timestamp) -> Self {
        Self(format!("{}{:016}", time_key(at), 0).into())
    }

    /// Reads an id. `None`: it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id =
            text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| Self(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the alert first opened.
    pub fn first_opened_at(&self) -> Timestamp {
        let key = self.0.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let at = key.and_then(|key| Timestamp::from_micros((key ^ (1 << 63)).cast_signed()));
        at.unwrap_or(Timestamp::MIN)
    }
}

impl TryFrom<String> for AlertId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not the id of an alert")
    }
}

/// A time as 16 hexadecimal digits that sort like it: the beginning of the ids of alerts that first opened then.
pub fn time_key(at: Timestamp) -> String {
    // Times before 1970 come first.
    format!("{:016x}", at.micros().cast_unsigned() ^ (1 << 63))
}

impl Alert {
    /// The state.
    pub fn state(&self) -> AlertState {
        match (&self.retracted, &self.episode.closed) {
            (Some(_), _) => AlertState::Retracted,
            (None, Some(_)) if !self.is_latched() => AlertState::Resolved,
            (None, _) => AlertState::Firing,
        }
    }

    /// Whether its episode is closed and a person has to close the alert.
    pub const fn is_latched(&self) -> bool {
        let is_over = self.episode.closed.is_some() && self.retracted.is_none();
        is_over && self.latches && self.acts.closed.is_none()
    }

    /// When its episode ended, or its retraction; `None`: the episode is open.
    pub fn ended_at(&self) -> Option<Timestamp> {
        let closed = self.episode.closed.as_ref().map(|(moment, _)| moment.at);
        self.retracted.as_ref().map(|retracted| retracted.until).or(closed)
    }

    /// The end of its episode, if the alert is not firing.
    pub fn closed_at(&self) -> Option<Timestamp> {
        self.ended_at().filter(|_| !self.is_latched())
    }

    /// When its item expires, in seconds since 1970; `None`: it is firing.
    pub fn expires_at(&self) -> Option<i64> {
        let by_person = self.acts.closed.as_ref().map(|remark| remark.at);
        let kept_from =
            self.closed_at().map(|at| by_person.map_or(at, |by_person| by_person.max(at)));
        kept_from.map(|at| expiry(at).whole_seconds())
    }

    /// The sort key of its item: closed alerts by the time at which their episodes ended, behind them the open ones.
    pub fn sort_key(&self) -> String {
        match self.closed_at() {
            Some(closed_at) => format!("{}#{}", closed_key(closed_at), self.id.0),
            None => format!("{OPEN_KEY}#{}", self.id.0),
        }
    }

    /// The bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        // Writing to a vector cannot fail.
        postcard::to_extend(self, vec![FORMAT]).unwrap_or_default()
    }

    /// Reads stored bytes. `None`: another release wrote them, or they are damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&FORMAT, rest) => postcard::from_bytes(rest).ok(),
            _ => None,
        }
    }

    /// Whether its time and that of an episode overlap.
    fn overlaps(&self, episode: &Episode) -> bool {
        let retracted = self.retracted.as_ref().map(|retracted| Moment::time(retracted.until));
        let closed = self.episode.closed.as_ref().map(|(moment, _)| moment.clone());
        let begins_before =
            |end: Option<&Moment>, other: &Moment| end.is_none_or(|end| other < end);
        let episode_end = episode.closed.as_ref().map(|(moment, _)| moment);
        begins_before(retracted.or(closed).as_ref(), &episode.opened)
            && begins_before(episode_end, &self.episode.opened)
    }
}

/// When an item expires that is kept from this time on.
pub fn expiry(closed_at: Timestamp) -> Timestamp {
    closed_at.plus_seconds(KEPT_DAYS * SECONDS_PER_DAY)
}

impl AlertState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Firing, Self::Resolved, Self::Retracted];

    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Retracted => "retracted",
        }
    }
}

impl Cause {
    /// The event at a position. `received_at`: when it was received, if that is known.
    pub fn event(position: &Position, received_at: Option<Timestamp>) -> Self {
        let observed_at = position.observed_at;
        let late = |at: Timestamp| at.whole_seconds().saturating_sub(observed_at.whole_seconds());
        let event_id = Arc::from(position.event_id.as_str());
        Self::Event { event_id, observed_at, late_seconds: received_at.map(late) }
    }
}
