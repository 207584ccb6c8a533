//! The command line: parses the arguments, runs the command, prints its output.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use drover_local::commands::consume::ConsumeError;
use drover_local::commands::invoke::Layout;
use drover_local::commands::replay::Ending;
use drover_local::commands::replay::progress::Progress;
use drover_local::commands::{
    alerts, apply, carry, consume, contracts, forget, inspect, invoke, key, produce, relay, replay,
    rules, schema, serve, simulate, targets, topics,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Exit code of a run that ended before it was done.
const PAUSED: u8 = 3;
/// The maximum length of the user's name in the record of a run.
const USER_CHARACTERS: usize = 50;

/// Drover on this machine: the functions and the services that they use, in one process
#[derive(Parser)]
#[command(name = "drover", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
    /// Log filter: a level, or targets with levels as in warn,metrics=debug
    // dynoxide warns about every failed condition, and commits rely on those. aws_config warns
    // about every missing source of credentials, with the complete response.
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        default_value = "warn,aws_config=error,dynoxide=error,drover_core=info,access=info"
    )]
    log: Targets,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Produce(produce::Args),
    Consume(consume::Args),
    Simulate(simulate::Args),
    Invoke(invoke::Args),
    Apply(apply::Args),
    Contracts(contracts::Args),
    Rules(rules::Args),
    Alerts(alerts::Args),
    Targets(targets::Args),
    Inspect(inspect::Args),
    Carry(carry::Args),
    Forget(forget::Args),
    Relay(relay::Args),
    Replay(replay::Args),
    Key(key::Args),
    Schema(schema::Args),
    Topics(topics::Args),
    /// Print the OpenAPI document of all routes
    Openapi,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.log);
    match run(cli.command.unwrap_or(Command::Serve(cli.serve))).await {
        Ok(code) => code,
        Err(error) => {
            // A failure to write the error cannot be reported.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(args, &mut std::io::stdout()).await?,
        Command::Invoke(args) => {
            let answer = invoke::run(&args).await?;
            let terminal = std::io::stdout().is_terminal();
            let layout = if terminal { Layout::Pretty } else { Layout::Raw };
            print(&invoke::shown(&answer, layout))?;
        }
        Command::Consume(args) => return run_consume(&args).await,
        Command::Produce(args) => print(&produce::run(&args).await?)?,
        Command::Simulate(args) => print(&simulate::run(args).await?)?,
        Command::Apply(args) => print(&apply::run(&args, &operator()).await?)?,
        Command::Contracts(args) => return run_contracts(&args).await,
        Command::Rules(args) => return run_rules(&args).await,
        Command::Alerts(args) => print(&alerts::run(&args).await?)?,
        Command::Targets(args) => print(&targets::run(&args).await?)?,
        Command::Inspect(args) => print(&inspect::run(&args).await?)?,
        Command::Carry(args) => print(&carry::run(&args).await?)?,
        Command::Forget(args) => print(&forget::run(&args).await?)?,
        Command::Relay(args) => print(&relay::run(&args).await?)?,
        Command::Replay(args) => return run_replay(args).await,
        Command::Schema(args) => print(schema::run(&args))?,
        Command::Topics(args) => print(&topics::run(&args).await?)?,
        Command::Openapi => print(&drover_local::openapi::document()?)?,
        Command::Key(args) => print_key(&key::run(&args)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A closed pipe ends the command, for example when `head` has read enough.
async fn run_consume(args: &consume::Args) -> anyhow::Result<ExitCode> {
    match consume::run(args, &mut std::io::stdout()).await {
        Err(ConsumeError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_contracts(args: &contracts::Args) -> anyhow::Result<ExitCode> {
    let contracts::Shown { text, ending } = contracts::run(args, &mut std::io::stdin()).await?;
    print(&text)?;
    Ok(exit_code(ending))
}

async fn run_rules(args: &rules::Args) -> anyhow::Result<ExitCode> {
    let rules::Shown { text, ending } = rules::run(args, &mut std::io::stdin()).await?;
    print(&text)?;
    Ok(exit_code(ending))
}

fn exit_code(ending: contracts::Ending) -> ExitCode {
    match ending {
        contracts::Ending::Accepted => ExitCode::SUCCESS,
        contracts::Ending::Rejected => ExitCode::FAILURE,
    }
}

async fn run_replay(args: replay::Args) -> anyhow::Result<ExitCode> {
    let progress = if std::io::stderr().is_terminal() {
        Progress::Live
    } else {
        Progress::Lines(Box::new(std::io::stderr()))
    };
    let shown = replay::run(args, &operator(), progress).await?;
    print(&shown.text)?;
    Ok(match shown.ending {
        Ending::Done => ExitCode::SUCCESS,
        Ending::Refused => ExitCode::FAILURE,
        Ending::Paused => ExitCode::from(PAUSED),
    })
}

/// The user, for records of runs and versions of contracts.
#[expect(clippy::disallowed_methods, reason = "only the edge of the program reads the environment")]
fn operator() -> String {
    let user = std::env::var("USER").unwrap_or_default();
    let user: String = user.chars().filter(|one| !one.is_control()).take(USER_CHARACTERS).collect();
    if user.is_empty() { "cli".to_owned() } else { format!("{user}@cli") }
}

/// Programs read the key and the line from standard output; the explanation for people goes to
/// standard error.
fn print_key(key: &key::NewKey) -> std::io::Result<()> {
    let mut people = std::io::stderr();
    writeln!(
        people,
        "the key, shown only once, and the line for \"keys\" of the tenant document:"
    )?;
    print(&format!("{}\n{}\n", key.key, key.line))
}

/// A closed pipe is not an error, for example when `head` has read enough.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// dynoxide's finest level contains payloads, so it is never logged, whatever the filter.
fn log_to_stderr(targets: Targets) {
    let no_payloads = filter_fn(|event| {
        *event.level() <= LevelFilter::DEBUG || !event.target().starts_with("dynoxide")
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(lines.with_filter(no_payloads).with_filter(targets)).init();
}
