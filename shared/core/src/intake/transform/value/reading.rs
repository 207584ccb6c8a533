//! Reads values from a JSON text that was parsed before. The text is therefore JSON within the depth limit of
//! serde_json. Every number keeps its spelling.

use std::borrow::Cow;
use std::rc::Rc;

use super::{Number, Value};

/// Reads a JSON text.
pub(in super::super) fn read(json: &str) -> Value {
    Reader { json, at: 0 }.value()
}

struct Reader<'t> {
    json: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn value(&mut self) -> Value {
        match self.next() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Value::Text(self.text().into()),
            Some(b'-' | b'0'..=b'9') => Value::Number(Number::written(self.word())),
            Some(_) => match self.word() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::Null,
            },
            None => Value::Null,
        }
    }

    fn object(&mut self) -> Value {
        self.at += 1;
        let mut members: Vec<(Rc<str>, Value)> = Vec::new();
        while self.next() == Some(b'"') {
            let name = self.text().into();
            self.skip(b':');
            members.push((name, self.value()));
            self.skip(b',');
        }
        self.skip(b'}');
        Value::object(members)
    }

    fn array(&mut self) -> Value {
        self.at += 1;
        let mut items = Vec::new();
        while self.next().is_some_and(|byte| byte != b']') {
            items.push(self.value());
            self.skip(b',');
        }
        self.skip(b']');
        Value::array(items)
    }

    fn text(&mut self) -> Cow<'t, str> {
        let start = self.at;
        let rest = self.json.as_bytes().get(start + 1..).unwrap_or_default();
        let mut length = 0;
        while let Some(byte) = rest.get(length) {
            match byte {
                b'"' => break,
                b'\\' => length += 2,
                _ => length += 1,
            }
        }
        self.at = start + length + 2;
        let inside = self.json.get(start + 1..start + 1 + length).unwrap_or_default();
        if inside.contains('\\') {
            let quoted = self.json.get(start..self.at).unwrap_or_default();
            Cow::Owned(serde_json::from_str(quoted).unwrap_or_default())
        } else {
            Cow::Borrowed(inside)
        }
    }

    /// A number or a literal.
    fn word(&mut self) -> &'t str {
        let rest = self.json.get(self.at..).unwrap_or_default();
        let is_word =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = rest.bytes().take_while(|byte| is_word(byte)).count();
        self.at += length.max(1);
        rest.get(..length).unwrap_or_default()
    }

    /// The next byte after whitespace.
    fn next(&mut self) -> Option<u8> {
        let rest = self.json.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.json.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) {
        if self.next() == Some(byte) {
            self.at += 1;
        }
    }
}
