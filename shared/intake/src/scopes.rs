//! The scopes of a token. A scope counts only if it equals the configured prefix plus one of three
//! words: an identity provider also issues scopes for other systems, and `billing/admin` must grant
//! nothing here.
//!
//! The claim has one of three forms: words separated by spaces (RFC 6749, 3.3), a JSON list of
//! strings, or API Gateway's rendering of a list, `[one two]`. The last form cannot distinguish an
//! entry with a space from two entries, but no scope contains a space.

use drover_core::intake::tenant::Scope;

/// The scopes that a claim grants.
pub(super) fn granted(claim: &str, prefix: &str) -> Vec<Scope> {
    let claim = claim.trim_matches(' ');
    if let Ok(list) = serde_json::from_str::<Vec<String>>(claim) {
        return list.iter().filter_map(|text| scope(text, prefix)).collect();
    }
    let inner = claim.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(claim).split(' ').filter_map(|text| scope(text, prefix)).collect()
}

fn scope(text: &str, prefix: &str) -> Option<Scope> {
    match text.strip_prefix(prefix)? {
        "write" => Some(Scope::Write),
        "read" => Some(Scope::Read),
        "admin" => Some(Scope::Admin),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORDS: [(&str, Scope); 3] =
        [("write", Scope::Write), ("read", Scope::Read), ("admin", Scope::Admin)];

    #[test]
    fn scopes_of_other_systems_grant_nothing() {
        for prefix in ["", "drover/"] {
            for claim in [
                "billing/admin",
                "x/drover/admin",
                "drover/admin/",
                "Drover/admin",
                "drover/Admin",
                "drover/admin,drover/write",
                "drover//admin",
                "drover/",
                "/admin",
                "admins",
                "]admin[",
                "[drover/admin",
                "drover/admin]",
                "\tadmin",
                "",
                " ",
                "[]",
                "[\"\"]",
                "\"admin\"",
                "{}",
                "[\"x admin\"]",
                "[[\"admin\"]]",
                "[\"admin\", 7]",
                "null",
            ] {
                assert_eq!(granted(claim, prefix), [], "{claim} {prefix}");
            }
        }
        assert_eq!(granted("admin", "drover/"), [], "with a prefix, bare words grant nothing");
        assert_eq!(
            granted("drover/admin", ""),
            [],
            "without a prefix, prefixed words grant nothing"
        );
    }

    #[test]
    fn every_form_of_a_list_is_read() {
        let both = [Scope::Read, Scope::Admin];
        for claim in [
            "drover/read drover/admin",
            "  drover/read  x drover/admin ",
            "[drover/read drover/admin]",
            r#"["drover/read", "drover/admin"]"#,
        ] {
            assert_eq!(granted(claim, "drover/"), both, "{claim}");
        }
        assert_eq!(granted("read admin", ""), both);
    }

    /// Near misses of valid scopes, and arbitrary words.
    fn texts() -> impl Strategy<Value = String> {
        let near =
            r"(drover/|Drover/|billing/|drover//|/)?(write|read|admin|admins|Admin|write,read)/?";
        prop_oneof![near, r"[!-Z\^-~]{1,12}"]
    }

    proptest! {
        #[test]
        fn only_the_prefix_plus_a_known_word_grants_a_scope(
            texts in proptest::collection::vec(texts(), 0..6),
            prefix in prop_oneof![Just(""), Just("drover/"), Just("https://api.example/")],
        ) {
            let ours = |text: &String| {
                let is = |(word, _): &&(&str, Scope)| *text == format!("{prefix}{word}");
                WORDS.iter().find(is).map(|(_, scope)| *scope)
            };
            let expected: Vec<Scope> = texts.iter().filter_map(ours).collect();
            let spaced = texts.join(" ");
            let listed = serde_json::to_string(&texts).expect("JSON");
            for claim in [listed, format!("[{spaced}]"), spaced] {
                prop_assert_eq!(granted(&claim, prefix), expected.clone(), "{}", claim);
            }
        }

        #[test]
        fn a_claim_grants_only_scopes_that_it_contains(claim in ".{0,60}") {
            let parts = |one: char| " []\",".contains(one);
            for (word, scope) in WORDS {
                let is_there = claim.split(parts).any(|part| part == format!("drover/{word}"));
                prop_assert!(is_there || !granted(&claim, "drover/").contains(&scope));
            }
        }
    }
}
