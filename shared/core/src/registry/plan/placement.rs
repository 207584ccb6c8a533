//! Moves: a tenant whose ledger is to be in another table from now on.
//!
//! Environments know a tenant's document for a minute, so a placement that changed under way would have
//! two of them write to two tables, each with a history of its own. A placement changes only while
//! its tenant is suspended, before and after, and only where the person who applies says so: nothing
//! is copied, and readers see the new table alone.
//!
//! Left out: whether the suspension is old enough. The registry does not store when a document was
//! applied, so the refusal says how long to wait. A document that is no JSON at all is mended as any
//! other is: nobody could write by it.

use std::fmt;

use serde_json::Value;

use crate::base::id::TenantId;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::fault::Fault;
use crate::intake::tenant::{Placement, Status, Tenant};
use crate::registry::LIFETIME_SECONDS;
use crate::registry::apply::{Checked, Checking, Refusal, Stored};

/// The longest that Lambda lets an invocation take.
pub const LONGEST_INVOCATION_SECONDS: i64 = 15 * 60;

/// Whether tenants may be moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moves {
    /// Nobody asked for it.
    #[default]
    Refused,
    /// The person who applies knows what it means.
    Allowed,
}

/// A tenant whose ledger is elsewhere from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The tenant.
    pub tenant: TenantId,
    /// Where its document was written.
    pub origin: String,
    /// Where its history is.
    pub from: Ledger,
    /// Where it is read and written from now on.
    pub to: Ledger,
}

/// Where a ledger is, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// As its document says.
    Placed(Placement),
    /// In words that this version does not know.
    Unknown,
}

/// What is stored of a tenant, as far as a move is concerned.
struct Before {
    status: Status,
    ledger: Ledger,
}

impl Checked {
    /// The tenants whose ledgers are elsewhere from now on. A new tenant is none of them.
    pub fn moves(&self, stored: &Stored) -> Vec<Move> {
        self.moving(stored).map(|(one, before)| move_of(one, before)).collect()
    }

    /// Moves that must not be, given whether any may.
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

/// Read leniently: another version may have written the rest of the document. `None`: it is no JSON.
fn before(stored: &StoredDocument) -> Option<Before> {
    let document: Value = serde_json::from_str(&stored.json).ok()?;
    let status = document.get("status").map(|status| serde_json::from_value(status.clone()));
    // What cannot be read is not known to be suspended.
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
            "a tenant is moved only while it is suspended: apply it with \"status\":\"suspended\" \
             and its old placement, wait {LIFETIME_SECONDS} s until every environment knows and \
             {LONGEST_INVOCATION_SECONDS} s more until the longest invocation has ended, then apply \
             the new placement with --move: {values}"
        );
        faults.push(one.refusal(Fault::new("/placement", message)));
        return faults;
    }
    if moves == Moves::Refused {
        let message = format!(
            "a move has to be asked for by --move: the history is not copied, and readers see the \
             new ledger alone; the tenant has to be suspended for {LIFETIME_SECONDS} s and the \
             longest invocation ({LONGEST_INVOCATION_SECONDS} s) by then: {values}"
        );
        faults.push(one.refusal(Fault::new("/placement", message)));
    }
    if *status != Status::Suspended {
        let message = format!(
            "a tenant that is moved stays suspended: make it active by a second apply, \
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
            Self::Unknown => formatter.write_str("a place that this version does not know"),
        }
    }
}
