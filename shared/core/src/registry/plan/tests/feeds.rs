//! Topics of feeds that have a route.

use futures_util::FutureExt as _;

use super::*;
use crate::memory::Memory;
use crate::registry::{OwnFeedTopic, OwnFeedsOfTenants, own_feeds_of_tenants};

fn routes(topics: &[&str]) -> Option<Text> {
    let route = |topic: &&str| {
        ((*topic).to_owned(), json!({"contract": "telemetry", "tenant": {"const": "a"}}))
    };
    let routes: serde_json::Map<String, Value> = topics.iter().map(route).collect();
    Some(text("topics.json", &json!({ "topics": routes })))
}

#[test]
fn a_topic_of_a_feed_has_no_route() {
    let tenant = json!({"id": "a", "feeds": ["settled"], "feed_prefix": "own"});
    let both = |topics: &[&str]| Submitted {
        topics: routes(topics),
        ..tenants(std::slice::from_ref(&tenant))
    };
    assert!(!plan(&both(&["own.ordered"]), &Stored::new()).writes.is_empty());
    refusals(&both(&["own.settled"]), &Stored::new(), &["/feed_prefix"]);

    let stored = applied(&Submitted { topics: routes(&["own.settled"]), ..Submitted::default() });
    refusals(&tenants(&[tenant]), &stored, &["/feed_prefix"]);
}

#[test]
fn the_topics_of_the_shared_feeds_have_no_route() {
    let shared = Submitted { topics: routes(&["drover.views"]), ..Submitted::default() };
    refusals(&shared, &Stored::new(), &["/topics/drover.views"]);
}

/// The stored documents after another apply.
fn applied_after(stored: &Stored, submitted: &Submitted) -> Stored {
    let mut stored = stored.clone();
    let planned = plan(submitted, &stored);
    apply(&mut stored, planned);
    stored
}

#[test]
fn a_topic_of_a_stored_tenants_feed_has_no_route_until_the_tenant_gives_it_up() {
    let own = |feeds: Value| tenants(&[json!({"id": "a", "feeds": feeds, "feed_prefix": "own"})]);
    let routed = |topic: &str| Submitted { topics: routes(&[topic]), ..Submitted::default() };
    let stored = applied(&own(json!(["settled", "views"])));
    for topic in ["own.settled", "own.views"] {
        refusals(&routed(topic), &stored, &[&format!("/topics/{topic}")]);
    }
    assert!(!plan(&routed("own.ordered"), &stored).writes.is_empty());

    // Another tenant may share the prefix: its feeds count too.
    let other = tenants(&[json!({"id": "b", "feeds": ["views"], "feed_prefix": "own"})]);
    let both = applied_after(&stored, &other);
    let only_settled = applied_after(&both, &own(json!(["settled"])));
    refusals(&routed("own.views"), &only_settled, &["/topics/own.views"]);
    let none = tenants(&[json!({"id": "b"}), json!({"id": "a", "feed_prefix": "own"})]);
    let without = applied_after(&only_settled, &none);
    assert!(!plan(&routed("own.views"), &without).writes.is_empty());
}

#[test]
fn a_route_of_a_stored_tenants_feed_is_refused_with_the_tenant_and_what_to_do() {
    let stored = applied(&tenants(&[json!({"id": "a", "feeds": ["views"], "feed_prefix": "own"})]));
    let routed = Submitted { topics: routes(&["own.views"]), ..Submitted::default() };
    let refused = routed.check().expect("documents").plan(&stored, (BY, at(NOW)));
    let told = refused.expect_err("a refusal")[0].to_string();
    let expected = "topics.json: /topics/own.views: remove the route: this topic is for a feed of a tenant: \
                    tenant=`a`";
    assert_eq!(told, expected);
}

#[test]
fn the_revision_document_lists_the_topics_and_tables_of_feeds_and_no_shared_ones() {
    let stored = applied(&tenants(&[
        json!({"id": "a", "feeds": ["views", "ordered"], "feed_prefix": "own"}),
        json!({"id": "b", "feeds": ["settled"], "placement": {"table": "ledger-b"}}),
        json!({"id": "c", "feeds": ["settled"]}),
        json!({"id": "d", "feed_prefix": "unused", "placement": {"table": "ledger-d"}}),
    ]));
    let memory = Memory::new(at(NOW));
    memory.put_document("REV", &stored[&DocumentName::Revision].json);
    let needs = own_feeds_of_tenants(&memory).now_or_never().expect("ready").expect("stored");
    let topic = |name: &str, is_compacted| OwnFeedTopic { name: name.to_owned(), is_compacted };
    let topics = [topic("own.ordered", false), topic("own.views", true)].into();
    assert_eq!(needs, OwnFeedsOfTenants { topics, tables: ["ledger-b".to_owned()].into() });
}

#[test]
fn tenants_with_feeds_of_their_own_are_bounded() {
    let many = |count: usize| {
        let tenant = |number: usize| json!({"id": format!("t{number}"), "feeds": ["views"], "feed_prefix": format!("p{number}")});
        tenants(&(0..count).map(tenant).collect::<Vec<_>>())
    };
    assert!(!plan(&many(limits::OWN_FEEDS), &Stored::new()).writes.is_empty());
    refusals(&many(limits::OWN_FEEDS + 1), &Stored::new(), &["/feeds"]);
}
