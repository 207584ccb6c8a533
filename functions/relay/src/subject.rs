//! Sends the changes of one subject to the feeds of its tenant, in order.
//!
//! A failure that affects this subject alone does not hold up the shard: a head that nobody can read and a
//! record that its topic refuses become dead letters, and a closed topic is made up for later. Any other
//! failure ends the run, and the source delivers the rest again.

use drover_core::base::cost::Units;
use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::metrics::{Counts, Metric};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::unsent::Unsent;
use drover_core::ledger::codec::{decode_head, is_of_newer_format};
use drover_core::ledger::{Head, StoredHead};
use drover_core::outputs::TenantOutputs;
use drover_core::outputs::changes::Changes;
use drover_core::outputs::feeds::{self, Delivery, Step};
use drover_core::outputs::record::FeedRecord;
use drover_core::outputs::timers::arming::armed_by;
use drover_core::outputs::views;
use drover_core::ports::{FeedTarget, NotPublished, SubjectLocation};
use drover_core::subject::reader::obey;
use drover_core::view::Specs;

use crate::stream::HeadChange;
use crate::{Relay, RelayPorts, is_broken};

/// The changes of a subject on their way.
pub(crate) struct SubjectRun<'a, W, T> {
    pub(crate) relay: &'a Relay<W, T>,
    pub(crate) location: &'a SubjectLocation,
    pub(crate) outputs: TenantOutputs<'a>,
    pub(crate) deadline: Timestamp,
    started: Timestamp,
    /// Whether records were skipped or arrived out of order, so that the subject has to be sent again.
    lacks_records: bool,
    pub(crate) counts: Counts,
}

/// What became of the changes of a subject.
pub(crate) struct Ended {
    /// How many of its changes need not come again.
    pub(crate) done: usize,
    /// Why the others have to.
    pub(crate) failed: Option<Unavailable>,
    /// What was counted.
    pub(crate) counts: Counts,
}

/// A head that cannot be told of.
enum Unreadable {
    /// A newer version of Drover wrote it.
    Newer,
    /// Its bytes make no sense.
    Corrupt,
}

impl<'a, W: RelayPorts, T: FeedTarget> SubjectRun<'a, W, T> {
    pub(crate) fn new(
        relay: &'a Relay<W, T>,
        location: &'a SubjectLocation,
        outputs: TenantOutputs<'a>,
        deadline: Timestamp,
    ) -> Self {
        let counts = Counts::default();
        let (started, lacks_records) =
            (relay.ports.now(), relay.pending_resends.has(&location.key));
        Self { relay, location, outputs, deadline, started, lacks_records, counts }
    }

    /// Sends the changes, and the state after the last of them.
    pub(crate) async fn send(mut self, changes: &[&HeadChange]) -> Ended {
        let (mut done, mut failed) = (0_usize, None);
        let mut last = None;
        for change in changes {
            match self.send_change(change).await {
                Ok(told) => last = told.or(last),
                Err(unavailable) => {
                    failed = Some(unavailable);
                    break;
                }
            }
            done += 1;
        }
        if failed.is_none()
            && let Some(last) = last
            && let Err(unavailable) = self.send_state(&last).await
        {
            // The state is sent with the last change when that comes again.
            done = done.saturating_sub(1);
            failed = Some(unavailable);
        }
        if self.lacks_records
            && let Err(unavailable) =
                self.relay.arm_resend(&self.location.key, &mut self.counts).await
        {
            done = 0;
            failed = failed.or(Some(unavailable));
        }
        Ended { done, failed, counts: self.counts }
    }

    /// Sends what one commit changed; `None`: its head cannot be read.
    async fn send_change(&mut self, change: &HeadChange) -> Result<Option<Changes>, Unavailable> {
        let now = self.relay.ports.now();
        if now >= self.deadline {
            return Err(Unavailable::new(Reason::Deadline, "the invocation is about to time out"));
        }
        let new = match decoded(change.new.as_ref()) {
            Ok(new) => new,
            Err(Unreadable::Newer) => {
                let message = "a newer version of this system wrote this head";
                return Err(Unavailable::new(Reason::Corrupt, message));
            }
            Err(Unreadable::Corrupt) => {
                let commit = change.new.as_ref().map_or(0, |new| new.version);
                self.give_up(format!("?.{commit}"), "the head cannot be read").await?;
                return Ok(None);
            }
        };
        // Without the old head the whole history is sent.
        let old = change.old.as_ref().and_then(|old| decoded(Some(old)).ok());
        let changes = Changes::between(old.as_ref(), &new);
        let sent = self.send_events(changes.clone(), now).await;
        self.unless_broken(&changes, sent).await?;
        let followed = self.follow_alerts((old.as_ref(), &new, &changes)).await;
        self.unless_broken(&changes, followed).await?;
        for timer in armed_by(&self.location.key, &changes, self.outputs, now) {
            let units = self.relay.armer.arm(&self.relay.ports, &timer, now).await?;
            self.counts.add_units(units);
        }
        Ok(Some(changes))
    }

    /// What is stored and makes no sense becomes a letter: it does not become better by waiting.
    async fn unless_broken(
        &mut self,
        changes: &Changes,
        sent: Result<(), Unavailable>,
    ) -> Result<(), Unavailable> {
        match sent {
            Err(broken) if is_broken(&broken) => {
                self.give_up(changes.commit.to_string(), &broken.message).await
            }
            sent => sent,
        }
    }

