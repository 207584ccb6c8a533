//! The place of a fault in a program.

use jaq_core::load::span;

/// The line and column of a part of the program, as the end of a message.
pub(in crate::intake::transform) fn place(code: &str, part: &str) -> String {
    let before = code.get(..span(code, part).start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(": line=`{line}` column=`{column}`")
}

/// The message about a name that is not allowed.
pub(super) fn refused(code: &str, name: &str) -> String {
    format!("`{name}` may not be used in a transform{}", place(code, name))
}
