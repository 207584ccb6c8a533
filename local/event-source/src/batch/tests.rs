//! Every outcome of an attempt, under every rule.

use drover_event_log::{StoredRecord, TimestampType};

use super::*;

const NOW: i64 = 1_000_000;

fn record(offset: i64) -> StoredRecord {
    let timestamp_type = TimestampType::CreateTime;
    let (key, value, headers) = (None, None, Vec::new());
    StoredRecord { offset, timestamp: 5_000, timestamp_type, key, value, headers }
}

/// Offsets 10 to 13, after so many attempts; the next offset is 20.
fn batch(attempts: u32) -> Batch<StoredRecord> {
    Batch { attempts, ..Batch::fresh((10..14).map(record).collect(), 20) }
}

fn offsets(records: &[StoredRecord]) -> Vec<i64> {
    records.iter().map(|record| record.offset).collect()
}

fn rules(reading: Reading, on_function_error: OnFunctionError, retries: Option<u32>) -> Rules {
    Rules { reading, on_function_error, retries, oldest: None }
}

fn decide(
    batch: Batch<StoredRecord>,
    outcome: AttemptOutcome,
    rules: &Rules,
) -> Decision<StoredRecord> {
    batch.decide(outcome, rules, Moment { now: NOW, random: 0.0 })
}

fn named(offsets: &[i64]) -> AttemptOutcome {
    AttemptOutcome::Named(offsets.iter().copied().collect())
}

/// Checks the retried, the discarded, and the done offsets.
fn check(decision: &Decision<StoredRecord>, again: &[&[i64]], given_up: &[i64], done_until: i64) {
    let shown: Vec<Vec<i64>> = decision.again.iter().map(|one| offsets(&one.records)).collect();
    assert_eq!(shown, again);
    assert_eq!(offsets(&decision.given_up), given_up);
    assert_eq!(decision.done_until, done_until);
}

const ALL: &[i64] = &[10, 11, 12, 13];
const READINGS: [Reading; 2] = [Reading::Resume, Reading::Listed];
const ON_ERROR: [OnFunctionError; 2] = [OnFunctionError::SendAgain, OnFunctionError::Bisect];

#[test]
fn a_handled_batch_is_done_up_to_the_next_batch_under_every_rule() {
    for reading in READINGS {
        for on_error in ON_ERROR {
            for (attempts, retries) in [(0, None), (0, Some(0)), (9, Some(3))] {
                let rules = rules(reading, on_error, retries);
                check(&decide(batch(attempts), AttemptOutcome::Handled, &rules), &[], &[], 20);
            }
        }
    }
}

#[test]
fn a_partial_failure_resumes_at_the_lowest_offset_or_retries_the_listed_records() {
    for on_error in ON_ERROR {
        let resume = rules(Reading::Resume, on_error, None);
        let listed = rules(Reading::Listed, on_error, None);
        for (outcome, resumed, sent) in [
            (named(&[12]), &[12, 13][..], &[12][..]),
            (named(&[11, 13]), &[11, 12, 13], &[11, 13]),
            (named(&[10, 13]), ALL, &[10, 13]),
            (named(ALL), ALL, ALL),
        ] {
            let first = resumed[0];
            check(&decide(batch(0), outcome.clone(), &resume), &[resumed], &[], first);
            check(&decide(batch(0), outcome, &listed), &[sent], &[], first);
        }
    }
}

#[test]
fn every_failure_of_the_whole_batch_retries_all_records() {
    let failures = [Failure::Function, Failure::NoAnswer, Failure::Senseless("why")];
    for reading in READINGS {
        for failure in failures.clone() {
            let rules = rules(reading, OnFunctionError::SendAgain, None);
            check(&decide(batch(7), AttemptOutcome::Failed(failure), &rules), &[ALL], &[], 10);
        }
    }
}

