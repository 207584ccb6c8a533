//! Query strings. An unknown parameter is an error, so that a typo never selects everything. A
//! repeated parameter is an error too.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use drover_core::base::time::Timestamp;

use crate::Problem;

/// The unread parameters of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Parses a percent-encoded query string.
    ///
    /// # Errors
    /// `invalid_parameter` for a repeated parameter.
    pub fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if parameters.contains_key(&*name) {
                return Err(Problem::invalid_parameter(&shown(&name), "is repeated"));
            }
            parameters.insert(name.into_owned(), value.into_owned());
        }
        Ok(Self(parameters))
    }

    /// A parameter as text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A parameter as a number within a range.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn number<T>(
        &mut self,
        name: &str,
        range: RangeInclusive<T>,
        default: T,
    ) -> Result<T, Problem>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(name) else { return Ok(default) };
        // The standard library parses `+5` as a number, but in a query string `+` is a space.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = text.parse().ok().filter(|number| digits && range.contains(number));
        parsed.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            Problem::invalid_parameter(name, &format!("must be a number from {least} to {most}"))
        })
    }

    /// A parameter as an RFC 3339 time with an offset.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn time(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let fault = "must be an RFC 3339 time with an offset (encode + as %2B)";
        let parsed = Timestamp::parse_rfc3339(&text);
        parsed.map(Some).ok_or_else(|| Problem::invalid_parameter(name, fault))
    }

    /// Rejects unread parameters.
    ///
    /// # Errors
    /// `unknown_parameter`.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::bad_request(
                "unknown_parameter",
                format!("unknown parameter: parameter=`{}`", shown(&name)),
            )),
        }
    }
}

/// A parameter's name for a message to its sender: bounded, on one line.
fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::parse(Some(query)).expect("parameters")
    }

    #[test]
    fn an_unread_parameter_is_unknown() {
        let mut two = parameters("limit=5&lmit=6");
        assert_eq!(two.number("limit", 1..=10, 3), Ok(5));
        let problem = two.finish().expect_err("one is left");
        assert_eq!(problem.code(), "unknown_parameter");
        assert_eq!(Parameters::parse(None).expect("none").finish(), Ok(()));
        assert_eq!(parameters("").finish(), Ok(()));
    }

    #[test]
    fn a_repeated_parameter_is_invalid() {
        let twice = Parameters::parse(Some("a=1&a=1")).expect_err("twice");
        assert_eq!(twice.code(), "invalid_parameter");
    }

    #[test]
    fn a_number_is_digits_within_its_range() {
        for wrong in ["", "0", "11", "+5", "%2B5", "-1", "5.0", "x", "99999999999999999999"] {
            let mut parameters = parameters(&format!("limit={wrong}"));
            let problem = parameters.number("limit", 1..=10, 3).expect_err(wrong);
            assert_eq!(problem.code(), "invalid_parameter", "{wrong}");
        }
        assert_eq!(parameters("limit=10").number("limit", 1..=10, 3), Ok(10));
        assert_eq!(parameters("").number("limit", 1..=10, 3), Ok(3));
    }

    #[test]
    fn a_time_has_an_offset() {
        let at = parameters("at=2026-11-21T06:00:00%2B01:00").time("at").expect("a time");
        assert_eq!(at.map(|at| at.to_string()).as_deref(), Some("2026-11-21T05:00:00.000Z"));
        let mut without = parameters("at=2026-11-21T06:00:00");
        assert_eq!(without.time("at").expect_err("no offset").code(), "invalid_parameter");
    }
}
