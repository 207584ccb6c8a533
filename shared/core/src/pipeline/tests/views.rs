//! Tests of views that are updated too late.

use super::*;
use crate::base::limits::{KEYFRAME_GRACE_DAYS, PAGE_GRACE_DAYS};
use crate::base::metrics::Metric;
use crate::ledger::codec::decode_head;

const DAY: i64 = 24 * 60 * 60;
/// The default retention of a tenant.
const RETENTION_DAYS: i64 = 30;

/// Processes one event of a device, observed `at` seconds after [`NOW`]. Returns the number of restarted
/// views.
fn restarts_with(memory: &Memory, pipeline: &Pipeline, at: i64) -> f64 {
    let records = vec![Incoming::Record(known("d1", at))];
    let report = pipeline.process(memory, records, Timestamp::MAX).now_or_never();
    let report = report.expect("memory never waits").expect("a closed breaker");
    assert_eq!(report.dispositions, [Disposition::Applied]);
    report.tally.total(Metric::ViewsRestarted)
}

#[test]
fn a_view_that_restarts_at_the_oldest_keyframe_is_counted_once() {
    let memory = memory();
    // Pages of a few entries.
    let item_limits = ItemLimits {
        head_target_bytes: 1,
        keep_entries: 1,
        page_bytes: 200,
        frame_bytes: 300,
        ..ItemLimits::STANDARD
    };
    let pipeline = Pipeline { item_limits, ..pipeline() };
    let day = |day: i64| {
        memory.state().now = second(day * DAY + 60);
        restarts_with(&memory, &pipeline, day * DAY)
    };
    assert_eq!((0..28).map(day).sum::<f64>(), 0.0);
    // The late event makes the views after it stale.
    assert_eq!(restarts_with(&memory, &pipeline, DAY / 2), 0.0);
    let is_stale = || {
        let heads = memory.state().heads.values().map(|head| decode_head(&head.bytes)).collect();
        let heads: Result<Vec<_>, _> = heads;
        heads.expect("heads").iter().any(|head| head.stale.is_some())
    };
    assert!(is_stale(), "no commit has updated the views");
    // No commit updates the views until every page before the late event has expired.
    let days = RETENTION_DAYS + PAGE_GRACE_DAYS + KEYFRAME_GRACE_DAYS + 10;
    assert_eq!(day(days), 1.0);
    assert!(!is_stale(), "the commit has updated the views");
    assert_eq!(day(days + 1), 0.0);
}
