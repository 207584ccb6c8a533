//! Every bound of a request and an answer, in one place.

use drover_core::dead_letter::letter::LISTED;

/// How long a run of a request may begin something. What is on its way then ends before the 30 s that
/// API Gateway waits, unless it reads a stream or an object again: those have seconds of their own, and
/// a sender who is not answered finds the run in the list. The run itself waits to be resumed.
pub const RUN_SECONDS: i64 = 25;
/// The largest body of a request, in bytes.
pub const BODY_BYTES: usize = 64 * 1024;
/// Letters of one page of a list.
pub const LETTERS: usize = LISTED;
/// Letters of a page that does not say how many it wants.
pub const LETTERS_BY_DEFAULT: usize = 50;
/// Bytes of letters in one answer, before the last one: Lambda answers with 6 MB at most.
pub const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a payload that an answer shows, with its key and headers. Base64 adds a third.
pub const PAYLOAD_BYTES: usize = 3 * 1024 * 1024;
/// Runs of one list.
pub const RUNS: usize = 20;
/// What whoever commands may call himself, in bytes.
pub const NAME_BYTES: usize = 128;
/// The age, in seconds since its message was sent, from which a buffered record that cannot be applied
/// becomes a letter: nine days. SQS keeps a message for 14, and moves it to the queue's failed queue
/// after 1,000 receives, which are at least 10.4 days with the visibility timeout of `infra/state.yaml`.
pub const BUFFERED_SECONDS: i64 = 9 * 24 * 60 * 60;
