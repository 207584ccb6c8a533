//! An SQS service, and queues for one test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    Message as Received, MessageSystemAttributeName as System, QueueAttributeName as Name,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use drover_aws::{Aws, AwsConfig, LocalEndpoints};
use drover_core::base::id::TenantId;
use drover_core::dead_letter::message::Message;
use drover_tests::dynamodb::{LEDGER, LETTERS, REGISTRY, suites, table};
use drover_tests::service;

/// The service, embedded or external.
#[derive(Clone)]
pub(crate) struct QueueService {
    pub(crate) is_embedded: bool,
    endpoint: String,
    pub(crate) client: Client,
}

/// The queues of a test: letters move to `failed` after two receives.
pub(crate) struct Queues {
    pub(crate) aws: Aws,
    pub(crate) letters: String,
    pub(crate) buffer: String,
    pub(crate) failed: String,
    pub(crate) client: Client,
}

/// Seconds for which a received message is hidden: enough time for another receive.
const HIDDEN: &str = "3";
/// The largest message, and the largest batch.
pub(crate) const MEBIBYTE: usize = 1024 * 1024;
/// Longer than any step takes.
const PATIENCE: i32 = 10;

impl QueueService {
    pub(crate) fn new(is_embedded: bool, endpoint: String) -> Self {
        let client = client(&endpoint);
        Self { is_embedded, endpoint, client }
    }

    /// Queues with unique names.
    pub(crate) async fn queues(&self) -> Queues {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let named = |name: &str| format!("{name}-{number}-{}", service::mark());
        let failed = self.create(&named("failed"), &[]).await;
        let arn = self.attribute(&failed, Name::QueueArn).await.unwrap();
        let redrive = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":2}}"#);
        let settings = [(Name::VisibilityTimeout, HIDDEN), (Name::RedrivePolicy, &redrive)];
        let letters = self.create(&named("letters"), &settings).await;
        let buffer = self.create(&named("buffer"), &[]).await;
        let aws = self.aws(&letters, &buffer);
        Queues { aws, letters, buffer, failed, client: self.client.clone() }
    }

    pub(crate) async fn create(&self, name: &str, settings: &[(Name, &str)]) -> String {
        let mut create = self.client.create_queue().queue_name(name);
        for (name, value) in settings {
            create = create.attributes(name.clone(), *value);
        }
        create.send().await.unwrap().queue_url.unwrap()
    }

    /// The ports on these queues, and on the DynamoDB of the suites.
    pub(crate) fn aws(&self, letters: &str, buffer: &str) -> Aws {
        let dynamodb = format!("http://{}", suites().unwrap());
        let endpoints = LocalEndpoints { dynamodb, sqs: self.endpoint.clone() };
        let config = AwsConfig {
            ledger_table: table(LEDGER),
            registry_table: table(REGISTRY),
            dead_letter_queue_url: Arc::from(letters),
            buffer_queue_url: Arc::from(buffer),
            requests_table: None,
            letters_table: Some(table(LETTERS)),
            outputs_table: None,
            notifications_queue_url: Some(Arc::from(buffer)),
        };
        Aws::local(&endpoints, config)
    }

    pub(crate) async fn attribute(&self, queue: &str, name: Name) -> Option<String> {
        let get = self.client.get_queue_attributes().queue_url(queue).attribute_names(name.clone());
        get.send().await.unwrap().attributes?.remove(&name)
    }
}

impl Queues {
    /// The messages that are due now, at most ten.
    pub(crate) async fn receive(&self, queue: &str) -> Vec<Received> {
        self.receive_within(queue, 0).await
    }

    /// Like [`Self::receive`], waiting for a first message.
    pub(crate) async fn wait(&self, queue: &str) -> Vec<Received> {
        self.receive_within(queue, PATIENCE).await
    }

    async fn receive_within(&self, queue: &str, seconds: i32) -> Vec<Received> {
        let receive = self.client.receive_message().queue_url(queue).max_number_of_messages(10);
        let receive = receive.message_system_attribute_names(System::All);
        let received = receive.wait_time_seconds(seconds).send().await.unwrap();
        received.messages.unwrap_or_default()
    }

    pub(crate) async fn delete(&self, queue: &str, message: &Received) {
        let delete = self.client.delete_message().queue_url(queue);
        delete.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
    }

    /// Receives and deletes messages, until there are so many.
    pub(crate) async fn take(&self, queue: &str, count: usize) -> Vec<Received> {
        let mut all = Vec::new();
        while all.len() < count {
            let received = self.wait(queue).await;
            assert!(!received.is_empty(), "{} of {count} came", all.len());
            for message in &received {
                self.delete(queue, message).await;
            }
            all.extend(received);
        }
        all
    }
}

/// A message of a tenant, or of the operator.
pub(crate) fn message(tenant: Option<&str>, body: &str) -> Message {
    let tenant = tenant.map(|name| TenantId::parse(name).unwrap());
    Message { tenant, body: body.to_owned() }
}

pub(crate) fn body(message: &Received) -> &str {
    message.body().unwrap_or_default()
}

pub(crate) fn system<'a>(message: &'a Received, name: &System) -> &'a str {
    message.attributes().and_then(|all| all.get(name)).map_or("", String::as_str)
}

/// `ok`, or the code of the error.
pub(crate) fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    let code = |error: SdkError<E, R>| error.code().unwrap_or("without a code").to_owned();
    result.map_or_else(code, |_| "ok".to_owned())
}

fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http);
    Client::from_conf(config.build())
}
