//! The bytes of ids that are 32 lower-case hexadecimal digits, with or without the hyphens of a UUID. Every commit
//! encodes the whole tail, so an id is read several times.

const DIGITS: usize = 32;

/// The bytes of digits without hyphens; `None`: the text is not 32 lower-case hexadecimal digits.
pub(super) fn simple(text: &str) -> Option<[u8; 16]> {
    bytes(text.as_bytes().try_into().ok()?)
}

/// The bytes of a lower-case UUID with hyphens; `None`: the text is no such UUID.
pub(super) fn hyphenated(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != *b"----" {
        return None;
    }
    let mut digits = [0; DIGITS];
    digits[..8].copy_from_slice(&text[..8]);
    digits[8..12].copy_from_slice(&text[9..13]);
    digits[12..16].copy_from_slice(&text[14..18]);
    digits[16..20].copy_from_slice(&text[19..23]);
    digits[20..].copy_from_slice(&text[24..]);
    bytes(&digits)
}

fn bytes(digits: &[u8; DIGITS]) -> Option<[u8; 16]> {
    const NO_DIGIT: u8 = 0xff;
    // Without an early end, many digits are read in one step.
    let values = digits.map(|digit| match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => NO_DIGIT,
    });
    if values.iter().fold(0, |all, value| all | value) > 0xf {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, [high, low]) in bytes.iter_mut().zip(values.as_chunks().0) {
        *byte = high << 4 | low;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn check(text: &str) {
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let uuid = Uuid::try_parse(text).ok().filter(|_| lower).map(Uuid::into_bytes);
        let (simple_uuid, other) =
            (uuid.filter(|_| text.len() == 32), uuid.filter(|_| text.len() == 36));
        assert_eq!((simple(text), hyphenated(text)), (simple_uuid, other), "{text}");
    }

    proptest! {
        #[test]
        fn ids_have_the_bytes_of_their_uuid(bytes: [u8; 16]) {
            let uuid = Uuid::from_bytes(bytes);
            check(&uuid.simple().to_string());
            check(&uuid.hyphenated().to_string());
            check(&uuid.simple().to_string().to_uppercase());
            check(&uuid.hyphenated().to_string().to_uppercase());
        }

        #[test]
        fn other_texts_have_no_bytes(
            bytes: [u8; 16], at in 0usize..36, other in "[-0-9a-gA-F/:`{é]",
        ) {
            let uuid = Uuid::from_bytes(bytes);
            for mut text in [uuid.simple().to_string(), uuid.hyphenated().to_string()] {
                let at = at.min(text.len() - 1);
                text.replace_range(at..=at, &other);
                check(&text);
            }
        }
    }
}
