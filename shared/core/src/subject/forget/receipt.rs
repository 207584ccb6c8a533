//! The receipt of a forgotten subject, for an auditor: the deleted items, and the data that Drover cannot
//! delete with the time by which it is gone. No I/O.

use serde::Serialize;

use super::{ErasedHistory, ErasedLetters, Named};
use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::outputs::timers::KEPT_DAYS;

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// The retention of every queue in `infra/state.yaml`, and the maximum of SQS.
const QUEUE_DAYS: i64 = 14;
/// The maximum retention of DynamoDB's point-in-time recovery.
const BACKUP_DAYS: i64 = 35;
/// The retention of DynamoDB streams.
const CHANGES_DAYS: i64 = 1;
/// How long the digest of a request's body is kept with its idempotency key.
const REQUEST_DAYS: i64 = 1;
/// How long the record of a run is kept, from the start of the run.
const RUN_DAYS: i64 = 400;
/// How long the items of a timer are kept at most: the longest `idle_seconds` of a tenant until it is due, and
/// its time to live from then on.
const TIMER_DAYS: i64 = 31 + KEPT_DAYS;
/// The time after which no warm environment still writes events that were under way at the request.
const SECOND_PASS_SECONDS: i64 = 30 * 60;

/// Retention times that the operator configures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The retention of the topics with records of the subject, in days; `None`: unknown.
    pub topic_days: Option<u32>,
    /// The retention of the functions' logs, in days.
    pub log_days: u32,
}

/// The receipt of a forgotten subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The tenant.
    pub tenant: String,
    /// The subject, as `kind/id`.
    pub subject: String,
    /// The time of the request.
    pub requested_at: Timestamp,
    /// The number of deleted items.
    pub deleted: Deleted,
    /// Letters of unprocessed batches that contain records of this subject and of others. They stay until
    /// they are replayed.
    pub undelivered: Named,
    /// Letters that may or may not belong to the subject: their content is incomplete, the id is too
    /// common, or they have no tenant. They stay until they expire.
    pub doubtful: Named,
    /// The earliest time to repeat the command. The repetition also deletes data that was under way at the
    /// time of the request.
    pub repeat_from: Timestamp,
    /// The data that Drover cannot delete.
    pub out_of_reach: Vec<OutOfReach>,
}

/// The number of deleted items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// Emptied heads: 0 if the head was already empty.
    pub heads: u64,
    /// Pages of the history.
    pub pages: u64,
    /// Letters of the tenant.
    pub letters: u64,
    /// Letters of the operator.
    pub operator_letters: u64,
    /// Chunks of the contents of letters.
    pub chunks: u64,
}

/// Data that Drover cannot delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutOfReach {
    /// The data.
    pub what: &'static str,
    /// The time by which the data is gone; `None`: unknown to Drover.
    pub gone_by: Option<Timestamp>,
    /// Why the data exists until then.
    pub because: &'static str,
}

impl Deleted {
    /// Whether nothing was deleted.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Receipt {
    /// Whether there was nothing to delete and no letter has to stay.
    pub fn is_of_nothing(&self) -> bool {
        self.deleted.is_nothing() && self.undelivered.count + self.doubtful.count == 0
    }

    /// Makes the receipt of a deleted history and of deleted letters: first those of the tenant, then those
    /// of the operator.
    pub fn of(
        key: &SubjectKey,
        requested_at: Timestamp,
        history: ErasedHistory,
        letters: [ErasedLetters; 2],
        retention: Retention,
    ) -> Self {
        let [of_tenant, of_operator] = letters;
        let deleted = Deleted {
            heads: history.heads,
            pages: history.pages,
            letters: of_tenant.letters,
            operator_letters: of_operator.letters,
            chunks: of_tenant.chunks + of_operator.chunks,
        };
        Self {
            tenant: key.tenant().to_string(),
            subject: key.subject().to_string(),
            requested_at,
            deleted,
            undelivered: of_tenant.undelivered.and(of_operator.undelivered),
            doubtful: of_tenant.doubtful.and(of_operator.doubtful),
            repeat_from: requested_at.plus_seconds(SECOND_PASS_SECONDS),
            out_of_reach: out_of_reach(requested_at, retention),
        }
    }
}

