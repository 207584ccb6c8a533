//! Tests of runs with in-memory ports: writes, pauses, and isolation. `equivalence` tests the main
//! property.

mod batch_references;
mod equivalence;
mod fixture;
mod overlaid;
mod unsent;

use serde_json::json;

use self::fixture::{Bench, MINUTE, NEWCO, WIDE, location};
use super::run::ViewDigests;
use super::*;
use crate::base::error::Reason;
use crate::base::public_reason::PublicReason;
use crate::base::time::Timestamp;
use crate::dead_letter::letter::{Lease, Owner, State, StoredLetter};
use crate::ledger::StoredHead;
use crate::memory::{Call, Fault};

fn open_letters(bench: &Bench, owner: &Owner) -> Vec<StoredLetter> {
    let all = bench.letters(owner);
    all.into_iter().filter(|stored| stored.letter.state == State::Open).collect()
}

#[test]
fn a_fixed_letter_is_applied_with_its_original_receipt_time_and_resolved() {
    let bench = Bench::new();
    bench.process(&[bench.good("d1", 1), bench.narrow("d1", 2), bench.good("d1", 3)]);
    bench.file_all();
    let owner = Bench::demo();
    assert_eq!(open_letters(&bench, &owner).len(), 1);
    bench.put_contract("mine", WIDE);
    bench.later(3 * 24 * 60 * MINUTE);
    let run = bench.replay(&owner, RunRequest::replay("me")).run;
    assert_eq!((run.phase, run.examined), (Phase::Done, 1));
    assert_eq!(json!(run.outcomes), json!({"applied": 1}));
    assert_eq!(json!(run.changed), json!(["device/d1"]));
    assert_eq!(bench.history("demo", "d1"), [1, 2, 3]);
    let letter = bench.letters(&owner).remove(0).letter;
    assert_eq!((letter.state, letter.replay_count), (State::Resolved, 0));
    assert_eq!(letter.subject.as_deref(), Some("device/d1"));
    let again = bench.replay(&owner, RunRequest::replay("me")).run;
    assert_eq!((again.examined, bench.history("demo", "d1").len()), (0, 3));
}

#[test]
fn a_letter_that_fails_again_keeps_the_newest_reason_and_is_finally_parked() {
    let bench = Bench::new();
    bench.process(&[bench.narrow("d1", 1)]);
    bench.file_all();
    let owner = Bench::demo();
    for (count, state) in [(1, State::Open), (2, State::Parked)] {
        let run = bench.replay(&owner, RunRequest::replay("me")).run;
        assert_eq!(json!(run.outcomes), json!({"schema_violation": 1}));
        let letter = bench.letters(&owner).remove(0).letter;
        assert_eq!((letter.replay_count, letter.state), (count, state));
    }
    assert_eq!(bench.replay(&owner, RunRequest::replay("me")).run.examined, 0);
    bench.put_contract("mine", WIDE);
    let mut parked = RunRequest::replay("me");
    parked.filter.state = Some(State::Parked);
    assert_eq!(json!(bench.replay(&owner, parked).run.outcomes), json!({"applied": 1}));
}

#[test]
fn a_dry_run_reports_changes_and_writes_nothing() {
    let bench = Bench::new();
    bench.process(&[bench.good("d1", 1), bench.narrow("d1", 2), bench.narrow("d2", 3)]);
    bench.process(&[bench.broken(9)]);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let before = bench.everything();
    let dry = RunRequest { dry_run: true, views: 5, ..RunRequest::replay("me") };
    let owner = Bench::demo();
    let RunProgress { run: dry, views: dry_views, .. } = bench.replay(&owner, dry);
    assert_eq!(bench.everything(), before);
    assert_eq!(json!(dry.outcomes), json!({"applied": 2, "malformed_json": 1}));
    let real = RunRequest { views: 5, ..RunRequest::replay("me") };
    let RunProgress { run: real, views: real_views, .. } = bench.replay(&owner, real);
    assert_eq!((&dry.outcomes, &dry.changed), (&real.outcomes, &real.changed));
    assert_eq!((&dry.views, &dry_views), (&real.views, &real_views));
    let counts = real_views.iter().map(|pair| {
        let count = |view: &serde_json::Value| view["event_count"].as_u64();
        (pair.subject.as_str(), count(&pair.before), count(&pair.after))
    });
    let counts: Vec<_> = counts.collect();
    assert_eq!(counts, [("device/d1", Some(1), Some(2)), ("device/d2", None, Some(1))]);

    let digests = real_views.iter().map(|ViewPair { subject, before, after }| ViewDigests {
        subject: subject.clone(),
        before: view_digest(before).expect("canonical"),
        after: view_digest(after).expect("canonical"),
    });
    assert_eq!(real.views, digests.collect::<Vec<_>>(), "records contain no views");
    assert_eq!(real.views[1].before, None);
}

