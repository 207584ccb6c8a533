//! What the answers of targets mean, and that no reason shows a secret.

use std::time::{Duration, Instant};

use super::listener::{Listener, Seen, response};
use super::*;
use crate::sending::{NotSent, Sender as _};

/// Texts that no reason may contain.
const MARKERS: [&str; 2] = ["MARKER", "ada"];

fn failing(reason: &str) -> NotSent {
    NotSent::Failed { reason: reason.to_owned(), wait_seconds: None }
}

/// A webhook whose URL and secret are marked.
pub(super) fn webhook(files: &Files, address: &str) -> Endpoint {
    Endpoint::Webhook {
        url: format!("{address}/hooks/MARKERPATH?token=MARKERTOKEN"),
        secret: files.secret("webhook", SECRET),
        previous_secret: None,
    }
}

/// Every kind of target that is asked by HTTP, with marked secrets.
pub(super) fn kinds(files: &Files, address: &str) -> Vec<Endpoint> {
    vec![
        webhook(files, address),
        Endpoint::Slack {
            secret: files.secret("slack", &format!("{address}/services/MARKER/MARKERMARKER")),
        },
        Endpoint::Alertmanager {
            url: format!("{address}/MARKERPATH"),
            secret: Some(files.secret("alertmanager", "MARKERTOKEN")),
        },
        Endpoint::Pagerduty {
            secret: files.secret("pagerduty", "MARKERKEY"),
            url: Some(format!("{address}/MARKERPATH")),
        },
    ]
}

pub(super) async fn sent(targets: &Targets, endpoint: Endpoint) -> Result<(), NotSent> {
    let sent = targets.send(&target(endpoint), &notification(News::Acknowledged)).await;
    if let Err(error) = &sent {
        let reason = error.to_string();
        assert!(MARKERS.iter().all(|marker| !reason.contains(marker)), "{reason}");
        assert!(reason.len() < 500 && !reason.contains(char::is_control), "{reason}");
    }
    sent
}

/// What a webhook's answer means.
async fn meaning(status: u16, headers: &str, text: &str) -> (Result<(), NotSent>, String) {
    let (files, listener) = (Files::new(), Listener::saying(status, headers, text).await);
    let sent = sent(&local(), webhook(&files, &listener.url(""))).await;
    assert_eq!(listener.connections(), 1);
    (sent, listener.url(""))
}

#[tokio::test]
async fn every_status_of_success_is_success() {
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(meaning(status, "", "").await.0, Ok(()), "{status}");
    }
}

