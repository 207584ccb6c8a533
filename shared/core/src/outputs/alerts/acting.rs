//! Which acts an alert allows, and what it is afterwards.
//!
//! An act never changes an episode: the history alone decides when a condition held.

use super::acts::{Act, Remark, Snooze};
use super::{Alert, AlertState, News};
use crate::outputs::changes::CommitId;

/// Why an act is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The alert is resolved or retracted.
    #[error("the alert is {}: only a firing alert can be acknowledged, snoozed, disabled, enabled or closed", .0.as_str())]
    Over(AlertState),
    /// Its rule has no `latch`.
    #[error(
        "the rule of the alert has no latch: the alert closes by itself when its condition no longer holds"
    )]
    NotLatching,
    /// The episode is open.
    #[error("the condition of the alert still holds: a latched alert can be closed afterwards")]
    StillHolds,
}

impl Alert {
    /// The alert after an act. To close a closed alert again changes nothing: the first request may have failed after
    /// it was stored. `reflected`: the commit that the alert reflects.
    ///
    /// # Errors
    /// [`Refusal`]: the act makes no sense in the state of the alert.
    pub fn acted(&self, act: Act, remark: Remark, reflected: CommitId) -> Result<Self, Refusal> {
        let state = self.state();
        if act == Act::Close && state == AlertState::Resolved && self.acts.closed.is_some() {
            return Ok(self.clone());
        }
        if state != AlertState::Firing {
            return Err(Refusal::Over(state));
        }
        let mut acts = self.acts.clone();
        match act {
            Act::Acknowledge => acts.acknowledged = Some(remark),
            Act::Snooze(until) => acts.snoozed = Some(Snooze { until, remark }),
            Act::Disable => acts.disabled = Some(remark),
            Act::Enable => (acts.snoozed, acts.disabled) = (None, None),
            Act::Close if self.is_latched() => acts.closed = Some(remark),
            Act::Close if self.latches => return Err(Refusal::StillHolds),
            Act::Close => return Err(Refusal::NotLatching),
        }
        let acted = Self { acts, ..self.clone() };
        Ok(match act {
            Act::Acknowledge => acted.with_act(News::Acknowledged, reflected),
            Act::Close => acted.with_act(News::Resolved, reflected),
            Act::Snooze(_) | Act::Disable | Act::Enable => acted,
        })
    }
}
