//! Moves of tenants to another ledger table.
//!
//! Environments cache a tenant's document for a minute. If a placement changed during writes, two
//! environments would write to two tables, each with its own history. A placement may therefore
//! change only while its tenant is suspended, before and after the change, and only with explicit
//! consent: nothing is copied, and readers see only the new table.
//!
//! Left out: whether the suspension is old enough. The registry does not store when a document was
//! applied, so the message says how long to wait. A stored document that is not JSON may be
//! replaced, because no environment could use it to write.

use std::fmt;

use serde_json::Value;

use crate::base::id::TenantId;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::fault::Fault;
use crate::intake::tenant::{Placement, Status, Tenant};
use crate::registry::LIFETIME_SECONDS;
use crate::registry::apply::{Checked, Checking, Refusal, Stored};

/// Lambda's maximum duration of an invocation.
pub const LONGEST_INVOCATION_SECONDS: i64 = 15 * 60;

/// Whether tenants may be moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moves {
    /// No.
    #[default]
    Refused,
    /// Yes, with explicit consent.
    Allowed,
}

/// A tenant that moves to another ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The tenant.
    pub tenant: TenantId,
    /// The file name of its document.
    pub origin: String,
    /// The current ledger.
    pub from: Ledger,
    /// The new ledger.
    pub to: Ledger,
}

/// The location of a ledger, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// The placement in the tenant's document.
    Placed(Placement),
    /// A placement that this version does not know.
    Unknown,
}

/// The stored state of a tenant that matters for a move.
struct Before {
    status: Status,
    ledger: Ledger,
}

impl Checked {
    /// The tenants that move to another ledger. A new tenant does not count.
    pub fn moves(&self, stored: &Stored) -> Vec<Move> {
        self.moving(stored).map(|(one, before)| move_of(one, before)).collect()
    }

    /// The refused moves.
    pub(super) fn refused_moves(&self, stored: &Stored, moves: Moves) -> Vec<Refusal> {
        let moving = self.moving(stored);
        moving.flat_map(|(one, before)| faults(one, &before, moves)).collect()
    }

    fn moving<'a>(
        &'a self,
        stored: &'a Stored,
    ) -> impl Iterator<Item = (&'a Checking<Tenant>, Before)> {
        self.tenants.iter().filter_map(|one| {
            let stored = stored.get(&DocumentName::Tenant(one.content.id.clone()))?;
            let before = before(stored)?;
            let same = before.ledger == Ledger::Placed(one.content.placement.clone());
            (!same).then_some((one, before))
        })
    }
}

fn move_of(one: &Checking<Tenant>, before: Before) -> Move {
    Move {
        tenant: one.content.id.clone(),
        origin: one.origin.clone(),
        from: before.ledger,
        to: Ledger::Placed(one.content.placement.clone()),
    }
}

/// Parses the document leniently, because another version may have written it. `None`: it is not
/// JSON.
fn before(stored: &StoredDocument) -> Option<Before> {
    let document: Value = serde_json::from_str(&stored.json).ok()?;
    let status = document.get("status").map(|status| serde_json::from_value(status.clone()));
    // An unreadable status does not count as suspended.
    let status = status.and_then(Result::ok).unwrap_or(Status::Active);
    let ledger = match document.get("placement") {
        None => Ledger::Placed(Placement::default()),
        Some(placement) => {
            let placement = serde_json::from_value(placement.clone());
            placement.map_or(Ledger::Unknown, Ledger::Placed)
        }
    };
    Some(Before { status, ledger })
}

fn faults(one: &Checking<Tenant>, before: &Before, moves: Moves) -> Vec<Refusal> {
    let Tenant { id, placement, status, .. } = &one.content;
    let to = Ledger::Placed(placement.clone());
    let values = format!("tenant=`{id}` from=`{}` to=`{to}`", before.ledger);
    let mut faults = Vec::new();
    if before.status != Status::Suspended {
        let message = format!(
            "a tenant can be moved only while it is suspended: apply it with \"status\":\"suspended\" \
             and its old placement, wait {LIFETIME_SECONDS} s until every environment knows and \
             {LONGEST_INVOCATION_SECONDS} s more until the longest invocation has ended, then apply \
             the new placement with --move: {values}"
        );
        faults.push(one.refusal(Fault::new("/placement", message)));
        return faults;
    }
    if moves == Moves::Refused {
        let message = format!(
            "a move needs --move: the history is not copied, and readers see only the new ledger; \
             before it, the tenant must have been suspended for {LIFETIME_SECONDS} s plus the longest \
             invocation ({LONGEST_INVOCATION_SECONDS} s): {values}"
        );
        faults.push(one.refusal(Fault::new("/placement", message)));
    }
    if *status != Status::Suspended {
        let message = format!(
            "a tenant must stay suspended during a move: make it active with a second apply, \
             {LIFETIME_SECONDS} s later: {values}"
        );
        faults.push(one.refusal(Fault::new("/status", message)));
    }
    faults
}

impl fmt::Display for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placed(Placement::Pooled) => formatter.write_str("the shared ledger"),
            Self::Placed(Placement::Table(name)) => write!(formatter, "the table {name}"),
            Self::Unknown => formatter.write_str("a ledger that this version does not know"),
        }
    }
}
