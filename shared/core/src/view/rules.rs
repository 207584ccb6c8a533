//! Alert rules, as a fold over the entries of one subject. The result is the state of each rule that is
//! pending or firing ([`RuleStates`]), and the changes of episodes that each entry causes ([`Transition`]).
//!
//! An *episode* is a maximal run of a rule being on. Which episodes a history has depends on the sorted entries
//! and on the versions of the rules only: no clock, no order of arrival, no batching. An entry is read by the
//! version that is in force at the earlier of its times of observation and of receipt, so a rule that is applied
//! at noon does not open on a late event of the morning.
//!
//! A rule that is neither pending nor firing has no state, with two exceptions: a rule that combines several
//! parts remembers which of them hold, in one number, and a rule with `changes` remembers a digest of the last
//! value, in eight bytes.
//!
//! What happens without an entry depends on how long a subject is known to be silent ([`RuleStates::looked`]): the
//! newest absence, and the end of `after_seconds`.
//!
//! Left out: `latch`, texts and targets, which concern the alert and not the fold.

mod codec;
mod condition;
mod episode;
mod fold;
mod history;
mod look;
mod position;
mod shape;
mod shown;
mod spec;
mod state;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use self::codec::UndecodableRules;
pub use self::condition::{Bound, Condition, Part, Range, Source, Test, Value};
pub use self::episode::{Change, Ending, Episode, Episodes, Moment, Transition};
pub use self::history::RuleFold;
pub use self::spec::{Clear, Lasting, Rule, RuleVersion, RuleVersions, Watch, Watched};
pub use self::state::{Firing, RuleState, RuleStates, Run};
