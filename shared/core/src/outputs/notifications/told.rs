//! What a target was told of an alert, and how that went.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::stored;
use crate::base::error::Unavailable;
use crate::base::severity::Severity;
use crate::base::time::Timestamp;
use crate::outputs::alerts::News;

/// After which of its tries a notification is tried again, and how many seconds later. After the last try it is given
/// up.
pub const RETRY_AFTER: [i64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
/// The maximum number of seconds that a target can ask to wait.
pub const MAX_WAIT_SECONDS: i64 = 36_000;
/// How long a try may last before another message may try the same, in seconds.
pub const TRY_SECONDS: i64 = 30;
/// How often a target that forgets is told that an alert still fires, in seconds.
const REPEAT_SECONDS: i64 = 300;
/// When such a target is told for the second time that an alert is over, in seconds.
const END_AGAIN_SECONDS: i64 = 60;
/// How often such a target is told that an alert is over.
const ENDS: u32 = 2;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
/// How long the record of an alert that fires is kept after its last change, and that of one that is over.
const KEPT_DAYS: (i64, i64) = (400, 97);

/// What a target was told of an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The number of the last news that the target took; 0: none.
    pub number: u32,
    /// The last news that it took.
    pub news: Option<News>,
    /// When it took them, or their last repetition.
    pub at: Option<Timestamp>,
    /// What it knows by them.
    pub known: Option<Content>,
    /// The tries that these news needed.
    pub tries: u32,
    /// Whether it may believe that the alert fires: a try that seemed to fail may have arrived.
    pub may_know: bool,
    /// How often it was told that the alert is over.
    pub ends: u32,
    /// For when a repetition was arranged last.
    #[serde(default)]
    pub repeats_at: Option<Timestamp>,
    /// Whether the alert is in a digest.
    #[serde(default)]
    pub is_in_digest: bool,
    /// News on their way.
    pub trying: Option<Trying>,
}

/// What a target is to know of an alert that fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its severity.
    pub severity: Severity,
    /// Whether a person acknowledged it.
    pub is_acknowledged: bool,
}

/// News that a target has not taken yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trying {
    /// Their number.
    pub number: u32,
    /// The news.
    pub news: News,
    /// What the target is to know by them.
    pub content: Content,
    /// The tries so far.
    pub tries: u32,
    /// When the last try began.
    pub at: Timestamp,
    /// When the next one is due. During a try, when another message may try.
    pub next_at: Timestamp,
    /// Why the last try failed; `None`: it is being made.
    pub failure: Option<String>,
    /// Whether no further try is made.
    pub is_given_up: bool,
}

impl Told {
    /// Whether the target took news that the alert fires, and none that it is over.
    pub fn is_open(&self) -> bool {
        self.news.is_some_and(|news| !news.is_end())
    }

    /// When a target that forgets is told again; `None`: everything was told often enough.
    pub fn repeat_at(&self) -> Option<Timestamp> {
        let (news, at) = self.news.zip(self.at)?;
        match news.is_end() {
            true if self.ends >= ENDS => None,
            true => Some(at.plus_seconds(END_AGAIN_SECONDS)),
            false => Some(at.plus_seconds(REPEAT_SECONDS)),
        }
    }

    /// As a try begins.
    #[must_use]
    pub fn begun(&self, (news, number): (News, u32), content: Content, now: Timestamp) -> Self {
        let is_same = |trying: &&Trying| (trying.news, trying.number) == (news, number);
        let before = self.trying.as_ref().filter(is_same).filter(|trying| !trying.is_given_up);
        let tries = before.map_or(0, |trying| trying.tries).saturating_add(1);
        let next_at = now.plus_seconds(TRY_SECONDS);
        let (failure, is_given_up) = (None, false);
        let trying =
            Trying { number, news, content, tries, at: now, next_at, failure, is_given_up };
        let trying = Some(trying);
        Self { may_know: self.may_know || !news.is_end(), trying, ..self.clone() }
    }

