//! The events of one request, to where they are durable: each is read by its contract and guarded
//! by its tenant's clock rules; what passes goes into the stream; what the stream does not take,
//! into the buffer queue. What neither takes fails the request, and the sender sends it again.

use std::sync::Arc;

use drover_core::base::error::{Code, Reason, Rejection, Unavailable};
use drover_core::base::metrics::{Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::{Circumstances, buffered, letter};
use drover_core::dead_letter::message::Message;
use drover_core::intake::event_log::{NotSent, Outgoing};
use drover_core::intake::record::{Record, Source, Wrapping};
use drover_core::ports::EventLog;
use drover_http::Caller;

use crate::{FUNCTION, Ingest, IngestPorts};

/// How long a request may take until it is answered. API Gateway waits for 30 seconds.
const REQUEST_SECONDS: i64 = 20;

/// The events of a request, and what they have in common.
pub(crate) struct Delivery<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) contract: &'a str,
    /// The events as they were sent.
    pub(crate) texts: &'a [&'a [u8]],
    /// Tells the events of one request from those of every other.
    pub(crate) request_id: Arc<str>,
    /// What goes along with each event.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// When the request was first received: a repetition under one idempotency key says the same.
    pub(crate) received_at: Timestamp,
}

/// What became of an event: its id, or why it never will be one. `None`: its contract says that it is none.
pub(crate) type Accepted = Result<Option<String>, Rejection>;

impl<W: IngestPorts, S: EventLog> Ingest<W, S> {
    /// Takes every event to its end: one result for each, in order.
    ///
    /// # Errors
    /// One that should be accepted could not be made durable, or the registry did not answer.
    pub(crate) async fn accept(
        &self,
        delivery: Delivery<'_>,
    ) -> Result<Vec<Accepted>, Unavailable> {
        let started = self.ports.now();
        let mut results: Vec<Accepted> = Vec::with_capacity(delivery.texts.len());
        let mut outgoing = Vec::new();
        for read in self.read(&delivery).await? {
            let result = read.map(|event| {
                let event = event?;
                let id = event.event.entry.position.event_id.to_string();
                outgoing.push((results.len(), event));
                Some(id)
            });
            results.push(result);
        }
        let (places, events): (Vec<usize>, Vec<Outgoing>) = outgoing.into_iter().unzip();
        let sent = self.send(&events, started).await;
        let waiting: Vec<&Outgoing> = unavailable(&events, &sent).collect();
        let buffered = self.send_to_buffer(&waiting).await;
        for (place, sent) in places.into_iter().zip(sent) {
            if let (Some(result), Err(NotSent::Rejected(rejection))) =
                (results.get_mut(place), sent)
            {
                *result = Err(rejection);
            }
        }
        let letters = self.keep_rejected(&delivery, &results).await;
        let waited = if buffered.is_ok() { waiting.len() } else { 0 };
        self.count(
            &delivery,
            &results,
            &events,
            started,
            [(Metric::RecordsBuffered, waited), (Metric::DeadLettersSent, letters)],
        );
        buffered.map(|()| results)
    }

    /// Reads each text by the contract, and asks the tenant's clock rules.
    async fn read(
        &self,
        delivery: &Delivery<'_>,
    ) -> Result<Vec<Result<Option<Outgoing>, Rejection>>, Unavailable> {
        let now = self.ports.now();
        let contract = self.registry.contract(delivery.contract, now, &self.ports).await?;
        let Caller { scope, tenant, .. } = delivery.caller;
        let policy = tenant.policy();
        let read = |(index, text): (usize, &&[u8])| {
            let unknown = || Rejection::new(Code::UnknownContract, "no contract has this name");
            let contract = contract.as_ref().ok_or_else(unknown)?;
            let record = delivery.record(index, text);
            let Some(event) = contract.read(&record.parsed(), scope)? else { return Ok(None) };
            policy.guard(&event.entry)?;
            let Record { source, headers, received_at, .. } = record;
            Outgoing::new(event, Arc::clone(tenant), source, headers, received_at).map(Some)
        };
        Ok(delivery.texts.iter().enumerate().map(read).collect())
    }

    async fn send(&self, events: &[Outgoing], started: Timestamp) -> Vec<Result<(), NotSent>> {
        if events.is_empty() {
            return Vec::new();
        }
        if let Some(unavailable) = self.log_breaker.instead(started) {
            return vec![Err(NotSent::Unavailable(unavailable)); events.len()];
        }
        let sent = self.event_log.send(events, started.plus_seconds(REQUEST_SECONDS)).await;
        self.log_breaker.note(&sent, self.ports.now());
        sent
    }

