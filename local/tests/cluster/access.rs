//! Authentication, and the errors of a misconfigured cluster.

use std::collections::BTreeMap;
use std::time::Instant;

use drover_aws::kafka::{KafkaEventLog, SaslMechanism};
use drover_core::base::error::Reason;
use drover_event_log::Log as _;
use tempfile::tempdir;

use crate::broker::{PASSWORD, USER, shared};
use crate::common::{WAIT, run};
use crate::topic::{Topic, name, record, right, sasl, scram, send};

pub(crate) async fn the_scram_listener_serves_every_operation() {
    let topic = Topic::with(&shared().scram, "scram", right()).await;
    let records: Vec<_> = (0..50).map(|one| record("key", one.to_string())).collect();
    let results = send(&topic.event_log().await, &records).await;
    let partition = results.into_iter().map(Result::unwrap).map(|placed| placed.partition).max();
    let partition = partition.unwrap();
    let log = topic.log().await;
    assert_eq!(topic.read(&log).await.into_values().flatten().count(), records.len());
    let (group, done) = (name("scram"), BTreeMap::from([(partition, 50)]));
    log.commit(&group, topic.name(), &done).await.unwrap();
    assert_eq!(log.committed(&group, topic.name()).await.unwrap(), done);
    assert_eq!(topic.again(partition, 10, 19).await.records.len(), 10);

    let wrong = topic.secured(scram("wrong-secret"));
    let refused = KafkaEventLog::connect(wrong).await.unwrap_err();
    assert_eq!(refused.reason, Reason::Misconfigured, "{refused}");
    assert!(!refused.message.contains("wrong-secret"), "{refused}");
}

pub(crate) async fn the_plain_listener_serves_every_operation() {
    let plain = sasl(SaslMechanism::Plain, PASSWORD);
    let topic = Topic::with(&shared().scram, "plain", plain).await;
    let records: Vec<_> = (0..50).map(|one| record("key", one.to_string())).collect();
    let results = send(&topic.event_log().await, &records).await;
    let partition = results.into_iter().map(Result::unwrap).map(|placed| placed.partition).max();
    let partition = partition.unwrap();
    assert_eq!(topic.read(&topic.log().await).await.into_values().flatten().count(), records.len());
    assert_eq!(topic.again(partition, 10, 19).await.records.len(), 10);

    let wrong = sasl(SaslMechanism::Plain, "wrong-secret");
    let wrong = topic.secured(wrong);
    let refused = KafkaEventLog::connect(wrong).await.unwrap_err();
    assert_eq!(refused.reason, Reason::Misconfigured, "{refused}");
    assert!(!refused.message.contains("wrong-secret"), "{refused}");

    let folder = tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, PASSWORD).unwrap();
    let user = ["--kafka-user", USER, "--kafka-password-file", file.to_str().unwrap()];
    let produce = ["produce", topic.name(), "-", "--kafka", &shared().scram, "--kafka-plain"];
    let (code, _, said) = run(&[&produce[..], &user].concat(), "line\n").await;
    // The client warns that the listener of the test has no TLS.
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
}

/// `drover serve` on a cluster where it cannot start: its error output.
async fn refusal(cluster: &str, words: &[&str]) -> String {
    let data = tempdir().unwrap();
    let free = "127.0.0.1:0";
    let ports = ["serve", "--http", free, "--lambda", free, "--dynamodb", free, "--sqs", free];
    let event_log = ["--data", data.path().to_str().unwrap(), "--stream", cluster];
    let started = Instant::now();
    let (code, out, said) = run(&[&ports[..], &event_log, words].concat(), "").await;
    assert_eq!((code, out.as_str()), (1, ""), "{said}");
    assert!(started.elapsed() < WAIT);
    said.lines().last().unwrap().to_owned()
}

pub(crate) async fn a_misconfigured_cluster_is_reported_at_the_start() {
    let brokers = shared();
    let missing = name("missing");
    let said = refusal(&brokers.plain, &["--topic", &missing]).await;
    let expected = format!("topics do not exist: topics=`{missing}`");
    assert!(said.starts_with("error: ") && said.ends_with(&expected), "{said}");

    let folder = tempdir().unwrap();
    let file = folder.path().join("password");
    let password = ["--kafka-user", USER, "--kafka-password-file", file.to_str().unwrap()];
    std::fs::write(&file, "wrong-secret\n").unwrap();
    let said = refusal(&brokers.scram, &password).await;
    assert!(said.contains(&brokers.scram) && said.contains("uthentication"), "{said}");
    assert!(!said.contains("wrong-secret"), "{said}");

    let closed = drover_tests::closed_address().unwrap().to_string();
    let said = refusal(&closed, &[]).await;
    assert!(said.contains(&closed), "{said}");

    // The correct password, and a topic that does not exist.
    std::fs::write(&file, PASSWORD).unwrap();
    let produce = ["produce", &missing, "-", "--kafka", &brokers.scram];
    let (code, _, said) = run(&[&produce[..], &password].concat(), "line\n").await;
    assert_eq!(code, 1);
    assert!(said.contains(&format!("the topic does not exist: topic=`{missing}`")), "{said}");
    let topic = Topic::with(&brokers.scram, "there", right()).await;
    let produce = ["produce", topic.name(), "-", "--kafka", &brokers.scram];
    let (code, _, said) = run(&[&produce[..], &password].concat(), "line\n").await;
    assert_eq!((code, said.as_str()), (0, ""));
}
