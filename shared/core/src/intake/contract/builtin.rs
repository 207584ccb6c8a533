//! The contracts that ship inside the binary. A stored one of the same name overrides one.

use std::sync::LazyLock;

use super::ContractDocument;
use crate::intake::fault::Fault;

/// Name and document of each.
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

/// The built-in contract of that name, if there is one.
///
/// # Errors
/// Never in a tested binary: what is wrong with the document.
pub fn builtin(name: &str) -> Result<Option<ContractDocument>, Vec<Fault>> {
    let found = BUILTINS.iter().find(|(known, _)| *known == name);
    found.map(|(_, json)| ContractDocument::parse(json)).transpose()
}
