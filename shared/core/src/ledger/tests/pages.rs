//! Facts about pages: late events, views that are out of date, carries, retention, readers.

use super::*;
use crate::ledger::commit::Commit;
use crate::ledger::dialogue::{Ask, Step};
use crate::ledger::read;

fn tens(from: i64, to: i64) -> impl Iterator<Item = i64> {
    (from..=to).step_by(10)
}

/// Six keyframes, and a late event at 5 behind which views are out of date.
fn outdated() -> Subject {
    let subject = Subject::with_pages(SMALL, 6);
    assert_eq!(subject.commit_with(None, [entry(5)]).outcomes, [Some(CORRECTED)]);
    subject
}

#[test]
fn a_late_event_writes_one_page_however_many_stand_behind_it() {
    for pages in [2, 20, 200] {
        let subject = Subject::with_pages(SMALL, pages);
        let before = subject.memory.state().units;
        let mut writes = Vec::new();
        let cached = subject.cached.clone();
        let mut going = Commit::start(subject.params(), vec![entry(5)], cached).expect("a start");
        while let (commit, Step::Ask(ask)) = going {
            if let Ask::Write(write) = &ask {
                writes.push(write.pages.len());
            }
            going = commit.answer(subject.obey(ask)).expect("no failure");
        }
        assert_eq!(writes, [1]);
        let after = subject.memory.state().units;
        assert_eq!((after.read - before.read, after.write - before.write), (1.0, 4.0));
        check_whole(&subject);
    }
}

#[test]
fn behind_the_last_keyframe_the_view_is_folded_at_once() {
    let mut subject = Subject::with_pages(WIDE, 6);
    assert_eq!(subject.apply([entry(5), entry(155)]), [Some(CORRECTED), Some(CORRECTED)]);
    assert_eq!(subject.head().stale, None);
    check_holding(&subject);
    let mut subject = Subject::with_pages(SMALL, 6);
    assert_eq!(subject.apply([entry(225)]), [Some(CORRECTED)]);
    assert_eq!(subject.head().stale, None);
    check_holding(&subject);
}

#[test]
fn readers_see_a_late_event_at_once() {
    let subject = outdated();
    let stale = subject.head().stale.expect("out of date");
    assert_eq!((stale.from, stale.inserts, stale.since), (position(5), 1, second(5)));
    assert_eq!(subject.head().note, [position(5)]);
    assert_eq!(subject.live_count(), 26);
    for (at, count) in [(4, 1), (5, 2), (70, 9), (80, 10), (155, 17), (240, 26), (300, 26)] {
        assert_eq!(subject.count_as_of(at), Some(count), "as of {at}");
    }
    assert_eq!(subject.history().len(), 26);
    check_whole(&subject);
}

#[test]
fn what_is_out_of_date_begins_with_the_earliest_insertion() {
    for at in [-5, 5, 35, 75, 85, 155] {
        let subject = outdated();
        let outcomes = subject.commit_with(None, [entry(at), entry(200)]).outcomes;
        let first = if at == 5 { EntryOutcome::Duplicate } else { CORRECTED };
        assert_eq!(outcomes, [Some(first), Some(EntryOutcome::Duplicate)]);
        let from = subject.head().stale.map(|stale| stale.from);
        assert_eq!(from, Some(position(at.min(5))));
        check_whole(&subject);
    }
}

#[test]
fn pages_that_are_sealed_while_views_are_out_of_date_are_not_trusted() {
    let subject = outdated();
    for at in tens(250, 400) {
        assert_eq!(subject.commit_with(None, [entry(at)]).outcomes, [Some(APPLIED)]);
        check_holding(&subject);
    }
    assert_eq!(subject.live_count(), 42);
    check_whole(&subject);
}

