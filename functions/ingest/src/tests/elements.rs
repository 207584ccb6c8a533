//! Tests of contracts with a transform: an event of a request becomes several events or no event.

use super::*;

const UPLINK: &str = r#"{
    "name": "uplink", "subject": {"kind": "device", "id": {"path": "/id"}},
    "transform": ". as $all | .readings[] | {id: $all.device, at: .t, value: (.v | tonumber)}",
    "type": {"const": "reading"}, "observed_at": {"path": "/at", "format": "epoch"},
    "payload": {"path": "/value"}
}"#;

fn environment() -> Environment {
    let environment = Environment::new();
    environment.memory.put_contract("uplink", UPLINK);
    environment
}

fn at(seconds: i64) -> i64 {
    now().whole_seconds() - 60 + seconds
}

#[test]
fn each_element_has_its_own_result_and_its_own_record() {
    let environment = environment();
    let body = json!([
        {"device": "d1", "readings": [{"t": at(1), "v": "1.50"}, {"t": at(2), "v": "secret"}, {"t": at(3), "v": 3}]},
        {"device": "d2", "readings": []},
        {"device": "d3", "readings": [{"t": at(1), "v": 89_430_103_211_234_567_u64}]},
    ]);
    let path = "/api/v1/events?contract=uplink";
    let Answer { status, body, .. } = environment.post(path, &[], body.to_string());
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(
        (&body["accepted"], &body["rejected"], &body["ignored"]),
        (&json!(3), &json!(1), &json!(1))
    );
    let places: Vec<Value> = body["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|result| json!([result["index"], result["element"], result["status"]]))
        .collect();
    let expected = json!([
        [0, 0, "accepted"],
        [0, 1, "rejected"],
        [0, 2, "accepted"],
        [1, null, "ignored"],
        [2, 0, "accepted"]
    ]);
    assert_eq!(json!(places), expected);
    let error = &body["results"][1]["error"];
    assert_eq!(error["code"], "transform_failed");
    assert_eq!(error["message"], "the transform failed: cannot use string as number");
    let taken = environment.taken();
    assert_eq!(taken.len(), 3);
    let payload = |record: &Record| -> Value {
        let envelope: Value =
            serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON");
        json!([envelope["id"], envelope["payload"]])
    };
    let payloads: Vec<Value> = taken.iter().map(payload).collect();
    assert_eq!(
        json!(payloads),
        json!([["d1", 1.5], ["d1", 3], ["d3", 89_430_103_211_234_567_u64]])
    );
    assert!((environment.counted(Metric::MessagesProcessed) - 3.0).abs() < f64::EPSILON);
    assert!((environment.counted(Metric::RecordsIgnored) - 1.0).abs() < f64::EPSILON);
}

/// A program reads the headers of a request as it reads those of a Kafka record, less credentials.
#[test]
fn a_transform_reads_the_headers_of_a_request() {
    let environment = environment();
    let contract = UPLINK.replace(
        r#"". as $all | .readings[] | {id: $all.device, at: .t, value: (.v | tonumber)}""#,
        r#""{id: $headers[\"x-device\"], at: .t, value: [$headers | keys[] | select(startswith(\"x-\") or . == \"authorization\")]}""#,
    );
    environment.memory.put_contract("uplink", &contract);
    let headers = [("X-Device", "d7"), ("X-Other", "1"), ("X-Forwarded-Authorization", "secret")];
    let body = json!({"t": at(1)}).to_string();
    let answer = environment.post("/api/v1/events?contract=uplink", &headers, body);
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let taken = environment.taken();
    let envelope: Value =
        serde_json::from_slice(taken[0].value.as_deref().expect("a value")).expect("JSON");
    let read = envelope["payload"].as_array().expect("names");
    assert_eq!(envelope["id"], "d7");
    assert!(read.contains(&json!("x-device")) && read.contains(&json!("x-other")), "{read:?}");
    for secret in ["authorization", "x-forwarded-authorization"] {
        assert!(!read.contains(&json!(secret)), "{read:?}");
    }
}

#[test]
fn a_request_whose_events_are_all_ignored_is_accepted() {
    let environment = environment();
    let body = json!({"device": "d1", "readings": []}).to_string();
    let answer = environment.post("/api/v1/events?contract=uplink", &[], body);
    assert_eq!((answer.status, &answer.body["ignored"]), (StatusCode::ACCEPTED, &json!(1)));
    assert!(environment.taken().is_empty());
}

#[test]
fn letters_and_buffered_records_contain_the_number_of_their_element() {
    let environment = environment();
    tenant(&environment.memory, &json!({"id": "demo", "keep_rejected": true}));
    environment.take_down(&[Call::EventLog]);
    let body = json!({"device": "d1", "readings": [{"t": at(1), "v": null}, {"t": at(2), "v": 2}]});
    let answer = environment.post("/api/v1/events?contract=uplink", &[], body.to_string());
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let state = environment.memory.state();
    let read = |body: &str| Envelope::read(body).expect("an envelope");
    let letter = read(&state.letters[0].body);
    assert_eq!((letter.source.element(), letter.contract.as_deref()), (Some(0), Some("uplink")));
    let kept = letter.record().expect("readable").expect("whole");
    assert_eq!(
        kept.value,
        Some(body.to_string().into_bytes()),
        "the letter contains the whole event"
    );
    let waiting = read(&state.buffer[0].body);
    assert_eq!((waiting.source.element(), waiting.wrapping), (Some(1), Some(Wrapping::Event)));
}

#[test]
fn each_element_counts_as_an_event_for_the_quota() {
    let environment = environment();
    let quota = json!({"events_per_second": 1, "burst": 5});
    tenant(&environment.memory, &json!({"id": "demo", "quota": quota}));
    let readings: Vec<Value> =
        (0..20).map(|second| json!({"t": at(second), "v": second})).collect();
    let body = json!({"device": "d1", "readings": readings}).to_string();
    let answer = environment.post("/api/v1/events?contract=uplink", &[], body);
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.body);
    assert!(environment.taken().is_empty());
}

