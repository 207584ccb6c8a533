//! Facts about pages: gaps, corrections, repairs, readers.

use super::*;
use crate::base::mutant::{Mutant, with};
use crate::ledger::commit::Commit;
use crate::ledger::dialogue::{Ask, Step};
use crate::ledger::read;
use crate::view::{Specs, View, fold};

/// Every page names the one before it and opens with the fold of everything before, and the base
/// is the fold of all pages.
fn check_whole(subject: &Subject) {
    let (mut view, mut before) = (View::default(), None);
    for page in subject.pages() {
        assert_eq!(page.previous, before, "the page before {:?}", page.key());
        assert_eq!(page.opening, view, "the opening of {:?}", page.key());
        view = fold(view, &page.entries, &Specs::default());
        before = page.key().cloned();
    }
    let head = subject.head();
    assert_eq!((head.repair, head.sealed), (None, before));
    assert_eq!(*head.base, view);
}

fn tens(from: i64, to: i64) -> impl Iterator<Item = i64> {
    (from..=to).step_by(10)
}

#[test]
fn an_event_before_a_gap_is_beyond_retention_and_a_later_one_is_applied() {
    // Pages of 0..30, 40..70, 80..110, 120..150. The event at 45 would have to cross the gap.
    for (gone, refused, history) in [
        (vec![1], vec![5, 45], 80),
        (vec![0], vec![5], 40),
        (vec![0, 2], vec![5, 45, 85], 120),
        (vec![3], vec![5, 45, 85, 125], 160),
    ] {
        let mut subject = Subject::with_pages(WIDE, 4);
        gone.iter().rev().for_each(|at| subject.expire(*at));
        let deep = [5, 45, 85, 125, 165];
        let outcomes = subject.apply(deep.map(entry));
        for (at, outcome) in deep.iter().zip(&outcomes) {
            let expected = refused.contains(at).then_some(Code::BeyondRetention);
            assert_eq!(code(outcome), expected, "{at} with {gone:?} gone");
        }
        let mut expected: Vec<i64> = tens(history, 160).collect();
        expected.extend(deep.iter().filter(|at| !refused.contains(at)));
        expected.sort_unstable();
        assert_eq!(subject.history(), expected, "{gone:?} gone");
    }
}

#[test]
fn readers_never_cross_a_gap() {
    let subject = Subject::with_pages(WIDE, 4);
    subject.expire(1);
    assert_eq!(subject.history(), tens(80, 160).collect::<Vec<_>>());
    // The views that still can be had count what is gone.
    assert_eq!(subject.live_count(), 17);
    assert_eq!(subject.count_as_of(60), None);
    assert_eq!(subject.count_as_of(75), Some(8));
    assert_eq!(subject.count_as_of(90), Some(10));
    let subject = Subject::with_pages(WIDE, 2);
    subject.expire(1);
    assert_eq!(subject.history(), [80]);
    assert_eq!(subject.count_as_of(65), None);
    assert_eq!((subject.count_as_of(70), subject.count_as_of(80)), (Some(8), Some(9)));
}

/// A correction at 5 that has come as far as one transaction allows.
fn with_repair_open(pages: i64) -> Subject {
    let subject = Subject::with_pages(SMALL, pages);
    let cached = Some(Arc::new(subject.head()));
    let started = Commit::start(subject.params(), vec![entry(5)], cached).expect("a start");
    let (_, step) = subject.until_write(started);
    let Step::Ask(write) = step else { panic!("nothing to write") };
    subject.obey(write);
    assert!(subject.head().repair.is_some());
    subject
}

#[test]
fn readers_see_a_correction_whole_while_its_repair_is_open() {
    let subject = with_repair_open(6);
    assert_eq!(subject.live_count(), 26);
    for (at, count) in [(4, 1), (5, 2), (70, 9), (80, 10), (155, 17), (240, 26)] {
        assert_eq!(subject.count_as_of(at), Some(count), "as of {at}");
    }
    assert_eq!(subject.history().len(), 26);
}

