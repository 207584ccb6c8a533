//! The queues with their settings, and the mappings that invoke functions with their messages.

use std::time::Duration;

use drover_event_source::sqs::{Batching, Settings, SqsSource};
use drover_local_sqs::{QueueName, QueueSettings, Redrive, Sqs, SqsError};

use crate::function::Functions;
use crate::ports::{BUFFER, DEAD_LETTERS, NOTIFICATIONS};

const FOURTEEN_DAYS_SECONDS: u32 = 14 * 24 * 60 * 60;
/// The visibility timeout: when a message that could not be filed or applied is retried. It also
/// limits the invocation.
const COMES_AGAIN_SECONDS: u32 = 20;

/// Lambda's default is 10 messages at once; here ten thousand letters should be filed quickly while
/// a user waits.
const BATCHING: Batching = Batching { messages: 100, window: Duration::from_millis(20) };
/// The minimum that Lambda allows for a mapping's maximum concurrency.
const CONCURRENCY: usize = 2;

/// Notifications are handled in small batches and many at once: a target may take 15 seconds, and a
/// batch ends with its slowest message.
const NOTIFYING: Batching = Batching { messages: 10, window: Duration::ZERO };
const NOTIFYING_CONCURRENCY: usize = 16;
/// Longer than a try of a notification.
const NOTIFIED_AGAIN_SECONDS: u32 = 60;

/// A queue whose messages go to a function.
struct FedQueue {
    name: &'static str,
    function: &'static str,
    batching: Batching,
    concurrency: usize,
    comes_again_seconds: u32,
    failed: Option<Failed>,
}

/// The queue for messages that repeatedly failed.
struct Failed {
    name: &'static str,
    /// The number of receives after which a message goes there.
    receives: u32,
}

const REPLAYED: FedQueue = FedQueue {
    name: BUFFER,
    function: drover_replay::FUNCTION,
    batching: BATCHING,
    concurrency: CONCURRENCY,
    comes_again_seconds: COMES_AGAIN_SECONDS,
    failed: None,
};

const QUEUES: [FedQueue; 3] = [
    FedQueue {
        name: DEAD_LETTERS,
        failed: Some(Failed { name: "drover-dead-letters-failed", receives: 5 }),
        ..REPLAYED
    },
    // A record waits here until it is applied, or old enough to become a dead letter. On AWS the
    // message is received every 15 minutes, so SQS's maximum of 1,000 receives covers the nine days
    // until then. With the host's visibility timeout, 1,000 receives would be over in five and a
    // half hours.
    REPLAYED,
    FedQueue {
        name: NOTIFICATIONS,
        function: drover_notify::FUNCTION,
        batching: NOTIFYING,
        concurrency: NOTIFYING_CONCURRENCY,
        comes_again_seconds: NOTIFIED_AGAIN_SECONDS,
        failed: None,
    },
];

/// Creates every queue or updates its settings, and returns the names in order.
pub(crate) async fn queues(sqs: &Sqs) -> Result<Vec<String>, SqsError> {
    let kept =
        QueueSettings { retention_seconds: FOURTEEN_DAYS_SECONDS, ..QueueSettings::default() };
    let mut names = Vec::new();
    for FedQueue { name, failed, comes_again_seconds, .. } in QUEUES {
        let mut redrive = None;
        if let Some(Failed { name, receives }) = failed {
            sqs.ensure_queue(name, kept.clone()).await?;
            let dead_letter_queue = QueueName::parse(name)?;
            redrive = Some(Redrive { dead_letter_queue, max_receive_count: receives });
            names.push(name.to_owned());
        }
        let settings = QueueSettings {
            visibility_timeout_seconds: comes_again_seconds,
            redrive,
            ..kept.clone()
        };
        sqs.ensure_queue(name, settings).await?;
        names.push(name.to_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Starts the mappings of the queues whose functions exist.
pub(crate) fn queue_sources(sqs: &Sqs, functions: &Functions) -> Result<Vec<SqsSource>, SqsError> {
    let start = |fed: &FedQueue| {
        let settings = Settings {
            queue: QueueName::parse(fed.name)?,
            function: fed.function.to_owned(),
            batching: fed.batching,
            concurrency: fed.concurrency,
        };
        Ok(SqsSource::start(sqs.clone(), functions.clone(), settings))
    };
    QUEUES.iter().filter(|fed| functions.find(fed.function).is_some()).map(start).collect()
}
