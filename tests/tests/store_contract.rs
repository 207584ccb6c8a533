//! The contract of every `Store`: each fact is checked in memory and on DynamoDB. This suite is
//! the reason why the ledger's algorithm can be tested in memory only.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use drover_aws::Aws;
use drover_core::base::error::Reason;
use drover_core::base::time::Timestamp;
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{Activity, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::memory::Memory;
use drover_core::ports::{Store, SubjectLocation};
use drover_tests::dynamodb::{OWN_LEDGER, ports, table};
use futures_util::{StreamExt as _, stream};

fn location(device: &str) -> SubjectLocation {
    home_of("contract", device)
}

fn home_of(tenant: &str, device: &str) -> SubjectLocation {
    drover_tests::location(tenant, device).expect("names")
}

fn memory() -> Memory {
    Memory::new(Timestamp::MIN)
}

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

fn head(version: u64, bytes: &[u8]) -> StoredHead {
    StoredHead { version, bytes: bytes.to_vec() }
}

fn page(key: &[u8], bytes: &[u8]) -> PageWrite {
    let page = StoredPage { key: key.to_vec(), bytes: bytes.to_vec() };
    PageWrite { page, version: 1, replaces: None, expires_at: 2_000_000_000 }
}

/// The next version of a page that was written as `replaces`.
fn rewritten(key: &[u8], bytes: &[u8], replaces: u64) -> PageWrite {
    PageWrite { version: replaces + 1, replaces: Some(replaces), ..page(key, bytes) }
}

/// Listed in its own hour.
fn write_at(hour: &str, expected: Option<u64>, head: StoredHead) -> LedgerWrite {
    let activity = Activity { shard: "T#t#device#0".to_owned(), hour: hour.to_owned() };
    LedgerWrite { expected, head, activity, pages: Vec::new() }
}

fn write(expected: Option<u64>, head: StoredHead) -> LedgerWrite {
    write_at("00000001#d", expected, head)
}

async fn written(store: &impl Store, location: &SubjectLocation, write: &LedgerWrite) -> f64 {
    let done = store.write(location, write).await.expect("available");
    assert_eq!(done.answer, WriteAnswer::Written);
    done.units.write
}

async fn stored(store: &impl Store, location: &SubjectLocation) -> Option<StoredHead> {
    store.head(location).await.expect("available").answer
}

async fn pages(
    store: &impl Store,
    location: &SubjectLocation,
    from: &[u8],
    limit: usize,
) -> Vec<StoredPage> {
    let range = PageRange::from(from.to_vec(), limit);
    store.pages(location, &range).await.expect("available").answer
}

async fn keys(
    store: &impl Store,
    location: &SubjectLocation,
    from: &[u8],
    limit: usize,
) -> Vec<Vec<u8>> {
    pages(store, location, from, limit).await.into_iter().map(|page| page.key).collect()
}

#[tokio::test]
async fn the_first_write_needs_absence_and_a_second_write_gets_the_stored_head() {
    async fn fact(store: &impl Store) {
        let location = location("first");
        assert_eq!(stored(store, &location).await, None);
        let first = head(1, b"\x00first\xff");
        written(store, &location, &write(None, first.clone())).await;
        let second = store.write(&location, &write(None, head(1, b"second"))).await;
        let answer = second.expect("available").answer;
        assert_eq!(answer, WriteAnswer::Lost(Some(first.clone())));
        assert_eq!(stored(store, &location).await, Some(first));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_stale_version_is_lost_and_gets_the_stored_head() {
    async fn fact(store: &impl Store) {
        let location = location("stale");
        written(store, &location, &write(None, head(1, b"one"))).await;
        written(store, &location, &write(Some(1), head(2, b"two"))).await;
        for stale in [1, 3] {
            let late = store.write(&location, &write(Some(stale), head(stale + 1, b"late"))).await;
            let answer = late.expect("available").answer;
            assert_eq!(answer, WriteAnswer::Lost(Some(head(2, b"two"))));
        }
        assert_eq!(stored(store, &location).await, Some(head(2, b"two")));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn an_expected_version_without_a_stored_head_fails() {
    async fn fact(store: &impl Store) {
        let location = location("absent");
        let alone = write(Some(1), head(2, b"two"));
        let with_page = LedgerWrite { pages: vec![page(b"k", b"page")], ..alone.clone() };
        for write in [alone, with_page] {
            let lost = store.write(&location, &write).await.expect("available").answer;
            assert_eq!(lost, WriteAnswer::Lost(None));
        }
        assert_eq!(stored(store, &location).await, None);
        assert!(pages(store, &location, b"", 10).await.is_empty());
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn head_and_pages_change_together_or_not_at_all() {
    async fn fact(store: &impl Store) {
        let location = location("together");
        written(store, &location, &write(None, head(1, b"one"))).await;
        store.seal(&location, &page(b"b", b"old")).await.expect("available");
        let both = vec![page(b"a", b"new"), rewritten(b"b", b"new", 1)];
        let stale = LedgerWrite { pages: both.clone(), ..write(Some(7), head(8, b"eight")) };
        let answer = store.write(&location, &stale).await.expect("available").answer;
        assert_eq!(answer, WriteAnswer::Lost(Some(head(1, b"one"))));
        let unchanged = vec![page(b"b", b"old").page];
        assert_eq!(pages(store, &location, b"", 10).await, unchanged);
        let fresh = LedgerWrite { pages: both.clone(), ..write(Some(1), head(2, b"two")) };
        written(store, &location, &fresh).await;
        assert_eq!(stored(store, &location).await, Some(head(2, b"two")));
        let changed: Vec<StoredPage> = both.into_iter().map(|write| write.page).collect();
        assert_eq!(pages(store, &location, b"", 10).await, changed);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_changed_page_stops_head_and_pages() {
    async fn fact(store: &impl Store) {
        let location = location("another");
        let first = LedgerWrite { pages: vec![page(b"b", b"one")], ..write(None, head(1, b"1")) };
        written(store, &location, &first).await;
        let second = rewritten(b"b", b"two", 1);
        let second = LedgerWrite { pages: vec![second], ..write(Some(1), head(2, b"2")) };
        written(store, &location, &second).await;
        // Of the previous version, of no version, and of a missing page.
        for other in [rewritten(b"b", b"x", 1), page(b"b", b"x"), rewritten(b"c", b"x", 1)] {
            let pages = vec![page(b"a", b"x"), other];
            let late = LedgerWrite { pages, ..write(Some(2), head(3, b"3")) };
            let done = store.write(&location, &late).await.expect("available");
            assert_eq!(done.answer, WriteAnswer::Unknown(Reason::Contention));
            assert_eq!(stored(store, &location).await, Some(head(2, b"2")));
            assert_eq!(self::pages(store, &location, b"", 10).await, [page(b"b", b"two").page]);
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn ninety_nine_pages_go_with_one_head() {
    async fn fact(store: &impl Store) {
        let location = location("hundred");
        let all = (0..99_u8).map(|key| page(&[key], b"page")).collect();
        let first = LedgerWrite { pages: all, ..write(None, head(1, b"one")) };
        written(store, &location, &first).await;
        assert_eq!(keys(store, &location, b"", 200).await.len(), 99);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_page_is_sealed_once_and_the_first_page_stays() {
    async fn fact(store: &impl Store) {
        let location = location("sealed");
        for bytes in [b"first", b"later"] {
            store.seal(&location, &page(b"k", bytes)).await.expect("available");
        }
        assert_eq!(pages(store, &location, b"", 10).await, vec![page(b"k", b"first").page]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn pages_are_read_in_byte_order_from_the_bound_to_the_limit() {
    async fn fact(store: &impl Store) {
        let location = location("ordered");
        let sorted: [&[u8]; 6] = [b"\x00", b"\x7f\xff", b"\x80", b"\x80\x00", b"H", b"\xff\xff"];
        let mut sorted = sorted.map(<[u8]>::to_vec);
        for key in &sorted {
            store.seal(&location, &page(key, b"page")).await.expect("available");
        }
        sorted.sort();
        assert_eq!(keys(store, &location, b"", 10).await, sorted);
        assert_eq!(keys(store, &location, b"\x80", 10).await, sorted[3..]);
        assert_eq!(keys(store, &location, b"\x7f", 2).await, sorted[2..4]);
        assert_eq!(keys(store, &location, b"", 6).await, sorted);
        assert!(keys(store, &location, b"", 0).await.is_empty());
        assert!(keys(store, &location, b"\xff\xff\xff", 10).await.is_empty());
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn pages_are_read_backwards_from_the_bound_to_the_limit() {
    async fn fact(store: &impl Store) {
        let location = location("backwards");
        let sorted: [&[u8]; 5] = [b"\x00", b"\x7f\xff", b"\x80", b"\x80\x00", b"\xff\xff"];
        for key in sorted {
            store.seal(&location, &page(key, b"page")).await.expect("available");
        }
        // The head and neighboring subjects are not pages.
        written(store, &location, &write(None, head(1, b"one"))).await;
        for beside in ["backward", "backwards/1"] {
            store.seal(&self::location(beside), &page(b"\x01", b"page")).await.expect("available");
        }
        let keys = async |key: &[u8], limit| -> Vec<Vec<u8>> {
            let range = PageRange::up_to(key.to_vec(), limit);
            let pages = store.pages(&location, &range).await.expect("available").answer;
            pages.into_iter().map(|page| page.key).collect()
        };
        let backwards: Vec<Vec<u8>> = sorted.iter().rev().map(|key| key.to_vec()).collect();
        assert_eq!(keys(b"\xff\xff\xff", 10).await, backwards);
        assert_eq!(keys(b"\xff\xff", 5).await, backwards);
        assert_eq!(keys(b"\x80", 10).await, backwards[2..]);
        assert_eq!(keys(b"\x80\x00", 2).await, backwards[1..3]);
        assert_eq!(keys(b"\x00", 10).await, backwards[4..]);
        assert!(keys(b"", 10).await.is_empty());
        assert!(keys(b"\xff\xff", 0).await.is_empty());
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn no_read_gets_the_head_or_pages_of_another_subject_tenant_or_table() {
    async fn fact(store: &impl Store) {
        let own =
            SubjectLocation { table: Some(table(OWN_LEDGER)), ..home_of("contract", "apart/1") };
        let homes = [
            home_of("contract", "apart/1"),
            home_of("contract", "apart/1/1"),
            home_of("contract", "apart/11"),
            home_of("contract-1", "apart/1"),
            own,
        ];
        for (number, location) in (0_u8..).zip(&homes) {
            written(store, location, &write(None, head(1, &[number]))).await;
            store.seal(location, &page(b"k", &[number])).await.expect("available");
        }
        for (number, location) in (0_u8..).zip(&homes) {
            assert_eq!(stored(store, location).await, Some(head(1, &[number])));
            assert_eq!(pages(store, location, b"", 10).await, vec![page(b"k", &[number]).page]);
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn pages_beyond_one_megabyte_are_read_up_to_the_limit() {
    const COUNT: u8 = 180;
    async fn fact(store: &impl Store) {
        let location = location("many");
        let bytes = vec![7; 16 * 1024];
        let seals = (0..COUNT).map(|key| {
            let (location, page) = (location.clone(), page(&[key], &bytes));
            async move { store.seal(&location, &page).await }
        });
        let sealed: Vec<_> = stream::iter(seals).buffer_unordered(8).collect().await;
        assert!(sealed.iter().all(Result::is_ok));
        let expected: Vec<Vec<u8>> = (0..COUNT).map(|key| vec![key]).collect();
        assert_eq!(keys(store, &location, b"", 1_000).await, expected);
        assert_eq!(keys(store, &location, &[20], 150).await, expected[20..170]);
        let backwards = PageRange::up_to(vec![169], 150);
        let mut pages = store.pages(&location, &backwards).await.expect("available").answer;
        pages.reverse();
        assert!(pages.iter().map(|page| &page.key).eq(&expected[20..170]));
        let whole = PageRange::from(Vec::new(), 1_000);
        let units = store.pages(&location, &whole).await.expect("available").units.read;
        // 2.8 MB in units of 4 KB, and up to one more for each of three responses.
        assert!((721.0..=726.0).contains(&units), "{units} read units");
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn of_500_racing_writers_one_wins_each_version() {
    async fn fact(store: &impl Store) {
        let location = location("race");
        for expected in [None, Some(1)] {
            let version = expected.unwrap_or(0) + 1;
            let writers = (0..500_u32).map(|writer| {
                let (location, mine) = (location.clone(), head(version, &writer.to_be_bytes()));
                async move { (store.write(&location, &write(expected, mine.clone())).await, mine) }
            });
            let ended: Vec<_> = stream::iter(writers).buffer_unordered(50).collect().await;
            let ended = ended.into_iter().map(|(done, mine)| (done.expect("available"), mine));
            let (won, lost): (Vec<_>, Vec<_>) =
                ended.partition(|(done, _)| done.answer == WriteAnswer::Written);
            assert_eq!(won.len(), 1, "winners of version {version}");
            let winner = &won[0].1;
            for (done, _) in lost {
                assert_eq!(done.answer, WriteAnswer::Lost(Some(winner.clone())));
            }
            assert_eq!(stored(store, &location).await.as_ref(), Some(winner));
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}