#[test]
fn late_events_pay_for_a_carry_and_an_hour_makes_one_due() {
    let subject = outdated();
    for more in 1..=20 {
        subject.commit_with(None, [with_payload(40 + more, "1")]);
    }
    let stale = subject.head().stale;
    assert!(stale.is_none_or(|stale| stale.inserts < 20), "20 late events behind 5 keyframes");
    let subject = outdated();
    subject.commit_with(None, [entry(3_604)]);
    assert!(subject.head().stale.is_some());
    subject.commit_with(None, [entry(3_605)]);
    assert_eq!(subject.head().stale, None);
    check_holding(&subject);
}

#[test]
fn a_duplicate_can_carry_too() {
    let subject = outdated();
    let mut again = Entry::clone(&entry(5));
    again.ingested_at = second(7_200);
    let again = subject.commit_with(None, [Arc::new(again)]);
    assert_eq!(again.outcomes, [Some(EntryOutcome::Duplicate)]);
    assert_eq!(subject.head().stale, None);
    check_holding(&subject);
}

#[test]
fn views_are_carried_before_what_they_need_expires() {
    let subject = outdated();
    let days = |days: i64| second(30).plus_seconds(days * 24 * 60 * 60);
    subject.memory.state().now = days(39);
    subject.commit_with(None, [entry(250)]);
    assert!(subject.head().stale.is_some());
    subject.memory.state().now = days(40);
    subject.commit_with(None, [entry(260)]);
    assert_eq!(subject.head().stale, None);
    check_holding(&subject);
}

#[test]
fn what_another_writer_did_is_not_done_again() {
    let subject = Subject::with_pages(SMALL, 3);
    let cached = subject.cached.clone();
    assert_eq!(subject.commit_with(cached.clone(), [entry(5)]).outcomes, [Some(CORRECTED)]);
    let mut asks = 0;
    let mut going = Commit::start(subject.params(), vec![entry(5)], cached).expect("a start");
    while let (commit, Step::Ask(ask)) = going {
        asks += 1;
        going = commit.answer(subject.obey(ask)).expect("no failure");
    }
    let Step::Done { outcomes, .. } = going.1 else { panic!("an end: {:?}", going.1) };
    assert_eq!(outcomes, [EntryOutcome::Duplicate]);
    // A page, the head, and the page again.
    assert!(asks <= 4, "{asks} asks");
}

