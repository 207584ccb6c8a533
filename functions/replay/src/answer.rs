//! Responses of routes and commands: lists of letters without content, one letter with content,
//! runs; and the problems of a request.

use std::collections::BTreeMap;

use base64_simd::STANDARD;
use drover_core::base::public_reason::PublicReason;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::envelope::Content;
use drover_core::dead_letter::letter::{Letter, LetterAttempt, State};
use drover_core::dead_letter::origin::Origin;
use drover_core::replay::list::Listing;
use drover_core::replay::run::ViewDigests;
use drover_core::replay::{Action, Filter, Phase, Refusal, Run, ViewPair, view_digest};
use drover_http::{Problem, ProblemBody};
use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoResponses, ToSchema};

use crate::limits;

/// Problems of every request.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum Malformed {
    /// `unknown_parameter`, `invalid_parameter`, `invalid_id`, `invalid_cursor`, `malformed_json`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `unavailable`, with `Retry-After`
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// The problem of a tenant over its read quota.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum Limited {
    /// `rate_limited`, with `Retry-After`
    #[response(status = 429, content_type = "application/problem+json")]
    Limited(ProblemBody),
}

/// Further problems of a request about one letter or run.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum Unknown {
    /// `not_found`
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

/// Further problems of starting or resuming a run.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum Busy {
    /// `replay_running`: another run of the tenant is in progress
    #[response(status = 409, content_type = "application/problem+json")]
    Running(ProblemBody),
}

/// A page of letters, and counts of open letters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LettersAnswer {
    /// Number of open letters.
    total: u64,
    /// Whether all letters were counted. Counting stops after the newest 10,000 letters or 16 MB.
    complete: bool,
    /// Number of open letters by code.
    counts: BTreeMap<String, u64>,
    /// The letters, newest first.
    letters: Vec<LetterLine>,
    /// The cursor of the next page; `null` on the last page.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
}

/// One letter of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterLine {
    /// The letter's id. Ids sort by time of receipt.
    pub(crate) id: String,
    /// Why the record became a letter: the code of its rejection; `undelivered` if the event source
    /// discarded it; `unavailable` if it is valid but waited in the buffer for nine days;
    /// `undeliverable` if a commit could not be sent to a feed.
    #[schema(example = "schema_violation")]
    code: String,
    /// JSON Pointer to the invalid value.
    #[schema(required = true, example = "/payload/value")]
    path: Option<String>,
    /// Message for people.
    message: String,
    /// The record's contract, if known.
    #[schema(required = true, example = "telemetry")]
    contract: Option<String>,
    /// The record's subject, if known.
    #[schema(required = true, example = "device/device-001")]
    subject: Option<String>,
    /// Where the record came from.
    #[schema(value_type = Object)]
    source: Origin,
    /// When Drover received the record.
    #[schema(value_type = String, format = DateTime)]
    ingested_at: Timestamp,
    /// When the record was first rejected.
    #[schema(value_type = String, format = DateTime)]
    rejected_at: Timestamp,
    /// Number of failed replays.
    replay_count: u32,
    /// `open`, `resolved` or `parked`.
    #[schema(value_type = String, example = "open")]
    state: State,
}

/// One letter with its content.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterAnswer {
    #[serde(flatten)]
    line: LetterLine,
    /// When the letter was stored.
    #[schema(value_type = String, format = DateTime)]
    filed_at: Timestamp,
    /// The record's trace or correlation id.
    #[schema(required = true)]
    trace: Option<String>,
    /// The last run that processed the letter, and the outcome.
    #[schema(value_type = Option<Object>, required = true)]
    tried: Option<LetterAttempt>,
    /// Whether this response includes the content.
    content: Shown,
    /// The record's key, base64.
    #[schema(required = true)]
    key: Option<String>,
    /// The record's payload, base64; `null` if the record has none or the content is not included.
    #[schema(required = true)]
    payload: Option<String>,
    /// The record's headers, with values in base64.
    headers: Vec<(String, String)>,
}

/// Whether a response includes a letter's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shown {
    /// The content is included.
    Whole,
    /// Parts of the content have not been stored yet.
    Incomplete,
    /// The content is too large for a response. A replay still processes it.
    TooLarge,
}

/// A replay run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunAnswer {
    /// The run's id. Ids sort by time.
    replay_id: String,
    /// `replay` or `park`.
    #[schema(value_type = String, example = "replay")]
    action: Action,
    /// Who started the run.
    #[schema(example = "key:demo-1")]
    by: String,
    /// Who last resumed the run.
    #[schema(required = true)]
    resumed_by: Option<String>,
    /// `running`, `paused`, `done` or `cancelled`.
    #[schema(value_type = String, example = "done")]
    phase: Phase,
    /// Why the run is paused: `time` (resume it), `interrupted`, `memory` (a dry run of too many
    /// subjects), `throttled`, `contention`, `unavailable`, or `misconfigured` (the operator must
    /// fix the deployment).
    #[schema(value_type = Option<String>, required = true, example = "time")]
    reason: Option<PublicReason>,
    /// Whether the run is a dry run, which writes nothing.
    dry_run: bool,
    /// Which letters the run processes.
    #[schema(value_type = Object)]
    filter: Filter,
    /// Maximum number of letters.
    limit: u64,
    /// Maximum number of letters per second.
    rate: u32,
    /// Number of failed replays after which a letter is parked.
    max_replays: u32,
    /// Number of letters processed so far.
    examined: u64,
    /// Number of letters by outcome: `applied`, `duplicate`, a rejection code, `parked`, `lost` and
    /// others.
    outcomes: BTreeMap<String, u64>,
    /// Subjects whose view changed, or would change; at most 100.
    changed: Vec<String>,
    /// Digests of the views of some changed subjects before and after the run. Only the response of
    /// the request that read the views includes them; a run's record does not.
    views: Vec<ViewBody>,
    /// When the run started. It ignores letters that were stored later.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When the run finished or was cancelled.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    ended_at: Option<Timestamp>,
}

