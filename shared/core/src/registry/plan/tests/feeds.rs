//! Topics of feeds that have a route.

use super::*;

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
