//! The texts about a moved tenant, and about a ledger table that may not exist.

use drover_core::registry::{LIFETIME_SECONDS, Move};

use crate::registry::{Doubt, Doubtful};

/// What a move means, and the next steps.
pub(super) fn meaning(moved: &Move) -> String {
    let Move { tenant, from, to, origin: _ } = moved;
    format!(
        "\n{tenant} is moved from {from} to {to}\n\
         - its history is not copied: it stays in the old table, and readers see only the \
         new ledger\n\
         - to copy the history, copy the items whose pk begins with T#{tenant}#S# while the tenant \
         is suspended\n\
         - activate the tenant with a second apply, {LIFETIME_SECONDS} s from now\n\
         - events that arrived during the suspension are dead letters: drover replay run --tenant \
         {tenant} --code tenant_suspended\n\
         - to move back, suspend the tenant and apply the old placement with --move: events \
         written meanwhile stay in the new ledger\n"
    )
}

/// A warning about a table that may not exist.
pub(super) fn warning(doubtful: &Doubtful) -> String {
    let Doubtful { tenant, table, doubt } = doubtful;
    let values = format!("tenant=`{tenant}` table=`{table}`");
    match doubt {
        Doubt::Missing => {
            format!("warning: the ledger table of a tenant does not exist: {values}\n")
        }
        Doubt::Unseen(why) => format!(
            "warning: cannot check whether the ledger table of a tenant exists: {values} \
             why=`{why}`\n"
        ),
    }
}
