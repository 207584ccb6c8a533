//! Facts about heads: guards, slices, identity, epochs, lost answers, costs. Facts about pages are
//! in [`pages`].

use std::sync::Arc;

use self::fixture::*;
use super::*;
use crate::base::cost::Units;
use crate::base::error::{Code, Reason, Unavailable};
use crate::base::id::EventId;
use crate::base::limits::{COMMIT_ATTEMPTS, ItemLimits, RECORD_BYTES};
use crate::event::{Arrival, Placing};
use crate::ledger::commit::Commit;
use crate::ledger::dialogue::{Answer, Ask, EntryOutcome, Step, WriteAnswer};
use crate::ledger::read::Question;
use crate::memory::{Call, Fault};
use crate::view::Specs;

mod fixture;
mod pages;
mod range_reads;
mod touches;
mod transactions;

fn micros(base: Timestamp, more: i64) -> Timestamp {
    Timestamp::from_micros(base.micros() + more).expect("in range")
}

fn code(outcome: &Option<EntryOutcome>) -> Option<Code> {
    match outcome {
        Some(EntryOutcome::Rejected(rejection)) => Some(rejection.code),
        _ => None,
    }
}

fn check_guard(observed_at: Timestamp, expected: Option<Code>) {
    let mut entry = Entry::clone(&entry(0));
    entry.position.observed_at = observed_at;
    let refused = Subject::policy().guard(&entry).err().map(|rejection| rejection.code);
    assert_eq!(refused, expected, "observed at {observed_at}");
}

#[test]
fn the_guards_leave_the_bounds_themselves_in() {
    let (newest, oldest) = (second(300), second(-30 * 24 * 60 * 60));
    check_guard(newest, None);
    check_guard(micros(newest, 1), Some(Code::FutureTimestamp));
    check_guard(oldest, None);
    check_guard(micros(oldest, -1), Some(Code::BeyondRetention));
}

#[test]
fn what_the_guards_refuse_costs_nothing_and_moves_no_watermark() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    let mut future = Entry::clone(&entry(400));
    future.ingested_at = second(0);
    let committed = subject.commit([Arc::new(future.clone())]);
    assert_eq!(code(&committed.outcomes[0]), Some(Code::FutureTimestamp));
    assert_eq!(committed.units, Units::default());
    assert!(subject.memory.state().heads.is_empty());
    subject.apply([entry(0), Arc::new(future)]);
    assert_eq!(subject.head().watermark, Some(second(0)));
}

#[test]
fn four_hundred_large_events_go_in_slices_and_no_head_passes_its_bounds() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    let payload = |at: i64| noise(1_000, at.unsigned_abs() + 1);
    let entries: Vec<_> = (0..400).map(|at| with_payload(at, &payload(at))).collect();
    let outcomes = subject.apply(entries);
    assert!(outcomes.iter().all(|outcome| *outcome == Some(APPLIED)));
    let head = subject.head();
    let tail: usize = head.tail.iter().map(|entry| entry.plain_size()).sum();
    assert!(tail <= ItemLimits::STANDARD.slice_bytes + RECORD_BYTES, "a tail of {tail} bytes");
    // 400 entries of 1,030 bytes are seven slices of 64 KB.
    assert_eq!(head.version, 7);
    assert_eq!(subject.history(), (0..400).collect::<Vec<_>>());
    for page in subject.pages() {
        assert!(codec::EncodedEntries::of(&page.entries).size() <= ItemLimits::STANDARD.page_bytes);
    }
}

#[test]
fn each_of_two_largest_payloads_is_a_slice_of_its_own() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    let largest = |at| with_payload(at, &noise(RECORD_BYTES - 2, at.unsigned_abs() + 1));
    assert_eq!(subject.apply([largest(0)]), [Some(APPLIED)]);
    assert_eq!(subject.apply([largest(1), largest(2)]), [Some(APPLIED), Some(APPLIED)]);
    assert_eq!(subject.head().version, 3);
    assert_eq!(subject.history(), [0, 1, 2]);
}

/// Each costs a few bytes as stored: what bounds it is its plain size.
fn compressible(at: i64) -> Arc<Entry> {
    with_payload(at, &format!("\"{}\"", "x".repeat(60_000)))
}

#[test]
fn payloads_that_compress_to_nothing_do_not_outgrow_head_or_page() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    for at in 0..24 {
        subject.apply([compressible(2 * at)]);
        let tail: usize = subject.head().tail.iter().map(|entry| entry.plain_size()).sum();
        assert!(
            tail <= 2 * ItemLimits::STANDARD.slice_bytes + RECORD_BYTES,
            "a tail of {tail} bytes"
        );
    }
    for at in 0..12 {
        // All into one page.
        let mut entry = Entry::clone(&compressible(1));
        entry.position.event_id = EventId::parse(&format!("n{at}")).expect("an id");
        subject.apply([Arc::new(entry)]);
    }
    for page in subject.pages() {
        let plain: usize = page.entries.iter().map(|entry| entry.plain_size()).sum();
        assert!(plain <= limits::PAGE_PLAIN_BYTES, "a page of {plain} bytes");
    }
    assert_eq!(subject.history().len(), 36);
}

