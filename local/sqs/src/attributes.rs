//! The user's message attributes: validation, size, selection and checksum.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::protocol::WireAttribute;
use super::rejection::Rejection;
use super::text::{hex, sound};

/// The user's attributes of a message, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Attributes(BTreeMap<String, Attribute>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WireAttribute", into = "WireAttribute")]
struct Attribute {
    data_type: String,
    value: AttributeValue,
}

#[derive(Clone, Debug, PartialEq)]
enum AttributeValue {
    Text(String),
    Binary(Vec<u8>),
}

impl AttributeValue {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl Attributes {
    pub(super) fn parse(attributes: BTreeMap<String, WireAttribute>) -> Result<Self, Rejection> {
        if attributes.len() > 10 {
            return Err(Rejection::InvalidParameterValue(format!(
                "Number of message attributes [{}] exceeds the allowed maximum [10].",
                attributes.len()
            )));
        }
        let attributes = attributes.into_iter().map(|(name, attribute)| {
            let attribute = attribute_name(&name).and_then(|()| attribute.try_into());
            attribute.map(|attribute| (name.clone(), attribute)).map_err(|reason: String| {
                Rejection::InvalidParameterValue(format!("The message attribute '{name}' {reason}"))
            })
        });
        attributes.collect::<Result<_, _>>().map(Self)
    }

    /// The size that counts towards SQS's limits.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |(name, attribute): (&String, &Attribute)| {
            name.len() + attribute.data_type.len() + attribute.value.bytes().len()
        };
        self.0.iter().map(bytes).sum()
    }

    /// Keeps the attributes that a receive requests: a name, a prefix such as `order.*`, `All` or
    /// `.*`.
    pub(super) fn asked_for(mut self, names: &[String]) -> Self {
        self.0.retain(|name, _| {
            names.iter().any(|asked| match asked.strip_suffix(".*") {
                Some(prefix) => name.starts_with(prefix),
                None => asked == "All" || asked == name,
            })
        });
        self
    }

    pub(super) fn into_wire(self) -> BTreeMap<String, WireAttribute> {
        self.0.into_iter().map(|(name, attribute)| (name, attribute.into())).collect()
    }

    /// `MD5OfMessageAttributes`; `None` without attributes.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
    pub(super) fn md5(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut digest = Md5::new();
        for (name, attribute) in &self.0 {
            with_length(&mut digest, name.as_bytes());
            with_length(&mut digest, attribute.data_type.as_bytes());
            digest.update(match attribute.value {
                AttributeValue::Text(_) => [1],
                AttributeValue::Binary(_) => [2],
            });
            with_length(&mut digest, attribute.value.bytes());
        }
        Some(hex(digest))
    }
}

fn attribute_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let shaped = (1..=256).contains(&name.len()) && name.bytes().all(plain);
    let dotted = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    let lower = name.to_ascii_lowercase();
    let reserved = lower.starts_with("aws.") || lower.starts_with("amazon.");
    if shaped && !dotted && !reserved { Ok(()) } else { Err("has an invalid name.".to_owned()) }
}

impl TryFrom<WireAttribute> for Attribute {
    type Error = String;

    fn try_from(wire: WireAttribute) -> Result<Self, Self::Error> {
        let WireAttribute { data_type, string_value, binary_value } = wire;
        let empty = || "must contain a non-empty value of its type.".to_owned();
        let value = match data_type.split('.').next().unwrap_or_default() {
            "String" => AttributeValue::Text(string_value.ok_or_else(empty)?),
            "Number" => {
                let number = string_value.ok_or_else(empty)?;
                let finite = number.parse().is_ok_and(f64::is_finite);
                finite
                    .then_some(AttributeValue::Text(number))
                    .ok_or("can't be read as a number.")?
            }
            "Binary" => {
                let text = binary_value.ok_or_else(empty)?;
                let bytes = base64_simd::STANDARD.decode_to_vec(text);
                AttributeValue::Binary(bytes.map_err(|_| "isn't base64.")?)
            }
            _ => return Err("has a type that is not String, Number or Binary.".to_owned()),
        };
        if let AttributeValue::Text(text) = &value {
            sound(text.clone()).map_err(|rejection| rejection.to_string())?;
        }
        if value.bytes().is_empty() { Err(empty()) } else { Ok(Self { data_type, value }) }
    }
}

impl From<Attribute> for WireAttribute {
    fn from(attribute: Attribute) -> Self {
        let (string_value, binary_value) = match attribute.value {
            AttributeValue::Text(text) => (Some(text), None),
            AttributeValue::Binary(bytes) => {
                (None, Some(base64_simd::STANDARD.encode_to_string(bytes)))
            }
        };
        Self { data_type: attribute.data_type, string_value, binary_value }
    }
}

fn with_length(digest: &mut Md5, bytes: &[u8]) {
    // A message has at most 1 MiB, so the conversion cannot fail.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    digest.update(length.to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data_type: &str, value: &str) -> WireAttribute {
        WireAttribute {
            data_type: data_type.to_owned(),
            string_value: Some(value.to_owned()),
            binary_value: None,
        }
    }

    fn binary(base64: &str) -> WireAttribute {
        WireAttribute {
            data_type: "Binary".to_owned(),
            string_value: None,
            binary_value: Some(base64.to_owned()),
        }
    }

    fn parse(attributes: &[(&str, WireAttribute)]) -> Result<Attributes, Rejection> {
        Attributes::parse(attributes.iter().map(|(n, a)| ((*n).to_owned(), a.clone())).collect())
    }

    /// The expected checksum was computed with another program, by the rule in the developer guide.
    #[test]
    fn the_checksum_matches_that_of_sqs() {
        let attributes = parse(&[
            ("tenant", text("String", "acme")),
            ("raw", binary("AP8H")),
            ("count", text("Number", "42")),
        ]);
        let expected = "c84fb963edc6708677ae7ecd2f4ce663";
        assert_eq!(attributes.unwrap().md5().as_deref(), Some(expected));
        assert_eq!(Attributes::default().md5(), None);
    }

    #[test]
    fn attributes_are_selected_by_name_by_prefix_or_all() {
        let attributes =
            parse(&[("order.id", text("String", "1")), ("tenant", text("String", "a"))]).unwrap();
        let selected = |asked: &str| {
            let selected = attributes.clone().asked_for(&[asked.to_owned()]);
            selected.0.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(selected("tenant"), ["tenant"]);
        assert_eq!(selected("order.*"), ["order.id"]);
        assert_eq!(selected("All"), ["order.id", "tenant"]);
        assert_eq!(selected(".*"), ["order.id", "tenant"]);
        assert!(selected("other").is_empty());
    }

    #[test]
    fn attributes_that_sqs_rejects_are_rejected() {
        for (name, attribute) in [
            ("AWS.tenant", text("String", "a")),
            ("a..b", text("String", "a")),
            ("a b", text("String", "a")),
            ("tenant", text("Text", "a")),
            ("tenant", text("String", "")),
            ("count", text("Number", "many")),
            ("raw", binary("no base64!")),
            ("raw", text("Binary", "a")),
        ] {
            let parsed = parse(&[(name, attribute)]);
            assert!(matches!(parsed, Err(Rejection::InvalidParameterValue(_))), "{name}");
        }
        assert!(parse(&[("price", text("Number.eur", "-1.5e3"))]).is_ok());
    }
}
