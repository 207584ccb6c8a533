//! The lease to work on a run: one invocation at a time for each owner. It expires unless it is
//! renewed.

use super::request::Refusal;
use crate::base::error::Unavailable;
use crate::dead_letter::letter::{Lease, Owner};
use crate::ports::{Clock, Letters};

/// How long a lease is valid without renewal.
const LEASE_SECONDS: i64 = 30;

pub(super) async fn take_lease(
    ports: &(impl Letters + Clock),
    owner: &Owner,
    run: &str,
) -> Result<Lease, Refusal> {
    let now = ports.now();
    let token = format!("{:016x}{:016x}", ports.random(), ports.random());
    let lease = Lease { run: run.to_owned(), token, until: now.plus_seconds(LEASE_SECONDS) };
    match ports.take_lease(owner, &lease, now).await?.answer {
        None => Ok(lease),
        Some(other) => Err(Refusal::Running(other.run)),
    }
}

/// Renews a lease after half of its time. `false`: another invocation holds it.
pub(super) async fn renew(
    ports: &(impl Letters + Clock),
    owner: &Owner,
    lease: &mut Lease,
) -> Result<bool, Unavailable> {
    let now = ports.now();
    if now.plus_seconds(LEASE_SECONDS / 2) < lease.until {
        return Ok(true);
    }
    lease.until = now.plus_seconds(LEASE_SECONDS);
    Ok(ports.take_lease(owner, lease, now).await?.answer.is_none())
}

/// Releases a lease. A lease that cannot be released expires.
pub(super) async fn release(letters: &impl Letters, owner: &Owner, lease: &Lease) {
    if let Err(unavailable) = letters.release_lease(owner, &lease.token).await {
        tracing::warn!(run = lease.run, %unavailable, causes = unavailable.causes(), "a replay's lease could not be released");
    }
}
