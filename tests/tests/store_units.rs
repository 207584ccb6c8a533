//! The cost of a call, in memory and on DynamoDB: budgets of the ledger are measured in memory, so
//! the memory store must count as the service does.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use drover_aws::Aws;
use drover_core::base::cost::Units;
use drover_core::base::time::Timestamp;
use drover_core::ledger::dialogue::WriteAnswer;
use drover_core::ledger::{Activity, LedgerWrite, PageRange, PageWrite, StoredHead, StoredPage};
use drover_core::memory::Memory;
use drover_core::ports::{Store, SubjectLocation};
use drover_tests::dynamodb::{embedded, ports};

fn location(device: &str) -> SubjectLocation {
    drover_tests::location("contract", device).expect("names")
}

fn memory() -> Memory {
    Memory::new(Timestamp::MIN)
}

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

/// Replaces `expected` with a head of so many bytes, listed at this hour.
fn write(expected: Option<u64>, bytes: usize, hour: &str) -> LedgerWrite {
    let version = expected.unwrap_or(0) + 1;
    LedgerWrite {
        expected,
        head: StoredHead { version, bytes: vec![1; bytes] },
        activity: Activity { shard: "T#t#device#0".to_owned(), hour: hour.to_owned() },
        pages: Vec::new(),
    }
}

fn page(key: &[u8], bytes: usize) -> PageWrite {
    let page = StoredPage { key: key.to_vec(), bytes: vec![1; bytes] };
    PageWrite { page, version: 1, replaces: None, expires_at: 2_000_000_000 }
}

async fn cost(store: &impl Store, location: &SubjectLocation, write: &LedgerWrite) -> f64 {
    let done = store.write(location, write).await.expect("available");
    assert_eq!(done.answer, WriteAnswer::Written);
    assert_eq!(done.units.read, 0.0);
    done.units.write
}

#[tokio::test]
async fn a_head_of_900_bytes_costs_one_unit_and_two_more_when_its_hour_changes() {
    async fn fact(store: &impl Store) {
        let location = location("cost/hour");
        // The first entry of the index has no earlier entry to remove.
        assert_eq!(cost(store, &location, &write(None, 900, "00000001#d")).await, 2.0);
        assert_eq!(cost(store, &location, &write(Some(1), 900, "00000001#d")).await, 1.0);
        assert_eq!(cost(store, &location, &write(Some(2), 900, "00000002#d")).await, 3.0);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_replaced_head_costs_the_larger_of_both() {
    async fn fact(store: &impl Store) {
        let location = location("cost/larger");
        cost(store, &location, &write(None, 900, "00000001#d")).await;
        assert_eq!(cost(store, &location, &write(Some(1), 3_500, "00000001#d")).await, 4.0);
        assert_eq!(cost(store, &location, &write(Some(2), 900, "00000001#d")).await, 4.0);
        assert_eq!(cost(store, &location, &write(Some(3), 900, "00000001#d")).await, 1.0);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_transaction_costs_its_items_twice() {
    async fn fact(store: &impl Store) {
        let location = location("cost/twice");
        cost(store, &location, &write(None, 900, "00000001#d")).await;
        let pages = vec![page(b"a", 900), page(b"b", 2_500)];
        let both = LedgerWrite { pages, ..write(Some(1), 900, "00000001#d") };
        assert_eq!(cost(store, &location, &both).await, 2.0 * (1.0 + 1.0 + 3.0));
        let smaller = vec![PageWrite { replaces: Some(1), ..page(b"b", 100) }];
        let both = LedgerWrite { pages: smaller, ..write(Some(2), 900, "00000001#d") };
        assert_eq!(cost(store, &location, &both).await, 2.0 * (1.0 + 3.0));
    }
    fact(&memory()).await;
    // DynamoDB Local counts differently: see `differences`.
    fact(&embedded().await.expect("an embedded DynamoDB")).await;
}

#[tokio::test]
async fn a_transaction_that_changes_the_hour_costs_two_more_too() {
    async fn fact(store: &impl Store) {
        let location = location("cost/moved");
        cost(store, &location, &write(None, 900, "00000001#d")).await;
        let pages = vec![page(b"a", 900)];
        let moved = LedgerWrite { pages, ..write(Some(1), 900, "00000002#d") };
        // One entry of the index is removed and one added. AWS's documentation does not say whether
        // a transaction counts them twice.
        assert_eq!(cost(store, &location, &moved).await, 2.0 * (1.0 + 1.0) + 2.0);
    }
    fact(&memory()).await;
    fact(&embedded().await.expect("an embedded DynamoDB")).await;
}

#[tokio::test]
async fn a_failed_condition_costs_the_stored_item() {
    async fn fact(store: &impl Store) {
        let location = location("cost/lost");
        cost(store, &location, &write(None, 2_500, "00000001#d")).await;
        let lost = store.write(&location, &write(Some(9), 100, "00000001#d")).await;
        assert_eq!(lost.expect("available").units, Units { read: 0.0, write: 3.0 });
        let both = LedgerWrite { pages: vec![page(b"a", 9)], ..write(Some(9), 100, "1#d") };
        let lost = store.write(&location, &both).await;
        assert_eq!(lost.expect("available").units, Units { read: 0.0, write: 6.0 });
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_sealed_page_costs_its_kilobytes_whether_or_not_it_existed() {
    async fn fact(store: &impl Store) {
        let location = location("cost/sealed");
        for _ in 0..2 {
            let sealed = store.seal(&location, &page(b"k", 1_500)).await.expect("available");
            assert_eq!(sealed.units, Units { read: 0.0, write: 2.0 });
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_head_costs_a_read_unit_for_each_4_kb_and_one_if_it_is_missing() {
    async fn fact(store: &impl Store) {
        let location = location("cost/read");
        let units = async || store.head(&location).await.expect("available").units;
        assert_eq!(units().await, Units { read: 1.0, write: 0.0 });
        cost(store, &location, &write(None, 900, "00000001#d")).await;
        assert_eq!(units().await, Units { read: 1.0, write: 0.0 });
        cost(store, &location, &write(Some(1), 4_090, "00000001#d")).await;
        assert_eq!(units().await, Units { read: 2.0, write: 0.0 });
        cost(store, &location, &write(Some(2), 9_000, "00000001#d")).await;
        assert_eq!(units().await, Units { read: 3.0, write: 0.0 });
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn pages_are_counted_together_in_4_kb() {
    async fn fact(store: &impl Store) {
        let location = location("cost/pages");
        let range = PageRange::from(Vec::new(), 10);
        let units = async || store.pages(&location, &range).await.expect("available").units;
        for key in 0..5_u8 {
            store.seal(&location, &page(&[key], 2_000)).await.expect("available");
        }
        assert_eq!(units().await, Units { read: 3.0, write: 0.0 });
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_query_without_pages_costs_one_unit() {
    async fn fact(store: &impl Store) {
        let range = PageRange::from(Vec::new(), 10);
        let read = store.pages(&location("cost/no-pages"), &range).await.expect("available");
        assert_eq!(read.units, Units { read: 1.0, write: 0.0 });
    }
    fact(&memory()).await;
    // DynamoDB Local counts nothing: see `differences`.
    fact(&embedded().await.expect("an embedded DynamoDB")).await;
}
