//! What people read about an alert, in every kind of message.

use drover_core::outputs::alerts::News;
use drover_core::outputs::notifications::Notification;
use serde_json::Value;

/// How much of what a service says is shown, in characters.
const EXCERPT_CHARS: usize = 200;

/// The line that says what happened, such as `Alert opened: hot of device/d-1`.
pub(super) fn title(notification: &Notification) -> String {
    let (rule, subject) = (notification.text("/rule"), subject(notification));
    let what = match (rule.is_empty(), subject.is_empty()) {
        (false, false) => format!("{rule} of {subject}"),
        _ => notification.text("/id").to_owned(),
    };
    let alert = if notification.is_test() { "Test alert" } else { "Alert" };
    let (news, severity) = (notification.news, notification.text("/severity"));
    let to = if news == News::Raised { format!(" to {severity}") } else { String::new() };
    line(&format!("{alert} {}{to}: {what}", news.as_str()))
}

/// The line about the alert. Without its rules, an alert has none: what happened.
pub(super) fn summary(notification: &Notification) -> String {
    let summary = line(notification.text("/summary"));
    if summary.trim().is_empty() { title(notification) } else { summary }
}

/// The subject as `kind/id`; empty if there is none.
pub(super) fn subject(notification: &Notification) -> String {
    let (kind, id) = (notification.text("/subject/kind"), notification.text("/subject/id"));
    if kind.is_empty() || id.is_empty() { String::new() } else { line(&format!("{kind}/{id}")) }
}

/// What is known about the alert, each with its name. At most ten.
pub(super) fn facts(notification: &Notification) -> Vec<(&'static str, String)> {
    let text = |pointer| line(notification.text(pointer));
    let acknowledged = match (text("/acknowledged/by"), text("/acknowledged/note")) {
        (by, note) if note.is_empty() => by,
        (by, note) => format!("{by}: {note}"),
    };
    let facts = [
        ("Severity", text("/severity")),
        ("State", text("/state")),
        ("Subject", subject(notification)),
        ("Rule", text("/rule")),
        ("Value", value(notification)),
        ("Opened", text("/opened_at")),
        ("Closed", text("/closed_at")),
        ("Acknowledged by", acknowledged),
        ("Tenant", notification.tenant.as_str().to_owned()),
        ("Alert", text("/id")),
    ];
    facts.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// The value that the rule measured; empty if there is none.
pub(super) fn value(notification: &Notification) -> String {
    match notification.alert.get("value") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => line(text),
        Some(value) => line(&value.to_string()),
    }
}

/// Why the alert was wrong, if that is what happened. It names the first message by the alert's id and opening.
pub(super) fn retraction(notification: &Notification) -> Option<String> {
    if notification.news != News::Retracted {
        return None;
    }
    let (id, opened_at) = (notification.text("/id"), notification.text("/opened_at"));
    let opened =
        if opened_at.is_empty() { String::new() } else { format!(", opened at {opened_at},") };
    let (event, observed_at) =
        (notification.text("/cause/event_id"), notification.text("/cause/observed_at"));
    let late = notification.alert.pointer("/cause/late_seconds").and_then(Value::as_i64);
    let late = late.map(|late| format!(" and received {late} seconds later")).unwrap_or_default();
    let why = match event.is_empty() {
        true => "its history was told again or forgotten".to_owned(),
        false => format!("of the late event {event}, observed at {observed_at}{late}"),
    };
    Some(line(&format!("Alert {id}{opened} did not happen, because {why}.")))
}

/// A text on one line, with characters that every service takes.
pub(super) fn line(text: &str) -> String {
    let is_odd = |one: char| one.is_control() || matches!(one, '\u{FFFE}' | '\u{FFFF}');
    let plain = |one| if is_odd(one) || one == '\u{2028}' || one == '\u{2029}' { ' ' } else { one };
    text.chars().map(plain).collect()
}

/// A text with at most so many UTF-16 units, which are no fewer than characters. What is cut ends with `…`.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.encode_utf16().count() <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(1);
    let fits = |one: &char| match room.checked_sub(one.len_utf16()) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept + "…"
}

/// The beginning of what a service says, on one line and without backquotes.
pub(super) fn excerpt(text: &str) -> String {
    let is_space = |one: char| one.is_whitespace() || one.is_control() || one == '`';
    let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(EXCERPT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_a_service_says_becomes_a_short_line(text in "(\\PC|\n|\u{0}|\u{1b}|`){0,400}") {
            let line = excerpt(&text);
            prop_assert!(line.chars().count() <= EXCERPT_CHARS);
            prop_assert!(!line.chars().any(|one| one.is_control() || one == '`'), "{line}");
        }

        #[test]
        fn a_text_is_cut_at_its_limit_and_shows_it(text in "(a|é|😀){0,30}", limit in 1_usize..40) {
            let short = cut(&text, limit);
            prop_assert!(short.encode_utf16().count() <= limit);
            match short.strip_suffix('…') {
                Some(kept) => prop_assert!(text.starts_with(kept) && kept.len() < text.len()),
                None => prop_assert_eq!(short, text),
            }
        }
    }
}
