//! Dead letters and the buffer: whatever the limits of a batch, each message gets its own result,
//! in order.

#![expect(clippy::expect_used, reason = "a failed expectation ends its test")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use drover_aws::QueueLevels;
use drover_core::base::error::{Code, Reason, Rejection, Unavailable};
use drover_core::base::id::TenantId;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::{self, Circumstances, Envelope};
use drover_core::dead_letter::message::Message;
use drover_core::intake::record::{Record, Source};
use drover_core::memory::{Call, Fault, Faulty, Memory};
use drover_core::ports::{Buffer, DeadLetters};
use drover_tests::canned::{Answer, serve};
use drover_tests::{aws_at, closed_address};
use serde_json::{Value, json};

fn message(body: &str) -> Message {
    Message { tenant: None, body: body.to_owned() }
}

fn messages(count: usize) -> Vec<Message> {
    (0..count).map(|number| message(&number.to_string())).collect()
}

fn reasons(results: Vec<Result<(), Unavailable>>) -> Vec<Option<Reason>> {
    results.into_iter().map(|result| result.err().map(|error| error.reason)).collect()
}

/// The letter of a record with this header.
fn letter(header: &str) -> Message {
    let now = Timestamp::from_millis(1_800_000_000_000).expect("in range");
    let record = Record {
        source: Source::Http { request_id: "r".into(), index: 0, element: None },
        key: None,
        value: Some(b"{not JSON".to_vec()),
        headers: vec![(header.to_owned(), vec![255])],
        received_at: None,
        ingested_at: now,
    };
    let about = Circumstances { tenant: None, contract: None, subject: None, wrapping: None, now };
    let rejection = Rejection::new(Code::MalformedJson, "not JSON");
    let mut messages = envelope::letter(&record, &rejection, about).expect("written");
    messages.pop().expect("a message")
}

/// SQS's response about rejected texts, for an entry and for a request.
fn contents(request: &Value, refused: impl Fn(&str) -> bool) -> Answer {
    let (mut sent, mut failed) = (Vec::new(), Vec::new());
    for entry in request["Entries"].as_array().expect("entries") {
        let (id, body) = (&entry["Id"], entry["MessageBody"].as_str().expect("a body"));
        if refused(body) {
            let code = "InvalidMessageContents";
            failed.push(json!({ "Id": id, "Code": code, "SenderFault": true, "Message": "m" }));
        } else {
            sent.push(json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "" }));
        }
    }
    (200, json!({ "Successful": sent, "Failed": failed }).to_string())
}

/// The bodies that were sent to a queue, without rejected ones.
fn bodies(requests: &[Value], queue: &str, refused: impl Fn(&str) -> bool) -> Vec<String> {
    let of_queue =
        |request: &&Value| request["QueueUrl"].as_str().is_some_and(|url| url.ends_with(queue));
    let entries =
        requests.iter().filter(of_queue).flat_map(|request| request["Entries"].as_array());
    let bodies = entries.flatten().filter_map(|entry| entry["MessageBody"].as_str());
    bodies.filter(|body| !refused(body)).map(str::to_owned).collect()
}

fn check_record(body: &str, header: &str) {
    let envelope = Envelope::read(body).expect("an envelope");
    let record = envelope.record().expect("readable").expect("whole");
    assert_eq!(record.headers, [(header.to_owned(), vec![255])]);
}

/// Accepts a batch as SQS does, except for entries whose body names a failure, or asks to be
/// omitted.
fn take(request: &Value) -> Answer {
    let (mut sent, mut failed) = (Vec::new(), Vec::new());
    for entry in request["Entries"].as_array().expect("entries") {
        let (id, body) = (&entry["Id"], entry["MessageBody"].as_str().expect("a body"));
        let failure = |code: &str, sender_fault: bool| json!({ "Id": id, "Code": code, "SenderFault": sender_fault, "Message": "on demand" });
        match body {
            "throttled" => failed.push(failure("RequestThrottled", false)),
            "internal" => failed.push(failure("InternalError", false)),
            "sender" => failed.push(failure("BrandNew", true)),
            "forgotten" => {}
            _ => sent.push(json!({ "Id": id, "MessageId": body, "MD5OfMessageBody": "" })),
        }
    }
    // Reversed, because the order of the response is meaningless.
    sent.reverse();
    (200, json!({ "Successful": sent, "Failed": failed }).to_string())
}

