//! Compares the payload sent to a broker with the payload that AWS documents
//! (<https://github.com/aws/aws-msk-iam-auth#details>), signed by the SDK's signer.
//!
//! Left out: whether a real cluster accepts the payload.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use drover_core::base::error::Reason;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::listener::{HOST, Listener};
use super::*;
use crate::kafka::{Security, partitions};

mod listener;

const REGION: &str = "eu-central-1";
const LONG: Duration = Duration::from_secs(3600);

/// Gives each call numbered credentials, starting at 1, with an optional expiry and session token.
#[derive(Debug, Default)]
struct Rotating {
    calls: AtomicU32,
    expiry: Option<SystemTime>,
    role: bool,
}

impl Rotating {
    fn numbered(&self, number: u32) -> Credentials {
        let mut given = Credentials::builder()
            .access_key_id(format!("AKID{number}"))
            .secret_access_key(format!("secret/{number}+"))
            .provider_name("test");
        given.set_expiry(self.expiry);
        given.set_session_token(self.role.then(|| format!("token/{number}+=")));
        given.build()
    }
}

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        future::ProvideCredentials::ready(Ok(self.numbered(number)))
    }
}

fn identity(provider: impl ProvideCredentials + 'static) -> MskIam {
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build();
    MskIam::of(&sdk).expect("a region and credentials")
}

/// The payload that AWS documents, with these credentials and the date and user agent from the sent
/// payload.
fn published(credentials: &Credentials, sent: &Value) -> Value {
    let date = sent["x-amz-date"].as_str().expect("a date");
    let (id, day) = (credentials.access_key_id(), &date[..8]);
    let mut payload = json!({
        "version": "2020_10_22",
        "host": HOST,
        "user-agent": sent["user-agent"],
        "action": "kafka-cluster:Connect",
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": format!("{id}/{day}/{REGION}/kafka-cluster/aws4_request"),
        "x-amz-date": date,
        "x-amz-expires": "900",
        "x-amz-signedheaders": "host",
        "x-amz-signature": signature(credentials, date),
    });
    if let Some(token) = credentials.session_token() {
        payload["x-amz-security-token"] = token.into();
    }
    payload
}

fn signature(credentials: &Credentials, date: &str) -> String {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).expect("a time");
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).expect("a time").timestamp();
    let age =
        clock::now().seconds_since(Timestamp::from_micros(time.as_microsecond()).expect("it"));
    assert!((-1.0..60.0).contains(&age), "{date}");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(900));
    let identity = credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("kafka-cluster")
        .time(SystemTime::from(time))
        .settings(settings)
        .build()
        .expect("all of them");
    let url = format!("https://{HOST}/?Action=kafka-cluster%3AConnect");
    let body = SignableBody::Bytes(b"");
    let request = SignableRequest::new("GET", url, std::iter::empty(), body).expect("a request");
    let (signed, _) = sign(request, &params.into()).expect("a signature").into_parts();
    let (_, added) = signed.into_parts();
    let mut added = added.into_iter();
    added.find(|(name, _)| *name == "X-Amz-Signature").expect("one").1.into_owned()
}

/// Checks a sent payload and returns the number of its credentials.
fn number(sent: &Value, role: bool) -> u32 {
    let id = sent["x-amz-credential"].as_str().and_then(|id| id.split('/').next());
    let number = id.and_then(|id| id.strip_prefix("AKID")?.parse().ok()).expect("one of ours");
    assert_eq!(*sent, published(&Rotating { role, ..Rotating::default() }.numbered(number), sent));
    number
}

async fn check_payload(provider: Rotating) {
    let role = provider.role;
    let mut listener = Listener::start(LONG).await;
    let client = listener.connect(&identity(provider)).await.expect("let in");
    assert_eq!(partitions(&client.admin(), "telemetry").await, Ok(Some(vec![0, 1])));
    let sent = listener.payloads.recv().await.expect("one connection at least");
    assert!(number(&sent, role) > 0);
    assert!(sent["user-agent"].as_str().is_some_and(|name| !name.is_empty()), "{sent}");
}

#[tokio::test]
async fn a_broker_receives_the_payload_that_awss_signer_would_send() {
    let expiry = Some(SystemTime::from(jiff::Timestamp::MAX));
    check_payload(Rotating { role: true, expiry, ..Rotating::default() }).await;
}

