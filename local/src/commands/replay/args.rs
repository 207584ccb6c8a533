//! The arguments of `drover replay …`, and their conversion to a command.

use clap::{Args as ClapArgs, Subcommand};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::letter::State;
use drover_core::replay::Filter;

use super::command::Command;
use crate::commands::target::FunctionArgs;

/// List and replay dead letters
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    Inspect(InspectArgs),
    Run(RunArgs),
    /// Continue a run
    Resume(OneArgs),
    /// Cancel a run; its letters stay unchanged
    Cancel(OneArgs),
    Show(ShowArgs),
    Park(ParkArgs),
}

/// The flags of every action.
#[derive(ClapArgs, Clone, Debug)]
pub(super) struct CommonArgs {
    /// The tenant of the letters [default: the operator's letters, which belong to no tenant]
    #[arg(long)]
    pub(super) tenant: Option<String>,
    /// Print the function's response as one line of JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) functions: FunctionArgs,
}

/// The letters to select; an absent filter matches all.
#[derive(ClapArgs, Clone, Debug)]
struct FilterArgs {
    /// Letters with this code: a rejection code, `undelivered`, `undeliverable` or `unavailable`
    #[arg(long)]
    code: Option<String>,
    /// Letters rejected by this contract
    #[arg(long)]
    contract: Option<String>,
    /// Letters of this subject
    #[arg(long, value_name = "KIND/ID")]
    subject: Option<String>,
    /// Letters ingested at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Letters ingested before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Only these letters; may be repeated
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Letters in this state
    #[arg(long, value_name = "STATE", default_value = "open", value_parser = waiting_state)]
    state: StateArg,
    /// Only the operator's letters whose tenant is now known to be this tenant
    #[arg(long, value_name = "TENANT", conflicts_with = "tenant")]
    of_tenant: Option<String>,
}

/// List letters, newest first, and count the open letters; or show one letter with its content
#[derive(ClapArgs, Clone, Debug)]
struct InspectArgs {
    /// Show this letter
    #[arg(long, conflicts_with_all = ["code", "cursor"])]
    id: Option<String>,
    /// Letters with this code: a rejection code, `undelivered`, `undeliverable` or `unavailable`
    #[arg(long)]
    code: Option<String>,
    /// Letters in this state
    #[arg(long, value_name = "STATE", default_value = "open",
          value_parser = ["open", "parked", "resolved"])]
    state: String,
    /// Maximum number of letters
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Cursor from the end of an earlier list
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Replay letters
#[derive(ClapArgs, Clone, Debug)]
struct RunArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    /// Maximum number of letters
    #[arg(long, default_value_t = 1_000)]
    limit: u64,
    /// Maximum letters per second
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Park a letter after this many unsuccessful replays
    #[arg(long, value_name = "N", default_value_t = 2)]
    max_replays: u32,
    /// Number of views to show before and after
    #[arg(long, value_name = "N", default_value_t = 0)]
    views: u32,
    #[command(flatten)]
    common: CommonArgs,
}

/// One run.
#[derive(ClapArgs, Clone, Debug)]
struct OneArgs {
    /// The id of the run
    replay_id: String,
    #[command(flatten)]
    common: CommonArgs,
}

/// Show a run, or the newest runs
#[derive(ClapArgs, Clone, Debug)]
struct ShowArgs {
    /// The id of the run [default: the newest runs]
    replay_id: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Set letters aside in the state parked; only runs with --state parked select them
#[derive(ClapArgs, Clone, Debug)]
struct ParkArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Only count the letters
    #[arg(long)]
    dry_run: bool,
    /// Maximum number of letters
    #[arg(long, default_value_t = 1_000)]
    limit: u64,
    /// Maximum letters per second
    #[arg(long, default_value_t = 100)]
    rate: u32,
    #[command(flatten)]
    common: CommonArgs,
}

impl Args {
    /// The command and the common flags. `by` is the user.
    pub(super) fn command(self, by: &str) -> (Command, CommonArgs) {
        self.action.command(by)
    }
}

impl Action {
    fn command(self, by: &str) -> (Command, CommonArgs) {
        match self {
            Self::Inspect(args) => args.command(),
            Self::Run(args) => args.command(by),
            Self::Resume(OneArgs { replay_id, common }) => {
                (Command::resume(common.tenant.as_deref(), by, &replay_id), common)
            }
            Self::Cancel(OneArgs { replay_id, common }) => {
                (Command::cancel(common.tenant.as_deref(), &replay_id), common)
            }
            Self::Show(ShowArgs { replay_id, common }) => {
                (Command::show(common.tenant.as_deref(), replay_id), common)
            }
            Self::Park(args) => args.command(by),
        }
    }
}