/// A subject's view before and after a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ViewBody {
    /// The subject.
    #[schema(example = "device/device-001")]
    subject: String,
    /// SHA-256 of the canonical JSON (RFC 8785) of the view before the run; `null` if the subject
    /// did not exist.
    #[schema(required = true)]
    before_digest: Option<String>,
    /// The same after the run.
    #[schema(required = true)]
    after_digest: Option<String>,
    /// The view before the run, only in the response of the request that read it; `null` if the
    /// subject did not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    before: Option<Value>,
    /// The view after the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    after: Option<Value>,
}

/// The newest runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunsAnswer {
    /// The runs, newest first, without views.
    pub(crate) replays: Vec<RunAnswer>,
}

impl LettersAnswer {
    /// Cuts a listing to the size limit. Also returns the id of the last letter if more letters
    /// follow.
    pub(crate) fn of(listing: Listing) -> (Self, Option<String>) {
        let (total, counts, complete) = (listing.total(), listing.counts, listing.complete);
        let (mut next, mut bytes, mut letters) = (listing.next, 0, Vec::new());
        let mut rest = listing.letters.into_iter().peekable();
        while let Some(letter) = rest.next() {
            bytes += serde_json::to_vec(&letter).map_or(0, |json| json.len());
            let is_cut = bytes > limits::ANSWER_BYTES && rest.peek().is_some();
            let line = LetterLine::from(letter);
            if is_cut {
                next = Some(line.id.clone());
            }
            letters.push(line);
            if is_cut {
                break;
            }
        }
        (Self { total, complete, counts, letters, next_cursor: None }, next)
    }
}

impl From<Letter> for LetterLine {
    fn from(letter: Letter) -> Self {
        Self {
            id: letter.id,
            code: letter.code,
            path: letter.path,
            message: letter.message,
            contract: letter.contract,
            subject: letter.subject,
            source: letter.source,
            ingested_at: letter.ingested_at,
            rejected_at: letter.rejected_at,
            replay_count: letter.replay_count,
            state: letter.state,
        }
    }
}

impl LetterAnswer {
    pub(crate) fn of(letter: Letter, content: Option<Content>) -> Self {
        let (filed_at, trace, tried) =
            (letter.filed_at, letter.trace.clone(), letter.tried.clone());
        let line = LetterLine::from(letter);
        let bare = |content| Self {
            line,
            filed_at,
            trace,
            tried,
            content,
            key: None,
            payload: None,
            headers: Vec::new(),
        };
        match content {
            None => bare(Shown::Incomplete),
            Some(content) if size(&content) > limits::PAYLOAD_BYTES => bare(Shown::TooLarge),
            Some(Content { key, value, headers }) => {
                let base64 = |bytes: Vec<u8>| STANDARD.encode_to_string(bytes);
                let headers = headers.into_iter().map(|(name, value)| (name, base64(value)));
                Self {
                    key: key.map(base64),
                    payload: value.map(base64),
                    headers: headers.collect(),
                    ..bare(Shown::Whole)
                }
            }
        }
    }
}

fn size(content: &Content) -> usize {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers = content.headers.iter().map(|(name, value)| name.len() + value.len());
    length(&content.key) + length(&content.value) + headers.sum::<usize>()
}

impl From<Run> for RunAnswer {
    fn from(run: Run) -> Self {
        Self::with_views(run, Vec::new())
    }
}

impl RunAnswer {
    /// Adds the views that this request read, if their digests match the record.
    pub(crate) fn with_views(run: Run, pairs: Vec<ViewPair>) -> Self {
        let view = |ViewDigests { subject, before: before_digest, after: after_digest }| {
            let pair = pairs.iter().find(|pair| pair.subject == subject);
            let shown = |view: &Value, digest: &Option<String>| {
                (view_digest(view).as_ref() == Ok(digest)).then(|| view.clone())
            };
            ViewBody {
                before: pair.and_then(|pair| shown(&pair.before, &before_digest)),
                after: pair.and_then(|pair| shown(&pair.after, &after_digest)),
                subject,
                before_digest,
                after_digest,
            }
        };
        Self {
            replay_id: run.replay_id,
            action: run.action,
            by: run.by,
            resumed_by: run.resumed_by,
            phase: run.phase,
            reason: run.reason,
            dry_run: run.dry_run,
            filter: run.filter,
            limit: run.limit,
            rate: run.rate,
            max_replays: run.max_replays,
            examined: run.examined,
            outcomes: run.outcomes,
            changed: run.changed.into_iter().collect(),
            views: run.views.into_iter().map(view).collect(),
            started_at: run.started_at,
            ended_at: run.ended_at,
        }
    }
}

/// Turns a refusal into a problem.
pub(crate) fn refused(refusal: Refusal) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        Refusal::Invalid(_) => Problem::bad_request("invalid_parameter", detail),
        Refusal::NotFound => Problem::not_found(&detail),
        Refusal::Running(_) => Problem::new(StatusCode::CONFLICT, "replay_running", detail),
        Refusal::Unavailable(unavailable) => unavailable.into(),
    }
}
