//! Joins concurrent calls into batch requests.
//!
//! Most of the CPU time of a call is spent in the SDK and the connection, almost independent of its size: a
//! request for 25 heads costs only a few times as much as a request for one head. The pipeline runs many
//! subjects concurrently, and each subject calls the store separately. The batcher joins these calls.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Waiting questions by table. A slow or missing table does not delay the questions of other tables. Clones
/// share the questions and must run on the same runtime.
pub(crate) struct RequestBatcher<Q, A> {
    waiting: Arc<Mutex<Tables<Q, A>>>,
}

/// Waiting questions by the name of the table.
type Tables<Q, A> = HashMap<String, Vec<Waiting<Q, A>>>;

/// A question and the channel for its answer.
type Waiting<Q, A> = (Q, oneshot::Sender<Option<A>>);

impl<Q: Send + 'static, A: Send + 'static> RequestBatcher<Q, A> {
    /// Asks a question. The batch contains all questions for the same table that arrive before every ready
    /// task has run once. It is sent in requests of at most `most` questions.
    ///
    /// `send` returns the answers in the order of the questions. If it returns no answer for a question,
    /// the result is `None`. A separate task sends the requests, so a caller can be cancelled without
    /// affecting the other callers.
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
        // Before `add`: if there is no runtime, this panics and no question waits forever.
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

    /// Adds a question. Returns whether it is the first question of the table.
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

/// Sends the answers. Cancelled callers are skipped.
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

    /// Answers with the number of questions in the request, and the question itself.
    async fn count(questions: Vec<usize>) -> Vec<Option<(usize, usize)>> {
        let request_batcher = questions.len();
        questions.into_iter().map(|question| Some((request_batcher, question))).collect()
    }

    #[tokio::test]
    async fn concurrent_questions_share_a_request_and_each_gets_its_own_answer() {
        let request_batcher = RequestBatcher::default();
        let asked = (0..7).map(|question| request_batcher.ask("table", question, 3, count));
        let answers = join_all(asked).await;
        let expected = [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (1, 6)];
        assert_eq!(answers, expected.map(Some));
        // A later question gets its own request.
        assert_eq!(request_batcher.ask("table", 7, 3, count).await, Some((1, 7)));
    }

    #[tokio::test]
    async fn questions_of_two_tables_never_share_a_request() {
        let request_batcher = RequestBatcher::default();
        let asked = (0..4).map(|question| {
            let table = if question % 2 == 0 { "even" } else { "odd" };
            request_batcher.ask(table, question, 3, count)
        });
        let expected = [(2, 0), (2, 1), (2, 2), (2, 3)];
        assert_eq!(join_all(asked).await, expected.map(Some));
    }

    #[tokio::test]
    async fn a_cancelled_caller_does_not_affect_the_others() {
        let request_batcher = RequestBatcher::default();
        let mut first = Box::pin(request_batcher.ask("table", 0, 3, count));
        assert!(futures_util::poll!(&mut first).is_pending());
        let second = request_batcher.ask("table", 1, 3, count);
        drop(first);
        assert_eq!(second.await, Some((2, 1)));
    }

    #[tokio::test]
    async fn a_question_without_an_answer_gets_none() {
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

    /// No question is lost between the removal of a batch and the next batch.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_question_is_answered_on_several_threads() {
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
