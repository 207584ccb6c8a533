//! The demo tenants, alert rules and routes of `local/config/`, which is also the example for `drover apply`.
//!
//! The start of a host adds missing tenants and routes. A tenant or route that a user has replaced
//! stays unchanged, including its keys: a demo key that the user removed from the tenant's document
//! stays removed.

use drover_aws::Aws;
use drover_core::base::error::Unavailable;
use drover_core::base::id::TenantId;
use drover_core::intake::document::DocumentName;
use drover_core::ports::Documents as _;
use drover_core::registry::{Consent, Submitted, Text};
use serde_json::Value;

use super::SetupError;
use crate::registry::{self, Applying, RelayedStreams};

const DEMO: &str = "demo";
const TENANTS: [DemoTenant; 2] = [
    DemoTenant {
        id: DEMO,
        key: "drover-demo-key",
        json: include_str!("../../config/tenants/demo.json"),
    },
    DemoTenant {
        id: "acme",
        key: "drover-acme-key",
        json: include_str!("../../config/tenants/acme.json"),
    },
];
/// Who applies the documents that a host adds.
const HOST: &str = "local host";
/// Alert rules of the first tenant.
const RULES: &str = include_str!("../../config/rules/demo.json");
const TOPICS: &str = include_str!("../../config/topics.json");

struct DemoTenant {
    id: &'static str,
    /// The document contains the hash of this key.
    key: &'static str,
    json: &'static str,
}

/// A tenant with a key that is public because it works on this host only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalTenant {
    /// The tenant.
    pub id: String,
    /// Its key.
    pub key: String,
}

/// Adds missing demo tenants, and returns those that are unchanged.
pub(crate) async fn demo_tenants(aws: &Aws) -> Result<Vec<LocalTenant>, SetupError> {
    let mut submitted = Submitted::default();
    let mut tenants = Vec::new();
    for tenant in TENANTS {
        let name = DocumentName::Tenant(TenantId::parse(tenant.id)?);
        if is_free(aws, &name, &serde_json::from_str(tenant.json)?).await? {
            submitted.tenants.push(text(&format!("tenants/{}.json", tenant.id), tenant.json));
            tenants.push(LocalTenant { id: tenant.id.to_owned(), key: tenant.key.to_owned() });
        }
    }
    // Whoever removes them from a tenant that exists does not get them back.
    let demo = DocumentName::Tenant(TenantId::parse(DEMO)?);
    if aws.document(&demo).await?.is_none() {
        submitted.rules.push(text("rules/demo.json", RULES));
    }
    submitted.topics = Some(text("topics.json", &free_topics(aws).await?.to_string()));
    let (consent, streams) = (Consent::default(), RelayedStreams::OfEveryTable);
    registry::apply(aws, &submitted, &Applying { consent, streams, by: HOST }).await?;
    Ok(tenants)
}

/// The topics of the demo routes.
///
/// # Errors
/// The file is invalid.
pub(crate) fn topics() -> Result<Vec<String>, serde_json::Error> {
    let document: Value = serde_json::from_str(TOPICS)?;
    let routes = document.get("topics").and_then(Value::as_object);
    Ok(routes.into_iter().flat_map(|routes| routes.keys().cloned()).collect())
}

/// `topics.json` without the routes that a user has replaced.
async fn free_topics(aws: &Aws) -> Result<Value, SetupError> {
    let mut document: Value = serde_json::from_str(TOPICS)?;
    if let Some(routes) = document.get_mut("topics").and_then(Value::as_object_mut) {
        for (topic, route) in std::mem::take(routes) {
            if is_free(aws, &DocumentName::Topic(topic.clone()), &route).await? {
                routes.insert(topic, route);
            }
        }
    }
    Ok(document)
}

/// Whether the name is free. An identical document counts as free, because a host that was killed
/// during its first start may have left a tenant without its keys.
async fn is_free(aws: &Aws, name: &DocumentName, ours: &Value) -> Result<bool, Unavailable> {
    let stored = aws.document(name).await?;
    let same = |json: &str| serde_json::from_str::<Value>(json).is_ok_and(|json| json == *ours);
    Ok(stored.is_none_or(|stored| same(&stored.json)))
}

fn text(origin: &str, json: &str) -> Text {
    Text { origin: format!("local/config/{origin}"), json: json.to_owned() }
}

#[cfg(test)]
mod tests {
    use drover_core::intake::tenant::Tenant;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn every_demo_tenant_has_the_shown_key_and_the_key_is_local() {
        for DemoTenant { id, key, json } in TENANTS {
            let tenant = Tenant::check(&serde_json::from_str(json).unwrap()).unwrap();
            assert_eq!(tenant.id.as_str(), id);
            let hash: String =
                Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
            let known = tenant.keys.iter().find(|one| one.sha256 == hash).unwrap();
            assert!(known.local, "{id}");
        }
    }
}
