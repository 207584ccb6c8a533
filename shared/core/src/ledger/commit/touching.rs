//! The step of a touch: a head without a new event, which says why it was written.

use super::{Carrying, Commit, Failed, State};
use crate::base::time::Timestamp;
use crate::ledger::Head;
use crate::ledger::dialogue::{Ask, CommitParams, Step};
use crate::ledger::place::NextHead;
use crate::ledger::touch::Touch;

impl Commit {
    /// Starts to touch a subject. A subject that nothing was written of stays as it is, and so does a
    /// subject whose last event is settled when it is to be released, and a subject that was looked at already.
    pub fn touch(params: CommitParams, touch: Touch) -> (Self, Step) {
        let commit = Self {
            params,
            waiting: Vec::new(),
            outcomes: Vec::new(),
            received: Timestamp::MIN,
            carrying: Carrying::IfDue,
            touch: Some(touch),
            restarts_view: false,
            attempts: 0,
            trouble: None,
            state: State::NeedsHead(None),
        };
        (commit, Step::Ask(Ask::Head))
    }

    /// Writes the touched head once nothing is frozen any more.
    pub(super) fn with_touch(
        self,
        touch: Touch,
        head: Head,
        sealed_now: bool,
    ) -> Result<(Self, Step), Failed> {
        let mut next = NextHead::new(head, sealed_now, &self.params);
        next.touch(touch);
        self.write(next)
    }
}

impl Touch {
    /// Whether it would change nothing that anybody could see.
    pub(super) fn is_idle(self, head: &Head) -> bool {
        match self {
            Self::Resend | Self::Restored | Self::Acted => head.version == 0,
            Self::Release => head.released >= head.watermark,
            Self::Look(until) => head.watermark.max(head.looked_until) >= Some(until),
        }
    }
}
