//! JSON from outside as our own shapes. serde takes a list for a struct, too, field by field, which no
//! document of ours says: here an object is an object.

use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Error, Value};

/// Reads an object, whose `filter` is one, too.
///
/// # Errors
/// It is no JSON, or of another shape.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let value: Value = serde_json::from_slice(json)?;
    let filter = value.get("filter").unwrap_or(&Value::Null);
    if value.is_object() && (filter.is_object() || filter.is_null()) {
        return serde_json::from_value(value);
    }
    Err(Error::custom("something else where an object is expected"))
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
    fn a_list_is_no_object() {
        assert_eq!(read::<Body>(br#"{"filter":{}}"#).expect("it is one").filter, Filter::default());
        for odd in [r#"{"filter":[null,null]}"#, r#"{"filter":[]}"#, "[{}]", "[]", "null", "{"] {
            assert!(read::<Body>(odd.as_bytes()).is_err(), "{odd}");
        }
    }
}
