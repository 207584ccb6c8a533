//! What is read when, and from where.

use super::*;

#[test]
fn a_restart_continues_after_the_lowest_checkpoint_and_skips_what_other_lanes_have_done() {
    let known = checkpoint(&[Some(3), Some(6)]);
    let mut fixture = Fixture::new(Some(known), StartAt::Latest, 2);
    assert_eq!(fixture.from(), Err(StartAt::After(number(3))));
    let records = vec![read(4, 1), read(5, 0), read(6, 1), read(7, 1)];
    fixture.shard.fetched(records, Some("next".to_owned()), 0, 0);
    assert_eq!(fixture.handle_all(0), [[5], [7]]);
}

#[test]
fn another_number_of_lanes_continues_after_the_lowest_checkpoint() {
    for (known, start) in [
        (checkpoint(&[Some(6), Some(3)]), StartAt::After(number(3))),
        (checkpoint(&[Some(6), None]), StartAt::TrimHorizon),
    ] {
        let mut fixture = Fixture::new(Some(known), StartAt::Latest, 3);
        assert_eq!(fixture.from(), Err(start));
        fixture.shard.fetched(vec![read(5, 0), read(6, 1)], Some("next".to_owned()), 0, 0);
        assert_eq!(fixture.handle_all(0), [[5], [6]]);
    }
}

#[test]
fn an_expired_iterator_is_replaced_after_the_last_record() {
    let mut fixture = Fixture::begun(1);
    assert_eq!(fixture.from(), Err(StartAt::TrimHorizon));
    fixture.shard.fetched(vec![read(7, 0)], Some("i-1".to_owned()), 0, 0);
    assert_eq!(fixture.from(), Ok("i-1".to_owned()));
    fixture.shard.fetch_failed(FetchFailure::Expired, 0);
    assert_eq!(fixture.from(), Err(StartAt::After(number(7))));
    // The service may return a record again.
    fixture.shard.fetched(vec![read(7, 0), read(8, 0)], Some("i-2".to_owned()), 0, 0);
    assert_eq!(fixture.handle_all(0), [[7, 8]]);
}

#[test]
fn after_trimmed_records_reading_continues_at_the_horizon() {
    let mut fixture = Fixture::new(Some(checkpoint(&[Some(7)])), StartAt::TrimHorizon, 1);
    assert_eq!(fixture.from(), Err(StartAt::After(number(7))));
    fixture.shard.fetch_failed(FetchFailure::Trimmed, 0);
    assert_eq!(fixture.from(), Err(StartAt::TrimHorizon));
    fixture.shard.fetched(vec![read(9, 0)], Some("i-1".to_owned()), 0, 0);
    assert_eq!(fixture.handle_all(0), [[9]]);
}

#[test]
fn a_failed_fetch_is_repeated_later() {
    let mut fixture = Fixture::begun(1);
    fixture.fetch().unwrap();
    fixture.shard.fetch_failed(FetchFailure::Unavailable, 0);
    assert_eq!(fixture.fetch(), None);
    let due: Vec<i64> = fixture.shard.wake_at(&fixture.batching).collect();
    assert_eq!(due, [AFTER_A_FAILED_FETCH_MILLIS]);
    assert!(fixture.shard.fetch(&fixture.batching, AFTER_A_FAILED_FETCH_MILLIS).is_some());
}

#[test]
fn an_empty_page_delays_the_next_fetch() {
    let mut fixture = Fixture::begun(1);
    fixture.fetch().unwrap();
    fixture.shard.fetched(Vec::new(), Some("i".to_owned()), 250, 0);
    assert_eq!(fixture.fetch(), None);
    assert!(fixture.shard.fetch(&fixture.batching, 250).is_some());
}

/// The mapping starts at second 100. A record has the time of its sequence number.
#[test]
fn latest_skips_no_record_that_is_newer_than_the_start_of_the_mapping() {
    let mut fixture = Fixture::new(None, StartAt::Latest, 1);
    let first = fixture.commit().unwrap();
    assert_eq!(fixture.from(), Err(StartAt::Latest));
    fixture.shard.fetched(Vec::new(), Some("i".to_owned()), 0, 0);
    fixture.fetch().unwrap();
    fixture.shard.fetch_failed(FetchFailure::Expired, 0);
    let restarted = Fixture::new(Some(first), StartAt::TrimHorizon, 1);
    for mut fixture in [fixture, restarted] {
        assert_eq!(fixture.from(), Err(StartAt::TrimHorizon));
        let records = vec![read(10, 0), read(89, 0), read(90, 0), read(101, 0)];
        fixture.shard.fetched(records, Some("i".to_owned()), 0, 0);
        assert_eq!(fixture.handle_all(0), [[90, 101]]);
    }
}

#[test]
fn reading_stops_when_the_read_ahead_is_full() {
    let mut fixture = Fixture::begun(1);
    let large =
        |sequence| Read { json: Some("x".repeat(READ_AHEAD_BYTES / 2)), ..read(sequence, 0) };
    fixture.bring(vec![large(1)], 0);
    fixture.bring(vec![large(2)], 0);
    assert_eq!(fixture.fetch(), None);
    let (lane, batch, _) = fixture.sent(0).unwrap();
    assert!(fixture.fetch().is_some());
    fixture.finish(lane, batch, AttemptOutcome::Handled, 0);
}

#[test]
fn the_size_of_a_page_follows_the_largest_record() {
    let mut fixture = Fixture::begun(1);
    assert_eq!(fixture.fetch().unwrap().limit, FIRST_PAGE_RECORDS);
    for (bytes, limit) in [(1, PAGE_RECORDS), (PAGE_BYTES / 8, 8), (2 * PAGE_BYTES, 1)] {
        let records = vec![Read { bytes, ..filtered(1) }];
        fixture.shard.fetched(records, Some("i".to_owned()), 0, 0);
        assert_eq!(fixture.fetch().unwrap().limit, limit, "{bytes}");
    }
}
