//! Topics that do not exist or may not be written to. A topic that was found closed is not tried again for
//! a while, so that the tenants of other topics do not wait for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use drover_core::base::time::Timestamp;

/// How long a closed topic is not tried.
const SECONDS: i64 = 60;

/// The closed topics that an environment knows.
#[derive(Debug, Default)]
pub(crate) struct ClosedTopics(Mutex<BTreeMap<String, Timestamp>>);

impl ClosedTopics {
    /// Notes that a topic is closed.
    pub(crate) fn close(&self, topic: &str, now: Timestamp) {
        let mut closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        closed.retain(|_, until| *until > now);
        closed.insert(topic.to_owned(), now.plus_seconds(SECONDS));
    }

    /// Whether a topic was found closed lately.
    pub(crate) fn has(&self, topic: &str, now: Timestamp) -> bool {
        let closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        closed.get(topic).is_some_and(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_topic_is_tried_again_after_a_minute() {
        let (closed, at) = (ClosedTopics::default(), Timestamp::from_millis(0).unwrap());
        closed.close("a.settled", at);
        assert!(closed.has("a.settled", at.plus_seconds(59)));
        assert!(!closed.has("a.settled", at.plus_seconds(60)));
        assert!(!closed.has("b.settled", at));
    }
}
