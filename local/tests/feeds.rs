//! Feeds of a host, as a user reads them and has them sent again; and feeds as messages of a queue.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::kafka::temperature;
use common::running::Running;
use common::{WAIT, run, sqs};
use drover_aws::{Aws, AwsConfig, LocalEndpoints, SqsFeeds};
use drover_core::base::id::{SubjectId, TenantId};
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::outputs::changes::CommitId;
use drover_core::outputs::record::Origin;
use drover_core::ports::FeedTarget as _;
use serde_json::{Value, json};

/// The records of a topic as `drover consume` prints them, once there are so many.
async fn consume(running: &Running, topic: &str, count: usize) -> Vec<Value> {
    let consumed = async {
        loop {
            let words = ["consume", topic, "--json", "--data", running.folder()];
            let (code, out, _) = run(&words, "").await;
            let lines: Vec<Value> =
                out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            if code == 0 && lines.len() >= count {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(4 * WAIT, consumed).await.unwrap()
}

#[tokio::test]
async fn a_user_reads_the_feeds_and_has_them_sent_again() {
    let running = Running::start().await;
    running.acknowledge(&[temperature("demo", "d-1", 600), temperature("demo", "d-1", 900)]).await;
    let ordered = consume(&running, "drover.ordered", 2).await;
    let values: Vec<&Value> = ordered.iter().map(|record| &record["value"]["value"]).collect();
    assert_eq!(values, [900, 600], "in the order of observation");
    assert_eq!(ordered[0]["key"], "demo/device/d-1");
    assert_eq!(consume(&running, "drover.views", 1).await[0]["value"]["event_count"], 2);

    let data = ["--data", running.folder()];
    let one = ["consume", "drover.ordered", "--count", "1"];
    let (code, out, said) = run(&[&one[..], &data].concat(), "").await;
    assert_eq!((code, out.lines().count()), (0, 1), "{said}");
    assert!(out.ends_with("appended {\"value\":900}\n"), "{out}");
    let later = ["consume", "drover.ordered", "--from", "2126-01-01T00:00:00Z"];
    assert_eq!(run(&[&later[..], &data].concat(), "").await.1, "");
    let (code, _, said) = run(&[&["consume", "drover.other"][..], &data].concat(), "").await;
    assert_eq!(code, 1);
    assert!(said.contains("the topic does not exist: topic=`drover.other`"), "{said}");

    let resend = ["relay", "resend", "--tenant", "demo"];
    let (code, out, said) = run(&[&resend[..], &data].concat(), "").await;
    assert_eq!((code, &*out), (0, "1 subject is sent to the feeds again\n"), "{said}");
    let again = consume(&running, "drover.ordered", 4).await;
    let ids: Vec<&Value> = again.iter().map(|record| &record["headers"]["ce_id"]).collect();
    assert_eq!(ids[..2], ids[2..], "the same events with the same ids");
    let (code, _, said) =
        run(&[&["relay", "resend", "--tenant", "nobody"][..], &data].concat(), "").await;
    assert_eq!((code, &*said), (1, "error: no tenant has this name: tenant=`nobody`\n"));
    running.stop().await;
}

/// The tenant's table has a change stream from the apply on, and the host reads it, also after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_table_of_its_own_has_feeds() {
    const OWN: &str = "ledger-of-newco";
    let running = Running::start().await;
    let tenant = json!({
        "id": "newco", "feeds": ["ordered", "views"], "feed_prefix": "newco",
        "placement": { "table": OWN },
    });
    let documents = [("tenants/newco.json", tenant)];
    let refused = running.apply(&documents).await.unwrap_err().to_string();
    let expected = format!(
        "newco.json: /feeds: the ledger table of a tenant with feeds does not exist: create it, then \
         apply again: tenant=`newco` table=`{OWN}`"
    );
    assert!(refused.ends_with(&expected), "{refused}");

    running.create_ledger_table(OWN).await;
    running.apply(&documents).await.unwrap();
    running.acknowledge(&[temperature("newco", "d-1", 600), temperature("demo", "d-1", 1)]).await;
    let [record] = &consume(&running, "newco.ordered", 1).await[..] else { panic!("one record") };
    assert_eq!(
        (&record["key"], &record["value"]["value"]),
        (&json!("newco/device/d-1"), &json!(600))
    );
    assert_eq!(consume(&running, "newco.views", 1).await[0]["value"]["event_count"], 1);
    assert_eq!(consume(&running, "drover.ordered", 1).await[0]["key"], "demo/device/d-1");

    let running = running.restart().await;
    running.acknowledge(&[temperature("newco", "d-1", 900)]).await;
    let ordered = consume(&running, "newco.ordered", 2).await;
    let values: Vec<&Value> = ordered.iter().map(|record| &record["value"]["value"]).collect();
    assert_eq!(values, [600, 900]);
    let resend = ["relay", "resend", "--tenant", "newco", "--subject", "device/d-1"];
    let data = ["--data", running.folder()];
    assert_eq!(run(&[&resend[..], &data].concat(), "").await.0, 0);
    assert_eq!(consume(&running, "newco.ordered", 4).await.len(), 4);
    running.stop().await;
}

#[tokio::test]
async fn a_queue_gets_each_record_as_a_structured_event() {
    let running = Running::start().await;
    let addresses = running.host.addresses();
    let queue = json!({ "QueueName": "feeds" });
    sqs(addresses, "CreateQueue", queue).await;
    let url = format!("http://{}/000000000000/feeds", addresses.sqs);
    let feeds = SqsFeeds::with(clients(&url, addresses.sqs).sqs().clone(), &url);

    let scope = TenantScope::by_operator(TenantId::parse("demo").unwrap());
    let key = scope.subject(SubjectId::parse("device/d-1").unwrap());
    let origin = Origin::at(&key, CommitId { era: 0, version: 7 }, 0);
    // SQS refuses U+FFFF, which JSON can escape.
    let view = origin.view(Some(Arc::from("{\"status\":\"\u{FFFF}\"}")));
    let records = vec![view; 12];
    let sent = feeds.publish("drover.views", &records, Timestamp::MAX).await;
    assert_eq!(sent, vec![Ok(()); 12]);

    let request = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
    let received = sqs(addresses, "ReceiveMessage", request).await;
    let body = received["Messages"][0]["Body"].as_str().unwrap();
    let event: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&event["id"], &event["type"]), (&json!("v0.7"), &json!("drover.view")));
    assert_eq!(event["source"], "/drover/demo/device/d-1");
    assert_eq!(event["data"], json!({ "status": "\u{FFFF}" }));
    running.stop().await;
}

/// Clients of the host's queues; the tables are not used.
fn clients(url: &str, address: std::net::SocketAddr) -> Aws {
    let config = AwsConfig {
        ledger_table: "".into(),
        registry_table: "".into(),
        dead_letter_queue_url: url.into(),
        buffer_queue_url: url.into(),
        requests_table: None,
        letters_table: None,
        outputs_table: None,
        notifications_queue_url: None,
    };
    let origin = format!("http://{address}");
    Aws::local(&LocalEndpoints { dynamodb: origin.clone(), sqs: origin }, config)
}
