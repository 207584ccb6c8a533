//! The store's guarantees, with time as an argument.

use std::collections::{BTreeMap, BTreeSet};

use tempfile::TempDir;
use uuid::Uuid;

use super::messages::Counts;
use super::*;
use crate::message::{NewMessage, ReceiptHandle};
use crate::protocol::SendMessage;
use crate::rejection::Rejection;
use crate::settings::{QueueSettings, Redrive};

/// An open store in its own folder.
struct Bench {
    folder: TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("queues.db")).unwrap();
        Self { folder, store }
    }

    /// A queue `orders` that redrives its messages to `dead` after two receives.
    fn with_redrive() -> Self {
        let mut bench = Self::new();
        bench.ensure("dead", QueueSettings::default());
        let redrive = Redrive { dead_letter_queue: name("dead"), max_receive_count: 2 };
        bench.ensure("orders", QueueSettings { redrive: Some(redrive), ..Default::default() });
        bench
    }

    fn ensure(&mut self, queue: &str, settings: QueueSettings) {
        self.store.act(0, |queues| queues.ensure_queue(&name(queue), &settings)).unwrap();
    }

    fn on<T>(
        &mut self,
        now: i64,
        queue: &str,
        action: impl FnOnce(&mut Queues<'_>, &Queue) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        self.store.act(now, |queues| {
            let queue = queues.queue(&name(queue))?;
            action(queues, &queue)
        })
    }

    fn send(&mut self, now: i64, queue: &str, body: &str) {
        self.on(now, queue, |queues, queue| queues.send(queue, &new_message(body), Uuid::new_v4()))
            .unwrap();
    }

    fn receive(&mut self, now: i64, queue: &str) -> Vec<Delivery> {
        let want = want(10, None);
        self.on(now, queue, |queues, queue| queues.receive(queue, &want)).unwrap().deliveries
    }

    fn bodies(&mut self, now: i64, queue: &str) -> Vec<String> {
        self.receive(now, queue).into_iter().map(|delivery| delivery.body).collect()
    }

    fn delete(&mut self, now: i64, handle: &ReceiptHandle) {
        self.store.act(now, |queues| queues.delete(handle)).unwrap();
    }

    fn change(&mut self, now: i64, queue: &str, handle: &ReceiptHandle, seconds: u32) -> String {
        let changed =
            self.on(now, queue, |queues, queue| queues.change_visibility(queue, handle, seconds));
        changed.map_or_else(|error| error.to_string(), |()| "changed".to_owned())
    }

    fn move_back(&mut self, now: i64, destination: Option<&str>) {
        self.on(now, "dead", |queues, dead| {
            let destination = destination.map(|queue| queues.queue(&name(queue))).transpose()?;
            queues.move_messages(dead, destination.as_ref(), Uuid::new_v4)
        })
        .unwrap();
    }

    fn counts(&mut self, now: i64, queue: &str) -> Counts {
        self.on(now, queue, |queues, queue| queues.count(queue)).unwrap()
    }
}

fn name(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn want(maximum: u32, visibility_timeout_seconds: Option<u32>) -> Want {
    Want { maximum, maximum_bytes: usize::MAX, visibility_timeout_seconds }
}

fn new_message(body: &str) -> NewMessage {
    let message = SendMessage {
        message_body: body.to_owned(),
        message_group_id: Some("acme".to_owned()),
        ..Default::default()
    };
    NewMessage::parse(message).unwrap()
}

fn rejected<T>(result: Result<T, SqsError>) -> Option<Rejection> {
    match result {
        Err(SqsError::Rejected(rejection)) => Some(rejection),
        Ok(_) | Err(SqsError::Unavailable(_)) => None,
    }
}

#[test]
fn a_received_message_is_hidden_until_its_visibility_timeout_passes() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "a");
    let first = bench.receive(1_000, "orders");
    assert_eq!((first[0].receive_count, first[0].first_received_at), (1, 1_000));
    assert!(bench.bodies(30_999, "orders").is_empty());
    let second = bench.receive(31_000, "orders");
    assert_eq!((second[0].receive_count, second[0].first_received_at), (2, 1_000));
    assert_eq!((second[0].sent_at, second[0].group_id.as_deref()), (0, Some("acme")));
}

