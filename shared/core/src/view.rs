//! A view is the fold of a subject's entries, in order, by the units. Each unit is one
//! deterministic calculation in its own file. No unit reads a clock or sees the order of arrival,
//! so a history always gives the same view, byte for byte.
//!
//! The entry's contract defines what a unit reads from the payload ([`ViewSpec`]). Paths are
//! relative to the payload, because the history stores only the payload.
//!
//! Size: a view never exceeds [`limits::VIEW_BYTES`], without the states of alert rules ([`rules`]). These come
//! on top, with at most [`RuleStates::LARGEST`] bytes, so that no rule changes what the other units keep. Each
//! unit has a maximum size, and together
//! they leave room for [`limits::LATEST_FREE_BYTES`] of payloads in `latest`, which the build
//! checks. More payloads stay while the view fits. Otherwise `latest` drops the payloads that were
//! observed first and keeps their positions. Payloads are dropped rather than statistics because
//! the history still has the payloads.
//!
//! Units ignore a payload that is not JSON, and the entry still counts.

mod encoded;
pub mod latest;
pub mod lessons;
pub mod measures;
mod numbers;
mod payload;
pub mod rules;
mod shown;
mod spec;
mod specs;
pub mod status;
pub mod travel;
pub mod units;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod sample;

use std::sync::Arc;

use postcard::ser_flavors::Size;
use serde::{Deserialize, Serialize};

use self::encoded::VARINT;
use self::latest::Latest;
use self::lessons::Lessons;
use self::measures::Measures;
pub use self::numbers::Numbers;
pub use self::payload::Payload;
use self::rules::{RuleStates, Transition};
use self::spec::NO_SPEC;
pub use self::spec::{LocationSpec, MeasureSpec, Reading, StatusSpec, Unit, ViewSpec};
pub use self::specs::Specs;
use self::status::Status;
use self::travel::Travel;
use crate::base::limits;
use crate::base::time::Timestamp;
use crate::event::Entry;

/// The state of a subject after some of its history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Entries folded so far.
    pub event_count: u64,
    /// When the first entry was observed.
    pub first_observed_at: Option<Timestamp>,
    /// When the last entry was observed.
    pub last_observed_at: Option<Timestamp>,
    /// The newest entry of each type.
    pub latest: Latest,
    /// Statistics of numbers.
    pub measures: Measures,
    /// The current status, and the duration of each status.
    pub status: Status,
    /// The last location and the distance travelled.
    pub travel: Travel,
    /// Lessons of a learner.
    pub lessons: Lessons,
    /// The alert rules that are pending or firing. They have stored bytes of their own, so that a view without
    /// them takes none.
    #[serde(skip)]
    pub rules: RuleStates,
}

const _: () = assert!(
    View::LARGEST_WITHOUT_PAYLOADS + limits::LATEST_FREE_BYTES <= limits::VIEW_BYTES,
    "the units together must leave room for the free payloads"
);

impl View {
    const LARGEST_WITHOUT_PAYLOADS: usize = VARINT
        + 2 * (1 + VARINT)
        + Latest::LARGEST
        + Measures::LARGEST
        + Status::LARGEST
        + Travel::LARGEST
        + Lessons::LARGEST;

    /// Folds the next entry into the view, by the contract version that read it, and by the version of the alert
    /// rules that is in force for it. An entry without a spec still counts. Returns the changes of alert episodes.
    pub fn apply(&mut self, entry: &Entry, specs: &Specs) -> Vec<Transition> {
        let transitions = self.rules.apply(entry, self.last_observed_at, specs);
        self.event_count += 1;
        self.first_observed_at.get_or_insert(entry.position.observed_at);
        self.last_observed_at = Some(entry.position.observed_at);

        let spec = specs.of(entry).unwrap_or(&NO_SPEC);
        let reading = Reading { entry, payload: Payload(&entry.payload), spec };
        self.latest.apply(&reading);
        self.measures.apply(&reading);
        self.status.apply(&reading);
        self.travel.apply(&reading);
        self.lessons.apply(&reading);
        self.make_room();
        transitions
    }

    fn make_room(&mut self) {
        while self.latest.payload_bytes() > limits::LATEST_FREE_BYTES
            && encoded_size(self) > limits::VIEW_BYTES
        {
            self.latest.drop_oldest_payload();
        }
    }
}

/// The view after `view` and the entries that follow it.
pub fn fold<'a>(
    mut view: View,
    entries: impl IntoIterator<Item = &'a Arc<Entry>>,
    specs: &Specs,
) -> View {
    for entry in entries {
        view.apply(entry, specs);
    }
    view
}

/// The encoded size of a view.
fn encoded_size(view: &View) -> usize {
    // Counting cannot fail. If it did, payloads would be dropped.
    postcard::serialize_with_flavor(view, Size::default()).unwrap_or(usize::MAX)
}
