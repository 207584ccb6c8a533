//! What each kind of target gets.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sns::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use standardwebhooks::{Webhook, WebhookError};

use super::listener::{Listener, Seen, response};
use super::*;
use crate::sending::{NotSent, Sender as _};

/// Checks a signature like a receiver.
fn verified(seen: &Seen, secret: &str) -> Result<(), WebhookError> {
    let mut request = HttpRequest::empty();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let value = seen.header(name).expect("a header").to_owned();
        request.headers_mut().try_insert(name, value).expect("a header");
    }
    let request = request.try_into_http1x().expect("a request");
    Webhook::new(secret).expect("a secret").verify(seen.body.as_bytes(), request.headers())
}

/// The clock, which receivers compare timestamps with.
#[expect(clippy::disallowed_methods, reason = "the receiver of a webhook reads it")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.expect("after 1970").as_millis();
    Timestamp::from_millis(i64::try_from(millis).expect("an i64")).expect("a time")
}

#[tokio::test]
async fn a_webhook_is_signed_with_both_secrets_while_one_replaces_the_other() {
    let (files, listener) = (Files::new(), Listener::saying(204, "", "").await);
    let targets = local();
    let (secret, other) = (files.secret("new", SECRET), files.secret("old", OTHER_SECRET));
    let send = async |previous_secret| {
        let secret = secret.clone();
        let endpoint =
            Endpoint::Webhook { url: listener.url("/hook?a=b"), secret, previous_secret };
        let notification = Notification { at: now(), ..notification(News::Opened) };
        targets.send(&target(endpoint), &notification).await.expect("success");
        listener.seen().pop().expect("a request")
    };
    let both = send(Some(other)).await;
    assert_eq!(both.line, "POST /hook?a=b HTTP/1.1");
    assert_eq!(both.header("content-type"), Some("application/json"));
    assert_eq!(both.header("user-agent"), Some("Drover"));
    verified(&both, SECRET).expect("signed with the secret");
    verified(&both, OTHER_SECRET).expect("signed with the previous secret");
    let one = send(None).await;
    verified(&one, SECRET).expect("signed with the secret");
    assert!(matches!(verified(&one, OTHER_SECRET), Err(WebhookError::InvalidSignature)));
    let tampered = Seen { body: one.body.replace("hot", "cold"), ..one.clone() };
    assert!(verified(&tampered, SECRET).is_err());
    // Every try has the same id.
    assert_eq!(one.header("webhook-id"), both.header("webhook-id"));
    assert_eq!(one.header("webhook-id"), Some("msg_0123456789abcdef0123456789abcdef"));
}

