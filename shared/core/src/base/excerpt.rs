//! Excerpts of ids and times for messages: at most 40 characters, without line breaks. Messages never contain
//! payloads.

use std::fmt;

/// Maximum number of characters in an excerpt.
const SHOWN: usize = 40;

/// An excerpt of a text in quotation marks. An ellipsis marks omitted characters.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a>(pub &'a str);

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
