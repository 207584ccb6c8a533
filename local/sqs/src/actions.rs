//! The SQS actions: each function parses a wire request, validates it as SQS does, calls the store
//! and builds the answer.
//!
//! Every function here runs inside one transaction, on the store's thread. The server waits for
//! messages, not this module.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::batch::{checked, one_by_one};
use super::message::{NewMessage, ReceiptHandle, body_md5};
use super::protocol::{
    Batch, BatchAnswer, ChangeMessageVisibility, CreateQueue, DeleteMessage, Entry,
    GetQueueAttributes, GetQueueUrl, ListQueues, ListQueuesAnswer, MessageMoveTask, Nothing,
    OnQueue, QueueAttributes, QueueUrl, ReceiveMessage, ReceivedMessage, SendMessage, SentMessage,
    SetQueueAttributes, StartMessageMoveTask,
};
use super::rejection::{Rejection, SqsError, within};
use super::settings::{MAXIMUM_BYTES, QueueName, is_never_set};
use super::store::{Delivery, Queue, Queues, Want};

type Answer<T> = Result<T, SqsError>;

pub(super) fn create_queue(
    queues: &mut Queues<'_>,
    request: CreateQueue,
    host: &str,
) -> Answer<QueueUrl> {
    let name = QueueName::parse(&request.queue_name)?;
    queues.create_queue(&name, &request.attributes)?;
    Ok(QueueUrl { queue_url: name.url(host) })
}

pub(super) fn get_queue_url(
    queues: &mut Queues<'_>,
    request: GetQueueUrl,
    host: &str,
) -> Answer<QueueUrl> {
    let queue = queues.queue(&QueueName::parse(&request.queue_name)?)?;
    Ok(QueueUrl { queue_url: queue.name.url(host) })
}

pub(super) fn list_queues(
    queues: &mut Queues<'_>,
    request: ListQueues,
    host: &str,
) -> Answer<ListQueuesAnswer> {
    let paged = request.max_results.is_some();
    let limit = within("MaxResults", request.max_results.unwrap_or(1000), 1..=1000)?;
    let names = queues.list(&request.queue_name_prefix, &request.next_token, limit)?;
    // Without a page size, SQS returns the first thousand names and no token.
    let full = paged && u32::try_from(names.len()) == Ok(limit);
    let next_token = names.last().filter(|_| full).map(|name| name.as_str().to_owned());
    let queue_urls = names.iter().map(|name| name.url(host)).collect();
    Ok(ListQueuesAnswer { queue_urls, next_token })
}

pub(super) fn get_queue_attributes(
    queues: &mut Queues<'_>,
    request: OnQueue<GetQueueAttributes>,
) -> Answer<QueueAttributes> {
    let queue = called(queues, &request.queue_url)?;
    let mut attributes = queues.attributes(&queue)?;
    let names = request.request.attribute_names;
    let known = |name: &str| name == "All" || attributes.contains_key(name) || is_never_set(name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        return Err(Rejection::InvalidAttributeName(unknown.clone()).into());
    }
    attributes.retain(|name, _| names.iter().any(|asked| asked == "All" || asked == name));
    Ok(QueueAttributes { attributes })
}

pub(super) fn set_queue_attributes(
    queues: &mut Queues<'_>,
    request: OnQueue<SetQueueAttributes>,
) -> Answer<Nothing> {
    let queue = called(queues, &request.queue_url)?;
    let settings = queue.settings.clone().with(&request.request.attributes)?;
    queues.set(&queue, &settings)?;
    Ok(Nothing {})
}

pub(super) fn purge_queue(queues: &mut Queues<'_>, request: OnQueue<Nothing>) -> Answer<Nothing> {
    let queue = called(queues, &request.queue_url)?;
    queues.purge(&queue)?;
    Ok(Nothing {})
}

pub(super) fn delete_queue(queues: &mut Queues<'_>, request: OnQueue<Nothing>) -> Answer<Nothing> {
    let queue = called(queues, &request.queue_url)?;
    queues.delete_queue(&queue)?;
    Ok(Nothing {})
}

pub(super) fn send_message(
    queues: &mut Queues<'_>,
    request: OnQueue<SendMessage>,
) -> Answer<SentMessage> {
    let queue = called(queues, &request.queue_url)?;
    send(queues, &queue, &NewMessage::parse(request.request)?)
}

