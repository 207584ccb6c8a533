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
