//! Numbers the parts of a record whose lines are read like records. Line `n` (from 0) as a whole is part
//! `1000 n`; the elements that a transform makes of the line are the parts from `1000 n + 1` on.

/// The number of parts of a line: the line as a whole, and its elements.
pub(crate) const PARTS_PER_LINE: u32 = 1_000;

/// The part of an element of a line. `line` is the part of the whole line; elements count from 0.
pub(crate) const fn part_of_line(line: u32, element: u32) -> u32 {
    line.saturating_add(element).saturating_add(1)
}

/// The part of the whole line to which a part belongs.
pub(crate) const fn line_of_part(part: u32) -> u32 {
    part - part % PARTS_PER_LINE
}

/// The number of the element in its line, from 0; `None`: the part is the whole line.
pub(crate) const fn element_of_part(part: u32) -> Option<u32> {
    (part % PARTS_PER_LINE).checked_sub(1)
}
