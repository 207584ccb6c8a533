//! Faults of documents, requests and the event log.

use super::{Call, Faulty};
use crate::base::error::Unavailable;
use crate::base::time::Timestamp;
use crate::intake::document::{DocumentName, StoredDocument};
use crate::intake::event_log::{NotSent, Outgoing};
use crate::intake::request::{Claim, Claimed};
use crate::ports::{Documents, EventLog, Requests};

impl<P: Documents> Documents for Faulty<P> {
    async fn document(&self, name: &DocumentName) -> Result<Option<StoredDocument>, Unavailable> {
        self.call(Call::Document, self.ports.document(name)).await
    }
}

impl<P: Requests> Requests for Faulty<P> {
    async fn claim(&self, claim: &Claim) -> Result<Claimed, Unavailable> {
        self.call(Call::Claim, self.ports.claim(claim)).await
    }
}

impl<P: EventLog> EventLog for Faulty<P> {
    async fn send(&self, events: &[Outgoing], deadline: Timestamp) -> Vec<Result<(), NotSent>> {
        self.each(Call::EventLog, events, |events| self.ports.send(events, deadline)).await
    }
}
