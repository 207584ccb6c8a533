//! Shared parts of the system tests: services inside the process, each on its own port.
//!
//! - [`dynamodb`]: a DynamoDB, embedded or external, and the ports on it
//! - [`service`]: external services, named by variables
//! - [`canned`]: an HTTP server with scripted responses
//! - [`cloudformation`]: the templates of `infra/` as JSON
//! - [`fault`]: services with deliberate faults, to test the suites
//! - [`http`]: one request to a host
//! - [`chaos`]: many clients and a host that is killed, checked from outside
//! - [`comparison`]: of a result with an expectation
//! - [`gateway`]: functions behind an HTTP API, invoked as API Gateway does
//! - [`golden`]: the harness that plays the files of `events/` to their functions
//! - [`ingest`]: the writing function over ports in memory
//! - [`processor`]: the processor over ports in memory
//! - [`query`]: the reading function over the same ports
//! - [`replay`]: the replay function over the same ports
//! - [`situation`]: the files of `events/` and their expectations

pub mod canned;
pub mod chaos;
pub mod cloudformation;
pub mod comparison;
pub mod dynamodb;
pub mod fault;
pub mod gateway;
pub mod golden;
pub mod http;
pub mod ingest;
pub mod processor;
pub mod query;
pub mod replay;
pub mod service;
pub mod situation;

use std::sync::Arc;

use drover_aws::{Aws, AwsConfig, LocalEndpoints};
use drover_core::base::error::Rejection;
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::ports::SubjectLocation;

/// The ports on the services at these addresses.
pub fn aws(endpoints: &LocalEndpoints, ledger: &str) -> Aws {
    Aws::local(endpoints, config(endpoints, ledger))
}

/// The ports on one address for all services, with the timeouts of a deployment.
pub fn aws_at(address: std::net::SocketAddr) -> Aws {
    let endpoint = format!("http://{address}");
    let endpoints = LocalEndpoints { dynamodb: endpoint.clone(), sqs: endpoint };
    Aws::impatient(&endpoints, config(&endpoints, &dynamodb::table(dynamodb::LEDGER)))
}

fn config(endpoints: &LocalEndpoints, ledger: &str) -> AwsConfig {
    let queue = |name: &str| Arc::from(format!("{}/000000000000/{name}", endpoints.sqs));
    AwsConfig {
        ledger_table: Arc::from(ledger),
        registry_table: dynamodb::table(dynamodb::REGISTRY),
        dead_letter_queue_url: queue("letters"),
        buffer_queue_url: queue("buffer"),
        requests_table: Some(dynamodb::table(dynamodb::REQUESTS)),
        letters_table: Some(dynamodb::table(dynamodb::LETTERS)),
        outputs_table: Some(dynamodb::table(dynamodb::OUTPUTS)),
        notifications_queue_url: Some(queue("notifications")),
    }
}

/// An address where nothing listens while this process runs, because it is reserved.
///
/// # Errors
/// The machine has no free port.
pub fn closed_address() -> std::io::Result<std::net::SocketAddr> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = socket.local_addr()?;
    // Leaked: an earlier release could give the address to another process while a test still uses
    // it.
    std::mem::forget(socket);
    Ok(address)
}

/// A device in the shared ledger table. Tests share stores, so each uses unique names.
///
/// # Errors
/// One of the names is invalid.
pub fn location(tenant: &str, device: &str) -> Result<SubjectLocation, Rejection> {
    let scope = TenantScope::by_operator(TenantId::parse(tenant)?);
    let subject = SubjectId::parse(&format!("device/{device}"))?;
    Ok(SubjectLocation { key: scope.subject(subject), table: None })
}
