//! What a service said, as a line of the log takes it. Messages of services may repeat the request
//! that they refuse, with every key in it: one had 157 KB. Cut here and nowhere else.

use std::fmt;

/// The longest text of a service that is kept, in bytes.
const SAID_BYTES: usize = 300;

/// A text of a service: its beginning, on one line. Words with `#`, of which the keys of subjects,
/// tenants and letters are made, are left out.
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
    fn a_short_text_stays_as_it_is() {
        let text =
            "User: arn:aws:sts::1:assumed-role/r is not authorized to perform: sqs:SendMessage";
        assert_eq!(Said(text).to_string(), text);
        assert_eq!(Said("").to_string(), "");
    }

    #[test]
    fn keys_are_left_out_and_a_long_text_is_cut_with_its_length() {
        let keys =
            "1 validation error: Value '[{pk=T#demo#device/d-1}, {pk=T#demo#device/d-2}]' at";
        assert_eq!(Said(keys).to_string(), "1 validation error: Value … … at");
        let long = Said(&"é".repeat(100_000)).to_string();
        assert!(long.ends_with("… (cut, bytes=200000)"), "{long}");
        assert!(long.len() < SAID_BYTES + 40);
    }

    proptest! {
        #[test]
        fn whatever_is_said_becomes_one_bounded_line(text in "(.|\n|#){0,700}") {
            let said = Said(&text).to_string();
            prop_assert!(said.len() < SAID_BYTES + 40);
            prop_assert!(!said.contains('#') && !said.chars().any(char::is_control));
        }
    }
}
