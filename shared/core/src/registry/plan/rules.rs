//! What a plan says about alert rules: their next versions, and rules that the contracts do not allow.
//!
//! Left out: a version of a contract without a measure that stored rules name. The registry has no list of the
//! tenants with rules. Such a rule reads no values, and is refused when it is applied again.

use std::collections::BTreeMap;

use crate::base::id::TenantId;
use crate::base::time::Timestamp;
use crate::intake::contract::{Contract, ContractDocument, builtin};
use crate::intake::document::DocumentName;
use crate::intake::fault::Fault;
use crate::intake::rules::{Declared, Rules};
use crate::registry::apply::{Checked, Refusal, Stored};
use crate::registry::rules::StoredRules;
use crate::registry::version::StoredContract;

impl Checked {
    /// The next version of each submitted set of rules that differs from its current version, and why rules are
    /// refused.
    pub(super) fn rule_versions(
        &self,
        stored: &Stored,
        applied: (&str, Timestamp),
    ) -> (Vec<(TenantId, StoredRules)>, Vec<Refusal>) {
        let (mut versions, mut refusals) = (Vec::new(), self.missing_targets(stored));
        for rules in &self.rules {
            let declared = self.declared(&rules.content, stored);
            let faults = rules.content.against(&declared).err().unwrap_or_default();
            let faults = faults.into_iter().chain(self.unknown_tenant(&rules.content, stored));
            let faults = faults.chain(self.unknown_targets(&rules.content, stored));
            refusals.extend(faults.map(|fault| rules.refusal(fault)));
            let tenant = rules.content.tenant.clone();
            let before = stored.get(&DocumentName::Rules(tenant.clone())).map(StoredRules::parse);
            let before = match before.transpose() {
                Ok(before) => before,
                Err(fault) => {
                    let message =
                        format!("the stored rules of this tenant cannot be read: fault=`{fault}`");
                    refusals.push(rules.refusal(Fault::new("", message)));
                    continue;
                }
            };
            let kinds: BTreeMap<String, Vec<String>> = declared
                .into_iter()
                .map(|(name, one)| (name, one.kinds.iter().map(ToString::to_string).collect()))
                .collect();
            let is_same =
                before.as_ref().is_some_and(|old| old.rules == rules.json && old.kinds == kinds);
            if !is_same {
                let json = rules.json.clone();
                let mut next = StoredRules::following(before.as_ref(), json, kinds, applied);
                // Rules are written before the tenant that they come with. So nobody knows the tenant without them.
                if !stored.contains_key(&DocumentName::Tenant(tenant.clone())) {
                    next.starts_at = next.applied_at;
                }
                versions.push((tenant, next));
            }
        }
        (versions, refusals)
    }

    /// What the contracts that rules name declare: a submitted contract, else the stored one, else the built-in one.
    fn declared(&self, rules: &Rules, stored: &Stored) -> BTreeMap<String, Declared> {
        let document = |name: &str| -> Option<ContractDocument> {
            let submitted = self.contracts.iter().find(|one| one.content.name == name);
            let submitted = submitted.map(|one| one.content.clone());
            let current = stored.get(&DocumentName::Contract(name.to_owned()));
            let current = || Some(StoredContract::parse(current?).ok()?.contract);
            submitted.or_else(current).or_else(|| builtin(name).ok().flatten())
        };
        let declared = rules.contracts().into_iter().filter_map(|name| {
            let contract = Contract::compile(&document(name)?).ok()?;
            Some((name.to_owned(), Declared::by(&contract)))
        });
        declared.collect()
    }

    fn unknown_tenant(&self, rules: &Rules, stored: &Stored) -> Option<Fault> {
        let is_known = self.tenants.iter().any(|one| one.content.id == rules.tenant)
            || stored.contains_key(&DocumentName::Tenant(rules.tenant.clone()));
        (!is_known).then(|| Fault::new("/tenant", "no tenant has this name"))
    }
}
