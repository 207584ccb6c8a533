//! Record headers in the form of Lambda: `[{"name": [byte, …]}, …]`. Bytes may be signed or unsigned, and a
//! header without a value has an empty value.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Names and values, in order.
pub(super) struct Headers(pub(super) Vec<(String, Vec<u8>)>);

/// The bytes of one value.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Headers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of headers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                // Most records have one header, and the first push would allocate room for four.
                let mut headers = Vec::with_capacity(1);
                while list.next_element_seed(Into(&mut headers))?.is_some() {}
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Reads one object of the list, which usually has one name, into the list of all headers.
struct Into<'a>(&'a mut Vec<(String, Vec<u8>)>);

impl<'de> DeserializeSeed<'de> for Into<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Into<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some((name, bytes)) = object.next_entry::<String, Option<Bytes>>()? {
            self.0.push((name, bytes.map(|Bytes(bytes)| bytes).unwrap_or_default()));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Bytes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(number) = list.next_element::<i16>()? {
                    bytes.push(byte(number).ok_or_else(|| A::Error::custom("no byte"))?);
                }
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_seq(Numbers)
    }
}

fn byte(number: i16) -> Option<u8> {
    u8::try_from(number).ok().or_else(|| i8::try_from(number).ok().map(i8::cast_unsigned))
}