#[test]
fn another_writer_carries_a_repair_on_whatever_head_it_believes_in() {
    for cold in [false, true] {
        let subject = with_repair_open(6);
        let stale = subject.cached.clone().filter(|_| !cold);
        let outcomes = subject.commit_with(stale, [entry(250)]).outcomes;
        assert_eq!(outcomes, [Some(APPLIED)]);
        check_whole(&subject);
        assert_eq!(subject.live_count(), 27);
    }
}

#[test]
fn a_commit_ends_only_when_its_repair_is_closed() {
    for pages in 1..9 {
        let mut subject = Subject::with_pages(SMALL, pages);
        let outcomes = subject.apply([entry(5), entry(40 * pages - 15), entry(40 * pages + 10)]);
        assert_eq!(outcomes, [Some(CORRECTED), Some(CORRECTED), Some(APPLIED)]);
        check_whole(&subject);
    }
}

#[test]
fn an_earlier_insertion_moves_an_open_repair_back() {
    for at in [-5, 5, 35, 75, 85, 155] {
        let subject = with_repair_open(6);
        let outcomes = subject.commit_with(None, [entry(at), entry(200)]).outcomes;
        let first = if at == 5 { EntryOutcome::Duplicate } else { CORRECTED };
        assert_eq!(outcomes, [Some(first), Some(EntryOutcome::Duplicate)]);
        check_whole(&subject);
    }
}

#[test]
fn a_repair_whose_pages_expired_ends_and_holds_nothing_back() {
    for gone in 2..6 {
        let subject = with_repair_open(6);
        subject.expire(gone);
        assert_eq!(subject.commit_with(None, [entry(250)]).outcomes, [Some(APPLIED)]);
        assert_eq!(subject.head().repair, None);
        let outcomes = subject.commit_with(None, [entry(6)]).outcomes;
        assert_eq!(code(&outcomes[0]), Some(Code::BeyondRetention));
    }
}

#[test]
fn an_entry_finds_its_place_before_between_and_inside_pages() {
    for at in [-1, 1, 30, 35, 39, 75, 110] {
        let mut subject = Subject::with_pages(WIDE, 3);
        let mut expected: Vec<i64> = tens(0, 120).collect();
        let outcome = if at % 10 == 0 { EntryOutcome::Duplicate } else { CORRECTED };
        assert_eq!(subject.apply([entry(at)]), [Some(outcome)]);
        expected.push(at);
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(subject.history(), expected);
        check_whole(&subject);
    }
}

#[test]
fn a_page_that_grows_too_large_is_halved_and_keeps_its_key() {
    for item_limits in [SMALL, WIDE] {
        let mut subject = Subject::with_pages(item_limits, 3);
        let keys = |subject: &Subject| -> Vec<Position> {
            subject.pages().iter().filter_map(|page| page.key().cloned()).collect()
        };
        let before = keys(&subject);
        let noisy = |at: i64| with_payload(at, &noise(900, at.unsigned_abs()));
        subject.apply((41..50).map(noisy));
        let after = keys(&subject);
        assert!(after.len() > before.len() + 2, "{} pages", after.len());
        assert!(before.iter().all(|key| after.contains(key)));
        check_whole(&subject);
        for page in subject.pages() {
            let size = codec::entries_size(&page.entries);
            assert!(size <= SMALL.page_bytes || page.entries.len() == 1);
        }
        assert_eq!(subject.history().len(), 13 + 9);
        for (at, count) in [(40, 5), (43, 8), (49, 14), (50, 15), (120, 22)] {
            assert_eq!(subject.count_as_of(at), Some(count), "as of {at}");
        }
    }
}

#[test]
fn what_a_head_froze_is_sealed_before_a_correction_into_it() {
    for repair_open in [false, true] {
        let subject = if repair_open { with_repair_open(6) } else { Subject::with_pages(SMALL, 6) };
        let cold = |entries: Vec<Arc<Entry>>| subject.commit_with(None, entries).outcomes;
        if repair_open {
            // The tail of one entry freezes while the repair is open.
            let head = Head { frozen: 1, ..subject.head() };
            subject.store(&head);
        } else {
            cold(tens(250, 300).map(entry).collect());
            assert!(subject.head().frozen > 1);
        }
        assert_eq!(cold(vec![entry(235)]), [Some(CORRECTED)]);
        assert_eq!(subject.head().sealed.as_ref().map(|at| *at >= position(240)), Some(true));
        check_whole(&subject);
    }
}

