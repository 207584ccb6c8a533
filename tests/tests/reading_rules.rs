//! Reading alert rules: what counts as an alert of a rule, and how much one response reads.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

use std::sync::Arc;

use drover_core::base::id::{SubjectId, SubjectKey, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::severity::Severity;
use drover_core::base::time::Timestamp;
use drover_core::intake::document::{DocumentName, StoredDocument};
use drover_core::intake::quota::READ_UNIT_BYTES;
use drover_core::outputs::alerts::acts::Acts;
use drover_core::outputs::alerts::{
    Alert, AlertId, AlertWrite, Cause, Latest, Reflected, Retraction,
};
use drover_core::outputs::changes::CommitId;
use drover_core::ports::{ALERTS_WRITTEN, Alerts as _};
use drover_core::registry::StoredRules;
use drover_core::view::rules::{Ending, Episode, Moment};
use drover_query::limits;
use drover_tests::gateway::Answer;
use drover_tests::processor::{Extra, Host};
use drover_tests::query::{ACME, DEMO, Reader};
use serde_json::{Value, json};

const RULES: &str = "/api/v1/rules";
const VERSIONS: &str = "/api/v1/rules/hot/versions";
/// The alerts that one response reads of each listing.
const READ: i64 = (limits::ALERT_READS * limits::ALERTS).cast_signed() as i64;

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T07:00:00Z").expect("a time")
}

fn at(second: i64) -> Timestamp {
    now().plus_seconds(second)
}

fn hot(above: i64) -> Value {
    json!({"id": "hot", "contract": "telemetry", "measure": "temperature", "when": {"above": above}})
}

fn silent() -> Value {
    json!({"id": "silent", "contract": "telemetry", "absent": {"seconds": 900}})
}

fn host(rules: &[Value]) -> Host {
    let rules = vec![json!({"tenant": "demo", "rules": rules})];
    Host::new(now(), &Extra { rules, ..Extra::default() })
}

/// A host whose tenant `demo` has these versions of its rules.
fn host_with_versions(versions: &[Vec<Value>]) -> Host {
    let host = Host::new(now(), &Extra::default());
    let tenant = TenantId::parse("demo").expect("a name");
    for (version, rules) in (1..).zip(versions) {
        let stored = StoredRules {
            version,
            applied_at: at(i64::from(version)),
            applied_by: "ann@cli".to_owned(),
            starts_at: at(90 + i64::from(version)),
            kinds: std::iter::empty().collect(),
            rules: json!({"tenant": "demo", "rules": rules}),
        };
        let document = StoredDocument { json: stored.to_json().expect("JSON"), revision: 1 };
        let documents = &mut host.memory().state().documents;
        for name in [
            DocumentName::Rules(tenant.clone()),
            DocumentName::RulesVersion(tenant.clone(), version),
        ] {
            documents.insert(name.storage_key(), document.clone());
        }
    }
    host
}

fn subject(tenant: &str) -> SubjectKey {
    let scope = TenantScope::by_operator(TenantId::parse(tenant).expect("a name"));
    scope.subject(SubjectId::parse("device/d-1").expect("a subject"))
}

fn alert(subject: &SubjectKey, rule: &str, opened_at: Timestamp) -> Alert {
    let episode = Episode {
        rule: Arc::from(rule),
        version: 1,
        opened: Moment::time(opened_at),
        closed: None,
        severity: Severity::Warning,
        value: None,
    };
    let id = AlertId::new(subject, &episode, CommitId { era: 1, version: 1 });
    let (acts, latest) = (Acts::default(), Latest::default());
    Alert { id, episode, retracted: None, latches: false, acts, latest }
}

fn closed(mut alert: Alert) -> Alert {
    let at = alert.episode.opened.at.plus_seconds(1);
    alert.episode.closed = Some((Moment::time(at), Ending::Cleared));
    alert
}

fn retracted(mut alert: Alert) -> Alert {
    let until = alert.episode.opened.at;
    alert.retracted = Some(Retraction { cause: Cause::History, until });
    alert
}

