//! Every file of `events/query/` gets the response of its expectation, which also matches the
//! OpenAPI document.

use drover_tests::gateway::is_described;
use drover_tests::query::{Reader, all};

#[tokio::test]
async fn every_request_gets_its_expected_response() {
    let mut differences = Vec::new();
    for one in all() {
        let answer = Reader::over(&one.host().await).invoke(&one.event).await;
        if let Some(difference) = one.expect.difference(&answer) {
            differences.push(format!("events/query/{}.json\n{difference}", one.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[tokio::test]
async fn every_response_matches_the_openapi_document() {
    let document = serde_json::to_value(drover_query::openapi()).expect("JSON");
    let mut described = 0;
    for one in all() {
        let answer = Reader::over(&one.host().await).invoke(&one.event).await;
        described += usize::from(is_described(&document, &one.event, &answer, &one.name));
    }
    assert!(described > 40, "{described} answers");
}
