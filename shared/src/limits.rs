//! Every bound of the crate, in one place (promise 10: whatever arrives, these hold).

/// The largest record that is taken, in bytes of its value.
pub const RECORD_BYTES: usize = 64 * 1024;
/// The largest view, in bytes as stored before compression.
pub const VIEW_BYTES: usize = 16 * 1024;
/// The largest payload that `latest` keeps; of a larger one it keeps the position only.
pub const LATEST_PAYLOAD_BYTES: usize = 1024;
/// Payload bytes that `latest` keeps in any case. Above that, payloads give way where the view would
/// pass [`VIEW_BYTES`].
pub const LATEST_FREE_BYTES: usize = 2 * 1024;
/// Event types of which a view keeps the latest.
pub const LATEST_TYPES: usize = 10;
/// Measures of one view.
pub const MEASURES: usize = 10;
/// The longest name of a measure, in bytes.
pub const MEASURE_NAME_BYTES: usize = 64;
/// The longest unit of a measure, in bytes.
pub const UNIT_BYTES: usize = 32;
/// Status values whose time one view sums up.
pub const STATUSES: usize = 10;
/// The longest status value, in bytes.
pub const STATUS_BYTES: usize = 64;
/// Lessons of one learner that may be open at once.
pub const OPEN_LESSONS: usize = 10;
/// Finished lessons of one learner that a view keeps; the oldest go into a count.
pub const FINISHED_LESSONS: usize = 30;
/// The longest id of a course or a lesson, in bytes.
pub const LESSON_ID_BYTES: usize = 128;
/// All lessons of a view together, in bytes. Forty with UUIDs for ids stay well below.
pub const LESSONS_BYTES: usize = 7 * 1024;
/// The largest envelope of an event that ingest writes: a payload of [`RECORD_BYTES`] and the
/// fields around it.
pub const ENVELOPE_BYTES: usize = RECORD_BYTES + 4096;
/// The longest JSON Pointer that a rejection carries, in bytes: its names are the sender's.
pub const REJECTION_PATH_BYTES: usize = 256;
/// The largest document of the registry, in bytes.
pub const DOCUMENT_BYTES: usize = 256 * 1024;
/// Variants of one contract.
pub const VARIANTS: usize = 4;
/// Places that one source may look at, in turn.
pub const ALTERNATIVES: usize = 4;
/// API keys of one tenant.
pub const KEYS: usize = 20;
/// Entries of each kind (tenants, contracts, topics, keys) that a warm registry holds.
pub const REGISTRY_ENTRIES: usize = 1024;
