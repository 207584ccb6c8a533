//! Incoming webhooks of Slack: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
//!
//! A message cannot be changed by a webhook later. A retraction is a second message that names the alert of the first
//! one.

use drover_core::outputs::notifications::Notification;
use serde_json::{Value, json};

use super::request::Post;
use super::secrets::Secret;
use super::text::{facts, retraction, summary, title};
use super::url::TargetUrl;

// The limits of blocks, in characters: https://docs.slack.dev/reference/block-kit/blocks.
const HEADER_CHARS: usize = 150;
const SECTION_CHARS: usize = 3_000;
const FIELD_CHARS: usize = 2_000;
const FIELDS: usize = 10;
/// Slack cuts longer texts: <https://docs.slack.dev/reference/methods/chat.postMessage>.
const TEXT_CHARS: usize = 4_000;

/// The request. The URL is the secret.
pub(super) fn post(notification: &Notification, url: TargetUrl, secret: &Secret) -> Post {
    let body = body(notification).to_string();
    let secrets = vec![secret.to_string()];
    Post { url, headers: Vec::new(), body, secrets }
}

/// The message: a text for lists and old clients, and blocks.
fn body(notification: &Notification) -> Value {
    let (title, summary) = (title(notification), summary(notification));
    let retraction = retraction(notification);
    let mut lines: Vec<&str> = vec![&title];
    lines.extend(Some(&*summary).filter(|summary| *summary != title));
    lines.extend(retraction.as_deref());
    let section = |text: &str| json!({ "type": "section", "text": mrkdwn(text, SECTION_CHARS) });
    let fields = facts(notification)
        .into_iter()
        .take(FIELDS)
        .map(|(name, text)| mrkdwn(&format!("*{name}*\n{text}"), FIELD_CHARS));
    let header = json!({ "type": "plain_text", "text": escaped(&title, HEADER_CHARS) });
    let mut blocks = vec![json!({ "type": "header", "text": header }), section(&summary)];
    blocks.extend(retraction.as_deref().map(section));
    blocks.push(json!({ "type": "section", "fields": fields.collect::<Vec<_>>() }));
    json!({ "text": escaped(&lines.join("\n"), TEXT_CHARS), "blocks": blocks })
}

fn mrkdwn(text: &str, limit: usize) -> Value {
    json!({ "type": "mrkdwn", "text": escaped(text, limit) })
}

/// A text in which Slack finds neither mentions nor links, with at most so many UTF-16 units after that.
fn escaped(text: &str, limit: usize) -> String {
    let mut written = String::new();
    let mut room = limit;
    for (at, one) in text.char_indices() {
        let mut bytes = [0; 4];
        let part: &str = match one {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            one => one.encode_utf8(&mut bytes),
        };
        let units = part.encode_utf16().count();
        let is_last = at + one.len_utf8() == text.len();
        // The last place is for the sign that something is cut.
        if units > room.saturating_sub(usize::from(!is_last)) {
            written.push('…');
            break;
        }
        room -= units;
        written.push_str(part);
    }
    written
}

#[cfg(test)]
mod tests;