    async fn send_events(&mut self, changes: Changes, now: Timestamp) -> Result<(), Unavailable> {
        let commit = changes.commit.to_string();
        let (mut delivery, mut step) =
            Delivery::start(&self.location.key, self.outputs.feeds, changes, now);
        loop {
            let answer = match step {
                Step::Done => return Ok(()),
                Step::Ask(ask) => {
                    let mut units = Units::default();
                    let answer = obey(&self.relay.ports, self.location, ask, &mut units).await;
                    self.counts.add_units(units);
                    feeds::Answer::Read(answer?)
                }
                Step::Send(records) => {
                    self.publish(&commit, &records).await?;
                    feeds::Answer::Sent
                }
            };
            (delivery, step) = delivery.answer(answer)?;
        }
    }

    /// Sends the state as it is now, once for all changes, where views are a feed.
    async fn send_state(&mut self, last: &Changes) -> Result<(), Unavailable> {
        if !views::is_due(self.outputs.feeds, last) {
            return Ok(());
        }
        let ports = &self.relay.ports;
        let read = ports.head(self.location).await?;
        self.counts.add_units(read.units);
        let Some(stored) = read.answer else { return Ok(()) };
        // A head that cannot be read has a record of its own in the stream.
        let Ok(head) = decode_head(&stored.bytes) else { return Ok(()) };
        let versions = Specs::default().missing(&head.tail);
        let (registry, now) = (&self.relay.registry, ports.now());
        let read = registry.folded_by(&self.location.key, &versions, now, ports).await;
        let specs = match read {
            Ok(specs) => specs,
            Err(unavailable) => return self.unless_broken(last, Err(unavailable)).await,
        };
        match views::record(&self.location.key, head, &specs) {
            Some(record) => self.publish(&last.commit.to_string(), &[record]).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn publish(
        &mut self,
        commit: &str,
        records: &[FeedRecord],
    ) -> Result<(), Unavailable> {
        for records in records.chunk_by(|one, next| one.feed == next.feed) {
            let Some(first) = records.first() else { continue };
            let topic = self.outputs.feeds.topic(first.feed);
            self.publish_to(&topic, commit, records).await?;
        }
        Ok(())
    }

    /// Sends records to one topic. A record that is refused is tried once more alone, because a topic may
    /// refuse a batch for one of its records.
    async fn publish_to(
        &mut self,
        topic: &str,
        commit: &str,
        records: &[FeedRecord],
    ) -> Result<(), Unavailable> {
        let (target, deadline) = (&self.relay.target, self.deadline);
        // A topic that was closed for one change is closed for all later ones, or they would overtake it.
        if self.relay.closed.has(topic, self.started) {
            self.skip(records.len());
            return Ok(());
        }
        let results = target.publish(topic, records, deadline).await;
        // A record after one that is missing has arrived: a consumer that appends only what comes behind
        // would pass over the missing one when it arrives, unless a correction announces it. One that is
        // refused for good never arrives.
        let last_taken = results.iter().rposition(Result::is_ok);
        let is_overtaken = |at| last_taken.is_some_and(|last| at < last);
        let mut refused = Vec::new();
        for (at, (record, result)) in records.iter().zip(results).enumerate() {
            let is_late = !matches!(result, Ok(()) | Err(NotPublished::Refused(_)));
            self.lacks_records |= is_late && is_overtaken(at);
            if self.sent(topic, result)?.is_some() {
                refused.push((at, record));
            }
        }
        for (at, record) in refused {
            let again = target.publish(topic, std::slice::from_ref(record), deadline).await;
            for result in again {
                let is_late = !matches!(result, Err(NotPublished::Refused(_)));
                self.lacks_records |= is_late && is_overtaken(at);
                if let Some(why) = self.sent(topic, result)? {
                    self.give_up(commit.to_owned(), &why).await?;
                }
            }
        }
        Ok(())
    }

    /// Counts a result; the reason, if the record was refused.
    fn sent(
        &mut self,
        topic: &str,
        result: Result<(), NotPublished>,
    ) -> Result<Option<String>, Unavailable> {
        match result {
            Ok(()) => {
                self.counts.add(Metric::FeedRecordsSent);
                Ok(None)
            }
            Err(NotPublished::Refused(why)) => Ok(Some(why.message)),
            Err(NotPublished::Closed(why)) => {
                let tenant = self.location.key.tenant();
                if !self.relay.closed.has(topic, self.relay.ports.now()) {
                    tracing::error!(topic, %tenant, why = why.message, "a topic of a feed is closed");
                }
                self.relay.closed.close(topic, self.relay.ports.now());
                self.skip(1);
                Ok(None)
            }
            Err(NotPublished::Unavailable(unavailable)) => Err(unavailable),
        }
    }

    fn skip(&mut self, records: usize) {
        self.lacks_records = true;
        self.counts.add_many(Metric::FeedRecordsSkipped, records);
    }

    /// Makes a dead letter of a commit that nobody can be told of.
    async fn give_up(&mut self, commit: String, reason: &str) -> Result<(), Unavailable> {
        let (key, ports) = (&self.location.key, &self.relay.ports);
        tracing::error!(tenant = %key.tenant(), commit, reason, "a commit cannot be sent to a feed");
        let message = Unsent::of(key, commit, reason, ports.now()).message()?;
        for sent in ports.send_letters(&[message]).await {
            sent?;
        }
        self.counts.add(Metric::DeadLettersSent);
        Ok(())
    }
}

fn decoded(stored: Option<&StoredHead>) -> Result<Head, Unreadable> {
    let bytes = stored.map(|stored| &*stored.bytes).ok_or(Unreadable::Corrupt)?;
    let unreadable = |_| match is_of_newer_format(bytes) {
        true => Unreadable::Newer,
        false => Unreadable::Corrupt,
    };
    decode_head(bytes).map_err(unreadable)
}
