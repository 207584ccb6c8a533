//! S3 objects to which an event source may write discarded records.

/// Maximum size of an object that is read: an event of 6 MB as an escaped string.
pub const OBJECT_BYTES: usize = 16 * 1024 * 1024;

/// The result of reading a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// The object's bytes.
    Found(Vec<u8>),
    /// The object or its bucket does not exist.
    Gone,
    /// The object is larger than [`OBJECT_BYTES`].
    TooLarge,
    /// This deployment reads no objects.
    NotRead,
}
