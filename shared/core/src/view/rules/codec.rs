//! The stored bytes of [`RuleStates`]: nothing for no state, else a format byte and postcard.

use postcard::ser_flavors::Size;

use super::state::RuleStates;
use crate::base::limits;
use crate::view::encoded::{VARINT, text};

/// The format that this release writes.
const FORMAT: u8 = 1;

/// Why stored bytes are not the states of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndecodableRules {
    /// Another release wrote them.
    #[error("unknown format of rule states: format=`{0}`")]
    Format(u8),
    /// They are damaged.
    #[error("invalid rule states")]
    Damaged,
}

impl RuleStates {
    /// The largest encoding.
    pub const LARGEST: usize = 1 + VARINT + VARINT + limits::RULE_STATES * LARGEST_STATE;

    /// The size of [`Self::encode`].
    pub fn encoded_size(&self) -> usize {
        if *self == Self::default() {
            return 0;
        }
        // Counting cannot fail.
        1 + postcard::serialize_with_flavor(self, Size::default()).unwrap_or(Self::LARGEST)
    }

    /// The bytes to store; none if there is no state.
    pub fn encode(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        // Writing to a vector cannot fail.
        postcard::to_extend(self, vec![FORMAT]).unwrap_or_default()
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// [`UndecodableRules`].
    pub fn decode(bytes: &[u8]) -> Result<Self, UndecodableRules> {
        let Some((format, rest)) = bytes.split_first() else { return Ok(Self::default()) };
        if *format != FORMAT {
            return Err(UndecodableRules::Format(*format));
        }
        match postcard::take_from_bytes::<Self>(rest) {
            Ok((states, [])) if states.by_rule.len() <= limits::RULE_STATES => Ok(states),
            Ok(_) | Err(_) => Err(UndecodableRules::Damaged),
        }
    }
}

/// The largest time, run, position and value.
const TIME: usize = VARINT;
const RUN: usize = TIME + 5;
const POSITION: usize = text(16 + crate::base::id::EVENT_ID_LIMIT);
const VALUE: usize = 1 + text(limits::STATUS_BYTES);
const FIRING: usize = POSITION + 5 + 2 * TIME + 1 + VALUE + 1 + RUN;
/// The name, the shape, the parts, the digest and the phase.
const LARGEST_STATE: usize = text(limits::RULE_ID_BYTES) + 5 + 3 + (1 + VARINT) + 1 + FIRING;
