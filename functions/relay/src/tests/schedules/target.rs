//! Topics that fail, or take what they do not acknowledge.

use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex};

use drover_core::base::error::{Reason, Unavailable};
use drover_core::base::time::Timestamp;
use drover_core::outputs::record::FeedRecord;
use drover_core::ports::{FeedTarget, NotPublished};

/// What a topic does with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    Taken,
    /// It does not take it, and is down.
    Down,
    /// It takes it, and its answer is lost.
    LostAnswer,
    /// It does not take this record, however often it comes.
    Refused,
    /// It does not exist.
    Closed,
    /// The environment crashes before the record is sent.
    Crash,
}

impl Taking {
    pub(super) const ALL: [Self; 6] =
        [Self::Taken, Self::Down, Self::LostAnswer, Self::Refused, Self::Closed, Self::Crash];
}

/// Topics with the records that they took, in order.
#[derive(Clone, Default)]
pub(super) struct Topics {
    pub(super) next: Arc<Mutex<VecDeque<Taking>>>,
    pub(super) taken: Arc<Mutex<Vec<(String, FeedRecord)>>>,
    /// What is refused, by topic, key and id.
    pub(super) poison: Arc<Mutex<BTreeSet<[String; 3]>>>,
}

impl Topics {
    /// Draws what happens to a record.
    fn draw(&self, topic: &str, record: &FeedRecord) -> Taking {
        let id = record.attribute("id").unwrap_or_default();
        let place = [topic, &record.key, id].map(str::to_owned);
        let mut poison = self.poison.lock().unwrap();
        if poison.contains(&place) {
            return Taking::Refused;
        }
        let taking = self.next.lock().unwrap().pop_front().unwrap_or(Taking::Taken);
        if taking == Taking::Refused {
            poison.insert(place);
        }
        taking
    }
}

impl FeedTarget for Topics {
    async fn publish(
        &self,
        topic: &str,
        records: &[FeedRecord],
        _deadline: Timestamp,
    ) -> Vec<Result<(), NotPublished>> {
        // Kafka refuses a batch for one of its records; a queue refuses the record alone.
        let drawn: Vec<Taking> = records.iter().map(|record| self.draw(topic, record)).collect();
        let is_batch_refused = topic.starts_with("drover") && drawn.contains(&Taking::Refused);
        let mut results: Vec<Result<(), NotPublished>> = Vec::new();
        for (record, taking) in records.iter().zip(drawn) {
            let taking = if is_batch_refused { Taking::Refused } else { taking };
            // Nothing arrives behind a record that fails.
            if let Some(failed @ Err(NotPublished::Unavailable(_) | NotPublished::Closed(_))) =
                results.last()
            {
                results.push(failed.clone());
                continue;
            }
            if matches!(taking, Taking::Taken | Taking::LostAnswer) {
                self.taken.lock().unwrap().push((topic.to_owned(), record.clone()));
            }
            let fault = |reason| Unavailable::new(reason, "as drawn");
            results.push(match taking {
                Taking::Taken => Ok(()),
                Taking::Down | Taking::LostAnswer => {
                    Err(NotPublished::Unavailable(fault(Reason::Unreachable)))
                }
                Taking::Refused => Err(NotPublished::Refused(fault(Reason::Misconfigured))),
                Taking::Closed => Err(NotPublished::Closed(fault(Reason::Misconfigured))),
                Taking::Crash => pending().await,
            });
        }
        results
    }
}
