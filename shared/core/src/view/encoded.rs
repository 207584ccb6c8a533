//! Sizes in the stored encoding (postcard), for the maximum sizes of the units.

/// Maximum size of a 64-bit integer.
pub(super) const VARINT: usize = 10;

/// Maximum size of a text of this many bytes, including its length prefix.
pub(super) const fn text(bytes: usize) -> usize {
    const LENGTH: usize = 3;
    LENGTH + bytes
}