#[tokio::test]
async fn a_webhook_without_a_valid_secret_is_not_sent() {
    let (files, listener) = (Files::new(), Listener::saying(204, "", "").await);
    for text in ["MARKER", "whsec_MARKER", "whsec_MARKERMARKERMARKERMARKERMARKER", "whsec_"] {
        let secret = files.secret(text, text);
        let endpoint = Endpoint::Webhook { url: listener.url("/"), secret, previous_secret: None };
        let sent = local().send(&target(endpoint), &notification(News::Opened)).await;
        let reason = "the secret of the webhook is not whsec_ and 24 to 64 bytes in base64";
        assert_eq!(sent.expect_err("no secret").to_string(), reason);
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn each_target_gets_its_message_at_its_path() {
    let (files, listener) = (Files::new(), Listener::saying(202, "", "").await);
    let url = |path: &str| listener.url(path);
    let endpoints = [
        Endpoint::Slack { secret: files.secret("slack", &url("/services/T0/B0/x")) },
        Endpoint::Alertmanager { url: url("/am/"), secret: None },
        Endpoint::Pagerduty { secret: files.secret("key", "k3y"), url: Some(url("/v2/enqueue")) },
    ];
    let targets = local();
    for endpoint in endpoints {
        let sent = targets.send(&target(endpoint), &notification(News::Opened)).await;
        assert_eq!(sent, Ok(()));
    }
    let seen = listener.seen();
    let lines: Vec<&str> = seen.iter().map(|seen| seen.line.as_str()).collect();
    let expected = ["/services/T0/B0/x", "/am/api/v2/alerts", "/v2/enqueue"];
    assert_eq!(lines, expected.map(|path| format!("POST {path} HTTP/1.1")));
    let has = |at: usize, text: &str| seen[at].body.contains(text);
    assert!(has(0, "blocks") && has(1, "startsAt") && has(2, r#""routing_key":"k3y""#));
    assert_eq!(seen[1].header("authorization"), None);
}

/// Settings that lead to one address.
fn sdk(listener: &Listener) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(listener.url(""))
        .build()
}

/// What an AWS service that answers like this makes of a target, and its requests.
async fn on_aws(endpoint: Endpoint, answer: (u16, &str)) -> (Result<(), NotSent>, Vec<Seen>) {
    let listener = Listener::saying(answer.0, "", answer.1).await;
    let targets = Targets::new(Some(&sdk(&listener)), Allowed::default());
    let sent = targets.send(&target(endpoint), &notification(News::Opened)).await;
    (sent, listener.seen())
}

const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:alerts";

#[tokio::test]
async fn a_topic_is_asked_once_in_its_region() {
    let topic = || Endpoint::Sns { topic: TOPIC.to_owned() };
    let taken = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";
    let (sent, seen) = on_aws(topic(), (200, taken)).await;
    assert_eq!((sent, seen.len()), (Ok(()), 1));
    assert!(seen[0].header("authorization").expect("signed").contains("/eu-west-1/sns/"));
    assert!(
        seen[0].body.contains("Action=Publish") && seen[0].body.contains("Subject=%5Bwarning%5D")
    );
    let error = "<ErrorResponse><Error><Code>NotFound</Code><Message>no topic</Message></Error></ErrorResponse>";
    for status in [404, 500] {
        let (sent, seen) = on_aws(topic(), (status, error)).await;
        let reason = "publishing to the topic failed: code=`NotFound` said=`no topic`";
        assert_eq!(sent.expect_err("an error").to_string(), reason);
        assert_eq!(seen.len(), 1);
    }
}

#[tokio::test]
async fn a_bus_is_asked_once_and_a_failed_event_is_a_failure() {
    let bus = || Endpoint::Eventbridge {
        bus: "arn:aws:events:eu-west-1:111122223333:event-bus/alerts".to_owned(),
    };
    let (sent, seen) =
        on_aws(bus(), (200, r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#)).await;
    assert_eq!((sent, seen.len()), (Ok(()), 1));
    assert!(seen[0].header("authorization").expect("signed").contains("/eu-west-1/events/"));
    let failed =
        r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"Throttled","ErrorMessage":"later"}]}"#;
    for (status, answer, expected) in [
        (200, failed, "the bus refuses the event: code=`Throttled` said=`later`"),
        (
            200,
            r#"{"FailedEntryCount":0,"Entries":[]}"#,
            "EventBridge returned no result for the event",
        ),
        (
            400,
            r#"{"__type":"ValidationException","message":"no"}"#,
            "putting an event on the bus failed: code=`ValidationException` said=`no`",
        ),
    ] {
        let (sent, seen) = on_aws(bus(), (status, answer)).await;
        assert_eq!(sent.expect_err("an error").to_string(), expected);
        assert_eq!(seen.len(), 1);
    }
}

#[tokio::test]
async fn secrets_are_read_from_secrets_manager_in_their_region() {
    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ops-AbCdEf";
    let answer = |text: &'static str| {
        move |seen: &Seen| match seen.header("x-amz-target") {
            Some(_) => Some(response(200, "", text)),
            None => Some(response(200, "", "")),
        }
    };
    let send = async |text| {
        let listener = Listener::new(answer(text)).await;
        let targets = Targets::new(Some(&sdk(&listener)), Allowed::default().and_loopback());
        let secret = Some(SecretName::Arn(ARN.to_owned()));
        let endpoint = Endpoint::Alertmanager { url: listener.url(""), secret };
        (targets.send(&target(endpoint), &notification(News::Opened)).await, listener.seen())
    };
    let (sent, seen) = send(r#"{"SecretString":" t0ken\n"}"#).await;
    assert_eq!((sent, seen.len()), (Ok(()), 2));
    assert!(
        seen[0].header("authorization").expect("signed").contains("/eu-west-1/secretsmanager/")
    );
    assert_eq!(seen[1].header("authorization"), Some("Bearer t0ken"));
    let (sent, seen) = send(r#"{"SecretBinary":"TUFSS0VS"}"#).await;
    let reason = format!("the secret of the target is no text: arn=`{ARN}`");
    assert_eq!((sent.expect_err("no text").to_string(), seen.len()), (reason, 1));
}

#[tokio::test]
async fn without_aws_its_targets_and_secrets_fail_with_a_reason() {
    let targets = Targets::new(None, Allowed::default());
    let arn = || SecretName::Arn("arn:aws:secretsmanager:eu-west-1:1:secret:a".to_owned());
    for (endpoint, expected) in [
        (
            Endpoint::Sns { topic: TOPIC.to_owned() },
            "there is no AWS here for the target: service=`SNS`",
        ),
        (
            Endpoint::Eventbridge { bus: "alerts".to_owned() },
            "there is no AWS here for the target: service=`EventBridge`",
        ),
        (
            Endpoint::Slack { secret: arn() },
            "there is no Secrets Manager here: arn=`arn:aws:secretsmanager:eu-west-1:1:secret:a`",
        ),
    ] {
        let sent = targets.send(&target(endpoint), &notification(News::Opened)).await;
        assert_eq!(sent.expect_err("no AWS").to_string(), expected);
    }
}
