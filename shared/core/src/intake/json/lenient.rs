//! `NaN` and `Infinity` in the place of a value, which programs write that do not follow JSON.

/// The words, and their names in messages.
const WORDS: [(&str, &str); 7] = [
    ("-Infinity", "-Infinity"),
    ("Infinity", "Infinity"),
    ("-inf", "-inf"),
    ("inf", "inf"),
    ("-NaN", "-NaN"),
    ("NaN", "NaN"),
    ("nan", "nan"),
];

/// The bare word at the beginning of a text, if no letter or digit follows.
pub(super) fn bare_word(text: &[u8]) -> Option<&'static str> {
    let stands = |word: &str| {
        let (begins, rest) = text.split_at_checked(word.len())?;
        let alone = rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric());
        (begins.eq_ignore_ascii_case(word.as_bytes()) && alone).then_some(())
    };
    WORDS.iter().find(|(word, _)| stands(word).is_some()).map(|(_, shown)| *shown)
}

/// The text with null instead of bare words; `None`: the text has none. Strings stay unchanged.
pub fn without_bare_words(text: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(text.len());
    let (mut at, mut replaced) = (0, false);
    while let Some(byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let length = match byte {
            b'"' => string_length(rest),
            b'-' | b'N' | b'n' | b'I' | b'i' => match bare_word(rest) {
                Some(word) => {
                    kept.extend_from_slice(b"null");
                    replaced = true;
                    at += word.len();
                    continue;
                }
                None => word_length(rest),
            },
            _ => 1,
        };
        kept.extend_from_slice(rest.get(..length).unwrap_or(rest));
        at += length;
    }
    replaced.then_some(kept)
}

fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn word_length(text: &[u8]) -> usize {
    let word = text.iter().skip(1).take_while(|byte| byte.is_ascii_alphanumeric());
    1 + word.count()
}