pub(super) fn send_message_batch(
    queues: &mut Queues<'_>,
    request: OnQueue<Batch<SendMessage>>,
) -> Answer<BatchAnswer<SentMessage>> {
    let queue = called(queues, &request.queue_url)?;
    let drafts = checked(request.request)?
        .into_iter()
        .map(|Entry { id, content }| Entry { id, content: NewMessage::parse(content) })
        .collect::<Vec<_>>();
    let sound = drafts.iter().filter_map(|new_message| new_message.content.as_ref().ok());
    let bytes = sound.map(NewMessage::bytes).sum();
    if u32::try_from(bytes).map_or(true, |bytes| bytes > MAXIMUM_BYTES) {
        return Err(Rejection::BatchRequestTooLong(bytes).into());
    }
    one_by_one(drafts, |new_message| send(queues, &queue, &new_message?))
}

fn send(queues: &mut Queues<'_>, queue: &Queue, new_message: &NewMessage) -> Answer<SentMessage> {
    let message_id = Uuid::new_v4();
    queues.send(queue, new_message, message_id)?;
    Ok(SentMessage {
        message_id: message_id.to_string(),
        body_md5: body_md5(&new_message.body),
        attributes_md5: new_message.attributes.md5(),
    })
}

/// A receive request that can be executed repeatedly.
pub(super) struct Poll {
    pub(super) queue: QueueName,
    pub(super) wait_seconds: Option<u32>,
    want: Want,
    system_attribute_names: Vec<String>,
    attribute_names: Vec<String>,
}

/// The result of one execution of a [`Poll`].
pub(super) struct Polled {
    pub(super) messages: Vec<ReceivedMessage>,
    pub(super) next_due_in_millis: Option<i64>,
    /// The maximum wait of the whole receive.
    pub(super) wait_seconds: u32,
    /// The size of the messages, counted towards the byte limit.
    pub(super) bytes: usize,
    /// How long the messages stay hidden.
    pub(super) hidden_seconds: u32,
}

impl Poll {
    pub(super) fn parse(request: OnQueue<ReceiveMessage>) -> Result<Self, Rejection> {
        let OnQueue { queue_url, request } = request;
        let maximum = request.max_number_of_messages.unwrap_or(1);
        let timeout = request.visibility_timeout.map(visibility_timeout).transpose()?;
        let wait = request.wait_time_seconds;
        let mut system_attribute_names = request.attribute_names;
        system_attribute_names.extend(request.message_system_attribute_names);
        Ok(Self {
            queue: QueueName::from_url(&queue_url)?,
            wait_seconds: wait.map(|wait| within("WaitTimeSeconds", wait, 0..=20)).transpose()?,
            want: Want {
                maximum: within("MaxNumberOfMessages", maximum, 1..=10)?,
                maximum_bytes: usize::MAX,
                visibility_timeout_seconds: timeout,
            },
            system_attribute_names,
            attribute_names: request.message_attribute_names,
        })
    }

    /// Requests all attributes of each message, without waiting.
    pub(super) fn of_all(queue: QueueName, maximum: u32, maximum_bytes: usize) -> Self {
        Self {
            queue,
            wait_seconds: Some(0),
            want: Want { maximum, maximum_bytes, visibility_timeout_seconds: None },
            system_attribute_names: vec!["All".to_owned()],
            attribute_names: vec!["All".to_owned()],
        }
    }
}

pub(super) fn receive_message(queues: &mut Queues<'_>, poll: &Poll) -> Answer<Polled> {
    let queue = queues.queue(&poll.queue)?;
    let received = queues.receive(&queue, &poll.want)?;
    let bytes = received.deliveries.iter().map(Delivery::bytes).sum();
    let deliveries = received.deliveries.into_iter();
    let hidden_seconds = poll.want.visibility_timeout_seconds;
    Ok(Polled {
        bytes,
        hidden_seconds: hidden_seconds.unwrap_or(queue.settings.visibility_timeout_seconds),
        messages: deliveries.map(|delivery| on_the_wire(delivery, poll)).collect(),
        next_due_in_millis: received.next_due_in_millis,
        wait_seconds: poll.wait_seconds.unwrap_or(queue.settings.receive_wait_seconds),
    })
}

