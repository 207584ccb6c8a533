//! Touches: commits without an event. What is told to others follows the heads, so somebody who wants a
//! subject to be told of again, or to be looked at, writes a head that says why.

use std::num::NonZeroU8;

use crate::base::time::Timestamp;

/// Why a commit wrote a head though no event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Touch {
    /// The kept history and the state are to be sent again.
    Resend,
    /// The subject has fallen silent: everything up to its watermark is settled now.
    Release,
    /// The table was restored, so that others may hold more than it does. The era rises, and the kept history
    /// and the state are to be sent again.
    Restored,
    /// A person acted on an alert of the subject, or a pause of an alert is over: its alerts are to be sent again.
    Acted,
    /// The subject is silent up to this time: time alone opened or closed an alert. The time stays in the head.
    Look(Timestamp),
}

impl Touch {
    /// Every reason without a time.
    pub const ALL: [Self; 4] = [Self::Resend, Self::Release, Self::Restored, Self::Acted];

    /// The byte in a head; 0 is no touch.
    pub(super) const fn byte(self) -> NonZeroU8 {
        match self {
            Self::Resend => NonZeroU8::MIN,
            Self::Release => NonZeroU8::MIN.saturating_add(1),
            Self::Restored => NonZeroU8::MIN.saturating_add(2),
            Self::Look(_) => NonZeroU8::MIN.saturating_add(3),
            Self::Acted => NonZeroU8::MIN.saturating_add(4),
        }
    }

    /// Reads [`Self::byte`]; `None`: no reason that this version knows. `looked_until` is that of the head.
    pub(super) fn of_byte(byte: NonZeroU8, looked_until: Option<Timestamp>) -> Option<Self> {
        let look = looked_until.map(Self::Look);
        Self::ALL.into_iter().chain(look).find(|touch| touch.byte() == byte)
    }
}
