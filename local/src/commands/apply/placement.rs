//! What a person is told who moves a tenant, or names a ledger table that may not be there.

use drover_core::registry::{LIFETIME_SECONDS, Move};

use crate::registry::{Doubt, Doubtful};

/// What a move means, and how to go on.
pub(super) fn meaning(moved: &Move) -> String {
    let Move { tenant, from, to, origin: _ } = moved;
    format!(
        "\n{tenant} is moved from {from} to {to}\n\
         - its history is not copied: it stays where it was, and readers see the new ledger alone\n\
         - to copy it, copy the items whose pk begins with T#{tenant}#S# while the tenant is suspended\n\
         - make the tenant active by a second apply, {LIFETIME_SECONDS} s from now\n\
         - what arrived while it was suspended are letters: drover replay run --tenant {tenant} \
         --code tenant_suspended\n\
         - to go back, apply the old placement with --move, suspended again: what was written \
         meanwhile stays in the new ledger\n"
    )
}

/// A line about a table that may not be there.
pub(super) fn warning(doubtful: &Doubtful) -> String {
    let Doubtful { tenant, table, doubt } = doubtful;
    let values = format!("tenant=`{tenant}` table=`{table}`");
    match doubt {
        Doubt::Missing => {
            format!("warning: the ledger table of a tenant does not exist: {values}\n")
        }
        Doubt::Unseen(why) => format!(
            "warning: cannot see whether the ledger table of a tenant exists: {values} why=`{why}`\n"
        ),
    }
}
