//! A service's message, bounded for a log line. Such messages may repeat the whole rejected request
//! with every key in it; one had 157 KB. All messages are shortened here.

use std::fmt;

/// The number of bytes that are kept of a message.
const SAID_BYTES: usize = 300;

/// Shows the beginning of a message on one line. Words that contain `#` are replaced, because keys
/// of subjects, tenants and letters contain it.
pub(super) struct Said<'a>(pub(super) &'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kept = String::with_capacity(SAID_BYTES);
        for word in self.0.split(|one: char| one.is_whitespace() || one.is_control()) {
            let word = if word.contains('#') { "…" } else { word };
            if word.is_empty() {
                continue;
            }
            let room = SAID_BYTES.saturating_sub(kept.len());
            if word.len() >= room {
                let snapshot = word.get(..word.floor_char_boundary(room)).unwrap_or_default();
                let all = self.0.len();
                return write!(formatter, "{kept}{snapshot}… (cut, bytes={all})");
            }
            kept.push_str(word);
            kept.push(' ');
        }
        formatter.write_str(kept.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_unchanged() {
        let text =
            "User: arn:aws:sts::1:assumed-role/r is not authorized to perform: sqs:SendMessage";
        assert_eq!(Said(text).to_string(), text);
        assert_eq!(Said("").to_string(), "");
    }

    #[test]
    fn keys_are_replaced_and_a_long_text_is_cut_and_shows_its_length() {
        let keys =
            "1 validation error: Value '[{pk=T#demo#device/d-1}, {pk=T#demo#device/d-2}]' at";
        assert_eq!(Said(keys).to_string(), "1 validation error: Value … … at");
        let long = Said(&"é".repeat(100_000)).to_string();
        assert!(long.ends_with("… (cut, bytes=200000)"), "{long}");
        assert!(long.len() < SAID_BYTES + 40);
    }

    proptest! {
        #[test]
        fn every_message_becomes_one_bounded_line(text in "(.|\n|#){0,700}") {
            let said = Said(&text).to_string();
            prop_assert!(said.len() < SAID_BYTES + 40);
            prop_assert!(!said.contains('#') && !said.chars().any(char::is_control));
        }
    }
}
