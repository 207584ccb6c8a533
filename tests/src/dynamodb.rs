//! A DynamoDB for all tests of a process, who share it and keep apart by the names of their subjects.
//!
//! [`embedded`] keeps everything in memory and runs on threads of its own, because each test has a
//! runtime of its own and takes it down at its end. [`ports`] is the one that `DROVER_TEST_DYNAMODB`
//! names as `HOST:PORT`, and the embedded one where it names none. What is there already is left
//! alone: the tables of a process carry its number and the time ([`table`]).

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use drover_aws::tables::{TableNames, create_tables};
use drover_aws::{Aws, LocalEndpoints};

use crate::fault;

/// The ledger that all tenants share.
pub const LEDGER: &str = "ledger";
/// The registry.
pub const REGISTRY: &str = "registry";
/// Dead letters that were filed, and runs.
pub const LETTERS: &str = "letters";
/// Requests under an idempotency key.
pub const REQUESTS: &str = "requests";
/// A ledger of a tenant's own.
pub const OWN_LEDGER: &str = "ledger-own";

/// The DynamoDB that suites are to use instead of the embedded one, as `HOST:PORT`.
pub const VARIABLE: &str = "DROVER_TEST_DYNAMODB";

/// The ports on the DynamoDB that the suites use, with its tables made.
///
/// # Errors
/// Where the variable holds no address, or there is no such DynamoDB.
pub async fn ports() -> Result<Aws, Box<dyn Error>> {
    let aws = at(suites()?, &table(LEDGER));
    for ledger in [OWN_LEDGER, LEDGER] {
        create_tables(aws.dynamodb(), &names(&table(ledger))).await?;
    }
    Ok(aws)
}

/// Where the DynamoDB that the suites use listens.
///
/// # Errors
/// Where the variable holds no address, or the embedded one does not start.
pub fn suites() -> Result<SocketAddr, String> {
    let service = chosen()?.map_or_else(address, Ok)?;
    fault::before(service)
}

/// The address that the variable names.
///
/// # Errors
/// Where it is none.
pub fn chosen() -> Result<Option<SocketAddr>, String> {
    crate::service::address(VARIABLE)
}

/// What this process calls a table: by its name, and by one that nobody else has where others may be.
pub fn table(name: &str) -> Arc<str> {
    match chosen() {
        Ok(Some(_)) => Arc::from(format!("{name}-{}", crate::service::mark())),
        _ => Arc::from(name),
    }
}

/// The ports, on the embedded DynamoDB with its tables made.
///
/// # Errors
/// Where it does not start or refuses the tables.
pub async fn embedded() -> Result<Aws, Box<dyn Error>> {
    embedded_with(OWN_LEDGER).await?;
    embedded_with(LEDGER).await
}

/// The same, with this ledger table for all tenants.
///
/// # Errors
/// Where it does not start or refuses the tables.
pub async fn embedded_with(ledger: &str) -> Result<Aws, Box<dyn Error>> {
    let aws = at(address()?, ledger);
    create_tables(aws.dynamodb(), &names(ledger)).await?;
    Ok(aws)
}

/// The ports on a DynamoDB that listens there.
pub fn at(address: SocketAddr, ledger: &str) -> Aws {
    let endpoint = format!("http://{address}");
    crate::aws(&LocalEndpoints { dynamodb: endpoint.clone(), sqs: endpoint }, ledger)
}

/// Where the embedded DynamoDB of this process listens.
///
/// # Errors
/// Where it does not start.
pub fn address() -> Result<SocketAddr, String> {
    static ADDRESS: OnceLock<Result<SocketAddr, String>> = OnceLock::new();
    ADDRESS.get_or_init(|| start().map_err(|error| error.to_string())).clone()
}

fn names(ledger: &str) -> TableNames {
    TableNames {
        ledger: Arc::from(ledger),
        registry: table(REGISTRY),
        letters: table(LETTERS),
        requests: table(REQUESTS),
    }
}

/// Its threads end with the process.
fn start() -> Result<SocketAddr, Box<dyn Error>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let database = dynoxide::Database::memory()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener)
                .map_err(|error| format!("no listener: {error}"))?;
            dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await
        })
    })?;
    Ok(address)
}
