//! What every target without Kafka does, whatever its service answers.

use std::sync::{Arc, Mutex};

use drover_core::intake::tenant::Feed;
use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;

/// What the service does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Accepts,
    Refuses,
    /// Refuses every batch with the record.
    RefusesBatch,
    IsClosed,
    Throttles,
    /// Throttles every batch with the record.
    ThrottlesBatch,
}

/// A service that does with each record as planned.
struct Planned {
    plans: Vec<Plan>,
    calls: Mutex<Vec<Vec<usize>>>,
    accepted: Mutex<Vec<usize>>,
}

/// The index of a record, and its size.
#[derive(Clone, Copy)]
struct Numbered(usize, usize);

const LARGEST: usize = 100;

fn failing(reason: Reason) -> NotPublished {
    not_published(Unavailable::new(reason, "on demand"))
}

impl BatchTarget for Planned {
    type Entry = Numbered;

    const LIMITS: BatchLimits = BatchLimits { entries: 3, bytes: LARGEST };

    fn entry(&self, _topic: &str, record: &FeedRecord) -> Result<Numbered, NotPublished> {
        let number = record.key.parse().map_err(|_| refused("no number".to_owned()))?;
        Ok(Numbered(number, record.data.as_ref().map_or(0, |data| data.len())))
    }

    fn bytes(entry: &Numbered) -> usize {
        entry.1
    }

    async fn send(&self, batch: &[Numbered]) -> Result<Results, NotPublished> {
        let numbers: Vec<usize> = batch.iter().map(|entry| entry.0).collect();
        self.calls.lock().expect("no panic").push(numbers.clone());
        let plans: Vec<Plan> = numbers.iter().map(|number| self.plans[*number]).collect();
        if plans.contains(&Plan::ThrottlesBatch) {
            return Err(failing(Reason::Throttled));
        }
        if plans.contains(&Plan::RefusesBatch) {
            return Err(failing(Reason::Bug));
        }
        let result = |(number, plan): (&usize, &Plan)| match plan {
            Plan::Accepts => {
                self.accepted.lock().expect("no panic").push(*number);
                Ok(())
            }
            Plan::Refuses | Plan::RefusesBatch => Err(failing(Reason::Bug)),
            Plan::IsClosed => Err(failing(Reason::Misconfigured)),
            Plan::Throttles | Plan::ThrottlesBatch => Err(failing(Reason::Throttled)),
        };
        Ok(numbers.iter().zip(&plans).map(result).collect())
    }
}

fn record(number: usize, size: usize) -> FeedRecord {
    let data = Some(Arc::from("x".repeat(size)));
    FeedRecord { feed: Feed::Settled, key: number.to_string(), attributes: Vec::new(), data }
}

/// The results, the calls, and the accepted records.
fn published(plans: &[(Plan, usize)]) -> (Results, Vec<Vec<usize>>, Vec<usize>) {
    let records = plans.iter().enumerate().map(|(number, (_, size))| record(number, *size));
    let records: Vec<FeedRecord> = records.collect();
    let plans = plans.iter().map(|(plan, _)| *plan).collect();
    let target = Planned { plans, calls: Mutex::default(), accepted: Mutex::default() };
    let results = publish(&target, "topic", &records).now_or_never().expect("no waiting");
    let Planned { calls, accepted, .. } = target;
    (results, calls.into_inner().expect("no panic"), accepted.into_inner().expect("no panic"))
}

#[test]
fn a_batch_that_is_refused_for_one_record_is_sent_one_by_one() {
    let plans = [Plan::Accepts, Plan::RefusesBatch, Plan::Accepts, Plan::Accepts];
    let (results, calls, accepted) = published(&plans.map(|plan| (plan, 1)));
    assert_eq!(calls, [vec![0, 1, 2], vec![0], vec![1], vec![2], vec![3]]);
    assert_eq!(accepted, [0, 2, 3]);
    assert_eq!(results, [Ok(()), Err(failing(Reason::Bug)), Ok(()), Ok(())]);
}

#[test]
fn nothing_is_sent_after_a_batch_in_which_the_target_fails() {
    for (plan, reason) in
        [(Plan::Throttles, Reason::Throttled), (Plan::IsClosed, Reason::Misconfigured)]
    {
        let mut plans = [(Plan::Accepts, 1); 7];
        plans[4].0 = plan;
        let (results, calls, _) = published(&plans);
        assert_eq!(calls, [[0, 1, 2], [3, 4, 5]]);
        let fault = || Err(failing(reason));
        let expected = [Ok(()), Ok(()), Ok(()), Ok(()), fault(), Ok(()), fault()];
        assert_eq!(results, expected);
    }
}

#[test]
fn a_record_above_the_limit_is_refused_without_a_call() {
    let sizes = [LARGEST, LARGEST + 1, 1];
    let (results, calls, _) = published(&sizes.map(|size| (Plan::Accepts, size)));
    assert_eq!(calls, [[0], [2]]);
    let message = "a record is too large for the target of feeds: bytes=`101` limit=`100`";
    assert_eq!(results, [Ok(()), Err(refused(message.to_owned())), Ok(())]);
}

