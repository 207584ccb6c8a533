//! Makes the events of one request durable. Each event is read by its contract and checked against
//! its tenant's clock rules. Valid events go to the event log, or to the buffer queue if the event log
//! does not take them. If neither takes an event, the request fails and the sender sends it again.

use std::sync::Arc;

use drover_core::base::error::{Code, Reason, Rejection, Unavailable};
use drover_core::base::excerpt::Excerpt;
use drover_core::base::metrics::{Metric, Tally};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::{Circumstances, buffered, letter};
use drover_core::dead_letter::message::Message;
use drover_core::event::Event;
use drover_core::intake::contract::Element;
use drover_core::intake::event_log::{NotSent, Outgoing};
use drover_core::intake::record::{Record, Source, Wrapping};
use drover_core::ports::EventLog;

use crate::caller::Caller;
use crate::error::IntakeError;
use crate::{Intake, IntakePorts};

/// Maximum duration of a request, in seconds. API Gateway waits for 30 seconds.
const REQUEST_SECONDS: i64 = 20;

/// The events of a request and their common attributes.
pub(crate) struct Delivery<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) contract: &'a str,
    /// The events as they were sent.
    pub(crate) texts: &'a [&'a [u8]],
    /// The id of the request.
    pub(crate) request_id: Arc<str>,
    /// The headers of each event's record.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// When the first request with this idempotency key was received.
    pub(crate) received_at: Timestamp,
}

/// Maximum number of elements of one request; a single event may have a thousand.
const ELEMENTS: usize = 5_000;

/// The result of one event, or of one element that the transform of its contract makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The event's index in the request.
    pub index: usize,
    /// The number of the element, if the contract has a transform.
    pub element: Option<u32>,
    /// The event's id, or why it is rejected; `None`: the contract ignores it.
    pub result: Option<Result<String, Rejection>>,
}

/// An event of a request, or one of its elements, as read by its contract.
struct ReadEvent {
    index: usize,
    element: Option<u32>,
    event: Option<Result<Outgoing, Rejection>>,
}