#[test]
fn a_receive_may_ask_for_its_own_visibility_timeout_and_for_fewer_messages() {
    let mut bench = Bench::with_redrive();
    for (now, body) in [(0, "a"), (1, "b"), (2, "c")] {
        bench.send(now, "orders", body);
    }
    let want = want(2, Some(5));
    let received = bench.on(10, "orders", |queues, queue| queues.receive(queue, &want)).unwrap();
    let bodies = received.deliveries.into_iter().map(|delivery| delivery.body);
    assert_eq!(bodies.collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(bench.bodies(5_010, "orders"), ["c", "a", "b"]);
}

#[test]
fn a_delayed_message_is_due_after_its_own_delay_or_else_the_queues() {
    let mut bench = Bench::new();
    bench.ensure("orders", QueueSettings { delay_seconds: 5, ..Default::default() });
    bench.send(0, "orders", "queue's delay");
    let sooner = NewMessage { delay_seconds: Some(1), ..new_message("own delay") };
    bench.on(0, "orders", |queues, queue| queues.send(queue, &sooner, Uuid::nil())).unwrap();
    assert!(bench.bodies(999, "orders").is_empty());
    assert_eq!(bench.bodies(1_000, "orders"), ["own delay"]);
    assert_eq!(bench.bodies(5_000, "orders"), ["queue's delay"]);
}

#[test]
fn an_empty_receive_says_when_the_next_message_is_due() {
    let mut bench = Bench::with_redrive();
    let want = want(1, Some(7));
    let next = |bench: &mut Bench, now| {
        let received = bench.on(now, "orders", |queues, queue| queues.receive(queue, &want));
        received.unwrap().next_due_in_millis
    };
    assert_eq!(next(&mut bench, 0), None);
    bench.send(0, "orders", "a");
    bench.receive(0, "orders");
    assert_eq!(next(&mut bench, 1_000), Some(29_000));
}

#[test]
fn a_message_received_too_often_moves_when_it_is_due_again() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "poison");
    bench.receive(0, "orders");
    bench.receive(30_000, "orders");
    bench.store.take_woken();
    assert!(bench.bodies(59_999, "dead").is_empty());
    assert!(bench.bodies(60_000, "orders").is_empty());
    assert_eq!(bench.store.take_woken(), BTreeSet::from([name("dead")]));
    let dead = bench.receive(60_000, "dead");
    assert_eq!((dead[0].body.as_str(), dead[0].sent_at), ("poison", 0));
    assert_eq!((dead[0].receive_count, dead[0].first_received_at), (1, 0));
    assert_eq!(dead[0].group_id.as_deref(), Some("acme"));
    assert_eq!(dead[0].redriven_from, Some(name("orders")));
}

#[test]
fn a_message_reaches_its_dead_letter_queue_without_a_receive_at_the_source() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "poison");
    bench.receive(0, "orders");
    bench.receive(30_000, "orders");
    assert_eq!(bench.bodies(60_000, "dead"), ["poison"]);
}

#[test]
fn without_its_dead_letter_queue_a_message_is_received_again_and_again() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "poison");
    bench.on(0, "dead", |queues, dead| queues.delete_queue(dead)).unwrap();
    for round in 0..4 {
        assert_eq!(bench.bodies(round * 30_000, "orders"), ["poison"]);
    }
}

#[test]
fn a_message_expires_with_its_retention_even_in_flight_and_in_the_dead_letter_queue() {
    let mut bench = Bench::with_redrive();
    let minute = QueueSettings { retention_seconds: 90, ..Default::default() };
    bench.ensure("dead", minute);
    bench.send(0, "orders", "poison");
    bench.receive(0, "orders");
    bench.receive(30_000, "orders");
    assert_eq!(bench.bodies(60_000, "dead"), ["poison"]);
    assert!(bench.bodies(90_000, "dead").is_empty());
    assert_eq!(bench.counts(90_000, "dead"), Counts { visible: 0, in_flight: 0, delayed: 0 });
}

