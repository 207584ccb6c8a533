//! An alert as JSON, for the API, the feed `alerts` and the command line.

use serde_json::Value;

use crate::base::error::Unavailable;
use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::outputs::alerts::Alert;
use crate::outputs::alerts::shown::RuleTexts;
use crate::ports::Documents;
use crate::registry::Registry;

/// An alert as JSON, with the texts of the rule that opened it.
///
/// # Errors
/// The registry does not answer, or a stored document is invalid.
pub async fn shown(
    (subject, alert): (&SubjectKey, &Alert),
    registry: &Registry,
    now: Timestamp,
    documents: &impl Documents,
) -> Result<Value, Unavailable> {
    let rules = registry.rules_of(subject.tenant(), now, documents).await?;
    let rules = rules.as_deref().and_then(|rules| rules.document(alert.episode.version));
    let rule = rules.and_then(|rules| rules.rule(&alert.episode.rule));
    let contract = match rule {
        Some((rule, _)) => registry.contract(&rule.contract, now, documents).await?,
        None => None,
    };
    let measure = rule.and_then(|(rule, _)| rule.measure.as_deref());
    let spec = contract.map(|contract| contract.view_spec());
    let contract_unit = spec.as_ref().and_then(|spec| spec.unit_of(measure?));
    Ok(alert.to_json(subject, RuleTexts { rules, contract_unit }))
}