#[test]
fn each_reason_of_a_failure_says_whom_it_concerns() {
    let check = |reason, expected: fn(Unavailable) -> NotPublished| {
        let unavailable = Unavailable::new(reason, "m");
        let known = unavailable.clone().of(Dependency::EventLog);
        assert_eq!(not_published(unavailable), expected(known), "{reason:?}");
    };
    for reason in [Reason::Bug, Reason::Corrupt] {
        check(reason, NotPublished::Refused);
    }
    check(Reason::Misconfigured, NotPublished::Closed);
    for reason in [Reason::Contention, Reason::HotKey, Reason::Throttled, Reason::Unreachable] {
        check(reason, NotPublished::Unavailable);
    }
    check(Reason::Deadline, NotPublished::Unavailable);
}

#[test]
fn a_record_has_one_id_for_each_commit_and_topic() {
    let of = |topic, key: &str, id: &str, commit: &str| {
        let attribute = |name, text: &str| (name, text.to_owned());
        let attributes = vec![
            attribute("id", id),
            attribute("source", key),
            attribute("drovercommit", commit),
            attribute("droverepoch", "7"),
        ];
        FifoIds::of(topic, &FeedRecord { key: key.to_owned(), attributes, ..record(0, 1) })
    };
    let ids = of("t.settled", "a/b/c", "1", "0.1");
    assert_eq!(ids, of("t.settled", "a/b/c", "1", "0.1"));
    let long = of("t.settled", &"k".repeat(2_000), &"i".repeat(2_000), "0.1");
    let others = [
        of("t.ordered", "a/b/c", "1", "0.1"),
        of("t.settled", "a/b/c", "2", "0.1"),
        of("t.settled", "a/b/c", "1", "0.2"),
    ];
    for other in &others {
        assert_eq!(other.group, ids.group);
        assert_ne!(other.deduplication, ids.deduplication);
    }
    assert_ne!(long.group, ids.group);
    let lengths = [&ids.group, &ids.deduplication, &long.group, &long.deduplication];
    assert!(lengths.iter().all(|id| (1..=128).contains(&id.len())), "{lengths:?}");
}

#[test]
fn a_record_is_json_without_the_characters_that_queues_refuse() {
    let data = Some(Arc::from("\"\u{FFFF} \u{1F600}\""));
    let attributes = vec![("type", "\u{FFFE}".to_owned())];
    let json = structured(&FeedRecord { attributes, data, ..record(0, 1) }).expect("JSON");
    let expected = r#"{"type":"\ufffe","datacontenttype":"application/json","data":"\uffff 😀"}"#;
    assert_eq!(json, expected);
    let invalid = structured(&record(0, 1)).map_err(|fault| fault.into_unavailable().reason);
    assert_eq!(invalid, Err(Reason::Bug));
}

#[cfg(feature = "feeds")]
#[test]
fn a_client_speaks_to_the_region_of_its_target() {
    let check = |arn: &str, expected: Option<&str>| {
        let region = region(arn);
        assert_eq!(region.as_ref().map(aws_config::Region::as_ref), expected, "{arn}");
    };
    check("arn:aws:sns:eu-west-1:111122223333:feeds.fifo", Some("eu-west-1"));
    check("arn:aws-cn:events:cn-north-1:111122223333:event-bus/feeds", Some("cn-north-1"));
    check("feeds", None);
    check("a:b:c:d", None);
    check("arn:aws:sns::111122223333:feeds", None);
}

fn plan() -> impl Strategy<Value = (Plan, usize)> {
    let plan = prop_oneof![
        12 => Just(Plan::Accepts),
        2 => Just(Plan::Refuses),
        2 => Just(Plan::RefusesBatch),
        1 => Just(Plan::IsClosed),
        1 => Just(Plan::Throttles),
        1 => Just(Plan::ThrottlesBatch),
    ];
    (plan, 0..LARGEST + 20)
}

proptest! {
    #[test]
    fn records_keep_their_order_and_each_gets_its_own_result(
        plans in prop::collection::vec(plan(), 0..30),
    ) {
        let (results, calls, accepted) = published(&plans);
        prop_assert_eq!(results.len(), plans.len());
        prop_assert!(accepted.is_sorted_by(|one, next| one < next), "{accepted:?}");
        let sent = |(number, result): (usize, &Result<(), _>)| result.is_ok().then_some(number);
        let reported: Vec<usize> = results.iter().enumerate().filter_map(sent).collect();
        prop_assert_eq!(reported, accepted);

        // The first record for which the target fails is in the last call; what follows the call is not sent.
        let last = calls.last().and_then(|call| call.last()).copied();
        let first_fault = results.iter().position(is_of_target);
        for (number, (result, (plan, size))) in results.iter().zip(&plans).enumerate() {
            let is_behind = first_fault.is_some() && last.is_none_or(|last| number > last);
            if *size > LARGEST {
                prop_assert!(!calls.iter().flatten().any(|one| *one == number));
                prop_assert!(matches!(result, Err(NotPublished::Refused(_))));
            } else if is_behind {
                prop_assert!(is_of_target(result), "{number}: {result:?}");
            } else if matches!(plan, Plan::Refuses | Plan::RefusesBatch) {
                let is_refused = matches!(result, Err(NotPublished::Refused(_)));
                prop_assert!(is_refused || is_of_target(result), "{number}: {result:?}");
            } else if *plan != Plan::Accepts {
                prop_assert!(is_of_target(result), "{number}: {result:?}");
            }
        }
    }
}
