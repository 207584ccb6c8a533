//! Checks the ledger tables of tenants before documents name them: a move to a missing table is
//! rejected, and any other missing table is reported.

use drover_aws::Aws;
use drover_aws::tables::table_exists;
use drover_core::intake::fault::Fault;
use drover_core::registry::{Checked, Move, Refusal};

/// A ledger table of a tenant that may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubtful {
    /// The tenant's name.
    pub(crate) tenant: String,
    /// The name of the table.
    pub(crate) table: String,
    pub(crate) doubt: Doubt,
}

/// Why a table may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The table does not exist.
    Missing,
    /// The table could not be checked, for this reason.
    Unseen(String),
}

/// The tables in these documents that may not exist.
pub(super) async fn doubtful(aws: &Aws, checked: &Checked) -> Vec<Doubtful> {
    let mut doubtful = Vec::new();
    for (tenant, table) in checked.tables() {
        let doubt = match table_exists(aws.dynamodb(), table).await {
            Ok(true) => continue,
            Ok(false) => Doubt::Missing,
            Err(unavailable) => Doubt::Unseen(unavailable.to_string()),
        };
        let (tenant, table) = (tenant.to_string(), table.to_owned());
        doubtful.push(Doubtful { tenant, table, doubt });
    }
    doubtful
}

/// Rejects moves to tables that do not exist.
pub(super) fn check_targets(moves: &[Move], doubtful: &[Doubtful]) -> Result<(), Vec<Refusal>> {
    let missing = |moved: &&Move| {
        let tenant = moved.tenant.as_str();
        doubtful.iter().any(|one| one.tenant == tenant && one.doubt == Doubt::Missing)
    };
    let refusal = |moved: &Move| {
        let (tenant, table) = (&moved.tenant, &moved.to);
        let message = format!(
            "cannot move a tenant to a table that does not exist: tenant=`{tenant}` to=`{table}`"
        );
        Refusal { origin: moved.origin.clone(), fault: Fault::new("/placement", message) }
    };
    let refusals: Vec<Refusal> = moves.iter().filter(missing).map(refusal).collect();
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}
