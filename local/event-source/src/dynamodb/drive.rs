//! The loop of one mapping: it starts listings, fetches, invocations and commits, and passes their
//! results to the states of the shards. It decides nothing.
//!
//! Everything runs in the task of the loop: dropping the task drops everything, except a commit that
//! is being written.

use std::time::Duration;

use drover_core::base::error::Unavailable;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::change::{Change, Read};
use super::checkpoint::{ShardCheckpoint, Started};
use super::destination::Destination;
use super::invocation::{MappingContext, play};
use super::shard::{Fetch, FetchFailure};
use super::shards::Shards;
use super::stream::{ListedShard, Page, Stream, StreamError};
use crate::batch::Decision;
use crate::on_failure::until_it_succeeds;

/// The interval between checks for new shards. The end of a shard starts a check as well.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// The delay before the next attempt after the file of checkpoints failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The records of a page, and the iterator for the next page.
type ReadPage = (Vec<Read>, Option<String>);
type Task<'a> = BoxFuture<'a, Outcome>;

/// The result of a task.
enum Outcome {
    Listed(Result<Vec<ListedShard>, Unavailable>),
    Fetched(String, Result<ReadPage, StreamError>),
    Forgotten,
    Played(String, usize, Decision<Change>),
    Committed(String, ShardCheckpoint),
}

/// The state of a running mapping.
struct Drive<'a, S, D> {
    context: &'a MappingContext<S, D>,
    shards: Shards,
    is_listing: bool,
    /// Listings, fetches and deletions of checkpoints, which a stop drops.
    reading: FuturesUnordered<Task<'a>>,
    /// Invocations and commits, which a stop lets end.
    working: FuturesUnordered<Task<'a>>,
}

/// Runs a mapping. After `stop` it starts no invocation, and returns when the last invocation has
/// ended and its checkpoint is durable.
pub(super) async fn drive<S: Stream, D: Destination>(
    context: &MappingContext<S, D>,
    mut stop: watch::Receiver<bool>,
) {
    let started = tokio::select! {
        started = start(context) => started,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let mut drive = Drive {
        context,
        shards: Shards::new(context.settings.clone(), started),
        is_listing: false,
        reading: FuturesUnordered::new(),
        working: FuturesUnordered::new(),
    };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = drive.run() => {}
    }
    drive.finish().await;
}

