//! The line about an alert: a text with names in braces, `{{subject.id}} is at {{value}} {{unit}}`.

use std::fmt::Write as _;

use crate::base::severity::Severity;
use crate::view::rules::Value;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name(Name),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Tenant,
    SubjectKind,
    SubjectId,
    Rule,
    Measure,
    Value,
    Unit,
    Severity,
    OpenedAt,
}

const NAMES: [(&str, Name); 9] = [
    ("tenant", Name::Tenant),
    ("subject.kind", Name::SubjectKind),
    ("subject.id", Name::SubjectId),
    ("rule", Name::Rule),
    ("measure", Name::Measure),
    ("value", Name::Value),
    ("unit", Name::Unit),
    ("severity", Name::Severity),
    ("opened_at", Name::OpenedAt),
];

/// What a line says of one alert.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The kind and the id of the subject.
    pub subject: (&'a str, &'a str),
    /// The rule.
    pub rule: &'a str,
    /// The measure of the rule.
    pub measure: Option<&'a str>,
    /// The value.
    pub value: Option<&'a Value>,
    /// The unit of the value.
    pub unit: Option<&'a str>,
    /// The severity.
    pub severity: Severity,
    /// When the episode opened.
    pub opened_at: &'a str,
}

impl Summary {
    /// The line of a rule without a summary.
    pub const USUAL: &'static str = "{{rule}}: {{subject.kind}}/{{subject.id}} {{value}} {{unit}}";

    /// Parses a line.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else {
                return Err("a name in the summary has no end: expected }}".to_owned());
            };
            let known = NAMES.iter().find(|(known, _)| *known == name.trim());
            let Some((_, name)) = known else {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                return Err(format!(
                    "expected one of these names in {{{{}}}}: {}",
                    names.join(", ")
                ));
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Name(*name));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The line about one alert. What an alert does not have is left out.
    pub fn line(&self, facts: &Facts<'_>) -> String {
        let mut line = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Name(name) => facts.write(*name, &mut line),
            }
        }
        line.trim_end().to_owned()
    }
}

impl Facts<'_> {
    fn write(&self, name: Name, line: &mut String) {
        match name {
            Name::Tenant => line.push_str(self.tenant),
            Name::SubjectKind => line.push_str(self.subject.0),
            Name::SubjectId => line.push_str(self.subject.1),
            Name::Rule => line.push_str(self.rule),
            Name::Measure => line.push_str(self.measure.unwrap_or_default()),
            Name::Unit => line.push_str(self.unit.unwrap_or_default()),
            Name::Severity => line.push_str(self.severity.as_str()),
            Name::OpenedAt => line.push_str(self.opened_at),
            Name::Value => match self.value {
                // Writing to a String cannot fail.
                Some(Value::Number(number)) => {
                    let _ = write!(line, "{number}");
                }
                Some(Value::Text(text)) => line.push_str(text),
                None => {}
            },
        }
    }
}
