//! Which feeds a tenant has: the topics that tell others what its ledgers hold.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What is told of a tenant's subjects, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    /// Each event once it is committed.
    Ordered,
    /// Each event once it is settled, in final order.
    Settled,
    /// The newest view of each subject.
    Views,
    /// The newest state of each alert.
    Alerts,
}

impl Feed {
    /// Every feed.
    pub const ALL: [Self; 4] = [Self::Ordered, Self::Settled, Self::Views, Self::Alerts];

    /// The word in tenant documents and names of topics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Settled => "settled",
            Self::Views => "views",
            Self::Alerts => "alerts",
        }
    }

    /// The name of its topic under a prefix.
    pub fn topic_under(self, prefix: &str) -> String {
        format!("{prefix}.{}", self.as_str())
    }

    /// Whether the last record of a key replaces all earlier ones.
    pub const fn is_compacted(self) -> bool {
        match self {
            Self::Ordered | Self::Settled => false,
            Self::Views | Self::Alerts => true,
        }
    }
}

/// The feeds of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feeds {
    /// Which there are.
    pub enabled: BTreeSet<Feed>,
    /// What the names of their topics begin with.
    pub prefix: String,
    /// After how many seconds without an event the last events of a subject are settled.
    pub idle_seconds: u32,
}

impl Feeds {
    /// What the names of topics begin with where a tenant has none of its own.
    pub const SHARED_PREFIX: &'static str = "drover";
    /// The usual [`Self::idle_seconds`].
    pub const IDLE_SECONDS: u32 = 120;

    /// Whether the tenant has this feed.
    pub fn has(&self, feed: Feed) -> bool {
        self.enabled.contains(&feed)
    }

    /// The name of a feed's topic.
    pub fn topic(&self, feed: Feed) -> String {
        feed.topic_under(&self.prefix)
    }
}

impl Default for Feeds {
    /// None.
    fn default() -> Self {
        Self {
            enabled: BTreeSet::new(),
            prefix: Self::SHARED_PREFIX.to_owned(),
            idle_seconds: Self::IDLE_SECONDS,
        }
    }
}
