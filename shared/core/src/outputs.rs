//! Outputs: what others are told of the ledgers. All of it follows the heads: it is computed from what was
//! committed, may lag, may be sent twice, may stop at any step, and ends where the ledger is.
//!
//! Each commit comes as two images of a head, the one before and the one after, in the order of versions and
//! at least once. Between the records of a head and of its pages there is no order, so nothing is concluded
//! from a page's record. Nothing here does I/O: the machines say what to read and what to send.
//!
//! - [`changes`]: what a commit changed, from its two images
//! - [`history`]: reads what the images do not hold
//! - [`feeds`]: the records of the feeds `ordered` and `settled`, in the order in which they are sent
//! - [`views`]: the record of the feed `views`
//! - [`record`]: a record of a feed, as CloudEvents in both content modes
//! - [`alerts`]: the episodes of alert rules, as items
//! - [`timers`]: when the sweep looks at a subject again
//! - [`position_text`]: positions as text that sorts like them
//!
//! Left out: notifications.

use crate::intake::tenant::{Feed, Feeds};

pub mod alerts;
pub mod changes;
pub mod feeds;
pub mod history;
pub mod position_text;
pub mod record;
pub mod timers;
pub mod views;

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
    fn wait_for_settled(&self) -> bool {
        self.feeds.has(Feed::Settled)
    }

    /// Whether anything waits until stale views are brought up to date.
    fn wait_for_views(&self) -> bool {
        self.feeds.has(Feed::Views) || self.has_rules
    }
}

impl<'a> From<&'a Feeds> for TenantOutputs<'a> {
    /// Without alert rules.
    fn from(feeds: &'a Feeds) -> Self {
        Self { feeds, has_rules: false }
    }
}
