//! Calls that are made at the same time, sent as one request.
//!
//! A call's own cost is mostly the SDK's and the connection's, whatever it carries: for 25 heads it is a few
//! times what it is for one. The pipeline runs many subjects beside each other, and
//! each asks for itself; here their questions meet.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Questions that wait to be sent together, by table: a table that is slow or gone holds up nobody of
/// another one. Clones share what waits, and belong to one runtime.
pub(crate) struct RequestBatcher<Q, A> {
    waiting: Arc<Mutex<Tables<Q, A>>>,
}

/// By their names.
type Tables<Q, A> = HashMap<String, Vec<Waiting<Q, A>>>;

/// A question, and where its answer goes.
type Waiting<Q, A> = (Q, oneshot::Sender<Option<A>>);

impl<Q: Send + 'static, A: Send + 'static> RequestBatcher<Q, A> {
    /// Asks with all the others of this table that are asked before every task which can run has run, in
    /// requests of at most so many. `send` gives the answers in the order of the questions, as far as
    /// it has them; without one the answer is `None`. A task of its own sends them: whoever asked may go
    /// away without taking the others along.
    pub(super) async fn ask<F>(
        &self,
        table: &str,
        question: Q,
        most: usize,
        send: impl Fn(Vec<Q>) -> F + Send + 'static,
    ) -> Option<A>
    where
        F: Future<Output = Vec<Option<A>>> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        // First of all: without a runtime nobody would ever be answered.
        let runtime = Handle::current();
        if self.add(table, (question, sender)) {
            let (request_batcher, table) = (self.clone(), table.to_owned());
            runtime.spawn(async move {
                tokio::task::yield_now().await;
                let mut waiting = request_batcher.lock().remove(&table).unwrap_or_default();
                while !waiting.is_empty() {
                    let later = waiting.split_off(most.min(waiting.len()));
                    let (questions, senders): (_, Vec<_>) = waiting.into_iter().unzip();
                    let sent = send(questions);
                    tokio::spawn(async move { answer_each(senders, sent.await) });
                    waiting = later;
                }
            });
        }
        answer.await.ok().flatten()
    }

    /// Whether it is the first.
    fn add(&self, table: &str, waiting: Waiting<Q, A>) -> bool {
        let mut all = self.lock();
        if let Some(others) = all.get_mut(table) {
            others.push(waiting);
            return false;
        }
        all.insert(table.to_owned(), vec![waiting]);
        true
    }
}

/// Whoever went away gets none.
fn answer_each<A>(senders: Vec<oneshot::Sender<A>>, answers: Vec<A>) {
    for (sender, answer) in senders.into_iter().zip(answers) {
        let _gone = sender.send(answer);
    }
}

impl<Q, A> RequestBatcher<Q, A> {
    fn lock(&self) -> MutexGuard<'_, Tables<Q, A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Default for RequestBatcher<Q, A> {
    fn default() -> Self {
        Self { waiting: Arc::default() }
    }
}

impl<Q, A> Clone for RequestBatcher<Q, A> {
    fn clone(&self) -> Self {
        Self { waiting: Arc::clone(&self.waiting) }
    }
}

impl<Q, A> fmt::Debug for RequestBatcher<Q, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.lock().values().map(Vec::len).sum::<usize>();
        formatter.debug_struct("RequestBatcher").field("waiting", &waiting).finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::RequestBatcher;

    /// Answers with how many came in the same request, and the question.
    async fn count(questions: Vec<usize>) -> Vec<Option<(usize, usize)>> {
        let request_batcher = questions.len();
        questions.into_iter().map(|question| Some((request_batcher, question))).collect()
    }

    #[tokio::test]
    async fn what_is_asked_at_once_goes_together_and_each_gets_its_own_answer() {
        let request_batcher = RequestBatcher::default();
        let asked = (0..7).map(|question| request_batcher.ask("table", question, 3, count));
        let answers = join_all(asked).await;
        let expected = [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (1, 6)];
        assert_eq!(answers, expected.map(Some));
        // And what comes later does not wait for the others' return.
        assert_eq!(request_batcher.ask("table", 7, 3, count).await, Some((1, 7)));
    }

    #[tokio::test]
    async fn questions_of_two_tables_never_go_together() {
        let request_batcher = RequestBatcher::default();
        let asked = (0..4).map(|question| {
            let table = if question % 2 == 0 { "even" } else { "odd" };
            request_batcher.ask(table, question, 3, count)
        });
        let expected = [(2, 0), (2, 1), (2, 2), (2, 3)];
        assert_eq!(join_all(asked).await, expected.map(Some));
    }

    #[tokio::test]
    async fn whoever_goes_away_takes_nobody_along() {
        let request_batcher = RequestBatcher::default();
        let mut first = Box::pin(request_batcher.ask("table", 0, 3, count));
        assert!(futures_util::poll!(&mut first).is_pending());
        let second = request_batcher.ask("table", 1, 3, count);
        drop(first);
        assert_eq!(second.await, Some((2, 1)));
    }

    #[tokio::test]
    async fn without_an_answer_there_is_none() {
        let request_batcher: RequestBatcher<usize, usize> = RequestBatcher::default();
        let none = |_| std::future::ready(vec![None]);
        let short = |questions: Vec<usize>| {
            std::future::ready(questions.into_iter().take(1).map(Some).collect())
        };
        assert_eq!(request_batcher.ask("table", 0, 3, none).await, None);
        let (first, second) = tokio::join!(
            request_batcher.ask("table", 0, 3, short),
            request_batcher.ask("table", 1, 3, short)
        );
        assert_eq!((first, second), (Some(0), None));
    }

    /// Many threads: nobody is forgotten between the taking and the next round.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_gets_an_answer_on_many_threads() {
        let request_batcher = RequestBatcher::default();
        let asked = (0..2_000).map(|question| {
            let request_batcher = request_batcher.clone();
            tokio::spawn(async move { request_batcher.ask("table", question, 25, count).await })
        });
        for (question, answer) in join_all(asked).await.into_iter().enumerate() {
            let (request_batcher, answered) = answer.expect("no panic").expect("an answer");
            assert!(request_batcher <= 25);
            assert_eq!(answered, question);
        }
    }
}
