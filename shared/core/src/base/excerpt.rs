//! What a message shows of an id or a time: at most 40 characters, and none that breaks a line. Payloads
//! are shown nowhere.

use std::fmt;

/// The most characters of a text that are shown.
const SHOWN: usize = 40;

/// A text as a message shows it, in quotation marks; what is cut off leaves an ellipsis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            None => write!(formatter, "{:?}", self.0),
            Some((end, _)) => {
                let shown = format!("{:?}", self.0.get(..end).unwrap_or_default());
                write!(formatter, "{}…\"", shown.strip_suffix('"').unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_and_no_character_breaks_the_line() {
        assert_eq!(Excerpt("a\nb").to_string(), r#""a\nb""#);
        assert_eq!(Excerpt(&"é".repeat(41)).to_string(), format!("\"{}…\"", "é".repeat(40)));
        assert_eq!(Excerpt(&"\"".repeat(41)).to_string(), format!("\"{}…\"", "\\\"".repeat(40)));
    }
}