#[tokio::test]
async fn a_refusal_shows_the_beginning_of_its_text() {
    let (sent, address) = meaning(500, "", "first `line`\r\n\u{1b}[31msecond").await;
    let reason = format!(
        "the target refuses the notification: status=`500` target=`{address}` said=`first line [31msecond`"
    );
    assert_eq!(sent, Err(failing(&reason)));
    let (sent, address) = meaning(400, "", &"é".repeat(100_000)).await;
    let said = "é".repeat(200);
    let reason = format!(
        "the target refuses the notification: status=`400` target=`{address}` said=`{said}`"
    );
    assert_eq!(sent, Err(failing(&reason)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Listener::saying(200, "", "").await;
    for status in [301, 302, 303, 307, 308, 304] {
        let location = format!("location: {}\r\n", other.url("/MARKER"));
        let (sent, address) = meaning(status, &location, "").await;
        let reason = format!(
            "the target redirects to another URL, which is not followed: status=`{status}` target=`{address}`"
        );
        assert_eq!(sent, Err(failing(&reason)));
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_target_that_is_gone_asks_for_no_more() {
    let (sent, address) = meaning(410, "", "").await;
    let reason =
        format!("the target asks for no more notifications: status=`410` target=`{address}`");
    assert_eq!(sent, Err(NotSent::Gone { reason }));
}

#[tokio::test]
async fn a_busy_target_says_how_long_to_wait() {
    // The try is at 06:10.
    for (status, header, expected) in [
        (429, "retry-after: 120\r\n", Some(120)),
        (503, "retry-after: Sat, 21 Nov 2026 06:11:00 GMT\r\n", Some(60)),
        (503, "retry-after: soon\r\n", None),
        (429, "", None),
        (500, "retry-after: 120\r\n", None),
    ] {
        let (sent, _) = meaning(status, header, "").await;
        let Err(NotSent::Failed { wait_seconds, .. }) = sent else { panic!("{status}: {sent:?}") };
        assert_eq!(wait_seconds, expected, "{status} {header}");
    }
}

#[tokio::test]
async fn a_try_ends_with_its_time_limit() {
    let (files, silent) = (Files::new(), Listener::new(|_| None).await);
    let targets = local().within(Duration::from_millis(200));
    let start = Instant::now();
    let sent = sent(&targets, webhook(&files, &silent.url(""))).await;
    assert_eq!(
        sent,
        Err(failing("the target did not answer in time: target=`ops` kind=`webhook`"))
    );
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(silent.seen().len(), 1);
}

#[tokio::test]
async fn a_status_counts_even_if_its_text_breaks_off_or_never_ends() {
    let files = Files::new();
    for header in ["", "x-open: 1\r\n"] {
        let head = "HTTP/1.1 410 Gone\r\ncontent-type: text/plain\r\ncontent-length: 99\r\n";
        let answer = format!("{head}{header}\r\nMARK");
        let listener = Listener::new(move |_| Some(answer.clone())).await;
        let sent = sent(&local(), webhook(&files, &listener.url(""))).await;
        let address = listener.url("");
        let reason =
            format!("the target asks for no more notifications: status=`410` target=`{address}`");
        assert_eq!(sent, Err(NotSent::Gone { reason }));
    }
}

#[tokio::test]
async fn what_a_target_sends_back_of_the_request_is_not_shown() {
    let echo = |seen: &Seen| {
        let Seen { line, headers, body } = seen;
        Some(response(400, "", &format!("{line}\n{headers:?}\n{body}").replace("ada", "")))
    };
    let (files, listener) = (Files::new(), Listener::new(echo).await);
    for endpoint in kinds(&files, &listener.url("")) {
        let kind = endpoint.kind();
        let error = sent(&local(), endpoint).await.expect_err("status 400").to_string();
        assert!(error.contains("status=`400` target=`"), "{kind}: {error}");
        assert!(!error.contains("said="), "{kind}: {error}");
        let is_host_only = error.contains("target=`127.0.0.1`");
        assert_eq!(is_host_only, kind == "slack", "{error}");
    }
}

#[tokio::test]
async fn a_token_and_a_routing_key_that_a_target_sends_back_are_not_shown() {
    let echo = |seen: &Seen| {
        let token = seen.header("authorization").unwrap_or_default();
        let key: Value = serde_json::from_str(&seen.body).expect("JSON");
        Some(response(400, "", &format!("{token} {}", key["routing_key"])))
    };
    let (files, listener) = (Files::new(), Listener::new(echo).await);
    for endpoint in kinds(&files, &listener.url("")).into_iter().skip(2) {
        let error = sent(&local(), endpoint).await.expect_err("status 400").to_string();
        assert!(error.contains("status=`400`") && !error.contains("said="), "{error}");
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_says_why() {
    let (files, listener) = (Files::new(), Listener::saying(200, "", "").await);
    let closed = listener.url("").replace("http:", "https:");
    for endpoint in kinds(&files, &closed).into_iter().chain(kinds(&files, "http://localhost:1")) {
        let error = sent(&local(), endpoint).await.expect_err("no answer").to_string();
        assert!(error.starts_with("the target cannot be reached: target=`"), "{error}");
        assert!(error.contains("cause=`"), "{error}");
    }
    let unknown = sent(&local(), webhook(&files, "https://unknown.invalid")).await;
    let error = unknown.expect_err("no such name").to_string();
    assert!(
        error.starts_with("the target cannot be reached: target=`https://unknown.invalid`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_secret_is_kept_for_a_minute_and_its_absence_is_a_failure() {
    let (files, listener) = (Files::new(), Listener::saying(200, "", "").await);
    let (targets, secret) = (local(), files.secret("token", "first"));
    let endpoint = Endpoint::Alertmanager { url: listener.url(""), secret: Some(secret) };
    let send = async |time: &str| {
        let notification = Notification { at: at(time), ..notification(News::Opened) };
        targets.send(&target(endpoint.clone()), &notification).await
    };
    assert_eq!(send("2026-11-21T06:10:00Z").await, Ok(()));
    files.secret("token", "second");
    assert_eq!(send("2026-11-21T06:10:59Z").await, Ok(()));
    assert_eq!(send("2026-11-21T06:11:00Z").await, Ok(()));
    let seen = listener.seen();
    let tokens: Vec<_> = seen.iter().map(|seen| seen.header("authorization")).collect();
    assert_eq!(tokens, [Some("Bearer first"), Some("Bearer first"), Some("Bearer second")]);

    files.secret("token", "");
    let empty = send("2026-11-21T06:12:00Z").await.expect_err("no secret").to_string();
    assert!(empty.starts_with("the secret of the target is empty: file=`"), "{empty}");
    files.secret("token", &"MARKER".repeat(20_000));
    let large = send("2026-11-21T06:12:00Z").await.expect_err("too large").to_string();
    assert!(large.ends_with("token` cause=`file too large`"), "{large}");
    files.secret("token", "MARKER\nMARKER");
    let odd = send("2026-11-21T06:12:00Z").await.expect_err("no header").to_string();
    assert_eq!(odd, format!("a header of the request is invalid: target=`{}`", listener.url("")));
    std::fs::remove_file(files.0.path().join("token")).expect("a file");
    let missing = send("2026-11-21T06:14:00Z").await.expect_err("no file").to_string();
    assert!(missing.ends_with("token` cause=`entity not found`"), "{missing}");
}

#[tokio::test]
async fn a_second_message_to_slack_waits_or_says_how_long() {
    let (files, listener) = (Files::new(), Listener::saying(200, "", "ok").await);
    let endpoint = Endpoint::Slack { secret: files.secret("slack", &listener.url("/services")) };
    let targets = local();
    assert_eq!(sent(&targets, endpoint.clone()).await, Ok(()));
    let busy = sent(&targets, endpoint.clone()).await;
    let reason = "more messages wait for the target than one a second".to_owned();
    assert_eq!(busy, Err(NotSent::Failed { reason, wait_seconds: Some(1) }));
    let start = Instant::now();
    let patient = targets.within(Duration::from_secs(9));
    assert_eq!(sent(&patient, endpoint).await, Ok(()));
    assert!(start.elapsed() > Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(listener.connections(), 2);
}
