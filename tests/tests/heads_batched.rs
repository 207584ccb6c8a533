//! Heads and pages that are read and written concurrently, in memory and on DynamoDB: there many go
//! in one request (`heads`, `statements` and `together` of the core), which must have no visible
//! effect.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use std::sync::Arc;

use drover_aws::Aws;
use drover_core::base::cost::{Metered, Units};
use drover_core::base::time::Timestamp;
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{Activity, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::memory::Memory;
use drover_core::ports::{Store, SubjectLocation};
use drover_tests::dynamodb::{OWN_LEDGER, embedded, ports, table};
use futures_util::future::join_all;

fn memory() -> Memory {
    Memory::new(Timestamp::MIN)
}

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

fn location(device: &str) -> SubjectLocation {
    drover_tests::location("together", device).expect("names")
}

/// Every other location is in a dedicated table.
fn homes(name: &str, count: usize) -> Vec<SubjectLocation> {
    let own: Arc<str> = table(OWN_LEDGER);
    let homes = (0..count).map(|number| {
        let table = (number % 2 == 1).then(|| Arc::clone(&own));
        SubjectLocation { table, ..location(&format!("{name}/{number}")) }
    });
    homes.collect()
}

fn head(version: u64, byte: u8, bytes: usize) -> StoredHead {
    StoredHead { version, bytes: vec![byte; bytes] }
}

fn write(expected: Option<u64>, head: StoredHead) -> LedgerWrite {
    let activity = Activity { shard: "T#t#device#0".to_owned(), hour: "00000001#d".to_owned() };
    LedgerWrite { expected, head, activity, pages: Vec::new() }
}

/// Requested concurrently; results in order.
async fn put(
    store: &impl Store,
    puts: &[(SubjectLocation, LedgerWrite)],
) -> Vec<Metered<WriteAnswer>> {
    let each = puts.iter().map(|(location, write)| store.write(location, write));
    join_all(each).await.into_iter().map(|put| put.expect("available")).collect()
}

/// Requested concurrently; results in order.
async fn read(store: &impl Store, homes: &[SubjectLocation]) -> Vec<Metered<Option<StoredHead>>> {
    let each = homes.iter().map(|location| store.head(location));
    join_all(each).await.into_iter().map(|read| read.expect("available")).collect()
}

fn answers<T>(metered: Vec<Metered<T>>) -> Vec<T> {
    metered.into_iter().map(|one| one.answer).collect()
}

#[tokio::test]
async fn each_of_sixty_heads_is_written_and_read_as_its_own() {
    async fn fact(store: &impl Store) {
        let homes = homes("sixty", 60);
        assert_eq!(answers(read(store, &homes).await), vec![None; 60]);
        for version in 1..=3_u8 {
            let expected = Some(u64::from(version) - 1).filter(|expected| *expected > 0);
            let puts: Vec<_> = (0_u8..)
                .zip(&homes)
                .map(|(number, location)| {
                    let head = head(u64::from(version), 64 * version + number, 300);
                    (location.clone(), write(expected, head))
                })
                .collect();
            assert_eq!(answers(put(store, &puts).await), vec![WriteAnswer::Written; 60]);
            let written: Vec<_> = puts.into_iter().map(|(_, put)| Some(put.head)).collect();
            assert_eq!(answers(read(store, &homes).await), written);
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// Succeeding and failing conditions together, and a head that is requested twice.
#[tokio::test]
async fn a_failed_condition_affects_no_other_write() {
    async fn fact(store: &impl Store) {
        let [create, update, stale, ahead, nothing, there, large] =
            ["create", "update", "stale", "ahead", "nothing", "there", "large"]
                .map(|name| location(&format!("mixed/{name}")));
        let first = head(1, 1, 200);
        let before: Vec<_> = [&update, &stale, &ahead, &there]
            .map(|location| (location.clone(), write(None, first.clone())))
            .into();
        put(store, &before).await;
        put(store, &[(stale.clone(), write(Some(1), head(2, 2, 200)))]).await;

        let puts = vec![
            (stale.clone(), write(Some(1), head(2, 12, 200))),
            (create.clone(), write(None, head(1, 10, 200))),
            (update.clone(), write(Some(1), head(2, 11, 200))),
            (ahead.clone(), write(Some(7), head(8, 13, 200))),
            (nothing.clone(), write(Some(1), head(2, 14, 200))),
            (there.clone(), write(None, head(1, 15, 200))),
            (large.clone(), write(None, head(1, 16, 100_000))),
        ];
        let lost = |head: &StoredHead| WriteAnswer::Lost(Some(head.clone()));
        let expected = vec![
            lost(&head(2, 2, 200)),
            WriteAnswer::Written,
            WriteAnswer::Written,
            lost(&first),
            WriteAnswer::Lost(None),
            lost(&first),
            WriteAnswer::Written,
        ];
        assert_eq!(answers(put(store, &puts).await), expected);
        let stored = vec![
            Some(head(1, 10, 200)),
            Some(head(2, 11, 200)),
            Some(head(2, 2, 200)),
            Some(first.clone()),
            None,
            Some(first),
            Some(head(1, 16, 100_000)),
        ];
        let homes = [create, update, stale, ahead, nothing, there, large];
        assert_eq!(answers(read(store, &homes).await), stored);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn one_of_two_writers_of_a_head_wins_among_others() {
    async fn fact(store: &impl Store) {
        let (raced, other) = (location("raced/one"), location("raced/other"));
        let puts = [
            (other.clone(), write(None, head(1, 0, 10))),
            (raced.clone(), write(None, head(1, 1, 10))),
            (raced.clone(), write(None, head(1, 2, 10))),
        ];
        let answers = answers(put(store, &puts).await);
        assert_eq!(answers[0], WriteAnswer::Written);
        let stored = store.head(&raced).await.expect("available").answer.expect("a head");
        let (won, lost) = if stored == puts[1].1.head { (1, 2) } else { (2, 1) };
        assert_eq!(answers[won], WriteAnswer::Written);
        assert_eq!(answers[lost], WriteAnswer::Lost(Some(stored.clone())));
        let twice = [raced.clone(), other, raced];
        let read: Vec<_> = read(store, &twice).await.into_iter().map(|read| read.answer).collect();
        assert_eq!(read, [Some(stored.clone()), Some(head(1, 0, 10)), Some(stored)]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// Pages are sealed together with heads; an existing page stays.
#[tokio::test]
async fn pages_are_sealed_together_with_heads_and_the_first_page_stays() {
    async fn fact(store: &impl Store) {
        let homes = homes("sealed", 10);
        let page = |bytes: &[u8]| {
            let page = StoredPage { key: b"k".to_vec(), bytes: bytes.to_vec() };
            PageWrite { page, version: 1, replaces: None, expires_at: 2_000_000_000 }
        };
        let first = page(&[1; 1_500]);
        store.seal(&homes[0], &first).await.expect("available");
        let second = page(&[2; 100]);
        let seals = join_all(homes.iter().map(|location| store.seal(location, &second)));
        let puts: Vec<_> =
            homes.iter().map(|location| (location.clone(), write(None, head(1, 3, 300)))).collect();
        let (sealed, written) = tokio::join!(seals, put(store, &puts));
        assert!(sealed.iter().all(Result::is_ok));
        assert_eq!(answers(written), vec![WriteAnswer::Written; 10]);
        for (number, location) in homes.iter().enumerate() {
            let range = PageRange::from(Vec::new(), 10);
            let pages = store.pages(location, &range).await.expect("available").answer;
            let stays = if number == 0 { &first } else { &second };
            assert_eq!(pages, std::slice::from_ref(&stays.page));
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// DynamoDB counts units per request; each tenant is charged for its part.
#[tokio::test]
async fn each_costs_the_same_as_alone() {
    async fn fact(store: &impl Store) {
        let homes = homes("cost", 4);
        let sizes = [200, 1_500, 2_500, 5_000];
        let create: Vec<_> = homes
            .iter()
            .zip(sizes)
            .map(|(location, size)| (location.clone(), write(None, head(1, 1, size))))
            .collect();
        put(store, &create).await;
        let replace: Vec<_> = homes
            .iter()
            .zip(sizes)
            .map(|(location, size)| (location.clone(), write(Some(1), head(2, 2, size))))
            .collect();
        let units = put(store, &replace).await.into_iter().map(|put| put.units.write);
        assert_eq!(units.collect::<Vec<_>>(), [1.0, 2.0, 3.0, 5.0]);

        let units = read(store, &homes).await.into_iter().map(|read| read.units.read);
        assert_eq!(units.collect::<Vec<_>>(), [1.0, 1.0, 1.0, 2.0]);

        // A failed condition costs the size of the stored item.
        let mixed = [
            (homes[0].clone(), write(Some(2), head(3, 3, 200))),
            (homes[2].clone(), write(Some(9), head(10, 3, 100))),
        ];
        let units = put(store, &mixed).await.into_iter().map(|put| put.units);
        let write_units = |write| Units { read: 0.0, write };
        assert_eq!(units.collect::<Vec<_>>(), [1.0, 3.0].map(write_units));
        let lost = [
            (homes[1].clone(), write(Some(9), head(10, 3, 100))),
            (homes[2].clone(), write(Some(9), head(10, 3, 100))),
        ];
        let units = put(store, &lost).await.into_iter().map(|put| put.units);
        assert_eq!(units.collect::<Vec<_>>(), [2.0, 3.0].map(write_units));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn missing_heads_cost_one_unit_each() {
    async fn fact(store: &impl Store) {
        let homes = ["before", "there", "behind"].map(|name| location(&format!("nowhere/{name}")));
        put(store, &[(homes[1].clone(), write(None, head(1, 1, 5_000)))]).await;
        let units = read(store, &homes).await.into_iter().map(|read| read.units.read);
        assert_eq!(units.collect::<Vec<_>>(), [1.0, 2.0, 1.0]);
    }
    fact(&memory()).await;
    // DynamoDB Local counts nothing for them: see `differences`.
    fact(&embedded().await.expect("an embedded DynamoDB")).await;
}
