//! Counts the metrics of an invocation, and logs the records that were not applied.

use crate::base::id::SubjectKey;
use crate::base::metrics::{Metric, Tally};
use crate::ledger::dialogue::EntryOutcome;
use crate::ledger::place::Arrival;
use crate::pipeline::Disposition;
use crate::pipeline::batch::PendingRecord;
use crate::pipeline::queues::Disposed;
use crate::pipeline::subject::Committed;

/// The kind whose new subjects have a metric.
const DEVICE: &str = "device";

/// Counts the commit of one subject.
pub(super) fn count_commit(
    tally: &mut Tally,
    key: &SubjectKey,
    records: &[PendingRecord],
    committed: &Committed,
) {
    let counts = tally.of(Some(key.tenant()));
    counts.add_units(committed.units);
    if committed.restarted_view {
        counts.add(Metric::ViewsRestarted);
    }
    if key.subject().kind().as_str() == DEVICE && is_first(committed) {
        counts.add(Metric::UniqueDevices);
    }
    for (PendingRecord { entry, .. }, outcome) in records.iter().zip(committed.outcomes.iter()) {
        match outcome {
            Ok(EntryOutcome::Applied(arrival)) => {
                counts.add(Metric::EventsProcessed);
                counts.last_message = counts.last_message.max(Some(entry.position.observed_at));
                match arrival {
                    Arrival::InOrder => {}
                    Arrival::Late => counts.add(Metric::EventsLate),
                    Arrival::Correction => {
                        counts.add(Metric::EventsLate);
                        counts.add(Metric::Corrections);
                    }
                }
            }
            Ok(EntryOutcome::Duplicate) => counts.add(Metric::EventsDuplicate),
            Ok(EntryOutcome::Rejected(_)) | Err(_) => {}
        }
    }
}

/// Whether this commit applied the first events of the subject.
fn is_first(committed: &Committed) -> bool {
    let Some(head) = &committed.head else { return false };
    let applied = committed.outcomes.applied();
    applied > 0 && head.count == applied as u64
}

/// Counts and logs the dispositions of an invocation that took `seconds`. The elements of a record count as
/// one message.
pub(super) fn count_dispositions(tally: &mut Tally, disposed: &[Disposed], seconds: f64) {
    let same_tenant =
        |left: &Disposed, right: &Disposed| left.handled.tenant == right.handled.tenant;
    for neighbours in disposed.chunk_by(same_tenant) {
        let tenant = neighbours.first().and_then(|first| first.handled.tenant.as_ref());
        let counts = tally.of(tenant);
        let records = neighbours.chunk_by(|left, right| left.index == right.index).count();
        counts.add_many(Metric::MessagesProcessed, records);
        counts.durations.extend(std::iter::repeat_n(seconds, records));
        for Disposed { handled, disposition, why, .. } in neighbours {
            if !matches!(disposition, Disposition::Applied | Disposition::Ignored) {
                handled.log(*disposition, why.as_ref());
            }
            handled.skipped.iter().for_each(|field| counts.add_skipped(field));
            match disposition {
                Disposition::DeadLettered(code) => {
                    counts.add(Metric::DeadLettersSent);
                    counts.add_error(*code);
                }
                Disposition::Buffered => counts.add(Metric::RecordsBuffered),
                Disposition::Returned => counts.add(Metric::RecordsReturned),
                Disposition::Ignored => counts.add(Metric::RecordsIgnored),
                Disposition::Applied | Disposition::Duplicate => {}
            }
        }
    }
}
