//! The JSON of an alert, for the API and the feed `alerts`.

use serde_json::{Value, json};

use super::acts::{Acts, Remark};
use super::{Alert, Cause};
use crate::base::id::SubjectKey;
use crate::intake::rules::{Facts, Rules};
use crate::view::rules;

/// What the rules say about an alert.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuleTexts<'a> {
    /// The version that opened the alert; `None`: the registry no longer has it.
    pub rules: Option<&'a Rules>,
    /// The unit of the rule's measure in its contract.
    pub contract_unit: Option<&'a str>,
}

impl Alert {
    /// The alert as JSON. `cause` is null unless the alert is retracted.
    pub fn to_json(&self, subject: &SubjectKey, texts: RuleTexts<'_>) -> Value {
        let episode = &self.episode;
        let rule = texts.rules.and_then(|rules| rules.rule(&episode.rule));
        let cause = self.retracted.as_ref().map(|retracted| retracted.cause.to_json());
        let Acts { acknowledged, snoozed, disabled, closed } = &self.acts;
        let remark = |remark: &Option<Remark>| remark.as_ref().map(Remark::to_json);
        json!({
            "id": self.id.as_str(),
            "rule": episode.rule,
            "rule_version": episode.version,
            "subject": {
                "kind": subject.subject().kind().as_str(), "id": subject.subject().id(),
            },
            "severity": episode.severity.as_str(),
            "state": self.state().as_str(),
            "opened_at": episode.opened.at,
            "closed_at": episode.closed.as_ref().map(|(moment, _)| moment.at),
            "ending": episode.closed.as_ref().map(|(_, ending)| ending.as_str()),
            "value": episode.value.as_ref().map(rules::Value::to_json),
            "summary": self.summary(subject, texts),
            "labels": rule.map(|(document, _)| json!(document.labels)).unwrap_or_else(|| json!({})),
            "cause": cause,
            "latched": self.is_latched(),
            "acknowledged": remark(acknowledged),
            "snoozed_until": snoozed.as_ref().map(|snoozed| snoozed.until),
            "snoozed": snoozed.as_ref().map(|snoozed| snoozed.remark.to_json()),
            "disabled": remark(disabled),
            "closed": remark(closed),
        })
    }

    /// The line about the alert; empty without its rules.
    fn summary(&self, subject: &SubjectKey, texts: RuleTexts<'_>) -> String {
        let episode = &self.episode;
        let rule = texts.rules.and_then(|rules| rules.rule(&episode.rule));
        let Some((document, meaning)) = rule else { return String::new() };
        let unit = document.unit.as_deref().or(texts.contract_unit);
        meaning.summary.line(&Facts {
            tenant: subject.tenant().as_str(),
            subject: (subject.subject().kind().as_str(), subject.subject().id()),
            rule: &episode.rule,
            measure: document.measure.as_deref(),
            value: episode.value.as_ref(),
            unit: unit.filter(|_| episode.value.is_some()),
            severity: episode.severity,
            opened_at: &episode.opened.at.to_string(),
        })
    }
}

impl Remark {
    fn to_json(&self) -> Value {
        json!({ "by": self.by, "at": self.at, "note": self.note })
    }
}

impl Cause {
    fn to_json(&self) -> Value {
        match self {
            Self::Event { event_id, observed_at, late_seconds } => json!({
                "event_id": event_id, "observed_at": observed_at, "late_seconds": late_seconds,
            }),
            Self::History => json!({ "event_id": null, "observed_at": null, "late_seconds": null }),
        }
    }
}
