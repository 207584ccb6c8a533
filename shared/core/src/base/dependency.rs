//! The parts of a deployment that can fail on their own, as the log names them.

use std::fmt;

/// A part of the deployment that this program calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// The table of heads and pages, shared or of one tenant.
    LedgerTable,
    /// The documents: contracts, tenants, topics, keys.
    Registry,
    /// The log between ingest and the processor.
    EventLog,
    /// The queue of dead letters.
    DeadLetterQueue,
    /// The queue of records that wait.
    BufferQueue,
    /// The queue of notifications.
    NotificationsQueue,
    /// The table of filed letters and runs.
    LettersTable,
    /// The table of timers and alerts.
    OutputsTable,
    /// The table of idempotency keys.
    RequestsTable,
    /// The store of objects that the event source leaves.
    ObjectStore,
    /// The store of credentials.
    SecretStore,
    /// The store of counts.
    MetricStore,
}

impl Dependency {
    /// The word for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LedgerTable => "ledger_table",
            Self::Registry => "registry",
            Self::EventLog => "event_log",
            Self::DeadLetterQueue => "dead_letter_queue",
            Self::BufferQueue => "buffer_queue",
            Self::NotificationsQueue => "notifications_queue",
            Self::LettersTable => "letters_table",
            Self::OutputsTable => "outputs_table",
            Self::RequestsTable => "requests_table",
            Self::ObjectStore => "object_store",
            Self::SecretStore => "secret_store",
            Self::MetricStore => "metric_store",
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
