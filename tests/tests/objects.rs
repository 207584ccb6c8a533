//! Objects in S3, over a server that responds as S3 does: found objects, missing objects, and
//! transient errors.

#![expect(clippy::expect_used, reason = "clippy does not recognize test helpers as tests")]
#![recursion_limit = "256"]

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use drover_aws::Aws;
use drover_core::base::error::Reason;
use drover_core::dead_letter::object::{OBJECT_BYTES, Object};
use drover_core::ports::Objects as _;
use drover_tests::{aws_at, closed_address};
use futures_util::stream;
use tokio::net::TcpListener;

fn error(status: StatusCode, code: &str) -> Response {
    let body = format!("<Error><Code>{code}</Code><Message>on demand</Message></Error>");
    (status, body).into_response()
}

/// Without a length, as a proxy may send a response.
fn in_parts(parts: Vec<Result<Bytes, std::io::Error>>) -> Response {
    Body::from_stream(stream::iter(parts)).into_response()
}

fn answer(path: &str) -> Response {
    let part = || Ok(Bytes::from(vec![7; OBJECT_BYTES / 2]));
    match path {
        "/bucket/a%20b/%C3%A4%2B.json" => "its bytes".into_response(),
        "/bucket/empty" => "".into_response(),
        "/bucket/largest" => vec![7; OBJECT_BYTES].into_response(),
        "/bucket/too-large" => vec![7; OBJECT_BYTES + 1].into_response(),
        "/bucket/largest-in-parts" => in_parts(vec![part(), part()]),
        "/bucket/too-large-in-parts" => in_parts(vec![part(), part(), Ok(Bytes::from("7"))]),
        "/bucket/cut" => in_parts(vec![Ok(Bytes::from("7")), Err(std::io::Error::other("cut"))]),
        "/bucket/slow-down" => error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        "/bucket/internal" => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        "/bucket/denied" => error(StatusCode::FORBIDDEN, "AccessDenied"),
        path if path.starts_with("/bucket/") => error(StatusCode::NOT_FOUND, "NoSuchKey"),
        _ => error(StatusCode::NOT_FOUND, "NoSuchBucket"),
    }
}

async fn aws() -> Aws {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let app = Router::new().fallback(|uri: Uri| async move { answer(uri.path()) });
    tokio::spawn(async move { axum::serve(listener, app).await });
    aws_at(address).with_objects_at(&format!("http://{address}"))
}

async fn check(aws: &Aws, key: &str, expected: Result<Object, Reason>) {
    let object = aws.object("bucket", key).await.map_err(|error| error.reason);
    // Not with assert_eq, which would print megabytes.
    assert!(object == expected, "{key}");
}

#[tokio::test]
async fn an_object_is_read_completely() {
    let aws = aws().await;
    check(&aws, "a b/ä+.json", Ok(Object::Found(b"its bytes".to_vec()))).await;
    check(&aws, "empty", Ok(Object::Found(Vec::new()))).await;
    check(&aws, "largest", Ok(Object::Found(vec![7; OBJECT_BYTES]))).await;
    check(&aws, "largest-in-parts", Ok(Object::Found(vec![7; OBJECT_BYTES]))).await;
}

#[tokio::test]
async fn a_missing_object_is_gone_and_a_large_object_is_not_read() {
    let aws = aws().await;
    check(&aws, "none", Ok(Object::Gone)).await;
    for key in ["too-large", "too-large-in-parts"] {
        check(&aws, key, Ok(Object::TooLarge)).await;
    }
    let no_bucket = aws.object("other", "none").await;
    assert_eq!(no_bucket, Ok(Object::Gone));
}

#[tokio::test]
async fn a_failure_is_never_mistaken_for_a_missing_object() {
    let aws = aws().await;
    check(&aws, "cut", Err(Reason::Unreachable)).await;
    check(&aws, "internal", Err(Reason::Unreachable)).await;
    check(&aws, "slow-down", Err(Reason::Throttled)).await;
    check(&aws, "denied", Err(Reason::Misconfigured)).await;
    let closed = closed_address().expect("a free port");
    let down = aws.with_objects_at(&format!("http://{closed}"));
    check(&down, "empty", Err(Reason::Unreachable)).await;
}
