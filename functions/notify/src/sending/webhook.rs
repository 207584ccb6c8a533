//! Standard Webhooks, <https://www.standardwebhooks.com>: the alert as JSON, signed.

use drover_core::outputs::notifications::Notification;
use serde_json::json;
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};

use super::data::{data, kind};
use super::request::Post;
use super::secrets::Secret;
use super::url::TargetUrl;
use super::{NotSent, failed};

/// The beginning of a secret.
const PREFIX: &str = "whsec_";
/// How many bytes a secret has.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The request. `secrets`: those that sign, the one in force first.
///
/// # Errors
/// [`NotSent`]: a secret has another form.
pub(super) fn post(
    notification: &Notification,
    url: TargetUrl,
    secrets: &[Secret],
) -> Result<Post, NotSent> {
    let (body, seconds) = (body(notification), notification.at.whole_seconds());
    let signed = secrets.iter().map(|secret| {
        let key = key(secret).ok_or_else(|| {
            failed("the secret of the webhook is not whsec_ and 24 to 64 bytes in base64")
        })?;
        let signed = key.sign(&notification.id, seconds, body.as_bytes());
        signed.map_err(|_| failed("a bug: the webhook cannot be signed"))
    });
    let signatures: Vec<String> = signed.collect::<Result<_, _>>()?;
    let headers = vec![
        (HEADER_WEBHOOK_ID, notification.id.clone()),
        (HEADER_WEBHOOK_TIMESTAMP, seconds.to_string()),
        (HEADER_WEBHOOK_SIGNATURE, signatures.join(" ")),
    ];
    let secrets = secrets.iter().map(|secret| secret.to_string()).collect();
    Ok(Post { url, headers, body, secrets })
}

/// The body: what happened, the time of the try, and the alert.
pub(super) fn body(notification: &Notification) -> String {
    json!({
        "type": kind(notification),
        "timestamp": notification.at,
        "data": data(notification),
    })
    .to_string()
}

/// The key that a secret is. `None`: it has another form.
fn key(secret: &str) -> Option<Webhook> {
    let base64 = secret.strip_prefix(PREFIX)?;
    // Base64 with padding, or the key would be invalid.
    let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
    let bytes = (base64.len() / 4 * 3).saturating_sub(padding);
    let key = Webhook::new(secret).ok()?;
    SECRET_BYTES.contains(&bytes).then_some(key)
}

#[cfg(test)]
mod tests {
    use drover_core::base::severity::Severity;
    use drover_core::outputs::alerts::News;
    use drover_core::outputs::notifications::simulated::Simulated;
    use serde_json::Value;

    use super::*;
    use crate::sending::tests::{at, notification};

    fn parsed(notification: &Notification) -> Value {
        serde_json::from_str(&body(notification)).expect("JSON")
    }

    #[test]
    fn the_body_has_what_happened_the_time_and_the_alert_with_its_tenant() {
        for (news, kind) in [
            (News::Opened, "alert.opened"),
            (News::Moved, "alert.moved"),
            (News::Raised, "alert.raised"),
            (News::Acknowledged, "alert.acknowledged"),
            (News::Resolved, "alert.resolved"),
            (News::Retracted, "alert.retracted"),
            (News::Digest, "alert.digest"),
        ] {
            let notification = notification(news);
            let mut data = notification.alert.clone();
            data["tenant"] = "demo".into();
            let expected =
                json!({ "type": kind, "timestamp": "2026-11-21T06:10:00.000Z", "data": data });
            assert_eq!(parsed(&notification), expected);
        }
    }

    #[test]
    fn a_simulated_alert_shows_that_it_is_a_test() {
        let opened_at = at("2026-11-21T06:10:00Z");
        let summary = "a test".to_owned();
        let simulated = Simulated::new(Severity::Info, summary, "key-1", (opened_at, 7));
        let alert = simulated.to_json(opened_at);
        let body = parsed(&Notification { alert, ..notification(News::Opened) });
        assert_eq!(
            (&body["data"]["test"], &body["data"]["summary"]),
            (&json!(true), &json!("a test"))
        );
    }

    #[test]
    fn a_secret_is_24_to_64_bytes_in_base64() {
        let of = |count: usize| {
            let text = base64(count);
            key(&format!("whsec_{text}")).is_some()
        };
        for (count, expected) in
            [(0, false), (23, false), (24, true), (25, true), (26, true), (64, true), (65, false)]
        {
            assert_eq!(of(count), expected, "{count}");
        }
        let valid = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        assert!(key(&format!("whsec_{valid}")).is_some());
        for text in
            [valid, "whsec_", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7o", "whsec_é", "whsec_===="]
        {
            assert!(key(text).is_none(), "{text}");
        }
    }

    /// So many zero bytes in base64.
    fn base64(count: usize) -> String {
        let padding = (3 - count % 3) % 3;
        "A".repeat(count.div_ceil(3) * 4 - padding) + &"=".repeat(padding)
    }
}