    /// After the target took what was tried.
    #[must_use]
    pub fn taken(&self, now: Timestamp) -> Self {
        let Some(trying) = &self.trying else { return self.clone() };
        let (number, news) = (trying.number, trying.news);
        // An acknowledgement is told by news of its own, and not again when the alert fires again.
        let was_acknowledged = self.known.is_some_and(|known| known.is_acknowledged);
        let is_acknowledged = was_acknowledged || news == News::Acknowledged;
        let known = Content { severity: trying.content.severity, is_acknowledged };
        let again = if self.number == number { self.ends } else { 0 };
        Self {
            number,
            news: Some(news),
            known: Some(known),
            at: Some(now),
            tries: trying.tries,
            may_know: !news.is_end(),
            ends: if news.is_end() { again.saturating_add(1) } else { 0 },
            repeats_at: self.repeats_at,
            is_in_digest: self.is_in_digest,
            trying: None,
        }
    }

    /// After a try failed. It is given up after the last one.
    #[must_use]
    pub fn failed(&self, why: &str, wait_seconds: Option<i64>, now: Timestamp) -> Self {
        let Some(trying) = &self.trying else { return self.clone() };
        let index = usize::try_from(trying.tries).unwrap_or(usize::MAX).saturating_sub(1);
        let delay = RETRY_AFTER.get(index).copied();
        let asked = wait_seconds.unwrap_or(0).min(MAX_WAIT_SECONDS);
        let next_at = now.plus_seconds(delay.unwrap_or(0).max(asked));
        let is_given_up = delay.is_none();
        let trying =
            Trying { failure: Some(why.to_owned()), next_at, is_given_up, ..trying.clone() };
        Self { trying: Some(trying), ..self.clone() }
    }

    /// After what is tried was given up.
    #[must_use]
    pub fn given_up(&self, why: &str) -> Self {
        let trying = self.trying.clone();
        let trying = trying.map(|trying| Trying {
            failure: Some(why.to_owned()),
            is_given_up: true,
            ..trying
        });
        Self { trying, ..self.clone() }
    }

    /// When the item of the record expires, in seconds since 1970. `others_may_know`: whether it has the record of another
    /// target that may believe that the alert fires.
    pub fn expires_at(&self, others_may_know: bool, now: Timestamp) -> i64 {
        let (firing, over) = KEPT_DAYS;
        let days = if self.may_know || others_may_know { firing } else { over };
        now.plus_seconds(days * SECONDS_PER_DAY).whole_seconds()
    }

    /// The text to store.
    ///
    /// # Errors
    /// A bug: it cannot be written.
    pub fn stored(&self) -> Result<String, Unavailable> {
        stored::written(self)
    }

    /// Reads a stored text.
    ///
    /// # Errors
    /// Another release wrote it, or it is damaged.
    pub fn read(text: &str) -> Result<Self, Unavailable> {
        stored::read(text, "record of a notification")
    }

    /// The lines for people and programs: the news that the target took last, and those on their way.
    pub fn to_json(&self, target: &str) -> Vec<Value> {
        let line =
            |news: News, at: Timestamp, tries: u32, (result, message): (&str, Option<&str>)| {
                json!({
                    "target": target, "transition": news.as_str(), "at": at, "tries": tries,
                    "result": result, "message": message,
                })
            };
        let took = self
            .news
            .zip(self.at)
            .map(|(news, at)| line(news, at, self.tries, ("delivered", None)));
        let trying = self.trying.as_ref().map(|trying| {
            let result = match (trying.is_given_up, &trying.failure) {
                (true, _) => "undeliverable",
                (false, Some(_)) => "retrying",
                (false, None) => "sending",
            };
            line(trying.news, trying.at, trying.tries, (result, trying.failure.as_deref()))
        });
        took.into_iter().chain(trying).collect()
    }
}
