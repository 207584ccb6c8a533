//! The kinds of documents that `drover apply` reads, with the JSON Schema of each. `drover schema` prints it.

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A contract: `contracts/*.json`.
    Contract,
    /// A tenant: `tenants/*.json`.
    Tenant,
    /// The routes of all topics: `topics.json`.
    Topics,
    /// The alert rules of a tenant: `rules/*.json`.
    Rules,
}

impl DocumentKind {
    /// The text of its JSON Schema (draft 2020-12).
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Contract => include_str!("contract.schema.json"),
            Self::Tenant => include_str!("tenant.schema.json"),
            Self::Topics => include_str!("topics.schema.json"),
            Self::Rules => include_str!("rules.schema.json"),
        }
    }
}

#[cfg(test)]
mod tests;
