//! Tests of forgetting letters: which are deleted and which stay.

use serde_json::json;

use super::*;
use crate::dead_letter::envelope::{Content, chunks};
use crate::dead_letter::letter::{Letter, Owner, State};
use crate::ports::{LetterEraser as _, Letters as _};
use crate::replay::filing::{self, Received};

const ID: &str = "d-1";

fn key() -> SubjectKey {
    let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
    scope.subject(SubjectId::parse("device/d-1").expect("a subject"))
}

fn demo() -> Owner {
    Owner::Tenant(TenantScope::by_operator(TenantId::parse("demo").expect("a tenant")))
}

/// A table of letters that contains only the letters of the test.
struct Bench {
    memory: Faulty<Memory>,
    owner: Owner,
    filed: u32,
}

/// A letter of a test.
struct Given {
    topic: &'static str,
    value: String,
    headers: Vec<(String, Vec<u8>)>,
    subject: Option<&'static str>,
}

fn holding(value: &str) -> Given {
    Given { topic: "known", value: value.to_owned(), headers: Vec::new(), subject: None }
}

impl Bench {
    fn new(owner: Owner) -> Self {
        Self { memory: memory(), owner, filed: 0 }
    }

    fn id(&mut self) -> String {
        self.filed += 1;
        format!("{:032x}", self.filed)
    }

    /// Files a letter after `change` has been applied. Returns the id.
    fn file_with(&mut self, given: Given, change: impl FnOnce(&mut Letter)) -> String {
        let id = self.id();
        let source = Source::Kafka {
            topic: Arc::from(given.topic),
            partition: 0,
            offset: self.filed.into(),
            timestamp: None,
            element: None,
        };
        let received = Received { message_id: "m", body: "{}", sent_at: None };
        let mut letter = filing::read(&received, second(0)).expect("filed").letter;
        letter.id.clone_from(&id);
        letter.source = crate::dead_letter::origin::Origin::Record(source);
        letter.subject = given.subject.map(str::to_owned);
        change(&mut letter);
        let value = Some(given.value.into_bytes());
        let pieces =
            chunks(&Content { key: None, value, headers: given.headers }.pack().expect("packed"));
        let filing = filing::Filing { owner: self.owner.clone(), letter, chunks: pieces };
        filing::file(&self.memory, &filing).now_or_never().expect("ready").expect("filed");
        id
    }

    fn file(&mut self, given: Given) -> String {
        self.file_with(given, |_| {})
    }

    fn try_forget(&self) -> Result<ErasedLetters, Unavailable> {
        let registry = Registry::new();
        let key = key();
        let forgetting = forget_letters(&self.memory, &registry, &self.owner, &key);
        forgetting.now_or_never().expect("memory never waits")
    }

    fn forget(&self) -> ErasedLetters {
        self.try_forget().expect("available")
    }

    /// The ids of the remaining letters, and the ids of the remaining chunks.
    fn left(&self) -> (Vec<String>, Vec<String>) {
        let state = self.memory.state();
        let Some(drawer) = state.filed.get(&self.owner.partition_key()) else {
            return (Vec::new(), Vec::new());
        };
        let chunks = drawer.chunks.keys().map(|(id, _)| id.clone());
        (drawer.letters.keys().cloned().collect(), chunks.collect())
    }
}

fn header(name: &str, value: &str) -> Vec<(String, Vec<u8>)> {
    vec![(name.to_owned(), value.as_bytes().to_vec())]
}

