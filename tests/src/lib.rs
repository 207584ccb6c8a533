//! What the tests of the whole stand on: services inside the process, each on a port of its own.
//!
//! - [`dynamodb`]: a DynamoDB, embedded or of somebody else, and the ports that speak to it
//! - [`service`]: services outside the process, which variables name
//! - [`canned`]: an HTTP server that gives the answers it is told to
//! - [`cloudformation`]: the templates of `infra/`, readable
//! - [`fault`]: a service that misbehaves, so that a suite can be seen to notice
//! - [`http`]: one request to a host, as any client makes it
//! - [`chaos`]: many clients and a host that is killed, checked from outside
//! - [`gateway`]: functions behind an HTTP API, called as API Gateway calls them
//! - [`golden`]: the harness that plays the files of `events/` to their functions
//! - [`ingest`]: the writing function over ports in memory
//! - [`processor`]: the processor over ports in memory
//! - [`query`]: the reading function over the same ports
//! - [`replay`]: the replay function over the same ports
//! - [`situation`]: the files of `events/` and what is expected of them

pub mod canned;
pub mod chaos;
pub mod cloudformation;
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

/// The ports, for whatever listens at these addresses.
pub fn aws(endpoints: &LocalEndpoints, ledger: &str) -> Aws {
    Aws::local(endpoints, config(endpoints, ledger))
}

/// The ports, where one address answers for everything, with the time that a deployment has for it.
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
    }
}

/// An address where nobody listens, and nobody will while this process is there: it is taken.
///
/// # Errors
/// Where the machine has no free port.
pub fn closed_address() -> std::io::Result<std::net::SocketAddr> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = socket.local_addr()?;
    // Whoever gave it back could not say when the last one who knows the address is done.
    std::mem::forget(socket);
    Ok(address)
}

/// A device in the table that all tenants share. Tests share stores, so each names its own.
///
/// # Errors
/// Where one of the names is none.
pub fn location(tenant: &str, device: &str) -> Result<SubjectLocation, Rejection> {
    let scope = TenantScope::by_operator(TenantId::parse(tenant)?);
    let subject = SubjectId::parse(&format!("device/{device}"))?;
    Ok(SubjectLocation { key: scope.subject(subject), table: None })
}
