//! `GET /api/v1/contracts…`: the contracts and their versions. Contracts are the same for every tenant.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use drover_core::intake::contract::{ContractDocument, builtin};
use drover_core::registry::StoredContract;
use drover_http::{Credentials, NotAdmitted, Parameters, Problem, ProblemBody};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::QueryPorts;
use crate::access::{Access, Visit};
use crate::answer::Refused;

/// Every contract.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContractsAnswer {
    /// By name.
    contracts: Vec<ContractSummary>,
}

/// A contract and its current version.
#[derive(Debug, Serialize, ToSchema)]
struct ContractSummary {
    #[schema(example = "telemetry")]
    name: String,
    /// The current version; 0 is the contract that Drover brings along.
    #[schema(example = 0)]
    version: u32,
}

/// A version of a contract. A version never changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContractAnswer {
    #[schema(example = "telemetry")]
    name: String,
    /// The number of the version; 0 is the contract that Drover brings along.
    #[schema(example = 0)]
    version: u32,
    /// When this version was applied; `null` for version 0.
    #[schema(required = true, format = DateTime)]
    applied_at: Option<String>,
    /// Who applied this version; `null` for version 0.
    #[schema(required = true, example = "ann@cli")]
    applied_by: Option<String>,
    /// The document, as `drover apply` takes it.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    contract: ContractDocument,
}

/// Problems of a contract that does not exist.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
pub(crate) enum NoContract {
    /// `not_found`: no contract has this name, or it has no such version
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody),
}

impl ContractAnswer {
    fn stored(stored: StoredContract) -> Self {
        let StoredContract { version, applied_at, applied_by, contract } = stored;
        Self {
            name: contract.name.clone(),
            version,
            applied_at: Some(applied_at.to_string()),
            applied_by: Some(applied_by),
            contract,
        }
    }

    /// The built-in contract with a name.
    fn built_in(name: &str) -> Option<Self> {
        let contract = builtin(name).ok().flatten()?;
        let name = contract.name.clone();
        Some(Self { name, version: 0, applied_at: None, applied_by: None, contract })
    }
}

pub(crate) fn routes<W: QueryPorts + 'static>(access: Arc<Access<W>>) -> Router {
    Router::new()
        .route("/api/v1/contracts", get(list::<W>))
        .route("/api/v1/contracts/{name}", get(current::<W>))
        .route("/api/v1/contracts/{name}/versions/{version}", get(version::<W>))
        .with_state(access)
}

#[utoipa::path(
    get,
    path = "/api/v1/contracts",
    operation_id = "list_contracts",
    tag = "contracts",
    summary = "List contracts with their current versions",
    description = "Lists the contracts that were applied and those that Drover brings along. A change is visible within a minute.",
    responses(
        (status = 200, description = "Contracts, by name", body = ContractsAnswer),
        Refused,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn list<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    RawQuery(query): RawQuery,
) -> Result<Json<ContractsAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    Parameters::parse(query.as_deref())?.finish()?;
    let contracts = visit.contracts().await?.into_iter();
    let contracts = contracts.map(|(name, version)| ContractSummary { name, version });
    Ok(Json(ContractsAnswer { contracts: contracts.collect() }))
}

#[utoipa::path(
    get,
    path = "/api/v1/contracts/{name}",
    operation_id = "get_contract",
    tag = "contracts",
    summary = "Read the current version of a contract",
    params(("name" = String, Path, description = "The name of the contract", max_length = 64, example = "telemetry")),
    responses(
        (status = 200, description = "The current version", body = ContractAnswer),
        Refused,
        NoContract,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn current<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<ContractAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let Path(name) =
        path.map_err(|_| Problem::invalid_parameter("name", "the path is not UTF-8"))?;
    Parameters::parse(query.as_deref())?.finish()?;
    let answer = match visit.stored_contract(&name, None).await? {
        Some(stored) => Some(ContractAnswer::stored(stored)),
        None => ContractAnswer::built_in(&name),
    };
    answer.map(Json).ok_or_else(|| Problem::not_found("no contract has this name"))
}

#[utoipa::path(
    get,
    path = "/api/v1/contracts/{name}/versions/{version}",
    operation_id = "get_contract_version",
    tag = "contracts",
    summary = "Read a version of a contract",
    description = "Events are folded into views by the version that read them, for ever.",
    params(
        ("name" = String, Path, description = "The name of the contract", max_length = 64, example = "telemetry"),
        ("version" = u32, Path, description = "The number of the version; 0 is the contract that Drover brings along", example = 0),
    ),
    responses(
        (status = 200, description = "The version", body = ContractAnswer),
        Refused,
        NoContract,
        NotAdmitted,
    ),
    security(("api_key" = ["read"]))
)]
pub(crate) async fn version<W: QueryPorts>(
    State(access): State<Arc<Access<W>>>,
    credentials: Credentials,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<ContractAnswer>, Problem> {
    let visit = access.admit(&credentials).await?;
    let Path((name, number)) =
        path.map_err(|_| Problem::invalid_parameter("name", "the path is not UTF-8"))?;
    Parameters::parse(query.as_deref())?.finish()?;
    let number: u32 = number.parse().map_err(|_| {
        Problem::invalid_parameter("version", "must be a whole number from 0, for example 1")
    })?;
    let answer = found(&visit, &name, number).await?;
    answer
        .map(Json)
        .ok_or_else(|| Problem::not_found("the contract has no version with this number"))
}

async fn found<W: QueryPorts>(
    visit: &Visit<'_, W>,
    name: &str,
    number: u32,
) -> Result<Option<ContractAnswer>, Problem> {
    if number == 0 {
        return Ok(ContractAnswer::built_in(name));
    }
    let stored = visit.stored_contract(name, Some(number)).await?;
    Ok(stored.map(ContractAnswer::stored))
}
