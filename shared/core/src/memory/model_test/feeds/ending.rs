//! The end of a case: everything is delivered, and consumers are held against the ledger.

use std::task::{Context, Poll, Waker};

use super::consumers::{self, Ended, by_text};
use super::harness::Harness;
use super::operator::{carried, touched};
use super::relay::decoded;
use crate::base::id::SubjectKey;
use crate::ledger::read::{Question, Snapshot};
use crate::ledger::touch::Touch;
use crate::memory::model_test::check::keys;
use crate::memory::model_test::script::{CARRIER, ENVIRONMENTS, location, specs};
use crate::memory::{Memory, place};
use crate::outputs::record::FeedRecord;
use crate::subject::reader;

impl Harness<'_> {
    /// Lets everything finish without faults, brings views up to date, and asks for everything once more
    /// where records were given up.
    pub(super) fn drain(&mut self) -> Result<(), String> {
        self.memory.fail_nothing();
        self.memory.state().pages_late = None;
        for env in 0..ENVIRONMENTS {
            self.finish(env, |harness| harness.environments[env].running.is_some())?;
        }
        self.finish(CARRIER, |harness| harness.operator.is_some())?;
        self.memory.state().show_pages();
        for key in keys() {
            self.operator = Some(carried(&self.memory, &key, self.policy));
            self.finish(CARRIER, |harness| harness.operator.is_some())?;
            if self.lacks_records {
                self.operator = Some(touched(&self.memory, &key, self.policy, Touch::Resend));
                self.finish(CARRIER, |harness| harness.operator.is_some())?;
            }
        }
        self.finish(ENVIRONMENTS, |harness| harness.delivering.is_some())?;
        let mut batches = 0;
        while self.checkpoint < self.stream.len() {
            batches += 1;
            if batches > self.stream.len() + 10 {
                return Err("the relay makes no progress".to_owned());
            }
            self.start_relay(7);
            self.finish(ENVIRONMENTS, |harness| harness.delivering.is_some())?;
        }
        Ok(())
    }

    fn finish(&mut self, task: usize, is_running: impl Fn(&Self) -> bool) -> Result<(), String> {
        while is_running(self) {
            self.poll(task)?;
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let topics = self.relay.topics.lock().expect("nobody panics");
        for (key, ever) in &self.ever {
            let mine = topics.iter().filter(|(owner, _)| owner == key);
            let records: Vec<FeedRecord> = mine.map(|(_, record)| record.clone()).collect();
            let stored = self.memory.state().heads[&place(&location(key))].clone();
            let whole = self.read(key, Question::History { from: None, to: None })?;
            let live = self.read(key, Question::Live)?;
            let ended = Ended {
                head: decoded(&stored),
                kept: whole.map(|whole| by_text(whole.entries())).unwrap_or_default(),
                view: live.map(|live| live.live(specs())),
                ever: ever.clone(),
            };
            consumers::check(key, &ended, &self.relay.feeds, &records)
                .map_err(|reason| format!("{key:?}: {reason}"))?;
        }
        Ok(())
    }

    pub(super) fn read(
        &self,
        key: &SubjectKey,
        question: Question,
    ) -> Result<Option<Snapshot>, String> {
        // Past the faults.
        let (memory, location): (&Memory, _) = (&self.memory, location(key));
        let mut reading = Box::pin(reader::read(memory, &location, question));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            memory.step();
            if let Poll::Ready(read) = reading.as_mut().poll(&mut context) {
                return read.map(|(snapshot, _)| snapshot).map_err(|error| error.to_string());
            }
        }
    }
}
