//! The stored records of deliveries: what the targets of a tenant were told of an alert, and which targets are switched
//! off. The records of an alert are one item, with a text for each target.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::simulated::Simulated;
use super::stored;
use super::told::Told;
use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::outputs::alerts::AlertId;

/// Whose records an item holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveriesOf {
    /// What targets were told of an alert.
    Alert(AlertId),
    /// Which targets are switched off.
    Switches,
    /// The digests of a target.
    Digests(String),
}

/// The records of one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// The simulated alert that the item is about.
    pub simulated: Option<String>,
    /// The records by the names of targets.
    pub by_target: BTreeMap<String, String>,
}

/// A change of the record of one target.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryChange<'a> {
    /// The name of the target.
    pub target: &'a str,
    /// The stored record; `None`: there is none.
    pub expected: Option<&'a str>,
    /// The new one.
    pub new: &'a str,
    /// When the item expires, in seconds since 1970.
    pub expires_at: i64,
}

/// A target is switched off, until its document is another one or a test arrives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedOff {
    /// Since when; `None`: it is on again.
    pub since: Option<Timestamp>,
    /// What the target answered.
    pub reason: String,
    /// A digest of its document.
    pub document: String,
}

impl DeliveriesOf {
    /// The end of the key of the item, which is unique in the tenant.
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Self::Alert(id) => id.as_str().into(),
            Self::Switches => "switches".into(),
            Self::Digests(target) => ["digests#", target].concat().into(),
        }
    }
}

impl Deliveries {
    /// What a target was told.
    ///
    /// # Errors
    /// The record is damaged.
    pub fn told(&self, target: &str) -> Result<Told, Unavailable> {
        self.by_target.get(target).map_or_else(|| Ok(Told::default()), |stored| Told::read(stored))
    }

    /// Whether another target than this one may believe that the alert fires.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn is_known_to_others(&self, target: &str) -> Result<bool, Unavailable> {
        for other in self.by_target.keys().filter(|other| *other != target) {
            if self.told(other)?.may_know {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The simulated alert.
    ///
    /// # Errors
    /// It is damaged.
    pub fn simulated(&self) -> Result<Option<Simulated>, Unavailable> {
        self.simulated.as_deref().map(Simulated::read).transpose()
    }

    /// The records for people and programs.
    ///
    /// # Errors
    /// A record is damaged.
    pub fn to_json(&self) -> Result<Value, Unavailable> {
        let mut lines = Vec::new();
        for target in self.by_target.keys() {
            lines.extend(self.told(target)?.to_json(target));
        }
        Ok(lines.into())
    }
}

impl SwitchedOff {
    /// Reads a stored record.
    ///
    /// # Errors
    /// It is damaged.
    pub fn read(text: &str) -> Result<Self, Unavailable> {
        stored::read(text, "switch of a target")
    }

    /// The text to store.
    ///
    /// # Errors
    /// A bug: it cannot be written.
    pub fn stored(&self) -> Result<String, Unavailable> {
        stored::written(self)
    }
}
