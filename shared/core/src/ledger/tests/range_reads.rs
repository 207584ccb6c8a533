//! Facts about bounded parts of a history. That they equal a sorted map's, whoever writes in
//! between, the model test shows.

use futures_util::FutureExt as _;

use super::*;
use crate::ledger::range_read::{HistoryRange, Order, Portion};
use crate::subject::reader;

/// Everything, in few entries at a time.
fn of(order: Order, entries: usize) -> HistoryRange {
    let beyond = None;
    HistoryRange {
        from: None,
        to: None,
        order,
        beyond,
        event_type: None,
        entries,
        bytes: usize::MAX,
    }
}

fn portion(subject: &Subject, range: HistoryRange) -> Portion {
    let read = reader::range(&subject.memory, &subject.location, range).now_or_never();
    read.expect("memory never waits").expect("an answer").0.expect("a head")
}

fn seconds(portion: &Portion) -> Vec<i64> {
    portion.entries.iter().map(|entry| since_start(entry)).collect()
}

/// All parts, from the first to the last.
fn walk(subject: &Subject, mut range: HistoryRange) -> Vec<Vec<i64>> {
    let mut parts = Vec::new();
    loop {
        let portion = portion(subject, range.clone());
        parts.push(seconds(&portion));
        if portion.next.is_none() {
            return parts;
        }
        range.beyond = portion.next;
    }
}

/// The calls that a slice makes.
fn calls(subject: &Subject, range: HistoryRange) -> Vec<Call> {
    let calls = Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = Arc::clone(&calls);
    subject.fail(move |call| {
        kept.lock().expect("a lock").push(call);
        Fault::None
    });
    portion(subject, range);
    let calls = calls.lock().expect("a lock");
    calls.clone()
}

fn tens(from: i64, to: i64) -> Vec<i64> {
    (from..=to).step_by(10).collect()
}

fn backward(mut forward: Vec<i64>) -> Vec<i64> {
    forward.reverse();
    forward
}

#[test]
fn parts_follow_each_other_without_gap_or_overlap_both_ways() {
    let subject = Subject::with_pages(WIDE, 6);
    for entries in [1, 3, 4, 5, 100] {
        let parts = walk(&subject, of(Order::Ascending, entries));
        assert_eq!(parts.concat(), tens(0, 240));
        let parts = walk(&subject, of(Order::Descending, entries));
        assert_eq!(parts.concat(), backward(tens(0, 240)));
        assert!(parts.iter().all(|part| part.len() <= entries));
    }
}

#[test]
fn a_window_begins_with_its_first_instant_and_ends_before_its_last() {
    let subject = Subject::with_pages(WIDE, 6);
    for (from, to) in [(0, 240), (30, 40), (40, 70), (35, 200), (70, 71), (240, 300), (250, 300)] {
        let window = |order| HistoryRange {
            from: Some(second(from)),
            to: Some(second(to)),
            ..of(order, 100)
        };
        let expected: Vec<i64> =
            tens(0, 240).into_iter().filter(|at| (from..to).contains(at)).collect();
        let (up, down) = (window(Order::Ascending), window(Order::Descending));
        assert_eq!(seconds(&portion(&subject, up)), expected, "{from}..{to}");
        assert_eq!(seconds(&portion(&subject, down)), backward(expected), "{from}..{to}");
    }
}

#[test]
fn what_is_in_the_tail_costs_no_page() {
    let subject = Subject::with_pages(WIDE, 6);
    assert_eq!(calls(&subject, of(Order::Descending, 1)), [Call::Head]);
    let late = HistoryRange { from: Some(second(235)), ..of(Order::Ascending, 100) };
    assert_eq!(calls(&subject, late), [Call::Head]);
    let late = HistoryRange { from: Some(second(235)), ..of(Order::Descending, 100) };
    assert_eq!(calls(&subject, late), [Call::Head]);
}

#[test]
fn pages_are_read_as_they_are_needed() {
    let subject = Subject::with_pages(WIDE, 40);
    for order in [Order::Ascending, Order::Descending] {
        assert_eq!(calls(&subject, of(order, 4)), [Call::Head, Call::Pages]);
        let before = subject.memory.state().units.read;
        portion(&subject, of(order, 4));
        let few = subject.memory.state().units.read - before;
        portion(&subject, of(order, 1_000));
        let all = subject.memory.state().units.read - before - few;
        assert!(few <= 2.0 && all >= 3.0, "{few} and {all} read units");
    }
    let owned = HistoryRange { to: Some(second(100)), ..of(Order::Descending, 100) };
    assert_eq!(calls(&subject, owned), [Call::Head, Call::Pages, Call::Pages]);
}

