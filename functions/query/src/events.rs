//! Events: the history of one subject in order, or the newest events of a tenant
//! ([`newest`](crate::newest)).

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::base::id::{Position, SubjectId};
use drover_core::base::time::Timestamp;
use drover_core::event::Entry;
use drover_core::ledger::range_read::{HistoryRange, Order};
use drover_http::{Credentials, Cursors, NotAdmitted, Parameters, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Access, Visit};
use crate::answer::{Refused, Unknown, subject, unknown_subject};
use crate::event_body::{EventBody, answer_bytes};
use crate::newest::{Newest, newest};
use crate::{QueryPorts, limits};

/// Events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventsAnswer {
    /// The subject as `kind/id`; `null` if the events belong to several subjects.
    #[schema(required = true, example = "device/device-001")]
    subject: Option<String>,
    /// Increases when a settled part of this history changes.
    #[schema(required = true)]
    epoch: Option<u64>,
    /// The events, in order.
    events: Vec<EventBody>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// `false` if the response ended early at its read limit and events may be missing. Always
    /// `true` for one subject, whose response has a cursor instead.
    complete: bool,
}

/// The newest events, in the format of older clients.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GetEventsAnswer {
    /// The number of events in this response.
    event_count: usize,
    /// The newest first.
    events: Vec<EventBody>,
    /// `false` if the response ended early at its read limit and events may be missing.
    complete: bool,
}

/// The parsed query parameters.
#[derive(Debug)]
struct EventsQuery {
    subject: Option<SubjectId>,
    order: Option<Order>,
    event_type: Option<Arc<str>>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    limit: usize,
    cursor: Option<String>,
}

pub(crate) fn routes<W: QueryPorts + 'static>(access: Arc<Access<W>>) -> Router {
    Router::new()
        .route("/api/v1/events", get(events::<W>))
        .route("/get_events", get(get_events::<W>))
        .with_state(access)
}

