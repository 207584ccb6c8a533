//! What a plan says about targets of notifications: rules name only targets that their tenant has.

use std::collections::BTreeSet;

use crate::base::id::TenantId;
use crate::intake::document::DocumentName;
use crate::intake::fault::Fault;
use crate::intake::rules::Rules;
use crate::intake::tenant::Tenant;
use crate::registry::apply::{Checked, Refusal, Stored};
use crate::registry::rules::StoredRules;

impl Checked {
    /// Targets that submitted rules name and their tenant does not have.
    pub(super) fn unknown_targets(&self, rules: &Rules, stored: &Stored) -> Vec<Fault> {
        let Some(known) = self.targets_of(&rules.tenant, stored) else { return Vec::new() };
        let named = rules.document.rules.iter().enumerate().flat_map(|(index, rule)| {
            let named = rule.targets.iter().enumerate();
            named.map(move |(at, target)| (format!("/rules/{index}/targets/{at}"), target))
        });
        let unknown = named.filter(|(_, target)| !known.contains(*target));
        let fault = |(path, target): (String, &String)| {
            let message =
                format!("the tenant's document has no target with this name: target=`{target}`");
            Fault::new(path, message)
        };
        unknown.map(fault).collect()
    }

    /// Submitted tenants without a target that their stored rules name, where no other rules are submitted.
    pub(super) fn missing_targets(&self, stored: &Stored) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for tenant in &self.tenants {
            let Tenant { id, targets, .. } = &tenant.content;
            if self.rules.iter().any(|rules| rules.content.tenant == *id) {
                continue;
            }
            let rules = stored.get(&DocumentName::Rules(id.clone())).map(StoredRules::parse);
            let Some(Ok(Ok(rules))) = rules.map(|rules| rules.map(|rules| rules.checked())) else {
                continue;
            };
            let named =
                rules.document.rules.iter().flat_map(|rule| {
                    rule.targets.iter().map(move |target| (rule.id.as_str(), target))
                });
            let missing =
                named.filter(|(_, name)| targets.iter().all(|target| target.id != **name));
            refusals.extend(missing.map(|(rule, target)| {
                let message = format!(
                    "the tenant's alert rules name another target: rule=`{rule}` target=`{target}`"
                );
                tenant.refusal(Fault::new("/targets", message))
            }));
        }
        refusals
    }

    /// The names of a tenant's targets; `None`: the tenant is unknown, or its document cannot be read.
    fn targets_of(&self, id: &TenantId, stored: &Stored) -> Option<BTreeSet<String>> {
        let names =
            |tenant: &Tenant| tenant.targets.iter().map(|target| target.id.clone()).collect();
        let submitted = self.tenants.iter().find(|one| one.content.id == *id);
        if let Some(tenant) = submitted {
            return Some(names(&tenant.content));
        }
        let stored = stored.get(&DocumentName::Tenant(id.clone()))?;
        let document = serde_json::from_str(&stored.json).ok()?;
        Some(names(&Tenant::check(&document).ok()?))
    }
}
