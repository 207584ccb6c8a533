//! Positions as text. The text sorts like the position, also in languages that compare texts by units of
//! UTF-16, because it is ASCII: `2026-11-21T06:00:00.000000Z/00000000000000000000/e-1`.
//!
//! The time has six digits of a second, the sequence twenty digits. In the event id, `~` and each byte of a
//! character outside ASCII become `~` and two hexadecimal digits: `~` is the largest printable character, so
//! that what is escaped stays behind what is not. A position has one text, and a text one position.

use std::fmt::Write as _;

use crate::base::id::Position;

/// The largest printable character of ASCII.
const ESCAPE: u8 = b'~';

/// The text of a position.
pub fn position_text(position: &Position) -> String {
    let Position { observed_at, sequence, event_id } = position;
    let time = observed_at.to_string();
    // Milliseconds are shown where there are no microseconds.
    let time = match time.strip_suffix('Z') {
        Some(millis) if observed_at.micros() % 1_000 == 0 => format!("{millis}000Z"),
        _ => time,
    };
    let mut text = format!("{time}/{sequence:020}/");
    for byte in event_id.as_str().bytes() {
        if byte < ESCAPE {
            text.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(text, "{}{byte:02x}", char::from(ESCAPE));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::id::EventId;
    use crate::base::time::Timestamp;

    fn position(micros: i64, sequence: u64, id: &str) -> Position {
        Position {
            observed_at: Timestamp::from_micros(micros).expect("in range"),
            sequence,
            event_id: EventId::parse(id).expect("an id"),
        }
    }

    #[test]
    fn a_position_is_readable() {
        let text = |micros, id| position_text(&position(micros, 7, id));
        let start = 1_795_240_800_000_000;
        assert_eq!(text(start, "e-1"), "2026-11-21T06:00:00.000000Z/00000000000000000007/e-1");
        assert_eq!(
            text(start + 1, "a/~ü"),
            "2026-11-21T06:00:00.000001Z/00000000000000000007/a/~7e~c3~bc"
        );
    }

    proptest! {
        #[test]
        fn texts_sort_like_positions_and_are_ascii(
            one in a_position(),
            other in a_position(),
        ) {
            let texts = (position_text(&one), position_text(&other));
            prop_assert!(texts.0.is_ascii() && !texts.0.contains(char::is_control));
            prop_assert_eq!(texts.0.cmp(&texts.1), one.cmp(&other));
        }
    }

    fn a_position() -> impl Strategy<Value = Position> {
        let micros =
            prop_oneof![-2_000i64..2_000, Timestamp::MIN.micros()..=Timestamp::MAX.micros()];
        let sequence = prop_oneof![0u64..3, any::<u64>()];
        (micros, sequence, "[a-b~}\u{e0}\u{ffee}\u{1f600}]{1,3}|\\PC{1,9}")
            .prop_map(|(micros, sequence, id)| position(micros, sequence, &id))
    }
}
