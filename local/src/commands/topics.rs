//! `drover topics create`: creates topics in a Kafka cluster, those of feeds with the settings that they need.
//! CloudFormation creates none on MSK Serverless, and none that are compacted.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Args as ClapArgs, Subcommand};
use drover_aws::kafka::{KafkaCluster, NoIdentity, PARTITIONS, TopicToCreate};
use drover_core::base::error::Unavailable;
use drover_core::intake::event_log::TOPIC;
use drover_core::intake::tenant::Feed;

use super::cluster::{ClusterArgs, bootstrap};

/// Create topics in a Kafka cluster
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    Create(CreateArgs),
}

/// Create the topics that do not exist yet; existing topics stay as they are
#[derive(ClapArgs, Clone, Debug)]
pub struct CreateArgs {
    /// The brokers
    #[arg(long, value_name = "HOST:PORT", value_parser = bootstrap)]
    kafka: String,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A topic such as drover.events; may be repeated
    #[arg(long = "topic", value_name = "NAME", required_unless_present = "feed_prefixes")]
    topics: Vec<String>,
    /// The feed_prefix of tenants, such as drover: creates PREFIX.ordered, PREFIX.settled, and, compacted,
    /// PREFIX.views and PREFIX.alerts; may be repeated
    #[arg(long = "feed-prefix", value_name = "PREFIX")]
    feed_prefixes: Vec<String>,
    /// Partitions of each new topic
    #[arg(long, value_name = "NUMBER", default_value_t = PARTITIONS, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: i32,
}

/// Why topics do not exist, or not as feeds need them.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The credentials for the cluster are unavailable.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// The cluster does not answer or refuses.
    #[error("the topics may be created in part, run the command again")]
    Unavailable(#[from] Unavailable),
    /// Topics with another cleanup policy exist.
    #[error(
        "topics exist with another cleanup.policy than their feed needs, change it or delete them: {0}"
    )]
    OtherPolicy(String),
}

/// Creates the missing topics, and reports each.
///
/// # Errors
/// [`TopicsError`].
pub async fn run(args: &Args) -> Result<String, TopicsError> {
    let Command::Create(args) = &args.command;
    let cluster = args.cluster.config(&args.kafka, TOPIC).await?.cluster;
    let wanted = wanted(args);
    let new = cluster.create_topics_with(&wanted, args.partitions).await?;
    let feeds: Vec<_> = wanted.iter().filter(|topic| !args.topics.contains(&topic.name)).collect();
    check_policies(&cluster, feeds.iter().copied().filter(|topic| !new.contains(&topic.name)))
        .await?;
    Ok(report(&wanted, &new))
}

fn wanted(args: &CreateArgs) -> Vec<TopicToCreate> {
    let plain = |name: &String| TopicToCreate { name: name.clone(), is_compacted: false };
    let feeds = args.feed_prefixes.iter().flat_map(|prefix| {
        Feed::ALL.map(|feed| TopicToCreate {
            name: feed.topic_under(prefix),
            is_compacted: feed.is_compacted(),
        })
    });
    let topics: BTreeSet<_> = args.topics.iter().map(plain).chain(feeds).collect();
    topics.into_iter().collect()
}

/// Checks the feeds' topics that existed before: a compacted one would lose events, and one that is not would
/// lose views.
async fn check_policies<'a>(
    cluster: &KafkaCluster,
    existing: impl Iterator<Item = &'a TopicToCreate>,
) -> Result<(), TopicsError> {
    let existing: Vec<_> = existing.collect();
    if existing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = existing.iter().map(|topic| topic.name.as_str()).collect();
    let compacted = cluster.compacted(&names).await?;
    let other =
        existing.iter().filter(|topic| topic.is_compacted != compacted.contains(&topic.name));
    let other = other.map(|topic| format!("{}, which must be {}", topic.name, policy(topic)));
    let other: Vec<String> = other.collect();
    if other.is_empty() { Ok(()) } else { Err(TopicsError::OtherPolicy(other.join("; "))) }
}

fn policy(topic: &TopicToCreate) -> &'static str {
    if topic.is_compacted { "compact" } else { "delete" }
}

fn report(wanted: &[TopicToCreate], new: &BTreeSet<String>) -> String {
    let mut text = String::new();
    for topic in wanted {
        let done = if new.contains(&topic.name) { "created" } else { "exists" };
        let compacted = if topic.is_compacted { ", compacted" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{done:<8} {}{compacted}", topic.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        args: CreateArgs,
    }

    fn parsed(words: &[&str]) -> Option<CreateArgs> {
        let words = ["drover", "--kafka", "b-1:9098"].iter().chain(words);
        Parsed::try_parse_from(words).ok().map(|parsed| parsed.args)
    }

    #[test]
    fn a_prefix_stands_for_the_topics_of_every_feed_and_some_are_compacted() {
        let args = parsed(&["--feed-prefix", "newco", "--topic", "drover.events"]).unwrap();
        let new = BTreeSet::from(["newco.views".to_owned()]);
        let expected = "exists   drover.events\n\
                        exists   newco.alerts, compacted\n\
                        exists   newco.ordered\n\
                        exists   newco.settled\n\
                        created  newco.views, compacted\n";
        assert_eq!(report(&wanted(&args), &new), expected);
        assert_eq!(args.partitions, PARTITIONS);
    }

    #[test]
    fn the_command_names_at_least_one_topic() {
        assert!(parsed(&[]).is_none());
        assert!(parsed(&["--topic", "a", "--partitions", "0"]).is_none());
        assert!(parsed(&["--topic", "a", "--partitions", "12"]).is_some());
    }
}
