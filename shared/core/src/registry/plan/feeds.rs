//! Topics of feeds that are read as records: each event would become a record, and each record an event,
//! without an end.
//!
//! Left out: a route for a topic whose `feed_prefix` only a stored tenant has. The registry has no list of
//! prefixes.

use crate::intake::document::DocumentName;
use crate::intake::fault::Fault;
use crate::intake::schema::child;
use crate::intake::tenant::{Feed, Feeds};
use crate::registry::apply::{Checked, Refusal, Stored};

impl Checked {
    /// The topics of the submitted tenants' feeds.
    pub(in crate::registry) fn feed_topics(&self) -> impl Iterator<Item = String> {
        let tenants = self.tenants.iter().map(|tenant| &tenant.content.feeds);
        tenants.flat_map(|feeds| feeds.enabled.iter().map(|feed| feeds.topic(*feed)))
    }

    /// Tenants whose feeds have a route, and routes of the shared feeds.
    pub(super) fn feeds_that_are_read(&self, stored: &Stored) -> impl Iterator<Item = Refusal> {
        let is_routed = |topic: &str| {
            stored.contains_key(&DocumentName::Topic(topic.to_owned()))
                || self.routes().any(|(routed, _)| routed == topic)
        };
        let mut refusals = Vec::new();
        for tenant in &self.tenants {
            let feeds = &tenant.content.feeds;
            let topics = feeds.enabled.iter().map(|feed| feeds.topic(*feed));
            for topic in topics.filter(|topic| is_routed(topic)) {
                let message = format!("a route reads the topic of a feed: topic=`{topic}`");
                refusals.push(tenant.refusal(Fault::new("/feed_prefix", message)));
            }
        }
        let shared = Feeds::default();
        let is_shared = |topic: &str| Feed::ALL.into_iter().any(|feed| shared.topic(feed) == topic);
        for (topic, _) in self.routes().filter(|(topic, _)| is_shared(topic)) {
            let fault = Fault::new(child("/topics", topic), "this topic is for feeds of tenants");
            refusals.extend(self.topics.as_ref().map(|topics| topics.refusal(fault)));
        }
        refusals.into_iter()
    }
}
