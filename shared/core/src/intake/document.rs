//! Documents that people write (contracts, tenants, topics, alert rules), and their faults with paths.
//!
//! The shape of each is a JSON Schema under `document/`, which an editor can use as well ([`DocumentKind`]).
//! serde alone would refuse the same documents, but would name a line instead of a path and stop at the
//! first fault. What a schema cannot say is checked where the document becomes what it describes.

mod kind;

use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::kind::DocumentKind;
use crate::base::id::TenantId;
use crate::base::limits;
use crate::intake::fault::Fault;
use crate::intake::json::without_bom;
use crate::intake::schema::Schema;

/// The shape of a kind of document.
pub(crate) type CompiledSchema = LazyLock<Result<Schema, Fault>>;

/// The member that names a document's schema to an editor.
const SCHEMA_MEMBER: &str = "$schema";

/// Compiles the shape of a kind of document.
pub(crate) fn compiled(kind: DocumentKind) -> Result<Schema, Fault> {
    let schema: Value =
        serde_json::from_str(kind.schema()).map_err(|fault| Fault::new("", fault.to_string()))?;
    Schema::compile(&schema)
}

/// Parses the JSON of a document.
pub(crate) fn parse(text: &str) -> Result<Value, Vec<Fault>> {
    if text.len() > limits::DOCUMENT_BYTES {
        let (bytes, limit) = (text.len(), limits::DOCUMENT_BYTES);
        let message = format!("the document is too large: bytes=`{bytes}` limit=`{limit}`");
        return Err(vec![Fault::new("", message)]);
    }
    let mut document: Value = serde_json::from_slice(without_bom(text.as_bytes()))
        .map_err(|fault| vec![Fault::new("", format!("not a JSON document: {fault}"))])?;
    if let Value::Object(members) = &mut document
        && members.get(SCHEMA_MEMBER).is_some_and(Value::is_string)
    {
        members.remove(SCHEMA_MEMBER);
    }
    Ok(document)
}

/// Checks a document against its shape and reads it.
pub(crate) fn read<T: DeserializeOwned>(
    document: &Value,
    compiled: &CompiledSchema,
) -> Result<T, Vec<Fault>> {
    let schema = compiled.as_ref().map_err(|fault| vec![fault.clone()])?;
    let faults = schema.faults(document);
    if !faults.is_empty() {
        return Err(faults);
    }
    T::deserialize(document).map_err(|fault| vec![Fault::new("", fault.to_string())])
}

/// The name of a stored document of the registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentName {
    /// A tenant.
    Tenant(TenantId),
    /// The current version of a contract, by the name of the contract.
    Contract(String),
    /// A version of a contract, by the contract's name and the number of the version. Never changes.
    ContractVersion(String, u32),
    /// The current version of a tenant's alert rules.
    Rules(TenantId),
    /// A version of a tenant's alert rules. Never changes.
    RulesVersion(TenantId, u32),
    /// The route of a topic.
    Topic(String),
    /// An API key; the hexadecimal digits of its SHA-256.
    Key(String),
    /// The revision, which rises with every change, and the kinds of subjects.
    Revision,
}

impl DocumentName {
    /// The key in the registry's table.
    pub fn storage_key(&self) -> String {
        match self {
            Self::Tenant(id) => format!("T#{id}"),
            Self::Contract(name) => format!("C#{name}"),
            Self::ContractVersion(name, number) => format!("C#{name}@{number}"),
            Self::Rules(tenant) => format!("A#{tenant}"),
            Self::RulesVersion(tenant, number) => format!("A#{tenant}@{number}"),
            Self::Topic(name) => format!("R#{name}"),
            Self::Key(sha256) => format!("K#{sha256}"),
            Self::Revision => "REV".to_owned(),
        }
    }
}

/// A stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// The JSON.
    pub json: String,
    /// The revision that wrote it.
    pub revision: u64,
}
