//! The contract of every `Letters`: each fact is checked in memory and on DynamoDB.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![recursion_limit = "256"]

use drover_aws::Aws;
use drover_core::base::error::{Code, Rejection};
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::{self, CHUNK_BYTES, Chunk, Circumstances, Content};
use drover_core::dead_letter::letter::{
    FiledChunk, Lease, Letter, LetterRange, Order, Owner, State, StoredLetter, StoredRun, Wanted,
};
use drover_core::intake::record::{Record, Source};
use drover_core::memory::Memory;
use drover_core::ports::{LetterEraser, Letters};
use drover_core::replay::filing::{self, Received};
use drover_tests::dynamodb::ports;
use futures_util::{StreamExt as _, stream};

const FOREVER: i64 = 4_000_000_000;

fn memory() -> Memory {
    Memory::new(Timestamp::MIN)
}

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

/// Tests share the table, so each has its own tenant.
fn owner(tenant: &str) -> Owner {
    Owner::Tenant(TenantScope::by_queue(TenantId::parse(tenant).expect("a tenant")))
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_millis(4_000_000_000_000).expect("in range").plus_seconds(at)
}

fn letter(id: &str) -> Letter {
    let received = Received { message_id: "m", body: "{}", sent_at: None };
    Letter { id: id.to_owned(), ..filing::read(&received, second(0)).expect("filed").letter }
}

fn numbered(number: usize) -> String {
    format!("{number:032x}")
}

async fn put(letters: &impl Letters, owner: &Owner, letter: &Letter) -> bool {
    letters.put_letter(owner, letter).await.expect("available").answer
}

async fn stored(letters: &impl Letters, owner: &Owner, id: &str) -> Option<StoredLetter> {
    letters.letter(owner, id).await.expect("available").answer
}

async fn replace(
    letters: &impl Letters,
    owner: &Owner,
    old: &StoredLetter,
    letter: &Letter,
) -> bool {
    letters.replace_letter(owner, old, letter).await.expect("available").answer
}

async fn ids(letters: &impl Letters, owner: &Owner, range: LetterRange) -> Vec<String> {
    let found = letters.letters(owner, &range).await.expect("available").answer;
    found.into_iter().map(|stored| stored.letter.id).collect()
}

fn range(after: Option<&str>, order: Order, limit: usize) -> LetterRange {
    LetterRange { after: after.map(str::to_owned), order, limit }
}

async fn put_chunks(letters: &impl Letters, owner: &Owner, id: &str, chunks: &[Chunk]) {
    letters.put_chunks(owner, id, chunks, FOREVER).await.expect("available");
}

fn chunk(number: u32, bytes: Vec<u8>) -> Chunk {
    Chunk { number, bytes }
}

fn wanted(id: &str, chunks: u32) -> Wanted {
    Wanted { id: id.to_owned(), chunks }
}

async fn contents(
    letters: &impl Letters,
    owner: &Owner,
    wanted: &[Wanted],
) -> Vec<Option<Vec<u8>>> {
    letters.contents(owner, wanted).await.expect("available").answer
}

