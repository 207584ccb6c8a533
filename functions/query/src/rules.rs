//! `GET /api/v1/rules…`: the tenant's alert rules with their alerts, and the versions of a rule.
//!
//! Rules are shown as they were applied, because that is what people edit. Both routes read a bounded amount, and
//! `complete` says whether that was enough.
//!
//! Left out: versions of the whole document, which `drover rules list --versions` shows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::base::time::Timestamp;
use drover_core::outputs::alerts::{Alert, AlertList, AlertPage};
use drover_core::registry::StoredRules;
use drover_http::{Credentials, NotAdmitted, Parameters, Problem, ProblemBody};
use futures_util::future::try_join_all;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

use crate::access::{Access, Visit};
use crate::answer::Refused;
use crate::{QueryPorts, limits};

/// The first page of the alerts that are open.
const OPEN: AlertPage =
    AlertPage { only_open: true, from: None, below: None, limit: limits::ALERTS };
/// The first page of all alerts.
const ALL: AlertPage =
    AlertPage { only_open: false, from: None, below: None, limit: limits::ALERTS };

/// The tenant's alert rules.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesAnswer {
    /// The number of the newest version; `null` if the tenant never had rules.
    #[schema(required = true, example = 1)]
    version: Option<u32>,
    /// When this version comes into force; `null` if the tenant never had rules.
    #[schema(required = true, format = DateTime)]
    in_force_from: Option<String>,
    /// In the order of the document.
    rules: Vec<RuleSummary>,
    /// Whether all alerts that matter were read. If not, `open_alerts` are lower bounds, and a `last_opened_at` of
    /// `null` means that it is unknown.
    #[schema(example = true)]
    complete: bool,
}

/// An alert rule and its alerts.
#[derive(Debug, Serialize, ToSchema)]
struct RuleSummary {
    #[schema(example = "hot")]
    id: String,
    /// The document, as `drover apply` takes it.
    #[schema(
        value_type = BTreeMap<String, Value>,
        example = json!({"id": "hot", "contract": "telemetry", "measure": "temperature", "when": {"above": 30}})
    )]
    rule: Value,
    /// The number of alerts that are firing, whichever version opened them.
    #[schema(example = 2)]
    open_alerts: u64,
    /// `opened_at` of the newest alert, whatever its state. Alerts are kept for 90 days after they closed.
    #[schema(required = true, format = DateTime)]
    last_opened_at: Option<String>,
}

/// The versions of an alert rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleVersionsAnswer {
    #[schema(example = "hot")]
    id: String,
    /// The versions of the tenant's rules that added or changed this rule, the newest first.
    versions: Vec<RuleVersionBody>,
    /// Whether all versions of the tenant's rules were read. If not, the last rule in the list may be older than its
    /// version.
    #[schema(example = true)]
    complete: bool,
}

/// A version of an alert rule. A version never changes.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct RuleVersionBody {
    /// The number of the version of the tenant's rules.
    #[schema(example = 1)]
    version: u32,
    #[schema(format = DateTime)]
    applied_at: String,
    #[schema(example = "ann@cli")]
    applied_by: String,
    /// When this version comes into force.
    #[schema(format = DateTime)]
    in_force_from: String,
    /// The document, as `drover apply` takes it.
    #[schema(
        value_type = BTreeMap<String, Value>,
        example = json!({"id": "hot", "contract": "telemetry", "measure": "temperature", "when": {"above": 30}})
    )]
    rule: Value,
    /// The version that removed this rule; `null` if it is in the newest version, or if a later version in the list
    /// changed it.
    #[schema(required = true, example = 3)]
    removed_by_version: Option<u32>,
}

/// Problems of an alert rule that does not exist.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum NoRule {
    /// `not_found`: no version that was read has a rule with this id
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

pub(crate) fn routes<W: QueryPorts + 'static>(access: Arc<Access<W>>) -> Router {
    Router::new()
        .route("/api/v1/rules", get(list::<W>))
        .route("/api/v1/rules/{id}/versions", get(versions::<W>))
        .with_state(access)
}

