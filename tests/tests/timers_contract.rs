//! The contract of every `Timers`: each fact is checked in memory and on DynamoDB.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![recursion_limit = "256"]

use drover_aws::Aws;
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::memory::Memory;
use drover_core::outputs::timers::sweeping::SweepState;
use drover_core::outputs::timers::{
    Entries, Minute, Partition, Replaced, SHARDS, Timer, TimerKey, TimerKind,
};
use drover_core::ports::Timers;
use drover_core::subject::timers::Armer;
use drover_tests::dynamodb::ports;

fn memory() -> Memory {
    Memory::new(Timestamp::MIN)
}

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

/// Tests share the table, so each has its own tenant and minutes.
fn key(tenant: &str, id: &str) -> TimerKey {
    let scope = TenantScope::by_operator(TenantId::parse(tenant).expect("a tenant"));
    let subject = SubjectId::parse(&format!("device/{id}")).expect("a subject");
    TimerKey { kind: TimerKind::Release, subject: scope.subject(subject) }
}

fn timer(tenant: &str, id: &str, minute: i64) -> Timer {
    Timer { key: key(tenant, id), minute: Minute(minute), failures: 0 }
}

async fn put(timers: &impl Timers, timer: &Timer) {
    timers.put_entry(timer).await.expect("available");
}

async fn entries(
    timers: &impl Timers,
    partition: Partition,
    after: Option<&str>,
    limit: usize,
) -> Entries {
    timers.entries(partition, after, limit).await.expect("available").answer
}

async fn all_of(timers: &impl Timers, minute: i64) -> Vec<Timer> {
    let mut found = Vec::new();
    for shard in 0..SHARDS {
        let partition = Partition { minute: Minute(minute), shard };
        let read = entries(timers, partition, None, 100).await;
        assert_eq!((read.unreadable, read.next), (0, None));
        found.extend(read.timers);
    }
    found
}

async fn armed(timers: &impl Timers, key: &TimerKey) -> Option<i64> {
    timers.armed_minute(key).await.expect("available").answer.map(|minute| minute.0)
}

async fn replace(
    timers: &impl Timers,
    key: &TimerKey,
    expected: Option<i64>,
    new: Option<i64>,
) -> Replaced {
    let replaced = timers.replace_armed_minute(key, expected.map(Minute), new.map(Minute));
    replaced.await.expect("available").answer
}

