//! The JSON of the states of rules, for `GET /api/v1/subjects/{kind}/{id}`.

use serde_json::{Value, json};

use super::condition;
use super::state::RuleStates;

impl RuleStates {
    /// The rules that are firing or pending, by name. `since`: when the episode opened, or when the condition
    /// began to hold. A pending rule has neither a severity nor a value yet.
    pub fn to_json(&self) -> Value {
        let shown = self.iter().filter_map(|(rule, state)| {
            if let Some(firing) = state.firing() {
                let (since, value) = (firing.opened.observed_at, firing.value.to_json());
                let severity = firing.severity.as_str();
                return Some(json!({
                    "rule": rule, "state": "firing", "severity": severity, "since": since, "value": value,
                }));
            }
            let since = state.pending()?.since;
            Some(json!({
                "rule": rule, "state": "pending", "severity": null, "since": since, "value": null,
            }))
        });
        shown.collect()
    }
}

impl condition::Value {
    /// A number or a text.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
        }
    }
}