#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "list_events",
    tag = "events",
    summary = "Read events in order",
    description = "Returns the history of one subject. Without a subject, returns the newest events of the \
        tenant's 100 most recently active subjects, newest first; it reads at most 4 MB, and `complete` tells whether \
        that was enough. A response ends at `limit` or at 4 MB. A cursor is a position in the history and stays valid \
        while the history is corrected.",
    params(
        ("device_id" = Option<String>, Query, description = "The subject `device/ID`", example = "device-001"),
        ("subject" = Option<String>, Query, description = "The subject as `kind/id`"),
        ("from" = Option<String>, Query, description = "Observed at or after this time", format = DateTime),
        ("to" = Option<String>, Query, description = "Observed before this time", format = DateTime),
        ("type" = Option<String>, Query, description = "Only events of this type"),
        ("order" = Option<String>, Query, description = "`asc` (the default for one subject) or `desc`", pattern = "^(asc|desc)$"),
        ("limit" = Option<usize>, Query, description = "Maximum number of events; default 100", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous response"),
    ),
    responses(
        (status = 200, description = "Events", body = EventsAnswer),
        Refused,
        Unknown,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn events<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<EventsAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let query = EventsQuery::read(Parameters::parse(query.as_deref())?)?;
    match &query.subject {
        Some(subject) => history(&visit, subject, &query).await.map(Json),
        None => {
            let Newest { events, complete } = newest(&visit, &query.newest()?, query.limit).await?;
            let (subject, epoch, next_cursor) = (None, None, None);
            Ok(Json(EventsAnswer { subject, epoch, events, next_cursor, complete }))
        }
    }
}

#[utoipa::path(
    get,
    path = "/get_events",
    tag = "events",
    summary = "Read the newest events",
    description = "Like `GET /api/v1/events` without a subject, in the format of older clients.",
    params(
        ("limit" = Option<usize>, Query, description = "Maximum number of events; default 100", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "Events", body = GetEventsAnswer),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn get_events<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<GetEventsAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let mut parameters = Parameters::parse(query.as_deref())?;
    let limit = limit(&mut parameters)?;
    parameters.finish()?;
    let range = HistoryRange { order: Order::Descending, ..everything() };
    let Newest { events, complete } = newest(&visit, &range, limit).await?;
    Ok(Json(GetEventsAnswer { event_count: events.len(), events, complete }))
}

fn limit(parameters: &mut Parameters) -> Result<usize, Problem> {
    parameters.number("limit", 1..=limits::EVENTS, limits::EVENTS_BY_DEFAULT)
}

fn everything() -> HistoryRange {
    HistoryRange {
        from: None,
        to: None,
        order: Order::Ascending,
        beyond: None,
        event_type: None,
        entries: limits::EVENTS,
        bytes: limits::ANSWER_BYTES,
    }
}

impl EventsQuery {
    fn read(mut parameters: Parameters) -> Result<Self, Problem> {
        let query = Self {
            subject: subject(&mut parameters)?,
            order: parameters.text("order").map(|order| order_of(&order)).transpose()?,
            event_type: parameters.text("type").map(Arc::from),
            from: parameters.time("from")?,
            to: parameters.time("to")?,
            limit: limit(&mut parameters)?,
            cursor: parameters.text("cursor"),
        };
        parameters.finish()?;
        Ok(query)
    }

    fn range(&self) -> HistoryRange {
        let order = self.order.unwrap_or(Order::Ascending);
        let (from, to, event_type) = (self.from, self.to, self.event_type.clone());
        HistoryRange { from, to, order, event_type, entries: self.limit, ..everything() }
    }

    /// The range to read of each subject if the request names none.
    fn newest(&self) -> Result<HistoryRange, Problem> {
        if self.order == Some(Order::Ascending) {
            let fault = "must be desc unless a subject is given";
            return Err(Problem::invalid_parameter("order", fault));
        }
        if let Some(cursor) = &self.cursor {
            // This response never contains a cursor, so none is valid.
            Cursors::of(&["newest"]).read(cursor, |_| None::<()>)?;
        }
        Ok(HistoryRange { order: Order::Descending, ..self.range() })
    }

    fn cursors(&self, tenant: &str, subject: &SubjectId, order: Order) -> Cursors {
        let order = match order {
            Order::Ascending => "asc",
            Order::Descending => "desc",
        };
        let event_type = self.event_type.as_deref().unwrap_or_default();
        Cursors::of(&["events", tenant, &subject.to_string(), order, event_type])
    }
}

fn order_of(text: &str) -> Result<Order, Problem> {
    match text {
        "asc" => Ok(Order::Ascending),
        "desc" => Ok(Order::Descending),
        _ => Err(Problem::invalid_parameter("order", "must be asc or desc")),
    }
}

async fn history<W: QueryPorts>(
    visit: &Visit<'_, W>,
    subject: &SubjectId,
    query: &EventsQuery,
) -> Result<EventsAnswer, Problem> {
    let mut range = query.range();
    let cursors = query.cursors(visit.caller().scope.tenant().as_str(), subject, range.order);
    if let Some(cursor) = &query.cursor {
        range.beyond = Some(cursors.read(cursor, Position::from_bytes)?);
    }
    let portion = visit.range(subject, range).await?.ok_or_else(unknown_subject)?;
    let settled_until = visit.settled_until(&portion.head);
    let fitting = fitting(&portion.entries);
    let next = match fitting.last() {
        Some(last) if fitting.len() < portion.entries.len() => Some(last.position.clone()),
        _ => portion.next,
    };
    let events = fitting.iter().map(|entry| EventBody::of(entry, settled_until));
    Ok(EventsAnswer {
        subject: Some(subject.to_string()),
        epoch: Some(portion.head.epoch),
        events: events.collect::<Result<_, _>>()?,
        next_cursor: next.map(|next| cursors.write(&next.to_bytes())),
        complete: true,
    })
}

/// The entries that fit into one response, at least one.
fn fitting(entries: &[Arc<Entry>]) -> &[Arc<Entry>] {
    let mut bytes = 0;
    let count = entries.iter().take_while(|entry| {
        let fits = bytes < limits::ANSWER_BYTES;
        bytes += answer_bytes(entry);
        fits
    });
    entries.get(..count.count()).unwrap_or(entries)
}
