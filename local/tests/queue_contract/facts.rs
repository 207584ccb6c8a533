//! Facts that hold for both queue services.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{
    Message as Received, MessageSystemAttributeName as System, QueueAttributeName as Name,
    SendMessageBatchRequestEntry as Entry,
};
use drover_aws::QueueLevels;
use drover_core::base::error::{Code, Reason, Rejection};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::{Circumstances, Envelope, letter};
use drover_core::dead_letter::message::Message;
use drover_core::intake::record::{Record, Source};
use drover_core::outputs::alerts::AlertId;
use drover_core::outputs::notifications::Look;
use drover_core::ports::{Buffer as _, DeadLetters as _, Notifications as _};

use super::Fact;
use super::queue_service::{MEBIBYTE, QueueService, Queues, body, code, message, system};

macro_rules! facts {
    ($($fact:ident,)*) => {
        vec![$((stringify!($fact), |queue_service| Box::pin(async move { $fact(queue_service).await; Ok(()) }))),*]
    };
}
pub(crate) use facts;

pub(crate) fn all() -> Vec<Fact> {
    facts![
        each_of_many_letters_arrives_once_in_the_group_of_its_tenant,
        bodies_up_to_a_mebibyte_arrive_unchanged,
        letters_too_large_for_one_batch_arrive,
        a_received_message_is_hidden_and_delivered_again,
        a_deleted_message_is_not_delivered_again,
        a_notification_waits_as_long_as_it_is_told_to,
        a_message_received_too_often_goes_to_the_failed_queue,
        a_failed_message_is_moved_back_to_its_queue,
        one_invalid_body_fails_alone,
        letters_with_texts_that_sqs_rejects_arrive_unchanged,
        more_than_ten_at_once_are_rejected,
        the_levels_are_waiting_and_in_flight_messages,
        a_waiting_receive_gets_a_message_sent_meanwhile,
        a_missing_queue_is_reported_as_broken,
        an_existing_queue_answers,
    ]
}

async fn each_of_many_letters_arrives_once_in_the_group_of_its_tenant(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let tenants = [Some("acme"), Some("demo"), None];
    let numbered = |at: usize| message(tenants[at % 3], &format!("letter {at} é\u{1f40e}"));
    let letters: Vec<Message> = (0..25).map(numbered).collect();
    let sent = queues.aws.send_letters(&letters).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let taken = queues.take(&queues.letters, 25).await;
    let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
    for letter in &letters {
        let group = letter.tenant.as_ref().map_or("operator", |tenant| tenant.as_str());
        expected.insert(&letter.body, group);
    }
    let arrived = taken.iter().map(|one| (body(one), system(one, &System::MessageGroupId)));
    assert_eq!(arrived.collect::<BTreeMap<_, _>>(), expected);
    assert_eq!(taken.len(), 25, "a letter arrived twice");
    let has_time = |one| system(one, &System::SentTimestamp).parse::<u64>().is_ok();
    assert!(taken.iter().all(has_time), "every letter has its sending time");
}

async fn bodies_up_to_a_mebibyte_arrive_unchanged(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    for size in [1, 256 * 1024 + 1, MEBIBYTE] {
        let sent = queues.aws.send_letters(&[message(None, &"\"".repeat(size))]).await;
        assert_eq!(sent, [Ok(())], "{size}");
        let taken = queues.take(&queues.letters, 1).await;
        assert!(body(&taken[0]) == "\"".repeat(size), "{size} bytes that differ");
    }
}

async fn letters_too_large_for_one_batch_arrive(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let large = |at: usize| message(Some("acme"), &format!("{at}{}", "x".repeat(300 * 1024)));
    let letters: Vec<Message> = (0..7).map(large).collect();
    let sent = queues.aws.send_letters(&letters).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let taken = queues.take(&queues.letters, 7).await;
    let mut starts: Vec<&str> = taken.iter().map(|one| &body(one)[..1]).collect();
    starts.sort_unstable();
    assert_eq!(starts, ["0", "1", "2", "3", "4", "5", "6"]);
}