#[test]
fn only_a_function_error_bisects_and_the_lower_half_is_sent_first() {
    let rules = rules(Reading::Resume, OnFunctionError::Bisect, Some(0));
    let halves = decide(batch(0), AttemptOutcome::Failed(Failure::Function), &rules);
    check(&halves, &[&[10, 11], &[12, 13]], &[], 10);
    let [lower, upper] = &halves.again[..] else { panic!("{halves:?}") };
    assert_eq!((lower.next, upper.next), (12, 20));
    check(&decide(lower.clone(), AttemptOutcome::Handled, &rules), &[], &[], 12);
    check(&decide(upper.clone(), AttemptOutcome::Handled, &rules), &[], &[], 20);
    for failure in [Failure::NoAnswer, Failure::Senseless("why")] {
        check(&decide(batch(0), AttemptOutcome::Failed(failure), &rules), &[], ALL, 20);
    }
    check(&decide(batch(0), named(&[13]), &rules), &[], &[13], 20);
}

#[test]
fn bisecting_counts_as_no_retry_and_ends_with_single_records() {
    let rules = rules(Reading::Resume, OnFunctionError::Bisect, Some(1));
    let (mut waiting, mut given_up, mut invocations) = (vec![batch(0)], Vec::new(), 0);
    while !waiting.is_empty() {
        let decision = decide(waiting.remove(0), AttemptOutcome::Failed(Failure::Function), &rules);
        given_up.extend(offsets(&decision.given_up));
        waiting.splice(0..0, decision.again);
        invocations += 1;
    }
    assert_eq!(given_up, ALL);
    // Three bisections, and two attempts for each single record.
    assert_eq!(invocations, 3 + 4 * 2);
}

#[test]
fn attempts_count_over_all_failures_until_the_batch_is_discarded() {
    for (outcome, rest) in [
        (AttemptOutcome::Failed(Failure::NoAnswer), ALL),
        (AttemptOutcome::Failed(Failure::Function), ALL),
        (named(&[12]), &[12, 13]),
    ] {
        let rules = rules(Reading::Resume, OnFunctionError::SendAgain, Some(2));
        for attempts in 0..2 {
            let decision = decide(batch(attempts), outcome.clone(), &rules);
            check(&decision, &[rest], &[], rest[0]);
            assert_eq!(decision.again[0].attempts, attempts + 1);
        }
        check(&decide(batch(2), outcome, &rules), &[], rest, 20);
    }
}

#[test]
fn a_record_that_fits_no_event_is_discarded_at_once() {
    let rules = Rules::default();
    check(&decide(batch(0), AttemptOutcome::TooLarge, &rules), &[], ALL, 20);
}

#[test]
fn the_delay_doubles_without_progress_and_restarts_with_progress() {
    let rules = Rules::default();
    let at = |random| Moment { now: NOW, random };
    let again = |batch: Batch<StoredRecord>, outcome, random| {
        let batch = batch.decide(outcome, &rules, at(random)).again.remove(0);
        (batch.due_at - NOW, batch)
    };
    let failed = || AttemptOutcome::Failed(Failure::Function);
    let (first, once) = again(batch(0), failed(), 1.0);
    let (second, twice) = again(once, failed(), 1.0);
    let (_, thrice) = again(twice.clone(), named(ALL), 1.0);
    let (fourth, _) = again(thrice, failed(), 0.0);
    assert_eq!((first, second, fourth), (100, 200, 400));
    let (after_progress, _) = again(twice, named(&[12]), 1.0);
    assert_eq!(after_progress, 100);
    let (mut longest, mut stuck) = (0, batch(0));
    for _ in 0..100 {
        (longest, stuck) = again(stuck, failed(), 1.0);
    }
    assert_eq!(longest, 10_000);
}

#[test]
fn the_age_of_a_record_follows_from_its_timestamp_if_any() {
    let rules = Rules { oldest: Some(Duration::from_secs(60)), ..Rules::default() };
    let at = |timestamp| StoredRecord { timestamp, ..record(1) };
    assert!(rules.is_too_old(&at(NOW - 60_001), NOW));
    assert!(!rules.is_too_old(&at(NOW - 60_000), NOW));
    assert!(!rules.is_too_old(&at(NOW + 1), NOW));
    assert!(!rules.is_too_old(&at(-1), NOW), "no timestamp, no age");
    assert!(!Rules::default().is_too_old(&at(0), NOW), "any age");
}
