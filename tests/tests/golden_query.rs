//! Every file of `events/query/` gets the response of its expectation, which also matches the
//! OpenAPI document.

use drover_tests::golden::{all_end_as_expected, described};
use drover_tests::query::Reader;

#[tokio::test]
async fn every_request_is_answered_as_expected() {
    all_end_as_expected::<Reader>().await;
}

#[tokio::test]
async fn every_response_matches_the_openapi_document() {
    let document = serde_json::to_value(drover_query::openapi()).expect("JSON");
    let described = described::<Reader>(&document).await;
    assert!(described > 40, "{described} answers");
}