#[test]
fn the_handle_of_an_earlier_receive_still_deletes() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "a");
    let old = bench.receive(0, "orders").remove(0).handle;
    bench.receive(30_000, "orders");
    bench.delete(30_001, &old);
    bench.delete(30_002, &old);
    assert!(bench.bodies(60_000, "orders").is_empty());
    assert!(bench.bodies(60_000, "dead").is_empty());
}

#[test]
fn visibility_changes_only_while_a_message_is_in_flight() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "a");
    let handle = bench.receive(0, "orders").remove(0).handle;
    assert_eq!(bench.change(1_000, "orders", &handle, 60), "changed");
    assert!(bench.bodies(60_999, "orders").is_empty());
    assert_eq!(bench.change(60_999, "orders", &handle, 0), "changed");
    assert!(bench.store.take_woken().contains(&name("orders")));
    let not_in_flight = Rejection::MessageNotInflight.to_string();
    assert_eq!(bench.change(60_999, "orders", &handle, 9), not_in_flight);
    bench.delete(60_999, &handle);
    assert!(bench.change(60_999, "orders", &handle, 9).contains("does not exist"));
}

#[test]
fn counts_distinguish_waiting_in_flight_and_delayed_messages() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "a");
    bench.receive(0, "orders");
    bench.send(1, "orders", "b");
    bench.send(1, "orders", "c");
    let later = NewMessage { delay_seconds: Some(900), ..new_message("d") };
    bench.on(1, "orders", |queues, queue| queues.send(queue, &later, Uuid::nil())).unwrap();
    assert_eq!(bench.counts(1, "orders"), Counts { visible: 2, in_flight: 1, delayed: 1 });
    assert_eq!(bench.counts(900_001, "orders"), Counts { visible: 4, in_flight: 0, delayed: 0 });
}

#[test]
fn moving_back_makes_new_messages_that_old_handles_do_not_reach() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "poison");
    bench.send(0, "dead", "never redriven");
    let old = bench.receive(0, "orders").remove(0).handle;
    bench.receive(30_000, "orders");
    bench.move_back(60_000, None);
    bench.delete(60_000, &old);
    let back = bench.receive(60_000, "orders");
    assert_eq!((back[0].body.as_str(), back[0].sent_at), ("poison", 60_000));
    assert_eq!((back[0].receive_count, &back[0].redriven_from), (1, &None));
    assert_ne!(back[0].handle.message_id, old.message_id);
    assert_eq!(bench.bodies(60_000, "dead"), ["never redriven"]);
}

#[test]
fn moving_to_a_named_queue_takes_everything_that_is_not_in_flight() {
    let mut bench = Bench::with_redrive();
    bench.ensure("elsewhere", QueueSettings::default());
    bench.send(0, "dead", "held");
    bench.receive(0, "dead");
    bench.send(1, "dead", "free");
    bench.move_back(1, Some("elsewhere"));
    assert_eq!(bench.bodies(1, "elsewhere"), ["free"]);
    assert_eq!(bench.bodies(30_000, "dead"), ["held"]);
}

#[test]
fn a_recreated_queue_has_no_old_messages_or_handles() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "a");
    let old = bench.receive(0, "orders").remove(0).handle.text(1);
    bench.on(0, "orders", |queues, orders| queues.delete_queue(orders)).unwrap();
    let gone = bench.on(0, "orders", |_, _| Ok(()));
    assert_eq!(rejected(gone), Some(Rejection::QueueDoesNotExist));
    bench.ensure("orders", QueueSettings::default());
    assert!(bench.bodies(30_000, "orders").is_empty());
    let id = bench.on(0, "orders", |_, orders| Ok(orders.id)).unwrap();
    assert_eq!(ReceiptHandle::parse(&old, id), Err(Rejection::ReceiptHandleIsInvalid));
}

#[test]
fn a_queue_is_created_twice_only_with_the_same_attributes() {
    let mut bench = Bench::new();
    let mut create = |attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let attributes = attributes.collect::<BTreeMap<_, _>>();
        bench.store.act(0, |queues| queues.create_queue(&name("orders"), &attributes))
    };
    create(&[("DelaySeconds", "3")]).unwrap();
    create(&[("DelaySeconds", "3")]).unwrap();
    create(&[]).unwrap();
    assert_eq!(rejected(create(&[("DelaySeconds", "4")])), Some(Rejection::QueueNameExists));
}

