//! The credentials for Kafka: from Secrets Manager, from a file, or by IAM, and the errors of
//! unreadable credentials.

#![recursion_limit = "256"]
#![expect(clippy::expect_used, reason = "test helpers fail like tests")]

use std::io;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use drover_aws::kafka::{
    KafkaAuth, KafkaConfig, KafkaRereadOnDemand, KafkaUser, KafkaVariables, NoIdentity, Password,
    SaslMechanism, Security,
};
use drover_core::base::error::Reason;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::origin::Offsets;
use drover_core::intake::record::{Receipt, TopicRetention};
use drover_core::ports::Reread as _;
use drover_tests::canned::{Answer, serve};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:AmazonMSK_drover-a1b2c3";

fn variables(auth: KafkaAuth) -> KafkaVariables {
    KafkaVariables { bootstrap: "b:9096".to_owned(), topic: "events".to_owned(), auth }
}

fn in_secret() -> KafkaVariables {
    let mechanism = SaslMechanism::ScramSha512;
    variables(KafkaAuth::Sasl {
        mechanism,
        user: KafkaUser::Secret { arn: ARN.to_owned() },
        tls: true,
    })
}

fn settings(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build()
}

/// The configuration that follows from a response of Secrets Manager.
async fn answered(status: u16, body: Value) -> Result<KafkaConfig, NoIdentity> {
    let answer = move |request: &str| -> Answer {
        let asked: Value = serde_json::from_str(request).expect("JSON");
        assert_eq!(asked.get("SecretId").and_then(Value::as_str), Some(ARN));
        (status, body.to_string())
    };
    let address = serve(answer).await.expect("a free port");
    let sdk = settings(&format!("http://{address}"));
    in_secret().config_in(|_| Err(io::ErrorKind::Other.into()), async { sdk }).await
}

#[tokio::test]
async fn the_secret_of_msk_contains_the_credentials() {
    let secret = json!({ "username": "app", "password": "app-secret" }).to_string();
    let config = answered(200, json!({ "ARN": ARN, "SecretString": secret })).await;
    let config = config.expect("a good secret");
    assert_eq!((config.cluster.bootstrap.as_str(), config.topic.as_str()), ("b:9096", "events"));
    let shown = format!("{config:?}");
    assert!(!shown.contains("app-secret"), "{shown}");
    let Security::Sasl { user, password, tls, .. } = config.cluster.security else {
        unreachable!("{shown}");
    };
    assert_eq!((user.as_str(), password, tls), ("app", Password::new("app-secret"), true));
}

