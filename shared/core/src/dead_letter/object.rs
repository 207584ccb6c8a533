//! Objects in S3, where an event source may put the records that it gave up.

/// The largest object that is read: an event of 6 MB as an escaped text.
pub const OBJECT_BYTES: usize = 16 * 1024 * 1024;

/// What was found under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// Its bytes.
    Found(Vec<u8>),
    /// Nothing, not even its bucket.
    Gone,
    /// More than [`OBJECT_BYTES`].
    TooLarge,
    /// This deployment reads no objects.
    NotRead,
}
