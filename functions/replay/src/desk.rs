//! What can be asked and ordered, by whichever way: lists of letters, one letter, runs. Who asks was
//! established before, and says whose letters ([`Owner`]).

use drover_core::letter::{Owner, State};
use drover_core::metrics::Tally;
use drover_core::pipeline::ports::Units;
use drover_core::replay::list::{self, Question};
use drover_core::replay::{self, Asked, Ground, Refusal, Run, Worked};
use drover_core::time::Timestamp;
use drover_core::web::{Cursors, Problem};

use crate::answer::{LetterAnswer, LettersAnswer, RunAnswer, RunsAnswer, refused};
use crate::{Around, Environment, FUNCTION, Outside, limits};

/// Which letters are listed.
pub(crate) struct Listed {
    pub(crate) code: Option<String>,
    pub(crate) state: State,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<String>,
}

impl<W: Outside, B: Around> Environment<W, B> {
    pub(crate) async fn list(
        &self,
        owner: &Owner,
        listed: Listed,
    ) -> Result<LettersAnswer, Problem> {
        let Listed { code, state, limit, cursor } = listed;
        let named = format!("{state:?}");
        let parts = ["dead-letters", &owner.partition_key(), code.as_deref().unwrap_or(""), &named];
        let cursors = Cursors::of(&parts);
        let id = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let after = cursor.map(|cursor| cursors.read(&cursor, id)).transpose()?;
        let question = Question { code, state, limit, after };
        let listing = list::list(&self.world, owner, &question).await.map_err(refused)?;
        self.charge(owner, listing.units);
        let (mut answer, next) = LettersAnswer::of(listing);
        answer.next_cursor = next.map(|id| cursors.write(id.as_bytes()));
        Ok(answer)
    }

    pub(crate) async fn letter(&self, owner: &Owner, id: &str) -> Result<LetterAnswer, Problem> {
        let found = list::open(&self.world, owner, id).await?;
        let none = || Problem::not_found("there is no such dead letter");
        let (letter, content) = found.ok_or_else(none)?;
        Ok(LetterAnswer::of(letter, content))
    }

    pub(crate) async fn start(
        &self,
        owner: &Owner,
        asked: Asked,
        deadline: Timestamp,
    ) -> Result<RunAnswer, Problem> {
        self.worked(replay::start(self.ground(), owner, asked, deadline).await)
    }

    pub(crate) async fn resume(
        &self,
        owner: &Owner,
        id: &str,
        by: &str,
        deadline: Timestamp,
    ) -> Result<RunAnswer, Problem> {
        self.worked(replay::resume(self.ground(), owner, id, by, deadline).await)
    }

    fn ground(&self) -> Ground<'_, W, B> {
        Ground { world: &self.world, sources: &self.around, means: self.means }
    }

    fn worked(&self, worked: Result<Worked, Refusal>) -> Result<RunAnswer, Problem> {
        let Worked { run, views, tally } = worked.map_err(refused)?;
        self.meter.record(FUNCTION, &tally, self.world.now());
        let Run { replay_id, by, phase, examined, .. } = &run;
        tracing::info!(replay_id, by, ?phase, examined, "a replay has worked");
        Ok(RunAnswer::with_views(run, views))
    }

    pub(crate) async fn show(&self, owner: &Owner, id: &str) -> Result<RunAnswer, Problem> {
        let run = replay::show(&self.world, owner, id).await;
        run.map(RunAnswer::from).map_err(refused)
    }

    pub(crate) async fn recent(&self, owner: &Owner) -> Result<RunsAnswer, Problem> {
        let runs = replay::recent(&self.world, owner, limits::RUNS).await.map_err(refused)?;
        Ok(RunsAnswer { replays: runs.into_iter().map(RunAnswer::from).collect() })
    }

    pub(crate) async fn cancel(&self, owner: &Owner, id: &str) -> Result<RunAnswer, Problem> {
        let run = replay::cancel(&self.world, owner, id).await;
        run.map(RunAnswer::from).map_err(refused)
    }

    fn charge(&self, owner: &Owner, units: Units) {
        let mut tally = Tally::default();
        tally.of(owner.tenant()).add_units(units);
        self.meter.record(FUNCTION, &tally, self.world.now());
    }
}
