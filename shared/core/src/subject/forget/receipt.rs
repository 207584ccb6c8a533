//! What was forgotten, and what is out of reach, with the time by which that is gone: something to show
//! to an auditor. Pure.

use serde::Serialize;

use super::{ErasedHistory, ErasedLetters, Named};
use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// What `infra/state.yaml` gives every queue, and the longest that SQS keeps a message.
const QUEUE_DAYS: i64 = 14;
/// What DynamoDB keeps for point-in-time recovery.
const BACKUP_DAYS: i64 = 35;
/// What DynamoDB keeps of changes for its streams.
const CHANGES_DAYS: i64 = 1;
/// How long the digest of a request's body is kept under its idempotency key.
const REQUEST_DAYS: i64 = 1;
/// What the record of a run is kept, counted from its start.
const RUN_DAYS: i64 = 400;
/// When an environment that knew the subject has written what it was about to.
const SECOND_PASS_SECONDS: i64 = 30 * 60;

/// Days that are a setting of whoever runs the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of the topics that the subject's records came by; `None`: nobody has said.
    pub topic_days: Option<u32>,
    /// Of the functions' logs.
    pub log_days: u32,
}

/// What was done, and what was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The tenant.
    pub tenant: String,
    /// The subject, as `kind/id`.
    pub subject: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// How much was deleted.
    pub deleted: Deleted,
    /// Letters of batches that nobody has processed yet, which hold records of this subject and of
    /// others. They stay until they were replayed.
    pub undelivered: Named,
    /// Letters of which nobody can tell whether they are the subject's: they cannot be read whole, hold an id
    /// that is too common, or stand for no tenant. They stay until they expire.
    pub doubtful: Named,
    /// From when the same command takes along what was under way at the time of the request.
    pub repeat_from: Timestamp,
    /// What Drover cannot delete.
    pub out_of_reach: Vec<OutOfReach>,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// Heads that were emptied: none where that was done before.
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

/// Something that Drover cannot delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutOfReach {
    /// What it is.
    pub what: &'static str,
    /// By when it is gone; `None`: Drover does not know.
    pub gone_by: Option<Timestamp>,
    /// What holds it until then.
    pub because: &'static str,
}

impl Deleted {
    /// Whether nothing was there.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Receipt {
    /// Whether there was nothing to delete, and nothing that had to stay.
    pub fn is_of_nothing(&self) -> bool {
        self.deleted.is_nothing() && self.undelivered.count + self.doubtful.count == 0
    }

    /// Of what was deleted: the history, the letters of the tenant, those of the operator.
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
            "each topic keeps its records for its own time",
        ),
        item(
            "an earlier ledger table",
            None,
            "a history stays in the table that its tenant was moved from",
        ),
        item("queues", after(QUEUE_DAYS), "a message waits at most so long; forget again after it"),
        item("logs", after(retention.log_days.into()), "they name subjects and hold no payloads"),
        item("backups", after(BACKUP_DAYS), "point-in-time recovery of the tables"),
        item("change streams", after(CHANGES_DAYS), "of the tables, where they are enabled"),
        item("idempotency keys", after(REQUEST_DAYS), "digests of requests, without content"),
        item(
            "records of replays",
            after(RUN_DAYS),
            "they name subjects, with digests of views, and hold no content",
        ),
        item("the empty head", None, "it names the subject, so that nothing of before comes back"),
        item("failed batches in S3", None, "a bucket keeps its objects for its own time"),
        item("consumers", None, "whoever has read topics or the API"),
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
    fn a_receipt_adds_up_and_says_when_what_is_gone() {
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
            let found = receipt.out_of_reach.iter().find(|one| one.what == what);
            let gone_by = found.expect("it is named").gone_by?;
            Some((gone_by.micros() - at.micros()) / 1_000_000 / DAY_SECONDS)
        };
        for (what, expected) in [
            ("topics", Some(7)),
            ("queues", Some(14)),
            ("logs", Some(30)),
            ("backups", Some(35)),
            ("change streams", Some(1)),
            ("consumers", None),
        ] {
            assert_eq!(days(what, &receipt), expected, "{what}");
        }
        let unknown = Retention { topic_days: None, log_days: 30 };
        let receipt = Receipt::of(&key, at, history, both, unknown);
        assert_eq!(days("topics", &receipt), None);
    }
}
