//! Differences between the host's queues and ElasticMQ: the action, and the result of each. The
//! host's queues follow the AWS documentation of SQS.

use aws_sdk_sqs::types::{QueueAttributeName as Name, SendMessageBatchRequestEntry as Entry};
use drover_core::base::error::Reason;
use drover_core::ports::DeadLetters as _;

use super::Fact;
use super::queue_service::{MEBIBYTE, QueueService, code, message};

macro_rules! differences {
    ($($observe:ident: $embedded:expr, $elasticmq:expr;)*) => {{
        $(const _: () = assert!(differ($embedded, $elasticmq), "no difference");)*
        let all: Vec<Fact> = vec![$((stringify!($observe), |queue_service| Box::pin(async move {
            let expected = if queue_service.is_embedded { $embedded } else { $elasticmq };
            let seen = $observe(queue_service).await;
            if seen == expected { Ok(()) } else { Err(format!("seen {seen:?}").into()) }
        }))),*];
        all
    }};
}

const fn differ(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return true;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return true;
        }
        at += 1;
    }
    false
}

pub(crate) fn all() -> Vec<Fact> {
    differences! {
        // Drover does not depend on this: a letter is cut to the limit before it is sent.
        a_message_over_the_limit: "refused", "unreachable: InvalidAttributeValue";
        a_batch_over_the_limit: "AWS.SimpleQueueService.BatchRequestTooLong", "InvalidAttributeValue";
        a_lower_limit_of_the_queue: "InvalidParameterValue", "ok";
        // With and without the name of the old protocol; Drover accepts both.
        the_code_of_a_missing_queue:
            "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist";
        a_queue_created_again_with_another_setting: "QueueAlreadyExists", "QueueNameExists";
        // AWS guarantees it for the newest handle only.
        a_delete_by_the_handle_before_the_last: "ok", "ReceiptHandleIsInvalid";
    }
}

async fn a_message_over_the_limit(queue_service: QueueService) -> String {
    let queues = queue_service.queues().await;
    let sent = queues.aws.send_letters(&[message(None, &"x".repeat(MEBIBYTE + 1))]).await;
    match sent.into_iter().find_map(Result::err) {
        None => "sent".to_owned(),
        Some(error) if error.reason == Reason::Bug => "refused".to_owned(),
        Some(error) => {
            let code = error.message.split('`').nth(1).unwrap_or_default();
            format!("unreachable: {code}")
        }
    }
}

async fn a_lower_limit_of_the_queue(queue_service: QueueService) -> String {
    let queues = queue_service.queues().await;
    let name = format!("{}-small", queues.letters.rsplit('/').next().unwrap_or_default());
    let queue = queue_service.create(&name, &[(Name::MaximumMessageSize, "1024")]).await;
    let send = queue_service.client.send_message().queue_url(queue).message_body("x".repeat(1_025));
    code(send.send().await)
}

async fn a_batch_over_the_limit(queue_service: QueueService) -> String {
    let queues = queue_service.queues().await;
    let entry = |id: &str| {
        let entry = Entry::builder().id(id).message_body("x".repeat(MEBIBYTE / 2 + 1));
        entry.build().unwrap()
    };
    let batch = queue_service.client.send_message_batch().queue_url(&queues.letters);
    code(batch.entries(entry("a")).entries(entry("b")).send().await)
}

async fn a_queue_created_again_with_another_setting(queue_service: QueueService) -> String {
    let queues = queue_service.queues().await;
    let name = queues.letters.rsplit('/').next().unwrap_or_default();
    let create = queue_service.client.create_queue().queue_name(name);
    code(create.attributes(Name::VisibilityTimeout, "99").send().await)
}

async fn the_code_of_a_missing_queue(queue_service: QueueService) -> String {
    let queues = queue_service.queues().await;
    let nowhere = format!("{}-not", queues.letters);
    code(queue_service.client.send_message().queue_url(nowhere).message_body("a").send().await)
}

async fn a_delete_by_the_handle_before_the_last(queue_service: QueueService) -> String {
    let queues = queue_service.queues().await;
    assert_eq!(queues.aws.send_letters(&[message(None, "a")]).await, [Ok(())]);
    let first = queues.wait(&queues.letters).await;
    assert_eq!(queues.wait(&queues.letters).await.len(), 1);
    let delete = queue_service.client.delete_message().queue_url(&queues.letters);
    code(delete.receipt_handle(first[0].receipt_handle().unwrap()).send().await)
}