async fn put(host: &Host, subject: &SubjectKey, alerts: impl IntoIterator<Item = Alert>) {
    let writes = alerts.into_iter().map(|new| AlertWrite { old: None, new: Some(new) });
    let writes: Vec<AlertWrite> = writes.collect();
    let mut reflected = None;
    for (revision, writes) in (1..).zip(writes.chunks(ALERTS_WRITTEN)) {
        let new = Reflected { commit: CommitId { era: 1, version: 1 }, revision };
        let written = host.memory().write_alerts(subject, reflected, new, writes, now()).await;
        assert!(written.expect("available").answer);
        reflected = Some(new);
    }
}

/// `complete`, and of each rule its number of open alerts and its last opening.
fn shown(answer: &Answer) -> (bool, Vec<Value>) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let rules = answer.json["rules"].as_array().expect("a list").iter();
    let rules = rules.map(|one| json!([one["id"], one["open_alerts"], one["last_opened_at"]]));
    (answer.json["complete"].as_bool().expect("a truth"), rules.collect())
}

/// The numbers of the listed versions, and `complete`.
fn listed(answer: &Answer) -> (Vec<u64>, bool) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let versions = answer.json["versions"].as_array().expect("a list").iter();
    let versions = versions.map(|one| one["version"].as_u64().expect("a number"));
    (versions.collect(), answer.json["complete"].as_bool().expect("a truth"))
}

#[tokio::test]
async fn a_rule_counts_the_open_alerts_of_its_tenant_and_shows_its_newest_opening() {
    let host = host(&[hot(30), silent()]);
    let (demo, acme) = (subject("demo"), subject("acme"));
    let alerts = [
        alert(&demo, "hot", at(10)),
        closed(alert(&demo, "hot", at(20))),
        alert(&demo, "hot", at(30)),
        retracted(alert(&demo, "hot", at(40))),
        alert(&demo, "removed", at(60)),
    ];
    put(&host, &demo, alerts).await;
    put(&host, &acme, [alert(&acme, "hot", at(50)), alert(&acme, "silent", at(50))]).await;
    let reader = Reader::over(&host);
    let expected = vec![json!(["hot", 2, at(40)]), json!(["silent", 0, null])];
    assert_eq!(shown(&reader.get(DEMO, RULES).await), (true, expected));
    assert_eq!(shown(&reader.get(ACME, RULES).await), (true, Vec::new()));
    assert_eq!(reader.get(ACME, VERSIONS).await.status, 404);
}

#[tokio::test]
async fn a_rule_with_more_open_alerts_than_are_read_says_so() {
    let host = host(&[hot(30), silent()]);
    let demo = subject("demo");
    put(&host, &demo, (1..READ).map(|second| alert(&demo, "hot", at(second)))).await;
    let reader = Reader::over(&host);
    let newest = at(READ - 1);
    let all = vec![json!(["hot", READ - 1, newest]), json!(["silent", 0, null])];
    assert_eq!(shown(&reader.get(DEMO, RULES).await), (true, all));

    // The oldest alerts are beyond the bound: the last opening of the second rule is unknown.
    let others = [alert(&demo, "silent", at(-10)), alert(&demo, "hot", at(-20))];
    let host = self::host(&[hot(30), silent()]);
    let alerts = (1..=READ).map(|second| alert(&demo, "hot", at(second)));
    put(&host, &demo, alerts.chain(others)).await;
    let bounded = vec![json!(["hot", READ, at(READ)]), json!(["silent", 0, null])];
    assert_eq!(shown(&Reader::over(&host).get(DEMO, RULES).await), (false, bounded));
}

#[tokio::test]
async fn closed_alerts_are_read_only_until_each_rule_has_its_newest() {
    let host = host(&[hot(30), silent()]);
    let demo = subject("demo");
    let old = (1..=READ).map(|second| closed(alert(&demo, "hot", at(second))));
    let new = [closed(alert(&demo, "silent", at(READ + 1))), alert(&demo, "hot", at(READ + 2))];
    put(&host, &demo, old.chain(new)).await;
    let reader = Reader::over(&host);
    let expected = vec![json!(["hot", 1, at(READ + 2)]), json!(["silent", 0, at(READ + 1)])];
    assert_eq!(shown(&reader.get(DEMO, RULES).await), (true, expected));
}

