//! `drover topics create`, as a user runs it, and the settings that the brokers then have.

use std::collections::BTreeSet;

use drover_aws::kafka::{KafkaCluster, Security, TopicToCreate};

use crate::broker::shared;
use crate::common::run;
use crate::topic::name;

async fn create(words: &[&str]) -> (i32, String, String) {
    let plain = shared().plain;
    run(&[&["topics", "create", "--kafka", &plain], words].concat(), "").await
}

pub(crate) async fn the_topics_of_feeds_are_created_with_their_policies_and_checked() {
    let (prefix, other) = (name("own"), name("other"));
    let views = format!("{prefix}.views");
    let shown = |done: &str| {
        format!(
            "{done:<8} {prefix}.alerts, compacted\n{done:<8} {prefix}.ordered\n\
             {done:<8} {prefix}.settled\n{done:<8} {prefix}.views, compacted\n"
        )
    };
    for done in ["created", "exists"] {
        let words = ["--feed-prefix", &prefix, "--partitions", "3"];
        let (code, out, said) = create(&words).await;
        assert_eq!((code, out), (0, shown(done)), "{said}");
    }
    let cluster = KafkaCluster { bootstrap: shared().plain, security: Security::Plaintext };
    let alerts = format!("{prefix}.alerts");
    let ordered = format!("{prefix}.ordered");
    let compacted = cluster.compacted(&[&views, &ordered, &alerts]).await.unwrap();
    assert_eq!(compacted, BTreeSet::from([views, alerts]));

    let wrong = TopicToCreate { name: format!("{other}.views"), is_compacted: false };
    cluster.create_topics(std::slice::from_ref(&wrong)).await.unwrap();
    let (code, out, said) = create(&["--feed-prefix", &other]).await;
    assert_eq!((code, out.as_str()), (1, ""), "{said}");
    assert!(said.contains(&format!("{}, which must be compact", wrong.name)), "{said}");
}