#[test]
fn the_same_id_at_another_time_is_another_event() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    let mut again = Entry::clone(&entry(0));
    again.position.observed_at = second(1);
    assert_eq!(subject.apply([entry(0), Arc::new(again)]), [Some(APPLIED), Some(APPLIED)]);
    assert_eq!(subject.history(), [0, 1]);
}

#[test]
fn other_content_at_a_known_position_changes_nothing() {
    let mut subject = Subject::with_pages(WIDE, 2);
    let before = (subject.head(), subject.pages());
    for at in [10, 80] {
        let outcomes = subject.apply([with_payload(at, "1")]);
        assert_eq!(code(&outcomes[0]), Some(Code::PayloadMismatch));
        let mut other_type = Entry::clone(&entry(at));
        other_type.event_type = Arc::from("heard");
        let outcomes = subject.apply([Arc::new(other_type)]);
        assert_eq!(code(&outcomes[0]), Some(Code::PayloadMismatch));
    }
    assert_eq!((subject.head(), subject.pages()), before);
}

#[test]
fn the_same_content_under_another_contract_and_time_of_receipt_is_a_duplicate() {
    let mut subject = Subject::with_pages(WIDE, 1);
    let before = subject.head();
    for at in [10, 40] {
        let mut again = Entry::clone(&entry(at));
        again.contract = Arc::from("renamed");
        again.ingested_at = second(at + 5);
        assert_eq!(subject.apply([Arc::new(again)]), [Some(EntryOutcome::Duplicate)]);
    }
    assert_eq!(subject.head(), before);
}

#[test]
fn of_two_deliveries_in_one_call_the_first_is_applied() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    let outcomes = subject.apply([entry(5), entry(5), with_payload(5, "1")]);
    assert_eq!(outcomes[..2], [Some(APPLIED), Some(EntryOutcome::Duplicate)]);
    assert_eq!(code(&outcomes[2]), Some(Code::PayloadMismatch));
    assert_eq!(subject.head().version, 1);
}

#[test]
fn times_before_1970_sort_right_everywhere() {
    let before_1970 = |at: i64| {
        let mut entry = Entry::clone(&entry(at));
        entry.position.observed_at =
            Timestamp::from_micros((at - 100) * 1_000_000 + 1).expect("in range");
        entry.ingested_at = entry.position.observed_at;
        Arc::new(entry)
    };
    let mut subject = Subject::new(SMALL);
    subject.memory.state().now = Timestamp::from_micros(0).expect("in range");
    // From 100 seconds before 1970 to 100 seconds after, every tenth first, then the rest.
    for at in (0..200).step_by(10) {
        subject.apply([before_1970(at)]);
    }
    assert!(subject.pages().len() > 2);
    subject.apply((0..200).rev().map(before_1970));
    let snapshot = subject.snapshot(Question::History { from: None, to: None });
    let seen: Vec<i64> = snapshot
        .entries()
        .map(|entry| (entry.position.observed_at.micros() - 1) / 1_000_000)
        .collect();
    assert_eq!(snapshot.entries().count(), 200);
    assert!(
        snapshot.entries().zip(snapshot.entries().skip(1)).all(|(a, b)| a.position < b.position)
    );
    assert_eq!((seen[0], seen[199]), (-100, 99));
    let eve = Timestamp::from_micros(0).expect("in range");
    let view = subject.snapshot(Question::AsOf(eve)).as_of(eve, &Specs::default());
    assert_eq!(view.map(|view| view.event_count), Some(100));
}

#[test]
fn the_epoch_rises_once_for_a_commit_that_changes_something_settled() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.apply([entry(0), entry(100)]);
    assert_eq!(subject.head().epoch, 0);
    // The lateness is a minute: 40 is settled, 41 is not.
    subject.apply([entry(41), entry(90)]);
    assert_eq!(subject.head().epoch, 0);
    subject.apply([entry(40)]);
    assert_eq!(subject.head().epoch, 1);
    subject.apply([entry(30), entry(20), entry(10)]);
    assert_eq!(subject.head().epoch, 2);
    subject.apply([entry(40), entry(30), with_payload(20, "1")]);
    assert_eq!((subject.head().epoch, subject.head().watermark), (2, Some(second(100))));
}