async fn a_received_message_is_hidden_and_delivered_again(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    assert_eq!(queues.aws.send_letters(&[message(None, "a")]).await, [Ok(())]);
    let first = queues.wait(&queues.letters).await;
    let hidden = queues.receive(&queues.letters).await;
    let again = queues.wait(&queues.letters).await;
    assert_eq!((first.len(), hidden.len(), again.len()), (1, 0, 1));
    let count = |one| system(one, &System::ApproximateReceiveCount).to_owned();
    assert_eq!((count(&first[0]), count(&again[0])), ("1".to_owned(), "2".to_owned()));
    assert_eq!(first[0].message_id(), again[0].message_id());
}

async fn a_deleted_message_is_not_delivered_again(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let both = [message(None, "a"), message(None, "b")];
    assert_eq!(queues.aws.send_buffered(&both).await, [Ok(()), Ok(())]);
    queues.take(&queues.buffer, 2).await;
    assert_eq!(queues.aws.queue_levels().await, Ok(QueueLevels::default()));
    assert!(queues.receive(&queues.buffer).await.is_empty());
}

/// The queue of notifications is the buffer's here.
async fn a_notification_waits_as_long_as_it_is_told_to(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let look = |target: &str| Look {
        tenant: "demo".to_owned(),
        subject: Some("device/d-1".to_owned()),
        alert: AlertId::parse(&"a".repeat(32)).unwrap(),
        target: target.to_owned(),
        again: false,
        repeat: false,
        digest: false,
    };
    queues.aws.send_looks(&[look("later")], 2).await.unwrap();
    queues.aws.send_looks(&[look("ops")], 0).await.unwrap();
    let first = queues.wait(&queues.buffer).await;
    assert_eq!(first.len(), 1, "the other one is delayed");
    assert_eq!(Look::read(body(&first[0])), Some(look("ops")));
    assert_eq!(system(&first[0], &System::MessageGroupId), "demo/ops");
    queues.aws.postpone(first[0].receipt_handle().unwrap(), 4).await.unwrap();
    let second = queues.wait(&queues.buffer).await;
    assert_eq!(Look::read(body(&second[0])), Some(look("later")));
    queues.delete(&queues.buffer, &second[0]).await;
    assert!(queues.receive(&queues.buffer).await.is_empty(), "it is hidden");
    let again = queues.wait(&queues.buffer).await;
    assert_eq!(Look::read(body(&again[0])), Some(look("ops")));
    let gone = queues.aws.postpone("no handle", 4).await;
    assert!(gone.is_err());
}

async fn a_message_received_too_often_goes_to_the_failed_queue(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let moved = poisoned(&queues).await;
    assert_eq!(body(&moved), "poison");
    assert_eq!(system(&moved, &System::MessageGroupId), "acme");
}

/// A letter that repeatedly failed, in the failed queue.
async fn poisoned(queues: &Queues) -> Received {
    assert_eq!(queues.aws.send_letters(&[message(Some("acme"), "poison")]).await, [Ok(())]);
    for _ in 0..2 {
        assert_eq!(queues.wait(&queues.letters).await.len(), 1);
    }
    // The message moves when it would be received once more, so the test receives until it does.
    loop {
        assert!(queues.receive(&queues.letters).await.is_empty(), "received a third time");
        if let Some(moved) = queues.receive(&queues.failed).await.pop() {
            return moved;
        }
    }
}

async fn a_failed_message_is_moved_back_to_its_queue(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let poison = poisoned(&queues).await;
    let again = queues.client.change_message_visibility().queue_url(&queues.failed);
    let again = again.receipt_handle(poison.receipt_handle().unwrap()).visibility_timeout(0);
    again.send().await.unwrap();
    let arn = queue_service.attribute(&queues.failed, Name::QueueArn).await.unwrap();
    queues.client.start_message_move_task().source_arn(arn).send().await.unwrap();
    let back = queues.wait(&queues.letters).await;
    assert_eq!(back.iter().map(body).collect::<Vec<_>>(), ["poison"]);
}