impl InspectArgs {
    fn command(self) -> (Command, CommonArgs) {
        let Self { id, code, state, limit, cursor, common } = self;
        let tenant = common.tenant.clone();
        (Command::Inspect { tenant, id, code, state, limit, cursor }, common)
    }
}

impl RunArgs {
    fn command(self, by: &str) -> (Command, CommonArgs) {
        let Self { filter, dry_run, limit, rate, max_replays, views, common } = self;
        let (tenant, by, filter) = (common.tenant.clone(), by.to_owned(), filter.filter());
        (Command::Replay { tenant, by, filter, dry_run, limit, rate, max_replays, views }, common)
    }
}

impl ParkArgs {
    fn command(self, by: &str) -> (Command, CommonArgs) {
        let Self { filter, dry_run, limit, rate, common } = self;
        let (tenant, by, filter) = (common.tenant.clone(), by.to_owned(), filter.filter());
        (Command::Park { tenant, by, filter, dry_run, limit, rate }, common)
    }
}

impl FilterArgs {
    fn filter(self) -> Filter {
        Filter {
            code: self.code,
            contract: self.contract,
            subject: self.subject,
            from: self.from,
            to: self.to,
            ids: (!self.ids.is_empty()).then_some(self.ids),
            state: Some(self.state.0),
            tenant: self.of_tenant,
        }
    }
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse_rfc3339(text)
        .ok_or("expected a time in RFC 3339, for example 2026-01-31T12:00:00Z")
}

/// A state as a flag.
#[derive(Clone, Debug)]
struct StateArg(State);

fn waiting_state(text: &str) -> Result<StateArg, &'static str> {
    match text {
        "open" => Ok(StateArg(State::Open)),
        "parked" => Ok(StateArg(State::Parked)),
        _ => Err("expected open or parked: resolved letters cannot be selected"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn sent(words: &str) -> Value {
        let cli = Cli::try_parse_from(format!("replay {words}").split(' ')).unwrap();
        serde_json::to_value(cli.args.command("ann@cli").0).unwrap()
    }

    #[test]
    fn a_run_without_flags_has_the_defaults_of_the_function() {
        let expected = json!({
            "action": "replay", "by": "ann@cli", "filter": { "state": "open" }, "dry_run": false,
            "limit": 1000, "rate": 100, "max_replays": 2, "views": 0,
        });
        assert_eq!(sent("run"), expected);
    }

    #[test]
    fn every_flag_of_a_run_is_sent() {
        let flags = "run --tenant newco --dry-run --limit 5 --rate 7 --max-replays 3 --views 4 \
                     --code unknown_tenant --contract telemetry --subject device/d-1 \
                     --from 2026-01-01T00:00:00Z --to 2026-01-01T02:00:00+01:00 --id a --id b \
                     --state parked";
        let expected = json!({
            "action": "replay", "tenant": "newco", "by": "ann@cli", "dry_run": true, "limit": 5,
            "rate": 7, "max_replays": 3, "views": 4,
            "filter": {
                "code": "unknown_tenant", "contract": "telemetry", "subject": "device/d-1",
                "from": "2026-01-01T00:00:00.000Z", "to": "2026-01-01T01:00:00.000Z",
                "ids": ["a", "b"], "state": "parked",
            },
        });
        assert_eq!(sent(flags), expected);
    }

    #[test]
    fn the_other_commands_send_their_run_or_letters() {
        for (words, expected) in [
            ("show", json!({ "action": "show" })),
            (
                "show r-1 --tenant newco",
                json!({ "action": "show", "tenant": "newco", "replay_id": "r-1" }),
            ),
            ("resume r-1", json!({ "action": "resume", "by": "ann@cli", "replay_id": "r-1" })),
            ("cancel r-1", json!({ "action": "cancel", "replay_id": "r-1" })),
            (
                "park --of-tenant newco",
                json!({
                    "action": "park", "by": "ann@cli", "dry_run": false, "limit": 1000, "rate": 100,
                    "filter": { "state": "open", "tenant": "newco" },
                }),
            ),
            (
                "inspect --id 7 --tenant newco",
                json!({
                    "action": "inspect", "tenant": "newco", "id": "7", "state": "open",
                    "limit": 100,
                }),
            ),
            (
                "inspect --code empty_value --cursor c --limit 7 --state resolved",
                json!({
                    "action": "inspect", "code": "empty_value", "state": "resolved", "limit": 7,
                    "cursor": "c",
                }),
            ),
        ] {
            assert_eq!(sent(words), expected, "{words}");
        }
    }

    #[test]
    fn invalid_arguments_are_rejected_before_anything_is_sent() {
        for words in [
            "run --from yesterday",
            "run --state resolved",
            "run --tenant a --of-tenant b",
            "resume",
            "cancel",
            "",
        ] {
            assert!(Cli::try_parse_from(format!("replay {words}").trim().split(' ')).is_err());
        }
    }
}