#[tokio::test]
async fn a_user_has_no_session_token() {
    check_payload(Rotating::default()).await;
}

#[tokio::test]
async fn each_connection_asks_for_credentials_and_is_replaced_before_its_session_ends() {
    let mut listener = Listener::start(Duration::from_secs(1)).await;
    let provider = Rotating { role: true, ..Rotating::default() };
    let client = listener.connect(&identity(provider)).await.expect("let in");
    let admin = client.admin();
    let (mut numbers, mut at_first) = (BTreeSet::new(), None);
    let until = Instant::now() + Duration::from_secs(20);
    while numbers.len() == at_first.unwrap_or(numbers.len()) {
        assert!(Instant::now() < until, "no session was replaced: {numbers:?}");
        assert_eq!(partitions(&admin, "telemetry").await, Ok(Some(vec![0, 1])));
        while let Ok(sent) = listener.payloads.try_recv() {
            assert!(numbers.insert(number(&sent, true)), "{sent}");
        }
        at_first.get_or_insert(numbers.len());
    }
    assert!(at_first > Some(0));
}

#[tokio::test]
async fn expired_credentials_are_never_sent() {
    let mut listener = Listener::start(LONG).await;
    let provider = Rotating { expiry: Some(UNIX_EPOCH + LONG), ..Rotating::default() };
    let error = listener.connect(&identity(provider)).await.expect_err("expired");
    assert_eq!(error.reason, Reason::Unreachable, "{error}");
    assert!(error.message.contains("the AWS credentials have expired"), "{error}");
    assert!(listener.payloads.try_recv().is_err());
}

#[test]
fn credentials_are_valid_until_they_expire() {
    let second = |number: i64| Timestamp::from_micros(number * 1_000_000).expect("a time");
    let until_two =
        Rotating { expiry: Some(UNIX_EPOCH + Duration::from_secs(2)), ..Rotating::default() };
    let good = |now| unexpired(&until_two.numbered(1), REGION, now).is_ok();
    assert_eq!([1, 2, 3_i64].map(|number| good(second(number))), [true, false, false]);
    assert!(unexpired(&Rotating::default().numbered(1), REGION, Timestamp::MAX).is_ok());
}

/// A provider that fails.
#[derive(Debug)]
struct Without(fn() -> CredentialsError);

impl ProvideCredentials for Without {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(provider::Result::Err(self.0()))
    }
}

#[tokio::test]
async fn missing_credentials_are_misconfigured_and_a_failing_provider_may_pass() {
    let listener = Listener::start(LONG).await;
    let check = async |error, reason| {
        let error = listener.connect(&identity(Without(error))).await.expect_err("no credentials");
        assert_eq!(error.reason, reason, "{error}");
        assert!(error.message.contains("no AWS credentials"), "{error}");
        assert!(!error.message.contains("s3cr3t"), "{error}");
    };
    check(CredentialsError::not_loaded_no_source, Reason::Misconfigured).await;
    check(|| CredentialsError::invalid_configuration("s3cr3t"), Reason::Misconfigured).await;
    check(|| CredentialsError::provider_error("s3cr3t"), Reason::Unreachable).await;
    check(|| CredentialsError::provider_timed_out(LONG), Reason::Unreachable).await;
}

#[tokio::test]
async fn credentials_are_never_shown_and_tls_is_always_on() {
    let identity = identity(Rotating { role: true, ..Rotating::default() }.numbered(1));
    let auth = Security::MskIam(identity.clone()).auth();
    assert!(auth.requires_tls() && auth.requires_sasl(), "{auth:?}");
    let signing = identity.credentials().await.expect("good");
    let shown =
        format!("{identity:?} {:?} {auth:?} {signing:?}", Security::MskIam(identity.clone()));
    assert!(shown.contains(REGION), "{shown}");
    for part in ["AKID1", "secret/1", "token/1"] {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[test]
fn iam_without_a_region_is_an_error() {
    let sdk = SdkConfig::builder()
        .credentials_provider(SharedCredentialsProvider::new(Rotating::default()))
        .build();
    assert_eq!(MskIam::of(&sdk).map(drop), Err(NoRegion));
}
