//! The queue features that Drover needs: sends with groups, sizes up to the limit, receives,
//! visibility, deletes, redrive, levels. Each fact is checked on the host's own queues and on the
//! service that `DROVER_TEST_SQS` names as `HOST:PORT` (ElasticMQ in `tests/services/run`);
//! differences between the two are facts too ([`differences`]). [`way`] follows a letter through
//! both functions.
//!
//! Without the variable, the facts of the service are reported as ignored.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]
#![recursion_limit = "256"]

#[path = "../common/mod.rs"]
mod common;
mod differences;
mod facts;
mod queue_service;
mod way;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use drover_local::{Host, HostConfig};
use drover_tests::{fault, service};
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::tempdir;
use tokio::runtime::{Handle, Runtime};

use queue_service::QueueService;

/// The SQS service for the suites, besides the host's own.
const VARIABLE: &str = "DROVER_TEST_SQS";

type Ended = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;
type Fact = (&'static str, fn(QueueService) -> Ended);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Runtime::new().unwrap();
    let data = tempdir().unwrap();
    let host = runtime.block_on(Host::start(HostConfig::on_free_ports(data.path()))).unwrap();
    let endpoint = |address| format!("http://{}", fault::before(address).unwrap());
    let embedded = endpoint(host.addresses().sqs);
    let service = service::address(VARIABLE).unwrap().map(endpoint);
    if service.is_none() {
        service::skipped("the facts of queues on ElasticMQ");
    }
    let mut trials = Vec::new();
    let facts: Vec<Fact> = facts::all().into_iter().chain(way::all()).collect();
    for (is_embedded, endpoint) in [(true, Some(&embedded)), (false, service.as_ref())] {
        let named = if is_embedded { "embedded" } else { "elasticmq" };
        let queue_service = QueueService::new(is_embedded, endpoint.cloned().unwrap_or_default());
        let all = facts.iter().copied().chain(differences::all());
        for (about, fact) in all {
            let (queue_service, handle) = (queue_service.clone(), runtime.handle().clone());
            let trial =
                Trial::test(format!("{named}::{about}"), move || on(&handle, fact(queue_service)));
            trials.push(trial.with_ignored_flag(endpoint.is_none()));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    runtime.block_on(host.stop()).unwrap();
    conclusion.exit_code()
}

/// On the runtime of the host's servers.
fn on(handle: &Handle, fact: Ended) -> Result<(), Failed> {
    let ended = handle.block_on(handle.spawn(fact));
    ended.unwrap_or_else(|panicked| Err(format!("{panicked}").into()))
}