#[tokio::test]
async fn each_message_of_many_batches_gets_its_own_result_in_order() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let address = serve(move |body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let answer = take(&request);
        seen.lock().expect("no panic").push(request);
        answer
    });
    let aws = aws_at(address.await.expect("a free port"));
    let mut letters = messages(25);
    letters[3] = message("throttled");
    letters[12] = message("internal");
    letters[13] = message("forgotten");
    letters[24] = message("sender");
    let mut expected = vec![None; 25];
    expected[3] = Some(Reason::Throttled);
    expected[12] = Some(Reason::Unreachable);
    expected[13] = Some(Reason::Unreachable);
    expected[24] = Some(Reason::Bug);
    assert_eq!(reasons(aws.send_letters(&letters).await), expected);
    let requests = requests.lock().expect("no panic");
    let mut sizes: Vec<usize> =
        requests.iter().map(|request| request["Entries"].as_array().map_or(0, Vec::len)).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 10, 10]);
}

#[tokio::test]
async fn a_message_goes_to_its_queue_in_the_group_of_its_tenant() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let address = serve(move |body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let answer = take(&request);
        seen.lock().expect("no panic").push(request);
        answer
    });
    let aws = aws_at(address.await.expect("a free port"));
    let acme = TenantId::parse("acme").ok();
    let both = [Message { tenant: acme, body: "a".to_owned() }, message("b")];
    assert_eq!(reasons(aws.send_letters(&both).await), [None, None]);
    assert_eq!(reasons(aws.send_buffered(&both[..1]).await), [None]);
    let requests = requests.lock().expect("no panic");
    let queue = |request: &Value| request["QueueUrl"].as_str().map(str::to_owned);
    assert!(queue(&requests[0]).is_some_and(|url| url.ends_with("/letters")));
    assert!(queue(&requests[1]).is_some_and(|url| url.ends_with("/buffer")));
    let group = |place: usize| requests[0]["Entries"][place]["MessageGroupId"].as_str();
    assert_eq!((group(0), group(1)), (Some("acme"), Some("operator")));
}

#[tokio::test]
async fn a_batch_that_fails_as_a_whole_fails_for_each_message() {
    async fn check(status: u16, code: &str, reason: Reason) {
        let body = json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "m" });
        let body = body.to_string();
        let aws = aws_at(serve(move |_| (status, body.clone())).await.expect("a free port"));
        let results = reasons(aws.send_buffered(&messages(11)).await);
        assert_eq!(results, vec![Some(reason); 11], "{code}");
    }
    check(400, "RequestThrottled", Reason::Throttled).await;
    check(500, "InternalFailure", Reason::Unreachable).await;
    check(400, "QueueDoesNotExist", Reason::Misconfigured).await;
    check(403, "AccessDenied", Reason::Misconfigured).await;
    let down = aws_at(closed_address().expect("a free port"));
    let results = reasons(down.send_letters(&messages(2)).await);
    assert_eq!(results, [Some(Reason::Unreachable); 2]);
}

#[tokio::test]
async fn a_text_that_a_queue_rejects_is_sent_packed_and_the_others_unchanged() {
    // A queue stricter than SQS, as a stand-in for unforeseen limits.
    let refused = |body: &str| body.contains("\\uffff");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let address = serve(move |body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let answer = contents(&request, refused);
        seen.lock().expect("no panic").push(request);
        answer
    });
    let aws = aws_at(address.await.expect("a free port"));
    let letters = [letter("a"), letter("\u{FFFF}"), letter("b")];
    assert_eq!(reasons(aws.send_letters(&letters).await), [None, None, None]);
    let requests = requests.lock().expect("no panic");
    let taken = bodies(&requests, "/letters", refused);
    assert_eq!(taken[..2], [letters[0].body.clone(), letters[2].body.clone()]);
    assert_eq!(taken.len(), 3);
    check_record(&taken[2], "\u{FFFF}");
    assert!(bodies(&requests, "/buffer", refused).is_empty());
}

#[tokio::test]
async fn a_queue_that_rejects_a_whole_batch_for_one_text_gets_the_others_one_by_one() {
    let refused = |body: &str| body.contains("\\uffff");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let address = serve(move |body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let entries = request["Entries"].as_array().expect("entries");
        let bad = entries.iter().any(|entry| entry["MessageBody"].as_str().is_some_and(refused));
        if bad {
            let fault =
                json!({ "__type": "com.amazonaws.sqs#InvalidMessageContents", "message": "m" });
            return (400, fault.to_string());
        }
        let answer = contents(&request, refused);
        seen.lock().expect("no panic").push(request);
        answer
    });
    let aws = aws_at(address.await.expect("a free port"));
    let letters = [letter("a"), letter("\u{FFFF}"), letter("b")];
    assert_eq!(reasons(aws.send_letters(&letters).await), [None, None, None]);
    assert_eq!(bodies(&requests.lock().expect("no panic"), "/letters", refused).len(), 3);
}

