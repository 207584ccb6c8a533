//! What tests of other modules do with queues, without HTTP.

use super::Sqs;
use super::message::Draft;
use super::protocol::SendMessage;
use super::rejection::SqsError;
use super::settings::QueueName;

impl Sqs {
    /// Sends a text.
    pub(crate) async fn send(&self, queue: &QueueName, body: &str) -> Result<(), SqsError> {
        let message = SendMessage { message_body: body.to_owned(), ..SendMessage::default() };
        let draft = Draft::parse(message)?;
        let queue = queue.clone();
        self.act(move |queues| {
            let queue = queues.queue(&queue)?;
            queues.send(&queue, &draft, uuid::Uuid::new_v4())
        })
        .await
    }

    /// How many messages the queue has, those in hand included.
    pub(crate) async fn held(&self, queue: &QueueName) -> Result<u64, SqsError> {
        let queue = queue.clone();
        let attributes = self.act(move |queues| {
            let queue = queues.queue(&queue)?;
            queues.attributes(&queue)
        });
        let attributes = attributes.await?;
        let counts = attributes.iter().filter(|(name, _)| name.starts_with("ApproximateNumber"));
        Ok(counts.filter_map(|(_, count)| count.parse::<u64>().ok()).sum())
    }
}
