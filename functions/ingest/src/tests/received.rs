//! Alerts of other systems: what is stored, and what is refused.

use super::*;

const WEBHOOK: &str = "/api/v1/alerts/webhook";

fn stored(environment: &Environment) -> Vec<Value> {
    let state = environment.memory.state();
    let received = state.outputs.received.values();
    received.map(|json| serde_json::from_str(json).expect("JSON")).collect()
}

#[test]
fn alerts_are_stored_for_the_tenant_of_the_key_and_repetitions_update() {
    for path in ["/alert", WEBHOOK] {
        let environment = Environment::new();
        let alert = |status: &str| {
            json!({"receiver": "us", "alerts": [{
                "status": status, "labels": {"alertname": "Down"},
                "startsAt": "2026-11-21T05:00:00Z", "fingerprint": "0a1b",
            }]})
        };
        for status in ["firing", "resolved"] {
            let answer = environment.post(path, &[], alert(status).to_string());
            assert_eq!((answer.status, answer.body), (StatusCode::OK, json!({"received": 1})));
        }
        let stored = stored(&environment);
        assert_eq!(stored.len(), 1, "{stored:?}");
        assert_eq!(
            (&stored[0]["status"], &stored[0]["receiver"]),
            (&json!("resolved"), &json!("us"))
        );
        let tenants: Vec<String> = environment
            .memory
            .state()
            .outputs
            .received
            .keys()
            .map(|(tenant, _)| tenant.as_str().to_owned())
            .collect();
        assert_eq!(tenants, ["demo"]);
    }
}

#[test]
fn what_is_no_alert_is_refused_with_the_reason_and_nothing_is_stored() {
    let environment = Environment::new();
    check_problem(&environment.post(WEBHOOK, &[], "{"), 400, "malformed_json");
    let odd = environment.post(WEBHOOK, &[], r#"{"alerts":[{},7]}"#);
    check_problem(&odd, 400, "malformed_json");
    assert_eq!(odd.body["errors"][0]["path"], "/alerts/1");
    let many = json!(vec![json!({}); 1_001]).to_string();
    check_problem(&environment.post(WEBHOOK, &[], many), 413, "too_large");
    let unknown = environment.post("/alert?tenant=acme", &[], "{}");
    check_problem(&unknown, 400, "unknown_parameter");
    assert_eq!(stored(&environment), Vec::<Value>::new());
    let none = environment.post(WEBHOOK, &[], r#"{"alerts":[]}"#);
    assert_eq!((none.status, none.body), (StatusCode::OK, json!({"received": 0})));
}
