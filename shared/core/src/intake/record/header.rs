//! The value of a record's header: plain text, or an AMQP 1.0 primitive behind its type byte, as
//! Azure Event Hubs writes properties for Kafka clients (OASIS AMQP 1.0, part 1, section 1.6).
//! The two cannot be confused: no UTF-8 text starts with a byte from 0x80 to 0xbf.

/// Headers with credentials: neither records nor programs get them.
const CREDENTIALS: [&str; 7] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-forwarded-authorization",
    "x-functions-key",
];

/// Whether a header with this name holds credentials.
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|credential| name.eq_ignore_ascii_case(credential))
}

const STRING_8: u8 = 0xa1;
const STRING_32: u8 = 0xb1;
const TIMESTAMP: u8 = 0x83;
const LONG: u8 = 0x81;

/// The value of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    /// A text.
    Text(&'a str),
    /// An AMQP long.
    Long(i64),
    /// An AMQP timestamp: milliseconds since 1970.
    Millis(i64),
    /// Neither UTF-8 nor a supported AMQP type.
    Unreadable,
}

impl<'a> HeaderValue<'a> {
    /// Reads a Kafka key, which is a text and never an AMQP type.
    pub(crate) fn of_text(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Unreadable, Self::Text)
    }

    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let typed = match bytes.split_first() {
            Some((&STRING_8, rest)) => short_string(rest),
            Some((&STRING_32, rest)) => long_string(rest),
            Some((&TIMESTAMP, rest)) => eight_bytes(rest).map(Self::Millis),
            Some((&LONG, rest)) => eight_bytes(rest).map(Self::Long),
            _ => std::str::from_utf8(bytes).ok().map(Self::Text),
        };
        typed.unwrap_or(Self::Unreadable)
    }
}

fn short_string(bytes: &[u8]) -> Option<HeaderValue<'_>> {
    let (&length, text) = bytes.split_first()?;
    exact_text(text, usize::from(length))
}

fn long_string(bytes: &[u8]) -> Option<HeaderValue<'_>> {
    let (length, text) = bytes.split_first_chunk::<4>()?;
    exact_text(text, usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn exact_text(text: &[u8], length: usize) -> Option<HeaderValue<'_>> {
    if text.len() != length {
        return None;
    }
    std::str::from_utf8(text).ok().map(HeaderValue::Text)
}

fn eight_bytes(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bytes: &[u8], expected: HeaderValue<'_>) {
        assert_eq!(HeaderValue::read(bytes), expected, "{bytes:x?}");
    }

    #[test]
    fn plain_text_and_amqp_types_are_both_read() {
        check(b"dev-1", HeaderValue::Text("dev-1"));
        check(b"", HeaderValue::Text(""));
        check(b"\xa1\x05dev-1", HeaderValue::Text("dev-1"));
        check(b"\xb1\x00\x00\x00\x05dev-1", HeaderValue::Text("dev-1"));
        check(b"\x83\x00\x00\x01\x8b\xcf\xe5\x68\x00", HeaderValue::Millis(1_700_000_000_000));
        check(b"\x81\xff\xff\xff\xff\xff\xff\xff\xfe", HeaderValue::Long(-2));
    }

    #[test]
    fn a_type_byte_with_another_length_behind_it_is_unreadable() {
        for bytes in [
            &b"\xa1"[..],
            b"\xa1\x06dev-1",
            b"\xa1\x04dev-1",
            b"\xa1\x01\xff",
            b"\xb1\x00\x00\x05dev",
            b"\xb1\xff\xff\xff\xffdev-1",
            b"\x83\x00",
            b"\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\xc8",
        ] {
            check(bytes, HeaderValue::Unreadable);
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_as_itself(text in any::<String>()) {
            prop_assert_eq!(HeaderValue::read(text.as_bytes()), HeaderValue::Text(&text));
        }
    }
}
