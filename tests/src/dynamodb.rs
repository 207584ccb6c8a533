//! A DynamoDB that all tests of a process share; the names of their subjects separate them.
//!
//! [`embedded`] keeps everything in memory and runs on its own threads, because each test has its
//! own runtime, which ends with the test. [`ports`] uses the service that `DROVER_TEST_DYNAMODB`
//! names as `HOST:PORT`, otherwise the embedded one. Existing tables in the service are left alone:
//! the tables of a process have a unique suffix ([`table`]).

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
/// Filed dead letters, and runs.
pub const LETTERS: &str = "letters";
/// Requests with an idempotency key.
pub const REQUESTS: &str = "requests";
/// Timers and alerts.
pub const OUTPUTS: &str = "outputs";
/// A ledger for one tenant.
pub const OWN_LEDGER: &str = "ledger-own";

/// The DynamoDB that suites use instead of the embedded one, as `HOST:PORT`.
pub const VARIABLE: &str = "DROVER_TEST_DYNAMODB";

/// The ports on the DynamoDB of the suites, with its tables.
///
/// # Errors
/// The variable contains no address, or the DynamoDB does not answer.
pub async fn ports() -> Result<Aws, Box<dyn Error>> {
    let aws = at(suites()?, &table(LEDGER));
    for ledger in [OWN_LEDGER, LEDGER] {
        create_tables(aws.dynamodb(), &names(&table(ledger))).await?;
    }
    Ok(aws)
}

/// Like [`ports`], with this ledger table for all tenants.
///
/// # Errors
/// As for [`ports`].
pub async fn ports_with(ledger: &str) -> Result<Aws, Box<dyn Error>> {
    let ledger = table(ledger);
    let aws = at(suites()?, &ledger);
    create_tables(aws.dynamodb(), &names(&ledger)).await?;
    Ok(aws)
}

/// The address of the DynamoDB that the suites use.
///
/// # Errors
/// The variable contains no address, or the embedded DynamoDB does not start.
pub fn suites() -> Result<SocketAddr, String> {
    let service = chosen()?.map_or_else(address, Ok)?;
    fault::before(service)
}

/// The address in the variable.
///
/// # Errors
/// The text is not an address.
pub fn chosen() -> Result<Option<SocketAddr>, String> {
    crate::service::address(VARIABLE)
}

/// The name of a table in this process: plain in the embedded DynamoDB, unique in a shared one.
pub fn table(name: &str) -> Arc<str> {
    match chosen() {
        Ok(Some(_)) => Arc::from(format!("{name}-{}", crate::service::mark())),
        _ => Arc::from(name),
    }
}

/// The ports on the embedded DynamoDB, with its tables.
///
/// # Errors
/// The embedded DynamoDB does not start or rejects the tables.
pub async fn embedded() -> Result<Aws, Box<dyn Error>> {
    embedded_with(OWN_LEDGER).await?;
    embedded_with(LEDGER).await
}

/// Like [`embedded`], with this ledger table for all tenants.
///
/// # Errors
/// The embedded DynamoDB does not start or rejects the tables.
pub async fn embedded_with(ledger: &str) -> Result<Aws, Box<dyn Error>> {
    let aws = at(address()?, ledger);
    create_tables(aws.dynamodb(), &names(ledger)).await?;
    Ok(aws)
}

/// The ports on a DynamoDB at this address.
pub fn at(address: SocketAddr, ledger: &str) -> Aws {
    let endpoint = format!("http://{address}");
    crate::aws(&LocalEndpoints { dynamodb: endpoint.clone(), sqs: endpoint }, ledger)
}

/// The address of the embedded DynamoDB of this process.
///
/// # Errors
/// The embedded DynamoDB does not start.
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
        outputs: table(OUTPUTS),
    }
}

/// The threads of the server end with the process.
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
