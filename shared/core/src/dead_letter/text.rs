//! Texts that queues accept. SQS rejects a message with a character outside XML's alphabet
//! (`InvalidMessageContents`), and header names may contain any character. JSON can escape every
//! character, so a message escapes those that SQS rejects and reads back unchanged.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>

use std::sync::Arc;

use serde::Serialize;

use crate::intake::record::Source;

/// Maximum length of a text in an envelope or letter, in bytes. Texts are for people and filters;
/// the record itself is in the content, which is never truncated.
pub(crate) const TEXT_BYTES: usize = 1_024;

/// Whether SQS accepts a message with this character.
pub(crate) const fn is_sendable(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The JSON of a value as a message body that every queue accepts.
///
/// # Errors
/// The value cannot be encoded as JSON.
pub fn message_body(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(sendable)
}

/// JSON as a message body that every queue accepts. The characters that are escaped change no value.
pub fn sendable(json: String) -> String {
    if json.chars().all(is_sendable) {
        return json;
    }
    // Such characters occur only inside JSON strings, and the writer has escaped control
    // characters. The others are below U+10000 and have a four-digit escape.
    let mut body = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_sendable(character) {
            body.push(character);
        } else {
            body.push_str(&format!("\\u{:04x}", u32::from(character)));
        }
    }
    body
}

/// Truncates a text to the limit of an envelope.
pub(crate) fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES)).unwrap_or(text)
}

/// Bounds the texts of a source. Kafka's topic names have at most a quarter of the limit.
pub(crate) fn bounded_source(source: &Source) -> Source {
    let snapshot = |text: &Arc<str>| match bounded(text) {
        whole if whole.len() == text.len() => Arc::clone(text),
        snapshot => Arc::from(snapshot),
    };
    match source {
        Source::Kafka { topic, partition, offset, timestamp, element } => Source::Kafka {
            topic: snapshot(topic),
            partition: *partition,
            offset: *offset,
            timestamp: *timestamp,
            element: *element,
        },
        Source::Http { request_id, index, element } => {
            Source::Http { request_id: snapshot(request_id), index: *index, element: *element }
        }
    }
}

/// The text in printable ASCII. Every other byte, and `%` itself, becomes `%` and two hex digits.
pub(super) fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => plain.push(char::from(byte)),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All characters.
    fn characters() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    #[test]
    fn every_character_is_sent_and_read_back_unchanged() {
        let mut count = 0;
        let all: Vec<char> = characters().collect();
        // In chunks of a thousand, which cover all characters in a second.
        for characters in all.chunks(1_000) {
            let text: String = characters.iter().collect();
            let body = message_body(&text).expect("JSON");
            assert!(body.chars().all(is_sendable), "{:x?}", characters[0]);
            assert_eq!(serde_json::from_str::<String>(&body).expect("JSON"), text);
            count += characters.len();
        }
        assert_eq!(count, 1_112_064);
    }

    #[test]
    fn sendable_characters_are_those_that_aws_documents() {
        let refused: Vec<char> = characters().filter(|one| !is_sendable(*one)).collect();
        let controls = ('\0'..'\u{20}').filter(|one| !"\t\n\r".contains(*one));
        let expected: Vec<char> = controls.chain(['\u{FFFE}', '\u{FFFF}']).collect();
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_sendable_text_is_plain_json() {
        let text = "é \u{10FFFF} \"quoted\"\n";
        assert_eq!(message_body(&text).expect("JSON"), serde_json::to_string(text).expect("JSON"));
    }

    #[test]
    fn printable_text_is_percent_encoded() {
        assert_eq!(printable("a b~"), "a b~");
        assert_eq!(printable("\u{FFFF}%\n"), "%EF%BF%BF%25%0A");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(bounded("short"), "short");
        assert_eq!(bounded(&"é".repeat(TEXT_BYTES)).len(), TEXT_BYTES);
        assert_eq!(bounded(&format!("a{}", "é".repeat(TEXT_BYTES))).len(), TEXT_BYTES - 1);
    }
}
