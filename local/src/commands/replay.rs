//! `drover replay …`: the commands of dead letters, for a person and for scripts. Each is one direct
//! invocation of the replay function, which decides; a run that ends because its invocation had no
//! more time is resumed until it is done.
//!
//! On AWS the function is invoked as anybody with the right to invoke it may do, so that the operator's
//! letters are within reach, which the HTTP API never shows.
//!
//! Exit codes: 0 done, 1 error or refused, 3 where a run ended before it was done.
//!
//! When this process goes away in the middle, the invocation under way goes on to its end, and the
//! run is paused then; `resume` goes on with it.
//!
//! The rooms: `args` is what is written, `command` what is sent, `answer` what comes back; `render` and `difference` are
//! what people see at the end, and [`progress`] what they see until then; `shown` keeps views from one
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

/// Who does it.
const FUNCTION: &str = "replay";
/// Invocations in a row that may end for time without a letter being examined: a filter that
/// matches little passes over many. After that something is wrong with the time.
const FRUITLESS: usize = 50;

/// What is to be shown, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// For the standard output.
    pub text: String,
    /// For the exit code.
    pub ending: Ending,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Done,
    /// Refused, and the text says so.
    Refused,
    /// A run ended before it was done.
    Paused,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Nobody to call it.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The call failed, or the function.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The function refuses.
    #[error("{message}: code=`{code}`")]
    Refused {
        /// A stable word.
        code: String,
        /// For a person.
        message: String,
    },
    /// The function's answer has another shape.
    #[error("the function's answer makes no sense")]
    Senseless(#[source] serde_json::Error),
    /// The command could not be written.
    #[error("the command could not be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// Has it done. `by` is who asks.
///
/// # Errors
/// [`ReplayError`]; with `--json` a refusal is none, but the answer.
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

/// The replay function, for one owner of letters.
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

    /// Has a run done, in as many invocations as it takes.
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

    /// One invocation, and beside it how far it is.
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

    /// The run that is under way. Without an answer there is nothing to show, and no harm done.
    async fn running(&self) -> Option<Run> {
        let body = self.call(&Command::show(self.tenant, None)).await.ok()?;
        let Ok(Answer::Runs(runs)) = Answer::read(&body) else { return None };
        runs.into_iter().find(Run::is_running)
    }
}