#[test]
fn a_view_of_the_past_reads_from_its_keyframe_alone() {
    let subject = Subject::with_pages(SMALL, 40);
    let before = subject.memory.state().units.read;
    assert_eq!(subject.count_as_of(100), Some(11));
    assert_eq!(subject.memory.state().units.read - before, 2.0);
}

#[test]
fn a_type_that_nothing_has_ends_by_bytes_and_goes_on_later() {
    let subject = Subject::with_pages(WIDE, 6);
    let entry_bytes = entry(100).plain_size();
    for order in [Order::Ascending, Order::Descending] {
        let rare = HistoryRange {
            event_type: Some(Arc::from("rare")),
            bytes: 5 * entry_bytes,
            ..of(order, 100)
        };
        let parts = walk(&subject, rare);
        assert!(parts.concat().is_empty());
        // Twenty-five entries, a few at a time.
        assert!((4..=8).contains(&parts.len()), "{} parts", parts.len());
    }
}

#[test]
fn a_part_takes_one_entry_whatever_its_size() {
    let subject = Subject::with_pages(WIDE, 2);
    for order in [Order::Ascending, Order::Descending] {
        let parts = walk(&subject, HistoryRange { bytes: 0, ..of(order, 100) });
        assert_eq!(parts.len(), 9);
    }
    assert_eq!(walk(&subject, of(Order::Ascending, 0)).len(), 9);
}

#[test]
fn parts_do_not_reach_across_a_gap_whatever_was_deleted() {
    for deleted in [vec![], vec![0], vec![1], vec![0, 1]] {
        let subject = Subject::with_pages(WIDE, 4);
        subject.pass_expiry_of(70);
        deleted.iter().rev().for_each(|at| subject.delete(*at));
        for order in [Order::Ascending, Order::Descending] {
            let whole = portion(&subject, of(order, 100));
            assert_eq!(whole.gone_up_to, Some(position(70)), "{deleted:?}");
            let mut found = seconds(&whole);
            found.sort_unstable();
            assert_eq!(found, tens(80, 160), "{deleted:?}");
            // The page that owns the end of the window is gone.
            let window = HistoryRange { to: Some(second(65)), ..of(order, 100) };
            let expired = portion(&subject, window);
            assert_eq!((seconds(&expired), expired.is_expired), (vec![], true), "{deleted:?}");
            assert_eq!(expired.gone_up_to, Some(position(70)), "{deleted:?}");
            let kept = HistoryRange { to: Some(second(95)), ..of(order, 100) };
            assert!(!portion(&subject, kept).is_expired);
        }
    }
}

#[test]
fn a_position_that_expired_still_says_where_to_go_on() {
    let subject = Subject::with_pages(WIDE, 4);
    let first = portion(&subject, of(Order::Ascending, 2));
    assert_eq!(first.next, Some(position(10)));
    subject.pass_expiry_of(70);
    subject.delete(0);
    let rest = HistoryRange { beyond: first.next, ..of(Order::Ascending, 100) };
    assert_eq!(seconds(&portion(&subject, rest)), tens(80, 160));
}

#[test]
fn a_correction_between_two_parts_neither_skips_nor_doubles() {
    for order in [Order::Ascending, Order::Descending] {
        let mut subject = Subject::with_pages(WIDE, 4);
        let first = portion(&subject, of(order, 6));
        subject.apply([entry(5), entry(45), entry(95), entry(155)]);
        let rest = portion(&subject, HistoryRange { beyond: first.next.clone(), ..of(order, 100) });
        let both = [seconds(&first), seconds(&rest)].concat();
        let seen: Vec<i64> = both.iter().copied().filter(|at| at % 10 == 0).collect();
        let all = tens(0, 160);
        assert_eq!(seen, if order == Order::Ascending { all } else { backward(all) });
    }
}

#[test]
fn of_a_subject_that_was_never_written_there_is_no_part() {
    let subject = Subject::new(WIDE);
    let read = reader::range(&subject.memory, &subject.location, of(Order::Ascending, 1));
    assert!(read.now_or_never().expect("ready").expect("an answer").0.is_none());
}
