//! Text for people, shared by several commands.

use std::fmt::Write as _;

/// Formats columns as wide as their widest cell; the last column is not padded.
pub(super) fn table<const COLUMNS: usize>(
    out: &mut String,
    names: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) {
    let names = names.map(str::to_owned);
    let lines = || std::iter::once(&names).chain(rows);
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = lines().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    for line in lines() {
        let mut text = String::from("  ");
        for (cell, width) in line.iter().zip(widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

/// Replaces control characters, so that a producer's text cannot control the reader's terminal.
pub(super) fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
