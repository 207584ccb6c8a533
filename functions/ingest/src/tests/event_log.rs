//! Tests of the event log and the buffer queue, if one of them or both fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn without_the_event_log_the_same_records_wait_in_the_buffer() {
    let environment = Environment::new();
    environment.take_down(&[Call::EventLog]);
    let answer = environment.events(&json!([good("e1"), reading("d1", "e2", &json!("warm"))]));
    assert_eq!((answer.status, &answer.body["accepted"]), (StatusCode::ACCEPTED, &json!(1)));
    let state = environment.memory.state();
    let [message] = &state.buffer[..] else { panic!("{} messages", state.buffer.len()) };
    let envelope: Envelope = serde_json::from_str(&message.body).expect("an envelope");
    assert_eq!(envelope.code, "unavailable");
    assert_eq!(envelope.tenant.as_deref(), Some("demo"));
    assert_eq!(envelope.wrapping, Some(Wrapping::Event));
    assert_eq!(envelope.ingested_at, now());
    assert!(matches!(envelope.source, Source::Http { index: 0, .. }));
    drop(state);
    assert!((environment.counted(Metric::RecordsBuffered) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn after_two_failures_the_event_log_is_not_called_for_five_seconds() {
    let environment = Environment::new();
    let sends = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sends);
    environment.memory.fail(move |call| {
        let sends = call == Call::EventLog;
        count.fetch_add(usize::from(sends), Ordering::Relaxed);
        if sends { Fault::Refused } else { Fault::None }
    });
    for seconds in [0, 0, 1, 4] {
        environment.at(seconds);
        let answer = environment.events(&json!([good("e1")]));
        assert_eq!((answer.status, &answer.body["accepted"]), (StatusCode::ACCEPTED, &json!(1)));
    }
    assert_eq!((sends.load(Ordering::Relaxed), environment.memory.state().buffer.len()), (2, 4));
    // The event log works again and is called after the pause.
    environment.take_down(&[]);
    environment.at(4);
    environment.events(&json!([good("e3")]));
    assert_eq!((environment.taken().len(), environment.memory.state().buffer.len()), (0, 5));
    environment.at(5);
    environment.events(&json!([good("e3")]));
    assert_eq!((environment.taken().len(), environment.memory.state().buffer.len()), (1, 5));
}

#[test]
fn the_event_log_is_called_again_if_the_buffer_fails_during_the_pause() {
    let environment = Environment::new();
    environment.take_down(&[Call::EventLog]);
    for _ in 0..2 {
        environment.events(&json!([good("e1")]));
    }
    environment.take_down(&[Call::Buffer]);
    // The event log was not called for this event, and its sender must retry.
    check_problem(&environment.events(&json!([good("e1")])), 503, "unavailable");
    assert_eq!(environment.events(&json!([good("e1")])).status, StatusCode::ACCEPTED);
    assert_eq!(environment.taken().len(), 1);
}

#[test]
fn a_success_between_two_failures_resets_the_breaker() {
    let environment = Environment::new();
    for down in [&[Call::EventLog][..], &[], &[Call::EventLog], &[]] {
        environment
            .memory
            .fail(move |call| if down.contains(&call) { Fault::Refused } else { Fault::None });
        environment.events(&json!([good("e1")]));
    }
    assert_eq!((environment.taken().len(), environment.memory.state().buffer.len()), (2, 2));
}

#[test]
fn without_event_log_and_buffer_no_event_is_accepted() {
    let environment = Environment::new();
    environment.take_down(&[Call::EventLog, Call::Buffer]);
    let answer = environment.events(&json!([good("e1"), good("e2")]));
    check_problem(&answer, 503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.body["detail"], "Service Unavailable");
}
