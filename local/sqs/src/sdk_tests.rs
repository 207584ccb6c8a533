//! Every action through the AWS SDK, over loopback.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry as ChangeEntry,
    DeleteMessageBatchRequestEntry as DeleteEntry, Message, MessageAttributeValue,
    MessageSystemAttributeName as SystemName, QueueAttributeName as Name,
    SendMessageBatchRequestEntry as SendEntry,
};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{QueueName, QueueSettings, Redrive, Sqs, serve};

/// A server with the queue `orders`, which redrives its messages to `dead` after one receive.
struct Bench {
    sqs: Sqs,
    client: aws_sdk_sqs::Client,
    orders: String,
    dead: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let sqs = Sqs::open(&folder.path().join("queues.db")).unwrap();
        sqs.ensure_queue("dead", QueueSettings::default()).await.unwrap();
        let dead_letter_queue = QueueName::parse("dead").unwrap();
        let redrive = Some(Redrive { dead_letter_queue, max_receive_count: 1 });
        let settings = QueueSettings { redrive, ..Default::default() };
        sqs.ensure_queue("orders", settings).await.unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            let _ = stopped.await;
        };
        let served = tokio::spawn(serve(listener, sqs.clone(), stopped));
        let url = |name: &str| format!("http://{address}/000000000000/{name}");
        Self {
            sqs,
            client: client(&format!("http://{address}")),
            orders: url("orders"),
            dead: url("dead"),
            stop,
            served,
            _folder: folder,
        }
    }

    async fn send(&self, body: &str) {
        self.client.send_message().queue_url(&self.orders).message_body(body).send().await.unwrap();
    }

    async fn receive(&self, queue: &str) -> Vec<Message> {
        let receive = self.client.receive_message().queue_url(queue).max_number_of_messages(10);
        let all = receive.message_attribute_names("All");
        let all = all.message_system_attribute_names(SystemName::All);
        messages(all.send().await.unwrap())
    }

    async fn attribute(&self, queue: &str, name: Name) -> Option<String> {
        let get = self.client.get_queue_attributes().queue_url(queue).attribute_names(name.clone());
        let mut attributes = get.send().await.unwrap().attributes.unwrap_or_default();
        attributes.remove(&name)
    }

    /// Waits until a receive waits at the queue. Such a receive holds the queue's waker, and so
    /// does the list of wakers.
    async fn until_a_receive_waits_at(&self, queue: &str) {
        let waker = self.sqs.waker(&QueueName::parse(queue).unwrap());
        let this_clone_and_the_list = 2;
        while Arc::strong_count(&waker) == this_clone_and_the_list {
            tokio::task::yield_now().await;
        }
    }
}

fn client(endpoint: &str) -> aws_sdk_sqs::Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(http)
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

fn messages(output: ReceiveMessageOutput) -> Vec<Message> {
    output.messages.unwrap_or_default()
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter_map(Message::body).collect()
}

fn handle(message: &Message) -> &str {
    message.receipt_handle().unwrap()
}

fn entry(id: &str, body: &str) -> SendEntry {
    SendEntry::builder().id(id).message_body(body).build().unwrap()
}

/// The code by which the SDK distinguishes errors, without the query protocol's prefix.
fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> Option<String> {
    let code = result.err()?.code()?.to_owned();
    Some(code.trim_start_matches("AWS.SimpleQueueService.").to_owned())
}

