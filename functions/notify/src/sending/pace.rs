//! At most one message a second to a target, as Slack asks for:
//! <https://docs.slack.dev/apis/web-api/rate-limits>. Each environment counts for itself; what is still too fast, the
//! target answers with the time to wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drover_core::intake::tenant::SecretName;
use tokio::time::{Instant, sleep_until};

use super::NotSent;

const BETWEEN: Duration = Duration::from_secs(1);

/// When the next message of each target is due.
#[derive(Default)]
pub(super) struct Pace {
    next: Mutex<HashMap<SecretName, Instant>>,
}

impl Pace {
    /// Waits until a message may be sent. `of`: targets with one secret are one target.
    ///
    /// # Errors
    /// [`NotSent`]: that takes longer than `longest`.
    pub(super) async fn turn(&self, of: &SecretName, longest: Duration) -> Result<(), NotSent> {
        let turn = self.reserve(of, Instant::now(), longest)?;
        sleep_until(turn).await;
        Ok(())
    }

    fn reserve(
        &self,
        of: &SecretName,
        now: Instant,
        longest: Duration,
    ) -> Result<Instant, NotSent> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.retain(|_, at| *at > now);
        let turn = next.get(of).copied().unwrap_or(now);
        let wait = turn.duration_since(now);
        if wait > longest {
            let reason = "more messages wait for the target than one a second".to_owned();
            let seconds = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
            return Err(NotSent::Failed { reason, wait_seconds: Some(seconds.saturating_add(1)) });
        }
        next.insert(of.clone(), turn + BETWEEN);
        Ok(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_target_are_a_second_apart_and_those_of_others_do_not_wait() {
        let (pace, start) = (Pace::default(), Instant::now());
        let name = |text: &str| SecretName::File(text.to_owned());
        let longest = Duration::from_secs(2);
        let turn = |of: &str, now: Instant| {
            pace.reserve(&name(of), now, longest).map(|turn| turn.duration_since(start).as_secs())
        };
        assert_eq!([turn("a", start), turn("a", start), turn("a", start)], [Ok(0), Ok(1), Ok(2)]);
        assert_eq!(turn("b", start), Ok(0));
        let busy = turn("a", start).expect_err("three seconds are too long");
        let expected = NotSent::Failed {
            reason: "more messages wait for the target than one a second".to_owned(),
            wait_seconds: Some(4),
        };
        assert_eq!(busy, expected);
        assert_eq!(turn("a", start + Duration::from_secs(1)), Ok(3));
        assert_eq!(turn("a", start + Duration::from_secs(9)), Ok(9));
    }
}
