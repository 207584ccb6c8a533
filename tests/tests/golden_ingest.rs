//! Every file of `events/ingest/` gets the response of its expectation, which also matches the
//! OpenAPI document; afterwards its events are in the expected places.

use drover_tests::gateway::is_described;
use drover_tests::ingest::all;

#[tokio::test]
async fn every_request_gets_its_expected_response_and_its_events_are_stored() {
    let mut differences = Vec::new();
    for one in all() {
        let host = one.host();
        let answer = one.answer(&host).await;
        if let Some(difference) = one.expect.difference(&answer, &host) {
            differences.push(format!("events/ingest/{}.json\n{difference}", one.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[tokio::test]
async fn every_response_matches_the_openapi_document() {
    let document = serde_json::to_value(drover_ingest::openapi()).expect("JSON");
    let mut described = 0;
    for one in all() {
        let answer = one.answer(&one.host()).await;
        described += usize::from(is_described(&document, &one.event, &answer, &one.name));
    }
    assert!(described > 30, "{described} answers");
}
