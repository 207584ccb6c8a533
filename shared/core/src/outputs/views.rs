//! The feed `views`: the newest view of each subject. Its topic is compacted and keeps the last record of a
//! key, not the newest. So the state is sent as it is read now, once for all commits of a subject that come
//! together, and only by who delivers its commits in order.
//!
//! While views are out of date nothing is sent: the commit that brings them up to date comes later.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::id::SubjectKey;
use crate::intake::tenant::{Feed, Feeds};
use crate::ledger::Head;
use crate::ledger::read::Snapshot;
use crate::outputs::changes::{Changes, CommitId};
use crate::outputs::record::{FeedRecord, Origin};
use crate::view::{Specs, View};

/// Whether the state of a subject is to be read and sent after commits that came together. `last`: what the
/// last of them changed.
pub fn is_due(feeds: &Feeds, last: &Changes) -> bool {
    feeds.has(Feed::Views) && !last.is_stale()
}

/// The record of a subject's state as it was read now. `None`: views are out of date by now.
pub fn record(subject: &SubjectKey, head: Head, specs: &Specs) -> Option<FeedRecord> {
    if head.stale.is_some() {
        return None;
    }
    let commit = CommitId { era: head.era, version: head.version };
    let origin = Origin::at(subject, commit, head.epoch);
    if head.is_forgotten() {
        return Some(origin.view(None));
    }
    let snapshot = Snapshot { head, pages: Vec::new() };
    let body = body(subject, &snapshot.head, &snapshot.live(specs));
    Some(origin.view(Some(Arc::from(body.to_string()))))
}

/// The view as the query API has it.
fn body(subject: &SubjectKey, head: &Head, view: &View) -> Value {
    let mut shown = view.to_json();
    let own = json!({
        "kind": subject.subject().kind().as_str(),
        "id": subject.subject().id(),
        "version": head.version,
        "epoch": head.epoch,
        "settled_until": head.released,
        "stale": false,
    });
    if let (Value::Object(shown), Value::Object(own)) = (&mut shown, own) {
        shown.extend(own);
    }
    shown
}

#[cfg(test)]
mod tests;