#[tokio::test]
async fn a_letter_is_put_once_and_the_first_version_stays() {
    async fn fact(letters: &impl Letters) {
        let (owner, first) = (owner("once"), letter("a"));
        assert_eq!(stored(letters, &owner, "a").await, None);
        assert!(put(letters, &owner, &first).await);
        let later = Letter { filed_at: second(9), ..first.clone() };
        for again in [&first, &later] {
            assert!(!put(letters, &owner, again).await);
        }
        let expected = StoredLetter { letter: first, version: 1 };
        assert_eq!(stored(letters, &owner, "a").await, Some(expected));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_letter_is_replaced_only_by_its_next_version() {
    async fn fact(letters: &impl Letters) {
        let (owner, letter) = (owner("replaced"), letter("a"));
        let open = StoredLetter { letter: letter.clone(), version: 1 };
        assert!(!replace(letters, &owner, &open, &letter).await, "there is no letter");
        assert!(put(letters, &owner, &letter).await);
        let parked = Letter { state: State::Parked, ..letter.clone() };
        let resolved = Letter { state: State::Resolved, ..letter.clone() };
        assert!(replace(letters, &owner, &open, &parked).await);
        let second = StoredLetter { letter: parked.clone(), version: 2 };
        assert_eq!(stored(letters, &owner, "a").await, Some(second.clone()));
        for version in [1, 3] {
            let stale = StoredLetter { letter: letter.clone(), version };
            assert!(!replace(letters, &owner, &stale, &resolved).await, "{version}");
        }
        assert_eq!(stored(letters, &owner, "a").await, Some(second));
        assert!(replace(letters, &owner, &open, &parked).await, "its own response was lost");
        assert_eq!(stored(letters, &owner, "a").await.map(|stored| stored.version), Some(2));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn one_of_many_concurrent_replacements_wins() {
    async fn fact(letters: &impl Letters) {
        let (owner, letter) = (owner("race"), letter("a"));
        put(letters, &owner, &letter).await;
        let old = StoredLetter { letter: letter.clone(), version: 1 };
        let replaced = (0..50).map(|writer| {
            let (owner, old) = (owner.clone(), old.clone());
            let next = Letter { replay_count: writer, ..letter.clone() };
            async move { replace(letters, &owner, &old, &next).await }
        });
        let replaced: Vec<bool> = stream::iter(replaced).buffer_unordered(8).collect().await;
        assert_eq!(replaced.iter().filter(|done| **done).count(), 1);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn letters_are_listed_by_id_in_both_directions_and_after_any_id() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("ordered");
        for id in ["05", "01", "09", "03", "07"] {
            assert!(put(letters, &owner, &letter(id)).await);
        }
        put_chunks(letters, &owner, "05", &[chunk(1, vec![1])]).await;
        let run = StoredRun { bytes: vec![1], version: 1 };
        letters.put_run(&owner, "04", &run, FOREVER).await.expect("available");
        letters.take_lease(&owner, &lease("t", 60), second(0)).await.expect("available");
        let rising =
            async |after, limit| ids(letters, &owner, range(after, Order::Rising, limit)).await;
        let falling =
            async |after, limit| ids(letters, &owner, range(after, Order::Falling, limit)).await;
        assert_eq!(rising(None, 10).await, ["01", "03", "05", "07", "09"]);
        assert_eq!(rising(None, 2).await, ["01", "03"]);
        assert_eq!(rising(Some("03"), 2).await, ["05", "07"]);
        assert_eq!(rising(Some("04"), 10).await, ["05", "07", "09"]);
        assert_eq!(rising(Some("00"), 1).await, ["01"]);
        assert_eq!(falling(None, 10).await, ["09", "07", "05", "03", "01"]);
        assert_eq!(falling(None, 2).await, ["09", "07"]);
        assert_eq!(falling(Some("07"), 2).await, ["05", "03"]);
        assert_eq!(falling(Some("08"), 10).await, ["07", "05", "03", "01"]);
        assert!(rising(Some("09"), 10).await.is_empty());
        assert!(falling(Some("01"), 10).await.is_empty());
        assert!(rising(None, 0).await.is_empty());
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn every_letter_is_listed_once_over_several_responses() {
    // 400 letters of 4 KB exceed the 1 MB of one DynamoDB response.
    const COUNT: usize = 400;
    async fn fact(letters: &impl Letters) {
        let owner = owner("paged");
        let puts = (0..COUNT).map(|number| {
            let (owner, message) = (owner.clone(), "x".repeat(4_000));
            let letter = Letter { message, ..letter(&numbered(number)) };
            async move { put(letters, &owner, &letter).await }
        });
        let new: Vec<bool> = stream::iter(puts).buffer_unordered(8).collect().await;
        assert!(new.iter().all(|new| *new));
        let mut expected: Vec<String> = (0..COUNT).map(numbered).collect();
        for order in [Order::Rising, Order::Falling] {
            for limit in [1_000, COUNT, 150] {
                let mut all = Vec::new();
                loop {
                    let after = all.last().map(String::as_str);
                    let part = ids(letters, &owner, range(after, order, limit)).await;
                    let last = part.len() < limit;
                    all.extend(part);
                    if last {
                        break;
                    }
                }
                assert_eq!(all, expected, "{order:?} {limit}");
            }
            expected.reverse();
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_content_is_read_complete_or_not_at_all() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("whole");
        let large = vec![7; CHUNK_BYTES];
        put_chunks(letters, &owner, "one", &[chunk(1, large.clone())]).await;
        put_chunks(letters, &owner, "two", &[chunk(2, vec![2]), chunk(1, vec![1])]).await;
        put_chunks(letters, &owner, "gap", &[chunk(1, vec![1]), chunk(3, vec![3])]).await;
        put_chunks(letters, &owner, "none", &[]).await;
        put_chunks(letters, &owner, "empty", &[chunk(1, Vec::new())]).await;
        let asked = [
            wanted("two", 2),
            wanted("gap", 3),
            wanted("one", 1),
            wanted("none", 1),
            wanted("empty", 1),
            wanted("two", 2),
        ];
        let both = Some(vec![1, 2]);
        let expected = vec![both.clone(), None, Some(large), None, Some(Vec::new()), both];
        assert_eq!(contents(letters, &owner, &asked).await, expected);
        put_chunks(letters, &owner, "gap", &[chunk(2, vec![2])]).await;
        let whole = contents(letters, &owner, &[wanted("gap", 3)]).await;
        assert_eq!(whole, [Some(vec![1, 2, 3])], "its last part arrived");
        assert!(contents(letters, &owner, &[]).await.is_empty());
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn repeated_chunks_are_stored_once() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("again");
        let chunks: Vec<Chunk> = (1..=3).map(|number| chunk(number, vec![9; 10])).collect();
        for _ in 0..2 {
            put_chunks(letters, &owner, "a", &chunks).await;
        }
        assert_eq!(contents(letters, &owner, &[wanted("a", 3)]).await, [Some(vec![9; 30])]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_content_of_forty_chunks_is_put_and_read() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("large");
        // The largest chunks, so that neither one response nor one request holds them all.
        let piece = |number: u32| vec![u8::try_from(number).expect("small"); CHUNK_BYTES];
        let chunks: Vec<Chunk> = (1..=40).map(|number| chunk(number, piece(number))).collect();
        put_chunks(letters, &owner, "a", &chunks).await;
        let whole = contents(letters, &owner, &[wanted("a", 40)]).await;
        let expected: Vec<u8> = (1..=40).flat_map(piece).collect();
        assert!(whole == [Some(expected)], "the content differs (14 MB)");
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn hundreds_of_contents_are_read_in_the_requested_order() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("hundreds");
        let bytes = |number: usize| number.to_be_bytes().to_vec();
        for number in 0..230 {
            put_chunks(letters, &owner, &numbered(number), &[chunk(1, bytes(number))]).await;
        }
        let asked: Vec<Wanted> =
            (0..=230).rev().map(|number| wanted(&numbered(number), 1)).collect();
        let mut expected = vec![None];
        expected.extend((0..230).rev().map(|number| Some(bytes(number))));
        assert_eq!(contents(letters, &owner, &asked).await, expected);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn no_owner_gets_the_letters_of_another() {
    async fn fact(letters: &impl Letters) {
        let owners = [owner("apart"), owner("apart-1"), owner("o"), Owner::Operator];
        for (number, owner) in (0_u8..).zip(&owners) {
            let letter = Letter { message: number.to_string(), ..letter("apart") };
            assert!(put(letters, owner, &letter).await);
            put_chunks(letters, owner, "apart", &[chunk(1, vec![number])]).await;
            let run = StoredRun { bytes: vec![number], version: 1 };
            assert!(letters.put_run(owner, "r", &run, FOREVER).await.expect("available").answer);
            let taken = letters.take_lease(owner, &lease(&number.to_string(), 60), second(0)).await;
            assert_eq!(taken.expect("available").answer, None);
        }
        for (number, owner) in (0_u8..).zip(&owners) {
            let every = range(None, Order::Rising, 10);
            let listed = letters.letters(owner, &every).await.expect("available").answer;
            let messages: Vec<String> = listed.into_iter().map(|one| one.letter.message).collect();
            assert_eq!(messages, [number.to_string()]);
            let content = contents(letters, owner, &[wanted("apart", 1)]).await;
            assert_eq!(content, [Some(vec![number])]);
            let runs = letters.runs(owner, 10).await.expect("available").answer;
            assert_eq!(runs, [StoredRun { bytes: vec![number], version: 1 }]);
            let held = letters.lease(owner).await.expect("available").answer;
            assert_eq!(held.map(|lease| lease.token), Some(number.to_string()));
        }
        assert_eq!(stored(letters, &owner("part"), "apart").await, None);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// Every chunk, over as many responses as needed.
async fn every_chunk(letters: &impl LetterEraser, owner: &Owner) -> Vec<FiledChunk> {
    let mut all: Vec<FiledChunk> = Vec::new();
    loop {
        let last = all.last().map(|chunk| (chunk.id.as_str(), chunk.number));
        let some = letters.chunks_behind(owner, last).await.expect("available");
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

#[tokio::test]
async fn chunks_are_listed_once_in_the_order_of_their_letters_and_numbers() {
    async fn fact(letters: &impl LetterEraser) {
        let owner = owner("every");
        assert!(every_chunk(letters, &owner).await.is_empty());
        assert!(put(letters, &owner, &letter(&numbered(2))).await);
        let run = StoredRun { bytes: vec![1], version: 1 };
        assert!(letters.put_run(&owner, "r", &run, FOREVER).await.expect("available").answer);
        let mut expected = Vec::new();
        // More than the 1 MB of one response.
        for (id, number) in [(1, 1), (2, 1), (2, 2), (2, 10), (3, 1), (4, 7)] {
            let (id, bytes) =
                (numbered(id), vec![u8::try_from(number).expect("small"); CHUNK_BYTES]);
            put_chunks(letters, &owner, &id, &[chunk(number, bytes.clone())]).await;
            expected.push(FiledChunk { id, number, bytes });
        }
        assert!(every_chunk(letters, &owner).await == expected, "the chunks differ");
        let behind = letters.chunks_behind(&owner, Some((&numbered(3), 1))).await;
        assert!(behind.expect("available") == expected[5..], "the chunks differ");
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn deleted_letters_are_gone_and_everything_else_stays() {
    async fn fact(letters: &impl LetterEraser) {
        let owners = [owner("erased"), owner("erased-1")];
        for owner in &owners {
            for id in [1, 2] {
                assert!(put(letters, owner, &letter(&numbered(id))).await);
                let chunks: Vec<Chunk> = (1..=30).map(|number| chunk(number, vec![9])).collect();
                put_chunks(letters, owner, &numbered(id), &chunks).await;
            }
        }
        let [owner, other] = &owners;
        // The second deletion finds nothing.
        for _ in 0..2 {
            letters.delete_letter(owner, &numbered(1)).await.expect("available");
            let numbers: Vec<u32> = (1..=29).collect();
            letters.delete_chunks(owner, &numbered(1), &numbers).await.expect("available");
            letters.delete_chunks(owner, &numbered(2), &[]).await.expect("available");
        }
        let every = range(None, Order::Rising, 10);
        assert_eq!(ids(letters, owner, every.clone()).await, [numbered(2)]);
        let left = every_chunk(letters, owner).await;
        assert_eq!((left[0].id.as_str(), left[0].number), (numbered(1).as_str(), 30));
        assert_eq!(left.len(), 31);
        assert_eq!(ids(letters, other, every).await, [numbered(1), numbered(2)]);
        assert_eq!(every_chunk(letters, other).await.len(), 60);
        // A letter that arrives again is a new letter.
        assert!(put(letters, owner, &letter(&numbered(1))).await);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_run_goes_from_version_to_version() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("run");
        let run = |version: u64, byte: u8| StoredRun { bytes: vec![byte], version };
        let put = async |run: StoredRun| {
            letters.put_run(&owner, "r", &run, FOREVER).await.expect("available").answer
        };
        let read = async || letters.run(&owner, "r").await.expect("available").answer;
        assert_eq!(read().await, None);
        assert!(!put(run(2, 2)).await, "there is no first version");
        assert!(put(run(1, 1)).await);
        assert!(!put(run(1, 9)).await, "another first version");
        assert!(put(run(1, 1)).await, "its own response was lost");
        assert!(put(run(2, 2)).await);
        assert!(put(run(2, 2)).await, "its own response was lost");
        assert!(!put(run(2, 9)).await && !put(run(4, 9)).await);
        assert_eq!(read().await, Some(run(2, 2)));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn the_newest_runs_come_first() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("runs");
        for number in [2_u8, 1, 3] {
            let run = StoredRun { bytes: vec![number], version: 1 };
            let put = letters.put_run(&owner, &number.to_string(), &run, FOREVER).await;
            assert!(put.expect("available").answer);
        }
        assert!(put(letters, &owner, &letter("9")).await);
        for (limit, expected) in [(0, vec![]), (2, vec![3, 2]), (10, vec![3, 2, 1])] {
            let runs = letters.runs(&owner, limit).await.expect("available").answer;
            let runs: Vec<u8> = runs.into_iter().flat_map(|run| run.bytes).collect();
            assert_eq!(runs, expected);
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

fn lease(token: &str, until: i64) -> Lease {
    Lease { run: format!("run-{token}"), token: token.to_owned(), until: second(until) }
}

#[tokio::test]
async fn a_lease_has_one_holder_until_it_ends_or_is_released() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("lease");
        let take = async |lease: Lease, now: i64| {
            letters.take_lease(&owner, &lease, second(now)).await.expect("available").answer
        };
        let held = async || letters.lease(&owner).await.expect("available").answer;
        let release = async |token: &str| {
            letters.release_lease(&owner, token).await.expect("available");
        };
        assert_eq!(held().await, None);
        release("a").await;
        assert_eq!(take(lease("a", 60), 0).await, None, "the lease is free");
        assert_eq!(take(lease("b", 90), 59).await, Some(lease("a", 60)), "the lease is held");
        assert_eq!(take(lease("a", 100), 50).await, None, "the lease is renewed");
        assert_eq!(take(lease("b", 190), 99).await, Some(lease("a", 100)));
        release("b").await;
        assert_eq!(held().await, Some(lease("a", 100)), "the lease belongs to another");
        assert_eq!(take(lease("b", 190), 100).await, None, "the lease has ended");
        assert_eq!(take(lease("a", 200), 101).await, Some(lease("b", 190)));
        release("b").await;
        assert_eq!(held().await, None);
        assert_eq!(take(lease("a", 200), 102).await, None, "the lease was released");
        assert_eq!(held().await, Some(lease("a", 200)));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn one_of_many_concurrent_takers_gets_the_lease() {
    async fn fact(letters: &impl Letters) {
        let owner = owner("leases");
        let taken = (0..50).map(|token: i32| {
            let (owner, lease) = (owner.clone(), lease(&token.to_string(), 60));
            async move { letters.take_lease(&owner, &lease, second(0)).await }
        });
        let taken: Vec<_> = stream::iter(taken).buffer_unordered(8).collect().await;
        let holders: Vec<Option<Lease>> =
            taken.into_iter().map(|taken| taken.expect("available").answer).collect();
        assert_eq!(holders.iter().filter(|holder| holder.is_none()).count(), 1);
        let held = letters.lease(&owner).await.expect("available").answer;
        assert!(holders.iter().flatten().all(|holder| Some(holder) == held.as_ref()));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// A telemetry record with a body of this size, as the queue holds it.
fn message(offset: i64, bytes: usize) -> String {
    let head = r#"{"device_id":"device-001","event_type":"temperature","payload":{"#;
    let mut body = head.to_owned();
    for number in 0_u64.. {
        if body.len() + 40 > bytes {
            break;
        }
        let value = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        body.push_str(&format!(r#""measure_{number}":{value},"#));
    }
    body.push_str(r#""value":21.5}}"#);
    let source = Source::Kafka {
        topic: "telemetry".into(),
        partition: 1,
        offset,
        timestamp: Some(5),
        element: None,
    };
    let record = Record {
        received_at: Timestamp::from_millis(5),
        source,
        key: Some(b"device-001".to_vec()),
        value: Some(body.into_bytes()),
        headers: vec![("tenant".to_owned(), b"units".to_vec())],
        ingested_at: second(0),
    };
    let rejection = Rejection::new(Code::FutureTimestamp, "observed in the future: by=`7 days`");
    let (tenant, subject) = (TenantId::parse("units"), SubjectId::parse("device/device-001"));
    let (tenant, subject) = (tenant.expect("a tenant"), subject.expect("a subject"));
    let about = Circumstances {
        tenant: Some(&tenant),
        contract: Some("telemetry"),
        subject: Some(&subject),
        wrapping: None,
        now: second(1),
    };
    let messages = envelope::letter(&record, &rejection, about).expect("written");
    assert_eq!(messages.len(), 1);
    messages.into_iter().map(|message| message.body).collect()
}

#[tokio::test]
async fn a_letter_of_one_kilobyte_costs_one_unit_and_its_content_one_or_two() {
    async fn fact(letters: &impl Letters) {
        let body = message(1, 1_000);
        let received = Received { message_id: "m", body: &body, sent_at: None };
        let filing = filing::read(&received, second(2)).expect("filed");
        let letter = letters.put_letter(&filing.owner, &filing.letter).await.expect("available");
        assert!(letter.answer);
        assert_eq!((letter.units.read, letter.units.write), (0.0, 1.0));
        let (owner, id) = (&filing.owner, &filing.letter.id);
        let content = letters.put_chunks(owner, id, &filing.chunks, FOREVER).await;
        let content = content.expect("available");
        assert_eq!(content.read, 0.0);
        assert!((1.0..=2.0).contains(&content.write), "{}", content.write);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_filed_letter_is_read_back_and_filing_it_twice_changes_nothing() {
    async fn fact(letters: &impl Letters) {
        let body = message(2, 1_000);
        let received = Received { message_id: "m", body: &body, sent_at: None };
        let filing = filing::read(&received, second(2)).expect("filed");
        for new in [true, false] {
            let filed = filing::file(letters, &filing).await.expect("available");
            assert_eq!(filed.answer, new);
            assert!(filed.units.write >= 2.0, "{:?}", filed.units);
        }
        let found = stored(letters, &filing.owner, &filing.letter.id).await.expect("a letter");
        assert_eq!(found, StoredLetter { letter: filing.letter, version: 1 });
        let content = contents(letters, &filing.owner, &[found.letter.wanted()]).await;
        let [Some(frame)] = content.as_slice() else { panic!("a content") };
        let content = Content::unpack(frame).expect("a content");
        assert_eq!(content.key, Some(b"device-001".to_vec()));
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}
