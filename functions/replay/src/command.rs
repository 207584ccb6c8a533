//! Commands that an operator sends by invoking the function directly. The permission to invoke the
//! function authorizes them, so a command may name any tenant. A command without a tenant is about
//! the operator's own letters.
//!
//! A failed command answers `{"error":{"code","message"}}`. A function error would mean that the
//! function is broken.

use drover_core::base::id::TenantId;
use drover_core::base::scope::TenantScope;
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::letter::{Owner, State};
use drover_core::replay::{Action, Filter, RunRequest};
use drover_http::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::operations::Listed;
use crate::{Environment, ReplayPorts, ReplaySources, limits, object};

/// A command. An unknown key is an error, so that a typo never selects everything.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Command {
    /// Lists letters and counts; with `id`, shows one letter with its content.
    Inspect {
        tenant: Option<String>,
        id: Option<String>,
        code: Option<String>,
        #[serde(default)]
        state: State,
        limit: Option<usize>,
        cursor: Option<String>,
    },
    /// Replays letters.
    Replay(Wanted),
    /// Parks letters. The filter is required.
    Park(Wanted),
    /// Resumes a run.
    Resume { tenant: Option<String>, by: Option<String>, replay_id: String },
    /// Cancels a run.
    Cancel { tenant: Option<String>, replay_id: String },
    /// Shows a run; without `replay_id`, the newest runs.
    Show { tenant: Option<String>, replay_id: Option<String> },
}

/// Parameters of a run. Absent parameters have their defaults.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    tenant: Option<String>,
    by: Option<String>,
    filter: Option<Filter>,
    #[serde(default)]
    dry_run: bool,
    limit: Option<u64>,
    rate: Option<u32>,
    max_replays: Option<u32>,
    #[serde(default)]
    views: usize,
}

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    /// Executes a command, until the deadline.
    pub(crate) async fn obey(&self, command: &str, deadline: Timestamp) -> Value {
        let answer = match object::read(command.as_bytes()) {
            Ok(command) => self.answer(command, deadline).await,
            Err(fault) => {
                let detail = format!("invalid command: {fault}");
                Err(Problem::bad_request("invalid_parameter", detail))
            }
        };
        answer.unwrap_or_else(
            |problem| json!({"error": {"code": problem.code(), "message": problem.detail()}}),
        )
    }

    async fn answer(&self, command: Command, deadline: Timestamp) -> Result<Value, Problem> {
        match command {
            Command::Inspect { tenant, id: Some(id), .. } => {
                shown(&self.letter(&owner(tenant)?, &id).await?.answer)
            }
            Command::Inspect { tenant, id: None, code, state, limit, cursor } => {
                let limit = limit.unwrap_or(limits::LETTERS_BY_DEFAULT);
                let listed = Listed { code, state, limit, cursor };
                shown(&self.list(&owner(tenant)?, listed).await?.answer)
            }
            Command::Resume { tenant, by, replay_id } => {
                shown(&self.resume(&owner(tenant)?, &replay_id, &name(by)?, deadline).await?)
            }
            Command::Cancel { tenant, replay_id } => {
                shown(&self.cancel(&owner(tenant)?, &replay_id).await?)
            }
            Command::Show { tenant, replay_id: Some(id) } => {
                shown(&self.show(&owner(tenant)?, &id).await?.answer)
            }
            Command::Show { tenant, replay_id: None } => {
                shown(&self.recent(&owner(tenant)?).await?.answer)
            }
            Command::Replay(wanted) => self.run(Action::Replay, wanted, deadline).await,
            Command::Park(Wanted { filter: None, .. }) => {
                Err(Problem::invalid_parameter("filter", "park needs a filter"))
            }
            Command::Park(wanted) => self.run(Action::Park, wanted, deadline).await,
        }
    }

    async fn run(
        &self,
        action: Action,
        wanted: Wanted,
        deadline: Timestamp,
    ) -> Result<Value, Problem> {
        let Wanted { tenant, by, filter, dry_run, limit, rate, max_replays, views } = wanted;
        let usual = RunRequest::replay(name(by)?);
        let request = RunRequest {
            action,
            filter: filter.unwrap_or_default(),
            dry_run,
            limit: limit.unwrap_or(usual.limit),
            rate: rate.unwrap_or(usual.rate),
            max_replays: max_replays.unwrap_or(usual.max_replays),
            views,
            ..usual
        };
        shown(&self.start(&owner(tenant)?, request, deadline).await?)
    }
}

fn owner(tenant: Option<String>) -> Result<Owner, Problem> {
    let Some(tenant) = tenant else { return Ok(Owner::Operator) };
    let tenant = TenantId::parse(&tenant).map_err(|rejection| Problem::invalid_id(&rejection))?;
    Ok(Owner::Tenant(TenantScope::by_operator(tenant)))
}

/// The operator's name for the run's record. The name is not verified.
fn name(by: Option<String>) -> Result<String, Problem> {
    match by {
        None => Ok("operator".to_owned()),
        Some(by) if by.len() <= limits::NAME_BYTES && !by.chars().any(char::is_control) => {
            Ok(format!("operator:{by}"))
        }
        Some(_) => {
            let fault = format!("must be one line of at most {} bytes", limits::NAME_BYTES);
            Err(Problem::invalid_parameter("by", &fault))
        }
    }
}

fn shown(answer: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(answer).map_err(|_| Problem::internal())
}
