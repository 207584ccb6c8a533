//! Sends arbitrary bytes as events, in every encoding, to ingest as an authenticated client. Ingest
//! must not panic, run out of memory or answer with a server error, and must report the outcome of
//! each event.
//!
//! An input is a body, followed by the byte 0xff (which UTF-8 text never contains) and option bytes
//! for the headers: content type, encoding and others. An input without that byte is plain JSON.

#![no_main]

use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use drover_core::intake::quota::WriteQuotas;
use drover_core::registry::Registry;
use drover_core::pipeline::direct::Direct;
use drover_http::{Origins, finished};
use drover_fuzz::{Uncounted, pipeline, ports};
use drover_ingest::{FUNCTION, WebhookOrigins, routes};
use drover_intake::log_breaker::LogBreaker;
use drover_intake::{AuthMode, Gate, Intake, LocalKeys};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower::ServiceExt as _;

const END: u8 = 0xff;
const TYPES: [Option<&str>; 6] = [
    Some("application/json"),
    None,
    Some("application/x-ndjson"),
    Some("application/cloudevents+json; charset=utf-8"),
    Some("text/plain"),
    Some(";"),
];
const QUERIES: [&str; 6] =
    ["", "?contract=learning", "?contract=cloudevents", "?contract=none", "?contrct=x", "?%zz"];

fuzz_target!(|input: &[u8]| {
    let (body, choices) = match input.iter().rposition(|byte| *byte == END) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, [].as_slice()),
    };
    let choice = |place: usize, count: usize| {
        choices.get(place).map_or(0, |byte| usize::from(*byte)) % count
    };
    let mut request = Request::post(format!("/api/v1/events{}", QUERIES[choice(2, QUERIES.len())]))
        .header("authorization", "Bearer drover-demo-key");
    if let Some(content_type) = TYPES[choice(0, TYPES.len())] {
        request = request.header("content-type", content_type);
    }
    if choice(3, 2) == 1 {
        request = request.header("idempotency-key", "k-1");
    }
    let (body, encoding) = encoded(body, choice(1, 6));
    if let Some(encoding) = encoding {
        request = request.header("content-encoding", encoding);
    }
    check(request.body(body.into()).expect("a request"));
});

/// A body and its declared encoding. Only bodies compressed here are valid; the other choices test
/// the decoders.
fn encoded(body: &[u8], choice: usize) -> (Vec<u8>, Option<&'static str>) {
    match choice {
        0 => (body.to_vec(), None),
        1 => (body.to_vec(), Some("gzip")),
        2 => (body.to_vec(), Some("zstd")),
        3 => (gzip(body), Some("gzip")),
        4 => (zstd::encode_all(body, 1).expect("no I/O"), Some("zstd")),
        _ => (body.to_vec(), Some("br")),
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("no I/O");
    encoder.finish().expect("no I/O")
}

fn check(request: Request<Body>) {
    let intake = Intake {
        function: FUNCTION,
        ports: ports(),
        event_log: Direct {
            ports: ports(),
            pipeline: pipeline(),
            meter: Arc::new(Uncounted),
            function: FUNCTION,
        },
        registry: Registry::new(),
        gate: Gate { mode: AuthMode::Key(LocalKeys::Accepted) },
        quotas: WriteQuotas::default(),
        log_breaker: LogBreaker::default(),
        meter: Arc::new(Uncounted),
    };
    let router = finished(routes(Arc::new(intake), WebhookOrigins::default()), Origins::Local);
    let (status, answer) = futures_executor::block_on(async {
        let answer = router.oneshot(request).await.expect("infallible");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice::<Value>(&body).expect("JSON"))
    });
    match status {
        StatusCode::ACCEPTED => {
            let results = answer["results"].as_array().expect("results");
            let count = |name: &str| answer[name].as_u64().expect("a count") as usize;
            assert!((1..=100).contains(&results.len()), "{answer}");
            assert_eq!(count("accepted") + count("rejected"), results.len(), "{answer}");
            assert!(count("accepted") > 0, "{answer}");
        }
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => {
            assert_eq!(answer["status"], status.as_u16(), "{answer}");
            assert!(answer["code"].is_string(), "{answer}");
        }
        _ => panic!("{status}: {answer}"),
    }
}