#[utoipa::path(
    get,
    path = "/api/v1/rules",
    operation_id = "list_rules",
    tag = "alerts",
    summary = "List alert rules with their open alerts",
    description = "Lists the rules of the newest version, also if it is not in force yet. Alerts of rules that were \
        removed do not count. The response reads at most 2,000 open alerts, and looks for the newest alert of each \
        rule among the newest 2,000 alerts.",
    responses(
        (status = 200, description = "Rules, in the order of the document", body = RulesAnswer),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn list<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<RulesAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    let Some(stored) = visit.current_rules().await? else {
        let (version, in_force_from, rules) = (None, None, Vec::new());
        return Ok(Json(RulesAnswer { version, in_force_from, rules, complete: true }));
    };
    let activity = Activity::read(&visit, &stored).await?;
    let rules = stored.documents().map(|(id, rule)| RuleSummary {
        id: id.to_owned(),
        rule: rule.clone(),
        open_alerts: activity.open.get(id).copied().unwrap_or_default(),
        last_opened_at: activity.last_opened.get(id).map(ToString::to_string),
    });
    Ok(Json(RulesAnswer {
        version: Some(stored.version),
        in_force_from: Some(stored.starts_at.to_string()),
        rules: rules.collect(),
        complete: activity.complete,
    }))
}

#[utoipa::path(
    get,
    path = "/api/v1/rules/{id}/versions",
    operation_id = "list_rule_versions",
    tag = "alerts",
    summary = "List the versions of an alert rule, the newest first",
    description = "Lists the versions of the tenant's rules that added this rule or changed it, among the newest 100 \
        versions. If these have more than 2 MB, the response reads fewer.",
    params(("id" = String, Path, description = "The id of the rule", max_length = 64, example = "hot")),
    responses(
        (status = 200, description = "The versions", body = RuleVersionsAnswer),
        Refused,
        NoRule,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn versions<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<RuleVersionsAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let Path(id) = path.map_err(|_| Problem::invalid_parameter("id", "the path is not UTF-8"))?;
    Parameters::parse(query.as_deref())?.finish()?;
    let stored = newest_versions(&visit).await?;
    let complete = stored.last().is_none_or(|oldest| oldest.version == 1);
    let versions = changes_of(&id, &stored);
    match (versions.is_empty(), complete) {
        (false, _) => Ok(Json(RuleVersionsAnswer { id, versions, complete })),
        (true, true) => Err(Problem::not_found("the tenant never had a rule with this id")),
        (true, false) => Err(Problem::not_found(
            "the newest versions of the tenant's rules have no rule with this id",
        )),
    }
}

/// What the alerts say about rules, by the ids of the rules.
#[derive(Debug, Default)]
struct Activity {
    open: BTreeMap<Arc<str>, u64>,
    last_opened: BTreeMap<Arc<str>, Timestamp>,
    /// Whether everything was read.
    complete: bool,
}

