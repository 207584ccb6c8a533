//! What is sent to a target.

use serde_json::Value;

use crate::base::id::TenantId;
use crate::base::time::Timestamp;
use crate::event::digest;
use crate::outputs::alerts::{AlertId, News};

/// What is sent to a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The same in each try, so that a receiver notices repetitions.
    pub id: String,
    /// What happened.
    pub news: News,
    /// Whose alert it is.
    pub tenant: TenantId,
    /// The alert as the API shows it; a simulated one has `"test": true`.
    pub alert: Value,
    /// The time of this try.
    pub at: Timestamp,
}

impl Notification {
    /// The id of what happened to an alert, for one target.
    pub fn id(
        tenant: &TenantId,
        alert: &AlertId,
        (news, number): (News, u32),
        target: &str,
    ) -> String {
        let number = number.to_string();
        let parts = [tenant.as_str(), alert.as_str(), news.as_str(), &number, target];
        let digest = digest(&parts.map(str::as_bytes));
        format!("msg_{}", digest.get(..32).unwrap_or(&digest))
    }

    /// A text of the alert, by its JSON pointer; empty if there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.alert.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the alert is a test.
    pub fn is_test(&self) -> bool {
        self.alert.get("test") == Some(&Value::Bool(true))
    }
}