#[test]
fn an_entry_finds_its_place_before_between_and_inside_pages() {
    for item_limits in [SMALL, WIDE] {
        for at in [-1, 1, 30, 35, 39, 75, 110] {
            let mut subject = Subject::with_pages(item_limits, 3);
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
        for page in subject.pages() {
            let size = codec::EncodedEntries::of(&page.entries).size();
            assert!(size <= SMALL.page_bytes || page.entries.len() == 1);
        }
        assert_eq!(subject.history().len(), 13 + 9);
        for (at, count) in [(40, 5), (43, 8), (49, 14), (50, 15), (120, 22)] {
            assert_eq!(subject.count_as_of(at), Some(count), "as of {at}");
        }
        check_whole(&subject);
    }
}

#[test]
fn what_a_head_froze_is_sealed_before_a_late_event_goes_into_it() {
    for subject in [Subject::with_pages(SMALL, 6), outdated()] {
        let cold = |entries: Vec<Arc<Entry>>| subject.commit_with(None, entries).outcomes;
        cold(tens(250, 300).map(entry).collect());
        assert!(subject.head().frozen > 1);
        assert_eq!(cold(vec![entry(235)]), [Some(CORRECTED)]);
        assert_eq!(subject.head().sealed.as_ref().map(|at| *at >= position(240)), Some(true));
        check_whole(&subject);
    }
}

#[test]
fn a_correction_whose_answer_is_lost_is_in_the_history_once() {
    for item_limits in [SMALL, WIDE] {
        let mut subject = Subject::with_pages(item_limits, 2);
        let before = subject.head().version;
        let mut armed = true;
        subject.fail(move |call| {
            let lost = call == Call::Write && std::mem::take(&mut armed);
            if lost { Fault::LostAfter } else { Fault::None }
        });
        let outcomes = subject.apply([entry(5)]);
        assert!(matches!(outcomes[0], Some(EntryOutcome::Applied(_) | EntryOutcome::Duplicate)));
        assert_eq!(subject.head().version, before + 1);
        assert_eq!(subject.live_count(), 10);
        check_whole(&subject);
    }
}

#[test]
fn a_writer_that_overtook_the_pages_makes_an_old_head_be_read_again() {
    for item_limits in [SMALL, WIDE] {
        let mut subject = Subject::with_pages(item_limits, 3);
        let stale = subject.cached.clone();
        subject.apply([entry(5)]);
        assert_eq!(
            subject.commit_with(stale, [entry(5), entry(6)]).outcomes,
            [Some(EntryOutcome::Duplicate), Some(CORRECTED)]
        );
        check_whole(&subject);
    }
}

#[test]
fn the_entries_of_an_unfinished_carry_have_their_outcomes() {
    let subject = outdated();
    subject.fail(|call| if call == Call::Pages { Fault::Refused } else { Fault::None });
    let committed = subject.commit_with(None, [entry(3_700)]);
    assert_eq!((committed.outcomes, committed.unavailable), (vec![Some(APPLIED)], None));
    subject.fail(|_| Fault::None);
    assert!(subject.head().stale.is_some());
    check_whole(&subject);
}

/// From now on the pages of a transaction show so many calls after its head.
fn show_pages_late(subject: &Subject, calls: u8) {
    subject.memory.state().pages_late = Some(calls);
}

#[test]
fn late_events_into_pages_that_show_late_take_nothing_back() {
    for item_limits in [SMALL, WIDE] {
        for calls in 0..8 {
            for second in [6, 45] {
                let subject = Subject::with_pages(item_limits, 2);
                let stale = subject.cached.clone();
                show_pages_late(&subject, calls);
                let outcomes = subject.commit_with(stale.clone(), [entry(5)]).outcomes;
                assert_eq!(outcomes, [Some(CORRECTED)]);
                assert_eq!(subject.commit_with(stale, [entry(second)]).outcomes, [Some(CORRECTED)]);
                assert_eq!(subject.live_count(), 11, "{second} after {calls} calls");
                assert_eq!(subject.history().len(), 11, "{second} after {calls} calls");
                subject.memory.state().show_pages();
                check_whole(&subject);
            }
        }
    }
}

/// A carry writes keyframes anew. A view of the past begins at the nearest of them that shows.
#[test]
fn regression_a_view_of_the_past_does_not_begin_at_a_keyframe_that_a_carry_replaced() {
    for at in [5, 80, 155, 230] {
        for calls in 0..8 {
            let subject = outdated();
            let count = subject.count_as_of(at);
            show_pages_late(&subject, calls);
            subject.carry();
            assert_eq!(subject.count_as_of(at), count, "as of {at}, after {calls} calls");
            subject.memory.state().show_pages();
            let pages_read = subject.snapshot(Question::AsOf(second(at))).pages.len();
            assert!(pages_read < 3, "as of {at}: {pages_read}");
            assert_eq!(subject.count_as_of(at), count);
        }
    }
}

#[test]
fn a_page_that_shows_late_is_not_taken_for_expired() {
    for calls in 0..6 {
        let subject = Subject::with_pages(WIDE, 2);
        let stale = subject.cached.clone();
        show_pages_late(&subject, calls);
        let grown = (11..=18).map(|at| with_payload(at, &noise(900, at.unsigned_abs())));
        let outcomes = subject.commit_with(stale, grown).outcomes;
        assert!(outcomes.iter().all(|outcome| *outcome == Some(CORRECTED)));
        assert_eq!(subject.history().len(), 17);
        assert_eq!(subject.commit_with(None, [entry(7)]).outcomes, [Some(CORRECTED)]);
        subject.memory.state().show_pages();
        assert!(subject.pages().len() > 2);
        check_whole(&subject);
    }
}

/// The lower half of the first page shows, and so does the page as it was before: neither has one before
/// it, and nothing has expired.
#[test]
fn regression_the_first_page_and_its_lower_half_are_not_a_gap() {
    for calls in 0..6 {
        let subject = Subject::with_pages(SMALL, 3);
        show_pages_late(&subject, calls);
        let grown = (1..=8).map(|at| with_payload(at, &noise(900, at.unsigned_abs())));
        subject.commit_with(None, grown);
        let epoch = subject.head().epoch;
        assert_eq!(subject.live_count(), 21);
        subject.carry();
        subject.memory.state().show_pages();
        assert_eq!((subject.head().epoch, subject.head().count), (epoch, 21));
        check_holding(&subject);
    }
}

/// The first page that shows names one that does not, and a later commit has no note of it any more.
#[test]
fn regression_a_history_does_not_begin_behind_a_page_that_shows_late() {
    for calls in 2..8 {
        let subject = Subject::with_pages(WIDE, 3);
        show_pages_late(&subject, calls);
        let grown = (1..=8).map(|at| with_payload(at, &noise(900, at.unsigned_abs())));
        subject.commit_with(None, grown);
        subject.commit_with(None, [entry(130)]);
        assert_eq!(subject.history().len(), 22, "after {calls} calls");
    }
}

#[test]
fn a_page_that_is_missing_and_did_not_expire_is_broken_and_no_event_is_refused() {
    let subject = Subject::with_pages(SMALL, 2);
    subject.delete(0);
    let committed = subject.commit_with(None, [entry(5)]);
    assert_eq!(committed.outcomes, [None]);
    assert_eq!(committed.unavailable.map(|why| why.reason), Some(Reason::Corrupt));
}

#[test]
fn what_expired_is_gone_for_late_events_whether_it_was_deleted_or_not() {
    // Pages of 0..30, 40..70, 80..110, 120..150; all of them are keyframes.
    for deleted in [vec![], vec![0], vec![1], vec![0, 1]] {
        let mut subject = Subject::with_pages(SMALL, 4);
        subject.pass_expiry_of(70);
        deleted.iter().rev().for_each(|at| subject.delete(*at));
        let deep = [5, 45, 85, 125, 165];
        let outcomes = subject.apply(deep.map(entry));
        for (at, outcome) in deep.iter().zip(&outcomes) {
            let expected = (*at < 80).then_some(Code::BeyondRetention);
            assert_eq!(code(outcome), expected, "{at} with {deleted:?} deleted");
        }
        // Views count what is gone.
        assert_eq!(subject.live_count(), 20);
        subject.carry();
        assert_eq!((subject.live_count(), subject.head().stale), (20, None));
    }
}

#[test]
fn readers_never_cross_a_gap() {
    for deleted in [vec![], vec![1], vec![0, 1]] {
        let subject = Subject::with_pages(SMALL, 4);
        // Keyframes outlive other pages by six days.
        subject.pass_expiry_of(70);
        let now = subject.memory.state().now;
        subject.memory.state().now = now.plus_seconds(6 * 24 * 60 * 60);
        deleted.iter().rev().for_each(|at: &usize| subject.delete(*at));
        assert_eq!(subject.history(), tens(80, 160).collect::<Vec<_>>());
        // The views that still can be had count what is gone.
        assert_eq!(subject.live_count(), 17);
        assert_eq!(subject.count_as_of(60), None);
        assert_eq!(subject.count_as_of(75), Some(8));
        assert_eq!(subject.count_as_of(90), Some(10));
    }
}

#[test]
fn where_no_keyframe_holds_any_more_the_first_one_that_is_left_does() {
    let subject = outdated();
    let epoch = subject.head().epoch;
    // Nobody carried for weeks: the keyframe before 5 is gone, and the event at 5 with it.
    subject.pass_expiry_of(110);
    let now = subject.memory.state().now;
    subject.memory.state().now = now.plus_seconds(6 * 24 * 60 * 60);
    assert_eq!(subject.live_count(), 25);
    subject.carry();
    let head = subject.head();
    assert_eq!((head.stale, head.epoch, head.count), (None, epoch + 1, 25));
    assert_eq!((subject.live_count(), subject.count_as_of(155)), (25, Some(16)));
}

#[test]
fn time_makes_keyframes_where_few_bytes_would_make_none() {
    const DAY: i64 = 24 * 60 * 60;
    let mut subject = Subject::new(WIDE);
    for day in 0..28 {
        subject.apply([entry(day * DAY)]);
    }
    let check = |subject: &Subject| {
        let mut since = None;
        for page in subject.pages() {
            let first = page.entries[0].position.observed_at.whole_seconds();
            let last = page.key().expect("a key").observed_at.whole_seconds();
            if page.keyframe.is_some() {
                since = Some(first);
            }
            let since = since.expect("the first page is a keyframe");
            assert!(page.keyframe.is_some() || last - since <= 5 * DAY, "{:?}", page.key());
        }
    };
    check(&subject);
    // Backlogs, the newest first.
    let mut subject = Subject::new(WIDE);
    for hour in (0..28 * 8).rev() {
        subject.apply([with_payload(hour * DAY / 8, &noise(300, hour.unsigned_abs()))]);
        if subject.head().stale.is_none() {
            check(&subject);
        }
    }
    check_whole(&subject);
    check(&subject);
}

/// A page of one entry.
fn stored_page(at: i64) -> StoredPage {
    let expires_at = 4_000_000_000;
    // What comes before the first one has expired.
    let before = Previous { key: position(at - 1), expires_at: 0 };
    let frame = Frame { number: 1, since: 0, bytes: 1, expires_at };
    let (previous, entries) = (Some(before), vec![entry(at)]);
    let page = Page { version: 1, previous, expires_at, frame, keyframe: None, entries };
    StoredPage { key: position(at).to_bytes(), bytes: codec::encode_page(&page).expect("a page") }
}

#[test]
fn a_reader_does_not_follow_writers_beyond_its_head() {
    let head = Head { version: 1, sealed: Some(position(0)), ..Head::default() };
    let stored = StoredHead { version: 1, bytes: codec::encode_head(&head).expect("a head") };
    let everything = Question::History { from: None, to: None };
    let (reading, _) = read::Reading::start(everything, second(0));
    let (reading, _) = reading.answer(read::Answer::Head(Some(stored))).expect("a head");
    let many = i64::try_from(limits::FOLD_PAGES).expect("few");
    let pages = (0..many).map(stored_page).collect();
    let (_, step) = reading.answer(read::Answer::Pages(pages)).expect("pages");
    assert!(matches!(step, read::Step::Done(Some(_))), "{step:?}");
}

#[test]
fn what_was_forgotten_is_refused_without_a_look() {
    let forgotten = Subject::with_pages(WIDE, 2);
    forgotten.store(&forgotten.head().forget());
    let started = Commit::start(forgotten.params(), vec![entry(5)], None).expect("a start");
    let (_, step) = forgotten.until_write(started);
    let Step::Done { outcomes, .. } = step else { panic!("an end: {step:?}") };
    assert_eq!(code(&Some(outcomes[0].clone())), Some(Code::BeyondRetention));
}

#[test]
fn the_halves_of_a_page_expire_no_earlier_than_the_page_would_have() {
    let mut subject = Subject::with_pages(SMALL, 4);
    let last = position(30);
    let expires_at = |subject: &Subject| {
        let pages = subject.pages().into_iter().filter(|page| page.key() <= Some(&last));
        pages.map(|page| page.expires_at).collect::<Vec<_>>()
    };
    let before = expires_at(&subject);
    assert!(!before.is_empty());
    subject.apply([with_payload(5, &noise(2_500, 1))]);
    let after = expires_at(&subject);
    assert!(after.len() > before.len(), "a page was halved");
    assert!(after.iter().min() >= before.iter().min(), "{before:?} {after:?}");
}