fn out_of_reach(from: Timestamp, retention: Retention) -> Vec<OutOfReach> {
    let after = |days: i64| Some(from.plus_seconds(days.saturating_mul(DAY_SECONDS)));
    let item = |what, gone_by, because| OutOfReach { what, gone_by, because };
    vec![
        item(
            "topics",
            retention.topic_days.and_then(|days| after(days.into())),
            "each topic has its own retention",
        ),
        item(
            "an earlier ledger table",
            None,
            "the history stays in the table that the tenant was moved from",
        ),
        item(
            "queues",
            after(QUEUE_DAYS),
            "the maximum age of a message; repeat the command after it",
        ),
        item(
            "logs",
            after(retention.log_days.into()),
            "they contain ids of subjects but no payloads",
        ),
        item("backups", after(BACKUP_DAYS), "point-in-time recovery of the tables"),
        item("change streams", after(CHANGES_DAYS), "streams of the tables, if enabled"),
        item("idempotency keys", after(REQUEST_DAYS), "digests of requests, without content"),
        item(
            "records of replays",
            after(RUN_DAYS),
            "they contain ids of subjects and digests of views but no content",
        ),
        item(
            "timers",
            after(TIMER_DAYS),
            "they contain the id of the subject but no content, and are deleted when they are due",
        ),
        item(
            "alerts",
            None,
            "the relay deletes them when it follows this change; without a relay there are none",
        ),
        item(
            "the empty head",
            None,
            "it contains the id of the subject, so that old events are not accepted again",
        ),
        item("failed batches in S3", None, "the bucket has its own retention"),
        item("consumers", None, "systems that have read the topics or the API"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{SubjectId, TenantId};
    use crate::base::scope::TenantScope;

    fn named(id: &str) -> Named {
        Named { count: 1, ids: vec![id.to_owned()] }
    }

    #[test]
    fn a_receipt_contains_the_totals_and_the_times_by_which_data_is_gone() {
        let scope = TenantScope::by_operator(TenantId::parse("demo").expect("a tenant"));
        let key = scope.subject(SubjectId::parse("device/d-1").expect("a subject"));
        let at = Timestamp::from_millis(1_800_000_000_000).expect("in range");
        let letters = |letters, chunks, id: &str| ErasedLetters {
            letters,
            chunks,
            undelivered: named(id),
            doubtful: named(&format!("{id}-torn")),
        };
        let retention = Retention { topic_days: Some(7), log_days: 30 };
        let history = ErasedHistory { heads: 1, pages: 9 };
        let both = [letters(2, 3, "a"), letters(4, 5, "b")];
        let receipt = Receipt::of(&key, at, history, both.clone(), retention);
        let Deleted { heads, pages, letters, operator_letters, chunks } = receipt.deleted;
        assert_eq!((heads, pages, letters, operator_letters, chunks), (1, 9, 2, 4, 8));
        assert_eq!(
            (receipt.undelivered.count, receipt.undelivered.ids.clone()),
            (2, vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(receipt.doubtful.ids, ["a-torn", "b-torn"]);
        let days = |what: &str, receipt: &Receipt| {
            let found = receipt.out_of_reach.iter().find(|item| item.what == what);
            let gone_by = found.expect("an item").gone_by?;
            Some((gone_by.micros() - at.micros()) / 1_000_000 / DAY_SECONDS)
        };
        for (what, expected) in [
            ("topics", Some(7)),
            ("queues", Some(14)),
            ("logs", Some(30)),
            ("backups", Some(35)),
            ("change streams", Some(1)),
            ("timers", Some(61)),
            ("consumers", None),
        ] {
            assert_eq!(days(what, &receipt), expected, "{what}");
        }
        let unknown = Retention { topic_days: None, log_days: 30 };
        let receipt = Receipt::of(&key, at, history, both, unknown);
        assert_eq!(days("topics", &receipt), None);
    }
}