#[test]
fn a_correction_of_many_pages_raises_the_epoch_once() {
    let mut subject = Subject::with_pages(SMALL, 6);
    let before = subject.head();
    assert_eq!(subject.apply([entry(5), entry(46)]), [Some(CORRECTED), Some(CORRECTED)]);
    let after = subject.head();
    assert_eq!((after.epoch, after.watermark), (before.epoch + 1, before.watermark));
    let placings: Vec<Placing> = subject
        .snapshot(Question::History { from: None, to: None })
        .entries()
        .map(|entry| entry.placing)
        .filter(|placing| *placing != Placing::default())
        .collect();
    let placing = Placing { arrival: Arrival::Correction, epoch: after.epoch };
    assert_eq!(placings, [placing, placing]);
}

#[test]
fn what_is_released_never_falls() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.apply([entry(100)]);
    assert_eq!(subject.head().released, Some(second(40)));
    subject.apply([entry(50)]);
    assert_eq!(subject.head().released, Some(second(40)));
    subject.apply([entry(130)]);
    assert_eq!(subject.head().released, Some(second(70)));
    assert_eq!(subject.head().count, 3);
}

#[test]
fn a_write_whose_answer_is_lost_counts_as_applied_and_once() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.apply([entry(0)]);
    let mut armed = true;
    subject.fail(move |call| {
        let lost = call == Call::Write && std::mem::take(&mut armed);
        if lost { Fault::LostAfter } else { Fault::None }
    });
    assert_eq!(subject.apply([entry(1)]), [Some(APPLIED)]);
    assert_eq!(subject.head().version, 2);
    assert_eq!(subject.history(), [0, 1]);
}

#[test]
fn a_write_that_is_never_answered_ends_after_a_bounded_number_of_attempts() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    let writes = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&writes);
    subject.fail(move |call| {
        if call != Call::Write {
            return Fault::None;
        }
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Fault::LostBefore
    });
    let committed = subject.commit([entry(0)]);
    assert_eq!(committed.unavailable.map(|why| why.reason), Some(Reason::Unreachable));
    assert_eq!(committed.outcomes, [None]);
    assert!(committed.head.is_none());
    assert!(writes.load(std::sync::atomic::Ordering::Relaxed) <= COMMIT_ATTEMPTS + 1);
}

#[test]
fn nothing_is_begun_after_the_deadline() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.deadline = second(0);
    let committed = subject.commit([entry(0)]);
    assert_eq!(committed.unavailable.map(|why| why.reason), Some(Reason::Deadline));
    assert_eq!((committed.outcomes, committed.units), (vec![None], Units::default()));
    assert!(subject.memory.state().heads.is_empty());
}

/// Otherwise a table that is throttled until no time is left would look as if everyone were out of time.
#[test]
fn what_kept_a_subject_waiting_until_the_deadline_is_its_cause() {
    let over = || Unavailable::new(Reason::Deadline, "over");
    let begin = || Commit::start(Subject::new(ItemLimits::STANDARD).params(), vec![entry(0)], None);
    let (commit, _) = begin().expect("a question");
    assert_eq!(commit.run_out_of_time(over()).unavailable.reason, Reason::Deadline);
    let (commit, _) = begin().expect("a question");
    let (commit, step) = commit.answer(Answer::Head(None)).expect("a question");
    assert!(matches!(step, Step::Ask(Ask::Write(_))));
    let throttled = Answer::Write(WriteAnswer::Unknown(Reason::Throttled));
    let (commit, _) = commit.answer(throttled).expect("a question");
    assert_eq!(commit.run_out_of_time(over()).unavailable.reason, Reason::Throttled);
}

#[test]
fn a_head_that_is_gone_is_no_head() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    subject.apply([entry(0)]);
    subject.memory.state().heads.clear();
    assert_eq!(subject.apply([entry(1)]), [Some(APPLIED)]);
    assert_eq!((subject.head().version, subject.history()), (1, vec![1]));
}

#[test]
fn events_in_order_cost_few_write_units_and_no_reads() {
    let mut subject = Subject::new(ItemLimits::STANDARD);
    let telemetry = |at: i64| {
        let value = 20.0 + f64::from(u32::try_from(at.rem_euclid(50)).expect("small")) / 10.0;
        with_payload(at, &format!(r#"{{"unit":"celsius","value":{value}}}"#))
    };
    subject.apply([telemetry(-1)]);
    let mut units = Units::default();
    for commit in 0..200 {
        units += subject.commit((0..5).map(|at| telemetry(5 * commit + at))).units;
    }
    let per_event = units.write / 1_000.0;
    assert!(per_event <= 0.3, "{per_event} write units per event");
    assert!(units.read < 1.0, "{} read units", units.read);
}