/// Base values of the first element hold for the others, so the array is one record, as in a topic.
#[test]
fn an_array_is_one_record_of_a_contract_that_reads_arrays() {
    let environment = environment();
    let program = r##"["# Each element takes the base name of the first.", ".[0].bn as $base", "| .[]", "| {id: $base, at: .t, value: .v}"]"##;
    let pack = UPLINK
        .replace(
            r#"". as $all | .readings[] | {id: $all.device, at: .t, value: (.v | tonumber)}""#,
            program,
        )
        .replace(r#""name": "uplink""#, r#""name": "pack", "array": "record""#);
    environment.memory.put_contract("pack", &pack);
    let body = json!([{"bn": "d1", "t": at(1), "v": 1}, {"t": at(2), "v": 2}]);
    let path = "/api/v1/events?contract=pack";
    let Answer { status, body, .. } = environment.post(path, &[], body.to_string());
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let results = body["results"].as_array().expect("results");
    let places = results.iter().map(|result| json!([result["index"], result["element"]]));
    assert_eq!(json!(places.collect::<Vec<_>>()), json!([[0, 0], [0, 1]]));
    let taken = environment.taken();
    let subjects = taken.iter().map(|record| {
        let value = record.value.as_deref().expect("a value");
        serde_json::from_slice::<Value>(value).expect("JSON")["id"].clone()
    });
    assert_eq!(json!(subjects.collect::<Vec<_>>()), json!(["d1", "d1"]));
    let empty = environment.post(path, &[], "[]".to_owned());
    assert_eq!((empty.status, &empty.body["ignored"]), (StatusCode::ACCEPTED, &json!(1)));
    let listed =
        json!({"events": [[{"bn": "d1", "t": at(3), "v": 3}], [{"bn": "d2", "t": at(4), "v": 4}]]});
    let listed = environment.post(path, &[], listed.to_string());
    assert_eq!(listed.body["accepted"], 2, "{}", listed.body);
}