#[test]
fn a_redrive_to_a_missing_queue_is_rejected_and_creates_no_queue() {
    let mut bench = Bench::new();
    let redrive = Redrive { dead_letter_queue: name("nowhere"), max_receive_count: 2 };
    let settings = QueueSettings { redrive: Some(redrive), ..Default::default() };
    let created = bench.store.act(0, |queues| queues.ensure_queue(&name("orders"), &settings));
    assert!(matches!(rejected(created), Some(Rejection::InvalidParameterValue(_))));
    let listed = bench.store.act(0, |queues| queues.list("", "", 10)).unwrap();
    assert!(listed.is_empty());
}

#[test]
fn ensuring_a_queue_changes_its_settings_and_keeps_its_messages() {
    let mut bench = Bench::new();
    bench.ensure("orders", QueueSettings::default());
    bench.send(0, "orders", "a");
    bench.ensure("orders", QueueSettings { delay_seconds: 9, ..Default::default() });
    let delay = bench.on(0, "orders", |_, orders| Ok(orders.settings.delay_seconds));
    assert_eq!(delay.unwrap(), 9);
    assert_eq!(bench.bodies(0, "orders"), ["a"]);
}

#[test]
fn a_message_larger_than_the_queue_allows_is_rejected() {
    let mut bench = Bench::new();
    bench.ensure("orders", QueueSettings { maximum_message_bytes: 1024, ..Default::default() });
    let mut send = |bytes: usize| {
        let new_message = new_message(&"x".repeat(bytes));
        bench.on(0, "orders", |queues, queue| queues.send(queue, &new_message, Uuid::nil()))
    };
    assert!(send(1024).is_ok());
    assert!(matches!(rejected(send(1025)), Some(Rejection::InvalidParameterValue(_))));
}

/// Copies the files as a killed process leaves them: the database and its log, never closed.
#[test]
fn acknowledged_actions_survive_a_kill() {
    let mut bench = Bench::with_redrive();
    bench.send(0, "orders", "received");
    let handle = bench.receive(0, "orders").remove(0).handle;
    bench.send(0, "orders", "waiting");

    let after = TempDir::new().unwrap();
    for file in ["queues.db", "queues.db-wal"] {
        std::fs::copy(bench.folder.path().join(file), after.path().join(file)).unwrap();
    }
    let store = Store::open(&after.path().join("queues.db")).unwrap();
    let mut reopened = Bench { folder: after, store };
    assert_eq!(reopened.bodies(1, "orders"), ["waiting"]);
    let again = reopened.receive(30_000, "orders");
    assert_eq!((again[0].body.as_str(), again[0].receive_count), ("received", 2));
    assert_eq!(again[0].handle, handle);
}

/// After any sequence of actions, a message that was sent and not deleted is stored once.
#[test]
fn no_sequence_of_actions_loses_or_duplicates_a_message() {
    for seed in 1..=20_u64 {
        let mut random = seed;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let mut bench = Bench::with_redrive();
        let (mut now, mut kept) = (0, BTreeSet::new());
        for step in 0..200 {
            let queue = if next(3) == 0 { "dead" } else { "orders" };
            match next(6) {
                0 | 1 => {
                    bench.send(now, queue, &step.to_string());
                    kept.insert(step.to_string());
                }
                2 | 3 => {
                    let mut received = bench.receive(now, queue);
                    // Half of the receives delete their last message.
                    if let (0, Some(done)) = (next(2), received.pop()) {
                        bench.delete(now, &done.handle);
                        assert!(kept.remove(&done.body), "seed={seed} body={}", done.body);
                    }
                }
                4 => bench.move_back(now, None),
                _ => now += i64::try_from(next(40_000)).unwrap(),
            }
        }
        let mut select = bench.store.connection.prepare("SELECT body FROM messages").unwrap();
        let stored = select.query_map([], |row| row.get(0)).unwrap();
        let mut stored = stored.collect::<Result<Vec<String>, _>>().unwrap();
        stored.sort();
        assert_eq!(stored, kept.into_iter().collect::<Vec<_>>(), "seed={seed}");
    }
}
