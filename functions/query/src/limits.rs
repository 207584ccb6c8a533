//! All limits of a response.

/// How long a request may start new calls. The last call may take its own timeout; both together
/// stay below API Gateway's timeout of 30 s.
pub const REQUEST_SECONDS: i64 = 15;
/// Bytes of events in one response, before the last event. Lambda's limit is 6 MB.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Maximum number of events in one response.
pub const EVENTS: usize = 1_000;
/// Default number of events in one response.
pub const EVENTS_BY_DEFAULT: usize = 100;
/// Maximum number of subjects in one response.
pub const SUBJECTS: usize = 200;
/// Default number of subjects in one response.
pub const SUBJECTS_BY_DEFAULT: usize = 50;
/// Maximum bytes, as stored, that a response about several subjects reads of histories and views.
/// Reads of the listing index are extra.
pub const READ_BYTES: usize = 4 * 1024 * 1024;
/// After this many bytes no further read starts. The reads in progress fit into the rest: eight
/// subjects with the largest heads (90 KB) and some pages each, sixteen with heads only, or one
/// that is read further.
pub const BEGUN_BYTES: usize = 2 * 1024 * 1024;
/// Subjects whose newest events are merged if the request names no subject.
pub const NEWEST_SUBJECTS: usize = 100;
/// Events per subject: of the first read, and of each further read.
pub const NEWEST_EVENTS: [usize; 2] = [8, 64];
/// Maximum number of further reads, of all subjects together.
pub const NEWEST_ROUNDS: usize = 200;
/// Bytes per subject: of the first read, and of each further read.
pub const NEWEST_BYTES: [usize; 2] = [16 * 1024, 256 * 1024];
/// Number of concurrent first reads.
pub const NEWEST_TOGETHER: usize = 8;
/// Number of subjects that are read concurrently.
pub const TOGETHER: usize = 16;
/// Maximum number of events that one response about a measure reads.
pub const READINGS: usize = 10_000;
/// Maximum bytes of events per read for a measure.
pub const READING_BYTES: usize = 8 * 1024 * 1024;
/// Maximum number of events of a window that is alone in its response. A window is never split.
pub const READINGS_OF_A_WINDOW: usize = 100_000;
/// Maximum bytes that are read for such a window, before the last read.
pub const BYTES_OF_A_WINDOW: usize = 32 * 1024 * 1024;
/// The widest window in seconds: a day.
pub const WINDOW_SECONDS: i64 = 24 * 60 * 60;
/// Default number of subjects on the dashboard.
pub const DASHBOARD_SUBJECTS: usize = 20;
/// How long a health report is cached.
pub const HEALTH_SECONDS: i64 = 5;
/// Timeout of one health probe, in seconds.
pub const PROBE_SECONDS: u64 = 2;
/// How long counts from CloudWatch are cached.
pub const COUNTS_SECONDS: i64 = 30;
/// Maximum number of results of checked records in one response.
pub const CHECKED: usize = 5_000;
/// Maximum number of alerts in one response.
pub const ALERTS: usize = 200;
/// Default number of alerts in one response.
pub const ALERTS_BY_DEFAULT: usize = 50;
/// Maximum number of reads of the alerts' indexes for one response.
pub const ALERT_READS: usize = 10;
/// Maximum number of versions of a tenant's rules that one response reads, the newest first.
pub const RULE_VERSIONS: usize = 100;
/// Number of versions that are read concurrently. A version has at most 256 KB.
pub const RULE_VERSIONS_TOGETHER: usize = 8;
