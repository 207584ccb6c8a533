//! The contract of every `Listing`: each fact is checked in memory and on DynamoDB.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use std::sync::Arc;

use drover_aws::Aws;
use drover_core::base::id::{Kind, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::ledger::shard::Shard;
use drover_core::ledger::{Activity, LedgerWrite, StoredHead};
use drover_core::memory::Memory;
use drover_core::ports::{Listing, Store, SubjectLocation};
use drover_core::subject::listing::{Mark, list};
use drover_tests::dynamodb::{OWN_LEDGER, embedded, ports, table};

fn memory() -> Memory {
    Memory::new(Timestamp::MIN)
}

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

fn location(tenant: &str, device: &str) -> SubjectLocation {
    drover_tests::location(tenant, device).expect("names")
}

/// Writes a head whose newest event is in this hour.
async fn active(store: &impl Store, location: &SubjectLocation, version: u64, hour: i64) {
    let watermark = Timestamp::from_micros(0).expect("in range").plus_seconds(3_600 * hour);
    let write = LedgerWrite {
        expected: version.checked_sub(1).filter(|before| *before > 0),
        head: StoredHead { version, bytes: vec![1] },
        activity: Activity::of(&location.key, watermark),
        pages: Vec::new(),
    };
    store.write(location, &write).await.expect("available");
}

fn shards(tenant: &str, kind: &str, table: Option<&Arc<str>>) -> Vec<Shard> {
    let scope = TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"));
    Shard::all(&scope, &Kind::parse(kind).expect("a kind"), table).collect()
}

/// The subjects of a listing, `limit` at a time.
async fn listed(listing: &impl Listing, shards: &[Shard], limit: usize) -> Vec<String> {
    let (mut all, mut after): (Vec<String>, Option<Mark>) = (Vec::new(), None);
    loop {
        let read = list(listing, shards.to_vec(), after.as_ref(), limit).await;
        let (part, more, _) = read.expect("available");
        after = part.last().map(|last| last.mark().clone());
        all.extend(part.into_iter().map(|one| one.subject().to_string()));
        if !more {
            return all;
        }
    }
}

#[tokio::test]
async fn the_most_recently_active_hour_is_first_for_every_page_size() {
    async fn fact(ports: &(impl Store + Listing)) {
        for device in 0..20_i64 {
            let location = location("listing", &format!("d{device:02}"));
            active(ports, &location, 1, 100 + 2 * device).await;
        }
        let expected: Vec<String> = (0..20).rev().map(|at| format!("device/d{at:02}")).collect();
        for limit in [1, 7, 20, 1_000] {
            assert_eq!(listed(ports, &shards("listing", "device", None), limit).await, expected);
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_subject_that_becomes_active_moves_to_the_front_and_is_listed_once() {
    async fn fact(ports: &(impl Store + Listing)) {
        let (one, two) = (location("moving", "one"), location("moving", "two"));
        active(ports, &one, 1, 10).await;
        active(ports, &two, 1, 20).await;
        let shards = shards("moving", "device", None);
        assert_eq!(listed(ports, &shards, 10).await, ["device/two", "device/one"]);
        active(ports, &one, 2, 30).await;
        assert_eq!(listed(ports, &shards, 10).await, ["device/one", "device/two"]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn no_listing_has_subjects_of_another_tenant_kind_or_table() {
    async fn fact(ports: &(impl Store + Listing)) {
        let table = table(OWN_LEDGER);
        active(ports, &location("apart", "mine"), 1, 10).await;
        active(ports, &location("apart-1", "other"), 1, 10).await;
        let own = SubjectLocation { table: Some(Arc::clone(&table)), ..location("apart", "own") };
        active(ports, &own, 1, 10).await;
        let mine = listed(ports, &shards("apart", "device", None), 10).await;
        assert_eq!(mine, ["device/mine"]);
        let own = listed(ports, &shards("apart", "device", Some(&table)), 10).await;
        assert_eq!(own, ["device/own"]);
        assert!(listed(ports, &shards("apart", "devic", None), 10).await.is_empty());
        assert!(listed(ports, &shards("part", "device", None), 10).await.is_empty());
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_read_of_one_shard_costs_half_a_unit() {
    async fn fact(ports: &(impl Store + Listing)) {
        active(ports, &location("cheap", "one"), 1, 10).await;
        let shards = shards("cheap", "device", None);
        let count = shards.len();
        let (_, _, units) = list(ports, shards, None, 10).await.expect("available");
        assert_eq!((count, units.read, units.write), (8, 4.0, 0.0));
    }
    fact(&memory()).await;
    // DynamoDB Local counts nothing for the seven empty shards: see `differences`.
    fact(&embedded().await.expect("an embedded DynamoDB")).await;
}
