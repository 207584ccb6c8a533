//! Pages of the alerts of a tenant, by their ids and so by the time at which they first opened.

use super::{Alert, AlertId, AlertState};
use crate::base::id::SubjectKey;

/// The tenant's alerts of which one page is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPage {
    /// Whether only open alerts are asked for.
    pub only_open: bool,
    /// Ids from this text on.
    pub from: Option<String>,
    /// Only ids below this text.
    pub below: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl AlertPage {
    /// The page of one alert.
    pub fn of_id(id: &AlertId) -> Self {
        let from = id.as_str().to_owned();
        // The smallest text behind the id.
        let below = Some(format!("{from}0"));
        Self { only_open: false, from: Some(from), below, limit: 1 }
    }

    /// The page out of all alerts, for those who hold all of them.
    pub fn of(&self, mut alerts: Vec<(SubjectKey, Alert)>) -> AlertList {
        alerts.retain(|(_, alert)| {
            let id = alert.id.as_str();
            (!self.only_open || alert.state() == AlertState::Firing)
                && self.from.as_ref().is_none_or(|from| id >= &**from)
                && self.below.as_ref().is_none_or(|below| id < &**below)
        });
        alerts.sort_by(|(_, one), (_, other)| other.id.cmp(&one.id));
        let has_more = alerts.len() > self.limit;
        alerts.truncate(self.limit);
        let last = alerts.last().map(|(_, alert)| alert.id.as_str().to_owned());
        AlertList { alerts, unreadable: 0, next: last.filter(|_| has_more) }
    }
}

/// A page of a tenant's alerts, the newest id first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertList {
    /// With their subjects.
    pub alerts: Vec<(SubjectKey, Alert)>,
    /// Items that this version cannot read.
    pub unreadable: u64,
    /// The id below which the next page begins. `None`: no more follow.
    pub next: Option<String>,
}
