//! Records that were not applied, as the two queues and the table of letters have them.
//!
//! - [`envelope`]: a record as a message of a queue; [`message`], [`text`]: what a queue takes
//! - [`sending`]: how messages get into a queue that refuses what they say
//! - [`letter`]: a dead letter that was filed, and whose it is
//! - [`origin`]: where a letter came from; [`on_failure`]: Lambda's own messages about records that it
//!   gave up; [`object`]: objects of S3 that such a message may name; [`reread`]: records that a stream
//!   gives again
//! - [`opened`]: a letter as what a pipeline takes

pub mod envelope;
pub mod letter;
pub mod message;
pub mod object;
pub mod on_failure;
pub mod opened;
pub mod origin;
pub mod reread;
pub mod sending;
pub mod text;
