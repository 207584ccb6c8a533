//! Topics of feeds that are read as records: each event would become a record, and each record an event,
//! without an end.

use std::collections::BTreeMap;

use crate::base::limits;
use crate::intake::document::DocumentName;
use crate::intake::fault::Fault;
use crate::intake::schema::child;
use crate::intake::tenant::{Feed, Feeds};
use crate::registry::apply::{Checked, Refusal, Stored};
use crate::registry::index::Index;

impl Checked {
    /// The topics of the submitted tenants' feeds.
    pub(in crate::registry) fn feed_topics(&self) -> impl Iterator<Item = String> {
        let tenants = self.tenants.iter().map(|tenant| &tenant.content.feeds);
        tenants.flat_map(|feeds| feeds.enabled.iter().map(|feed| feeds.topic(*feed)))
    }

    /// Submitted tenants whose feeds a submitted or stored route reads, and submitted routes that read the
    /// shared feeds or those of a stored tenant.
    pub(super) fn feeds_that_are_read(
        &self,
        index: &Index,
        stored: &Stored,
    ) -> impl Iterator<Item = Refusal> {
        let of_tenants = self.tenants.iter().flat_map(|tenant| {
            let feeds = &tenant.content.feeds;
            let topics = feeds.enabled.iter().map(|feed| feeds.topic(*feed));
            let routed = topics.filter(|topic| self.is_routed(topic, stored));
            routed.map(|topic| {
                let message = format!(
                    "a route reads the topic of a feed, and each event would come back as a record: \
                     choose another feed_prefix: topic=`{topic}`"
                );
                tenant.refusal(Fault::new("/feed_prefix", message))
            })
        });
        let is_submitted = |id: &str| self.tenants.iter().any(|one| one.content.id.as_str() == id);
        let shared = Feeds::default();
        let mut reserved: BTreeMap<String, String> = index
            .feed_topics()
            .filter(|(_, _, tenant)| !is_submitted(tenant))
            .map(|(topic, _, tenant)| (topic, format!("a feed of a tenant: tenant=`{tenant}`")))
            .collect();
        let shared = Feed::ALL.map(|feed| (shared.topic(feed), "feeds of tenants".to_owned()));
        reserved.extend(shared);
        let routes = self.routes().filter_map(|(topic, _)| {
            let owner = reserved.get(topic)?;
            let message = format!("remove the route: this topic is for {owner}");
            let topics = self.topics.as_ref()?;
            Some(topics.refusal(Fault::new(child("/topics", topic), message)))
        });
        of_tenants.chain(routes).collect::<Vec<_>>().into_iter()
    }

    /// Tenants with topics or tables of their own are bounded, because the revision document lists them.
    pub(super) fn too_many_own_feeds(&self, index: &Index) -> Option<Refusal> {
        let (count, limit) = (index.feeds.len(), limits::OWN_FEEDS);
        let last = self.tenants.last().filter(|_| count > limit)?;
        let message = format!(
            "too many tenants with feeds have a feed_prefix or a table of their own: \
             count=`{count}` limit=`{limit}`"
        );
        Some(last.refusal(Fault::new("/feeds", message)))
    }

    fn is_routed(&self, topic: &str, stored: &Stored) -> bool {
        stored.contains_key(&DocumentName::Topic(topic.to_owned()))
            || self.routes().any(|(routed, _)| routed == topic)
    }
}
