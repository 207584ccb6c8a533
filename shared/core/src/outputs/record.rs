//! A record of a feed, as a CloudEvent 1.0: for Kafka in binary content mode (the value is the data, the
//! attributes are headers), and as structured JSON for queues and buses that have no headers.
//!
//! The source names the subject, and the id names the event for ever: its position, however often it is
//! sent and by whichever commit. So source and id together tell that a record is sent again. Ids of
//! corrections, views and alerts begin with a letter, which no position does. The bytes of a record follow from the
//! commit and the entry alone.
//!
//! Left out: `traceparent`, which entries do not keep. Who sends a record may add its own.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::ser::{Error as _, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::base::id::SubjectKey;
use crate::base::time::Timestamp;
use crate::event::{Arrival, Entry};
use crate::intake::event_log::subject_key;
use crate::intake::tenant::Feed;
use crate::outputs::alerts::AlertId;
use crate::outputs::changes::{Changes, CommitId, Correction};
use crate::outputs::position_text::position_text;

/// The type of a record that tells of a correction.
pub const CORRECTION: &str = "drover.correction";
/// The type of a record with a view.
pub const VIEW: &str = "drover.view";
/// The type of a record with an alert.
pub const ALERT: &str = "drover.alert";
/// The media type of every record.
const JSON: &str = "application/json";
/// What RFC 3986 leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A record of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRecord {
    /// The feed.
    pub feed: Feed,
    /// `tenant/kind/id`, or the id of an alert.
    pub key: String,
    /// The attributes of the CloudEvent in the order of headers, without the prefix `ce_`.
    pub attributes: Vec<(&'static str, String)>,
    /// JSON; `None`: what an earlier record of the key said is gone.
    pub data: Option<Arc<str>>,
}

/// A subject and a commit, of which records tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    key: String,
    source: String,
    commit: CommitId,
    epoch: u64,
}

impl FeedRecord {
    /// The headers of a Kafka record in binary content mode.
    pub fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let attributes = self.attributes.iter();
        let headers =
            attributes.map(|(name, text)| (format!("ce_{name}"), text.clone().into_bytes()));
        let media_type = self.data.is_some().then(|| ("content-type".to_owned(), JSON.into()));
        headers.chain(media_type).collect()
    }

    /// The CloudEvent as JSON.
    ///
    /// # Errors
    /// The data is not JSON, which a payload in a history always is.
    pub fn structured(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Structured(self))
    }

    /// The text of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| text.as_str())
    }
}

impl Origin {
    /// Of what a commit changed.
    pub fn of(subject: &SubjectKey, changes: &Changes) -> Self {
        Self::at(subject, changes.commit, changes.epoch)
    }

    /// Of a commit and its epoch.
    pub fn at(subject: &SubjectKey, commit: CommitId, epoch: u64) -> Self {
        Self { key: subject_key(subject), source: source(subject), commit, epoch }
    }

    /// An event as it was committed.
    pub fn ordered(&self, entry: &Entry) -> FeedRecord {
        let placed = match entry.placing.arrival {
            Arrival::InOrder => "appended",
            Arrival::Late => "inserted",
            Arrival::Correction => "deep",
        };
        let mut record = self.event(Feed::Ordered, entry);
        record.attributes.push(("droverplaced", placed.to_owned()));
        record
    }

    /// An event that is settled.
    pub fn settled(&self, entry: &Entry) -> FeedRecord {
        self.event(Feed::Settled, entry)
    }

    /// What comes before the events that change something that was settled.
    pub fn correction(&self, correction: &Correction) -> FeedRecord {
        let Correction { epoch, from, cause } = correction;
        let from = from.as_ref().map(position_text);
        let data = serde_json::json!({ "epoch": epoch, "from": from, "cause": cause.as_str() });
        let attributes = self.attributes(format!("c{}", self.commit), CORRECTION);
        self.record(Feed::Settled, attributes, Some(data.to_string().into()))
    }

    /// A view as JSON; `None`: the subject was forgotten.
    pub fn view(&self, data: Option<Arc<str>>) -> FeedRecord {
        let CommitId { era, version } = self.commit;
        let mut attributes = self.attributes(format!("v{}", self.commit), VIEW);
        attributes.push(("sequence", format!("{era:020}.{version:020}")));
        self.record(Feed::Views, attributes, data)
    }

    /// An alert as JSON; `None`: the subject was forgotten. Its key is its id.
    pub fn alert(&self, id: &AlertId, data: Option<Arc<str>>) -> FeedRecord {
        let id = id.as_str();
        let CommitId { era, version } = self.commit;
        let mut attributes = self.attributes(format!("a{}/{id}", self.commit), ALERT);
        attributes.push(("sequence", format!("{era:020}.{version:020}")));
        FeedRecord { feed: Feed::Alerts, key: id.to_owned(), attributes, data }
    }

    fn event(&self, feed: Feed, entry: &Entry) -> FeedRecord {
        let position = position_text(&entry.position);
        let time = |time: Timestamp| time.to_string();
        let mut attributes = self.attributes(position.clone(), &entry.event_type);
        attributes.extend([
            ("time", time(entry.position.observed_at)),
            ("recordedtime", time(entry.ingested_at)),
            ("sequence", position),
        ]);
        self.record(feed, attributes, Some(Arc::clone(&entry.payload)))
    }

    fn attributes(&self, id: String, event_type: &str) -> Vec<(&'static str, String)> {
        vec![
            ("specversion", "1.0".to_owned()),
            ("id", id),
            ("source", self.source.clone()),
            ("type", event_type.to_owned()),
            ("drovercommit", self.commit.to_string()),
            ("droverepoch", self.epoch.to_string()),
        ]
    }

    fn record(
        &self,
        feed: Feed,
        attributes: Vec<(&'static str, String)>,
        data: Option<Arc<str>>,
    ) -> FeedRecord {
        FeedRecord { feed, key: self.key.clone(), attributes, data }
    }
}

/// The source of a subject's records: `/drover/<tenant>/<kind>/<id>`, percent-encoded.
fn source(subject: &SubjectKey) -> String {
    let (tenant, kind) = (subject.tenant(), subject.subject().kind());
    let id = utf8_percent_encode(subject.subject().id(), RESERVED);
    format!("/drover/{tenant}/{kind}/{id}")
}

struct Structured<'a>(&'a FeedRecord);

impl Serialize for Structured<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FeedRecord { attributes, data, .. } = self.0;
        let mut object = serializer.serialize_map(Some(attributes.len() + 2))?;
        for (name, text) in attributes {
            object.serialize_entry(name, text)?;
        }
        object.serialize_entry("datacontenttype", JSON)?;
        let data: Option<&RawValue> = data
            .as_ref()
            .map(|data| serde_json::from_str(data))
            .transpose()
            .map_err(S::Error::custom)?;
        object.serialize_entry("data", &data)?;
        object.end()
    }
}

#[cfg(test)]
mod tests;
