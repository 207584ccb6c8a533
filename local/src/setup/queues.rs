//! The queues with their settings, and the mappings that feed the replay function from them.

use std::time::Duration;

use crate::function::Functions;
use crate::queue_source::{Batching, QueueSource, Settings};
use crate::sqs::{QueueName, QueueSettings, Redrive, Sqs, SqsError};
use crate::world::{BUFFER, DEAD_LETTERS};

const FOURTEEN_DAYS_SECONDS: u32 = 14 * 24 * 60 * 60;
/// What could not be filed or applied comes again so soon. An invocation has no longer than this.
const COMES_AGAIN_SECONDS: u32 = 20;

/// Lambda's default is 10 messages at once; here ten thousand letters are to be filed while somebody
/// looks on.
const BATCHING: Batching = Batching { messages: 100, window: Duration::from_millis(20) };
/// The fewest that Lambda lets a mapping be bounded to.
const CONCURRENCY: usize = 2;

/// A queue, and the one where its messages go that nobody could handle.
struct QueuePair {
    name: &'static str,
    failed: &'static str,
    /// Receives after which a message goes there.
    receives: u32,
}

const QUEUES: [QueuePair; 2] = [
    QueuePair { name: DEAD_LETTERS, failed: "drover-dead-letters-failed", receives: 5 },
    // What waits here is good and was acknowledged: it stays for as many receives as SQS can count
    // to, which are five and a half hours without a ledger, and then where SQS moves it back from.
    QueuePair { name: BUFFER, failed: "drover-buffer-failed", receives: 1000 },
];

/// Brings every queue to its settings, those too that an earlier version made, and gives their names
/// in order.
pub(crate) async fn queues(sqs: &Sqs) -> Result<Vec<String>, SqsError> {
    let kept =
        QueueSettings { retention_seconds: FOURTEEN_DAYS_SECONDS, ..QueueSettings::default() };
    let mut names = Vec::new();
    for QueuePair { name, failed, receives } in QUEUES {
        sqs.ensure_queue(failed, kept.clone()).await?;
        let redrive =
            Redrive { dead_letter_queue: QueueName::parse(failed)?, max_receive_count: receives };
        let settings = QueueSettings {
            visibility_timeout_seconds: COMES_AGAIN_SECONDS,
            redrive: Some(redrive),
            ..kept.clone()
        };
        sqs.ensure_queue(name, settings).await?;
        names.extend([name.to_owned(), failed.to_owned()]);
    }
    names.sort_unstable();
    Ok(names)
}

/// Starts to feed the replay function from both queues. Without such a function they are left alone.
pub(crate) fn queue_sources(
    sqs: &Sqs,
    functions: &Functions,
) -> Result<Vec<QueueSource>, SqsError> {
    let fed =
        if functions.find(drover_replay::FUNCTION).is_some() { QUEUES.as_slice() } else { &[] };
    let start = |pair: &QueuePair| {
        let settings = Settings {
            queue: QueueName::parse(pair.name)?,
            function: drover_replay::FUNCTION.to_owned(),
            batching: BATCHING,
            concurrency: CONCURRENCY,
        };
        Ok(QueueSource::start(sqs.clone(), functions.clone(), settings))
    };
    fed.iter().map(start).collect()
}