impl<W: IntakePorts, S: EventLog> Intake<W, S> {
    /// Makes the events durable. Returns one result for each event or element, in order.
    ///
    /// # Errors
    /// A valid event could not be made durable, the registry did not answer, or the elements exceed the
    /// tenant's quota.
    pub(crate) async fn accept(
        &self,
        delivery: Delivery<'_>,
    ) -> Result<Vec<Accepted>, IntakeError> {
        let started = self.ports.now();
        let mut results: Vec<Accepted> = Vec::with_capacity(delivery.texts.len());
        let mut outgoing = Vec::new();
        let read = self.read(&delivery).await?;
        // The events themselves were counted when they came.
        let more = read.len().saturating_sub(delivery.texts.len());
        self.within_quota(delivery.caller, more)?;
        for ReadEvent { index, element, event } in read {
            let mut accepted = |event: Outgoing| {
                let id = event.event.entry.position.event_id.to_string();
                outgoing.push((results.len(), event));
                id
            };
            let result = event.map(|event| event.map(&mut accepted));
            results.push(Accepted { index, element, result });
        }
        let (places, events): (Vec<usize>, Vec<Outgoing>) = outgoing.into_iter().unzip();
        let sent = self.send(&events, started).await;
        let waiting: Vec<&Outgoing> = unavailable(&events, &sent).collect();
        let buffered = self.send_to_buffer(&waiting).await;
        for (place, sent) in places.into_iter().zip(sent) {
            if let (Some(result), Err(NotSent::Rejected(rejection))) =
                (results.get_mut(place), sent)
            {
                result.result = Some(Err(rejection));
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
        buffered?;
        Ok(results)
    }

    /// Reads each event by the contract and checks the tenant's clock rules.
    async fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<ReadEvent>, Unavailable> {
        let now = self.ports.now();
        let contract = self.registry.contract(delivery.contract, now, &self.ports).await?;
        let Caller { scope, tenant, .. } = delivery.caller;
        let policy = tenant.policy();
        let outgoing = |record: &Record,
                        event: Result<Option<Event>, Rejection>,
                        element: Option<u32>|
         -> Option<Result<Outgoing, Rejection>> {
            let event = event.transpose()?;
            Some(event.and_then(|event| {
                policy.guard(&event.entry)?;
                let source = record.source.clone();
                let source = match element {
                    Some(element) => source.with_element(element),
                    None => source,
                };
                let (headers, received_at) = (record.headers.clone(), record.received_at);
                Outgoing::new(event, Arc::clone(tenant), source, headers, received_at)
            }))
        };
        let mut read = Vec::with_capacity(delivery.texts.len());
        for (index, text) in delivery.texts.iter().enumerate() {
            let record = delivery.record(index, text);
            let parsed = record.parsed();
            let whole = |event| ReadEvent { index, element: None, event };
            let Some(contract) = &contract else {
                let message = format!("no contract has the name {}", Excerpt(delivery.contract));
                let unknown = Rejection::new(Code::UnknownContract, message);
                read.push(whole(Some(Err(unknown))));
                continue;
            };
            match contract.elements(&parsed, scope) {
                None => {
                    let event = contract.read(&parsed, scope);
                    read.push(whole(outgoing(&record, event, None)));
                }
                Some(Err(rejection)) => read.push(whole(Some(Err(rejection)))),
                Some(Ok(elements)) if elements.is_empty() => read.push(whole(None)),
                Some(Ok(elements)) if read.len() + elements.len() > ELEMENTS => {
                    let message =
                        format!("the request gives too many elements: limit=`{ELEMENTS}`");
                    read.push(whole(Some(Err(Rejection::new(Code::TooLarge, message)))));
                }
                Some(Ok(elements)) => read.extend(elements.into_iter().map(|element| {
                    let Element { number, event } = element;
                    let event = outgoing(&record, event, Some(number));
                    ReadEvent { index, element: Some(number), event }
                })),
            }
        }
        Ok(read)
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

    /// Sends events to the buffer queue. Fails unless the queue takes all of them.
    async fn send_to_buffer(&self, events: &[&Outgoing]) -> Result<(), Unavailable> {
        let now = self.ports.now();
        let mut messages = Vec::new();
        for event in events {
            messages.extend(waiting(event, now)?);
        }
        if messages.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            events = events.len(),
            "the event log is unavailable, events go to the buffer"
        );
        let sent = self.ports.send_buffered(&messages).await;
        let buffered: Result<(), Unavailable> = sent.into_iter().collect();
        if buffered.is_err() {
            self.log_breaker.end();
        }
        buffered
    }

    /// Sends rejected events to the dead letters if the tenant keeps them. The response reports every
    /// rejection, so a letter that cannot be sent is only logged.
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
        let letters = results.iter().filter_map(|Accepted { index, element, result }| {
            let rejection = result.as_ref()?.as_ref().err()?;
            let record = delivery.record(*index, delivery.texts.get(*index)?);
            let record = match element {
                Some(element) => record.with_element(*element),
                None => record,
            };
            Some(letter(&record, rejection, about))
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
        counts.add_many(Metric::MessagesProcessed, delivery.texts.len());
        counts.durations = vec![now.seconds_since(started); delivery.texts.len()];
        for Accepted { result, .. } in results {
            match result {
                Some(Ok(_)) => {}
                Some(Err(rejection)) => counts.add_error(rejection.code),
                None => counts.add(Metric::RecordsIgnored),
            }
        }
        let skipped = events.iter().flat_map(|outgoing| &outgoing.event.skipped);
        skipped.for_each(|field| counts.add_skipped(field));
        for (metric, amount) in amounts {
            counts.add_many(metric, amount);
        }
        self.meter.record(self.function, &tally, now);
    }
}

impl Delivery<'_> {
    fn record(&self, index: usize, text: &[u8]) -> Record {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Record {
            source: Source::Http { request_id: Arc::clone(&self.request_id), index, element: None },
            key: None,
            // Only the data of a CloudEvent may be empty.
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

/// The messages of a buffered event: its record as it would be in the event log.
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
