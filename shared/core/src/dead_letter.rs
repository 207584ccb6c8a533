//! Records that were not applied, as messages of the two queues and as stored letters.
//!
//! - [`envelope`]: a record as a queue message; [`message`], [`text`]: the rules of queues
//! - [`sending`]: sends messages to a queue that may reject their text
//! - [`letter`]: a stored dead letter and its owner
//! - [`origin`]: where a letter came from; [`on_failure`]: Lambda's messages about discarded
//!   records; [`object`]: S3 objects that such a message may name; [`reread`]: records read from
//!   the event log again
//! - [`unsent`]: what could not be sent to a feed
//! - [`failed_notification`]: notifications that a target did not take
//! - [`opened`]: a letter as input of the pipeline

pub mod envelope;
pub mod failed_notification;
pub mod letter;
pub mod message;
pub mod object;
pub mod on_failure;
pub mod opened;
pub mod origin;
pub mod reread;
pub mod sending;
pub mod text;
pub mod unsent;
