//! Simulates an alert: it goes the whole way to the targets of notifications, touches no subject, and ends after a
//! minute.

use crate::base::cost::Units;
use crate::base::error::Unavailable;
use crate::base::scope::TenantScope;
use crate::base::severity::Severity;
use crate::outputs::notifications::Look;
use crate::outputs::notifications::simulated::Simulated;
use crate::ports::{Clock, DeliveryRecords, Notifications};

/// What a simulated alert says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation<'a> {
    /// Its severity.
    pub severity: Severity,
    /// The line about it.
    pub summary: String,
    /// Who asks for it.
    pub by: &'a str,
}

/// Stores a simulated alert and has the targets told about it. 1 write unit.
///
/// # Errors
/// The table or the queue does not answer. Some targets may be told.
pub async fn simulate<P: DeliveryRecords + Notifications + Clock>(
    ports: &P,
    tenant: &TenantScope,
    targets: &[String],
    Simulation { severity, summary, by }: Simulation<'_>,
) -> Result<(Simulated, Units), Unavailable> {
    let simulated = Simulated::new(severity, summary, by, (ports.now(), ports.random()));
    let (json, expires_at) = (simulated.stored()?, simulated.expires_at());
    let units = ports.put_simulated(tenant, &simulated.id, &json, expires_at).await?;
    let look = |target: &String| Look {
        tenant: tenant.tenant().to_string(),
        subject: None,
        alert: simulated.id.clone(),
        target: target.clone(),
        again: false,
        repeat: false,
        digest: false,
    };
    ports.send_looks(&targets.iter().map(look).collect::<Vec<_>>(), 0).await?;
    Ok((simulated, units))
}
