//! Drover on a real Kafka cluster, beside other clients: Apache Kafka started by
//! `tests/services/kafka.sh`, librdkafka's client and kafka-python. Without these services every
//! fact is reported as ignored, and one line gives the reason.
//!
//! - [`producing`]: the records of ingest, as other clients see them
//! - [`reading`]: the records of other clients, as the event source and replay see them
//! - [`access`]: SCRAM, and errors at the start
//! - [`creating`]: topics that the command line creates
//! - [`killed`]: a broker that is killed and restarted
//! - [`under_way`]: the same, and a recreated topic, under a whole host
//! - [`odd_records`]: records of every kind through a whole host
//! - [`history`]: a hundred thousand events of another producer
//! - [`simulated`]: `drover simulate` on a cluster
//!
//! One broker serves all facts except those that kill their broker; each fact has its own topics.
//!
//! `DROVER_TEST_FAULT` makes a service misbehave ([`services::Fault`]); some facts must fail then.

#![recursion_limit = "256"]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation ends its test"
)]

mod access;
mod broker;
#[path = "../common/mod.rs"]
mod common;
mod creating;
mod foreign;
mod history;
mod killed;
mod odd_records;
mod producing;
mod reading;
mod services;
mod simulated;
mod site;
mod topic;
mod under_way;

use std::future::Future;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// The trials of these facts, each with its own runtime.
macro_rules! facts {
    ($($room:ident::$fact:ident,)*) => {
        vec![$(trial(concat!(stringify!($room), "::", stringify!($fact)), || $room::$fact())),*]
    };
}

fn main() -> ExitCode {
    let facts = facts![
        history::a_hundred_thousand_events_of_another_producer_become_exact_histories,
        killed::acknowledged_records_survive_a_kill_of_the_broker,
        under_way::accepted_events_are_in_a_history_once_whenever_broker_and_host_die,
        odd_records::each_record_is_applied_a_duplicate_or_a_letter_for_every_client,
        producing::keys_are_in_the_same_partitions_as_with_other_clients_and_in_order,
        producing::other_clients_read_the_written_records,
        producing::a_message_that_is_too_large_is_rejected_and_the_others_are_sent,
        reading::every_codec_and_every_header_is_read_as_it_was_written,
        reading::committed_offsets_are_shared_with_other_clients,
        reading::deleted_offsets_are_lost_and_the_others_are_read,
        reading::the_offsets_of_a_recreated_topic_are_lost,
        access::the_scram_listener_serves_every_operation,
        access::the_plain_listener_serves_every_operation,
        access::a_misconfigured_cluster_is_reported_at_the_start,
        creating::the_topics_of_feeds_are_created_with_their_policies_and_checked,
        simulated::rejected_records_are_isolated_by_bisecting_reported_and_replayed,
        under_way::a_recreated_topic_is_read_from_its_start,
        simulated::handled_records_are_committed_for_the_next_run,
        simulated::a_sample_reads_the_newest_records_of_a_cluster,
    ];
    let conclusion = libtest_mimic::run(&Arguments::from_args(), facts);
    broker::stop();
    conclusion.exit_code()
}

fn trial<F: Future<Output = ()>>(name: &str, fact: impl FnOnce() -> F + Send + 'static) -> Trial {
    let there = services::Services::there().is_some();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(fact());
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(!there)
}
