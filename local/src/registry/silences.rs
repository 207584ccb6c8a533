//! Which rules about silence are new or changed: subjects that are silent already have to be watched by them.

use drover_core::base::id::TenantId;
use drover_core::intake::document::{DocumentName, StoredDocument};
use drover_core::registry::{Change, Plan, Stored, StoredRules};
use serde_json::Value;

/// The tenants with a rule about silence that the stored version of their rules does not have.
pub(super) fn changed(plan: &Plan, stored: &Stored) -> Vec<TenantId> {
    let tenants = plan.writes.iter().filter_map(|write| {
        let (DocumentName::Rules(tenant), Change::Put { document, .. }) =
            (&write.name, &write.change)
        else {
            return None;
        };
        let before = stored.get(&write.name).map(silences);
        let before = before.unwrap_or_default();
        let is_new = silences(document).iter().any(|rule| !before.contains(rule));
        is_new.then(|| tenant.clone())
    });
    tenants.collect()
}

/// What each rule about silence watches: its contract and its seconds.
fn silences(stored: &StoredDocument) -> Vec<[Value; 2]> {
    let Ok(rules) = StoredRules::parse(stored) else { return Vec::new() };
    let silences = rules
        .documents()
        .filter_map(|(_, rule)| Some([rule.get("contract")?.clone(), rule.get("absent")?.clone()]));
    silences.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(rules: &Value) -> StoredDocument {
        let stored = json!({
            "version": 1, "applied_at": "2026-11-21T06:00:00Z", "applied_by": "ann",
            "starts_at": "2026-11-21T06:01:30Z", "kinds": {},
            "rules": { "tenant": "demo", "rules": rules },
        });
        StoredDocument { json: stored.to_string(), revision: 1 }
    }

    #[test]
    fn only_what_a_rule_about_silence_watches_counts() {
        let silent =
            json!({ "id": "silent", "contract": "telemetry", "absent": { "seconds": 60 } });
        let mut renamed = silent.clone();
        renamed["id"] = json!("quiet");
        renamed["severity"] = json!("critical");
        let hot = json!({ "id": "hot", "contract": "telemetry", "when": { "above": 30 } });
        let before = silences(&stored(&json!([silent, hot])));
        assert_eq!(before.len(), 1);
        assert_eq!(silences(&stored(&json!([renamed]))), before);
        let mut longer = silent;
        longer["absent"]["seconds"] = json!(61);
        assert_ne!(silences(&stored(&json!([longer]))), before);
        assert!(silences(&stored(&json!([hot]))).is_empty());
    }
}
