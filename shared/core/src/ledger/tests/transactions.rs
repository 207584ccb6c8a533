//! Facts about the size of a transaction: whatever is stored and whatever arrives, a write has as
//! many items and bytes as DynamoDB takes, and the commit ends.

use proptest::prelude::*;

use super::*;
use crate::base::limits::{TRANSACTION_BYTES, TRANSACTION_ITEMS};
use crate::ledger::commit::Commit;
use crate::ledger::dialogue::{Ask, Step};

/// Names, numbers and the partition key of an item, at least.
const ITEM_EXTRA: usize = 30;
/// More than any commit here asks.
const MOST_ASKS: usize = 5_000;

/// Pages of a few hundred bytes, and transactions of twelve items.
const SCALED: ItemLimits = ItemLimits {
    slice_bytes: 3_000,
    keep_bytes: 200,
    page_bytes: 300,
    frame_bytes: 800,
    write_pages: 11,
    ..ItemLimits::STANDARD
};

/// A page of a history under construction: so many entries, one a second, each with so much noise.
#[derive(Clone, Copy, Debug)]
struct PageRun {
    entries: i64,
    noise: usize,
}

const FEW: PageRun = PageRun { entries: 4, noise: 0 };
const DENSE: PageRun = PageRun { entries: 1_200, noise: 0 };

fn with_id(at: i64, id: &str, payload: &str) -> Arc<Entry> {
    let mut entry = Entry::clone(&with_payload(at, payload));
    entry.position.event_id = EventId::parse(id).expect("an id");
    Arc::new(entry)
}

fn small(at: i64) -> Arc<Entry> {
    with_payload(at, "1")
}

/// An entry of the second `at`, of which nothing can be compressed.
fn noisy(at: i64, bytes: usize) -> Arc<Entry> {
    with_id(at, &format!("n{bytes}"), &noise(bytes, at.unsigned_abs() + 1))
}

/// One entry a second from 0 on: each run is sealed as a page (or as pages, where one does not
/// hold it), and one entry stays in the tail.
fn with_runs(item_limits: ItemLimits, runs: &[PageRun]) -> Subject {
    let mut subject = Subject::new(item_limits);
    let mut next = 0;
    for run in runs {
        let entries = (next..next + run.entries).map(|at| match run.noise {
            0 => small(at),
            bytes => with_payload(at, &noise(bytes, at.unsigned_abs() + 3)),
        });
        subject.apply(entries.collect::<Vec<_>>());
        next += run.entries;
        let head = subject.head();
        let frozen = Head { frozen: head.tail.len(), ..head };
        subject.store(&frozen);
        subject.cached = Some(Arc::new(frozen));
    }
    subject.apply([small(next)]);
    subject
}

/// The largest transactions of a commit: items, bytes of pages with keys and names, and bytes of
/// everything.
#[derive(Clone, Copy, Debug, Default)]
struct Largest {
    items: usize,
    page_bytes: usize,
    bytes: usize,
    writes: usize,
}

impl Largest {
    fn is_within(&self, item_limits: ItemLimits) -> bool {
        self.items <= (item_limits.write_pages + 1).min(TRANSACTION_ITEMS)
            && self.page_bytes <= item_limits.write_bytes
            && self.bytes <= TRANSACTION_BYTES
    }
}

/// Commits these entries, and says how large the transactions were.
fn commit_watched(subject: &mut Subject, entries: Vec<Arc<Entry>>) -> Largest {
    let (mut largest, mut asks) = (Largest::default(), 0);
    let cached = subject.cached.take();
    let mut going = Commit::start(subject.params(), entries, cached).expect("a start");
    while let (commit, Step::Ask(ask)) = going {
        asks += 1;
        assert!(asks < MOST_ASKS, "the commit does not end");
        if let Ask::Write(write) = &ask {
            let pages = write.pages.iter();
            let pages: usize =
                pages.map(|page| page.page.key.len() + page.page.bytes.len() + ITEM_EXTRA).sum();
            largest.items = largest.items.max(1 + write.pages.len());
            largest.page_bytes = largest.page_bytes.max(pages);
            largest.bytes = largest.bytes.max(pages + write.head.bytes.len() + ITEM_EXTRA);
            largest.writes += 1;
        }
        going = commit.answer(subject.obey(ask)).expect("no failure");
    }
    let Step::Done { head, .. } = going.1 else { panic!("an end: {:?}", going.1) };
    subject.cached = head;
    largest
}

/// Late entries into these runs: every transaction is within its limits, and all of them are in the
/// history afterwards.
fn check(item_limits: ItemLimits, runs: &[PageRun], late: &[Arc<Entry>]) -> Largest {
    let mut subject = with_runs(item_limits, runs);
    let before = subject.history().len();
    let largest = commit_watched(&mut subject, late.to_vec());
    assert!(largest.is_within(item_limits), "{largest:?}");
    assert_eq!(subject.history().len(), before + late.len());
    assert!(subject.history().is_sorted());
    check_whole(&subject);
    largest
}

