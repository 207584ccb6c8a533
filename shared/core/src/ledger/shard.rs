//! The shards of the listing index, each of which is read by itself.

use std::sync::Arc;

use super::{ACTIVITY_SHARDS, Activity};
use crate::base::id::Kind;
use crate::base::scope::TenantScope;

/// One shard of the index: a part of one kind of one tenant's subjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    kind: Kind,
    key: String,
    table: Option<Arc<str>>,
}

impl Shard {
    /// Every shard of a kind. `table` is the tenant's own ledger table, if it has one.
    pub fn all(
        scope: &TenantScope,
        kind: &Kind,
        table: Option<&Arc<str>>,
    ) -> impl Iterator<Item = Self> {
        (0..ACTIVITY_SHARDS).map(move |number| Self {
            kind: kind.clone(),
            key: Activity::shard_key(scope.tenant(), kind, number),
            table: table.cloned(),
        })
    }

    /// The kind of its subjects.
    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Its key in the index.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The tenant's own ledger table; `None`: the one that all share.
    pub fn table(&self) -> Option<&Arc<str>> {
        self.table.as_ref()
    }
}