async fn one_invalid_body_fails_alone(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let sent = queues.aws.send_letters(&[message(None, "good"), message(None, "\u{1}")]).await;
    assert_eq!(sent[0], Ok(()));
    assert_eq!(sent[1].clone().map_err(|error| error.reason), Err(Reason::Bug));
    assert_eq!(
        queues.take(&queues.letters, 1).await.iter().map(body).collect::<Vec<_>>(),
        ["good"]
    );
}

async fn letters_with_texts_that_sqs_rejects_arrive_unchanged(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let refused: String = ('\0'..=char::MAX)
        .filter(|one| !matches!(one, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..))
        .collect();
    let now = Timestamp::from_millis(1_800_000_000_000).unwrap();
    let record = Record {
        source: Source::Kafka {
            topic: refused.as_str().into(),
            partition: 0,
            offset: 1,
            timestamp: None,
            element: None,
        },
        key: Some(vec![0, 255]),
        value: None,
        headers: vec![(refused.clone(), vec![0, 255])],
        received_at: None,
        ingested_at: now,
    };
    let rejection = Rejection::at(Code::SchemaViolation, refused.clone(), refused.clone());
    let about = Circumstances { tenant: None, contract: None, subject: None, wrapping: None, now };
    let letters = letter(&record, &rejection, about).unwrap();
    assert_eq!(queues.aws.send_letters(&letters).await, [Ok(())]);
    let taken = queues.take(&queues.letters, 1).await;
    let envelope = Envelope::read(body(&taken[0])).unwrap();
    assert_eq!(envelope.encoding, None, "the queue accepted it without encoding");
    assert_eq!((&envelope.message, envelope.path.as_ref()), (&refused, Some(&refused)));
    assert_eq!(envelope.record().unwrap(), Some(record));
}

async fn more_than_ten_at_once_are_rejected(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let entry = |at: u8| Entry::builder().id(at.to_string()).message_body("a").build().unwrap();
    let batch = queues.client.send_message_batch().queue_url(&queues.letters);
    let sent = batch.set_entries(Some((0..11).map(entry).collect())).send().await;
    let code = code(sent);
    let code = code.trim_start_matches("AWS.SimpleQueueService.");
    assert_eq!(code, "TooManyEntriesInBatchRequest");
}

async fn the_levels_are_waiting_and_in_flight_messages(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let letters: Vec<Message> = (0..3).map(|at| message(None, &at.to_string())).collect();
    assert!(queues.aws.send_buffered(&letters).await.iter().all(Result::is_ok));
    let levels = |waiting, in_flight| Ok(QueueLevels { waiting, in_flight, delayed: 0 });
    assert_eq!(queues.aws.queue_levels().await, levels(3, 0));
    let receive = queues.client.receive_message().queue_url(&queues.buffer);
    receive.send().await.unwrap();
    assert_eq!(queues.aws.queue_levels().await, levels(2, 1));
}

async fn a_waiting_receive_gets_a_message_sent_meanwhile(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let letter = [message(None, "a")];
    let (received, sent) =
        tokio::join!(queues.wait(&queues.letters), queues.aws.send_letters(&letter));
    assert_eq!((received.len(), sent), (1, vec![Ok(())]));
}

async fn a_missing_queue_is_reported_as_broken(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    let nowhere =
        queue_service.aws(&format!("{}-not", queues.letters), &format!("{}-not", queues.buffer));
    let sent = nowhere.send_letters(&[message(None, "a")]).await;
    let reasons = [
        sent[0].clone().err(),
        nowhere.probe_dead_letters().await.err(),
        nowhere.probe_buffer().await.err(),
        nowhere.queue_levels().await.err(),
    ];
    let reasons = reasons.map(|error| error.map(|error| error.reason));
    assert_eq!(reasons, [Some(Reason::Misconfigured); 4]);
}

async fn an_existing_queue_answers(queue_service: QueueService) {
    let queues = queue_service.queues().await;
    assert_eq!(queues.aws.probe_dead_letters().await, Ok(()));
    assert_eq!(queues.aws.probe_buffer().await, Ok(()));
}