#[test]
fn dense_pages_in_a_row_are_taken_as_far_as_there_is_room() {
    let runs = [DENSE; 5];
    let late: Vec<_> = (0..12).map(|at| noisy(at * 500 + 17, 16_000)).collect();
    check(ItemLimits::STANDARD, &runs, &late);
    // One slice of records that fit a page each, all into one dense page.
    let late: Vec<_> = (0..8).map(|at| noisy(at * 2 + 600, 8_100)).collect();
    check(ItemLimits::STANDARD, &[DENSE], &late);
}

#[test]
fn a_page_that_does_not_fit_with_all_that_is_late_takes_some_of_it_at_a_time() {
    let dense = PageRun { entries: 60, noise: 0 };
    let late: Vec<_> = (0..9).map(|at| noisy(at * 6 + 3, 320)).collect();
    for runs in [vec![dense], vec![dense, FEW, dense], vec![FEW, FEW, FEW, dense]] {
        let largest = check(SCALED, &runs, &late);
        assert!(largest.writes > 1, "{largest:?}");
    }
}

#[test]
fn the_bytes_of_pages_count_before_they_are_taken() {
    let item_limits = ItemLimits { write_bytes: 9_000, write_pages: 99, ..SCALED };
    let large = PageRun { entries: 1, noise: 2_000 };
    let runs = [FEW, large, large, large, large, FEW];
    for late in
        [vec![noisy(1, 10)], vec![noisy(1, 2_500)], (0..8).map(|at| noisy(at, 2_500)).collect()]
    {
        check(item_limits, &runs, &late);
    }
}

fn a_run() -> impl Strategy<Value = PageRun> {
    prop_oneof![
        4 => (1i64..8).prop_map(|entries| PageRun { entries, noise: 0 }),
        2 => (20i64..70).prop_map(|entries| PageRun { entries, noise: 0 }),
        1 => (1i64..4, 100usize..2_500).prop_map(|(entries, noise)| PageRun { entries, noise }),
    ]
}

fn a_batch() -> impl Strategy<Value = Vec<(prop::sample::Index, usize)>> {
    let bytes = prop_oneof![3 => 1usize..40, 3 => 200usize..700, 1 => 1_000usize..4_000];
    proptest::collection::vec((any::<prop::sample::Index>(), bytes), 1..30)
}

fn some_item_limits() -> impl Strategy<Value = ItemLimits> {
    (200u64..3_000, 9usize..14, 12_000usize..30_000).prop_map(
        |(frame_bytes, write_pages, write_bytes)| ItemLimits {
            frame_bytes,
            write_pages,
            write_bytes,
            ..SCALED
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_stored_and_arrives_every_write_is_within_its_limits(
        item_limits in some_item_limits(),
        runs in proptest::collection::vec(a_run(), 1..14),
        batches in proptest::collection::vec(a_batch(), 1..3),
    ) {
        let mut subject = with_runs(item_limits, &runs);
        let seconds: i64 = runs.iter().map(|run| run.entries).sum();
        let mut expected = subject.history().len();
        for (number, batch) in batches.iter().enumerate() {
            let late: std::collections::BTreeMap<_, _> = batch.iter().map(|(at, bytes)| {
                let at = at.index(usize::try_from(seconds).expect("small"));
                let (at, id) = (i64::try_from(at).expect("small"), format!("n{number}-{bytes}"));
                let entry = with_id(at, &id, &noise(*bytes, at.unsigned_abs() + 1));
                (entry.position.clone(), entry)
            }).collect();
            expected += late.len();
            let largest = commit_watched(&mut subject, late.into_values().collect());
            prop_assert!(largest.is_within(item_limits), "{largest:?}");
            check_holding(&subject);
        }
        prop_assert_eq!(subject.history().len(), expected);
        prop_assert!(subject.history().is_sorted());
        prop_assert_eq!(subject.live_count(), expected as u64);
        check_whole(&subject);
    }
}

#[test]
fn a_carry_of_many_keyframes_takes_several_transactions_and_readers_see_it_whole() {
    let subject = Subject::with_pages(ItemLimits { write_pages: 3, ..SMALL }, 12);
    subject.commit_with(None, [entry(5)]);
    assert!(subject.head().stale.is_some());
    let (mut parts, mut going) = (0, Ok(Commit::carry(subject.params())));
    while let Ok((commit, Step::Ask(ask))) = going {
        if let Ask::Write(write) = &ask {
            assert!(write.pages.len() <= 3, "{} pages", write.pages.len());
            parts += 1;
        }
        going = commit.answer(subject.obey(ask));
        check_holding(&subject);
        assert_eq!((subject.live_count(), subject.count_as_of(155)), (50, Some(17)));
    }
    assert_eq!((parts, subject.head().stale), (4, None));
}
