//! Alert rules: the document of a tenant's rules (`rules/*.json`), checked and compiled for the fold in
//! [`crate::view::rules`].
//!
//! A document is checked twice: alone ([`Rules::check`]), and with the contracts that its rules name
//! ([`Rules::against`]), because only a contract says which measures there are and in which units. Only then it can
//! be folded.
//!
//! Not here: the existence of targets, which the tenant's document has.

mod against;
mod compile;
mod conditions;
mod document;
mod summary;

#[cfg(test)]
mod against_tests;
#[cfg(test)]
mod tests;

pub use self::against::{Declared, compiled_against};
pub use self::compile::{Meaning, Rules};
pub use self::document::{Notify, RuleDocument, RulesDocument};
pub use self::summary::{Facts, Summary};