#[test]
fn letters_of_the_subject_are_deleted_with_their_chunks_and_those_of_others_stay() {
    let mut bench = Bench::new(demo());
    let mut stays = Vec::new();
    // Several pages of chunks.
    for _ in 0..5 {
        bench.file(Given { subject: Some("device/d-1"), ..holding("nothing of it") });
        bench.file(holding(r#"{"device_id":"d-1"}"#));
        bench.file(holding(&json!({ "inner": json!({ "id": ID }).to_string() }).to_string()));
        bench.file(Given { headers: header("device", ID), ..holding("{}") });
        // The message of the letter is not part of the record.
        let said = |letter: &mut Letter| letter.message = format!("column=`{ID}`");
        stays.push(bench.file_with(holding("{}"), said));
        stays.push(bench.file(Given { subject: Some("device/d-2"), ..holding("of d-1") }));
        stays.push(bench.file(Given { subject: Some("asset/d-1"), ..holding("d-1") }));
        stays.push(bench.file(holding(r#"{"device_id":"d-10"}"#)));
        stays.push(bench.file(holding("")));
    }
    let erased = bench.forget();
    assert_eq!((erased.letters, erased.chunks), (20, 20));
    assert_eq!(bench.left(), (stays.clone(), stays));
    assert_eq!(bench.forget(), ErasedLetters::default());
}

#[test]
fn a_letter_with_incomplete_content_stays_and_is_listed() {
    let mut bench = Bench::new(demo());
    let part = bench.file_with(holding("{}"), |letter| letter.chunks = 3);
    let torn = bench.file(holding("{}"));
    let mut state = bench.memory.state();
    let drawer = state.filed.get_mut(&bench.owner.partition_key()).expect("a drawer");
    drawer.chunks.insert((torn.clone(), 1), b"no frame".to_vec());
    let alone = "ff".repeat(16);
    drawer.chunks.insert((alone.clone(), 2), b"the second part of something".to_vec());
    drop(state);
    let established = Given { subject: Some("device/d-2"), ..holding("{}") };
    let others = bench.file_with(established, |letter| letter.chunks = 3);
    let erased = bench.forget();
    assert_eq!((erased.letters, erased.chunks), (0, 0));
    assert_eq!(erased.doubtful.ids, [part.clone(), torn.clone(), alone.clone()]);
    let letters = vec![part.clone(), torn.clone(), others.clone()];
    assert_eq!(bench.left(), (letters, vec![part, torn, others, alone]));
}

#[test]
fn a_match_of_a_common_id_deletes_no_letter() {
    for (id, value) in [("1", r#"{"v":1}"#), ("20", r#"{"value":20}"#), ("17000", "[17000]")] {
        let mut bench = Bench::new(demo());
        let letter = bench.file(holding(value));
        let subject = SubjectId::parse(&format!("device/{id}")).expect("a subject");
        let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
        let (registry, key) = (Registry::new(), scope.subject(subject));
        let forgetting = forget_letters(&bench.memory, &registry, &bench.owner, &key);
        let erased = forgetting.now_or_never().expect("ready").expect("an answer");
        assert_eq!((erased.letters, erased.doubtful.ids), (0, vec![letter]), "{id}");
    }
}

#[test]
fn chunks_without_a_letter_are_searched() {
    let mut bench = Bench::new(demo());
    let (gone, stays) = (bench.file(holding("d-1")), bench.file(holding("d-2")));
    for id in [&gone, &stays] {
        bench.memory.delete_letter(&bench.owner, id).now_or_never().expect("ready").expect("done");
    }
    let erased = bench.forget();
    assert_eq!((erased.letters, erased.chunks), (0, 1));
    assert_eq!(bench.left(), (Vec::new(), vec![stays]));
}

#[test]
fn a_letter_of_the_operator_is_deleted_only_if_it_belongs_to_the_tenant() {
    let mut bench = Bench::new(Owner::Operator);
    let route = r#"{"contract":"mine","tenant":{"header":"tenant"}}"#;
    bench.memory.put_document("R#by-header", route);
    let named =
        |tenant| Given { topic: "by-header", headers: header("tenant", tenant), ..holding("d-1") };
    bench.file(named("demo"));
    bench.file(Given { subject: Some("device/d-1"), ..named("demo") });
    bench.file(Given { topic: "unknown", ..named("demo") });
    let doubtful = vec![
        bench.file(Given { topic: "by-header", ..holding("d-1") }),
        bench.file(Given { topic: "unknown", ..named("acme") }),
        bench.file(named("no tenant!")),
    ];
    let others = vec![
        bench.file(named("acme")),
        bench.file(Given { subject: Some("device/d-1"), ..named("acme") }),
        bench.file(Given { topic: "unknown", ..holding("d-2") }),
    ];
    let erased = bench.forget();
    assert_eq!((erased.letters, erased.chunks), (3, 3));
    assert_eq!(erased.doubtful, super::super::letters::Named { count: 3, ids: doubtful.clone() });
    let stays = [doubtful, others].concat();
    assert_eq!(bench.left(), (stays.clone(), stays));
}

#[test]
fn an_unprocessed_batch_is_listed_and_stays_until_it_is_replayed() {
    let mut bench = Bench::new(Owner::Operator);
    let record = base64_simd::STANDARD.encode_to_string(br#"{"device_id":"d-1","tenant":"demo"}"#);
    let event = json!({ "records": { "t-0": [{ "value": record }] } });
    let origin = || crate::dead_letter::origin::Other::Batch {
        condition: "RetryAttemptsExhausted".to_owned(),
        partitions: Vec::new(),
    };
    let batch = |state| {
        move |letter: &mut Letter| {
            letter.source = crate::dead_letter::origin::Origin::Other(origin());
            letter.state = state;
        }
    };
    let value = json!({ "payload": event.to_string() }).to_string();
    let open = bench.file_with(holding(&value), batch(State::Open));
    bench.file_with(holding(&value), batch(State::Resolved));
    let erased = bench.forget();
    assert_eq!((erased.letters, erased.chunks), (1, 1));
    assert_eq!((erased.undelivered.ids, bench.left().0), (vec![open.clone()], vec![open]));
}

/// The next walk deletes the remaining items, whichever call failed.
#[test]
fn a_repeated_walk_finishes_an_interrupted_walk() {
    for failing in 0..20 {
        let mut bench = Bench::new(demo());
        bench.file(holding("d-1"));
        bench.file(Given { subject: Some("device/d-1"), ..holding("{}") });
        let stays = bench.file(holding("d-2"));
        bench.file(holding("d-1"));
        let mut calls = 0;
        bench.memory.fail(move |_| {
            calls += 1;
            if calls == failing + 1 { Fault::Refused } else { Fault::None }
        });
        let first = bench.try_forget();
        bench.memory.fail_nothing();
        if first.is_err() {
            bench.forget();
        }
        assert_eq!(bench.left(), (vec![stays.clone()], vec![stays]), "call {failing}");
    }
}

#[test]
fn a_letter_whose_replacement_has_no_answer_is_found_by_its_subject() {
    let mut bench = Bench::new(demo());
    let id = bench.file(holding("d-1"));
    let mut armed = true;
    bench.memory.fail(move |call| {
        let lost = call == Call::Mark && std::mem::take(&mut armed);
        if lost { Fault::LostAfter } else { Fault::None }
    });
    // The replacement was stored, but its answer was lost. The next walk finds the letter by its subject.
    assert!(bench.try_forget().is_err());
    let stored = bench.memory.letter(&bench.owner, &id).now_or_never().expect("ready");
    let stored = stored.expect("available").answer.expect("a letter");
    assert_eq!(stored.letter.subject.as_deref(), Some("device/d-1"));
    assert_eq!(bench.forget().letters, 1);
}
