//! `--create-topics` on a cluster: the host creates the topics of tenants with a prefix of their own, at its
//! start and while it runs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy does not recognize test helpers as tests"
)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::WAIT;
use common::running::folder;
use drover_aws::kafka::{KafkaCluster, KafkaConfig, Security};
use drover_core::intake::event_log::TOPIC;
use drover_local::mapping::{ClusterConfig, EventLogConfig, Missing};
use drover_local::{Host, HostConfig};
use krafka::testing::FakeBroker;
use serde_json::json;
use tempfile::tempdir;

async fn start(data: &Path, broker: &FakeBroker, missing: Missing) -> Host {
    let cluster =
        KafkaCluster { bootstrap: broker.bootstrap_servers(), security: Security::Plaintext };
    let cluster = KafkaConfig { cluster, topic: TOPIC.to_owned() };
    let topics = vec![TOPIC.to_owned()];
    let event_log = EventLogConfig::Kafka(ClusterConfig { cluster, topics, missing });
    Host::start(HostConfig { event_log, ..HostConfig::on_free_ports(data) }).await.unwrap()
}

async fn apply(data: &Path) {
    let tenant = json!({"id": "newco", "feeds": ["ordered", "views"], "feed_prefix": "newco"});
    let documents = folder(&[("tenants/newco.json", tenant)]);
    let words = ["apply", documents.path().to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (code, _, said) = common::run(&words, "").await;
    assert_eq!(code, 0, "{said}");
}

fn exists(broker: &FakeBroker, topic: &str) -> bool {
    broker.next_offset(topic, 0).is_some()
}

async fn until_created(broker: &FakeBroker, topics: &[&str]) {
    let created = async {
        while !topics.iter().all(|topic| exists(broker, topic)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT, created).await.unwrap();
}

const SHARED: [&str; 4] = ["drover.alerts", "drover.ordered", "drover.settled", "drover.views"];
const OWN: [&str; 2] = ["newco.ordered", "newco.views"];

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_when_a_tenant_is_applied_and_at_the_next_start() {
    let (data, broker) = (tempdir().unwrap(), FakeBroker::start().await.unwrap());
    let host = start(data.path(), &broker, Missing::Created).await;
    assert!(SHARED.iter().all(|topic| exists(&broker, topic)));
    apply(data.path()).await;
    until_created(&broker, &OWN).await;
    assert!(!exists(&broker, "newco.settled"), "only the feeds that the tenant has");
    host.stop().await.unwrap();

    let broker = FakeBroker::start().await.unwrap();
    let host = start(data.path(), &broker, Missing::Created).await;
    until_created(&broker, &OWN).await;
    host.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_flag_no_topic_is_created() {
    let (data, broker) = (tempdir().unwrap(), FakeBroker::start().await.unwrap());
    assert!(broker.create_topic(TOPIC, 1));
    let host = start(data.path(), &broker, Missing::Refused).await;
    apply(data.path()).await;
    // Longer than the host takes to see the tenant.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(SHARED.iter().chain(&OWN).all(|topic| !exists(&broker, topic)));
    host.stop().await.unwrap();
}
