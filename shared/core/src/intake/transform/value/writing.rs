//! Writes values as JSON.

use std::fmt;

use super::super::meter;
use super::Value;

impl Value {
    /// Appends the JSON of the value to a text. Without steps the writer stops early, because the run ends.
    pub(in super::super) fn write(&self, json: &mut String) {
        if !meter::charge(1) {
            return;
        }
        match self {
            Self::Null => json.push_str("null"),
            Self::Bool(true) => json.push_str("true"),
            Self::Bool(false) => json.push_str("false"),
            Self::Number(number) => json.push_str(&number.text()),
            Self::Text(text) => write_text(text, json),
            Self::Array(array) => {
                json.push('[');
                for (index, item) in array.items().iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    item.write(json);
                }
                json.push(']');
            }
            Self::Object(object) => {
                json.push('{');
                for (index, (name, value)) in object.items().iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    write_text(name, json);
                    json.push(':');
                    value.write(json);
                }
                json.push('}');
            }
        }
    }

    pub(in super::super) fn to_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }
}

fn write_text(text: &str, json: &mut String) {
    meter::charge_for(text.len());
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        // Every text can be written as JSON.
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

/// The type of the value, for error messages. The value itself may be part of the record.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind())
    }
}
