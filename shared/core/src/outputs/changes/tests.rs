//! What two images tell, and what they do not.

use super::*;
use crate::base::id::EventId;
use crate::event::{Arrival, IdOrigin, Placing};
use crate::ledger::{Carried, Stale};

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).expect("in range")
}

fn position(second: i64) -> Position {
    let event_id = EventId::parse(&format!("e{second}")).expect("an id");
    Position { observed_at: at(second), sequence: 0, event_id }
}

fn entries(seconds: &[i64]) -> Vec<Arc<Entry>> {
    let entry = |second: &i64| {
        Arc::new(Entry {
            position: position(*second),
            id_origin: IdOrigin::Given,
            event_type: "t".into(),
            contract: "c".into(),
            contract_version: 0,
            ingested_at: at(100),
            payload: "{}".into(),
            placing: Placing { arrival: Arrival::InOrder, epoch: 0 },
        })
    };
    seconds.iter().map(entry).collect()
}

/// Pages up to second 10, of the tail 20 and 30 frozen, settled up to 15.
fn old() -> Head {
    Head {
        version: 4,
        epoch: 2,
        watermark: Some(at(40)),
        released: Some(at(15)),
        sealed: Some(position(10)),
        tail: entries(&[20, 30, 40]),
        frozen: 2,
        ..Head::default()
    }
}

/// The commit after it brought 50.
fn new() -> Head {
    Head {
        version: 5,
        watermark: Some(at(50)),
        released: Some(at(35)),
        sealed: Some(position(30)),
        tail: entries(&[40, 50]),
        frozen: 0,
        ..old()
    }
}

fn seconds(entries: &[Arc<Entry>]) -> Vec<i64> {
    entries.iter().map(|entry| entry.position.observed_at.whole_seconds()).collect()
}

fn check_settled(old: &Head, new: &Head, expected: Result<&[i64], (Option<i64>, i64)>) {
    let settled = match Changes::between(Some(old), new).settled {
        Settled::Known(entries) => Ok(seconds(&entries)),
        Settled::Unread(Interval { after, up_to }) => {
            Err((after.map(Timestamp::whole_seconds), up_to.whole_seconds()))
        }
    };
    assert_eq!(settled, expected.map(<[i64]>::to_vec));
}

fn correction(old: &Head, new: &Head) -> Option<(Option<i64>, Cause)> {
    let correction = Changes::between(Some(old), new).correction?;
    Some((correction.from.map(|from| from.observed_at.whole_seconds()), correction.cause))
}

#[test]
fn what_froze_and_the_new_tail_hold_what_became_settled() {
    check_settled(&old(), &new(), Ok(&[20, 30]));
    let everything = Head { released: Some(at(50)), ..new() };
    check_settled(&old(), &everything, Ok(&[20, 30, 40, 50]));
    check_settled(&old(), &Head { released: Some(at(15)), ..new() }, Ok(&[]));
}

#[test]
fn history_is_read_where_pages_have_what_was_not_settled_or_something_was_inserted_into_them() {
    let sealed_first = Head { released: Some(at(9)), ..old() };
    check_settled(&sealed_first, &new(), Err((Some(9), 35)));
    check_settled(&Head { released: Some(at(10)), ..old() }, &new(), Ok(&[20, 30]));
    check_settled(&old(), &Head { note: vec![position(25)], ..new() }, Err((Some(15), 35)));
    let nothing_settled = Head { note: vec![position(25)], released: Some(at(15)), ..new() };
    check_settled(&old(), &nothing_settled, Ok(&[]));
}

#[test]
fn the_first_commit_of_a_subject_is_all_in_its_head() {
    let first = Head { version: 1, epoch: 0, sealed: None, ..new() };
    let changes = Changes::between(None, &first);
    assert_eq!((changes.extent, changes.correction), (Extent::Commit, None));
    assert_eq!(seconds(&changes.entered), [40, 50]);
    assert_eq!(changes.settled, Settled::Known(Vec::new()));
}

#[test]
fn what_the_commit_added_is_what_the_old_tail_lacks_and_the_note() {
    let changes = Changes::between(
        Some(&old()),
        &Head { tail: entries(&[35, 40, 50]), note: vec![position(12), position(25)], ..new() },
    );
    assert_eq!(seconds(&changes.entered), [35, 50]);
    assert_eq!(changes.deep, [position(12), position(25)]);
    let is_late = [15, 16].map(|second| changes.is_late(at(second)));
    assert_eq!(is_late, [true, false]);
    assert_eq!([35, 36].map(|second| changes.is_settled(at(second))), [true, false]);
}

