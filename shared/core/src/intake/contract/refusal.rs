//! The texts of refusals that need more than one line: an event type that is none, and a time of receipt that
//! does not stand in for the time of observation.

use crate::event;
use crate::intake::record::Source;

/// The message about a text that is no event type.
pub(super) fn no_type(text: &str) -> String {
    let limit = event::TYPE_LIMIT;
    let control = text.chars().enumerate().find(|(_, one)| one.is_control());
    match control {
        Some((index, one)) if text.len() <= limit => format!(
            "the event type: wanted no control character, came U+{:04X} at character {index}",
            u32::from(one)
        ),
        Some(_) | None => {
            format!("the event type: wanted 1 to {limit} bytes, came {} bytes", text.len())
        }
    }
}

/// Why the time of receipt does not stand in for the time of observation.
pub(super) fn no_receipt(source: &Source) -> String {
    match source {
        Source::Kafka { timestamp: None | Some(-1), .. } => {
            "; the time of receipt does not stand in, because the Kafka record has no timestamp"
                .to_owned()
        }
        Source::Kafka { timestamp: Some(timestamp), .. } => format!(
            "; the time of receipt does not stand in, because the record cannot have come at its Kafka timestamp: timestamp=`{timestamp}`"
        ),
        Source::Http { .. } => "; the time of receipt is unknown".to_owned(),
    }
}