#[tokio::test]
async fn queues_are_created_found_listed_changed_and_deleted() {
    let bench = Bench::start().await;
    let client = &bench.client;
    let create = |delay: &str| {
        client.create_queue().queue_name("other").attributes(Name::DelaySeconds, delay).send()
    };
    let url = create("3").await.unwrap().queue_url.unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/000000000000/other"));
    assert_eq!(create("3").await.unwrap().queue_url, Some(url.clone()));
    assert!(create("4").await.unwrap_err().into_service_error().is_queue_name_exists());
    let found = client.get_queue_url().queue_name("other").send().await.unwrap();
    assert_eq!(found.queue_url, Some(url.clone()));

    let set = client.set_queue_attributes().queue_url(&url).attributes(Name::DelaySeconds, "5");
    set.send().await.unwrap();
    assert_eq!(bench.attribute(&url, Name::DelaySeconds).await.as_deref(), Some("5"));
    let arn = bench.attribute(&url, Name::QueueArn).await;
    assert_eq!(arn.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:other"));
    assert_eq!(bench.attribute(&url, Name::Policy).await, None);
    let unknown = client.get_queue_attributes().queue_url(&url).attribute_names("Colour".into());
    assert_eq!(code(unknown.send().await).as_deref(), Some("InvalidAttributeName"));

    let listed = client.list_queues().queue_name_prefix("o").send().await.unwrap();
    assert_eq!(listed.queue_urls(), [bench.orders.clone(), url.clone()]);
    let paged = client.list_queues().max_results(2).send().await.unwrap();
    assert_eq!(paged.queue_urls(), [bench.dead.clone(), bench.orders.clone()]);
    let rest = client.list_queues().max_results(2).set_next_token(paged.next_token).send().await;
    assert_eq!(rest.unwrap().queue_urls(), std::slice::from_ref(&url));

    client.delete_queue().queue_url(&url).send().await.unwrap();
    let gone = client.get_queue_url().queue_name("other").send().await;
    assert!(gone.unwrap_err().into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn a_message_comes_back_with_its_attributes_group_and_checksums() {
    let bench = Bench::start().await;
    let attribute = |data_type: &str| MessageAttributeValue::builder().data_type(data_type);
    let tenant = attribute("String").string_value("acme").build().unwrap();
    let count = attribute("Number").string_value("42").build().unwrap();
    let raw = attribute("Binary").binary_value(Blob::new([0, 255, 7])).build().unwrap();
    let send = bench.client.send_message().queue_url(&bench.orders).message_body("hello");
    let send = send.message_attributes("tenant", tenant.clone()).message_group_id("acme");
    let send = send.message_attributes("count", count).message_attributes("raw", raw.clone());
    let sent = send.send().await.unwrap();
    let attributes_md5 = Some("c84fb963edc6708677ae7ecd2f4ce663");
    assert_eq!(sent.md5_of_message_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(sent.md5_of_message_attributes(), attributes_md5);

    let received = bench.receive(&bench.orders).await;
    let [message] = received.as_slice() else { panic!("not one message: {received:?}") };
    assert_eq!((message.message_id(), message.body()), (sent.message_id(), Some("hello")));
    assert_eq!(message.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(message.md5_of_message_attributes(), attributes_md5);
    let attributes = message.message_attributes().unwrap();
    assert_eq!((attributes.len(), &attributes["tenant"], &attributes["raw"]), (3, &tenant, &raw));
    let system = message.attributes().unwrap();
    assert_eq!(system[&SystemName::MessageGroupId], "acme");
    assert_eq!(system[&SystemName::ApproximateReceiveCount], "1");
    assert!(system.contains_key(&SystemName::SentTimestamp));
    assert!(system.contains_key(&SystemName::ApproximateFirstReceiveTimestamp));
}

#[tokio::test]
async fn a_receive_gives_only_the_attributes_it_asks_for() {
    let bench = Bench::start().await;
    let value = MessageAttributeValue::builder().data_type("String").string_value("a");
    let send = bench.client.send_message().queue_url(&bench.orders).message_body("hello");
    send.message_attributes("tenant", value.build().unwrap()).send().await.unwrap();
    let receive = bench.client.receive_message().queue_url(&bench.orders);
    let received = messages(receive.send().await.unwrap());
    assert_eq!((received[0].attributes(), received[0].message_attributes()), (None, None));
    assert_eq!(received[0].md5_of_message_attributes(), None);
}

#[tokio::test]
async fn a_batch_fails_entry_by_entry() {
    let bench = Bench::start().await;
    let batch = bench.client.send_message_batch().queue_url(&bench.orders);
    let late = SendEntry::builder().id("late").message_body("b").delay_seconds(901);
    let batch = batch.entries(entry("good", "a")).entries(late.build().unwrap());
    let sent = batch.entries(entry("bad", "\u{1}")).send().await.unwrap();
    assert_eq!(sent.successful().iter().map(|sent| sent.id()).collect::<Vec<_>>(), ["good"]);
    let failed = sent.failed().iter().map(|failed| (failed.id(), failed.code()));
    let expected = [("late", "InvalidParameterValue"), ("bad", "InvalidMessageContents")];
    assert_eq!(failed.collect::<Vec<_>>(), expected);
    assert!(sent.failed().iter().all(|failed| failed.sender_fault()));
    assert_eq!(bodies(&bench.receive(&bench.orders).await), ["a"]);
}

#[tokio::test]
async fn an_invalid_batch_is_rejected_as_a_whole() {
    let bench = Bench::start().await;
    let send = |entries: Vec<SendEntry>| {
        let batch = bench.client.send_message_batch().queue_url(&bench.orders);
        batch.set_entries(Some(entries)).send()
    };
    let eleven = (0..11).map(|id| entry(&id.to_string(), "a")).collect();
    assert_eq!(code(send(eleven).await).as_deref(), Some("TooManyEntriesInBatchRequest"));
    assert_eq!(code(send(Vec::new()).await).as_deref(), Some("EmptyBatchRequest"));
    let twice = vec![entry("a", "a"), entry("a", "b")];
    assert_eq!(code(send(twice).await).as_deref(), Some("BatchEntryIdsNotDistinct"));
    let spaced = vec![entry("a b", "a")];
    assert_eq!(code(send(spaced).await).as_deref(), Some("InvalidBatchEntryId"));
    let half = "x".repeat(512 * 1024);
    let most = vec![entry("a", &half), entry("b", &half)];
    let over = vec![entry("a", &half), entry("b", &half), entry("c", "x")];
    assert_eq!(code(send(over).await).as_deref(), Some("BatchRequestTooLong"));
    assert!(bench.receive(&bench.orders).await.is_empty());
    assert_eq!(send(most).await.unwrap().successful().len(), 2);
}

#[tokio::test]
async fn invalid_requests_are_rejected_with_the_codes_of_sqs() {
    let bench = Bench::start().await;
    let send =
        |body: &str| bench.client.send_message().queue_url(&bench.orders).message_body(body).send();
    let rejected = code(send("\u{FFFF}").await);
    assert_eq!(rejected.as_deref(), Some("InvalidMessageContents"));
    assert_eq!(code(send("").await).as_deref(), Some("MissingParameter"));
    let mebibyte = "\"".repeat(1024 * 1024);
    assert!(send(&mebibyte).await.is_ok());
    let over = code(send(&format!("{mebibyte}x")).await);
    assert_eq!(over.as_deref(), Some("InvalidParameterValue"));

    let nowhere = bench.client.send_message().queue_url("http://localhost/0/nowhere");
    let nowhere = nowhere.message_body("a").send().await.unwrap_err().into_service_error();
    assert!(nowhere.is_queue_does_not_exist());
    let receive = bench.client.receive_message().queue_url(&bench.orders);
    let eleven = receive.max_number_of_messages(11).send().await;
    assert_eq!(code(eleven).as_deref(), Some("InvalidParameterValue"));
    let delete = bench.client.delete_message().queue_url(&bench.orders).receipt_handle("nonsense");
    let rejected = delete.send().await.unwrap_err().into_service_error();
    assert!(rejected.is_receipt_handle_is_invalid());
    let unknown = bench.client.list_dead_letter_source_queues().queue_url(&bench.dead).send();
    assert_eq!(code(unknown.await).as_deref(), Some("InvalidAction"));
}

#[tokio::test]
async fn messages_are_deleted_one_by_one_or_in_a_batch() {
    let bench = Bench::start().await;
    for body in ["a", "b"] {
        bench.send(body).await;
    }
    let received = bench.receive(&bench.orders).await;
    let delete = bench.client.delete_message().queue_url(&bench.orders);
    delete.receipt_handle(handle(&received[0])).send().await.unwrap();
    let entry = |id: &str, handle: &str| {
        DeleteEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let batch = bench.client.delete_message_batch().queue_url(&bench.orders);
    let batch = batch.entries(entry("good", handle(&received[1]))).entries(entry("bad", "x"));
    let deleted = batch.send().await.unwrap();
    assert_eq!(deleted.successful()[0].id(), "good");
    assert_eq!(deleted.failed()[0].code(), "ReceiptHandleIsInvalid");
    let in_flight = Name::ApproximateNumberOfMessagesNotVisible;
    assert_eq!(bench.attribute(&bench.orders, in_flight).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn visibility_is_changed_one_by_one_or_in_a_batch() {
    let bench = Bench::start().await;
    for body in ["a", "b"] {
        bench.send(body).await;
    }
    let received = bench.receive(&bench.orders).await;
    let change = |seconds| {
        let change = bench.client.change_message_visibility().queue_url(&bench.orders);
        change.receipt_handle(handle(&received[0])).visibility_timeout(seconds).send()
    };
    change(0).await.unwrap();
    let rejected = change(9).await.unwrap_err().into_service_error();
    assert!(rejected.is_message_not_inflight());
    let entry = |id: &str, handle: &str, seconds| {
        let entry = ChangeEntry::builder().id(id).receipt_handle(handle);
        entry.visibility_timeout(seconds).build().unwrap()
    };
    let batch = bench.client.change_message_visibility_batch().queue_url(&bench.orders);
    let batch = batch.entries(entry("good", handle(&received[1]), 0));
    let changed = batch.entries(entry("bad", handle(&received[1]), 43_201)).send().await.unwrap();
    assert_eq!(changed.successful()[0].id(), "good");
    assert_eq!(changed.failed()[0].code(), "InvalidParameterValue");
    assert_eq!(bodies(&bench.receive(&bench.dead).await), ["a", "b"]);
}

#[tokio::test]
async fn a_purged_queue_is_empty_and_still_there() {
    let bench = Bench::start().await;
    bench.send("a").await;
    let count = Name::ApproximateNumberOfMessages;
    assert_eq!(bench.attribute(&bench.orders, count.clone()).await.as_deref(), Some("1"));
    bench.client.purge_queue().queue_url(&bench.orders).send().await.unwrap();
    assert_eq!(bench.attribute(&bench.orders, count).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn dead_letters_move_back_to_their_source() {
    let bench = Bench::start().await;
    bench.send("poison").await;
    let received = bench.receive(&bench.orders).await;
    let change = bench.client.change_message_visibility().queue_url(&bench.orders);
    let change = change.receipt_handle(handle(&received[0])).visibility_timeout(0);
    change.send().await.unwrap();

    let arn = |name: &str| QueueName::parse(name).unwrap().arn();
    let start = |from: &str| bench.client.start_message_move_task().source_arn(arn(from)).send();
    let not_dead = code(start("orders").await);
    assert_eq!(not_dead.as_deref(), Some("InvalidParameterValue"));
    let nowhere = start("nowhere").await.unwrap_err().into_service_error();
    assert!(nowhere.is_resource_not_found_exception());
    assert!(start("dead").await.unwrap().task_handle().is_some());
    assert_eq!(bodies(&bench.receive(&bench.orders).await), ["poison"]);
    assert!(bench.receive(&bench.dead).await.is_empty());
}

/// Far longer than these tests may take.
const LONG: i32 = 20;

#[tokio::test]
async fn a_waiting_receive_gets_a_message_sent_meanwhile() {
    let bench = Bench::start().await;
    let started = Instant::now();
    let receive = bench.client.receive_message().queue_url(&bench.orders).wait_time_seconds(LONG);
    let receive = tokio::spawn(receive.send());
    bench.until_a_receive_waits_at("orders").await;
    bench.send("a").await;
    assert_eq!(bodies(&messages(receive.await.unwrap().unwrap())), ["a"]);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_waiting_receive_gets_messages_that_become_due_in_its_queue_or_in_a_source_queue() {
    let bench = Bench::start().await;
    bench.send("a").await;
    let hide = bench.client.receive_message().queue_url(&bench.orders).visibility_timeout(1);
    assert_eq!(bodies(&messages(hide.send().await.unwrap())), ["a"]);
    let wait = |queue: &str| {
        let receive = bench.client.receive_message().queue_url(queue).visibility_timeout(1);
        receive.wait_time_seconds(LONG).send()
    };
    let started = Instant::now();
    assert_eq!(bodies(&messages(wait(&bench.dead).await.unwrap())), ["a"]);
    assert_eq!(bodies(&messages(wait(&bench.dead).await.unwrap())), ["a"]);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_waiting_receive_ends_empty_when_its_time_is_over() {
    let bench = Bench::start().await;
    let wait = Name::ReceiveMessageWaitTimeSeconds;
    let set = bench.client.set_queue_attributes().queue_url(&bench.orders).attributes(wait, "1");
    set.send().await.unwrap();
    let started = Instant::now();
    let received = bench.client.receive_message().queue_url(&bench.orders).send().await.unwrap();
    assert_eq!(received.messages, None);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_stopping_server_ends_waiting_receives() {
    let bench = Bench::start().await;
    let receive = bench.client.receive_message().queue_url(&bench.orders).wait_time_seconds(LONG);
    let started = Instant::now();
    let receive = tokio::spawn(receive.send());
    bench.until_a_receive_waits_at("orders").await;
    bench.stop.send(()).unwrap();
    assert_eq!(receive.await.unwrap().unwrap().messages, None);
    bench.served.await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
}
