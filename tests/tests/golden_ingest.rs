//! Every file of `events/ingest/` is answered as its expectation says, and as the OpenAPI document of
//! the routes says; and afterwards its events are where it says.

use drover_tests::gateway::is_described;
use drover_tests::ingest::all;

#[tokio::test]
async fn every_request_is_answered_as_expected_and_its_events_are_where_it_says() {
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
async fn every_answer_is_one_that_the_openapi_document_describes() {
    let document = serde_json::to_value(drover_ingest::openapi()).expect("JSON");
    let mut described = 0;
    for one in all() {
        let answer = one.answer(&one.host()).await;
        described += usize::from(is_described(&document, &one.event, &answer, &one.name));
    }
    assert!(described > 30, "{described} answers");
}
