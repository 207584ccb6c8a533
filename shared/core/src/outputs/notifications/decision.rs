//! What to do about a message: the alert as it is now against what the target was told.

use super::Told;
use super::told::{Content, Trying};
use crate::base::time::Timestamp;
use crate::outputs::alerts::News;

/// How soon it is looked again whether an opening is settled, in seconds: at least and at most.
const SETTLING_SECONDS: (i64, i64) = (30, 900);
/// How much earlier than due a repetition may come, in seconds.
const EARLY_SECONDS: i64 = 15;

/// How an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What happened last.
    pub news: News,
    /// Counts up with the news of the alert, from 1.
    pub number: u32,
    /// Whether it is recorded and nobody is told: it began long before its events were received.
    pub is_old: bool,
    /// Whether a person paused or disabled it.
    pub is_paused: bool,
    /// After how many seconds its opening is as settled as its rule asks for, at the latest; `None`: it is.
    pub settles_in: Option<i64>,
    /// What a target is to know of it.
    pub content: Content,
}

/// What a target wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// To be told that an opening moved.
    pub moved: bool,
    /// To be told again and again that an alert fires.
    pub repeats: bool,
}

/// What to do about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the message is done.
    Nothing,
    /// Look again at this time.
    Wait(Timestamp),
    /// Tell the target now.
    Tell(News, u32),
    /// Everything is told; tell it again at this time.
    Repeat(Timestamp),
}

/// What to do about a message. `standing`: `None` if the alert is gone; `again`: whether what was given up is tried
/// once more.
pub fn next(
    standing: Option<Standing>,
    told: &Told,
    (wants, again): (Wants, bool),
    now: Timestamp,
) -> Next {
    let trying = told.trying.as_ref();
    // A try that is being made: its end decides.
    if let Some(trying) = trying.filter(|trying| trying.failure.is_none() && now < trying.next_at) {
        return Next::Wait(trying.next_at);
    }
    let Some(standing) = standing else {
        // The same number in each try.
        let own = trying.filter(|one| one.news == News::Retracted && one.number > told.number);
        let last = trying.map_or(told.number, |trying| trying.number.max(told.number));
        let number = own.map_or(last.saturating_add(1), |trying| trying.number);
        return end(told, (News::Retracted, number), again, now);
    };
    let as_before = || if wants.repeats { repeated(told, again, now) } else { Next::Nothing };
    let number = standing.number;
    if standing.news.is_end() {
        let is_told = told.number >= number;
        return if is_told { as_before() } else { end(told, (standing.news, number), again, now) };
    }
    let is_known = told.is_open();
    let news = match firing_news(&standing, told, wants) {
        Some(news) if !standing.is_paused => news,
        _ if is_known => return as_before(),
        _ => return Next::Nothing,
    };
    if standing.is_old && !is_known {
        return Next::Nothing;
    }
    if let Some(seconds) = standing.settles_in.filter(|_| !is_known) {
        let seconds = (seconds / 10).clamp(SETTLING_SECONDS.0, SETTLING_SECONDS.1);
        return Next::Wait(now.plus_seconds(seconds));
    }
    // News on their way keep their number, and so their id, while others follow.
    let is_same = |one: &&Trying| one.news == news && one.number > told.number && !one.is_given_up;
    let number = trying.filter(is_same).map_or(number, |trying| trying.number);
    tried(told, (news, number), again, now)
}

/// What the target does not know yet of an alert that fires. The latest news do not tell: less important ones may have
/// followed.
fn firing_news(standing: &Standing, told: &Told, wants: Wants) -> Option<News> {
    let Some(known) = told.known.filter(|_| told.is_open()) else { return Some(News::Opened) };
    // An end that seemed to fail may have arrived: then the target has to be told that the alert fires again.
    let is_in_doubt =
        |one: &&Trying| one.number > told.number && (one.news.is_end() || one.news == News::Opened);
    if told.trying.as_ref().filter(is_in_doubt).is_some() {
        return Some(News::Opened);
    }
    if standing.content.severity > known.severity {
        return Some(News::Raised);
    }
    if standing.content.is_acknowledged && !known.is_acknowledged {
        return Some(News::Acknowledged);
    }
    let is_moved = standing.news == News::Moved && standing.number > told.number;
    (is_moved && wants.moved).then_some(News::Moved)
}

/// The end of an alert, unless the target never heard of it. A target that was told that the alert is resolved is also
/// told that it never was.
fn end(told: &Told, news: (News, u32), again: bool, now: Timestamp) -> Next {
    let is_withdrawn = told.news == Some(News::Resolved) && news.0 == News::Retracted;
    if told.may_know || is_withdrawn { tried(told, news, again, now) } else { Next::Nothing }
}

/// Tries now, or when the next try is due, or no more.
fn tried(told: &Told, (news, number): (News, u32), again: bool, now: Timestamp) -> Next {
    match told.trying.as_ref().filter(|trying| (trying.news, trying.number) == (news, number)) {
        Some(trying) if again && trying.is_given_up => Next::Tell(news, number),
        Some(trying) if trying.is_given_up => Next::Nothing,
        Some(trying) if now < trying.next_at => Next::Wait(trying.next_at),
        _ => Next::Tell(news, number),
    }
}

/// The next repetition of what was told.
fn repeated(told: &Told, again: bool, now: Timestamp) -> Next {
    let Some((news, due)) = told.news.zip(told.repeat_at()) else { return Next::Nothing };
    // A repetition that failed is tried again like other news.
    match &told.trying {
        Some(trying) if trying.number == told.number => {
            tried(told, (news, told.number), again, now)
        }
        _ if now >= due.plus_seconds(-EARLY_SECONDS) => Next::Tell(news, told.number),
        _ => Next::Repeat(due),
    }
}
