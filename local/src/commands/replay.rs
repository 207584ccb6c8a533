//! `drover replay …`: the commands for dead letters, for people and for scripts. Each command
//! invokes the replay function directly, and the function decides. If a run pauses because its
//! invocation ran out of time, the command resumes it until it is done.
//!
//! On AWS the command needs the permission to invoke the function. It can therefore reach the
//! operator's letters, which the HTTP API never shows.
//!
//! Exit codes: 0 done, 1 error or rejected, 3 if a run ended before it was done.
//!
//! If this process dies, the current invocation continues to its end and the run is paused then;
//! `resume` continues it.
//!
//! Modules: `args` parses the flags, `command` is the request, `answer` the response; `render` and
//! `difference` format the result, and [`progress`] the progress; `shown` keeps views from one
//! invocation to the next.

mod answer;
mod args;
mod command;
mod difference;
pub mod progress;
mod render;
mod shown;

use std::pin::pin;

use axum::body::Bytes;

use self::answer::{Answer, Next, Run};
pub use self::args::Args;
use self::command::Command;
use self::progress::{Display, Progress};
use self::shown::ShownViews;
use super::caller::{Caller, NoAnswer};
use super::target::NoTarget;

/// The function to invoke.
const FUNCTION: &str = "replay";
/// The maximum number of consecutive invocations that run out of time without examining a letter.
/// A filter with few matches skips many letters; beyond this number, something else is wrong.
const FRUITLESS: usize = 50;

/// The output of a command, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// For standard output.
    pub text: String,
    /// For the exit code.
    pub ending: Ending,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The command is complete.
    Done,
    /// The function rejected the command; the text gives the reason.
    Refused,
    /// A run ended before it was done.
    Paused,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No host or stack was found.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The call or the function failed.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The function rejected the command.
    #[error("{message}: code=`{code}`")]
    Refused {
        /// A stable code.
        code: String,
        /// The message, for a person.
        message: String,
    },
    /// The function's response has another shape.
    #[error("invalid response from the function")]
    Senseless(#[source] serde_json::Error),
    /// The command could not be serialized.
    #[error("cannot serialize the command as JSON")]
    Json(#[source] serde_json::Error),
}

/// Executes the command. `by` is the user for the record of a run.
///
/// # Errors
/// [`ReplayError`]; with `--json` a rejection is not an error, but the output.
pub async fn run(args: Args, by: &str, progress: Progress) -> Result<Shown, ReplayError> {
    let (command, common) = args.command(by);
    let caller = common.functions.caller().await?;
    let (tenant, works) = (common.tenant.as_deref(), command.works());
    let client = ReplayClient { caller, tenant, by };
    let body =
        if works { client.work(command, progress).await } else { client.call(&command).await }?;
    let answer = Answer::read(&body).map_err(ReplayError::Senseless)?;
    let ending = match &answer {
        Answer::Refused { .. } => Ending::Refused,
        Answer::Run(run) if works && run.next() != Next::Done => Ending::Paused,
        Answer::Run(_) | Answer::Runs(_) | Answer::Letters(_) | Answer::Letter(_) => Ending::Done,
    };
    let text = match answer {
        _ if common.json => String::from_utf8_lossy(&body).trim_end().to_owned() + "\n",
        Answer::Refused { code, message } => return Err(ReplayError::Refused { code, message }),
        Answer::Run(run) => render::run(&run, tenant),
        Answer::Runs(runs) => render::runs(&runs),
        Answer::Letters(letters) => render::letters(&letters),
        Answer::Letter(letter) => render::letter(&letter),
    };
    Ok(Shown { text, ending })
}

/// The replay function, for the letters of one owner.
struct ReplayClient<'a> {
    caller: Caller,
    tenant: Option<&'a str>,
    by: &'a str,
}

impl ReplayClient<'_> {
    async fn call(&self, command: &Command) -> Result<Bytes, ReplayError> {
        let event = serde_json::to_vec(command).map_err(ReplayError::Json)?;
        Ok(self.caller.call(FUNCTION, event.into()).await?)
    }

    /// Executes a run, in as many invocations as it takes.
    async fn work(&self, mut command: Command, progress: Progress) -> Result<Bytes, ReplayError> {
        let mut display = progress.start();
        let (mut examined, mut fruitless) = (0, 0);
        let mut views = ShownViews::default();
        loop {
            let body = views.complete(self.watched(&command, &mut display).await?);
            let Ok(Answer::Run(run)) = Answer::read(&body) else { return Ok(body) };
            fruitless = if run.examined > examined { 0 } else { fruitless + 1 };
            examined = run.examined;
            if run.next() != Next::Resume || fruitless > FRUITLESS {
                return Ok(body);
            }
            display.show(&run);
            command = Command::resume(self.tenant, self.by, &run.replay_id);
        }
    }

    /// Waits for one invocation and shows its progress.
    async fn watched(
        &self,
        command: &Command,
        display: &mut Display,
    ) -> Result<Bytes, ReplayError> {
        let mut work = pin!(self.call(command));
        loop {
            tokio::select! {
                answer = &mut work => return answer,
                () = tokio::time::sleep(self.caller.pace(display.every())) => {}
            }
            tokio::select! {
                answer = &mut work => return answer,
                running = self.running() => if let Some(run) = running { display.show(&run) },
            }
        }
    }

    /// The running run. A failed poll is ignored, because it only shows progress.
    async fn running(&self) -> Option<Run> {
        let body = self.call(&Command::show(self.tenant, None)).await.ok()?;
        let Ok(Answer::Runs(runs)) = Answer::read(&body) else { return None };
        runs.into_iter().find(Run::is_running)
    }
}
