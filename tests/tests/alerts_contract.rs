//! The contract of every `Alerts`: each fact is checked in memory and on DynamoDB.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]
#![recursion_limit = "256"]

use std::sync::Arc;

use drover_aws::Aws;
use drover_core::base::cost::Units;
use drover_core::base::error::Reason;
use drover_core::base::id::{SubjectId, SubjectKey, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::memory::Memory;
use drover_core::outputs::alerts::acts::{Act, Acts, Remark};
use drover_core::outputs::alerts::{
    Alert, AlertId, AlertList, AlertPage, AlertWrite, Cause, Latest, Reflected, Retraction,
    SubjectAlerts, time_key,
};
use drover_core::outputs::changes::CommitId;
use drover_core::outputs::timers::{Minute, TimerKey, TimerKind};
use drover_core::ports::{ALERTS_WRITTEN, Alerts, Timers};
use drover_core::view::rules::{Ending, Episode, Moment};
use drover_tests::dynamodb::ports;

fn memory() -> Memory {
    Memory::new(Timestamp::MIN)
}

async fn dynamodb() -> Aws {
    ports().await.expect("a DynamoDB")
}

/// Tests share the table, so each has its own tenant.
fn tenant(id: &str) -> TenantScope {
    TenantScope::by_operator(TenantId::parse(id).expect("a tenant"))
}

fn subject(tenant_id: &str, id: &str) -> SubjectKey {
    let subject = SubjectId::parse(&format!("device/{id}")).expect("a subject");
    tenant(tenant_id).subject(subject)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000).expect("in range")
}

fn reflected(version: u64, revision: u64) -> Reflected {
    Reflected { commit: CommitId { era: 1, version }, revision }
}

/// An open alert.
fn open(subject: &SubjectKey, rule: &str, opened_at: i64) -> Alert {
    let episode = Episode {
        rule: Arc::from(rule),
        version: 1,
        opened: Moment::time(at(opened_at)),
        closed: None,
        severity: Severity::Warning,
        value: None,
    };
    let id = AlertId::new(subject, &episode, CommitId { era: 1, version: 1 });
    let (acts, latest) = (Acts::default(), Latest::default());
    Alert { id, episode, retracted: None, latches: false, acts, latest }
}

fn closed(alert: &Alert, closed_at: i64) -> Alert {
    let closed = Some((Moment::time(at(closed_at)), Ending::Cleared));
    Alert { episode: Episode { closed, ..alert.episode.clone() }, ..alert.clone() }
}

fn retracted(alert: &Alert, until: i64) -> Alert {
    let cause =
        Cause::Event { event_id: Arc::from("late"), observed_at: at(1), late_seconds: Some(3_600) };
    Alert { retracted: Some(Retraction { cause, until: at(until) }), ..alert.clone() }
}

fn opening(alert: &Alert) -> AlertWrite {
    AlertWrite { old: None, new: Some(alert.clone()) }
}

fn change(old: &Alert, new: &Alert) -> AlertWrite {
    AlertWrite { old: Some(old.clone()), new: Some(new.clone()) }
}

fn deletion(old: &Alert) -> AlertWrite {
    AlertWrite { old: Some(old.clone()), new: None }
}

/// Writes under the expectation that the subject has reached this revision, and raises it by one.
async fn write(
    alerts: &impl Alerts,
    subject: &SubjectKey,
    revision: u64,
    writes: &[AlertWrite],
) -> (bool, Units) {
    let expected = (revision > 0).then(|| reflected(revision, revision));
    let new = reflected(revision + 1, revision + 1);
    let written = alerts.write_alerts(subject, expected, new, writes, at(1_000)).await;
    let written = written.expect("available");
    (written.answer, written.units)
}

async fn apply(
    alerts: &impl Alerts,
    subject: &SubjectKey,
    revision: u64,
    writes: &[AlertWrite],
) -> Units {
    let (applied, units) = write(alerts, subject, revision, writes).await;
    assert!(applied, "revision {revision}");
    units
}

async fn read(alerts: &impl Alerts, subject: &SubjectKey, closed_from: i64) -> SubjectAlerts {
    alerts.alerts(subject, at(closed_from)).await.expect("available").answer
}