#[test]
fn a_views_digest_is_the_sha256_of_its_canonical_json() {
    let view = json!({"b": 1.0, "a": "\u{e4}"});
    // printf '{"a":"ä","b":1}' | sha256sum
    let expected = "507aab815f2bdfce1c740c0b1ae7b1c874f56b9aa5b9ab109a07b57365148233";
    assert_eq!(view_digest(&view).expect("canonical").as_deref(), Some(expected));
    assert_eq!(view_digest(&serde_json::Value::Null), Ok(None));
}

#[test]
fn a_second_run_is_refused_until_the_lease_of_the_first_has_expired() {
    let bench = Bench::new();
    let owner = Bench::demo();
    let lease = Lease { run: "other".to_owned(), token: "t".to_owned(), until: bench.at(30) };
    bench.take_lease(&owner, &lease);
    let refused = bench.try_replay(&owner, RunRequest::replay("me")).expect_err("it is held");
    assert_eq!(refused, Refusal::Running("other".to_owned()));
    let elsewhere = bench.try_replay(&Owner::Operator, RunRequest::replay("me"));
    assert!(elsewhere.is_ok(), "each owner has its own lease");
    bench.later(31);
    assert_eq!(bench.replay(&owner, RunRequest::replay("me")).run.phase, Phase::Done);
    assert_eq!(
        bench.replay(&owner, RunRequest::replay("me")).run.phase,
        Phase::Done,
        "the lease is released"
    );
}

#[test]
fn unavailability_pauses_the_run_and_resume_does_not_count_twice() {
    let bench = Bench::new();
    let records: Vec<_> = (1..=5).map(|at| bench.narrow(&format!("d{at}"), at)).collect();
    bench.process(&records);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let owner = Bench::demo();
    let mut writes = 0;
    bench.memory.fail(move |call| {
        writes += u32::from(call == Call::Write);
        if call == Call::Write && writes == 3 { Fault::Refused } else { Fault::None }
    });
    let run = bench.replay(&owner, RunRequest::replay("me")).run;
    assert_eq!((run.phase, run.examined), (Phase::Paused, 2));
    assert_eq!(run.reason, Some(PublicReason::Unavailable));
    assert_eq!(open_letters(&bench, &owner).len(), 1, "replayed letters are marked");
    let run = bench.resume(&owner, &run.replay_id).run;
    assert_eq!((run.phase, run.examined, run.resumed_by.as_deref()), (Phase::Done, 5, Some("you")));
    assert_eq!(json!(run.outcomes), json!({"applied": 5}));
    let over = bench.resume(&owner, &run.replay_id).run;
    assert_eq!(over, run, "a finished run does not change");
}

/// Otherwise every run would pause at the same letter and never reach the later ones.
#[test]
fn a_subject_that_cannot_be_read_does_not_block_later_letters() {
    let bench = Bench::new();
    bench.process(&[bench.narrow("d1", 1), bench.narrow("d2", 2), bench.narrow("d1", 3)]);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let (owner, place) = (Bench::demo(), location("demo", "d1").key.partition_key());
    let head = StoredHead { version: 1, bytes: vec![0xff] };
    bench.memory.state().heads.insert(place.clone(), head);
    let run = bench.replay(&owner, RunRequest::replay("me")).run;
    assert_eq!(
        (run.phase, json!(run.outcomes)),
        (Phase::Done, json!({"applied": 1, "unavailable": 2}))
    );
    assert_eq!(bench.history("demo", "d2"), [2]);
    assert_eq!(open_letters(&bench, &owner).len(), 2);
    bench.memory.state().heads.remove(&place);
    let run = bench.replay(&owner, RunRequest::replay("me")).run;
    assert_eq!(json!(run.outcomes), json!({"applied": 2}));
    assert_eq!(bench.history("demo", "d1"), [1, 3]);
}

