//! Starts, resumes, cancels and shows runs. The invocation that works on a run holds the owner's
//! lease and releases it at the end. After a crash the lease expires.

use super::drive::drive;
use super::lease::{release, take_lease};
use super::request::{Refusal, RunRequest};
use super::run::{Phase, Run};
use super::runner::HeldRun;
use super::{ReplayPorts, RunContext, RunProgress, Sources};
use crate::base::cost::Metered;
use crate::base::error::{Reason, Unavailable};
use crate::base::metrics::Tally;
use crate::base::public_reason::PublicReason;
use crate::base::time::Timestamp;
use crate::dead_letter::letter::{Lease, Owner};
use crate::ports::{Clock, Letters};

/// Maximum number of attempts to cancel a run against concurrent changes.
const ATTEMPTS: usize = 5;
/// Hex digits of a run's id: the time in milliseconds, then random digits.
const TIME_DIGITS: usize = 12;
const RUN_DIGITS: usize = TIME_DIGITS + 8;

/// Starts a run and works on it until it is done or the deadline passes.
///
/// # Errors
/// [`Refusal`]: no run was started.
pub async fn start<W: ReplayPorts, S: Sources>(
    context: RunContext<'_, W, S>,
    owner: &Owner,
    request: RunRequest,
    deadline: Timestamp,
) -> Result<RunProgress, Refusal> {
    request.check(owner)?;
    let ports = context.ports;
    let now = ports.now();
    let run = Run::new(run_id(now, ports.random()), request, now);
    let lease = take_lease(ports, owner, &run.replay_id).await?;
    held(HeldRun { context, owner, deadline, lease }, run, 0).await
}

/// Resumes a run after a pause or a crash. A run that is done or cancelled does not change.
///
/// # Errors
/// [`Refusal`]: the run is unchanged.
pub async fn resume<W: ReplayPorts, S: Sources>(
    context: RunContext<'_, W, S>,
    owner: &Owner,
    id: &str,
    by: &str,
    deadline: Timestamp,
) -> Result<RunProgress, Refusal> {
    let ports = context.ports;
    let (run, _) = read(ports, owner, id).await?;
    if run.is_over() {
        return Ok(RunProgress { run, views: Vec::new(), tally: Tally::default() });
    }
    let lease = take_lease(ports, owner, id).await?;
    // Read again: the previous holder of the lease may have written in between.
    let (mut run, version) = match read(ports, owner, id).await {
        Ok(read) => read,
        Err(refusal) => {
            release(ports, owner, &lease).await;
            return Err(refusal);
        }
    };
    if run.is_over() {
        release(ports, owner, &lease).await;
        return Ok(RunProgress { run, views: Vec::new(), tally: Tally::default() });
    }
    (run.phase, run.reason) = (Phase::Running, None);
    run.resumed_by = Some(by.to_owned());
    held(HeldRun { context, owner, deadline, lease }, run, version).await
}

/// The current state of a run, and the cost of reading it.
///
/// # Errors
/// The run does not exist, or the table does not answer.
pub async fn show(
    ports: &(impl Letters + Clock),
    owner: &Owner,
    id: &str,
) -> Result<Metered<Run>, Refusal> {
    let Metered { answer: (mut run, _), mut units } = read_metered(ports, owner, id).await?;
    let lease = ports.lease(owner).await?;
    units += lease.units;
    show_interruption(&mut run, lease.answer.as_ref(), ports.now());
    Ok(Metered { answer: run, units })
}

/// The newest runs, newest first, without their views, and the cost of reading them.
///
/// # Errors
/// The table does not answer.
pub async fn recent(
    ports: &(impl Letters + Clock),
    owner: &Owner,
    limit: usize,
) -> Result<Metered<Vec<Run>>, Refusal> {
    let stored = ports.runs(owner, limit).await?;
    let lease = ports.lease(owner).await?;
    let mut units = stored.units;
    units += lease.units;
    let (lease, now) = (lease.answer, ports.now());
    let read = stored.answer.iter().filter_map(|stored| {
        // An unreadable record must not hide the others.
        let read = Run::read(stored)
            .inspect_err(|broken| tracing::error!(%broken, "a run's record cannot be read"));
        let mut run = read.ok()?;
        run.views.clear();
        show_interruption(&mut run, lease.as_ref(), now);
        Some(run)
    });
    Ok(Metered { answer: read.collect(), units })
}

/// Cancels a run. The invocation that works on it stops after the current batch.
///
/// # Errors
/// The run does not exist, or the table does not answer.
pub async fn cancel(
    ports: &(impl Letters + Clock),
    owner: &Owner,
    id: &str,
) -> Result<Run, Refusal> {
    for _ in 0..ATTEMPTS {
        let (mut run, version) = read(ports, owner, id).await?;
        if run.is_over() {
            return Ok(run);
        }
        let now = ports.now();
        (run.phase, run.reason) = (Phase::Cancelled, None);
        (run.updated_at, run.ended_at) = (now, Some(now));
        let stored = run.stored(version + 1)?;
        if ports.put_run(owner, id, &stored, run.expires_at()).await?.answer {
            return Ok(run);
        }
    }
    let busy = Unavailable::new(Reason::Contention, "the run's record keeps changing");
    Err(busy.into())
}

async fn held<W: ReplayPorts, S: Sources>(
    held_run: HeldRun<'_, W, S>,
    run: Run,
    version: u64,
) -> Result<RunProgress, Refusal> {
    let (ports, owner, lease) = (held_run.context.ports, held_run.owner, held_run.lease.clone());
    let progress = drive(held_run, run, version).await;
    release(ports, owner, &lease).await;
    Ok(progress?)
}

async fn read(letters: &impl Letters, owner: &Owner, id: &str) -> Result<(Run, u64), Refusal> {
    Ok(read_metered(letters, owner, id).await?.answer)
}

async fn read_metered(
    letters: &impl Letters,
    owner: &Owner,
    id: &str,
) -> Result<Metered<(Run, u64)>, Refusal> {
    if id.len() != RUN_DIGITS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal::NotFound);
    }
    let Metered { answer: stored, units } = letters.run(owner, id).await?;
    let stored = stored.ok_or(Refusal::NotFound)?;
    Ok(Metered { answer: (Run::read(&stored)?, stored.version), units })
}

/// Shows a running run without the lease as interrupted: no invocation works on it.
fn show_interruption(run: &mut Run, lease: Option<&Lease>, now: Timestamp) {
    let is_held = lease.is_some_and(|lease| lease.run == run.replay_id && lease.until > now);
    if run.phase == Phase::Running && !is_held {
        (run.phase, run.reason) = (Phase::Paused, Some(PublicReason::Interrupted));
    }
}

fn run_id(now: Timestamp, random: u64) -> String {
    let millis = (now.micros() / 1_000).max(0);
    format!("{millis:0TIME_DIGITS$x}{:08x}", random >> 32)
}