impl Activity {
    async fn read<W: QueryPorts>(
        visit: &Visit<'_, W>,
        rules: &StoredRules,
    ) -> Result<Self, Problem> {
        let (mut open, mut last_opened) = (BTreeMap::new(), BTreeMap::new());
        let mut unseen: BTreeSet<&str> = rules.documents().map(|(id, _)| id).collect();
        if unseen.is_empty() {
            return Ok(Self { complete: true, ..Self::default() });
        }
        let all_open = walk(visit, OPEN, |alert| {
            *open.entry(Arc::clone(&alert.episode.rule)).or_default() += 1;
            ControlFlow::Continue(())
        });
        let is_open_complete = all_open.await?;
        let newest = walk(visit, ALL, |alert| {
            if unseen.remove(&*alert.episode.rule) {
                last_opened.insert(Arc::clone(&alert.episode.rule), alert.episode.opened.at);
            }
            if unseen.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let complete = newest.await? && is_open_complete;
        Ok(Self { open, last_opened, complete })
    }
}

/// Visits alerts from a page on, the newest first, until no more are needed. Returns whether it visited all of these.
async fn walk<W: QueryPorts>(
    visit: &Visit<'_, W>,
    mut page: AlertPage,
    mut each: impl FnMut(&Alert) -> ControlFlow<()>,
) -> Result<bool, Problem> {
    let mut unreadable_alerts = 0;
    for _ in 0..limits::ALERT_READS {
        let AlertList { alerts, unreadable, next } = visit.alerts(&page).await?;
        unreadable_alerts += unreadable;
        let ends = alerts.iter().try_for_each(|(_, alert)| each(alert));
        if ends.is_break() || next.is_none() {
            return Ok(unreadable_alerts == 0);
        }
        page.below = next;
    }
    Ok(false)
}

/// The newest versions of the tenant's rules, the newest first and without a gap.
async fn newest_versions<W: QueryPorts>(visit: &Visit<'_, W>) -> Result<Vec<StoredRules>, Problem> {
    let Some(current) = visit.current_rules().await? else { return Ok(Vec::new()) };
    let older: Vec<u32> = (1..current.version).rev().take(limits::RULE_VERSIONS - 1).collect();
    let mut versions = vec![current];
    for numbers in older.chunks(limits::RULE_VERSIONS_TOGETHER) {
        if visit.read_bytes() >= limits::BEGUN_BYTES {
            break;
        }
        let reads = numbers.iter().map(|number| visit.rules_version(*number));
        versions.extend(try_join_all(reads).await?);
    }
    Ok(versions)
}

/// The versions that added a rule or changed it. `stored` are versions without a gap, the newest first; the version
/// before the last of them is unknown, so a rule in the last one counts as added there.
fn changes_of(id: &str, stored: &[StoredRules]) -> Vec<RuleVersionBody> {
    let (mut changes, mut removed_by_version) = (Vec::new(), None);
    let before = stored.iter().skip(1).map(|before| before.document(id)).chain([None]);
    for (version, before) in stored.iter().zip(before) {
        match version.document(id) {
            None => removed_by_version = Some(version.version),
            Some(rule) if Some(rule) == before => {}
            Some(rule) => changes.push(RuleVersionBody {
                version: version.version,
                applied_at: version.applied_at.to_string(),
                applied_by: version.applied_by.clone(),
                in_force_from: version.starts_at.to_string(),
                rule: rule.clone(),
                removed_by_version: removed_by_version.take(),
            }),
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A version with these rules: ids and bounds.
    fn version(version: u32, rules: &[(&str, i64)]) -> StoredRules {
        let rules = rules.iter().map(|(id, above)| json!({"id": id, "when": {"above": above}}));
        let rules: Vec<Value> = rules.collect();
        StoredRules {
            version,
            applied_at: Timestamp::MIN,
            applied_by: "ann@cli".to_owned(),
            starts_at: Timestamp::MIN,
            kinds: BTreeMap::new(),
            rules: json!({"tenant": "demo", "rules": rules}),
        }
    }

    /// Checks the listed versions of the rule `hot`: the number, the bound, and what removed it. The versions begin
    /// with the newest, whose number is `newest`.
    #[track_caller]
    fn check(newest: u32, versions: &[&[(&str, i64)]], expected: &[(u32, i64, Option<u32>)]) {
        let numbers = (1..=newest).rev();
        let stored: Vec<StoredRules> =
            numbers.zip(versions).map(|(number, rules)| version(number, rules)).collect();
        let changes = changes_of("hot", &stored);
        let bound = |rule: &Value| rule.pointer("/when/above").and_then(Value::as_i64);
        let found: Vec<_> = changes
            .iter()
            .map(|one| (one.version, bound(&one.rule).unwrap_or_default(), one.removed_by_version))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_version_that_changed_other_rules_only_is_not_listed() {
        check(1, &[&[("hot", 30)]], &[(1, 30, None)]);
        let unchanged: [&[_]; 3] =
            [&[("cold", 5), ("hot", 30)], &[("hot", 30), ("cold", 2)], &[("hot", 30)]];
        check(3, &unchanged, &[(1, 30, None)]);
        check(
            3,
            &[&[("hot", 40)], &[("hot", 40)], &[("hot", 30)]],
            &[(2, 40, None), (1, 30, None)],
        );
    }

    #[test]
    fn a_removed_rule_says_which_version_removed_it_also_if_it_came_back() {
        check(3, &[&[], &[], &[("hot", 30)]], &[(1, 30, Some(2))]);
        check(
            4,
            &[&[], &[("hot", 40)], &[("hot", 40)], &[("hot", 30)]],
            &[(2, 40, Some(4)), (1, 30, None)],
        );
        check(4, &[&[("hot", 30)], &[], &[("hot", 30)], &[]], &[(4, 30, None), (2, 30, Some(3))]);
    }

    #[test]
    fn a_rule_that_is_older_than_what_was_read_is_listed_once() {
        check(9, &[&[("hot", 30)], &[("hot", 30)]], &[(8, 30, None)]);
        check(9, &[&[], &[]], &[]);
        check(9, &[], &[]);
    }
}