#[tokio::test]
async fn an_entry_is_found_in_its_minute_until_it_is_deleted() {
    async fn fact(timers: &impl Timers) {
        let first = Timer { failures: 3, ..timer("found", "a#b/ü", 1_000) };
        let other = timer("found", "a#b/ü", 1_001);
        put(timers, &first).await;
        put(timers, &other).await;
        assert_eq!(all_of(timers, 1_000).await, std::slice::from_ref(&first));
        let again = Timer { failures: 0, ..first.clone() };
        put(timers, &again).await;
        assert_eq!(all_of(timers, 1_000).await, [again], "the later entry replaces the earlier");
        for _ in 0..2 {
            timers.delete_entry(&first).await.expect("available");
            assert_eq!(all_of(timers, 1_000).await, []);
        }
        assert_eq!(all_of(timers, 1_001).await, [other]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn timers_of_one_subject_and_different_kinds_do_not_meet() {
    async fn fact(timers: &impl Timers) {
        let kinds = TimerKind::ALL.map(|kind| TimerKey { kind, ..key("kinds", "a") });
        for (key, minute) in kinds.iter().zip(2_000..) {
            put(timers, &Timer { key: key.clone(), minute: Minute(2_000), failures: 0 }).await;
            assert_eq!(replace(timers, key, None, Some(minute)).await, Replaced::Done);
        }
        assert_eq!(all_of(timers, 2_000).await.len(), kinds.len());
        for (key, minute) in kinds.iter().zip(2_000..) {
            assert_eq!(armed(timers, key).await, Some(minute));
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn entries_are_read_in_pages_and_each_once() {
    async fn fact(timers: &impl Timers) {
        let of_shard = (0..).map(|number| timer("pages", &format!("d{number}"), 3_000));
        let mut of_shard = of_shard.filter(|timer| timer.key.shard() == 5);
        let mut expected: Vec<Timer> = of_shard.by_ref().take(7).collect();
        for timer in &expected {
            put(timers, timer).await;
        }
        expected.sort_by_key(|timer| timer.key.sort_key());
        let partition = Partition { minute: Minute(3_000), shard: 5 };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let read = entries(timers, partition, after.as_deref(), 3).await;
            assert!(read.timers.len() <= 3);
            found.extend(read.timers);
            after = read.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected);
        // The entry after which a page begins may be gone by then.
        let third = expected.get(2).expect("seven");
        timers.delete_entry(third).await.expect("available");
        let rest = entries(timers, partition, Some(&third.key.sort_key()), 100).await;
        assert_eq!(rest.timers, expected.split_off(3));
        let none = Partition { minute: Minute(3_001), shard: 5 };
        assert_eq!(entries(timers, none, None, 3).await, Entries::default());
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn an_armed_minute_is_replaced_only_if_the_expected_one_is_stored() {
    async fn fact(timers: &impl Timers) {
        let key = key("replaced", "a");
        assert_eq!(armed(timers, &key).await, None);
        assert_eq!(replace(timers, &key, Some(1), Some(2)).await, Replaced::Other(None));
        assert_eq!(replace(timers, &key, None, Some(1)).await, Replaced::Done);
        assert_eq!(replace(timers, &key, None, Some(2)).await, Replaced::Other(Some(Minute(1))));
        assert_eq!(replace(timers, &key, Some(1), Some(2)).await, Replaced::Done);
        assert_eq!(replace(timers, &key, Some(1), Some(3)).await, Replaced::Other(Some(Minute(2))));
        assert_eq!(armed(timers, &key).await, Some(2));
        assert_eq!(replace(timers, &key, Some(1), None).await, Replaced::Other(Some(Minute(2))));
        assert_eq!(replace(timers, &key, Some(2), None).await, Replaced::Done);
        assert_eq!(armed(timers, &key).await, None);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// The SDK repeats a write whose answer was lost.
#[tokio::test]
async fn an_armed_minute_that_is_stored_already_counts_as_replaced() {
    async fn fact(timers: &impl Timers) {
        let key = key("again", "a");
        for _ in 0..2 {
            assert_eq!(replace(timers, &key, None, Some(1)).await, Replaced::Done);
        }
        for _ in 0..2 {
            assert_eq!(replace(timers, &key, Some(1), Some(2)).await, Replaced::Done);
        }
        for _ in 0..2 {
            assert_eq!(replace(timers, &key, Some(2), None).await, Replaced::Done);
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// The only test that reads or writes the state, because all tests share the table.
#[tokio::test]
async fn the_state_of_the_sweep_is_replaced_only_if_the_expected_one_is_stored() {
    async fn replace(timers: &impl Timers, old: Option<&SweepState>, new: &SweepState) -> bool {
        timers.replace_sweep_state(old, new).await.expect("available").answer
    }
    async fn fact(timers: &impl Timers) {
        let now = Timestamp::from_millis(1_800_000_000_000).expect("in range");
        let stored = || async { timers.sweep_state().await.expect("available").answer };
        assert_eq!(stored().await, None);
        let armer = Armer::default();
        armer.arm(timers, &timer("state", "a", 4_000), now).await.expect("available");
        let begun = SweepState::begin(now);
        assert_eq!(stored().await, Some(begun.clone()), "the first timer starts the cursor");
        let taken = SweepState::taken(Some(&begun), "a".to_owned(), now).expect("free");
        assert!(!replace(timers, None, &taken).await);
        assert!(replace(timers, Some(&begun), &taken).await);
        assert!(replace(timers, Some(&begun), &taken).await, "it is stored already");
        let other = SweepState { token: "b".to_owned(), ..taken.clone() };
        assert!(!replace(timers, Some(&begun), &other).await);
        let advanced = taken.advanced(now.plus_seconds(7));
        assert!(replace(timers, Some(&taken), &advanced).await);
        for lost in [&begun, &taken] {
            assert!(!replace(timers, Some(lost), &other).await);
        }
        let later = now.plus_seconds(60);
        Armer::default().arm(timers, &timer("state", "b", 4_000), later).await.expect("available");
        assert_eq!(stored().await, Some(advanced), "a later timer leaves the cursor");
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_timer_costs_what_its_documentation_says() {
    async fn fact(timers: &impl Timers) {
        let (key, entry) = (key("costs", "a"), timer("costs", "a", 5_000));
        let put = timers.put_entry(&entry).await.expect("available");
        let armed = timers.replace_armed_minute(&key, None, Some(Minute(5_000))).await;
        let refused = timers.replace_armed_minute(&key, None, Some(Minute(5_001))).await;
        let read = timers.armed_minute(&key).await.expect("available").units;
        let listed = timers.entries(entry.partition(), None, 100).await.expect("available").units;
        let finished = timers.replace_armed_minute(&key, Some(Minute(5_000)), None).await;
        let deleted = timers.delete_entry(&entry).await.expect("available");
        let replaced =
            [armed, refused, finished].map(|replaced| replaced.expect("available").units);
        for written in [put, deleted].into_iter().chain(replaced) {
            assert_eq!((written.read, written.write), (0.0, 1.0));
        }
        for one in [read, listed] {
            assert_eq!((one.read, one.write), (1.0, 0.0));
        }
        let empty = timers.entries(entry.partition(), None, 100).await.expect("available").units;
        assert!(empty.read <= 1.0, "{empty:?}");
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}
