//! The parameters of a run, with their limits.

use serde::{Deserialize, Serialize};

use super::action::Action;
use crate::base::error::{Code, Unavailable};
use crate::base::id::{SubjectId, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::UNAVAILABLE;
use crate::dead_letter::letter::{Letter, Owner, State, UNDELIVERED};
use crate::dead_letter::unsent::UNDELIVERABLE;
use crate::intake::record::is_letter_id;
use crate::pipeline::Known;

/// Maximum number of letter ids in a filter.
pub const IDS: usize = 100;
/// Maximum number of letters of a run.
pub const MOST_LETTERS: u64 = 1_000_000;
/// Maximum number of letters per second.
pub const MOST_RATE: u32 = 100_000;
/// Maximum number of replays of a letter.
pub const MOST_REPLAYS: u32 = 1_000;
/// Maximum number of views to show before and after a run.
pub const MOST_VIEWS: usize = 20;
/// Maximum length of the caller's name, in bytes.
pub const BY_BYTES: usize = 256;

/// Selects letters. An absent field matches every letter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// A rejection code, `undelivered`, `undeliverable` or `unavailable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The contract that rejected the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The subject as `kind/id`: from the letter, else as its contract extracts it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Records received at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Records received before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Only letters with these ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// `open` (the default) or `parked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Only for the operator's letters: the tenant as determined now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// The parameters of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// The action.
    pub action: Action,
    /// The caller.
    pub by: String,
    /// Selects the letters.
    pub filter: Filter,
    /// Whether the run writes nothing.
    pub dry_run: bool,
    /// Maximum number of letters.
    pub limit: u64,
    /// Maximum number of letters per second.
    pub rate: u32,
    /// Number of failed replays after which a letter is parked.
    pub max_replays: u32,
    /// Number of views to show before and after the run.
    pub views: usize,
}

/// Why a run is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A parameter is invalid.
    #[error("{0}")]
    Invalid(String),
    /// No run has this id.
    #[error("no such replay")]
    NotFound,
    /// Another run is in progress.
    #[error("another replay is running: replay_id=`{0}`")]
    Running(String),
    /// A dependency is unavailable.
    #[error(transparent)]
    Unavailable(Unavailable),
}

impl RunRequest {
    /// A replay with all defaults.
    pub fn replay(by: impl Into<String>) -> Self {
        Self {
            action: Action::Replay,
            by: by.into(),
            filter: Filter::default(),
            dry_run: false,
            limit: 1_000,
            rate: 100,
            max_replays: 2,
            views: 0,
        }
    }

    /// Checks all parameters.
    ///
    /// # Errors
    /// The first invalid parameter.
    pub fn check(&self, owner: &Owner) -> Result<(), Refusal> {
        within("limit", self.limit, MOST_LETTERS)?;
        within("rate", self.rate.into(), MOST_RATE.into())?;
        within("max_replays", self.max_replays.into(), MOST_REPLAYS.into())?;
        if self.views > MOST_VIEWS {
            return Err(Refusal::Invalid(format!("views must be at most {MOST_VIEWS}")));
        }
        if self.by.len() > BY_BYTES {
            return Err(Refusal::Invalid(format!("by must have at most {BY_BYTES} bytes")));
        }
        self.filter.check(owner)
    }
}

fn within(name: &str, value: u64, most: u64) -> Result<(), Refusal> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("{name} must be a number from 1 to {most}")))
}

impl Filter {
    fn check(&self, owner: &Owner) -> Result<(), Refusal> {
        let invalid = |message: &str| Err(Refusal::Invalid(message.to_owned()));
        if self.code.as_deref().is_some_and(|code| !is_code(code)) {
            return invalid("filter.code is not a dead-letter code");
        }
        if self.subject.as_deref().is_some_and(|text| SubjectId::parse(text).is_err()) {
            return invalid("filter.subject must have the form kind/id");
        }
        if self.contract.as_ref().is_some_and(|name| name.len() > BY_BYTES) {
            return invalid("filter.contract is too long");
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return invalid("filter.from must be before filter.to");
        }
        if let Some(ids) = &self.ids
            && (ids.is_empty() || ids.len() > IDS || !ids.iter().all(|id| is_letter_id(id)))
        {
            return Err(Refusal::Invalid(format!("filter.ids must be 1 to {IDS} letter ids")));
        }
        if self.state == Some(State::Resolved) {
            return invalid(
                "filter.state must be open or parked, because resolved letters are done",
            );
        }
        match (&self.tenant, owner) {
            (Some(_), Owner::Tenant(_)) => {
                invalid("filter.tenant is only for the operator's letters")
            }
            (Some(tenant), Owner::Operator) if TenantId::parse(tenant).is_err() => {
                invalid("filter.tenant is not a valid tenant")
            }
            _ => Ok(()),
        }
    }

    /// Whether a letter matches by its own fields.
    pub(super) fn matches(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        letter.state == self.state.unwrap_or_default()
            && is(&self.code, Some(&letter.code))
            && is(&self.contract, letter.contract.as_deref())
            && (letter.subject.is_none() || is(&self.subject, letter.subject.as_deref()))
            && self.from.is_none_or(|from| from <= letter.ingested_at)
            && self.to.is_none_or(|to| letter.ingested_at < to)
    }

    /// Whether the filter needs the letter's record.
    pub(super) fn needs_record(&self) -> bool {
        self.subject.is_some() || self.tenant.is_some()
    }

    /// Whether a letter matches, given the facts about its record.
    pub(super) fn matches_record(&self, letter: &Letter, known: Known<'_>) -> bool {
        let Known { tenant, subject, .. } = known;
        let named = subject.map(ToString::to_string);
        let found = letter.subject.as_ref().or(named.as_ref());
        self.tenant.as_deref().is_none_or(|wanted| tenant.is_some_and(|id| id.as_str() == wanted))
            && self.subject.as_ref().is_none_or(|wanted| found == Some(wanted))
    }
}

/// Whether a letter can have this code.
pub fn is_code(text: &str) -> bool {
    [UNDELIVERED, UNDELIVERABLE, UNAVAILABLE].contains(&text)
        || Code::ALL.iter().any(|code| code.as_str() == text)
}
