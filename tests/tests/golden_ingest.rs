//! Every file of `events/ingest/` is answered as its expectation says, and as the OpenAPI document of
//! the routes says; and afterwards its events are where it says.

use drover_tests::golden::{all_end_as_expected, described};
use drover_tests::ingest::Writer;

#[tokio::test]
async fn every_request_is_answered_as_expected_and_its_events_are_where_it_says() {
    all_end_as_expected::<Writer>().await;
}

#[tokio::test]
async fn every_answer_is_one_that_the_openapi_document_describes() {
    let document = serde_json::to_value(drover_ingest::openapi()).expect("JSON");
    let described = described::<Writer>(&document).await;
    assert!(described > 30, "{described} answers");
}
