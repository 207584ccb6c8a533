//! Operations on letters and runs, for commands and routes alike. The caller is already
//! authenticated and determines the [`Owner`]. Letters show the times that a replay would use.
//! Reads return their cost: this module counts it, and the routes charge it to the tenant's quota.

use drover_core::base::cost::{Metered, Units};
use drover_core::base::metrics::{Counts, Tally};
use drover_core::base::time::Timestamp;
use drover_core::dead_letter::letter::{Owner, State};
use drover_core::replay::list::{self, Question};
use drover_core::replay::{self, Refusal, Run, RunContext, RunProgress, RunRequest};
use drover_http::{Cursors, Problem};

use crate::answer::{LetterAnswer, LettersAnswer, RunAnswer, RunsAnswer, refused};
use crate::{Environment, FUNCTION, Reader, ReplayPorts, ReplaySources, limits};

/// Which letters are listed.
pub(crate) struct Listed {
    pub(crate) code: Option<String>,
    pub(crate) state: State,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<String>,
}

impl<W: ReplayPorts, B: ReplaySources> Environment<W, B> {
    pub(crate) async fn list(
        &self,
        owner: &Owner,
        listed: Listed,
    ) -> Result<Metered<LettersAnswer>, Problem> {
        let Listed { code, state, limit, cursor } = listed;
        let named = format!("{state:?}");
        let parts = ["dead-letters", &owner.partition_key(), code.as_deref().unwrap_or(""), &named];
        let cursors = Cursors::of(&parts);
        let id = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let after = cursor.map(|cursor| cursors.read(&cursor, id)).transpose()?;
        let question = Question { code, state, limit, after };
        let mut listing = list::list(&self.ports, owner, &question).await.map_err(refused)?;
        listing.letters.iter_mut().for_each(|letter| letter.restamp(self.limits.retention));
        let units = listing.units;
        self.count(owner, units);
        let (mut answer, next) = LettersAnswer::of(listing);
        answer.next_cursor = next.map(|id| cursors.write(id.as_bytes()));
        Ok(Metered { answer, units })
    }

    pub(crate) async fn letter(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<LetterAnswer>, Problem> {
        let Metered { answer: found, units } = list::open(&self.ports, owner, id).await?;
        self.count(owner, units);
        let none = || Problem::not_found("no such dead letter");
        let (mut letter, content) = found.ok_or_else(none)?;
        letter.restamp(self.limits.retention);
        Ok(Metered { answer: LetterAnswer::of(letter, content), units })
    }

    pub(crate) async fn start(
        &self,
        owner: &Owner,
        request: RunRequest,
        deadline: Timestamp,
    ) -> Result<RunAnswer, Problem> {
        self.progress(replay::start(self.context(), owner, request, deadline).await)
    }

    pub(crate) async fn resume(
        &self,
        owner: &Owner,
        id: &str,
        by: &str,
        deadline: Timestamp,
    ) -> Result<RunAnswer, Problem> {
        self.progress(replay::resume(self.context(), owner, id, by, deadline).await)
    }

    fn context(&self) -> RunContext<'_, W, B> {
        RunContext { ports: &self.ports, sources: &self.sources, limits: self.limits }
    }

    fn progress(&self, progress: Result<RunProgress, Refusal>) -> Result<RunAnswer, Problem> {
        let RunProgress { run, views, tally } = progress.map_err(refused)?;
        self.meter.record(FUNCTION, &tally, self.ports.now());
        let Run { replay_id, by, phase, examined, .. } = &run;
        tracing::info!(replay_id, by, ?phase, examined, "a replay run stopped");
        Ok(RunAnswer::with_views(run, views))
    }

    pub(crate) async fn show(
        &self,
        owner: &Owner,
        id: &str,
    ) -> Result<Metered<RunAnswer>, Problem> {
        let Metered { answer: run, units } =
            replay::show(&self.ports, owner, id).await.map_err(refused)?;
        self.count(owner, units);
        Ok(Metered { answer: run.into(), units })
    }

    pub(crate) async fn recent(&self, owner: &Owner) -> Result<Metered<RunsAnswer>, Problem> {
        let Metered { answer: runs, units } =
            replay::recent(&self.ports, owner, limits::RUNS).await.map_err(refused)?;
        self.count(owner, units);
        let answer = RunsAnswer { replays: runs.into_iter().map(RunAnswer::from).collect() };
        Ok(Metered { answer, units })
    }

    pub(crate) async fn cancel(&self, owner: &Owner, id: &str) -> Result<RunAnswer, Problem> {
        let run = replay::cancel(&self.ports, owner, id).await;
        run.map(RunAnswer::from).map_err(refused)
    }

    /// Charges the cost of a read to the caller's quota.
    pub(crate) fn charged<T>(&self, reader: &Reader, read: Metered<T>) -> T {
        self.quotas.charge(&reader.tenant, read.units, self.ports.now());
        read.answer
    }

    pub(crate) fn count(&self, owner: &Owner, units: Units) {
        self.record_counts(owner, Counts::of_units(units));
    }

    pub(crate) fn record_counts(&self, owner: &Owner, counts: Counts) {
        let mut tally = Tally::default();
        tally.of(owner.tenant()).merge(counts);
        self.meter.record(FUNCTION, &tally, self.ports.now());
    }
}