#[test]
fn a_correction_whose_answer_is_lost_is_in_the_history_once() {
    let mut subject = Subject::with_pages(WIDE, 2);
    let before = subject.head().version;
    let mut armed = true;
    subject.fail(move |call| {
        let lost = call == Call::Write && std::mem::take(&mut armed);
        if lost { Fault::LostAfter } else { Fault::None }
    });
    let outcomes = subject.apply([entry(5)]);
    assert!(matches!(outcomes[0], Some(EntryOutcome::Applied(_) | EntryOutcome::Duplicate)));
    assert_eq!(subject.head().version, before + 1);
    check_whole(&subject);
    assert_eq!(subject.live_count(), 10);
}

#[test]
fn a_correction_that_lost_is_not_taken_for_another_that_left_the_same_head() {
    // Nothing in the view tells an entry at 5 from one at 6, so both corrections want to write the
    // same head, with other pages.
    let subject = Subject::with_pages(WIDE, 2);
    let cached = subject.cached.clone();
    let slow = Commit::start(subject.params(), vec![entry(5)], cached.clone()).expect("a start");
    let (slow, step) = subject.until_write(slow);
    assert_eq!(subject.commit_with(cached, [entry(6)]).outcomes, [Some(CORRECTED)]);
    let Step::Ask(ask @ Ask::Write(_)) = step else { panic!("nothing to write") };
    let mut going = slow.answer(subject.obey(ask)).expect("no failure");
    while let (commit, Step::Ask(ask)) = going {
        going = commit.answer(subject.obey(ask)).expect("no failure");
    }
    assert_eq!(subject.history(), [0, 5, 6, 10, 20, 30, 40, 50, 60, 70, 80]);
    check_whole(&subject);
}

#[test]
fn a_correction_fits_one_transaction_however_much_its_pages_grow() {
    // A view that fills most of a page, so that what is inserted makes many pages.
    let mut subject = Subject::with_pages(ItemLimits::STANDARD, 90);
    let of_a_type = |at: i64| {
        let mut entry = Entry::clone(&with_payload(at, &noise(1_000, at.unsigned_abs() + 7)));
        entry.event_type = Arc::from(format!("type {at}"));
        Arc::new(entry)
    };
    let small = |at: i64| with_payload(40 * 78 + 1, &noise(1_000, at.unsigned_abs()));
    let nearby = |at: i64| {
        let mut entry = Entry::clone(&small(at));
        entry.position.event_id =
            crate::base::id::EventId::parse(&format!("n{at}")).expect("an id");
        Arc::new(entry)
    };
    let late: Vec<_> = (1..10).map(of_a_type).chain((0..50).map(nearby)).collect();
    let cached = subject.cached.clone();
    let mut going = Commit::start(subject.params(), late, cached).expect("a start");
    while let (commit, Step::Ask(ask)) = going {
        if let Ask::Write(write) = &ask {
            assert!(write.pages.len() < 100, "{} pages", write.pages.len());
        }
        going = commit.answer(subject.obey(ask)).expect("no failure");
    }
    check_whole(&subject);
    subject.cached = None;
    assert_eq!(subject.live_count(), 361 + 59);
}

#[test]
fn a_writer_that_overtook_the_pages_makes_an_old_head_be_read_again() {
    let mut subject = Subject::with_pages(WIDE, 3);
    let stale = subject.cached.clone();
    subject.apply([entry(5)]);
    assert_eq!(
        subject.commit_with(stale, [entry(5), entry(6)]).outcomes,
        [Some(EntryOutcome::Duplicate), Some(CORRECTED)]
    );
    check_whole(&subject);
}

/// A page of one entry.
fn stored_page(at: i64) -> StoredPage {
    let page =
        Page { version: 1, previous: None, opening: View::default(), entries: vec![entry(at)] };
    StoredPage { key: position(at).to_bytes(), bytes: codec::encode_page(&page) }
}

