//! What the answer of a target means.

use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use drover_core::base::time::Timestamp;
use http_body_util::BodyExt as _;

use crate::sending::NotSent;
use crate::sending::request::Post;
use crate::sending::text::excerpt;
use crate::sending::url::TargetUrl;

/// How much of a refusal is read, in bytes.
const READ_BYTES: usize = 4 * 1024;

const GONE: u16 = 410;
const TOO_MANY_REQUESTS: u16 = 429;
const UNAVAILABLE: u16 = 503;

/// Whether an answer's body is worth reading.
pub(super) fn is_explained(status: u16) -> bool {
    status >= 400
}

/// What a status means. `wait_seconds`: how long the target asks to wait; `said`: the beginning of its answer.
///
/// # Errors
/// [`NotSent`]: it is not success.
pub(super) fn meaning(
    status: u16,
    wait_seconds: Option<i64>,
    said: Option<&str>,
    target: &TargetUrl,
) -> Result<(), NotSent> {
    let said = said.map(|said| format!(" said=`{said}`")).unwrap_or_default();
    let reason = |what: &str| format!("{what}: status=`{status}` target=`{target}`{said}");
    match status {
        200..=299 => Ok(()),
        300..=399 => {
            let reason = reason("the target redirects to another URL, which is not followed");
            Err(NotSent::Failed { reason, wait_seconds: None })
        }
        GONE => Err(NotSent::Gone { reason: reason("the target asks for no more notifications") }),
        TOO_MANY_REQUESTS | UNAVAILABLE => {
            Err(NotSent::Failed { reason: reason("the target is busy"), wait_seconds })
        }
        _ => {
            let reason = reason("the target refuses the notification");
            Err(NotSent::Failed { reason, wait_seconds: None })
        }
    }
}

/// The seconds to wait in a `Retry-After`: seconds or a date. `None`: something else.
pub(super) fn wait(text: &str, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(seconds.into());
    }
    let date = DateTime::from_str(text, Format::HttpDate).ok()?;
    Some(date.secs().saturating_sub(now.whole_seconds()).max(0))
}

/// The beginning of a text, for people. `None`: it is no text, is not read in time or contains a secret.
pub(super) async fn said(
    body: SdkBody,
    content_type: &str,
    (post, within): (&Post, Duration),
) -> Option<String> {
    let content_type = content_type.to_ascii_lowercase();
    if !content_type.starts_with("text/") && !content_type.contains("json") {
        return None;
    }
    let bytes = tokio::time::timeout(within, beginning(body)).await.ok()??;
    let text = String::from_utf8_lossy(&bytes);
    let line = excerpt(&text);
    (!line.is_empty() && !has_secret(&text, post)).then_some(line)
}

/// The first bytes of a body. `None`: it breaks off.
async fn beginning(mut body: SdkBody) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < READ_BYTES {
        let Some(frame) = body.frame().await else { break };
        let Ok(part) = frame.ok()?.into_data() else { continue };
        let room = READ_BYTES.saturating_sub(bytes.len());
        bytes.extend(part.into_iter().take(room));
    }
    Some(bytes)
}

/// Whether a text contains a secret of the request: a target may send back what it got.
pub(super) fn has_secret(text: &str, post: &Post) -> bool {
    let secrets = post.secrets.iter().map(String::as_str).chain(post.url.secrets());
    secrets.filter(|secret| !secret.is_empty()).any(|secret| text.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_given_as_seconds_or_as_a_date() {
        let now = Timestamp::parse_rfc3339("2026-11-21T06:00:00.9Z").expect("a time");
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sat, 21 Nov 2026 06:02:00 GMT", Some(120)),
            ("Sat, 21 Nov 2026 05:00:00 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(text, now), expected, "{text}");
        }
    }
}
