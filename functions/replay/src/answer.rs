//! What routes and commands answer: letters without what is in them, one letter with it, runs; and
//! how a request fails.

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

/// How a question fails.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the document of the routes is made from")]
pub(crate) enum Malformed {
    /// `unknown_parameter`, `invalid_parameter`, `invalid_cursor`, `malformed_json`
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// `unavailable`, with `Retry-After`
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// How whoever reads too much is refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the document of the routes is made from")]
pub(crate) enum Limited {
    /// `rate_limited`, with `Retry-After`
    #[response(status = 429, content_type = "application/problem+json")]
    Limited(ProblemBody),
}

/// How a question about one letter or run fails besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the document of the routes is made from")]
pub(crate) enum Unknown {
    /// `not_found`
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

/// How a run does not begin besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the document of the routes is made from")]
pub(crate) enum Busy {
    /// `replay_running`: another run of the tenant is at work
    #[response(status = 409, content_type = "application/problem+json")]
    Running(ProblemBody),
}

/// Some letters, and how many are open.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LettersAnswer {
    /// Open letters.
    total: u64,
    /// Whether all of them were counted, or the newest 10,000 letters or 16 MB of them only.
    complete: bool,
    /// Open letters by code.
    counts: BTreeMap<String, u64>,
    /// The newest first.
    letters: Vec<LetterLine>,
    /// Where to go on; `null`: there is no more.
    #[schema(required = true)]
    pub(crate) next_cursor: Option<String>,
}

/// One letter of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterLine {
    /// Its id: they sort by the time of receipt.
    pub(crate) id: String,
    /// Why it is here: a rejection's code; `undelivered`, where the event source gave records up;
    /// `unavailable`, where nothing is wrong with the record and it waited in the buffer for nine days.
    #[schema(example = "schema_violation")]
    code: String,
    /// JSON Pointer to the culprit.
    #[schema(required = true, example = "/payload/value")]
    path: Option<String>,
    /// For a person.
    message: String,
    /// The contract that was to read it, where that was established.
    #[schema(required = true, example = "telemetry")]
    contract: Option<String>,
    /// The subject, where it came that far.
    #[schema(required = true, example = "device/device-001")]
    subject: Option<String>,
    /// Where it came from.
    #[schema(value_type = Object)]
    source: Origin,
    /// When it entered.
    #[schema(value_type = String, format = DateTime)]
    ingested_at: Timestamp,
    /// When it was rejected first.
    #[schema(value_type = String, format = DateTime)]
    rejected_at: Timestamp,
    /// Replays that did not help.
    replay_count: u32,
    /// `open`, `resolved` or `parked`.
    #[schema(value_type = String, example = "open")]
    state: State,
}

/// One letter, with what is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterAnswer {
    #[serde(flatten)]
    line: LetterLine,
    /// When it was filed.
    #[schema(value_type = String, format = DateTime)]
    filed_at: Timestamp,
    /// The trace or correlation id that came with it.
    #[schema(required = true)]
    trace: Option<String>,
    /// The last run that took it in hand, and how that ended.
    #[schema(value_type = Option<Object>, required = true)]
    tried: Option<LetterAttempt>,
    /// Whether what is in it follows.
    content: Shown,
    /// The key, base64.
    #[schema(required = true)]
    key: Option<String>,
    /// The payload, base64; `null`: there is none, or it does not follow.
    #[schema(required = true)]
    payload: Option<String>,
    /// The headers, values in base64.
    headers: Vec<(String, String)>,
}

/// Whether an answer shows what is in a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shown {
    /// It does.
    Whole,
    /// Parts of it were not filed yet.
    Incomplete,
    /// It is too large for an answer. A replay takes it all the same.
    TooLarge,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunAnswer {
    /// Its id: they sort by time.
    replay_id: String,
    /// `replay` or `park`.
    #[schema(value_type = String, example = "replay")]
    action: Action,
    /// Who started it.
    #[schema(example = "key:demo-1")]
    by: String,
    /// Who resumed it last.
    #[schema(required = true)]
    resumed_by: Option<String>,
    /// `running`, `paused`, `done` or `cancelled`.
    #[schema(value_type = String, example = "done")]
    phase: Phase,
    /// Why it is paused: `time` (resume it), `interrupted`, `memory` (a dry run of too many subjects),
    /// `throttled`, `contention`, `unavailable`, or `misconfigured` (the operator has to mend
    /// something).
    #[schema(value_type = Option<String>, required = true, example = "time")]
    reason: Option<PublicReason>,
    /// Whether it writes nothing.
    dry_run: bool,
    /// Which letters.
    #[schema(value_type = Object)]
    filter: Filter,
    /// At most so many letters.
    limit: u64,
    /// At most so many letters a second.
    rate: u32,
    /// A letter that was replayed so often without success is parked.
    max_replays: u32,
    /// Letters that it took in hand.
    examined: u64,
    /// What became of them: `applied`, `duplicate`, a code, `parked`, `lost` and the like.
    outcomes: BTreeMap<String, u64>,
    /// Subjects whose view changed, or would change; at most 100.
    changed: Vec<String>,
    /// Digests of the views of some of them, before and after. The views themselves are in the
    /// answer of the request that read them, and nowhere else: a run's record holds none.
    views: Vec<ViewBody>,
    /// When it started: what was filed later is not its business.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it was done or cancelled.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    ended_at: Option<Timestamp>,
}

/// Which view there was before a run, and which after it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ViewBody {
    /// Whose.
    #[schema(example = "device/device-001")]
    subject: String,
    /// The SHA-256 of the view's canonical JSON (RFC 8785) before the run; `null`: nothing was ever
    /// written of it.
    #[schema(required = true)]
    before_digest: Option<String>,
    /// The same after it.
    #[schema(required = true)]
    after_digest: Option<String>,
    /// The view itself, in the answer of the request that read it only; `null`: nothing was ever
    /// written of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    before: Option<Value>,
    /// The same after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    after: Option<Value>,
}

/// The newest runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunsAnswer {
    /// The newest first, without views.
    pub(crate) replays: Vec<RunAnswer>,
}

impl LettersAnswer {
    /// A listing within the bounds of an answer; the id of the last letter, where there are more.
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
    /// With the views that were read just now, as far as they are those of the record.
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

/// Why there is no run, as every request hears it.
pub(crate) fn refused(refusal: Refusal) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        Refusal::Invalid(_) => Problem::bad_request("invalid_parameter", detail),
        Refusal::NotFound => Problem::not_found(&detail),
        Refusal::Running(_) => Problem::new(StatusCode::CONFLICT, "replay_running", detail),
        Refusal::Unavailable(unavailable) => unavailable.into(),
    }
}
