//! All shards of a stream: which of them are read, and the next records to send. No I/O.
//!
//! A shard is read when its parent is complete: closed, with all records handled or discarded. A
//! parent that the stream no longer lists counts as complete, because its records are trimmed.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use super::checkpoint::{ShardCheckpoint, Started};
use super::lane::Work;
use super::settings::{Settings, StartingPosition};
use super::shard::{Fetch, Shard};
use super::stream::{ListedShard, StartAt};
use crate::batch::{Decision, Rules};

/// The maximum number of shards that are read at once.
const SHARDS: usize = 256;

/// Every shard of a stream.
pub(super) struct Shards {
    settings: Settings,
    rules: Rules,
    /// Where a shard without a checkpoint starts that is listed now.
    start: StartAt,
    /// The checkpoints of shards that are not read yet in this run.
    checkpoints: BTreeMap<String, ShardCheckpoint>,
    reading: BTreeMap<String, Shard>,
    complete: BTreeSet<String>,
    /// The shards of the last listing.
    listed: BTreeSet<String>,
}

/// Records of one lane of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) shard: String,
    pub(super) lane: usize,
    pub(super) work: Work,
}

impl Shards {
    pub(super) fn new(settings: Settings, started: Started) -> Self {
        let rules = settings.rules.rules();
        let (start, checkpoints) = match (started, settings.start) {
            (Started::First, StartingPosition::Latest) => (StartAt::Latest, BTreeMap::new()),
            (Started::First, StartingPosition::TrimHorizon) => {
                (StartAt::TrimHorizon, BTreeMap::new())
            }
            // Shards without a checkpoint were created later.
            (Started::Again(checkpoints), _) => (StartAt::TrimHorizon, checkpoints),
        };
        let is_complete = |checkpoint: &ShardCheckpoint| checkpoint.is_complete;
        let (complete, checkpoints): (BTreeMap<_, _>, BTreeMap<_, _>) =
            checkpoints.into_iter().partition(|(_, checkpoint)| is_complete(checkpoint));
        Self {
            settings,
            rules,
            start,
            checkpoints,
            reading: BTreeMap::new(),
            complete: complete.into_keys().collect(),
            listed: BTreeSet::new(),
        }
    }

    /// Starts reading the listed shards that may be read, and returns the shards whose checkpoints
    /// are no longer needed.
    pub(super) fn list(&mut self, listed: &[ListedShard], now: i64) -> Vec<String> {
        let ids = listed.iter().map(|shard| shard.id.clone());
        self.listed = ids.collect();
        // Starting at the newest record means: in the shards of the first listing.
        let latest = std::mem::replace(&mut self.start, StartAt::TrimHorizon);
        for shard in listed {
            let may_start = latest == StartAt::Latest || self.may_start(shard);
            let is_known =
                self.reading.contains_key(&shard.id) || self.complete.contains(&shard.id);
            if is_known || !may_start || self.reading.len() >= SHARDS {
                continue;
            }
            let checkpoint = self.checkpoints.remove(&shard.id);
            let state = Shard::new(checkpoint, latest.clone(), self.settings.lanes(), now);
            self.reading.insert(shard.id.clone(), state);
        }
        let forgotten = self.complete.difference(&self.listed).cloned();
        let mut forgotten: Vec<String> = forgotten.collect();
        let unlisted = |shard: &&String| !self.listed.contains(*shard);
        forgotten.extend(self.checkpoints.keys().filter(unlisted).cloned());
        for shard in &forgotten {
            self.complete.remove(shard);
            self.checkpoints.remove(shard);
        }
        forgotten
    }

    fn may_start(&self, shard: &ListedShard) -> bool {
        let is_done = |parent: &String| {
            let is_there = self.listed.contains(parent) || self.reading.contains_key(parent);
            self.complete.contains(parent) || !is_there
        };
        shard.parent.as_ref().is_none_or(is_done)
    }

    /// Whether the last listing contained the shard.
    pub(super) fn is_listed(&self, shard: &str) -> bool {
        self.listed.contains(shard)
    }

    pub(super) fn reading(&self) -> impl Iterator<Item = (&str, &Shard)> {
        self.reading.iter().map(|(id, shard)| (id.as_str(), shard))
    }

    pub(super) fn shard(&mut self, id: &str) -> Option<&mut Shard> {
        self.reading.get_mut(id)
    }

    /// The fetches that are due.
    pub(super) fn fetches(&mut self, now: i64) -> Vec<(String, Fetch)> {
        let batching = &self.settings.batching;
        let due = self.reading.iter_mut();
        due.filter_map(|(id, shard)| Some((id.clone(), shard.fetch(batching, now)?))).collect()
    }

    /// The checkpoints to commit. The caller must pass each to [`Self::committed`].
    pub(super) fn commits(&mut self) -> Vec<(String, ShardCheckpoint)> {
        let due = self.reading.iter_mut();
        due.filter_map(|(id, shard)| Some((id.clone(), shard.commit()?))).collect()
    }

    /// The next invocation, if one is due.
    pub(super) fn next(&mut self, now: i64) -> Option<Invocation> {
        let (batching, rules) = (&self.settings.batching, &self.rules);
        self.reading.iter_mut().find_map(|(id, shard)| {
            let (lane, work) = shard.take(batching, rules, now)?;
            Some(Invocation { shard: id.clone(), lane, work })
        })
    }

    /// Ends an invocation.
    pub(super) fn finished(&mut self, shard: &str, lane: usize, decision: Decision<Change>) {
        if let Some(shard) = self.reading.get_mut(shard) {
            shard.finished(lane, decision);
        }
    }

    /// A checkpoint is durable. Returns whether it completed the shard, whose children may then be
    /// read.
    pub(super) fn committed(&mut self, id: &str, checkpoint: ShardCheckpoint) -> bool {
        let Some(shard) = self.reading.get_mut(id) else { return false };
        shard.committed(checkpoint);
        let is_complete = shard.is_complete();
        if is_complete {
            self.reading.remove(id);
            self.complete.insert(id.to_owned());
        }
        is_complete
    }

    /// When something after `now` is due without external events, in milliseconds since 1970.
    pub(super) fn wake_at(&self, now: i64) -> Option<i64> {
        let batching = &self.settings.batching;
        let due = self.reading.values().flat_map(|shard| shard.wake_at(batching));
        due.filter(|due| *due > now).min()
    }

    /// The rules for retries.
    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }
}

#[cfg(test)]
mod tests;