fn on_the_wire(delivery: Delivery, poll: &Poll) -> ReceivedMessage {
    let mut system_attributes = BTreeMap::from([
        ("SentTimestamp", delivery.sent_at.to_string()),
        ("ApproximateReceiveCount", delivery.receive_count.to_string()),
        ("ApproximateFirstReceiveTimestamp", delivery.first_received_at.to_string()),
    ]);
    system_attributes.extend(delivery.group_id.map(|group| ("MessageGroupId", group)));
    let source = delivery.redriven_from.map(|queue| queue.arn());
    system_attributes.extend(source.map(|arn| ("DeadLetterQueueSourceArn", arn)));
    let asked = &poll.system_attribute_names;
    system_attributes.retain(|name, _| asked.iter().any(|asked| asked == "All" || asked == name));

    let attributes = delivery.attributes.asked_for(&poll.attribute_names);
    ReceivedMessage {
        receipt_handle: delivery.handle.text(delivery.receive_count),
        message_id: delivery.handle.message_id,
        body_md5: body_md5(&delivery.body),
        body: delivery.body,
        attributes: system_attributes,
        attributes_md5: attributes.md5(),
        message_attributes: attributes.into_wire(),
    }
}

pub(super) fn delete_message(
    queues: &mut Queues<'_>,
    request: OnQueue<DeleteMessage>,
) -> Answer<Nothing> {
    let queue = called(queues, &request.queue_url)?;
    delete(queues, &queue, &request.request)
}

pub(super) fn delete_message_batch(
    queues: &mut Queues<'_>,
    request: OnQueue<Batch<DeleteMessage>>,
) -> Answer<BatchAnswer<Nothing>> {
    let queue = called(queues, &request.queue_url)?;
    one_by_one(checked(request.request)?, |entry| delete(queues, &queue, &entry))
}

fn delete(queues: &mut Queues<'_>, queue: &Queue, request: &DeleteMessage) -> Answer<Nothing> {
    queues.delete(&ReceiptHandle::parse(&request.receipt_handle, queue.id)?)?;
    Ok(Nothing {})
}

/// Deletes all of these messages or none.
pub(super) fn delete_all(
    queues: &mut Queues<'_>,
    name: &QueueName,
    receipt_handles: &[String],
) -> Answer<()> {
    let queue = queues.queue(name)?;
    for handle in receipt_handles {
        queues.delete(&ReceiptHandle::parse(handle, queue.id)?)?;
    }
    Ok(())
}

pub(super) fn change_message_visibility(
    queues: &mut Queues<'_>,
    request: OnQueue<ChangeMessageVisibility>,
) -> Answer<Nothing> {
    let queue = called(queues, &request.queue_url)?;
    change(queues, &queue, &request.request)
}

pub(super) fn change_message_visibility_batch(
    queues: &mut Queues<'_>,
    request: OnQueue<Batch<ChangeMessageVisibility>>,
) -> Answer<BatchAnswer<Nothing>> {
    let queue = called(queues, &request.queue_url)?;
    one_by_one(checked(request.request)?, |entry| change(queues, &queue, &entry))
}

fn change(
    queues: &mut Queues<'_>,
    queue: &Queue,
    request: &ChangeMessageVisibility,
) -> Answer<Nothing> {
    let timeout_seconds = visibility_timeout(request.visibility_timeout)?;
    let handle = ReceiptHandle::parse(&request.receipt_handle, queue.id)?;
    queues.change_visibility(queue, &handle, timeout_seconds)?;
    Ok(Nothing {})
}

/// Moves all messages at once: the task is complete when the answer with its handle arrives.
pub(super) fn start_message_move_task(
    queues: &mut Queues<'_>,
    request: StartMessageMoveTask,
) -> Answer<MessageMoveTask> {
    let from = resource(queues, "SourceArn", &request.source_arn)?;
    if queues.sources(&from)?.is_empty() {
        return Err(Rejection::InvalidParameterValue(
            "Source queue must be configured as a Dead Letter Queue.".to_owned(),
        )
        .into());
    }
    let destination = request.destination_arn.as_deref();
    let destination = destination.map(|arn| resource(queues, "DestinationArn", arn)).transpose()?;
    queues.move_messages(&from, destination.as_ref(), Uuid::new_v4)?;
    let task_handle = base64_simd::STANDARD.encode_to_string(Uuid::new_v4().to_string());
    Ok(MessageMoveTask { task_handle })
}

fn called(queues: &Queues<'_>, queue_url: &str) -> Answer<Queue> {
    queues.queue(&QueueName::from_url(queue_url)?)
}

fn resource(queues: &Queues<'_>, parameter: &'static str, arn: &str) -> Answer<Queue> {
    let queue = QueueName::from_arn(arn).map(|name| queues.find_queue(&name)).transpose()?;
    queue.flatten().ok_or_else(|| Rejection::ResourceNotFound(parameter).into())
}

fn visibility_timeout(seconds: i64) -> Result<u32, Rejection> {
    within("VisibilityTimeout", seconds, 0..=43_200)
}
