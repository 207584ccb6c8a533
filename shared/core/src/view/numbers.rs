//! What is read as a number: JSON has two ways to write one.

/// What is read as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// JSON numbers.
    #[default]
    Json,
    /// JSON numbers, and texts that are one.
    Text,
}

impl Numbers {
    /// The number that a text is, if texts are read: digits with a sign, a point or an exponent.
    pub fn of_text(self, text: &str) -> Option<f64> {
        let is_of_number =
            |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let text = text.trim();
        match self {
            Self::Text if text.bytes().all(is_of_number) => {
                text.parse().ok().filter(|number: &f64| number.is_finite())
            }
            Self::Text | Self::Json => None,
        }
    }
}
