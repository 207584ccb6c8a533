//! Sends records of letters through the pipeline: into the ledger, or into the overlay of a dry
//! run.

use super::overlay::Overlay;
use super::runner::Runner;
use super::views::label;
use super::{ReplayPorts, Sources};
use crate::base::error::Reason;
use crate::base::error::Unavailable;
use crate::base::id::TenantId;
use crate::base::metrics::Tally;
use crate::base::time::Timestamp;
use crate::intake::record::Incoming;
use crate::pipeline::{Admitted, Pipeline, RecordOutcome, Settled};
use crate::ports::SubjectLocation;

/// How often a dry run starts records again from the stored state.
const FORGETS: usize = 3;

pub(super) async fn admit<W: ReplayPorts, S: Sources>(
    runner: &Runner<'_, W, S>,
    records: Vec<Incoming>,
    until: Timestamp,
) -> Admitted {
    // A tenant's letters never reach another tenant's ledger, even if a route has changed.
    let only = runner.owner.tenant();
    runner.pipeline.admit(runner.ports, records, only, until).await
}

/// Sends the matching records through the pipeline, into the ledger or the overlay. `records`, all that
/// were admitted, lets a dry run start again.
pub(super) async fn through<W: ReplayPorts, S: Sources>(
    runner: &mut Runner<'_, W, S>,
    admitted: Admitted,
    records: Vec<Incoming>,
    until: Timestamp,
) -> Result<Vec<Settled>, Unavailable> {
    let homes = admitted.homes().map(|location| (label(runner.owner, &location.key), location));
    let homes: Vec<(String, SubjectLocation)> = homes.collect();
    let room = runner.run.views_wanted.saturating_sub(runner.run.views.len());
    let Runner { ports, owner, pipeline, overlay, views, tally, .. } = runner;
    let registry = &pipeline.registry;
    let (settled, counted) = match overlay {
        Some(overlay) => {
            views.before(&*overlay, registry, tally, homes, room).await?;
            let (settled, counted) = pipeline.settle(&*overlay, admitted, until).await;
            let again = Again { records: &records, only: owner.tenant(), until };
            over_again(overlay, pipeline, again, settled, counted).await
        }
        None => {
            views.before(*ports, registry, tally, homes, room).await?;
            pipeline.settle(*ports, admitted, until).await
        }
    };
    if runner.run.dry_run {
        // A dry run counts only its cost.
        units_only(&mut runner.tally, &counted);
    } else {
        add(&mut runner.tally, counted);
    }
    Ok(settled)
}

/// The input for starting records again.
struct Again<'a> {
    records: &'a [Incoming],
    only: Option<&'a TenantId>,
    until: Timestamp,
}

/// Starts records of a dry run that lost against real writers again from the stored state.
async fn over_again<W: ReplayPorts>(
    overlay: &Overlay<'_, W>,
    pipeline: &Pipeline,
    again: Again<'_>,
    mut settled: Vec<Settled>,
    mut counted: Tally,
) -> (Vec<Settled>, Tally) {
    for _ in 0..FORGETS {
        let waiting = waiting(&settled);
        if waiting.is_empty() {
            break;
        }
        let contended = || waiting.iter().filter_map(|at| settled.get(*at));
        for key in contended().filter_map(Settled::key) {
            overlay.forget(&key);
        }
        pipeline.heads.clear();
        // Of each the element that is meant and no other, so that there is one outcome for each.
        let records = contended().filter_map(|settled| {
            let record = again.records.get(settled.index())?.clone();
            Some(match settled.element() {
                Some(element) => record.with_element(element),
                None => record,
            })
        });
        let records = records.collect();
        let admitted = pipeline.admit(overlay, records, again.only, again.until).await;
        let (anew, more) = pipeline.settle(overlay, admitted, again.until).await;
        add(&mut counted, more);
        for (at, anew) in waiting.into_iter().zip(anew) {
            if let Some(slot) = settled.get_mut(at) {
                slot.replace(anew);
            }
        }
    }
    (settled, counted)
}

/// Indexes of the records that were not settled because of concurrent writers.
fn waiting(settled: &[Settled]) -> Vec<usize> {
    let contended = settled.iter().enumerate().filter(|(_, settled)| {
        let RecordOutcome::Unavailable(unavailable) = settled.outcome() else { return false };
        unavailable.reason == Reason::Contention
    });
    contended.map(|(at, _)| at).collect()
}

fn add(tally: &mut Tally, more: Tally) {
    for (tenant, counts) in more.tenants {
        tally.of(tenant.as_ref()).merge(counts);
    }
}

fn units_only(tally: &mut Tally, counted: &Tally) {
    for (tenant, counts) in &counted.tenants {
        tally.of(tenant.as_ref()).add_units(counts.units());
    }
}
