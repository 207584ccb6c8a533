//! The sequence number of a stream record: 21 to 40 decimal digits, which order the records of one
//! shard as numbers. The text is kept, because responses and requests repeat it exactly.

use std::cmp::Ordering;
use std::sync::Arc;

/// A sequence number. Clones share the text.
#[derive(Clone, Debug)]
pub struct SequenceNumber(Arc<str>);

impl SequenceNumber {
    /// `None` if the text contains anything but digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| Self(text.into()))
    }

    /// The text as the service wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Texts of any length order as numbers by their number of digits, and then by the digits.
    fn digits(&self) -> (usize, &str) {
        let digits = self.0.trim_start_matches('0');
        (digits.len(), digits)
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digits().cmp(&other.digits())
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SequenceNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SequenceNumber {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_order_as_numbers() {
        let number = |text| SequenceNumber::parse(text).unwrap();
        assert!(number("9") < number("10"));
        assert!(number("000000000000000000009") < number("10"));
        assert!(number("1405400000000002063282832") > number("800000000003126276362"));
        assert_eq!(number("007"), number("7"));
        assert_eq!(number("007").as_str(), "007");
    }

    #[test]
    fn a_sequence_number_has_digits_only() {
        for text in ["", "-1", "+1", "1.0", "1e3", "a", " 1"] {
            assert_eq!(SequenceNumber::parse(text), None, "{text}");
        }
    }
}
