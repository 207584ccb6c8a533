//! The characters that message texts may contain, and digests in hex.

use md5::{Digest as _, Md5};

use super::rejection::Rejection;

/// The text, if SQS allows all of its characters. UTF-8 excludes surrogates, so only control
/// characters, U+FFFE and U+FFFF are left to check.
pub(super) fn sound(text: String) -> Result<String, Rejection> {
    let taken =
        |char: char| matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..);
    if text.chars().all(taken) { Ok(text) } else { Err(Rejection::InvalidMessageContents) }
}

pub(super) fn hex(digest: Md5) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_outside_xml_are_rejected() {
        for text in ["\u{0}", "a\u{1f}", "\u{FFFE}", "\u{FFFF}"] {
            assert_eq!(sound(text.to_owned()), Err(Rejection::InvalidMessageContents));
        }
        assert!(sound("tab\t line\r\n é \u{D7FF} \u{E000} \u{FFFD} 🚚".to_owned()).is_ok());
    }
}
