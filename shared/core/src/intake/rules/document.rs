//! The document of a tenant's alert rules: its vocabulary, without the meaning of the words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::severity::Severity;
use crate::intake::document::{self, CompiledSchema, DocumentKind};
use crate::intake::fault::Fault;

static SHAPE: CompiledSchema = CompiledSchema::new(|| document::compiled(DocumentKind::Rules));

/// The rules of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesDocument {
    /// The tenant.
    pub tenant: String,
    /// The rules.
    pub rules: Vec<RuleDocument>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// The name: `[a-z0-9_-]{1,64}`.
    pub id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The contract whose events are read.
    pub contract: String,
    /// The measure, or `status`, of conditions that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The text, as a path into the payload, of conditions that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The unit of the numbers of conditions that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The condition. A rule has this or `absent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<ConditionDocument>,
    /// How long the condition holds before an episode opens.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<LastingDocument>,
    /// What closes an episode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<ClearDocument>,
    /// A subject from which nothing comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<AbsentDocument>,
    /// Whether only a person closes the alert.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latch: bool,
    /// The severity, or several with conditions.
    #[serde(default)]
    pub severity: SeverityDocument,
    /// For routing and people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// One line about an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// When a target is told.
    #[serde(default)]
    pub notify: Notify,
    /// The targets that are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}

/// When a target is told of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// At once. A late event may take it back.
    #[default]
    Eager,
    /// When the opening is settled.
    Settled,
}

/// A condition: one comparison, or several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConditionDocument {
    /// The measure, or `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// A path into the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The unit of the numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Greater than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Less than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// Greater than or equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Less than or equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// One of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<TextsDocument>,
    /// None of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_not: Option<TextsDocument>,
    /// Another value than before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changes: bool,
    /// All of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<ConditionDocument>>,
    /// At least one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<ConditionDocument>>,
}

/// One text or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TextsDocument {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// For how long: one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastingDocument {
    /// Events in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u32>,
    /// Seconds of event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// What closes an episode: a condition, or the time without the condition of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClearDocument {
    /// Nothing but `for`: the condition of the rule no longer holds.
    #[serde(flatten)]
    pub condition: ConditionDocument,
    /// How long the condition holds.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<LastingDocument>,
    /// Seconds without the condition of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u32>,
}

/// The silence that is an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentDocument {
    /// The longest gap that is none.
    pub seconds: u32,
}

/// The severity of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SeverityDocument {
    /// Always this one.
    One(Severity),
    /// The highest of these whose condition holds.
    Several(Vec<SeverityStep>),
}

/// A severity with its condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeverityStep {
    /// The severity.
    pub severity: Severity,
    /// The condition; `None`: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<ConditionDocument>,
}

impl Default for SeverityDocument {
    fn default() -> Self {
        Self::One(Severity::default())
    }
}

impl RulesDocument {
    /// Reads a document and checks its shape.
    ///
    /// # Errors
    /// Every fault of the shape.
    pub(super) fn read(document: &serde_json::Value) -> Result<Self, Vec<Fault>> {
        document::read(document, &SHAPE)
    }
}