async fn start<S: Stream, D>(context: &MappingContext<S, D>) -> Started {
    loop {
        match context.checkpoints.start(&context.settings.name, context.stream.arn()).await {
            Ok(started) => return started,
            Err(error) => {
                tracing::error!(%error, "cannot read the checkpoints");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl<S: Stream, D: Destination> Drive<'_, S, D> {
    async fn run(&mut self) {
        let mut list = tokio::time::interval(LIST_EVERY);
        list.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let now = self.context.clock.now();
            self.start_what_is_due(now);
            self.context.gauges.set(&self.shards);
            let wake = self.wake(now);
            let outcome = tokio::select! {
                Some(outcome) = self.reading.next(), if !self.reading.is_empty() => outcome,
                Some(outcome) = self.working.next(), if !self.working.is_empty() => outcome,
                () = tokio::time::sleep_until(wake) => continue,
                _ = list.tick() => {
                    self.list();
                    continue;
                }
            };
            if self.ended(outcome) {
                list.reset_immediately();
            }
        }
    }

    /// Waits for running invocations and their checkpoints.
    async fn finish(&mut self) {
        self.start_commits();
        while let Some(outcome) = self.working.next().await {
            self.ended(outcome);
            self.start_commits();
        }
    }

    /// Passes on the result of a task. Returns whether a shard is complete, whose children may be
    /// read.
    fn ended(&mut self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Listed(listed) => self.listed(listed),
            Outcome::Fetched(shard, fetched) => self.fetched(&shard, fetched),
            Outcome::Forgotten => {}
            Outcome::Played(shard, lane, decision) => {
                self.shards.finished(&shard, lane, decision);
            }
            Outcome::Committed(shard, checkpoint) => {
                return self.shards.committed(&shard, checkpoint);
            }
        }
        false
    }

    fn start_what_is_due(&mut self, now: i64) {
        let context = self.context;
        self.start_commits();
        for (shard, fetch) in self.shards.fetches(now) {
            self.reading.push(Box::pin(async move {
                let fetched = read(context, &shard, fetch).await;
                Outcome::Fetched(shard, fetched)
            }));
        }
        while let Some(invocation) = self.shards.next(now) {
            let rules = self.shards.rules().clone();
            self.working.push(Box::pin(async move {
                let (shard, lane, decision) = play(context, &rules, invocation).await;
                Outcome::Played(shard, lane, decision)
            }));
        }
    }

    fn start_commits(&mut self) {
        let MappingContext { checkpoints, settings, .. } = self.context;
        for (shard, checkpoint) in self.shards.commits() {
            self.working.push(Box::pin(async move {
                let commit = || checkpoints.commit(&settings.name, &shard, &checkpoint);
                until_it_succeeds("commit", commit).await;
                Outcome::Committed(shard, checkpoint)
            }));
        }
    }

    /// What was due at `now` is started, or waits for a commit, which wakes the loop.
    fn wake(&self, now: i64) -> Instant {
        const LONG: Duration = Duration::from_secs(60);
        let due = self.shards.wake_at(now).map(|due| due.saturating_sub(self.context.clock.now()));
        let wait = due.map(|wait| Duration::from_millis(u64::try_from(wait).unwrap_or(0)));
        Instant::now() + wait.unwrap_or(LONG)
    }

    fn list(&mut self) {
        if !std::mem::replace(&mut self.is_listing, true) {
            let stream = &self.context.stream;
            self.reading.push(Box::pin(async { Outcome::Listed(stream.shards().await) }));
        }
    }

    fn listed(&mut self, listed: Result<Vec<ListedShard>, Unavailable>) {
        self.is_listing = false;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                return tracing::warn!(%error, "cannot list the shards of the stream");
            }
        };
        let MappingContext { checkpoints, settings, clock, .. } = self.context;
        for shard in self.shards.list(&listed, clock.now()) {
            self.reading.push(Box::pin(async move {
                // A checkpoint that stays is deleted after the next start.
                if let Err(error) = checkpoints.forget(&settings.name, &shard).await {
                    tracing::warn!(shard, %error, "cannot delete a checkpoint");
                }
                Outcome::Forgotten
            }));
        }
    }

    fn fetched(&mut self, id: &str, fetched: Result<ReadPage, StreamError>) {
        let MappingContext { clock, settings, gauges, .. } = self.context;
        let now = clock.now();
        let is_listed = self.shards.is_listed(id);
        let Some(shard) = self.shards.shard(id) else { return };
        match fetched {
            Ok((records, next)) => {
                let poll_every = i64::try_from(settings.poll_every.as_millis());
                let poll_at = now.saturating_add(poll_every.unwrap_or(i64::MAX));
                shard.fetched(records, next, poll_at, now);
            }
            Err(StreamError::Expired) => shard.fetch_failed(FetchFailure::Expired, now),
            Err(StreamError::Trimmed) => {
                gauges.trimmed();
                tracing::error!(shard = id, "records may have been deleted before they were read");
                shard.fetch_failed(FetchFailure::Trimmed, now);
            }
            Err(StreamError::Gone) if !is_listed => {
                gauges.trimmed();
                tracing::error!(shard = id, "the shard was deleted before it was completely read");
                shard.end();
            }
            Err(error @ (StreamError::Gone | StreamError::Unavailable(_))) => {
                tracing::warn!(shard = id, %error, "cannot read the stream");
                shard.fetch_failed(FetchFailure::Unavailable, now);
            }
        }
    }
}

/// Reads one page, with a new iterator if there is none.
async fn read<S: Stream, D>(
    context: &MappingContext<S, D>,
    shard: &str,
    fetch: Fetch,
) -> Result<ReadPage, StreamError> {
    let MappingContext { stream, settings, .. } = context;
    let iterator = match fetch.from {
        Ok(iterator) => iterator,
        Err(start) => stream.iterator(shard, &start).await?,
    };
    let Page { records, next } = stream.records(&iterator, fetch.limit).await?;
    let read = records.iter().map(|record| {
        let is_wanted = settings.filters.matches(record);
        Read::new(record, stream.partition_key(), stream.arn(), is_wanted)
    });
    Ok((read.collect::<Result<_, Unavailable>>()?, next))
}
