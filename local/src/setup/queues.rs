//! The queues with their settings, and the mappings that feed the replay function from them.

use std::time::Duration;

use drover_event_source::sqs::{Batching, Settings, SqsSource};
use drover_local_sqs::{QueueName, QueueSettings, Redrive, Sqs, SqsError};

use crate::function::Functions;
use crate::ports::{BUFFER, DEAD_LETTERS};

const FOURTEEN_DAYS_SECONDS: u32 = 14 * 24 * 60 * 60;
/// What could not be filed or applied comes again so soon. An invocation has no longer than this.
const COMES_AGAIN_SECONDS: u32 = 20;

/// Lambda's default is 10 messages at once; here ten thousand letters are to be filed while somebody
/// looks on.
const BATCHING: Batching = Batching { messages: 100, window: Duration::from_millis(20) };
/// The fewest that Lambda lets a mapping be bounded to.
const CONCURRENCY: usize = 2;

/// A queue that feeds the replay function.
struct FedQueue {
    name: &'static str,
    failed: Option<Failed>,
}

/// Where the messages of a queue go that nobody could handle.
struct Failed {
    name: &'static str,
    /// Receives after which a message goes there.
    receives: u32,
}

const QUEUES: [FedQueue; 2] = [
    FedQueue {
        name: DEAD_LETTERS,
        failed: Some(Failed { name: "drover-dead-letters-failed", receives: 5 }),
    },
    // A record waits here until it is applied, or old enough to become a letter. On AWS it is
    // received every quarter of an hour, and 1,000 receives, the most that SQS counts, are more than
    // the nine days until then. Here they would be over in five and a half hours.
    FedQueue { name: BUFFER, failed: None },
];

/// Brings every queue to its settings, those too that an earlier version made, and gives their names
/// in order.
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

/// Starts to feed the replay function from both queues. Without such a function they are left alone.
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
