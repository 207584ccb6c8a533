//! A person acts on an alert: acknowledges, pauses or closes it.
//!
//! The act is written with the alert under the condition that the relay writes it under, so that neither undoes what
//! the other did. Then the head of the subject is touched: the relay sends the alert to feeds, in order with what
//! history says about it.

use crate::base::cost::Units;
use crate::base::dependency::Dependency;
use crate::base::error::{Reason, Unavailable};
use crate::base::id::SubjectKey;
use crate::base::limits::ItemLimits;
use crate::base::scope::TenantScope;
use crate::base::time::Timestamp;
use crate::intake::tenant::Tenant;
use crate::ledger::touch::Touch;
use crate::outputs::alerts::acting::Refusal;
use crate::outputs::alerts::acts::{Act, Remark};
use crate::outputs::alerts::{Alert, AlertId, AlertPage, AlertWrite, Reflected, SubjectAlerts};
use crate::outputs::changes::CommitId;
use crate::pipeline::subject::resend;
use crate::ports::{Alerts, Ports};
use crate::registry::Registry;

/// How often an act is tried while the relay or another person writes alerts of the same subject.
const TRIES: usize = 5;

/// Why a person could not act.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotActed {
    /// The tenant has no alert with this id.
    #[error("the tenant has no alert with this id")]
    Unknown,
    /// The act makes no sense in the state of the alert.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A dependency failed. The act may have been stored; it can be repeated.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Acts on an alert of a tenant. Returns it as it is afterwards. The scope is that of the tenant.
///
/// # Errors
/// [`NotActed`].
pub async fn act<P: Ports + Alerts>(
    (ports, registry): (&P, &Registry),
    (scope, tenant): (&TenantScope, &Tenant),
    id: &AlertId,
    (act, remark): (Act, Remark),
    item_limits: ItemLimits,
    units: &mut Units,
) -> Result<(SubjectKey, Alert), NotActed> {
    let listed = ports.list_alerts(scope, &AlertPage::of_id(id)).await?;
    *units += listed.units;
    let Some((subject, listed)) = listed.answer.alerts.into_iter().next() else {
        return Err(NotActed::Unknown);
    };
    let mut closed_from = listed.episode.opened.at;
    for _ in 0..TRIES {
        let read = ports.alerts(&subject, closed_from).await?;
        *units += read.units;
        let SubjectAlerts { reflected, alerts } = read.answer;
        let Some(old) = alerts.into_iter().find(|alert| alert.id == *id) else {
            // A late event may have moved the whole episode to an earlier time.
            if closed_from == Timestamp::MIN {
                return Err(NotActed::Unknown);
            }
            closed_from = Timestamp::MIN;
            continue;
        };
        let commit = reflected.map_or(CommitId::default(), |reflected| reflected.commit);
        let acted = old.acted(act, remark.clone(), commit)?;
        let new = Reflected { commit, revision: ports.random() };
        let write = AlertWrite { old: Some(old), new: Some(acted.clone()) };
        let written = ports.write_alerts(&subject, reflected, new, &[write], ports.now()).await?;
        *units += written.units;
        if written.answer {
            let touched = (subject.clone(), tenant);
            let (_, cost) = resend(ports, registry, touched, Touch::Acted, item_limits).await?;
            *units += cost;
            return Ok((subject, acted));
        }
    }
    let lost = Unavailable::new(Reason::Contention, "others changed the alerts of this subject");
    Err(lost.of(Dependency::OutputsTable).into())
}
