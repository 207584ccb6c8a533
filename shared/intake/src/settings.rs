//! How callers prove who they are, by the same variables for every front.

use drover_core::base::variables::{Misconfigured, Variables};

use crate::caller::{AuthMode, LocalKeys};

/// `DROVER_AUTH_MODE`: `key` (the default) or `jwt`; with `jwt`, `DROVER_JWT_TENANT_CLAIM` (`tenant`
/// by default), `DROVER_JWT_SCOPE_CLAIM` (`scope`) and `DROVER_JWT_SCOPE_PREFIX` (none).
///
/// # Errors
/// Another mode, or a prefix that no scope can have.
pub fn auth_mode<F>(variables: &Variables<F>) -> Result<AuthMode, Misconfigured>
where
    F: Fn(&str) -> Option<String>,
{
    const MODE: &str = "DROVER_AUTH_MODE";
    let claim = |name, default: &str| variables.optional(name).unwrap_or(default.to_owned());
    match variables.optional(MODE).as_deref() {
        None | Some("key") => Ok(AuthMode::Key(LocalKeys::Refused)),
        Some("jwt") => Ok(AuthMode::Jwt {
            tenant_claim: claim("DROVER_JWT_TENANT_CLAIM", "tenant"),
            scope_claim: claim("DROVER_JWT_SCOPE_CLAIM", "scope"),
            scope_prefix: scope_prefix(variables)?,
        }),
        Some(other) => {
            Err(Misconfigured::new(MODE, format!("is neither key nor jwt: value=`{other}`")))
        }
    }
}

/// What the scopes of this system begin with: `drover/` for `drover/write`.
fn scope_prefix<F>(variables: &Variables<F>) -> Result<String, Misconfigured>
where
    F: Fn(&str) -> Option<String>,
{
    const PREFIX: &str = "DROVER_JWT_SCOPE_PREFIX";
    let prefix = variables.optional(PREFIX).unwrap_or_default();
    if prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(prefix);
    }
    Err(Misconfigured::new(PREFIX, format!("is no beginning of a scope: value=`{prefix}`")))
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
    fn keys_are_the_default_and_local_ones_open_nothing() {
        assert_eq!(auth_mode(&variables(&[])), Ok(AuthMode::Key(LocalKeys::Refused)));
        let jwt = [("DROVER_AUTH_MODE", "jwt"), ("DROVER_JWT_TENANT_CLAIM", "org")];
        let expected = |prefix: &str| AuthMode::Jwt {
            tenant_claim: "org".to_owned(),
            scope_claim: "scope".to_owned(),
            scope_prefix: prefix.to_owned(),
        };
        assert_eq!(auth_mode(&variables(&jwt)), Ok(expected("")));
        let with_prefix = |prefix| {
            let [mode, tenant] = jwt;
            auth_mode(&variables(&[mode, tenant, ("DROVER_JWT_SCOPE_PREFIX", prefix)]))
        };
        assert_eq!(with_prefix("drover/"), Ok(expected("drover/")));
        let spaced = with_prefix("a b").expect_err("no scope has a space");
        let said = "DROVER_JWT_SCOPE_PREFIX is no beginning of a scope: value=`a b`";
        assert_eq!(spaced.to_string(), said);
        let wrong = auth_mode(&variables(&[("DROVER_AUTH_MODE", "none")])).expect_err("no mode");
        assert_eq!(wrong.to_string(), "DROVER_AUTH_MODE is neither key nor jwt: value=`none`");
    }
}
