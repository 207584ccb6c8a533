//! Commands that an operator sends by invoking the function directly. The permission to invoke the function authorizes
//! them, so a command may name any tenant. A refused command answers `{"error":{"code","message"}}`.

use std::sync::Arc;

use drover_core::base::error::Unavailable;
use drover_core::base::id::TenantId;
use drover_core::base::metrics::{Counts, Tally};
use drover_core::base::public_reason::PublicReason;
use drover_core::base::scope::TenantScope;
use drover_core::base::severity::Severity;
use drover_core::intake::tenant::Tenant;
use drover_core::outputs::alerts::AlertId;
use drover_core::outputs::notifications::deliveries::{DeliveriesOf, SwitchedOff};
use drover_core::subject::simulate::{Simulation, simulate};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::sending::Sender;
use crate::switches::is_off;
use crate::{FUNCTION, Notify, NotifyPorts};

const SUMMARY: &str = "This is a test of notifications.";
const OPERATOR: &str = "operator";

/// A command. An unknown key is an error, so that a typo never selects everything.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Command {
    /// Lists the targets of a tenant.
    Targets {
        /// The tenant.
        tenant: String,
    },
    /// Sends a simulated alert to a target.
    Test {
        /// The tenant.
        tenant: String,
        /// The target.
        target: String,
    },
    /// Tells what the targets were told of an alert.
    Told {
        /// The tenant.
        tenant: String,
        /// The alert.
        alert: AlertId,
    },
}

#[derive(Deserialize)]
struct Keys {
    #[serde(default)]
    action: Option<IgnoredAny>,
}

/// Whether an event is a command.
pub(crate) fn is_command(event: &str) -> bool {
    serde_json::from_str(event).is_ok_and(|keys: Keys| keys.action.is_some())
}

/// Why a command was not executed.
struct Refused {
    code: &'static str,
    message: String,
}

impl From<Unavailable> for Refused {
    fn from(unavailable: Unavailable) -> Self {
        tracing::warn!(%unavailable, causes = unavailable.causes(), "a command stopped");
        Self { code: "unavailable", message: PublicReason::from(unavailable.reason).message() }
    }
}

impl<W: NotifyPorts, S: Sender> Notify<W, S> {
    /// Executes a command.
    pub(crate) async fn obey(&self, command: &str) -> Value {
        let answered = match serde_json::from_str(command) {
            Ok(Command::Targets { tenant }) => self.targets(&tenant).await,
            Ok(Command::Test { tenant, target }) => self.test(&tenant, target).await,
            Ok(Command::Told { tenant, alert }) => self.told(&tenant, alert).await,
            Err(fault) => {
                let message = format!("invalid command: {fault}");
                Err(Refused { code: "invalid_parameter", message })
            }
        };
        let refused =
            |Refused { code, message }| json!({ "error": { "code": code, "message": message } });
        answered.unwrap_or_else(refused)
    }

    async fn targets(&self, tenant: &str) -> Result<Value, Refused> {
        let (scope, tenant) = self.scope(tenant).await?;
        let read = self.ports.deliveries(&scope, &DeliveriesOf::Switches).await?;
        let mut targets = Vec::with_capacity(tenant.targets.len());
        for target in &tenant.targets {
            let stored = read.answer.by_target.get(&target.id);
            let off = stored.map(|stored| SwitchedOff::read(stored)).transpose()?;
            let off = off.filter(|off| is_off(off, target));
            targets.push(json!({
                "id": target.id, "kind": target.endpoint.kind(), "moved": target.moved,
                "off": off.map(|off| json!({ "since": off.since, "reason": off.reason })),
            }));
        }
        Ok(json!({ "targets": targets }))
    }

    async fn test(&self, tenant: &str, target: String) -> Result<Value, Refused> {
        let (scope, tenant) = self.scope(tenant).await?;
        if tenant.targets.iter().all(|known| known.id != target) {
            let known: Vec<&str> = tenant.targets.iter().map(|known| &*known.id).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("no target has this name: target=`{target}` targets=`{known}`");
            return Err(Refused { code: "not_found", message });
        }
        let simulation =
            Simulation { severity: Severity::Info, summary: SUMMARY.to_owned(), by: OPERATOR };
        let (simulated, units) = simulate(&self.ports, &scope, &[target], simulation).await?;
        let mut tally = Tally::default();
        tally.of(Some(scope.tenant())).merge(Counts::of_units(units));
        self.meter.record(FUNCTION, &tally, self.ports.now());
        Ok(json!({ "alert": simulated.id.as_str(), "closes_at": simulated.closes_at() }))
    }

    async fn told(&self, tenant: &str, alert: AlertId) -> Result<Value, Refused> {
        let (scope, _) = self.scope(tenant).await?;
        let read = self.ports.deliveries(&scope, &DeliveriesOf::Alert(alert)).await?;
        Ok(json!({ "notified": read.answer.to_json()? }))
    }

    /// A tenant that exists.
    async fn scope(&self, tenant: &str) -> Result<(TenantScope, Arc<Tenant>), Refused> {
        let id = TenantId::parse(tenant)
            .map_err(|fault| Refused { code: "invalid_id", message: fault.message })?;
        let tenant = self.registry.tenant(&id, self.ports.now(), &self.ports).await?;
        let Some(tenant) = tenant else {
            let message = format!("no tenant has this name: tenant=`{id}`");
            return Err(Refused { code: "unknown_tenant", message });
        };
        Ok((TenantScope::by_operator(id), tenant))
    }
}
