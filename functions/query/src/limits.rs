//! Every bound of an answer, in one place.

/// How long a request may go on asking. A call that is on its way then may take the seconds that
/// one call may take; together they stay below the 30 s that API Gateway waits.
pub const REQUEST_SECONDS: i64 = 15;
/// Bytes of events in one answer, before the last one: Lambda answers with 6 MB at most.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Events of one answer.
pub const EVENTS: usize = 1_000;
/// Events of an answer that does not say how many it wants.
pub const EVENTS_BY_DEFAULT: usize = 100;
/// Subjects of one list.
pub const SUBJECTS: usize = 200;
/// Subjects of a list that does not say how many it wants.
pub const SUBJECTS_BY_DEFAULT: usize = 50;
/// What an answer about several subjects reads of their histories and views at most, in bytes as stored.
/// Where to find the subjects it reads besides, in the listing index.
pub const READ_BYTES: usize = 4 * 1024 * 1024;
/// After so many of them nothing further is begun. What is under way then stays below the rest: eight
/// subjects with the largest heads (90 KB) and some pages each, sixteen with their heads alone, or one
/// that is read further.
pub const BEGUN_BYTES: usize = 2 * 1024 * 1024;
/// Subjects whose newest events are merged where no subject is named.
pub const NEWEST_SUBJECTS: usize = 100;
/// Events of each of them that are read at first, and then each time that it needs more.
pub const NEWEST_EVENTS: [usize; 2] = [8, 64];
/// How often any of them may need more.
pub const NEWEST_ROUNDS: usize = 200;
/// Bytes that are looked at of one of them, likewise.
pub const NEWEST_BYTES: [usize; 2] = [16 * 1024, 256 * 1024];
/// How many of them are read together at first.
pub const NEWEST_TOGETHER: usize = 8;
/// Subjects that are read together.
pub const TOGETHER: usize = 16;
/// Events that one answer about a measure reads.
pub const READINGS: usize = 10_000;
/// Bytes of events that are looked at for it at a time.
pub const READING_BYTES: usize = 8 * 1024 * 1024;
/// Events of a single window, where it is the only one of its answer: a window is never cut in two.
pub const READINGS_OF_A_WINDOW: usize = 100_000;
/// Bytes that are read for it at most, before the last part.
pub const BYTES_OF_A_WINDOW: usize = 32 * 1024 * 1024;
/// The widest window, in seconds: a day.
pub const WINDOW_SECONDS: i64 = 24 * 60 * 60;
/// Subjects on the dashboard.
pub const DASHBOARD_SUBJECTS: usize = 20;
/// How long a report on health is believed.
pub const HEALTH_SECONDS: i64 = 5;
/// How long one part of the system may take for a sign of life, in seconds.
pub const PROBE_SECONDS: u64 = 2;
/// How long counts from CloudWatch are believed.
pub const COUNTS_SECONDS: i64 = 30;