#[test]
fn a_correction_begins_with_the_earliest_event_that_came_after_its_time_was_settled() {
    assert_eq!(correction(&old(), &new()), None);
    let inserted = |note: &[i64], tail: &[i64]| {
        let note = note.iter().map(|second| position(*second)).collect();
        correction(&old(), &Head { epoch: 3, note, tail: entries(tail), ..new() })
    };
    assert_eq!(inserted(&[12, 14, 25], &[40, 50]), Some((Some(12), Cause::Late)));
    let before = Head { sealed: None, frozen: 0, ..old() };
    let in_tail = Head { sealed: None, tail: entries(&[13, 20, 30, 40]), epoch: 3, ..new() };
    assert_eq!(correction(&before, &in_tail), Some((Some(13), Cause::Late)));
    // Not settled before: no correction.
    assert_eq!(correction(&old(), &Head { note: vec![position(25)], ..new() }), None);
}

#[test]
fn a_change_of_epoch_has_its_cause() {
    let forgotten = Changes::between(Some(&old()), &old().forget());
    let correction = forgotten.correction.clone().expect("a correction");
    assert_eq!((correction.epoch, correction.from, correction.cause), (3, None, Cause::Forgotten));
    assert!(forgotten.is_forgotten);

    let stale = |second| {
        let from = position(second);
        Box::new(Stale { from, since: at(100), inserts: 1, number: 1, expires_at: 0 })
    };
    let out_of_date = Head { stale: Some(stale(7)), ..old() };
    let carried = Box::new(Carried { from: position(7), since_version: 5 });
    let restarted = Head { version: 5, epoch: 3, carried: Some(carried), ..old() };
    let changes = Changes::between(Some(&out_of_date), &restarted);
    let correction = changes.correction.expect("a correction");
    assert_eq!((correction.from, correction.cause), (Some(position(7)), Cause::Retention));
    assert_eq!(changes.staleness, Staleness::Cleared(position(7)));

    let rebuilt = Head { version: 5, epoch: 3, generation: 1, ..old() };
    let correction = Changes::between(Some(&old()), &rebuilt).correction.expect("a correction");
    assert_eq!((correction.from, correction.cause), (None, Cause::Generation));
}

#[test]
fn views_are_out_of_date_from_when_an_event_came_deep_until_they_are_carried() {
    let stale = |second| {
        let from = position(second);
        Some(Box::new(Stale { from, since: at(100), inserts: 1, number: 1, expires_at: 0 }))
    };
    let check = |before, after, expected: Staleness, is_stale| {
        let (before, after) = (Head { stale: before, ..old() }, Head { stale: after, ..new() });
        let changes = Changes::between(Some(&before), &after);
        assert_eq!((changes.is_stale(), &changes.staleness), (is_stale, &expected));
    };
    check(None, None, Staleness::Never, false);
    check(None, stale(3), Staleness::Begun(position(3)), true);
    check(stale(3), stale(2), Staleness::Stays(position(2)), true);
    check(stale(3), None, Staleness::Cleared(position(3)), false);
}

#[test]
fn everything_is_told_where_it_was_asked_for_or_commits_are_missing() {
    let extent = |old: Option<&Head>, new: &Head| Changes::between(old, new).extent;
    let touched = |touch| Head { touched: Some(touch), ..new() };
    assert_eq!(extent(Some(&old()), &touched(Touch::Resend)), Extent::Whole);
    assert_eq!(extent(Some(&old()), &touched(Touch::Release)), Extent::Commit);
    assert_eq!(extent(Some(&old()), &Head { version: 6, ..new() }), Extent::Whole);
    assert_eq!(extent(None, &new()), Extent::Whole);
    assert_eq!(correction(&old(), &touched(Touch::Resend)), Some((None, Cause::Resent)));
    let restored = Head { era: 1, ..touched(Touch::Resend) };
    assert_eq!(correction(&old(), &restored), Some((None, Cause::Restored)));
    let forgotten_before = Head { forgotten: Some(position(5)), ..old() };
    let resent = Head { forgotten: Some(position(5)), ..touched(Touch::Resend) };
    assert_eq!(correction(&forgotten_before, &resent), Some((None, Cause::Forgotten)));
    let commit = |head: &Head| Changes::between(Some(&old()), head).commit;
    assert!(commit(&restored) > commit(&Head { version: 9, ..new() }));
}
