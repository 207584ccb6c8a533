//! Sizes in the encoding that is stored (postcard), from which the limits of the units follow.

/// The most that an integer of 64 bits takes.
pub(super) const VARINT: usize = 10;

/// The most that a text of so many bytes takes with its length in front.
pub(super) const fn text(bytes: usize) -> usize {
    const LENGTH: usize = 3;
    LENGTH + bytes
}
