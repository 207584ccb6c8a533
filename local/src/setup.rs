//! What the host puts on its embedded services: tables, queues, the demo tenants, the functions.
//! All of it is done at every start and changes nothing that is there already.

mod demo;
mod functions;

use drover_core::aws::Aws;
use drover_core::aws::tables::create_tables;
use drover_core::error::Unavailable;

pub(crate) use demo::{LocalTenant, demo_tenants, topics as demo_topics};
pub(crate) use functions::{METERED, METRIC_LINES, functions, pipeline};

use crate::sqs::{QueueName, QueueSettings, Redrive, Sqs, SqsError};
use crate::world::{BUFFER, DEAD_LETTERS, table_names};

/// Receives after which a message goes to the queue's own failed queue.
const RECEIVES: u32 = 5;
const FOURTEEN_DAYS_SECONDS: u32 = 14 * 24 * 60 * 60;

/// Every queue, each with where its messages go that nobody could handle; a queue follows that one.
const QUEUES: [(&str, Option<&str>); 4] = [
    ("drover-dead-letters-failed", None),
    (DEAD_LETTERS, Some("drover-dead-letters-failed")),
    ("drover-buffer-failed", None),
    (BUFFER, Some("drover-buffer-failed")),
];

/// Brings every queue to its settings, and gives their names in order.
pub(crate) async fn queues(sqs: &Sqs) -> Result<Vec<String>, SqsError> {
    for (name, failed) in QUEUES {
        let redrive = match failed {
            Some(failed) => Some(Redrive {
                dead_letter_queue: QueueName::parse(failed)?,
                max_receive_count: RECEIVES,
            }),
            None => None,
        };
        let retention_seconds = FOURTEEN_DAYS_SECONDS;
        let settings = QueueSettings { retention_seconds, redrive, ..QueueSettings::default() };
        sqs.ensure_queue(name, settings).await?;
    }
    let mut names = QUEUES.map(|(name, _)| name.to_owned());
    names.sort_unstable();
    Ok(names.into())
}

/// Creates the tables that do not exist yet.
pub(crate) async fn tables(aws: &Aws) -> Result<(), Unavailable> {
    create_tables(aws.dynamodb(), &table_names()).await
}

/// Whatever went wrong, in the words of the part that it went wrong in.
pub(crate) type SetupError = Box<dyn std::error::Error + Send + Sync>;
