//! Every file of `events/query/` is answered as its expectation says, and as the OpenAPI document of
//! the routes says.

use drover_tests::golden::{all_end_as_expected, described};
use drover_tests::query::Reader;

#[tokio::test]
async fn every_request_is_answered_as_expected() {
    all_end_as_expected::<Reader>().await;
}

#[tokio::test]
async fn every_answer_is_one_that_the_openapi_document_describes() {
    let document = serde_json::to_value(drover_query::openapi()).expect("JSON");
    let described = described::<Reader>(&document).await;
    assert!(described > 40, "{described} answers");
}
