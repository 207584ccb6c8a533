//! Commands that an operator or the schedule sends by invoking the function directly. The permission to
//! invoke the function authorizes them, so a command may name any tenant.
//!
//! A refused command answers `{"error":{"code","message"}}`. A sweep that fails is a function error, because
//! nobody reads the answer to the schedule.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::base::error::{Rejection, Unavailable};
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::base::metrics::Counts;
use drover_core::base::public_reason::PublicReason;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::intake::tenant::Tenant;
use drover_core::ledger::touch::Touch;
use drover_core::outputs::alerts::{AlertId, AlertList, AlertPage};
use drover_core::outputs::timers::Minute;
use drover_core::ports::FeedTarget;
use drover_core::subject::alerts::shown::shown as alert_json;
use drover_core::subject::each::Visited;
use drover_core::subject::listing::Mark;
use drover_core::subject::resend::{NotResent, ResendLimits, Subjects, resend};
use drover_core::subject::sweep::{SweepEnd, SweepLimits, Swept, sweep};
use drover_core::subject::watch::watch;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::{Relay, RelayPorts};

/// Alerts of one page of a listing.
const ALERTS: usize = 100;

/// A command. An unknown key is an error, so that a typo never selects everything.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Command {
    /// Has a subject sent again, or all subjects of a tenant.
    Resend {
        /// The tenant.
        tenant: String,
        /// The subject as `kind/id`; absent: all subjects.
        subject: Option<String>,
        /// `next_cursor` of the call before.
        cursor: Option<Mark>,
        /// Whether the tenant's table was restored: a new era of each subject begins.
        #[serde(default)]
        restored: bool,
    },
    /// Has the sweep look at the subjects of a tenant that are silent already.
    Watch {
        /// The tenant.
        tenant: String,
        /// `next_cursor` of the call before.
        cursor: Option<Mark>,
    },
    /// Lists the alerts of a tenant, the newest first.
    Alerts {
        /// The tenant.
        tenant: String,
        /// Whether only open alerts are listed.
        #[serde(default)]
        open: bool,
        /// `next_cursor` of the call before.
        cursor: Option<AlertId>,
    },
    /// Looks at the subjects whose timers are due. The schedule sends it each minute.
    Sweep {},
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

/// The sweep stopped before it had caught up.
#[derive(Debug, thiserror::Error)]
#[error("the sweep of timers failed: {0}")]
pub struct SweepFailed(Unavailable);

/// Why a command was not executed.
struct Refused {
    code: &'static str,
    message: String,
}

