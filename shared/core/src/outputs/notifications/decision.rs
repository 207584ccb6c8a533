//! What to do about a message: the alert as it is now against what the target was told.

use super::Told;
use super::told::Content;
use crate::base::time::Timestamp;
use crate::outputs::alerts::News;

/// How soon it is looked again whether an opening is settled, in seconds.
const SETTLING_SECONDS: i64 = 30;
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
    /// Whether its opening is as settled as its rule asks for.
    pub is_settled: bool,
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
        let number = trying.map_or(told.number, |trying| trying.number.max(told.number));
        return end(told, (News::Retracted, number.saturating_add(1)), again, now);
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
    if !standing.is_settled && !is_known {
        return Next::Wait(now.plus_seconds(SETTLING_SECONDS));
    }
    tried(told, (news, number), again, now)
}

/// What the target does not know yet of an alert that fires. The latest news do not tell: less important ones may have
/// followed.
fn firing_news(standing: &Standing, told: &Told, wants: Wants) -> Option<News> {
    let Some(known) = told.known.filter(|_| told.is_open()) else { return Some(News::Opened) };
    if standing.content.severity > known.severity {
        return Some(News::Raised);
    }
    if standing.content.is_acknowledged && !known.is_acknowledged {
        return Some(News::Acknowledged);
    }
    let is_moved = standing.news == News::Moved && standing.number > told.number;
    (is_moved && wants.moved).then_some(News::Moved)
}

/// The end of an alert, unless the target never heard of it.
fn end(told: &Told, news: (News, u32), again: bool, now: Timestamp) -> Next {
    if told.may_know { tried(told, news, again, now) } else { Next::Nothing }
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
