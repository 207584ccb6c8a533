//! Parses JSON objects from outside. serde also accepts a list for a struct, field by field; this
//! module accepts only objects.

use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Error, Value};

/// Parses an object whose `filter`, if present, is an object too.
///
/// # Errors
/// The text is not JSON, or has another shape.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let value: Value = serde_json::from_slice(json)?;
    let filter = value.get("filter").unwrap_or(&Value::Null);
    if value.is_object() && (filter.is_object() || filter.is_null()) {
        return serde_json::from_value(value);
    }
    Err(Error::custom("expected an object"))
}

#[cfg(test)]
mod tests {
    use drover_core::replay::Filter;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[serde(default)]
        filter: Filter,
    }

    #[test]
    fn a_list_is_not_an_object() {
        assert_eq!(read::<Body>(br#"{"filter":{}}"#).expect("it is one").filter, Filter::default());
        for odd in [r#"{"filter":[null,null]}"#, r#"{"filter":[]}"#, "[{}]", "[]", "null", "{"] {
            assert!(read::<Body>(odd.as_bytes()).is_err(), "{odd}");
        }
    }
}
