//! What a run is asked for, and what it refuses. Everything is bounded here.

use serde::{Deserialize, Serialize};

use super::action::Action;
use crate::base::error::{Code, Unavailable};
use crate::base::id::{SubjectId, TenantId};
use crate::base::time::Timestamp;
use crate::dead_letter::envelope::UNAVAILABLE;
use crate::dead_letter::letter::{Letter, Owner, State, UNDELIVERED};
use crate::intake::record::is_letter_id;
use crate::pipeline::Known;

/// Letters that a filter may name.
pub const IDS: usize = 100;
/// The most letters of one run.
pub const MOST_LETTERS: u64 = 1_000_000;
/// The most letters a second.
pub const MOST_RATE: u32 = 100_000;
/// The most replays of a letter.
pub const MOST_REPLAYS: u32 = 1_000;
/// The most views that are shown before and after.
pub const MOST_VIEWS: usize = 20;
/// The longest name of whoever asks, in bytes.
pub const BY_BYTES: usize = 256;

/// Which letters. What is absent matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// The code: a rejection's, `undelivered` or `unavailable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The contract that refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// The subject, `kind/id`: as the letter has it, else as its contract reads it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Entered at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Entered before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// These letters and no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// `open` (the default) or `parked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The operator's letters only: the tenant that is established now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// A run that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// What is to be done with the letters.
    pub action: Action,
    /// Who asks.
    pub by: String,
    /// Which letters.
    pub filter: Filter,
    /// Whether nothing is to be written.
    pub dry_run: bool,
    /// At most so many letters.
    pub limit: u64,
    /// At most so many letters a second.
    pub rate: u32,
    /// A letter that was replayed so often without success is parked.
    pub max_replays: u32,
    /// So many views are shown before and after.
    pub views: usize,
}

/// Why there is no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is asked for something that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is no run of this id.
    #[error("there is no such replay")]
    NotFound,
    /// Another one is running.
    #[error("another replay is running: replay_id=`{0}`")]
    Running(String),
    /// Not now.
    #[error(transparent)]
    Unavailable(Unavailable),
}

impl RunRequest {
    /// A replay with every default.
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

    /// Checks every bound.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, owner: &Owner) -> Result<(), Refusal> {
        within("limit", self.limit, MOST_LETTERS)?;
        within("rate", self.rate.into(), MOST_RATE.into())?;
        within("max_replays", self.max_replays.into(), MOST_REPLAYS.into())?;
        if self.views > MOST_VIEWS {
            return Err(Refusal::Invalid(format!("views is more than {MOST_VIEWS}")));
        }
        if self.by.len() > BY_BYTES {
            return Err(Refusal::Invalid(format!("by has more than {BY_BYTES} bytes")));
        }
        self.filter.check(owner)
    }
}

fn within(name: &str, value: u64, most: u64) -> Result<(), Refusal> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!("{name} is no number from 1 to {most}")))
}

impl Filter {
    fn check(&self, owner: &Owner) -> Result<(), Refusal> {
        let invalid = |message: &str| Err(Refusal::Invalid(message.to_owned()));
        if self.code.as_deref().is_some_and(|code| !is_code(code)) {
            return invalid("filter.code is no code of a dead letter");
        }
        if self.subject.as_deref().is_some_and(|text| SubjectId::parse(text).is_err()) {
            return invalid("filter.subject is no subject: write kind/id");
        }
        if self.contract.as_ref().is_some_and(|name| name.len() > BY_BYTES) {
            return invalid("filter.contract is too long");
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return invalid("filter.from is not before filter.to");
        }
        if let Some(ids) = &self.ids
            && (ids.is_empty() || ids.len() > IDS || !ids.iter().all(|id| is_letter_id(id)))
        {
            return Err(Refusal::Invalid(format!("filter.ids are 1 to {IDS} ids of letters")));
        }
        if self.state == Some(State::Resolved) {
            return invalid("filter.state is open or parked: what is resolved is done");
        }
        match (&self.tenant, owner) {
            (Some(_), Owner::Tenant(_)) => invalid("filter.tenant is for the operator's letters"),
            (Some(tenant), Owner::Operator) if TenantId::parse(tenant).is_err() => {
                invalid("filter.tenant is no tenant")
            }
            _ => Ok(()),
        }
    }

    /// Whether a letter matches, as far as it says so itself.
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

    /// Whether only reading a letter's record can tell that it matches.
    pub(super) fn needs_record(&self) -> bool {
        self.subject.is_some() || self.tenant.is_some()
    }

    /// Whether a letter matches of whose record this is known.
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
    text == UNDELIVERED || text == UNAVAILABLE || Code::ALL.iter().any(|code| code.as_str() == text)
}
