//! Texts as a queue takes them. SQS refuses a message with a character outside XML's alphabet
//! (`InvalidMessageContents`), and a record may name its headers as it likes. JSON has an escape for
//! every character, so a message is written without those that SQS refuses, and reads back the same.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>

use std::sync::Arc;

use serde::Serialize;

use crate::intake::record::Source;

/// The longest text of an envelope and of a letter, in bytes. Texts are for people and filters; what
/// a record holds is in its content, which is never cut.
pub(crate) const TEXT_BYTES: usize = 1_024;

/// Whether SQS takes a message with this character.
pub(crate) const fn is_sendable(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The JSON of a value, as the body of a message: whatever its texts hold, a queue takes it.
///
/// # Errors
/// The value has no form in JSON.
pub fn message_body(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(value)?;
    if json.chars().all(is_sendable) {
        return Ok(json);
    }
    // JSON has such characters inside strings only, and its writer has escaped the control
    // characters: what is left lies below U+10000 and has an escape of four digits.
    let mut body = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_sendable(character) {
            body.push(character);
        } else {
            body.push_str(&format!("\\u{:04x}", u32::from(character)));
        }
    }
    Ok(body)
}

/// As much of a text as an envelope keeps.
pub(crate) fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES)).unwrap_or(text)
}

/// A source as an envelope keeps it. Kafka's own names of topics are a quarter of the bound.
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

/// The text in printable ASCII. Every other byte is written as `%` and two digits, and so is `%`
/// itself.
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

    /// Every character that there is.
    fn characters() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    #[test]
    fn every_character_is_sent_and_read_back_as_it_was() {
        let mut count = 0;
        let all: Vec<char> = characters().collect();
        // Alone, and among others: a thousand at once cover all of them in a second.
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
    fn what_a_queue_takes_is_what_aws_says() {
        let refused: Vec<char> = characters().filter(|one| !is_sendable(*one)).collect();
        let controls = ('\0'..'\u{20}').filter(|one| !"\t\n\r".contains(*one));
        let expected: Vec<char> = controls.chain(['\u{FFFE}', '\u{FFFF}']).collect();
        assert_eq!(refused, expected);
    }

    #[test]
    fn a_text_that_every_queue_takes_is_written_as_it_always_was() {
        let text = "é \u{10FFFF} \"quoted\"\n";
        assert_eq!(message_body(&text).expect("JSON"), serde_json::to_string(text).expect("JSON"));
    }

    #[test]
    fn printable_texts_are_told_apart() {
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
