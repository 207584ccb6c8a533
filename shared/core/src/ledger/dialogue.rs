//! What a [`Commit`](super::commit::Commit) and a store say to each other.

use std::sync::Arc;

use crate::base::error::{Reason, Rejection};
use crate::base::id::SubjectKey;
use crate::base::limits::ItemLimits;
use crate::base::time::Timestamp;
use crate::event::{Arrival, ContractVersion};
use crate::ledger::frame::Cutting;
use crate::ledger::{Head, LedgerWrite, PageRange, PageWrite, Policy, StoredHead, StoredPage};
use crate::view::Specs;

/// What a commit wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// The specs of these contract versions.
    Specs(Vec<ContractVersion>),
    /// The head, strongly consistent.
    Head,
    /// Put a page, unless one of that key exists.
    Seal(PageWrite),
    /// Pages in order, strongly consistent.
    Pages(PageRange),
    /// The head and the page of this key, as of one instant: they belong together.
    Together(Vec<u8>),
    /// Replace head and pages, all or nothing.
    Write(LedgerWrite),
    /// Wait a little, the longer the more attempts there were, then go on.
    Pause {
        /// Attempts so far, from 1.
        attempt: u32,
    },
}

/// What a store says.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Ask::Specs`].
    Specs(Specs),
    /// To [`Ask::Head`]: what is stored, if anything.
    Head(Option<StoredHead>),
    /// To [`Ask::Seal`]: it is there, whoever put it.
    Sealed,
    /// To [`Ask::Pages`].
    Pages(Vec<StoredPage>),
    /// To [`Ask::Together`]: what is stored of them.
    Together(Option<StoredHead>, Option<StoredPage>),
    /// To [`Ask::Write`].
    Write(WriteAnswer),
    /// To [`Ask::Pause`].
    Paused,
}

/// How a conditional write went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer {
    /// It is stored.
    Written,
    /// Another version is stored: this one.
    Lost(Option<StoredHead>),
    /// It may be stored, or may be at the next attempt: no answer, a conflict of transactions, too many
    /// requests; or a page is another one than was read. The reason is what the commit fails with when
    /// attempts run out.
    Unknown(Reason),
}

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryOutcome {
    /// It is in the history now.
    Applied(Arrival),
    /// It was there already, with the same content.
    Duplicate,
    /// It cannot be applied as it is.
    Rejected(Rejection),
}

/// Where a commit stands.
#[derive(Debug)]
pub enum Step {
    /// It waits for an answer to this.
    Ask(Ask),
    /// Every entry has its outcome.
    Done {
        /// By the index of the entries given.
        outcomes: Vec<EntryOutcome>,
        /// The head as it is stored now, for the next commit, where that is known.
        head: Option<Arc<Head>>,
    },
}

/// What a commit needs to know about its subject.
#[derive(Clone, Debug)]
pub struct CommitParams {
    /// The subject.
    pub key: SubjectKey,
    /// What its tenant decided.
    pub policy: Policy,
    /// The sizes to cut to.
    pub item_limits: ItemLimits,
    /// The time of the invocation: it decides which pages have expired, and nothing else.
    pub now: Timestamp,
    /// The specs that are known so far: only a fold needs them, and then it asks.
    pub(crate) specs: Specs,
}

impl CommitParams {
    /// The terms of a subject.
    pub fn new(key: SubjectKey, policy: Policy, item_limits: ItemLimits) -> Self {
        Self { key, policy, item_limits, now: Timestamp::MIN, specs: Specs::default() }
    }

    pub(super) fn cutting(&self) -> Cutting<'_> {
        Cutting { specs: &self.specs, item_limits: self.item_limits, kept_days: None }
    }
}