impl Refused {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Unavailable> for Refused {
    fn from(unavailable: Unavailable) -> Self {
        tracing::warn!(%unavailable, causes = unavailable.causes(), "a command stopped");
        Self::new("unavailable", PublicReason::from(unavailable.reason).message())
    }
}

impl From<NotResent> for Refused {
    fn from(refused: NotResent) -> Self {
        let message = refused.to_string();
        match refused {
            NotResent::NoFeeds(_) => Self::new("no_feeds", message),
            NotResent::Suspended(_) => Self::new("tenant_suspended", message),
            NotResent::UnknownSubject(_) => Self::new("not_found", message),
            NotResent::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

fn invalid(fault: Rejection) -> Refused {
    Refused::new("invalid_id", fault.message)
}

impl<W: RelayPorts, T: FeedTarget> Relay<W, T> {
    /// Executes a command, until the deadline.
    pub(crate) async fn obey(
        &self,
        command: &str,
        deadline: Timestamp,
    ) -> Result<Value, SweepFailed> {
        let answered = match serde_json::from_str(command) {
            Ok(Command::Sweep {}) => return self.sweep(deadline).await,
            Ok(Command::Resend { tenant, subject, cursor, restored }) => {
                let reason = if restored { Touch::Restored } else { Touch::Resend };
                self.resend(&tenant, subject.as_deref(), (cursor, reason), deadline).await
            }
            Ok(Command::Watch { tenant, cursor }) => self.watch(&tenant, cursor, deadline).await,
            Ok(Command::Alerts { tenant, open, cursor }) => {
                self.alerts(&tenant, open, cursor).await
            }
            Err(fault) => {
                let message = format!("invalid command: {fault}");
                Err(Refused::new("invalid_parameter", message))
            }
        };
        let refused =
            |Refused { code, message }| json!({ "error": { "code": code, "message": message } });
        Ok(answered.unwrap_or_else(refused))
    }

    async fn sweep(&self, deadline: Timestamp) -> Result<Value, SweepFailed> {
        let limits =
            SweepLimits { item_limits: self.settings.item_limits, ..SweepLimits::until(deadline) };
        let Swept { end, next, tally } = sweep(&self.ports, &self.registry, limits).await;
        let swept_until = next.and_then(Minute::start);
        self.count(None, Counts { swept_until, ..Counts::of_units(tally.units) });
        let word = match end {
            SweepEnd::CaughtUp => "caught_up",
            SweepEnd::Deadline => "deadline",
            SweepEnd::Held => "held",
            SweepEnd::LeaseLost => "lease_lost",
            SweepEnd::Failed(unavailable) => return Err(SweepFailed(unavailable)),
        };
        let counts = tally.timers.iter().map(|(outcome, count)| (outcome.as_str(), count));
        let counts: BTreeMap<&str, &u64> = counts.collect();
        let behind = next.map(|next| Minute::of(self.ports.now()).0.saturating_sub(next.0));
        Ok(json!({
            "end": word, "minutes": tally.minutes, "minutes_behind": behind, "timers": counts,
        }))
    }

    async fn alerts(
        &self,
        tenant: &str,
        only_open: bool,
        cursor: Option<AlertId>,
    ) -> Result<Value, Refused> {
        let scope = self.scope(tenant).await?.0;
        let below = cursor.map(|id| id.as_str().to_owned());
        let page = AlertPage { only_open, from: None, below, limit: ALERTS };
        let listed = self.ports.list_alerts(&scope, &page).await?;
        self.count(Some(scope.tenant()), Counts::of_units(listed.units));
        let AlertList { alerts, unreadable, next } = listed.answer;
        let mut shown = Vec::with_capacity(alerts.len());
        for (subject, alert) in &alerts {
            let now = self.ports.now();
            shown.push(alert_json((subject, alert), &self.registry, now, &self.ports).await?);
        }
        Ok(json!({ "alerts": shown, "unreadable": unreadable, "next_cursor": next }))
    }

    async fn watch(
        &self,
        tenant: &str,
        cursor: Option<Mark>,
        deadline: Timestamp,
    ) -> Result<Value, Refused> {
        let (scope, tenant) = self.scope(tenant).await?;
        let by = (&self.ports, &self.registry, &self.armer);
        let Visited { subjects, next, units } =
            watch(by, (&scope, &tenant), cursor, deadline).await?;
        self.count(Some(scope.tenant()), Counts::of_units(units));
        Ok(json!({ "subjects": subjects, "next_cursor": next }))
    }

    /// A tenant that exists.
    async fn scope(&self, tenant: &str) -> Result<(TenantScope, Arc<Tenant>), Refused> {
        let id = TenantId::parse(tenant).map_err(invalid)?;
        let tenant = self.registry.tenant(&id, self.ports.now(), &self.ports).await?;
        let Some(tenant) = tenant else {
            let message = format!("no tenant has this name: tenant=`{id}`");
            return Err(Refused::new("unknown_tenant", message));
        };
        Ok((TenantScope::by_operator(id), tenant))
    }

    async fn resend(
        &self,
        tenant: &str,
        subject: Option<&str>,
        (cursor, reason): (Option<Mark>, Touch),
        deadline: Timestamp,
    ) -> Result<Value, Refused> {
        let subject = subject.map(SubjectId::parse).transpose().map_err(invalid)?;
        let (scope, tenant) = self.scope(tenant).await?;
        let subjects = subject.map_or(Subjects::All { after: cursor }, Subjects::One);
        let what = (subjects, reason);
        let limits = ResendLimits { stop_at: deadline, item_limits: self.settings.item_limits };
        let of_tenant = (&scope, &*tenant);
        let resent = resend(&self.ports, &self.registry, of_tenant, what, limits).await?;
        let Visited { subjects, next, units } = resent;
        self.count(Some(scope.tenant()), Counts::of_units(units));
        Ok(json!({ "subjects": subjects, "next_cursor": next }))
    }
}
