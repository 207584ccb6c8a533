//! What a host does for the feeds of tenants with topics or a ledger table of their own. Documents change while
//! the host runs, so it reads the registry once a second: it creates missing topics in the cluster, where it may
//! (`--create-topics`), and reads the change streams of the tables.
//!
//! Left out: topics and streams that no tenant needs any more. They stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drover_aws::Aws;
use drover_core::base::error::Unavailable;
use drover_core::registry::{OwnFeedTopic, own_feeds_of_tenants};

use crate::mapping::HostEventLog;
use crate::stream_mapping::StreamSources;

const EVERY: Duration = Duration::from_secs(1);

/// The state of the feeds of tenants on a host.
pub(crate) struct TenantFeeds {
    ports: Aws,
    event_log: HostEventLog,
    streams: StreamSources,
    /// The topics that exist.
    created: BTreeSet<OwnFeedTopic>,
    /// The last failure of each part, so that it is logged once.
    failed: BTreeMap<String, String>,
}

impl TenantFeeds {
    /// Nothing is done yet.
    pub(crate) fn new(ports: Aws, event_log: HostEventLog, streams: StreamSources) -> Self {
        let (created, failed) = (BTreeSet::new(), BTreeMap::new());
        Self { ports, event_log, streams, created, failed }
    }

    /// Does what the stored documents need once. Failures of a topic or a table are logged, and delay no other
    /// table: the next call tries again.
    pub(crate) async fn follow(&mut self) {
        let needs = match own_feeds_of_tenants(&self.ports).await {
            Ok(needs) => needs,
            Err(unavailable) => return self.note("registry".to_owned(), Err(unavailable)),
        };
        self.note("registry".to_owned(), Ok(()));
        let missing: Vec<_> = needs.topics.difference(&self.created).cloned().collect();
        if !missing.is_empty() {
            let created = self.event_log.create_feed_topics(&missing).await;
            if created.is_ok() {
                self.created.extend(missing);
            }
            self.note("topics".to_owned(), created);
        }
        for table in needs.tables {
            let added = self.streams.add(&table).await;
            self.note(table, added);
        }
    }

    /// Follows the documents, until the task is aborted.
    pub(crate) async fn watch(mut self) {
        loop {
            self.follow().await;
            tokio::time::sleep(EVERY).await;
        }
    }

    fn note(&mut self, part: String, done: Result<(), Unavailable>) {
        let Err(unavailable) = done else {
            self.failed.remove(&part);
            return;
        };
        let message = unavailable.to_string();
        if self.failed.get(&part) != Some(&message) {
            let causes = unavailable.causes();
            tracing::warn!(%unavailable, causes, part, "feeds of tenants wait");
            self.failed.insert(part, message);
        }
    }
}
