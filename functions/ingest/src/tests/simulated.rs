//! Simulated alerts: what is stored and sent, and what is refused.

use drover_core::outputs::notifications::Look;
use drover_core::outputs::notifications::simulated::Simulated;

use super::*;

const SIMULATE: &str = "/api/v1/alerts/simulate";

/// A tenant with two targets, whose key may do everything.
fn environment() -> Environment {
    let environment = Environment::new();
    let topic = "arn:aws:sns:eu-central-1:111122223333:t";
    let target = |id: &str| json!({"id": id, "kind": "sns", "topic": topic});
    let document = json!({"id": "demo", "targets": [target("ops"), target("am")]});
    set(&environment.memory, "T#demo", &document);
    let key = Sha256::digest(b"demo-key");
    let sha256: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = json!({"id": "k", "sha256": sha256, "scopes": ["write", "admin"]});
    set(&environment.memory, &format!("K#{sha256}"), &json!({"tenant": "demo", "key": key}));
    environment
}

fn looks(environment: &Environment) -> Vec<Look> {
    let state = environment.memory.state();
    state.outputs.looks.iter().map(|(_, look)| look.clone()).collect()
}

#[test]
fn a_simulated_alert_is_stored_and_its_targets_are_told() {
    for (path, body, targets) in [
        ("/simulate_alert", "", vec!["ops", "am"]),
        (SIMULATE, "null", vec!["ops", "am"]),
        (SIMULATE, r#"{"targets":["am","am"],"severity":"critical","summary":"boo"}"#, vec!["am"]),
    ] {
        let environment = environment();
        let answer = environment.post(path, &[], body.to_owned());
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        assert_eq!(answer.body["targets"], json!(targets));
        let id = answer.body["id"].as_str().expect("an id");
        let looks = looks(&environment);
        let told: Vec<&str> = looks.iter().map(|look| &*look.target).collect();
        assert_eq!(told, targets);
        assert!(looks.iter().all(|look| {
            (look.alert.as_str(), &look.subject, &*look.tenant) == (id, &None, "demo")
        }));
        let state = environment.memory.state();
        let stored = state.outputs.deliveries.get(&("demo".to_owned(), id.to_owned()));
        let stored = stored.and_then(|item| item.simulated.as_deref()).expect("it is stored");
        let simulated = Simulated::read(stored).expect("it can be read");
        let is_usual = simulated.summary == "This is a test of notifications.";
        assert_eq!(is_usual, !body.contains("boo"));
        assert_eq!(answer.body["closes_at"], json!(simulated.closes_at()));
    }
}

#[test]
fn what_cannot_be_simulated_is_refused_with_the_reason_and_nothing_is_sent() {
    let environment = environment();
    let check = |body: &str, code: &str| {
        check_problem(&environment.post(SIMULATE, &[], body.to_owned()), 400, code);
    };
    check("{", "malformed_json");
    check("[]", "invalid_parameter");
    check(r#"{"target":"ops"}"#, "invalid_parameter");
    check(r#"{"targets":["nobody"]}"#, "invalid_parameter");
    check(r#"{"targets":[]}"#, "invalid_parameter");
    check(r#"{"severity":"loud"}"#, "invalid_parameter");
    let long = json!({"summary": "x".repeat(1_001)}).to_string();
    check(&long, "invalid_parameter");
    let query = environment.post("/simulate_alert?target=ops", &[], "");
    check_problem(&query, 400, "unknown_parameter");
    assert!(looks(&environment).is_empty());
    set(&environment.memory, "T#demo", &json!({"id": "demo"}));
    let none = Environment::new();
    check_problem(&none.post(SIMULATE, &[], ""), 403, "forbidden");
    assert!(none.memory.state().outputs.deliveries.is_empty(), "writing is not enough");
}