#[tokio::test]
async fn a_message_that_one_queue_rejects_in_every_form_goes_into_the_other() {
    async fn check(buffered: bool) {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let first = if buffered { "/buffer" } else { "/letters" };
        let address = serve(move |body| {
            let request: Value = serde_json::from_str(body).expect("JSON");
            let is_first = request["QueueUrl"].as_str().is_some_and(|url| url.ends_with(first));
            let answer = contents(&request, |_| is_first);
            seen.lock().expect("no panic").push(request);
            answer
        });
        let aws = aws_at(address.await.expect("a free port"));
        let letters = [letter("\u{FFFF}")];
        let sent = match buffered {
            true => aws.send_buffered(&letters).await,
            false => aws.send_letters(&letters).await,
        };
        assert_eq!(reasons(sent), [None]);
        let other = if buffered { "/letters" } else { "/buffer" };
        let taken = bodies(&requests.lock().expect("no panic"), other, |_| false);
        assert_eq!(taken.len(), 1);
        check_record(&taken[0], "\u{FFFF}");
    }
    check(false).await;
    check(true).await;
}

#[tokio::test]
async fn in_memory_a_text_that_sqs_refuses_is_refused_as_well() {
    let memory = Faulty::over(Memory::new(Timestamp::MIN));
    let raw = letter("a").body.replace("\"a\"", "\"\u{FFFF}\"");
    let raw = Message { tenant: None, body: raw };
    let nonsense = message("\u{FFFE}");
    let results = reasons(memory.send_letters(&[raw, nonsense, message("")]).await);
    assert_eq!(results, [None, Some(Reason::Bug), Some(Reason::Bug)]);
    let sent = memory.state().letters.clone();
    assert_eq!(sent.len(), 1, "only an envelope can be packed");
    check_record(&sent[0].body, "\u{FFFF}");
}

#[tokio::test]
async fn without_messages_there_is_no_call_and_no_result() {
    let down = aws_at(closed_address().expect("a free port"));
    assert!(down.send_letters(&[]).await.is_empty());
    assert!(Memory::new(Timestamp::MIN).send_letters(&[]).await.is_empty());
}

#[tokio::test]
async fn in_memory_each_message_gets_its_own_answer_as_well() {
    let memory = Faulty::over(Memory::new(Timestamp::MIN));
    let mut calls = 0;
    memory.fail(move |call| {
        assert_eq!(call, Call::Letter);
        calls += 1;
        if calls == 4 { Fault::Refused } else { Fault::None }
    });
    let results = reasons(memory.send_letters(&messages(12)).await);
    let mut expected = vec![None; 12];
    expected[3] = Some(Reason::Unreachable);
    assert_eq!(results, expected);
    assert_eq!(memory.state().letters.len(), 11);
}

#[tokio::test]
async fn the_levels_of_the_buffer_are_distinguished() {
    let address = serve(|body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let url = request["QueueUrl"].as_str().expect("a queue");
        assert!(url.ends_with("/buffer"), "{url}");
        let level = |name: &Value| match name.as_str() {
            Some("ApproximateNumberOfMessages") => "5",
            Some("ApproximateNumberOfMessagesNotVisible") => "3",
            Some("ApproximateNumberOfMessagesDelayed") => "2",
            _ => "unknown",
        };
        let names = request["AttributeNames"].as_array().expect("names");
        let levels = names.iter().map(|name| (name.as_str().unwrap_or_default(), level(name)));
        (200, json!({ "Attributes": levels.collect::<HashMap<_, _>>() }).to_string())
    });
    let aws = aws_at(address.await.expect("a free port"));
    let expected = QueueLevels { waiting: 5, in_flight: 3, delayed: 2 };
    assert_eq!(aws.queue_levels().await, Ok(expected));
}

#[tokio::test]
async fn missing_levels_are_not_zero() {
    let silent = serve(|_| (200, json!({ "Attributes": {} }).to_string()));
    let silent = aws_at(silent.await.expect("a free port"));
    let down = aws_at(closed_address().expect("a free port"));
    for aws in [silent, down] {
        let levels = aws.queue_levels().await.map_err(|error| error.reason);
        assert_eq!(levels, Err(Reason::Unreachable));
    }
}
