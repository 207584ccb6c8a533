//! One measure of one subject: readings or window statistics, from the current history.
//!
//! A response reads a bounded number of events. A response that ends early has a cursor, and its
//! points and summary cover only what it read. With windows, a response ends at a window's end; a
//! window with more events than the limit is read to its end in a response of its own.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::base::id::{Position, SubjectId};
use drover_core::base::time::Timestamp;
use drover_core::ledger::range_read::{HistoryRange, Order};
use drover_http::{Credentials, Cursors, NotAdmitted, Parameters, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Access, Visit};
use crate::answer::{DEVICE, Expired, Refused, Unknown, expired, subject, unknown_subject};
use crate::collected::{AnySummary, LOCATION, Point, Series};
use crate::series::Window;
use crate::{QueryPorts, limits};

/// One measure of one subject.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeasureAnswer {
    /// The device; `null` for subjects of other kinds.
    #[schema(required = true, example = "device-001")]
    device_id: Option<String>,
    /// The subject, as `kind/id`.
    #[schema(example = "device/device-001")]
    subject: String,
    /// The name of the measure.
    #[schema(example = "temperature")]
    measure: String,
    /// The unit of the measure.
    #[schema(value_type = Option<String>, required = true, example = "celsius")]
    unit: Option<Arc<str>>,
    /// Statistics of this response.
    summary: AnySummary,
    /// The points, in order of time.
    points: Vec<Point>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

pub(crate) fn routes<W: QueryPorts + 'static>(access: Arc<Access<W>>) -> Router {
    Router::new().route("/api/v1/metrics/{measure}", get(measure::<W>)).with_state(access)
}

#[utoipa::path(
    get,
    path = "/api/v1/metrics/{measure}",
    operation_id = "get_measure",
    tag = "measures",
    summary = "Read one measure of one subject",
    description = "Returns the readings, or with `window` statistics of windows aligned to 1970-01-01. A measure \
        that no contract of the subject declares has no points. The points of `location` are places.",
    params(
        ("measure" = String, Path, description = "`temperature`, `humidity`, `battery`, `location`, or any measure that a contract declares", example = "temperature"),
        ("device_id" = Option<String>, Query, description = "The subject `device/ID`; required unless `subject` is given", example = "device-001"),
        ("subject" = Option<String>, Query, description = "The subject as `kind/id`"),
        ("from" = Option<String>, Query, description = "Observed at or after this time", format = DateTime),
        ("to" = Option<String>, Query, description = "Observed before this time", format = DateTime),
        ("window" = Option<String>, Query, description = "The width of a window, from `1s` to `1d`", pattern = "^[0-9]+[smhd]$"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous response"),
    ),
    responses(
        (status = 200, description = "The measure", body = MeasureAnswer),
        Refused,
        Unknown,
        Expired,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn measure<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<MeasureAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let Path(measure) =
        path.map_err(|_| Problem::invalid_parameter("measure", "the path is not UTF-8"))?;
    let query = SeriesQuery::read(measure, Parameters::parse(query.as_deref())?)?;
    query.answer(&visit).await.map(Json)
}

/// The parsed query parameters.
#[derive(Debug)]
struct SeriesQuery {
    measure: String,
    subject: SubjectId,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    /// The parameter's text and its value.
    window: Option<(String, Window)>,
    cursor: Option<String>,
}

impl SeriesQuery {
    fn read(measure: String, mut parameters: Parameters) -> Result<Self, Problem> {
        let subject = subject(&mut parameters)?.ok_or_else(|| {
            Problem::invalid_parameter("device_id", "device_id or subject is required")
        })?;
        let window = parameters.text("window").map(window_of).transpose()?;
        if window.is_some() && measure == LOCATION {
            return Err(Problem::invalid_parameter("window", "is not supported for location"));
        }
        let query = Self {
            measure,
            subject,
            from: parameters.time("from")?,
            to: parameters.time("to")?,
            window,
            cursor: parameters.text("cursor"),
        };
        parameters.finish()?;
        Ok(query)
    }

    async fn answer<W: QueryPorts>(self, visit: &Visit<'_, W>) -> Result<MeasureAnswer, Problem> {
        let tenant = visit.caller().scope.tenant();
        let (subject, written) = (self.subject.to_string(), self.window.as_ref());
        let width = written.map_or("", |(text, _)| text);
        let cursors = Cursors::of(&["metrics", tenant.as_str(), &subject, &self.measure, width]);
        let mut range = self.range();
        match self.cursor.as_deref().map(|cursor| cursors.read(cursor, Beginning::from_bytes)) {
            None => {}
            Some(Err(problem)) => return Err(problem),
            Some(Ok(Beginning::Beyond(position))) => range.beyond = Some(position),
            Some(Ok(Beginning::From(instant))) => range.from = range.from.max(Some(instant)),
        }
        let window = written.map(|(_, window)| *window);
        let mut series = Series::new(&self.measure, window);
        let next = read(visit, &self.subject, range, window, &mut series).await?;
        let (unit, summary, points) = series.finish();
        let is_device = self.subject.kind().as_str() == DEVICE;
        Ok(MeasureAnswer {
            device_id: is_device.then(|| self.subject.id().to_owned()),
            subject,
            measure: self.measure,
            unit,
            summary,
            points,
            next_cursor: next.map(|next| cursors.write(&next.to_bytes())),
        })
    }

    fn range(&self) -> HistoryRange {
        HistoryRange {
            from: self.from,
            to: self.to,
            order: Order::Ascending,
            beyond: None,
            event_type: None,
            entries: limits::READINGS,
            bytes: limits::READING_BYTES,
        }
    }
}

fn window_of(text: String) -> Result<(String, Window), Problem> {
    let window = Window::parse(&text);
    let window =
        window.ok_or_else(|| Problem::invalid_parameter("window", "must be from 1s to 1d"));
    window.map(|window| (text, window))
}

/// Where the next response begins.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    /// After an event.
    Beyond(Position),
    /// At the start of a window.
    From(Timestamp),
}

