//! Targets that answer as they are told to, and what they saw.

use super::*;

/// What a target does with a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tests) enum Answer {
    Taken,
    Failed,
    /// The try arrives, and its answer does not.
    Lost,
    Wait(i64),
    Gone,
    /// It does not answer.
    Hangs,
}

/// A try: the second, the id, the news, and whether it arrived.
#[derive(Clone, Debug)]
pub(in crate::tests) struct Try {
    pub(in crate::tests) at: i64,
    pub(in crate::tests) id: String,
    pub(in crate::tests) news: News,
    pub(in crate::tests) alert: String,
    pub(in crate::tests) severity: String,
    pub(in crate::tests) summary: String,
    pub(in crate::tests) arrived: bool,
}

/// The targets.
#[derive(Clone, Default)]
pub(in crate::tests) struct Targets {
    pub(in crate::tests) answers: Arc<Mutex<BTreeMap<String, Vec<Answer>>>>,
    pub(in crate::tests) tries: Arc<Mutex<BTreeMap<String, Vec<Try>>>>,
}

impl Targets {
    fn answer(&self, target: &str) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.entry(target.to_owned()).or_default();
        if answers.is_empty() { Answer::Taken } else { answers.remove(0) }
    }
}

impl Sender for Targets {
    async fn send(&self, target: &Target, notification: &Notification) -> Result<(), NotSent> {
        let answer = self.answer(&target.id);
        let at = notification.at.whole_seconds();
        let (id, news) = (notification.id.clone(), notification.news);
        let (alert, severity) =
            (notification.text("/id").to_owned(), notification.text("/severity").to_owned());
        let summary = notification.text("/summary").to_owned();
        let arrived = matches!(answer, Answer::Taken | Answer::Lost);
        let a_try = Try { at, id, news, alert, severity, summary, arrived };
        self.tries.lock().unwrap().entry(target.id.clone()).or_default().push(a_try);
        if answer == Answer::Hangs {
            std::future::pending::<()>().await;
        }
        let failed =
            |wait_seconds| NotSent::Failed { reason: "it failed".to_owned(), wait_seconds };
        match answer {
            Answer::Taken | Answer::Hangs => Ok(()),
            Answer::Failed | Answer::Lost => Err(failed(None)),
            Answer::Wait(seconds) => Err(failed(Some(seconds))),
            Answer::Gone => Err(NotSent::Gone { reason: "it is gone".to_owned() }),
        }
    }
}

impl World {
    /// The news that arrived, each id once.
    pub(in crate::tests) fn news(&self, target: &str) -> Vec<News> {
        let (mut ids, mut news) = (Vec::new(), Vec::new());
        for a_try in self.all(target).into_iter().filter(|a_try| a_try.arrived) {
            if !ids.contains(&a_try.id) {
                ids.push(a_try.id);
                news.push(a_try.news);
            }
        }
        news
    }

    pub(in crate::tests) fn all(&self, target: &str) -> Vec<Try> {
        self.targets.tries.lock().unwrap().get(target).cloned().unwrap_or_default()
    }

    pub(in crate::tests) fn tries(&self, target: &str) -> Vec<(i64, String)> {
        self.all(target).into_iter().map(|a_try| (a_try.at, a_try.id)).collect()
    }

    pub(in crate::tests) fn arrivals(&self, target: &str) -> Vec<(i64, News)> {
        let arrived = self.all(target).into_iter().filter(|a_try| a_try.arrived);
        arrived.map(|a_try| (a_try.at, a_try.news)).collect()
    }

    pub(in crate::tests) fn letters(&self) -> Vec<FailedNotification> {
        let state = self.memory.state();
        let read = state.letters.iter().filter_map(|letter| FailedNotification::read(&letter.body));
        read.map(|(_, failed)| failed).collect()
    }
}