    /// Sends events to the buffer queue: all of them, or it failed.
    async fn send_to_buffer(&self, events: &[&Outgoing]) -> Result<(), Unavailable> {
        let now = self.ports.now();
        let mut messages = Vec::new();
        for event in events {
            messages.extend(waiting(event, now)?);
        }
        if messages.is_empty() {
            return Ok(());
        }
        tracing::warn!(events = events.len(), "the stream is unavailable, events go to the buffer");
        let sent = self.ports.send_buffered(&messages).await;
        let buffered: Result<(), Unavailable> = sent.into_iter().collect();
        if buffered.is_err() {
            self.log_breaker.end();
        }
        buffered
    }

    /// Sends rejected events to the dead letters, where their tenant wants to keep them. The sender
    /// has been told of them either way, so what cannot be kept is only logged.
    async fn keep_rejected(&self, delivery: &Delivery<'_>, results: &[Accepted]) -> usize {
        if !delivery.caller.tenant.keep_rejected {
            return 0;
        }
        let now = self.ports.now();
        let about = Circumstances {
            tenant: Some(delivery.caller.scope.tenant()),
            contract: Some(delivery.contract),
            subject: None,
            wrapping: None,
            now,
        };
        let rejected = delivery.texts.iter().zip(results).enumerate();
        let letters = rejected.filter_map(|(index, (text, result))| {
            let rejection = result.as_ref().err()?;
            Some(letter(&delivery.record(index, text), rejection, about))
        });
        let letters: Vec<_> = letters.collect();
        if letters.is_empty() {
            return 0;
        }
        let unwritten = letters.iter().filter(|letter| letter.is_err()).count();
        let messages: Vec<Message> = letters.into_iter().flatten().flatten().collect();
        let answers = self.ports.send_letters(&messages).await;
        let lost = unwritten + answers.iter().filter(|answer| answer.is_err()).count();
        if lost > 0 {
            tracing::error!(lost, "rejected events could not be kept as dead letters");
        }
        answers.iter().filter(|answer| answer.is_ok()).count()
    }

    fn count<const N: usize>(
        &self,
        delivery: &Delivery<'_>,
        results: &[Accepted],
        events: &[Outgoing],
        started: Timestamp,
        amounts: [(Metric, usize); N],
    ) {
        let now = self.ports.now();
        let mut tally = Tally::default();
        let counts = tally.of(Some(delivery.caller.scope.tenant()));
        counts.add_many(Metric::MessagesProcessed, results.len());
        counts.durations = vec![now.seconds_since(started); results.len()];
        for rejection in results.iter().filter_map(|result| result.as_ref().err()) {
            counts.add_error(rejection.code);
        }
        let ignored = results.iter().filter(|result| matches!(result, Ok(None))).count();
        counts.add_many(Metric::EventsIgnored, ignored);
        let skipped = events.iter().flat_map(|outgoing| &outgoing.event.skipped);
        skipped.for_each(|field| counts.add_skipped(field));
        for (metric, amount) in amounts {
            counts.add_many(metric, amount);
        }
        self.meter.record(FUNCTION, &tally, now);
    }
}

impl Delivery<'_> {
    fn record(&self, index: usize, text: &[u8]) -> Record {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Record {
            source: Source::Http { request_id: Arc::clone(&self.request_id), index },
            key: None,
            // Only the data of a CloudEvent may be nothing.
            value: (!text.is_empty()).then(|| text.to_vec()),
            headers: self.headers.clone(),
            received_at: Some(self.received_at),
            ingested_at: self.received_at,
        }
    }
}

fn unavailable<'a>(
    events: &'a [Outgoing],
    sent: &[Result<(), NotSent>],
) -> impl Iterator<Item = &'a Outgoing> {
    let waits = |(event, sent): (&'a Outgoing, &Result<(), NotSent>)| match sent {
        Ok(()) | Err(NotSent::Rejected(_)) => None,
        Err(NotSent::Unavailable(_)) => Some(event),
    };
    events.iter().zip(sent).filter_map(waits).collect::<Vec<_>>().into_iter()
}

/// The messages of an event that waits: the record as the stream would have had it.
fn waiting(event: &Outgoing, now: Timestamp) -> Result<Vec<Message>, Unavailable> {
    let about = Circumstances {
        tenant: Some(event.event.subject.tenant()),
        contract: Some(&event.event.entry.contract),
        subject: Some(event.event.subject.subject()),
        wrapping: Some(Wrapping::Event),
        now,
    };
    buffered(&event.record, Reason::Unreachable, about)
}