impl Beginning {
    const BEYOND: u8 = b'P';
    const FROM: u8 = b'T';

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Beyond(position) => [vec![Self::BEYOND], position.to_bytes()].concat(),
            Self::From(instant) => {
                [vec![Self::FROM], instant.micros().to_be_bytes().to_vec()].concat()
            }
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&Self::BEYOND, position) => Position::from_bytes(position).map(Self::Beyond),
            (&Self::FROM, micros) => {
                let micros = i64::from_be_bytes(micros.try_into().ok()?);
                Timestamp::from_micros(micros).map(Self::From)
            }
            _ => None,
        }
    }
}

/// Reads history into a series. Returns where the next response begins if this one ends early.
async fn read<W: QueryPorts>(
    visit: &Visit<'_, W>,
    subject: &SubjectId,
    mut range: HistoryRange,
    window: Option<Window>,
    series: &mut Series<'_>,
) -> Result<Option<Beginning>, Problem> {
    let (mut entries_read, mut first_window) = (0, None);
    loop {
        let portion = visit.range(subject, range.clone()).await?.ok_or_else(unknown_subject)?;
        if portion.is_expired && entries_read == 0 {
            return Err(expired());
        }
        let specs = visit.specs(&portion.entries).await?;
        for entry in &portion.entries {
            specs.of(entry).into_iter().for_each(|spec| series.take(entry, spec));
        }
        entries_read += portion.entries.len();
        let Some(next) = portion.next else { return Ok(None) };
        let Some(window) = window else { return Ok(Some(Beginning::Beyond(next))) };
        let first = portion.entries.first().map(|entry| window.start(entry.position.observed_at));
        let first_window = *first_window.get_or_insert(first);
        let last_window = window.start(next.observed_at);
        if first_window.is_some_and(|first| first < last_window) {
            series.end_before(last_window);
            return Ok(Some(Beginning::From(last_window)));
        }
        let is_large = visit.read_bytes() >= limits::BYTES_OF_A_WINDOW;
        if entries_read >= limits::READINGS_OF_A_WINDOW || is_large {
            let fault = "a window has too many events for one response, use a narrower window";
            return Err(Problem::invalid_parameter("window", fault));
        }
        range.beyond = Some(next);
    }
}
