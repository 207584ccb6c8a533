//! Drover on a real Kafka cluster, beside clients that are not Drover's: Apache Kafka as
//! `tests/services/kafka.sh` starts it, librdkafka's client and kafka-python. Where they are not, every
//! fact is reported as ignored, and one line says why.
//!
//! - [`producing`]: what ingest writes, as others see it
//! - [`reading`]: what others write, as the event source and replay see it
//! - [`access`]: SCRAM, and what is refused at the start
//! - [`killed`]: a broker that dies and comes back
//! - [`under_way`]: the same, and a topic made anew, under a whole host
//! - [`odd_records`]: records of every kind through a whole host
//! - [`history`]: a hundred thousand events of a foreign producer
//! - [`simulated`]: `drover simulate` on a cluster
//!
//! One broker serves all facts but those that kill theirs; each has topics of its own.
//!
//! `DROVER_TEST_FAULT` makes a service misbehave ([`services::Fault`]): some facts must fail then.

#![recursion_limit = "256"]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fact that does not hold ends its test"
)]

mod access;
mod broker;
#[path = "../common/mod.rs"]
mod common;
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

/// The trials of these facts, each with a runtime of its own.
macro_rules! facts {
    ($($room:ident::$fact:ident,)*) => {
        vec![$(trial(concat!(stringify!($room), "::", stringify!($fact)), || $room::$fact())),*]
    };
}

fn main() -> ExitCode {
    let facts = facts![
        history::a_hundred_thousand_events_of_a_foreign_producer_are_exact_histories,
        killed::what_a_broker_acknowledged_is_there_after_it_was_killed,
        under_way::what_a_host_accepted_is_in_a_history_once_whenever_the_broker_dies,
        odd_records::each_is_applied_a_duplicate_or_a_letter_whichever_client_wrote_it,
        producing::keys_are_where_other_clients_put_them_and_in_order,
        producing::other_clients_read_what_was_written,
        producing::a_message_that_is_too_large_is_refused_and_harms_no_other,
        reading::every_codec_and_every_header_is_read_as_it_was_written,
        reading::committed_offsets_are_everybodys,
        reading::offsets_that_are_gone_are_lost_and_the_others_come,
        reading::the_offsets_of_a_topic_that_was_made_anew_are_lost,
        access::the_listener_with_scram_serves_all_of_it,
        access::the_listener_with_plain_serves_all_of_it,
        access::what_is_wrong_with_a_cluster_is_said_at_the_start,
        simulated::records_that_a_function_refuses_are_found_by_halves_reported_and_replayed,
        under_way::a_topic_that_is_made_anew_is_read_from_its_start,
        simulated::what_is_done_is_committed_for_the_next_time,
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
