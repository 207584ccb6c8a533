//! What is told of a tenant's subjects.

use crate::intake::tenant::{Feed, Feeds};

/// What is told of a tenant's subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantOutputs<'a> {
    /// The feeds.
    pub feeds: &'a Feeds,
    /// Whether the tenant has, or had, alert rules.
    pub has_rules: bool,
}

impl TenantOutputs<'_> {
    /// Whether anything is told.
    pub fn is_empty(&self) -> bool {
        self.feeds.enabled.is_empty() && !self.has_rules
    }

    /// Whether anything waits until events are settled.
    pub(super) fn wait_for_settled(&self) -> bool {
        self.feeds.has(Feed::Settled)
    }

    /// Whether anything waits until stale views are brought up to date.
    pub(super) fn wait_for_views(&self) -> bool {
        self.feeds.has(Feed::Views) || self.has_rules
    }
}

impl<'a> From<&'a Feeds> for TenantOutputs<'a> {
    /// Without alert rules.
    fn from(feeds: &'a Feeds) -> Self {
        Self { feeds, has_rules: false }
    }
}
