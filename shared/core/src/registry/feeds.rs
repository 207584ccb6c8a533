//! What a deployment must have for the feeds of the stored tenants: the topics under prefixes of their own,
//! and the change streams of their own ledger tables.

use std::collections::BTreeSet;

use super::index::Index;
use super::stored::{broken, read};
use crate::base::error::Unavailable;
use crate::intake::document::DocumentName;
use crate::ports::Documents;

/// The needs of all stored tenants with feeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnFeedsOfTenants {
    /// The topics of feeds, without the shared ones.
    pub topics: BTreeSet<OwnFeedTopic>,
    /// The ledger tables, without the shared one.
    pub tables: BTreeSet<String>,
}

/// A topic of feeds under a prefix of a tenant's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnFeedTopic {
    /// The name.
    pub name: String,
    /// Whether the last record of a key replaces all earlier ones.
    pub is_compacted: bool,
}

/// Reads the needs of the stored tenants, without a cache.
///
/// # Errors
/// The store does not answer, or the stored document is invalid.
pub async fn own_feeds_of_tenants(
    documents: &impl Documents,
) -> Result<OwnFeedsOfTenants, Unavailable> {
    let name = DocumentName::Revision;
    let Some(stored) = read(&name, documents).await? else {
        return Ok(OwnFeedsOfTenants::default());
    };
    let index = Index::stored(&stored).map_err(|fault| broken(&name, &fault))?;
    let topics = index.feed_topics();
    let topics =
        topics.map(|(name, feed, _)| OwnFeedTopic { name, is_compacted: feed.is_compacted() });
    let topics = topics.collect();
    let tables = index.feeds.values().filter_map(|own| own.table.clone()).collect();
    Ok(OwnFeedsOfTenants { topics, tables })
}