fn all() -> AlertPage {
    AlertPage { only_open: false, from: None, below: None, limit: 100 }
}

fn only_open() -> AlertPage {
    AlertPage { only_open: true, ..all() }
}

async fn list(alerts: &impl Alerts, tenant: &TenantScope, page: &AlertPage) -> AlertList {
    let list = alerts.list_alerts(tenant, page).await.expect("available").answer;
    assert_eq!(list.unreadable, 0);
    list
}

/// The pages of a list until the last one.
async fn pages(
    alerts: &impl Alerts,
    tenant: &TenantScope,
    page: &AlertPage,
) -> Vec<(SubjectKey, Alert)> {
    let (mut found, mut page) = (Vec::new(), page.clone());
    loop {
        let read = list(alerts, tenant, &page).await;
        assert!(read.alerts.len() <= page.limit);
        found.extend(read.alerts);
        let Some(next) = read.next else { return found };
        page.below = Some(next);
    }
}

#[tokio::test]
async fn an_alert_is_open_and_then_closed_and_then_retracted_and_keeps_its_id() {
    async fn fact(alerts: &impl Alerts) {
        let (tenant, subject) = (tenant("moves"), subject("moves", "a#b/ü"));
        assert_eq!(read(alerts, &subject, 0).await, SubjectAlerts::default());
        let mut alert = open(&subject, "hot", 100);
        let mut states = vec![alert.clone()];
        // Changes while it is open, closes, closes later, opens again, and is retracted.
        alert.episode.severity = Severity::Critical;
        states.extend([alert.clone(), closed(&alert, 200), closed(&alert, 300), alert.clone()]);
        states.push(retracted(&alert, 250));
        let mut before: Option<Alert> = None;
        for (state, revision) in states.into_iter().zip(0..) {
            let change = AlertWrite { old: before.take(), new: Some(state.clone()) };
            apply(alerts, &subject, revision, &[change]).await;
            let expected = SubjectAlerts {
                reflected: Some(reflected(revision + 1, revision + 1)),
                alerts: vec![state.clone()],
            };
            assert_eq!(read(alerts, &subject, 0).await, expected);
            let listed = vec![(subject.clone(), state.clone())];
            assert_eq!(list(alerts, &tenant, &all()).await.alerts, listed);
            let open = if state.closed_at().is_none() { listed } else { Vec::new() };
            assert_eq!(list(alerts, &tenant, &only_open()).await.alerts, open);
            before = Some(state);
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_subject_s_alerts_are_those_that_are_open_or_closed_at_a_time_or_later() {
    async fn fact(alerts: &impl Alerts) {
        let (subject, other) = (subject("since", "a"), subject("since", "b"));
        let before = closed(&open(&subject, "hot", 10), 20);
        let then = closed(&open(&subject, "hot", 30), 40);
        let taken = retracted(&open(&subject, "cold", 5), 50);
        let still = open(&subject, "silent", 1);
        let sorted = [before, then, taken, still];
        let writes: Vec<AlertWrite> = sorted.iter().rev().map(opening).collect();
        apply(alerts, &subject, 0, &writes).await;
        apply(alerts, &other, 0, &[opening(&open(&other, "hot", 15))]).await;
        for (closed_from, expected) in [
            (0, &sorted[..]),
            (20, &sorted),
            (40, &sorted[1..]),
            (50, &sorted[2..]),
            (51, &sorted[3..]),
        ] {
            let found = read(alerts, &subject, closed_from).await;
            assert_eq!(found.reflected, Some(reflected(1, 1)), "from {closed_from}");
            assert_eq!(found.alerts, expected, "from {closed_from}");
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// A reader may have seen the new commit with an alert from before it.
#[tokio::test]
async fn a_writer_that_read_another_alert_under_the_same_key_changes_nothing() {
    async fn fact(alerts: &impl Alerts) {
        let subject = subject("mixed", "a");
        let first = open(&subject, "hot", 10);
        let remark = Remark { by: "key:1".into(), at: at(50), note: "on it".into() };
        let acted =
            first.acted(Act::Acknowledge, remark, CommitId::default()).expect("it is firing");
        let raised = Episode { severity: Severity::Critical, ..first.episode.clone() };
        let raised = Alert { episode: raised, ..first.clone() };
        apply(alerts, &subject, 0, &[opening(&first)]).await;
        apply(alerts, &subject, 1, &[change(&first, &acted)]).await;
        let stored = read(alerts, &subject, 0).await;
        assert_eq!(stored.alerts, [acted]);
        assert!(!write(alerts, &subject, 2, &[change(&first, &raised)]).await.0);
        assert_eq!(read(alerts, &subject, 0).await, stored);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_writer_that_expects_another_commit_changes_nothing() {
    async fn fact(alerts: &impl Alerts) {
        let subject = subject("losers", "a");
        let (first, second) = (open(&subject, "hot", 10), open(&subject, "cold", 20));
        // The subject has none yet.
        assert!(!write(alerts, &subject, 1, &[opening(&first)]).await.0);
        assert_eq!(read(alerts, &subject, 0).await, SubjectAlerts::default());
        apply(alerts, &subject, 0, &[opening(&first)]).await;
        let stored = read(alerts, &subject, 0).await;
        let losing = [deletion(&first), opening(&second)];
        let expectations = [
            None,
            Some(reflected(1, 2)),
            Some(reflected(2, 1)),
            Some(Reflected { commit: CommitId { era: 2, version: 1 }, revision: 1 }),
        ];
        for expected in expectations {
            let lost = alerts.write_alerts(&subject, expected, reflected(3, 3), &losing, at(0));
            assert!(!lost.await.expect("available").answer, "{expected:?}");
            assert_eq!(read(alerts, &subject, 0).await, stored);
        }
        apply(alerts, &subject, 1, &losing).await;
        assert_eq!(read(alerts, &subject, 0).await.alerts, [second]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// The SDK repeats a transaction whose answer was lost.
#[tokio::test]
async fn a_write_that_is_stored_already_counts_as_done() {
    async fn fact(alerts: &impl Alerts) {
        let subject = subject("again", "a");
        let alert = open(&subject, "hot", 10);
        for _ in 0..2 {
            apply(alerts, &subject, 0, &[opening(&alert)]).await;
        }
        for _ in 0..2 {
            apply(alerts, &subject, 1, &[change(&alert, &closed(&alert, 20))]).await;
        }
        assert_eq!(read(alerts, &subject, 0).await.alerts, [closed(&alert, 20)]);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

/// A query may see the reflected commit of a transaction before its other changes.
#[tokio::test]
async fn an_alert_that_has_moved_since_it_was_read_is_not_written_under_a_second_key() {
    let aws = dynamodb().await;
    let subject = subject("moved", "a");
    let alert = open(&subject, "hot", 10);
    apply(&aws, &subject, 0, &[opening(&alert)]).await;
    apply(&aws, &subject, 1, &[change(&alert, &closed(&alert, 20))]).await;
    let stale = [change(&alert, &closed(&alert, 30))];
    let (expected, new) = (Some(reflected(2, 2)), reflected(3, 3));
    let lost = aws.write_alerts(&subject, expected, new, &stale, at(0)).await;
    assert!(!lost.expect("available").answer);
    assert_eq!(read(&aws, &subject, 0).await.alerts, [closed(&alert, 20)]);
}

#[tokio::test]
async fn one_write_changes_up_to_49_alerts_or_only_the_reflected_commit() {
    async fn fact(alerts: &impl Alerts) {
        let subject = subject("many", "a");
        apply(alerts, &subject, 0, &[]).await;
        let many = (0..).map(|number| open(&subject, "hot", number));
        let many: Vec<Alert> = many.take(ALERTS_WRITTEN).collect();
        let opened: Vec<AlertWrite> = many.iter().map(opening).collect();
        apply(alerts, &subject, 1, &opened).await;
        // Each puts an item and deletes another.
        let ended: Vec<AlertWrite> =
            many.iter().map(|alert| change(alert, &closed(alert, 100))).collect();
        apply(alerts, &subject, 2, &ended).await;
        let found = read(alerts, &subject, 0).await;
        assert_eq!((found.alerts.len(), found.reflected), (ALERTS_WRITTEN, Some(reflected(3, 3))));
        assert!(found.alerts.iter().all(|alert| alert.closed_at() == Some(at(100))));
        let too_many = vec![opening(&open(&subject, "cold", 7)); ALERTS_WRITTEN + 1];
        let refused = alerts.write_alerts(&subject, None, reflected(4, 4), &too_many, at(0)).await;
        assert_eq!(refused.err().map(|error| error.reason), Some(Reason::Bug));
        let gone: Vec<AlertWrite> = found.alerts.iter().map(deletion).collect();
        apply(alerts, &subject, 3, &gone).await;
        let expected = SubjectAlerts { reflected: Some(reflected(4, 4)), alerts: Vec::new() };
        assert_eq!(read(alerts, &subject, 0).await, expected);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn alerts_of_more_than_a_megabyte_are_read_completely() {
    async fn fact(alerts: &impl Alerts) {
        let subject = subject("large", "a");
        let rule = "r".repeat(60_000);
        let large: Vec<Alert> = (0..20).map(|number| open(&subject, &rule, number)).collect();
        for (part, revision) in large.chunks(10).zip(0..) {
            let writes: Vec<AlertWrite> = part.iter().map(opening).collect();
            apply(alerts, &subject, revision, &writes).await;
        }
        let found = read(alerts, &subject, 0).await;
        assert_eq!((found.alerts, found.reflected), (large.clone(), Some(reflected(2, 2))));
        let mut listed = pages(alerts, &tenant("large"), &only_open()).await;
        listed.reverse();
        assert_eq!(listed.into_iter().map(|(_, alert)| alert).collect::<Vec<_>>(), large);
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn alerts_of_a_tenant_are_listed_in_pages_newest_first_within_bounds_and_each_once() {
    async fn fact(alerts: &impl Alerts) {
        let tenant = tenant("lists");
        let mut newest_first: Vec<(SubjectKey, Alert)> = Vec::new();
        for device in ["a", "b", "c"] {
            let subject = subject("lists", device);
            let mut writes = Vec::new();
            for (rule, opened_at) in [("hot", 100), ("cold", 200), ("silent", 300)] {
                let alert = open(&subject, rule, opened_at);
                let alert = if rule == "cold" { closed(&alert, 250) } else { alert };
                writes.push(opening(&alert));
                newest_first.push((subject.clone(), alert));
            }
            apply(alerts, &subject, 0, &writes).await;
        }
        newest_first.sort_by(|(_, one), (_, other)| other.id.cmp(&one.id));
        let ids: Vec<String> =
            newest_first.iter().map(|(_, alert)| alert.id.as_str().to_owned()).collect();
        let times = [101, 200].map(|seconds| time_key(at(seconds)));
        let ends = ["", "g"].map(str::to_owned);
        let bounds = ids.iter().step_by(4).chain(&times).chain(&ends).cloned();
        let bounds: Vec<Option<String>> = bounds.map(Some).chain([None]).collect();
        for (from, below) in
            bounds.iter().flat_map(|from| bounds.iter().map(move |below| (from, below)))
        {
            for (only_open, limit) in [(false, 100), (false, 2), (true, 100), (true, 1)] {
                let page = AlertPage { only_open, from: from.clone(), below: below.clone(), limit };
                let expected = newest_first.iter().filter(|(_, alert)| {
                    let id = alert.id.as_str();
                    (!only_open || alert.closed_at().is_none())
                        && from.as_deref().is_none_or(|from| id >= from)
                        && below.as_deref().is_none_or(|below| id < below)
                });
                let expected: Vec<_> = expected.cloned().collect();
                assert_eq!(pages(alerts, &tenant, &page).await, expected, "{page:?}");
            }
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn a_tenant_sees_only_its_own_alerts() {
    async fn fact(alerts: &impl Alerts) {
        // Names that contain or continue one another.
        let tenants = ["sees", "sees-a", "see"];
        for name in tenants {
            let subject = subject(name, "a");
            apply(alerts, &subject, 0, &[opening(&open(&subject, "hot", 1))]).await;
        }
        for name in tenants {
            for page in [all(), only_open()] {
                let listed = list(alerts, &tenant(name), &page).await.alerts;
                let expected = (subject(name, "a"), open(&subject(name, "a"), "hot", 1));
                assert_eq!(listed, [expected]);
            }
            assert_eq!(read(alerts, &subject(name, "a"), 0).await.alerts.len(), 1);
        }
        assert_eq!(list(alerts, &tenant("sees-none"), &all()).await, AlertList::default());
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

#[tokio::test]
async fn alerts_and_armed_minutes_of_a_subject_do_not_meet() {
    async fn fact<P: Alerts + Timers>(ports: &P) {
        let subject = subject("armed", "a");
        let alert = open(&subject, "hot", 1);
        apply(ports, &subject, 0, &[opening(&alert)]).await;
        for kind in TimerKind::ALL {
            let key = TimerKey { kind, subject: subject.clone() };
            let armed = ports.replace_armed_minute(&key, None, Some(Minute(7)));
            armed.await.expect("available");
        }
        apply(ports, &subject, 1, &[change(&alert, &closed(&alert, 2))]).await;
        let found = ports.alerts(&subject, Timestamp::MIN).await.expect("available").answer;
        assert_eq!(found.alerts, [closed(&alert, 2)]);
        for kind in TimerKind::ALL {
            let key = TimerKey { kind, subject: subject.clone() };
            let armed = ports.armed_minute(&key).await.expect("available").answer;
            assert_eq!(armed, Some(Minute(7)));
        }
    }
    fact(&memory()).await;
    fact(&dynamodb().await).await;
}

async fn costs(alerts: &impl Alerts) {
    let written = |items: f64, entries: f64| Units { read: 0.0, write: 2.0 * items + entries };
    let (tenant, subject) = (tenant("costs"), subject("costs", "a"));
    let mut alert = open(&subject, "hot", 10);
    // The reflected commit alone.
    assert_eq!(apply(alerts, &subject, 0, &[]).await, written(1.0, 0.0));
    // An entry in each of both indexes.
    assert_eq!(apply(alerts, &subject, 1, &[opening(&alert)]).await, written(2.0, 2.0));
    let before = alert.clone();
    alert.episode.severity = Severity::Critical;
    // The same item, and the same entries with other content.
    assert_eq!(apply(alerts, &subject, 2, &[change(&before, &alert)]).await, written(2.0, 2.0));
    let after = closed(&alert, 20);
    // Another item with one entry; the old item goes, and both of its entries.
    assert_eq!(apply(alerts, &subject, 3, &[change(&alert, &after)]).await, written(3.0, 3.0));
    // A failed write costs as much as its items.
    let lost = write(alerts, &subject, 2, &[change(&alert, &after)]).await;
    assert_eq!(lost, (false, written(3.0, 0.0)));
    assert_eq!(apply(alerts, &subject, 4, &[deletion(&after)]).await, written(2.0, 1.0));

    let few: Vec<Alert> = (0..5).map(|number| open(&subject, "hot", number)).collect();
    let writes: Vec<AlertWrite> = few.iter().map(opening).collect();
    apply(alerts, &subject, 5, &writes).await;
    let read = alerts.alerts(&subject, at(0)).await.expect("available");
    assert_eq!((read.answer.alerts.len(), read.units), (5, Units { read: 1.0, write: 0.0 }));
    let listed = alerts.list_alerts(&tenant, &all()).await.expect("available");
    assert_eq!((listed.answer.alerts.len(), listed.units.write), (5, 0.0));
    assert!(listed.units.read > 0.0 && listed.units.read <= 1.0, "{:?}", listed.units);
}

#[tokio::test]
async fn alerts_cost_what_their_documentation_says() {
    costs(&memory()).await;
    // DynamoDB Local counts transactions differently: see `differences`.
    costs(&drover_tests::dynamodb::embedded().await.expect("an embedded DynamoDB")).await;
}