/// A tenant's own run pauses, because every letter is affected. The operator's run continues.
#[test]
fn a_tenant_whose_table_fails_pauses_its_own_run_and_not_the_operators() {
    let bench = Bench::new();
    bench.process(&[bench.of("newco", "d1", 1), bench.of("later", "d1", 2)]);
    bench.file_all();
    bench.put("T#newco", r#"{"id":"newco","placement":{"table":"newco-ledger"}}"#);
    bench.put("T#later", r#"{"id":"later"}"#);
    bench.later(MINUTE);
    bench.memory.break_table("newco-ledger", Reason::Misconfigured);
    let run = bench.replay(&Owner::Operator, RunRequest::replay("me")).run;
    assert_eq!(
        (run.phase, json!(run.outcomes)),
        (Phase::Done, json!({"applied": 1, "unavailable": 1}))
    );
    assert_eq!(bench.history("later", "d1"), [2]);
    bench.memory.mend_tables();
    let run = bench.replay(&Owner::Operator, RunRequest::replay("me")).run;
    assert_eq!(json!(run.outcomes), json!({"applied": 1}));
}

#[test]
fn a_run_without_time_left_is_paused_with_that_reason() {
    let bench = Bench::new();
    bench.process(&[bench.narrow("d1", 1)]);
    bench.file_all();
    let owner = Bench::demo();
    let progress =
        bench.replay_until(&owner, RunRequest::replay("me"), bench.at(0)).expect("started");
    assert_eq!(
        (progress.run.phase, progress.run.reason),
        (Phase::Paused, Some(PublicReason::Time))
    );
    assert_eq!(progress.run.examined, 0);
    assert_eq!(bench.resume(&owner, &progress.run.replay_id).run.examined, 1);
}

#[test]
fn a_run_respects_its_rate_and_its_limit() {
    let bench = Bench::new();
    let records: Vec<_> = (1..=9).map(|at| bench.narrow("d1", at)).collect();
    bench.process(&records);
    bench.file_all();
    let owner = Bench::demo();
    let request = RunRequest { limit: 6, rate: 2, ..RunRequest::replay("me") };
    let run = bench.replay(&owner, request).run;
    assert_eq!((run.phase, run.examined), (Phase::Done, 6));
    let slow = RunRequest { rate: 2, ..RunRequest::replay("me") };
    let run = bench.replay_until(&owner, slow, bench.at(2)).expect("started").run;
    assert_eq!(
        (run.phase, run.examined),
        (Phase::Paused, 4),
        "two letters at first, two a second later"
    );
}

#[test]
fn a_cancelled_run_stays_cancelled_and_its_letters_open() {
    let bench = Bench::new();
    bench.process(&[bench.narrow("d1", 1)]);
    bench.file_all();
    let owner = Bench::demo();
    let progress =
        bench.replay_until(&owner, RunRequest::replay("me"), bench.at(0)).expect("started");
    let run = bench.cancel(&owner, &progress.run.replay_id);
    assert_eq!(run.phase, Phase::Cancelled);
    assert_eq!(bench.resume(&owner, &run.replay_id).run.examined, 0);
    assert_eq!(open_letters(&bench, &owner).len(), 1);
}

#[test]
fn a_cancelled_run_stops_after_the_current_batch() {
    let bench = Bench::in_steps();
    let records: Vec<_> = (1..=9).map(|at| bench.narrow("d1", at)).collect();
    bench.process(&records);
    bench.file_all();
    let owner = Bench::demo();
    let request = RunRequest { rate: 1, ..RunRequest::replay("me") };
    let mut running = bench.start(&owner, request);
    bench.poll_until(&mut running, || {
        bench.runs(&owner).first().is_some_and(|run| run.examined == 3)
    });
    let id = bench.runs(&owner).remove(0).replay_id;
    bench.cancel(&owner, &id);
    let run = bench.finish(running).expect("worked").run;
    assert_eq!(run.phase, Phase::Cancelled);
    assert!(run.examined <= 4, "{}", run.examined);
    let shown = bench.runs(&owner).remove(0);
    assert_eq!((shown.phase, shown.examined), (Phase::Cancelled, run.examined));
    assert!(shown.ended_at.is_some());
}

#[test]
fn a_run_is_shown_as_interrupted_after_a_crash_and_can_be_resumed() {
    let bench = Bench::in_steps();
    let records: Vec<_> = (1..=4).map(|at| bench.narrow("d1", at)).collect();
    bench.process(&records);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let owner = Bench::demo();
    let request = RunRequest { rate: 1, ..RunRequest::replay("me") };
    let mut running = bench.start(&owner, request);
    bench.poll_until(&mut running, || open_letters(&bench, &owner).len() == 2);
    drop(running);
    bench.later(31);
    let id = bench.runs(&owner).remove(0).replay_id;
    let run = bench.show(&owner, &id);
    assert_eq!((run.phase, run.reason), (Phase::Paused, Some(PublicReason::Interrupted)));
    assert!(run.examined < 2, "it crashed before it counted the letters");
    let run = bench.resume(&owner, &id).run;
    assert_eq!((run.phase, run.examined), (Phase::Done, 4));
    assert_eq!(json!(run.outcomes), json!({"applied": 4}));
}

#[test]
fn a_run_ignores_letters_stored_after_it_started() {
    let bench = Bench::new();
    bench.process(&[bench.narrow("d1", 1)]);
    bench.file_all();
    let owner = Bench::demo();
    let paused =
        bench.replay_until(&owner, RunRequest::replay("me"), bench.at(0)).expect("started").run;
    bench.later(5);
    bench.process(&[bench.narrow("d1", 2)]);
    bench.file_all();
    assert_eq!(bench.resume(&owner, &paused.replay_id).run.examined, 1);
}

#[test]
fn every_field_of_a_filter_is_applied() {
    let bench = Bench::new();
    bench.process(&[bench.narrow("d1", 1), bench.narrow("d2", 2), bench.ahead("d1", 3)]);
    bench.process(&[bench.broken(4)]);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let owner = Bench::demo();
    let ids: Vec<String> = bench.letters(&owner).into_iter().map(|one| one.letter.id).collect();
    let check = |filter: Filter, expected: serde_json::Value| {
        let request = RunRequest { dry_run: true, filter, ..RunRequest::replay("me") };
        assert_eq!(json!(bench.replay(&owner, request).run.outcomes), expected);
    };
    let text = |text: &str| Some(text.to_owned());
    check(
        Filter { code: text("malformed_json"), ..Filter::default() },
        json!({"malformed_json": 1}),
    );
    check(Filter { contract: text("other"), ..Filter::default() }, json!({}));
    check(
        Filter { contract: text("mine"), ..Filter::default() },
        json!({
        "applied": 2, "future_timestamp": 1, "malformed_json": 1}),
    );
    check(
        Filter { subject: text("device/d1"), ..Filter::default() },
        json!({
        "applied": 1, "future_timestamp": 1}),
    );
    check(Filter { subject: text("device/d2"), ..Filter::default() }, json!({"applied": 1}));
    let (from, to) = (Some(bench.at(2 - 60)), Some(bench.at(4 - 60)));
    check(Filter { from, to, ..Filter::default() }, json!({"applied": 1, "future_timestamp": 1}));
    check(Filter { ids: Some(vec![ids[1].clone()]), ..Filter::default() }, json!({"applied": 1}));
}

#[test]
fn parked_letters_are_skipped() {
    let bench = Bench::new();
    bench.process(&[bench.narrow("d1", 1), bench.narrow("d2", 2)]);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let owner = Bench::demo();
    let filter = Filter { subject: Some("device/d1".to_owned()), ..Filter::default() };
    let park = RunRequest { action: Action::Park, filter, ..RunRequest::replay("me") };
    let run = bench.replay(&owner, park).run;
    assert_eq!((run.action, json!(run.outcomes)), (Action::Park, json!({"parked": 1})));
    assert_eq!(
        json!(bench.replay(&owner, RunRequest::replay("me")).run.outcomes),
        json!({"applied": 1})
    );
    assert!(bench.history("demo", "d1").is_empty());
    assert_eq!(bench.history("demo", "d2"), [2]);
}

#[test]
fn the_operator_replays_letters_of_new_tenants_and_a_tenant_never_reaches_another() {
    let bench = Bench::new();
    bench.process(&[bench.of("newco", "d1", 1), bench.of("ghost", "d1", 2)]);
    bench.file_all();
    bench.put("T#newco", NEWCO);
    let mut request = RunRequest::replay("me");
    request.filter.tenant = Some("newco".to_owned());
    let run = bench.replay(&Owner::Operator, request).run;
    assert_eq!(json!(run.outcomes), json!({"applied": 1}));
    assert_eq!(json!(run.changed), json!(["newco/device/d1"]));
    assert_eq!(bench.history("newco", "d1"), [1]);
    let run = bench.replay(&Owner::Operator, RunRequest::replay("me")).run;
    assert_eq!(json!(run.outcomes), json!({"unknown_tenant": 1}));

    bench.process(&[bench.narrow("d1", 5)]);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    bench.put("R#known", r#"{"contract":"mine","tenant":{"const":"newco"}}"#);
    let run = bench.replay(&Bench::demo(), RunRequest::replay("me")).run;
    assert_eq!(
        json!(run.outcomes),
        json!({"tenant_mismatch": 1}),
        "its route leads to another tenant now"
    );
    assert_eq!(bench.history("newco", "d1"), [1]);
}

#[test]
fn a_letter_with_missing_parts_waits_for_them() {
    let bench = Bench::new();
    bench.process(&[bench.large("d1", 1)]);
    let parts: Vec<String> =
        bench.memory.state().letters.drain(..).map(|message| message.body).collect();
    assert!(parts.len() > 1);
    bench.file(&parts[1]);
    let owner = Bench::demo();
    let run = bench.replay(&owner, RunRequest::replay("me")).run;
    assert_eq!(json!(run.outcomes), json!({"incomplete": 1}));
    assert_eq!(open_letters(&bench, &owner)[0].letter.replay_count, 0);
    parts.iter().for_each(|part| bench.file(part));
    let run = bench.replay(&owner, RunRequest::replay("me")).run;
    assert_eq!(
        json!(run.outcomes),
        json!({"too_large": 1}),
        "the letter is complete and too large"
    );
}

#[test]
fn invalid_parameters_are_refused_before_any_write() {
    let bench = Bench::new();
    let owner = Bench::demo();
    let check = |change: fn(&mut RunRequest), named: &str| {
        let mut request = RunRequest::replay("me");
        change(&mut request);
        let refused = bench.try_replay(&owner, request).expect_err(named);
        assert!(matches!(&refused, Refusal::Invalid(text) if text.starts_with(named)), "{refused}");
    };
    check(|request| request.limit = 0, "limit");
    check(|request| request.rate = 0, "rate");
    check(|request| request.max_replays = 0, "max_replays");
    check(|request| request.views = 21, "views");
    check(|request| request.by = "x".repeat(257), "by");
    check(|request| request.filter.code = Some("typo".to_owned()), "filter.code");
    check(|request| request.filter.subject = Some("d1".to_owned()), "filter.subject");
    check(|request| request.filter.ids = Some(vec!["x".to_owned()]), "filter.ids");
    check(|request| request.filter.ids = Some(Vec::new()), "filter.ids");
    check(|request| request.filter.state = Some(State::Resolved), "filter.state");
    check(|request| request.filter.tenant = Some("acme".to_owned()), "filter.tenant");
    check(
        |request| {
            (request.filter.from, request.filter.to) = (Some(Timestamp::MAX), Some(Timestamp::MIN))
        },
        "filter.from",
    );
    assert!(bench.memory.state().filed.is_empty());
    assert_eq!(bench.try_resume(&owner, "nothing"), Err(Refusal::NotFound));
}

#[test]
fn a_filtered_run_does_not_skip_a_letter_that_it_could_not_read() {
    let bench = Bench::new();
    bench.process(&[bench.narrow("d1", 1)]);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let owner = Bench::demo();
    let mut request = RunRequest::replay("me");
    request.filter.subject = Some("device/d1".to_owned());
    bench.memory.fail(|call| if call == Call::Document { Fault::Refused } else { Fault::None });
    for action in [Action::Park, Action::Replay] {
        let run = bench.replay(&owner, RunRequest { action, ..request.clone() }).run;
        assert_eq!((run.phase, run.examined), (Phase::Paused, 0), "{action:?}");
    }
    bench.memory.fail_nothing();
    let id = bench.runs(&owner).into_iter().find(|run| run.action == Action::Replay);
    let run = bench.resume(&owner, &id.expect("a run").replay_id).run;
    assert_eq!(json!(run.outcomes), json!({"applied": 1}));
}

#[test]
fn a_lost_answer_to_saving_the_record_is_not_another_invocation() {
    let bench = Bench::new();
    let records: Vec<_> = (1..=3).map(|at| bench.narrow("d1", at)).collect();
    bench.process(&records);
    bench.file_all();
    bench.put_contract("mine", WIDE);
    let owner = Bench::demo();
    let mut calls = 0;
    bench.memory.fail(move |call| {
        calls += u32::from(call == Call::Run);
        if call == Call::Run && calls == 2 { Fault::LostAfter } else { Fault::None }
    });
    let run = bench.replay(&owner, RunRequest { rate: 1, ..RunRequest::replay("me") }).run;
    assert_eq!((run.phase, run.examined), (Phase::Paused, 1));
    let run = bench.resume(&owner, &run.replay_id).run;
    assert_eq!((run.phase, json!(run.outcomes)), (Phase::Done, json!({"applied": 3})));
}