#[tokio::test]
async fn the_newest_version_is_shown_before_it_is_in_force() {
    let host = host_with_versions(&[vec![hot(30)], vec![hot(40)]]);
    let answer = Reader::over(&host).get(DEMO, RULES).await;
    assert_eq!(
        (&answer.json["version"], &answer.json["in_force_from"]),
        (&json!(2), &json!(at(92)))
    );
    assert_eq!(answer.json["rules"][0]["rule"], hot(40));
}

#[tokio::test]
async fn the_versions_of_a_rule_are_those_that_changed_it() {
    let host = host_with_versions(&[
        vec![hot(30)],
        vec![silent(), hot(30)],
        vec![hot(40)],
        vec![hot(40), silent()],
        vec![silent()],
    ]);
    let reader = Reader::over(&host);
    let answer = reader.get(DEMO, VERSIONS).await;
    assert_eq!(listed(&answer), (vec![3, 1], true));
    let newest = json!({
        "version": 3, "applied_at": at(3), "applied_by": "ann@cli", "in_force_from": at(93),
        "rule": hot(40), "removed_by_version": 5,
    });
    assert_eq!((&answer.json["id"], &answer.json["versions"][0]), (&json!("hot"), &newest));
    assert_eq!(answer.json["versions"][1]["removed_by_version"], Value::Null);
    let silent = reader.get(DEMO, "/api/v1/rules/silent/versions").await;
    assert_eq!(listed(&silent), (vec![4, 2], true), "version 3 did not have it");
    assert_eq!(silent.json["versions"][1]["removed_by_version"], 3);
    let never = reader.get(DEMO, "/api/v1/rules/cold/versions").await;
    assert_eq!((never.status, &never.json["code"]), (404, &json!("not_found")));
    let unknown = reader.get(DEMO, &format!("{VERSIONS}?limit=1")).await;
    assert_eq!((unknown.status, &unknown.json["code"]), (400, &json!("unknown_parameter")));
}

#[tokio::test]
async fn the_newest_hundred_versions_are_read() {
    let first = std::iter::once(vec![hot(20), silent()]);
    let versions: Vec<Vec<Value>> =
        first.chain((2..=limits::RULE_VERSIONS).map(|_| vec![hot(30)])).collect();
    let reader = Reader::over(&host_with_versions(&versions));
    assert_eq!(listed(&reader.get(DEMO, VERSIONS).await), (vec![2, 1], true));

    let more = [versions, vec![vec![hot(40)]]].concat();
    let reader = Reader::over(&host_with_versions(&more));
    assert_eq!(listed(&reader.get(DEMO, VERSIONS).await), (vec![101, 2], false));
    let older = reader.get(DEMO, "/api/v1/rules/silent/versions").await;
    assert_eq!(older.status, 404);
    assert!(older.text.contains("newest versions"), "{}", older.text);
}

#[tokio::test]
async fn large_versions_end_a_response_early_and_are_counted() {
    let mut large = silent();
    large["description"] = json!("x".repeat(200_000));
    let versions: Vec<Vec<Value>> = (0..60).map(|above| vec![hot(above), large.clone()]).collect();
    let reader = Reader::over(&host_with_versions(&versions));
    let (numbers, complete) = listed(&reader.get(DEMO, VERSIONS).await);
    assert!(!complete && (10..30).contains(&numbers.len()), "{numbers:?}");
    let bytes = reader.units.of("demo") * READ_UNIT_BYTES;
    let least = 200_000.0 * f64::from(u32::try_from(numbers.len()).expect("few"));
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    let most = limits::READ_BYTES as f64;
    assert!((least..=most).contains(&bytes), "{bytes}");
}
