//! Every file of `events/ingest/` gets the response of its expectation, which also matches the
//! OpenAPI document; afterwards its events are in the expected places.

use drover_tests::golden::{all_end_as_expected, described};
use drover_tests::ingest::Writer;

#[tokio::test]
async fn every_request_is_answered_as_expected_and_its_events_are_where_it_says() {
    all_end_as_expected::<Writer>().await;
}

#[tokio::test]
async fn every_response_matches_the_openapi_document() {
    let document = serde_json::to_value(drover_ingest::openapi()).expect("JSON");
    let described = described::<Writer>(&document).await;
    assert!(described > 30, "{described} answers");
}