#[test]
fn a_reader_does_not_follow_writers_beyond_its_head() {
    let head = Head { version: 1, sealed: Some(position(0)), ..Head::default() };
    let stored = StoredHead { version: 1, bytes: codec::encode_head(&head) };
    let everything = Question::History { from: None, to: None };
    let (reading, _) = read::Reading::start(everything);
    let (reading, _) = reading.answer(read::Answer::Head(Some(stored))).expect("a head");
    let many = i64::try_from(limits::READ_PAGES).expect("few");
    let pages = (0..many).map(stored_page).collect();
    let (_, step) = reading.answer(read::Answer::Pages(pages)).expect("pages");
    assert!(matches!(step, read::Step::Done(Some(_))), "{step:?}");
}

/// From now on the pages of a transaction show so many calls after its head.
fn show_pages_late(subject: &Subject, calls: u8) {
    subject.memory.state().pages_late = Some(calls);
}

#[test]
fn a_correction_of_pages_that_show_late_takes_nothing_back() {
    for calls in 0..8 {
        for second in [6, 45] {
            let subject = Subject::with_pages(WIDE, 2);
            let stale = subject.cached.clone();
            show_pages_late(&subject, calls);
            assert_eq!(subject.commit_with(stale.clone(), [entry(5)]).outcomes, [Some(CORRECTED)]);
            assert_eq!(subject.commit_with(stale, [entry(second)]).outcomes, [Some(CORRECTED)]);
            subject.memory.state().show_pages();
            check_whole(&subject);
            assert_eq!(subject.live_count(), 11, "{second} after {calls} calls");
        }
    }
}

/// What becomes of an event before the upper half of a page whose lower half shows late.
fn before_a_late_half(calls: u8) -> Option<EntryOutcome> {
    let subject = Subject::with_pages(WIDE, 2);
    let stale = subject.cached.clone();
    show_pages_late(&subject, calls);
    let grown = (11..=18).map(|at| with_payload(at, &noise(900, at.unsigned_abs())));
    let outcomes = subject.commit_with(stale, grown).outcomes;
    assert!(outcomes.iter().all(|outcome| *outcome == Some(CORRECTED)));
    let [outcome] =
        <[_; 1]>::try_from(subject.commit_with(None, [entry(7)]).outcomes).expect("one");
    subject.memory.state().show_pages();
    assert!(subject.pages().len() > 2);
    check_whole(&subject);
    outcome
}

#[test]
fn a_page_that_shows_late_is_not_taken_for_expired() {
    let expected: Vec<_> = (0..6).map(|_| Some(CORRECTED)).collect();
    let outcomes = || (0..6).map(before_a_late_half).collect::<Vec<_>>();
    assert_eq!(outcomes(), expected);
    assert_ne!(with(Mutant::HoleBelievedAtOnce, outcomes), expected);
}

/// How often a commit of an early event waits for pages to show, and what becomes of it.
fn waits_for_pages(subject: &Subject) -> (usize, Option<Code>) {
    let mut waits = 0;
    let mut going = Commit::start(subject.params(), vec![entry(5)], None).expect("a start");
    while let (commit, Step::Ask(ask)) = going {
        waits += usize::from(ask == Ask::Settle);
        going = commit.answer(subject.obey(ask)).expect("no failure");
    }
    (waits, code(&going.0.finish().0[0]))
}

#[test]
fn pages_that_are_missing_are_waited_for_once_and_forgotten_ones_never() {
    assert_eq!(waits_for_pages(&Subject::with_pages(WIDE, 2)), (0, None));
    let expired = Subject::with_pages(WIDE, 2);
    expired.expire(0);
    assert_eq!(waits_for_pages(&expired), (1, Some(Code::BeyondRetention)));
    let forgotten = Subject::with_pages(WIDE, 2);
    forgotten.store(&forgotten.head().forget());
    assert_eq!(waits_for_pages(&forgotten), (0, Some(Code::BeyondRetention)));
}
