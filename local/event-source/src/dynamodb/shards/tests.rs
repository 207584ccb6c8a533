//! Which shards are read when.

use super::*;
use crate::dynamodb::stream::StartAt;

fn listed(id: &str, parent: Option<&str>) -> ListedShard {
    ListedShard { id: id.to_owned(), parent: parent.map(str::to_owned) }
}

fn new(start: StartingPosition, started: Started) -> Shards {
    Shards::new(Settings { start, ..Settings::new("m") }, started)
}

fn reading(shards: &Shards) -> Vec<&str> {
    shards.reading().map(|(id, _)| id).collect()
}

/// The shard turns out to be closed and empty.
fn complete(shards: &mut Shards, id: &str) {
    for (shard, checkpoint) in shards.commits() {
        shards.committed(&shard, checkpoint);
    }
    shards.fetches(0);
    shards.shard(id).unwrap().fetched(Vec::new(), None, 0, 0);
    let commits = shards.commits();
    assert_eq!(commits.len(), 1);
    for (shard, checkpoint) in commits {
        assert!(shards.committed(&shard, checkpoint));
    }
}

/// Where each shard starts.
fn starts(shards: &mut Shards) -> Vec<(String, StartAt)> {
    for (shard, checkpoint) in shards.commits() {
        shards.committed(&shard, checkpoint);
    }
    let fetches = shards.fetches(0).into_iter();
    fetches.map(|(shard, fetch)| (shard, fetch.from.unwrap_err())).collect()
}

#[test]
fn a_shard_is_read_after_its_parent() {
    let mut shards = new(StartingPosition::TrimHorizon, Started::First);
    let all = [listed("c", Some("b")), listed("b", Some("a")), listed("a", Some("trimmed"))];
    shards.list(&all, 0);
    assert_eq!(reading(&shards), ["a"]);
    complete(&mut shards, "a");
    shards.list(&all, 0);
    assert_eq!(reading(&shards), ["b"]);
    // The parent is no longer listed, but it is still read.
    shards.list(&all[..1], 0);
    assert_eq!(reading(&shards), ["b"]);
    complete(&mut shards, "b");
    assert_eq!(shards.list(&all[..1], 0), ["b"]);
    assert_eq!(reading(&shards), ["c"]);
}

#[test]
fn a_complete_shard_is_not_read_again_after_a_restart() {
    let done = ShardCheckpoint { lanes: vec![None], since: None, is_complete: true };
    let started = Started::Again([("a".to_owned(), done.clone()), ("x".to_owned(), done)].into());
    let mut shards = new(StartingPosition::TrimHorizon, started);
    let all = [listed("a", None), listed("b", Some("a"))];
    assert_eq!(shards.list(&all, 0), ["x"]);
    assert_eq!(reading(&shards), ["b"]);
}

#[test]
fn the_checkpoint_of_a_shard_that_is_no_longer_listed_is_forgotten() {
    let known = ShardCheckpoint { lanes: vec![None], since: None, is_complete: false };
    let started = Started::Again([("a".to_owned(), known)].into());
    let mut shards = new(StartingPosition::TrimHorizon, started);
    assert_eq!(shards.list(&[listed("b", Some("a"))], 0), ["a"]);
    assert_eq!(reading(&shards), ["b"]);
}

#[test]
fn latest_applies_to_every_shard_of_the_first_listing_and_to_no_later_shard() {
    let mut shards = new(StartingPosition::Latest, Started::First);
    let mut all = vec![listed("a", None), listed("b", Some("a"))];
    shards.list(&all, 0);
    let expected = [("a".to_owned(), StartAt::Latest), ("b".to_owned(), StartAt::Latest)];
    assert_eq!(starts(&mut shards), expected);
    all.push(listed("c", None));
    shards.list(&all, 0);
    assert_eq!(starts(&mut shards), [("c".to_owned(), StartAt::TrimHorizon)]);
}

#[test]
fn a_mapping_that_has_started_before_reads_new_shards_from_the_horizon() {
    let mut shards = new(StartingPosition::Latest, Started::Again(BTreeMap::new()));
    shards.list(&[listed("a", None)], 0);
    assert_eq!(starts(&mut shards), [("a".to_owned(), StartAt::TrimHorizon)]);
}
