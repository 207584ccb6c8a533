//! The built-in contracts. A stored contract with the same name replaces a built-in contract.

use std::sync::LazyLock;

use super::ContractDocument;
use crate::intake::fault::Fault;

/// The name and the document of each contract.
pub const BUILTINS: [(&str, &str); 6] = [
    ("telemetry", include_str!("builtin/telemetry.json")),
    ("heartbeat", include_str!("builtin/heartbeat.json")),
    ("learning", include_str!("builtin/learning.json")),
    ("message", include_str!("builtin/message.json")),
    ("iothub", include_str!("builtin/iothub.json")),
    ("cloudevents", include_str!("builtin/cloudevents.json")),
];

/// The name of the built-in contract that reads a media type, in lower case.
pub fn builtin_of_media_type(media_type: &str) -> Option<&'static str> {
    /// Media types and the names of their contracts.
    static NAMES: LazyLock<Vec<(String, &'static str)>> = LazyLock::new(|| {
        let documents = BUILTINS.iter().filter_map(|(name, _)| Some((*name, builtin(name).ok()??)));
        let named = documents.flat_map(|(name, document)| {
            document.media_types.into_iter().map(move |it| (it, name))
        });
        named.collect()
    });
    NAMES.iter().find(|(known, _)| known == media_type).map(|(_, name)| *name)
}

/// The built-in contract with this name, if it exists.
///
/// # Errors
/// The faults of the document. Tests ensure that there are none.
pub fn builtin(name: &str) -> Result<Option<ContractDocument>, Vec<Fault>> {
    let found = BUILTINS.iter().find(|(known, _)| *known == name);
    found.map(|(_, json)| ContractDocument::parse(json)).transpose()
}
