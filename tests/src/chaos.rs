//! The promises of the whole system, seen from outside: clients send events shuffled, duplicated,
//! late, compressed and partly invalid, while the host is killed and restarted. Afterwards the
//! history, the views and the alerts of both tenants must be the sorted fold of every event that was
//! answered `accepted`.
//!
//! A batch is sent until it is answered, so the result of every event is known. Both tenants use
//! the same names for everything, with different values, so that a leak is visible.
//!
//! - [`Plan`]: the size of a run
//! - [`event`]: the events, generated from a seed
//! - [`client`]: the clients
//! - [`check`]: the expected state; [`feeds`]: what consumers of the feeds hold; [`alerts`]: the alerts
//! - [`process`]: the host, started and killed

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;

pub mod alerts;
pub mod check;
pub mod client;
pub mod event;
pub mod feeds;
mod plan;
pub mod process;

use client::Client;
use event::{Accepted, TENANTS};
pub use plan::Plan;
use process::Process;

/// The counts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Events that were answered `accepted`, each position once.
    pub accepted: usize,
    /// Events that were answered `rejected`.
    pub rejected: usize,
    /// Batches that had to be sent again.
    pub again: usize,
}

/// Runs the plan.
///
/// # Errors
/// What does not hold, in words.
pub async fn run(plan: &Plan) -> Result<Found, String> {
    let mut random = Rng::with_seed(plan.seed);
    let batches = TENANTS.map(|tenant| event::batches(tenant, plan, &mut random));
    let total: usize = batches.iter().map(Vec::len).sum();
    let mut host = Process::start(&plan.program, &plan.data).await?;
    for tenant in TENANTS {
        alerts::store_rules(host.dynamodb()?, tenant).await?;
    }
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for (tenant, batches) in TENANTS.into_iter().zip(batches) {
        let share = batches.len().div_ceil(plan.clients.max(1)).max(1);
        for batches in batches.chunks(share) {
            let client = Client {
                tenant,
                addresses: host.addresses(),
                answered: Arc::clone(&answered),
                random: random.fork(),
            };
            clients.push(tokio::spawn(client.send_all(batches.to_vec())));
        }
    }
    for kill in 1..=plan.kills {
        let enough = total * kill / (plan.kills + 1);
        host.until(|| answered.load(Ordering::Relaxed) >= enough).await?;
        host.kill_and_restart().await?;
    }
    let mut found = Found { accepted: 0, rejected: 0, again: 0 };
    let mut promised: BTreeMap<&str, Accepted> = BTreeMap::new();
    for client in clients {
        let sent = client.await.map_err(|fault| format!("a client: {fault}"))??;
        found.rejected += sent.rejected;
        found.again += sent.again;
        promised.entry(sent.tenant.id).or_default().extend(sent.accepted);
    }
    found.accepted = promised.values().map(BTreeMap::len).sum();
    host.drained().await?;
    for tenant in TENANTS {
        let accepted = promised.remove(tenant.id).unwrap_or_default();
        let address = host.http().await;
        check::tenant(address, tenant, &accepted, &mut random).await?;
        let reader = check::Reader { host: address, tenant };
        feeds::tenant(&plan.program, &plan.data, &reader, &accepted).await?;
        alerts::tenant(&plan.program, &plan.data, &reader, &accepted).await?;
    }
    Ok(found)
}
