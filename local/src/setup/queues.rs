//! The queues with their settings, and the mappings that invoke the replay function with their
//! messages.

use std::time::Duration;

use drover_event_source::sqs::{Batching, Settings, SqsSource};
use drover_local_sqs::{QueueName, QueueSettings, Redrive, Sqs, SqsError};

use crate::function::Functions;
use crate::ports::{BUFFER, DEAD_LETTERS};

const FOURTEEN_DAYS_SECONDS: u32 = 14 * 24 * 60 * 60;
/// The visibility timeout: when a message that could not be filed or applied is retried. It also
/// limits the invocation.
const COMES_AGAIN_SECONDS: u32 = 20;

/// Lambda's default is 10 messages at once; here ten thousand letters should be filed quickly while
/// a user waits.
const BATCHING: Batching = Batching { messages: 100, window: Duration::from_millis(20) };
/// The minimum that Lambda allows for a mapping's maximum concurrency.
const CONCURRENCY: usize = 2;

/// A queue whose messages go to the replay function.
struct FedQueue {
    name: &'static str,
    failed: Option<Failed>,
}

/// The queue for messages that repeatedly failed.
struct Failed {
    name: &'static str,
    /// The number of receives after which a message goes there.
    receives: u32,
}

const QUEUES: [FedQueue; 2] = [
    FedQueue {
        name: DEAD_LETTERS,
        failed: Some(Failed { name: "drover-dead-letters-failed", receives: 5 }),
    },
    // A record waits here until it is applied, or old enough to become a dead letter. On AWS the
    // message is received every 15 minutes, so SQS's maximum of 1,000 receives covers the nine days
    // until then. With the host's visibility timeout, 1,000 receives would be over in five and a
    // half hours.
    FedQueue { name: BUFFER, failed: None },
];

/// Creates every queue or updates its settings, and returns the names in order.
pub(crate) async fn queues(sqs: &Sqs) -> Result<Vec<String>, SqsError> {
    let kept =
        QueueSettings { retention_seconds: FOURTEEN_DAYS_SECONDS, ..QueueSettings::default() };
    let mut names = Vec::new();
    for FedQueue { name, failed } in QUEUES {
        let mut redrive = None;
        if let Some(Failed { name, receives }) = failed {
            sqs.ensure_queue(name, kept.clone()).await?;
            let dead_letter_queue = QueueName::parse(name)?;
            redrive = Some(Redrive { dead_letter_queue, max_receive_count: receives });
            names.push(name.to_owned());
        }
        let settings = QueueSettings {
            visibility_timeout_seconds: COMES_AGAIN_SECONDS,
            redrive,
            ..kept.clone()
        };
        sqs.ensure_queue(name, settings).await?;
        names.push(name.to_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Starts the mappings of both queues. Without a replay function, no mapping starts.
pub(crate) fn queue_sources(sqs: &Sqs, functions: &Functions) -> Result<Vec<SqsSource>, SqsError> {
    let fed =
        if functions.find(drover_replay::FUNCTION).is_some() { QUEUES.as_slice() } else { &[] };
    let start = |fed: &FedQueue| {
        let settings = Settings {
            queue: QueueName::parse(fed.name)?,
            function: drover_replay::FUNCTION.to_owned(),
            batching: BATCHING,
            concurrency: CONCURRENCY,
        };
        Ok(SqsSource::start(sqs.clone(), functions.clone(), settings))
    };
    fed.iter().map(start).collect()
}
