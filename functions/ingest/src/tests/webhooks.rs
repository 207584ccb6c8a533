//! Facts about handshakes of webhooks.

use super::*;

const GRID: &str = "eventgrid.azure.net";
const EVENT_TYPE: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";

fn environment(origins: &[&str]) -> Environment {
    let origins = origins.iter().copied();
    Environment::with_webhooks(WebhookOrigins::listed(origins).expect("names"))
}

/// `OPTIONS`, without credentials.
fn options(environment: &Environment, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::options(path);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    environment.request(request.body(Body::empty()).expect("a request"))
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).and_then(|value| value.to_str().ok())
}

fn validation(code: &Value) -> Value {
    json!([{"id": "v-1", "eventType": EVENT_TYPE, "data": {"validationCode": code}, "dataVersion": "2"}])
}

fn validate(environment: &Environment, body: &Value) -> Answer {
    let headers = [("aeg-event-type", "SubscriptionValidation")];
    environment.post("/api/v1/events", &headers, body.to_string())
}

#[test]
fn a_listed_origin_may_deliver_events_and_is_answered_by_its_name() {
    let environment = environment(&[GRID, "Events.example.com"]);
    let asked =
        |headers: &[(&str, &str)]| options(&environment, "/api/v1/events?contract=a", headers);
    let answer = asked(&[("WebHook-Request-Origin", "events.EXAMPLE.com")]);
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(header(&answer, "webhook-allowed-origin"), Some("events.EXAMPLE.com"));
    assert_eq!(header(&answer, "webhook-allowed-rate"), None, "no rate was asked for");
    assert_eq!(header(&answer, "allow"), Some("POST"));
    assert!(header(&answer, "x-correlation-id").is_some());
    let rated = asked(&[("webhook-request-origin", GRID), ("webhook-request-rate", "120")]);
    assert_eq!(header(&rated, "webhook-allowed-rate"), Some("120"));
    assert!(environment.taken().is_empty());
}

#[test]
fn another_origin_is_refused_by_name_and_so_is_every_origin_where_none_is_listed() {
    for origins in [&[][..], &["events.example.com"]] {
        let environment = environment(origins);
        let answer = options(&environment, "/api/v1/events", &[("webhook-request-origin", GRID)]);
        check_problem(&answer, 403, "forbidden");
        let detail = answer.body["detail"].as_str().expect("a text");
        assert!(detail.contains("DROVER_WEBHOOK_ORIGINS") && detail.contains(GRID), "{detail}");
        assert_eq!(header(&answer, "webhook-allowed-origin"), None);
        check_problem(&validate(&environment, &validation(&json!("c-1"))), 403, "forbidden");
    }
}

#[test]
fn a_malformed_handshake_is_refused() {
    let environment = environment(&[GRID]);
    for headers in [
        &[("webhook-request-origin", "https://eventgrid.azure.net")][..],
        &[("webhook-request-origin", "")],
        &[("webhook-request-origin", "*")],
        &[("webhook-request-origin", GRID), ("webhook-request-origin", GRID)],
        &[("webhook-request-origin", GRID), ("webhook-request-rate", "many")],
        &[("webhook-request-origin", GRID), ("webhook-request-rate", "0")],
        &[("webhook-request-origin", GRID), ("webhook-request-rate", "1234567890")],
    ] {
        let answer = options(&environment, "/api/v1/events", headers);
        check_problem(&answer, 400, "invalid_handshake");
        assert_eq!(header(&answer, "webhook-allowed-origin"), None);
    }
    let typo =
        options(&environment, "/api/v1/events?contrct=a", &[("webhook-request-origin", GRID)]);
    check_problem(&typo, 400, "unknown_parameter");
    let elsewhere = options(&environment, "/collect", &[("webhook-request-origin", GRID)]);
    check_problem(&elsewhere, 405, "method_not_allowed");
}

#[test]
fn a_preflight_request_of_a_browser_is_answered_as_everywhere() {
    let environment = environment(&[GRID]);
    let preflight = |origin| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        options(&environment, "/api/v1/events", &headers)
    };
    let answer = preflight("http://localhost:3000");
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(header(&answer, "access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(header(&answer, "webhook-allowed-origin"), None);
    assert_eq!(header(&preflight("https://a.example"), "access-control-allow-origin"), None);
}

#[test]
fn a_validation_event_is_answered_with_its_code_and_becomes_no_event() {
    let environment = environment(&[GRID]);
    let answer = validate(&environment, &validation(&json!("512d38b6-c7b8")));
    assert_eq!(
        (answer.status, &answer.body),
        (StatusCode::OK, &json!({"validationResponse": "512d38b6-c7b8"}))
    );
    assert!(environment.taken().is_empty());
    let headers =
        [("aeg-event-type", "SubscriptionValidation"), ("authorization", "Bearer nobody")];
    let unknown = environment.post("/api/v1/events", &headers, validation(&json!("c")).to_string());
    check_problem(&unknown, 401, "unauthorized");
}

#[test]
fn a_malformed_validation_event_is_refused_by_name() {
    let environment = environment(&[GRID]);
    let typed = |changed: Value| json!([{"eventType": changed, "data": {"validationCode": "c"}}]);
    for (body, named) in [
        (json!([]), "events=`0`"),
        (json!({"eventType": EVENT_TYPE}), "events=`no array`"),
        (typed(json!("Microsoft.Storage.BlobCreated")), "path=`/0/eventType`"),
        (typed(json!(7)), "path=`/0/eventType`"),
        (json!([EVENT_TYPE]), "path=`/0/eventType`"),
        (json!([{"eventType": EVENT_TYPE}]), "path=`/0/data/validationCode`"),
        (validation(&json!(7)), "path=`/0/data/validationCode`"),
        (validation(&json!("")), "path=`/0/data/validationCode`"),
        (validation(&json!("two words")), "path=`/0/data/validationCode`"),
        (validation(&json!("x".repeat(129))), "path=`/0/data/validationCode`"),
    ] {
        let answer = validate(&environment, &body);
        check_problem(&answer, 400, "invalid_handshake");
        assert!(answer.body["detail"].as_str().expect("a text").contains(named), "{}", answer.body);
    }
    let headers = [("aeg-event-type", "SubscriptionValidation")];
    let post = |path, body: &str| environment.post(path, &headers, body.to_owned());
    check_problem(&post("/api/v1/events", "[{"), 400, "malformed_json");
    check_problem(&post("/api/v1/events", &" ".repeat(16 * 1024 + 1)), 413, "too_large");
    check_problem(&post("/api/v1/events?contrct=a", "[]"), 400, "unknown_parameter");
    assert!(environment.taken().is_empty());
}

#[test]
fn events_that_event_grid_delivers_are_events() {
    let environment = environment(&[GRID]);
    let headers = [("aeg-event-type", "Notification")];
    let answer = environment.post("/api/v1/events", &headers, json!([good("e1")]).to_string());
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(environment.taken().len(), 1);
}
