//! Sizes in the encoding that is stored (postcard), from which the limits of the units follow.

use postcard::ser_flavors::Size;

use super::View;

/// The most that an integer of 64 bits takes.
pub(super) const VARINT: usize = 10;

/// The most that a text of so many bytes takes with its length in front.
pub(super) const fn text(bytes: usize) -> usize {
    const LENGTH: usize = 3;
    LENGTH + bytes
}

/// What a view takes.
pub(super) fn encoded_size(view: &View) -> usize {
    // Counting cannot run out of space; if it failed all the same, payloads would go.
    postcard::serialize_with_flavor(view, Size::default()).unwrap_or(usize::MAX)
}
