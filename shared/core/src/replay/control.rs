//! Runs from outside: start, resume, cancel, show. Who works on a run holds the owner's lease, and
//! gives it back at the end; of one that died, the lease runs out.

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

/// How often somebody else may change a record before cancelling it gives up.
const ATTEMPTS: usize = 5;
/// Hexadecimal digits of a run's id: the time in milliseconds, and chance.
const TIME_DIGITS: usize = 12;
const RUN_DIGITS: usize = TIME_DIGITS + 8;

/// Starts a run, and works on it until it is over or the time is.
///
/// # Errors
/// [`Refusal`]: nothing was started.
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

/// Goes on with a run that is paused, or whose invocation died. One that is over stays as it is.
///
/// # Errors
/// [`Refusal`]: it stays where it was.
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
    // Read again: whoever held the lease may have written since.
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

/// A run as it is now, and what reading it cost.
///
/// # Errors
/// There is none, or the table did not answer.
pub async fn show(
    ports: &(impl Letters + Clock),
    owner: &Owner,
    id: &str,
) -> Result<Metered<Run>, Refusal> {
    let Metered { answer: (mut run, _), mut units } = read_metered(ports, owner, id).await?;
    let lease = ports.lease(owner).await?;
    units += lease.units;
    as_it_is(&mut run, lease.answer.as_ref(), ports.now());
    Ok(Metered { answer: run, units })
}

/// The newest runs, the newest first, without their views, and what reading them cost.
///
/// # Errors
/// The table did not answer.
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
        // One that cannot be read must not hide the others.
        let read =
            Run::read(stored).inspect_err(|broken| tracing::error!(%broken, "a run's record"));
        let mut run = read.ok()?;
        run.views.clear();
        as_it_is(&mut run, lease.as_ref(), now);
        Some(run)
    });
    Ok(Metered { answer: read.collect(), units })
}

/// Ends a run. Whoever works on it stops after the batch that is under way.
///
/// # Errors
/// There is none, or the table did not answer.
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
    let busy = Unavailable::new(Reason::Contention, "the run's record changes all the time");
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

/// Nobody is at work on a run that does not hold the lease.
fn as_it_is(run: &mut Run, lease: Option<&Lease>, now: Timestamp) {
    let at_work = lease.is_some_and(|lease| lease.run == run.replay_id && lease.until > now);
    if run.phase == Phase::Running && !at_work {
        (run.phase, run.reason) = (Phase::Paused, Some(PublicReason::Interrupted));
    }
}

fn run_id(now: Timestamp, random: u64) -> String {
    let millis = (now.micros() / 1_000).max(0);
    format!("{millis:0TIME_DIGITS$x}{:08x}", random >> 32)
}
