//! All limits of requests and responses.

use drover_core::dead_letter::letter::LISTED;

/// How long the run or the resend of a request may start new work. Work in progress then ends before API
/// Gateway's timeout of 30 s, unless it rereads Kafka or an object, which have timeouts of their
/// own. A client whose request times out finds the run in the list and can resume it.
pub const RUN_SECONDS: i64 = 25;
/// Maximum size of a request body, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;
/// Maximum size of the body of a resend, in bytes: a subject and a cursor, also where JSON escapes each
/// character.
pub const RESEND_BODY_BYTES: usize = 16 * 1024;
/// Maximum size of the body of an act on an alert, in bytes: a note, also where JSON escapes each character.
pub const ACT_BODY_BYTES: usize = 16 * 1024;
/// Maximum length of a note, in bytes.
pub const NOTE_BYTES: usize = 1_000;
/// How far ahead the pause of an alert may end, in days.
pub const SNOOZE_DAYS: i64 = 31;
/// Maximum number of letters per page.
pub const LETTERS: usize = LISTED;
/// Default number of letters per page.
pub const LETTERS_BY_DEFAULT: usize = 50;
/// Bytes of letters in one response, before the last letter. Lambda's limit is 6 MB.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Maximum bytes of payload, key and headers in a response. Base64 adds a third.
pub const PAYLOAD_BYTES: usize = 3 * 1024 * 1024;
/// Number of runs per list.
pub const RUNS: usize = 20;
/// Maximum length of an operator's name, in bytes.
pub const NAME_BYTES: usize = 128;
/// The age in seconds, since its message was sent, at which a buffered record that cannot be
/// applied becomes a letter: nine days. SQS keeps a message for 14 days and moves it to the failed
/// queue after 1,000 receives, which take at least 10.4 days with the visibility timeout of
/// `infra/state.yaml`.
pub const BUFFERED_SECONDS: i64 = 9 * 24 * 60 * 60;
