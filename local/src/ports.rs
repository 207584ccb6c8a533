//! The names of the host's tables and queues, and the clients that the functions use for them.

use std::net::SocketAddr;

use drover_aws::tables::TableNames;
use drover_aws::{Aws, AwsConfig, LocalEndpoints};

use crate::data_folder::Addresses;

const LEDGER: &str = "drover-ledger";
const REGISTRY: &str = "drover-registry";
const LETTERS: &str = "drover-letters";
const REQUESTS: &str = "drover-requests";
const OUTPUTS: &str = "drover-outputs";

/// The queue for rejected records.
pub(crate) const DEAD_LETTERS: &str = "drover-dead-letters";
/// The queue for records that wait for an unavailable part of the system.
pub(crate) const BUFFER: &str = "drover-buffer";
/// The queue of notifications.
pub(crate) const NOTIFICATIONS: &str = "drover-notifications";

/// The names of all tables.
pub(crate) fn table_names() -> TableNames {
    TableNames {
        ledger: LEDGER.into(),
        registry: REGISTRY.into(),
        letters: LETTERS.into(),
        requests: REQUESTS.into(),
        outputs: OUTPUTS.into(),
    }
}

/// The ports of a host.
pub(crate) fn ports(addresses: &Addresses) -> Aws {
    clients(addresses.dynamodb, addresses.sqs)
}

/// Tables only, for commands that send nothing. The queue URLs point to DynamoDB, which rejects
/// queue requests.
pub(crate) fn tables_only(dynamodb: SocketAddr) -> Aws {
    clients(dynamodb, dynamodb)
}

/// The URL of a queue of the host.
pub(crate) fn queue_url(sqs: SocketAddr, name: &str) -> String {
    format!("http://{sqs}/000000000000/{name}")
}

fn clients(dynamodb: SocketAddr, sqs: SocketAddr) -> Aws {
    let queue = |name| queue_url(sqs, name).into();
    let config = AwsConfig {
        ledger_table: LEDGER.into(),
        registry_table: REGISTRY.into(),
        dead_letter_queue_url: queue(DEAD_LETTERS),
        buffer_queue_url: queue(BUFFER),
        requests_table: Some(REQUESTS.into()),
        letters_table: Some(LETTERS.into()),
        outputs_table: Some(OUTPUTS.into()),
        notifications_queue_url: Some(queue(NOTIFICATIONS)),
    };
    let endpoints =
        LocalEndpoints { dynamodb: format!("http://{dynamodb}"), sqs: format!("http://{sqs}") };
    Aws::local(&endpoints, config)
}
