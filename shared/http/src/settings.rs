//! Configuration variables shared by all HTTP functions.

use drover_core::base::variables::{Misconfigured, Variables};
use drover_intake::AuthMode;
use drover_intake::settings::auth_mode;

use crate::Origins;

/// How callers authenticate, and the origins whose pages may read responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// `DROVER_AUTH_MODE` and the claims.
    pub auth_mode: AuthMode,
    /// `DROVER_CORS_ORIGINS`
    pub origins: Origins,
}

impl HttpSettings {
    /// Reads the variables.
    ///
    /// # Errors
    /// The first invalid variable.
    pub fn read<F>(variables: &Variables<F>) -> Result<Self, Misconfigured>
    where
        F: Fn(&str) -> Option<String>,
    {
        Ok(Self { auth_mode: auth_mode(variables)?, origins: origins(variables) })
    }
}

/// Reads `DROVER_CORS_ORIGINS`: origins whose pages may read responses, separated by commas. The
/// default is none.
fn origins<F>(variables: &Variables<F>) -> Origins
where
    F: Fn(&str) -> Option<String>,
{
    let listed = variables.optional("DROVER_CORS_ORIGINS").unwrap_or_default();
    let listed = listed.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    Origins::Listed(listed.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(set: &'a [(&str, &str)]) -> Variables<impl Fn(&str) -> Option<String> + 'a> {
        Variables(move |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_origins_no_page_may_read_responses() {
        assert_eq!(origins(&variables(&[])), Origins::Listed(Vec::new()));
        let two = [("DROVER_CORS_ORIGINS", "https://a.example, https://b.example,")];
        let expected = ["https://a.example", "https://b.example"].map(str::to_owned);
        assert_eq!(origins(&variables(&two)), Origins::Listed(expected.into()));
    }
}