#[tokio::test]
async fn a_secret_in_another_format_is_named_and_not_shown() {
    let texts = ["s3cr3t", r#"{"user":"s3cr3t"}"#, r#"{"username":"app","password":["s3cr3t"]}"#];
    for text in texts {
        let error = answered(200, json!({ "ARN": ARN, "SecretString": text })).await;
        let error = error.expect_err("no user");
        assert!(matches!(&error, NoIdentity::Secret(said) if said.reason == Reason::Misconfigured));
        assert!(error.to_string().contains(ARN), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    }
    // A binary secret has no text.
    answered(200, json!({ "ARN": ARN, "SecretBinary": "czNjcjN0" })).await.expect_err("no text");
}

#[tokio::test]
async fn an_unreadable_secret_is_classified_as_transient_or_permanent() {
    let check = async |status, code: &str, expected| {
        let error = answered(status, json!({ "__type": code, "message": "on demand" })).await;
        let error = error.expect_err("no secret");
        let NoIdentity::Secret(said) = &error else { unreachable!("{error:?}") };
        assert_eq!(said.reason, expected, "{said}");
        assert!(said.message.contains(code), "{said}");
    };
    check(400, "ResourceNotFoundException", Reason::Misconfigured).await;
    check(400, "AccessDeniedException", Reason::Misconfigured).await;
    check(400, "DecryptionFailure", Reason::Misconfigured).await;
    check(400, "InvalidRequestException", Reason::Misconfigured).await;
    check(400, "ThrottlingException", Reason::Throttled).await;
    check(500, "InternalServiceError", Reason::Unreachable).await;
}

#[tokio::test]
async fn a_password_is_read_from_its_file_without_a_request_to_aws() {
    let no_settings = || async { unreachable!("no settings of AWS are needed") };
    let of_file = || {
        let (name, password_file) = ("app".to_owned(), "/secret".into());
        let user = KafkaUser::File { name, password_file };
        variables(KafkaAuth::Sasl { mechanism: SaslMechanism::ScramSha512, user, tls: false })
    };
    let config =
        of_file().config_in(|file| Ok(format!("{}!\n", file.display())), no_settings()).await;
    let Security::Sasl { user, password, tls, .. } = config.expect("a user").cluster.security
    else {
        unreachable!("SASL");
    };
    assert_eq!((user.as_str(), password, tls), ("app", Password::new("/secret!"), false));
    let gone = |_: &_| Err(io::ErrorKind::NotFound.into());
    let error = of_file().config_in(gone, no_settings()).await.expect_err("no file");
    assert_eq!(error.to_string(), "cannot read the password of the Kafka user: file=`/secret`");
    for (tls, expected) in [(true, "Tls"), (false, "Plaintext")] {
        let config = variables(KafkaAuth::None { tls }).config_in(gone, no_settings()).await;
        assert_eq!(format!("{:?}", config.expect("no credentials").cluster.security), expected);
    }
}

/// The password would be on the wire as it is. Over TLS, or to this machine, it may be sent.
#[tokio::test]
async fn plain_without_tls_reaches_this_machine_only() {
    let config = async |bootstrap: &str, tls| {
        let user = KafkaUser::File { name: "app".to_owned(), password_file: "/secret".into() };
        let auth = KafkaAuth::Sasl { mechanism: SaslMechanism::Plain, user, tls };
        let (bootstrap, topic) = (bootstrap.to_owned(), "events".to_owned());
        let variables = KafkaVariables { bootstrap, topic, auth };
        variables.config(|_| Ok("secret-1".to_owned())).await.map_err(|error| error.to_string())
    };
    let refused = config("b:9096", false).await.expect_err("a password as text");
    let expected = "SASL/PLAIN without TLS would send the password as text: bootstrap=`b:9096`";
    assert_eq!(refused, expected);
    for (bootstrap, tls) in [("b:9096", true), ("127.0.0.1:9093", false)] {
        let security = config(bootstrap, tls).await.expect("a user").cluster.security;
        let Security::Sasl { mechanism, .. } = security else { unreachable!("SASL") };
        assert_eq!(mechanism, SaslMechanism::Plain);
    }
}

#[tokio::test]
async fn with_iam_the_credentials_are_those_of_aws() {
    let iam = || variables(KafkaAuth::Iam);
    let gone = |_: &_| Err(io::ErrorKind::NotFound.into());
    let config = iam().config_in(gone, async { settings("http://127.0.0.1:9") }).await;
    let shown = format!("{:?}", config.expect("a region").cluster.security);
    assert_eq!(shown, "MskIam(MskIam(eu-central-1))");
    let no_region = async { settings("http://127.0.0.1:9").into_builder().region(None).build() };
    let error = iam().config_in(gone, no_region).await.expect_err("no region");
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
}

/// Filing letters never needs the credentials; a replay that does need them waits until they are
/// fixed.
#[tokio::test]
async fn a_reader_starts_without_its_secret_and_reports_it_when_it_reads() {
    let user = KafkaUser::File { name: "app".to_owned(), password_file: "/no/such/file".into() };
    let reader = KafkaRereadOnDemand(variables(KafkaAuth::Sasl {
        mechanism: SaslMechanism::ScramSha512,
        user,
        tls: true,
    }));
    let offsets = Offsets { topic: "telemetry".to_owned(), partition: 0, first: 0, last: 1 };
    let given_up = Receipt { now: Timestamp::MAX, retention: TopicRetention::WEEK };
    let error = reader.reread(&offsets, given_up).await.expect_err("no password");
    assert_eq!(error.reason, Reason::Misconfigured);
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}
