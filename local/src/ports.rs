//! The host's own services as the functions see them: the names of tables and queues, in this one
//! place, and clients for them.

use std::net::SocketAddr;

use drover_aws::tables::TableNames;
use drover_aws::{Aws, AwsConfig, LocalEndpoints};

use crate::data_folder::Addresses;

const LEDGER: &str = "drover-ledger";
const REGISTRY: &str = "drover-registry";
const LETTERS: &str = "drover-letters";
const REQUESTS: &str = "drover-requests";

/// Where rejected records go.
pub(crate) const DEAD_LETTERS: &str = "drover-dead-letters";
/// Where records wait for a part of the system that is unavailable.
pub(crate) const BUFFER: &str = "drover-buffer";

/// Every table.
pub(crate) fn table_names() -> TableNames {
    TableNames {
        ledger: LEDGER.into(),
        registry: REGISTRY.into(),
        letters: LETTERS.into(),
        requests: REQUESTS.into(),
    }
}

/// Everything outside, on a host.
pub(crate) fn ports(addresses: &Addresses) -> Aws {
    clients(addresses.dynamodb, addresses.sqs)
}

/// Tables only, for those who send nothing: the queues are said to be where DynamoDB is, which
/// refuses.
pub(crate) fn tables_only(dynamodb: SocketAddr) -> Aws {
    clients(dynamodb, dynamodb)
}

fn clients(dynamodb: SocketAddr, sqs: SocketAddr) -> Aws {
    let queue = |name| format!("http://{sqs}/000000000000/{name}").into();
    let config = AwsConfig {
        ledger_table: LEDGER.into(),
        registry_table: REGISTRY.into(),
        dead_letter_queue_url: queue(DEAD_LETTERS),
        buffer_queue_url: queue(BUFFER),
        requests_table: Some(REQUESTS.into()),
        letters_table: Some(LETTERS.into()),
    };
    let endpoints =
        LocalEndpoints { dynamodb: format!("http://{dynamodb}"), sqs: format!("http://{sqs}") };
    Aws::local(&endpoints, config)
}
