//! Where on-failure messages go.

use drover_aws::calls::unavailable;
use drover_core::base::error::Unavailable;

/// Accepts on-failure messages.
pub trait Destination: Send + Sync + 'static {
    /// Sends a message. It is durable when this returns.
    fn send(&self, body: &str) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// A queue of SQS.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The client for the account or the host of the queue.
    pub client: aws_sdk_sqs::Client,
    /// The URL of the queue.
    pub url: String,
}

impl Destination for Queue {
    async fn send(&self, body: &str) -> Result<(), Unavailable> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| unavailable("sending an on-failure message", &error))
    }
}

/// `None`: records are discarded without a message.
impl<D: Destination> Destination for Option<D> {
    async fn send(&self, body: &str) -> Result<(), Unavailable> {
        match self {
            Some(destination) => destination.send(body).await,
            None => Ok(()),
        }
    }
}
