//! The API as a client sees it, without sockets.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;

const ENOUGH: Duration = Duration::from_secs(10);

fn functions() -> Functions {
    Functions::default()
        .with("echo", ENOUGH, |event, _| async { Ok(event) })
        .with("fail", ENOUGH, |_, _| async {
            Err(FunctionError { error_type: "Odd".to_owned(), error_message: "no".to_owned() })
        })
        .with("panic", ENOUGH, |_, _| async { panic!("at the worst moment") })
        .with("slow", Duration::from_millis(20), |_, _| std::future::pending())
        .with("huge", ENOUGH, |_, _| async { Ok(Bytes::from(vec![b'1'; 7 * 1024 * 1024])) })
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answered {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(request: Request<Body>) -> Answered {
    let (running, _ended) = mpsc::channel(1);
    let (head, body) = routes(functions(), running).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answered { status: head.status.as_u16(), headers: head.headers, body }
}

fn call(function: &str) -> axum::http::request::Builder {
    Request::post(format!("/2015-03-31/functions/{function}/invocations"))
}

async fn invoke_with(function: &str, body: impl Into<Body>) -> Answered {
    send(call(function).body(body.into()).unwrap()).await
}

async fn rejected(request: Request<Body>, status: u16, error_type: &str) -> Value {
    let answer = send(request).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (status, Some(error_type)));
    assert_eq!(answer.json()["Type"], "User");
    assert_eq!(answer.header("x-amz-function-error"), None);
    answer.json()
}

async fn function_error(function: &str) -> Value {
    let answer = invoke_with(function, "{}").await;
    assert_eq!((answer.status, answer.header(FUNCTION_ERROR)), (200, Some("Unhandled")));
    answer.json()
}

#[tokio::test]
async fn a_response_is_that_of_the_function_with_the_headers_of_lambda() {
    let answer = invoke_with("echo", r#"{"a": 1}"#).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &br#"{"a": 1}"#[..]));
    assert_eq!(answer.header("x-amz-executed-version"), Some("$LATEST"));
    assert!(answer.header("x-amzn-requestid").is_some());
    assert_eq!(answer.header(FUNCTION_ERROR), None);
}

#[tokio::test]
async fn a_function_is_found_by_its_name_and_by_every_form_of_its_arn() {
    for reference in [
        "echo",
        "echo:live",
        "000000000000:function:echo",
        "arn:aws:lambda:eu-west-1:000000000000:function:echo",
        "arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Aecho%3Alive",
    ] {
        assert_eq!(invoke_with(reference, "{}").await.status, 200, "{reference}");
    }
    assert_eq!(
        send(
            Request::post("/2015-03-31/functions/echo/invocations?Qualifier=live")
                .body(Body::empty())
                .unwrap()
        )
        .await
        .status,
        200
    );
}

#[tokio::test]
async fn an_empty_body_counts_as_an_empty_object() {
    assert_eq!(&invoke_with("echo", Body::empty()).await.body[..], b"{}");
}

#[tokio::test]
async fn a_failure_a_panic_and_a_timeout_are_function_errors() {
    let error = function_error("fail").await;
    assert_eq!(error, json!({ "errorType": "Odd", "errorMessage": "no" }));
    let error = function_error("panic").await;
    assert_eq!(error["errorMessage"], "Lambda panicked: at the worst moment");
    let error = function_error("slow").await;
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with(" Error: Task timed out after 0.02 seconds"), "{message}");
}

#[tokio::test]
async fn a_response_over_the_limit_is_a_function_error() {
    assert_eq!(function_error("huge").await["errorType"], "Function.ResponseSizeTooLarge");
}

#[tokio::test]
async fn an_unknown_function_is_not_found() {
    let body =
        rejected(call("nobody").body(Body::empty()).unwrap(), 404, "ResourceNotFoundException")
            .await;
    assert_eq!(
        body["Message"],
        "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody"
    );
}

#[tokio::test]
async fn a_body_that_is_not_json_is_rejected_and_not_echoed() {
    for body in [&b"{\"secret\":"[..], b"secret", b"\"\xff\"", b"{} {}"] {
        let request = call("echo").body(Body::from(body.to_vec())).unwrap();
        let body = rejected(request, 400, "InvalidRequestContentException").await;
        assert!(!body.to_string().contains("secret"), "{body}");
    }
}

#[tokio::test]
async fn an_event_over_the_limit_is_too_large() {
    let text = |bytes: usize| Body::from(format!("\"{}\"", "a".repeat(bytes - 2)));
    assert_eq!(invoke_with("echo", text(REQUEST_LIMIT)).await.status, 200);
    let request = call("echo").body(text(REQUEST_LIMIT + 1)).unwrap();
    rejected(request, 413, "RequestTooLargeException").await;
    let event = call("echo").header("x-amz-invocation-type", "Event");
    rejected(event.body(text(EVENT_LIMIT + 1)).unwrap(), 413, "RequestTooLargeException").await;
}

#[tokio::test]
async fn other_paths_methods_and_invocation_types_are_rejected() {
    let get = Request::get("/2015-03-31/functions/echo/invocations").body(Body::empty()).unwrap();
    rejected(get, 404, "UnknownOperationException").await;
    let list = Request::get("/2015-03-31/functions").body(Body::empty()).unwrap();
    rejected(list, 404, "UnknownOperationException").await;
    let odd = call("echo").header("x-amz-invocation-type", "Sometimes").body(Body::empty());
    rejected(odd.unwrap(), 400, "InvalidParameterValueException").await;
}

#[tokio::test]
async fn a_dry_run_checks_the_name_and_runs_nothing() {
    let dry = |function: &str| {
        call(function).header("x-amz-invocation-type", "DryRun").body(Body::empty()).unwrap()
    };
    let answer = send(dry("panic")).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    rejected(dry("nobody"), 404, "ResourceNotFoundException").await;
}

#[tokio::test]
async fn an_event_is_accepted_at_once_and_run_to_its_end() {
    let (running, mut ended) = mpsc::channel::<Infallible>(1);
    let (started, mut seen) = mpsc::channel(1);
    let functions = Functions::default().with("note", ENOUGH, move |event, _| {
        let started = started.clone();
        async move {
            started.send(event.clone()).await.unwrap();
            Ok(event)
        }
    });
    let request =
        call("note").header("x-amz-invocation-type", "Event").body(Body::from("7")).unwrap();
    let answer = routes(functions, running).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(seen.recv().await.unwrap(), "7");
    assert_eq!(ended.recv().await, None);
}

#[tokio::test]
async fn an_invocation_continues_when_its_caller_disconnects() {
    let (running, mut ended) = mpsc::channel::<Infallible>(1);
    let (started, mut seen) = mpsc::channel(1);
    let (finish, finished) = tokio::sync::watch::channel(false);
    let functions = Functions::default().with("wait", ENOUGH, move |event, _| {
        let (started, mut finished) = (started.clone(), finished.clone());
        async move {
            started.send("started").await.unwrap();
            finished.wait_for(|finished| *finished).await.unwrap();
            started.send("finished").await.unwrap();
            Ok(event)
        }
    });
    let request = call("wait").body(Body::empty()).unwrap();
    let caller = tokio::spawn(routes(functions, running).oneshot(request));
    assert_eq!(seen.recv().await, Some("started"));
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    finish.send(true).unwrap();
    assert_eq!(seen.recv().await, Some("finished"));
    assert_eq!(ended.recv().await, None);
}

#[tokio::test]
async fn the_context_has_the_deadline_and_the_request_id() {
    let functions = Functions::default().with("context", ENOUGH, |_, context| async move {
        let left = context.deadline.elapsed().unwrap_err().duration();
        Ok(json!([context.request_id, left.as_secs_f64()]).to_string().into())
    });
    let (running, _ended) = mpsc::channel(1);
    let request = call("context").body(Body::empty()).unwrap();
    let answer = routes(functions, running).oneshot(request).await.unwrap();
    let request_id = answer.headers()["x-amzn-requestid"].to_str().unwrap().to_owned();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let (told, left): (String, f64) = serde_json::from_slice(&body).unwrap();
    assert_eq!(told, request_id);
    assert!((5.0..=10.0).contains(&left), "{left}");
}
